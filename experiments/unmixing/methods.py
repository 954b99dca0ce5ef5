"""Which method finds the spectra, with pure pixels and without."""

from typing import Any

import numpy as np

from experiments.figures import legend_beneath, panels, plain
from experiments.study import Arrays, Section, Table
from experiments.unmixing import LEAST, METHODS, NEAR, SPA, STARTS, Given, Settings, angles, farthest, pairing
from experiments.unmixing.scene import threshold
from experiments.words import flowing, listed
from jnmf.plot import BLACK, BLUE, COLORS, DASHES, MARKERS

NAMES = (SPA, *METHODS)
COLOR = dict(zip(NAMES, (BLACK, *COLORS[:4], "0.5"), strict=False))


def compute(settings: Settings, given: Given) -> dict[str, Any]:
    """angle (1 + M, S, P, N, D, r), degrees, of SPA and the methods; and of the first scene with mixed pixels and the
    least noise truth (m, r) and shown (1 + M, m, r), found from the random start, in the order and scale of truth."""
    last = [given.spa + np.zeros((len(STARTS), 1, 1, 1, 1, 1)), *(W[..., -1, :, :] for W in given.found.values())]
    first = [W[-1, settings.purities.index(settings.mixed), 0, 0] for W in last]
    truth = given.spectra[0]
    return {
        "angle": np.stack([angles(given.spectra, W) for W in last]),
        "truth": truth,
        "shown": np.stack([as_truth(truth, W) for W in first]),
    }


def as_truth(truth, W) -> np.ndarray:
    """The columns of W in the order of those of truth, each times the number that makes it nearest."""
    W = W[:, np.asarray(pairing(truth, W).match)]
    return W * np.sum(W * truth, axis=0) / np.maximum(np.sum(W * W, axis=0), np.finfo(float).tiny)


def lines(ax, x, curves) -> None:
    """Of SPA and the methods, angles over x."""
    for i, (name, curve) in enumerate(zip(NAMES, curves, strict=True)):
        style = {"color": COLOR.get(name, BLUE), "ls": DASHES[i % len(DASHES)], "marker": MARKERS[i % len(MARKERS)]}
        ax.plot(x, np.maximum(curve, LEAST), ms=4, label=name, **style)
    ax.set_yscale("log")
    plain(ax.yaxis)
    ax.grid(alpha=0.3)


def plot(arrays: Arrays) -> dict[str, Any]:
    figure, axes = panels(8, 3.8, columns=len(STARTS), sharey=True)
    for i, (ax, start) in enumerate(zip(axes, STARTS, strict=True)):
        lines(ax, arrays["purities"], farthest(arrays["angle"])[:, i, :, 0])
        ax.axvline(threshold(arrays), color="0.6", lw=1)
        ax.set(title=f"start: {start}", xlabel="purity (line: 2/r)")
        ax.invert_xaxis()
    axes[0].set_ylabel("largest angle, degrees")
    legend_beneath(figure, axes[0], 3)
    return {"purity": figure, "spectra": spectra_figure(arrays)}


def spectra_figure(arrays: Arrays) -> Any:
    """The spectra that were found over the true ones, a panel a method."""
    rows = -(-len(NAMES) // 3)
    figure, axes = panels(8.4, 2.1 * rows, rows, 3, sharex=True, sharey=True, squeeze=False)
    for ax, name, W in zip(axes.flat, NAMES, arrays["shown"], strict=False):
        for k, (true, found) in enumerate(zip(arrays["truth"].T, W.T, strict=True)):
            ax.plot(true, color=COLORS[k % len(COLORS)], lw=4, alpha=0.3, label="true" if k == 0 else None)
            ax.plot(found, color=COLORS[k % len(COLORS)], lw=1.2, ls="--", label="found" if k == 0 else None)
        ax.set_title(name, fontsize="small")
    for ax in axes.flat[len(NAMES) :]:
        ax.set_axis_off()
    for ax in axes[-1]:
        ax.set_xlabel("band", fontsize="small")
    for ax in axes[:, 0]:
        ax.set_ylabel("reflectance", fontsize="small")
    legend_beneath(figure, axes[0, 0], 2)
    return figure


def near(angle) -> list[str]:
    """The names of those (1 + M, S) that are near from every start."""
    return [name for name, each in zip(NAMES, angle, strict=True) if np.max(each) < NEAR]


def told(angle) -> str:
    """The angles of all, of (1 + M, S)."""
    text = lambda each: " and ".join(dict.fromkeys(f"{x:.1f}" for x in each))
    return "; ".join(f"{name} {text(each)}" for name, each in zip(NAMES, angle, strict=True))


def sections(arrays: Arrays) -> list[Section]:
    angle, purities, mixed = farthest(arrays["angle"])[..., 0], arrays["purities"], arrays["mixed"]
    pure, without = near(angle[:, :, 0]), near(angle[:, :, mixed])
    low = np.flatnonzero(purities < threshold(arrays))
    below = sorted({name for p in low for name in near(angle[:, :, p])}, key=NAMES.index)
    beyond = f"Below the purity 2/r = {threshold(arrays):g} these are near: {listed(below)}." if len(low) else ""
    lost = [name for name in pure if name not in without]
    by_start = [
        name for name, each in zip(NAMES, angle[:, :, mixed], strict=True) if np.min(each) < NEAR <= np.max(each)
    ]
    depends = f" From one start and not from the other: {listed(by_start)}." if by_start else ""
    answer = f"""With pure pixels: {listed(pure)}. With a purity of {purities[mixed]:g}: {listed(without)}. That is, all
        spectra are within {NEAR:g} degrees of what is found, without noise and from both starts, SPA and random.
        {beyond} Near with pure pixels only: {listed(lost)}.{depends}

        The largest angle of a spectrum, in degrees, median of the scenes, from the start of SPA and from the random
        one. Pure pixels: {told(angle[:, :, 0])}. Purity {purities[mixed]:g}: {told(angle[:, :, mixed])}. In the figures
        less than {LEAST:g} is drawn as {LEAST:g}, and the found spectra are those of the first scene at purity
        {purities[mixed]:g}, from the random start, each in the scale in which it is nearest to the true one."""
    rows = [
        (name, "" if name == SPA else start, *(f"{x:.2f}" for x in angle[i, j]))
        for i, name in enumerate(NAMES)
        for j, start in enumerate(STARTS[: 1 if name == SPA else None])
    ]
    columns = ("method", "start", *(f"purity {p:g}" for p in purities))
    table = Table(columns, rows, "Largest angle of a spectrum, degrees, without noise; median of the scenes.")
    return [Section("Which method finds the spectra?", flowing(answer), ("purity", "spectra"), (table,))]
