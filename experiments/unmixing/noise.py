"""What noise changes."""

from typing import Any

import numpy as np

from experiments.figures import legend_beneath, panels
from experiments.study import Arrays, Section, Table
from experiments.unmixing import SPA, farthest
from experiments.unmixing.methods import NAMES, lines
from experiments.words import flowing


def at(arrays: Arrays) -> list[tuple[str, np.ndarray]]:
    """With pure pixels and without: the largest angles (1 + M, N), from the start that is nearer."""
    angle = farthest(arrays["angle"]).min(axis=1)
    mixed = arrays["mixed"]
    return [("pure pixels", angle[:, 0]), (f"purity {arrays['purities'][mixed]:g}", angle[:, mixed])]


def plot(arrays: Arrays) -> dict[str, Any]:
    figure, axes = panels(8, 3.8, columns=2, sharey=True)
    for ax, (title, angle) in zip(axes, at(arrays), strict=True):
        lines(ax, arrays["noises"], angle)
        ax.set(title=title, xlabel="noise, relative to ‖W H‖")
    axes[0].set_ylabel("largest angle, degrees")
    legend_beneath(figure, axes[0], 3)
    return {"noise": figure}


def sections(arrays: Arrays) -> list[Section]:
    least, most = arrays["noises"][[0, -1]]
    texts = []
    for title, angle in at(arrays):
        best, spa = int(np.argmin(angle[:, -1])), angle[NAMES.index(SPA)]
        texts.append(
            f"At {title} a noise of {most:g} leaves {NAMES[best]} nearest, at {angle[best, -1]:.1f} degrees, where a "
            f"noise of {least:g} gives it {angle[best, 0]:.1f}; {SPA} has {spa[-1]:.1f} and {spa[0]:.1f}."
        )
    answer = f"""{" ".join(texts)} A column that SPA takes is a pixel with its noise; a fit has the mean of many. Of
        each method this is the start, SPA or random, from which the median of the scenes is lower. The weight of the
        volume is the last, {arrays["weights"][-1]:g}, for every noise."""
    rows = [(title, name, *(f"{x:.2f}" for x in each)) for title, angle in at(arrays) for name, each in named(angle)]
    table = Table(("pixels", "method", *(f"noise {s:g}" for s in arrays["noises"])), rows, "Largest angle, degrees.")
    return [Section("What does noise change?", flowing(answer), ("noise",), (table,))]


def named(angle) -> list[tuple[str, np.ndarray]]:
    return list(zip(NAMES, angle, strict=True))
