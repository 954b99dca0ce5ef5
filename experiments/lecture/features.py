"""Section 5: the columns of W as images."""

from typing import Any

import numpy as np

from experiments import figures
from experiments.lecture import Given, Settings
from experiments.lecture.algorithms import METHODS, NAMES
from experiments.study import Arrays, Section
from experiments.words import listed, span
from jnmf.plot import BLUE, ORANGE, tiles


def compute(settings: Settings, given: Given) -> Arrays:
    """features_k (A, m, k) of each rank k: the W of each algorithm as printed."""
    return {
        f"features_{k}": np.stack([printed.factors.W for printed, _ in of_rank])
        for k, of_rank in zip(given.ranks, given.runs, strict=True)
    }


def plot(arrays: Arrays) -> dict[str, Any]:
    return {f"features-{k}": draw_features(arrays, k) for k in arrays["ranks"]}


def draw_features(arrays: Arrays, k: int):
    """The columns of W of each algorithm as images, dark on white, each from 0 to its own largest entry."""
    across = int(np.ceil(np.sqrt(k)))
    figure, panels = figures.panels(9.5, 3.6, 1, len(METHODS))
    for ax, name, W in zip(panels, NAMES, arrays[f"features_{k}"], strict=True):
        largest = W.max(axis=0)
        sheet = tiles(divide_columns(W, largest), arrays["image_shape"].tolist(), order=str(arrays["order"]), gap=0)
        drawn = ax.imshow(sheet, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        height, width = arrays["image_shape"]
        for line in range(1, sheet.shape[0] // height):
            ax.axhline(line * height - 0.5, color=BLUE, linewidth=0.6)
        for line in range(1, across):
            ax.axvline(line * width - 0.5, color=BLUE, linewidth=0.6)
        for dead in np.flatnonzero(largest == 0):
            center = (dead % across + 0.5) * width - 0.5, (dead // across + 0.5) * height - 0.5
            ax.plot(*center, marker="x", color=ORANGE, markersize=30 / across, linewidth=2)
        rows = np.arange(sheet.shape[0] // height)
        ax.set(title=name, xticks=[], yticks=(rows + 0.5) * height - 0.5)
        ax.set_yticklabels([str(row * across + 1) for row in rows], fontsize="x-small")
        ax.tick_params(length=0)
    panels[0].set_ylabel("number of the first column of $W$ in the row", fontsize="small")
    figure.colorbar(drawn, ax=panels, shrink=0.7, ticks=[0, 1], label="entry of the column\n(1: its largest)")
    return figure


def divide_columns(W, by) -> np.ndarray:
    return np.divide(W, by, out=np.zeros_like(W), where=by > 0)


def sections(arrays: Arrays) -> list[Section]:
    features = tuple(f"features-{k}" for k in arrays["ranks"])
    return [Section("5. What do the columns of W look like as images?", on_features(arrays), features)]


def on_features(arrays: Arrays) -> str:
    text = "The figures show them, each drawn from 0 (white) to its own largest entry (black), numbered row by row."
    for i, k in enumerate(arrays["ranks"]):
        text += f" At k = {k} a column is seen on {span(arrays['support'][i], '.0%')} of the pixels."
        dead = [f"{count} with {name}" for count, name in zip(arrays["dead"][i], NAMES, strict=True) if count]
        text += f" The tiles with a cross are columns that have become zero: {listed(dead)}." if dead else ""
    return text + " (Counted are pixels above a tenth of the column's largest; means over the columns.)"
