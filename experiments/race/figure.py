"""The figure of a result: lines, bars, and the styles of contenders."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.race.contenders import is_jnmf
from experiments.race.words import label, number

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito
MARKERS = "osD^vPX<>*hp8"


def drawn(draw, result: dict, title: str) -> Figure:
    """A figure with what draw(axes, rows, result) makes of those that took part."""
    shown = Figure(figsize=(9, 4.8), layout="constrained")
    draw(shown.add_subplot(), [row for row in result["rows"] if not row["missing"]], result)
    shown.suptitle(title, fontsize=9)
    return shown


def line_style(index: int, row: dict) -> dict[str, Any]:
    """jnmf's lines are whole and thick, those of the others dashed and thin."""
    mine = is_jnmf(row["contender"])
    line = {"linestyle": "-", "linewidth": 2.2} if mine else {"linestyle": "--", "linewidth": 1.2}
    marker = {"marker": MARKERS[index % len(MARKERS)], "markersize": 5}
    return {"color": COLOURS[index % len(COLOURS)], "label": label(row), **marker, **line}


def bars(axes, rows: list[dict], key: str, quantity: str) -> None:
    """A bar for each row, as long as its number under `key`."""
    names = [f"{label(row)}, {row['iterations']} iterations" if "against" in row else label(row) for row in rows]
    lengths = [row[key] for row in rows]
    places = np.arange(len(rows))
    colours = [COLOURS[0] if is_jnmf(row["contender"]) else "0.6" for row in rows]
    drawn_bars = axes.barh(places, lengths, color=colours)
    axes.bar_label(drawn_bars, [number(length) for length in lengths], padding=3, fontsize=8)
    axes.set_yticks(places, names, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set_xlabel(quantity)
