"""The picture of parts at the top of the README and of the site: `python -m docs.parts RECORD PICTURE`.

Drawn by `make figures` from what the study of faces has kept.
"""

import argparse
import sys
from pathlib import Path

from matplotlib.figure import Figure

import jnmf
from experiments import faces, study
from experiments.faces.drawing import grey
from experiments.figures import panels

FORM, METHOD = "lee_seung", "hals"


def plot(arrays: study.Arrays) -> Figure:
    """All parts × the weights of one face = that face, and the face itself."""
    shape, x = faces.shape_of(arrays, FORM), arrays[f"x_{FORM}"]
    W, h = (faces.of(arrays, field, FORM, METHOD) for field in ("W", "h"))
    figure, axes = panels(9, 2.9, 1, 4, width_ratios=(1.5, 1, 1, 1))
    pictures = (
        (f"$W$: {W.shape[1]} parts", jnmf.plot.tiles(W, shape, order="F"), 0.6),
        ("$h$: how much of each", jnmf.plot.tiles(h[None], (1, 1), gap=0), h.max()),
        ("$W h$: their sum", (W @ h).reshape(shape, order="F"), x.max()),
        ("$x$: the face", x.reshape(shape, order="F"), x.max()),
    )
    for ax, (title, picture, largest) in zip(axes, pictures, strict=True):
        ax.imshow(picture, **grey(largest))
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, fontsize=11)
    for ax, sign in zip(axes[1:], "×=≈", strict=True):
        ax.annotate(sign, (0, 0.5), (-12, 0), "axes fraction", "offset points", ha="center", va="center", fontsize=18)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the picture of parts.")
    parser.add_argument("record", type=Path, help="faces.npz, as `python -m experiments faces` keeps it")
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    record = study.read(options.record)
    if record is None:
        sys.exit(f"no study of faces in {options.record}: python -m experiments faces makes it")
    plot(record.arrays).savefig(options.picture, dpi=110, bbox_inches="tight", facecolor="white")


if __name__ == "__main__":
    main()
