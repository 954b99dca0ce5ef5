"""The patterns of the basis images."""

from typing import Any

import numpy as np

from experiments.figures import panels
from experiments.lab_mnist import Given, Settings
from experiments.lab_mnist.measures import BRIGHT, STROKE, features
from experiments.lab_mnist.shared import PART, kind_of, show
from experiments.study import Arrays, Section
from experiments.words import paragraphs


def compute(settings: Settings, given: Given) -> Arrays:
    """W (m, r), columns that sum to 1, most ink first; ink (r,), the share of each component; spread (r,); features
    (r, 4): see `measures`."""
    digits, W = given.digits, given.W
    return {
        "W": W,
        "ink": given.H.sum(axis=1) / given.H.sum(),
        "spread": digits.spread(W),
        "features": features(W, digits.shape, digits.order),
    }


def plot(arrays: Arrays) -> dict[str, Any]:
    W = arrays["W"] / np.maximum(arrays["W"].max(axis=0), np.finfo(float).tiny)
    num_columns = int(np.ceil(np.sqrt(1.5 * W.shape[1])))
    num_rows = -(-W.shape[1] // num_columns)
    figure, grid = panels(0.95 * num_columns + 0.9, 1.12 * num_rows, num_rows, num_columns, squeeze=False)
    for ax in grid.flat[W.shape[1] :]:
        ax.set_axis_off()
    for k, (ax, w) in enumerate(zip(grid.flat, W.T, strict=False)):
        drawn = show(ax, w, arrays, str(k + 1), vmax=1)
    figure.colorbar(drawn, ax=grid, label="entry of $W$, largest 1", shrink=0.5, aspect=15)
    return {"components": figure}


def sections(arrays: Arrays) -> list[Section]:
    return [Section("Which patterns do the basis images show?", basis(arrays), ("components",))]


def basis(arrays: Arrays) -> str:
    W, ink, own, whole = arrays["W"], arrays["ink"], arrays["spread"], float(arrays["whole_spread"])
    parts = int(np.sum(own < PART * whole))
    kinds = [kind_of(feature) for feature in arrays["features"]]
    strokes = sum(kind != "spot" for kind in kinds)
    most = "Parts of digits, strokes and spots" if 2 * parts > len(ink) else "Shapes that are mostly as wide as a digit"
    return paragraphs(
        f"{most}: {parts} of the {len(ink)} components have less than {PART:.0%} of the spread of an image, "
        f"and {strokes} are at least {STROKE:g} times as long as wide where they are bright, that is, have at least "
        f"{BRIGHT:.0%} of their largest entry. The spread is the root mean square distance of "
        f"the ink from its centre: {np.nanmean(own):.1f} pixels in the mean, against {whole:.1f} for an image (the "
        f"median). {np.mean(W == 0):.0%} of the entries of W are exactly 0.",
        "Each column of W is drawn as an image, scaled so that its largest entry is 1. Number 1 puts the most ink into "
        f"the images ({ink[0]:.1%} of all), number {len(ink)} the least ({ink[-1]:.1%}). NMF itself has no order: this "
        "one is chosen for the figure.",
        "What favours parts is that W and H are nonnegative: nothing that was added can be taken away again, so a "
        "component that covers too much puts ink where an image has none.",
    )
