"""How the questions draw pictures and values."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

import jnmf
from experiments.faces import FORMS, METHODS, shape_of
from experiments.figures import panels
from experiments.measures import relative_error
from experiments.study import Arrays


def scale(method: str, largest: float) -> dict[str, Any]:
    """How a picture is drawn: from black, 0, to white; with signs, blue below 0, yellow above."""
    return grey(largest) | ({"cmap": "cividis", "vmin": -largest} if method == "pca" else {})


def grey(largest: float) -> dict[str, Any]:
    return {"cmap": "gray", "vmin": 0, "vmax": largest, "interpolation": "nearest"}


def factorisations(arrays: Arrays, form: str) -> Figure:
    """A row for each method: its components times the weights of one picture, and the original."""
    methods, shape, x = FORMS[form], shape_of(arrays, form), arrays[f"x_{form}"]
    figure, grid = panels(7.8, 2.5 * len(methods), len(methods), 4, width_ratios=(1.6, 1, 1, 1), squeeze=False)
    for i, (axes, method) in enumerate(zip(grid, methods, strict=True)):
        W, h = arrays[f"W_{form}"][i], arrays[f"h_{form}"][i]
        drawn = axes[0].imshow(jnmf.plot.tiles(W, shape, order="F"), **scale(method, 1))
        figure.colorbar(drawn, ax=axes[0], location="left", shrink=0.8, ticks=[drawn.get_clim()[0], 0, 1])
        largest = np.abs(h).max()
        axes[1].imshow(jnmf.plot.tiles(h[None], (1, 1), gap=0), **scale(method, largest))
        axes[2].imshow((W @ h).reshape(shape, order="F"), **grey(x.max()))
        axes[3].imshow(x.reshape(shape, order="F"), **grey(x.max()))
        axes[0].set_title(f"{METHODS[method][0]}: components", fontsize=9)
        axes[1].set_title(f"× weights\n{'±' if method == 'pca' else '0 to '}{largest:.2g}", fontsize=9)
        axes[2].set_title(f"= picture\nerror {relative_error(x, W @ h):.3f}", fontsize=9)
        axes[3].set_title("original", fontsize=9)
    for ax in grid.flat:
        ax.set(xticks=[], yticks=[])
    return figure


def strips(ax, rows: list[tuple[str, np.ndarray, str, str]]) -> None:
    """For each (name, values, colour, marker) a row: a mark for each value, a bar at the median."""
    draw = np.random.default_rng(0)
    for i, (_, values, color, marker) in enumerate(rows):
        heights = i + draw.uniform(-0.25, 0.25, values.size)
        ax.plot(values, heights, linestyle="none", marker=marker, color=color, markersize=3.5, alpha=0.5, mew=0)
        ax.plot([np.median(values)] * 2, [i - 0.4, i + 0.4], color="black", linewidth=2)
    ax.set_yticks(range(len(rows)), [name for name, *_ in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.grid(axis="x", alpha=0.3)
