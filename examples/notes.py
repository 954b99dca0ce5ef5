"""A recording of which some notes are known: KL-NMF of its spectrogram, with `Known` on W; the other notes are found.

Semi-supervised, as in Smaragdis, Raj and Shashanka 2007.
"""

import jax
import matplotlib.pyplot as plt
import numpy as np

import jnmf
from jnmf import terms

jax.config.update("jax_enable_x64", True)
rng = np.random.default_rng(0)
rate, window, fundamentals = 4000, 256, (220, 262, 330, 392)
time = np.arange(2 * rate) / rate
sounding = np.repeat(rng.random((4, 16)) < 0.5, rate // 8, axis=1)  # which notes sound in each eighth of a second
notes = [sum(np.sin(2 * np.pi * k * f * time) / k for k in range(1, 6)) for f in fundamentals]


def spectrogram(sound):
    frames = np.lib.stride_tricks.sliding_window_view(sound, window)[:: window // 2]
    return np.abs(np.fft.rfft(frames * np.hanning(window))).T


X = spectrogram(sum(note * on for note, on in zip(notes, sounding, strict=True)) + 0.01 * rng.normal(size=len(time)))
spectra = np.stack([spectrogram(note).mean(axis=1) for note in notes], axis=1)  # of each note alone
truth = np.stack([spectrogram(note * on).sum(axis=0) for note, on in zip(notes, sounding, strict=True)])

for known in (0, 3):
    on_W = terms.Known(spectra[:, :known]) if known else ()
    found = jnmf.fit(X, 4, jnmf.MU(beta=1.0, on_W=on_W), max_iters=200)
    loudness = found.W.sum(axis=0)[:, None] * found.H
    right = [np.corrcoef(a, b)[0, 1] for a, b in zip(loudness[:known], truth, strict=False)]
    of_new = max(np.corrcoef(row, truth[3])[0, 1] for row in loudness[known:])
    told = f"at least {min(right):.3f} for the known ones, " if known else ""
    print(f"{known} notes known: correlation with when they sounded {told}{of_new:.3f} for the last, which is found")
for ax, true, row in zip(plt.figure().subplots(4, sharex=True), truth, loudness, strict=True):
    ax.plot(np.stack([true / true.max(), row / row.max()], axis=1), label=["true loudness", "found"])
ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=2)
