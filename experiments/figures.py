"""What the figures of the studies share; the fits themselves are drawn by `jnmf.plot`.

blank(width, height)                    a figure that pyplot does not know
panels(width, height, rows, columns)    one with axes: matplotlib's own array of them
show_image(ax, column, shape, order)    a column as an image, without ticks
legend_beneath(figure, ax, ncols)       one legend for all panels
plain(axis)                             0.02 on a logarithmic axis, not 2·10⁻²
marks(number, shift)                    where the markers of a curve over log(iteration) are
"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator


def blank(width: float, height: float) -> Any:
    """A figure of this size in inches, which pyplot does not know, so that nobody must close it."""
    return Figure(figsize=(width, height), layout="constrained")


def panels(width: float, height: float, rows: int = 1, columns: int = 1, **keywords) -> tuple[Any, Any]:
    """The figure, and its Axes as `Figure.subplots` gives them: one, (columns,), (rows,) or (rows, columns)."""
    figure = blank(width, height)
    return figure, figure.subplots(rows, columns, **keywords)


def show_image(ax, column, shape, order: str = "C", title: str = "", **style) -> Any:
    """A column of a matrix as an image, dark to light unless told otherwise."""
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize="small")
    return ax.imshow(np.reshape(column, shape, order=order), **{"cmap": "gray", "interpolation": "nearest"} | style)  # pyright: ignore[reportCallIssue, reportArgumentType]


def legend_beneath(figure, ax, ncols: int, **keywords) -> None:
    """The legend of one panel beneath all of them."""
    keywords = {"loc": "outside lower center", "ncols": ncols, "fontsize": "small"} | keywords
    figure.legend(*ax.get_legend_handles_labels(), **keywords)


def plain(axis) -> None:
    """Numbers on a logarithmic axis as 0.02, also where it has no power of ten."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")


def marks(number: int, shift: int) -> list[int]:
    """Of so many iterations, even steps of log(iteration), shifted from curve to curve, so that curves that coincide
    show; for `markevery`."""
    return list(np.unique(10 ** np.arange(0.06 * (shift % 8), np.log10(number + 1), 0.5)).astype(int) - 1)
