"""HALS beside projected ALS, BCD and MU: the errors on each problem, in iterations and in time."""

from typing import Any

import numpy as np

from experiments.figures import marks, panels, plain
from experiments.lab_hals import ASKED, BEYOND, FLOOR, REFERENCE, Runs, all_runs
from experiments.study import Arrays, Section, Table
from experiments.words import listed, paragraphs, span
from jnmf.plot import BLACK, BLUE, GREEN, GREY, ORANGE, PINK

SKY = "#56B4E9"
STYLES = {  # colour, dash, marker: a family has a colour, its members differ in dash and marker
    "ALS": (BLACK, "-.", "x"),
    "BCD (1/L)": (GREEN, "-", "D"),
    "BCD (backtracking)": (GREEN, "--", "P"),
    "MU": (BLUE, "-", "o"),
    "HALS": (ORANGE, "-", "^"),
    "HALS (3 sweeps)": (ORANGE, "--", "v"),
    "HALS (5 sweeps)": (ORANGE, ":", "<"),
    "ANLS": (PINK, "-", "*"),
    "accelerated HALS": (SKY, "--", "s"),
    "extrapolated HALS": (SKY, "-", ">"),
}


def plot(arrays: Arrays) -> dict[str, Any]:
    return {runs.name: plot_runs(runs) for runs in all_runs(arrays)}


def plot_runs(runs: Runs):
    figure, (left, right) = panels(9, 4.6, 1, 2, sharey=True)
    above = runs.bound > FLOOR
    for a, label in enumerate(runs.labels):
        n = runs.num_iters[a]
        error = np.median(runs.curve[a, :, 1 : n + 1], axis=0)
        color, dash, marker = STYLES.get(label, (GREY, ":", "+"))
        style = {"color": color, "linestyle": dash, "marker": marker, "markersize": 5, "linewidth": 1.4}
        time = 1e3 * np.median(runs.seconds[a])
        for ax, x in ((left, np.arange(1, n + 1)), (right, np.arange(1, n + 1) * time)):
            ax.plot(x, error / runs.bound - 1 if above else error, markevery=marks(n, a), label=label, **style)
    for ax, name in ((left, "iteration"), (right, "time, ms")):
        ax.set(xscale="log", yscale="log", xlabel=name)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.grid(alpha=0.3)
    relative = r"relative error $\Vert V - WH\Vert\ /\ \Vert V\Vert$"
    left.set_ylabel("error above that of the truncated SVD, relative" if above else relative)
    plain(left.yaxis)
    figure.suptitle(f"{runs.title}, medians over the starts", fontsize="medium")
    figure.legend(handles=left.get_lines(), loc="outside lower center", ncols=5, frameon=False, fontsize="small")
    return figure


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            f"How does HALS compare with projected ALS, BCD and MU on {runs.title}?",
            comparison(arrays, runs),
            (runs.name,),
            (run_table(runs),),
        )
        for runs in all_runs(arrays)
    ]


def comparison(arrays: Arrays, runs: Runs) -> str:
    last = runs.last()
    size, starts = arrays[f"{runs.name}.size"], last.shape[1]
    best = runs.labels[int(np.argmin(np.median(last, axis=1)))]
    above = f"; the truncated SVD of that rank has {runs.bound:.4f}, and no factorisation less" * (runs.bound > FLOOR)
    return paragraphs(
        " ".join(ahead(runs, label) for label in ("HALS", REFERENCE)),
        f"V is {size[0]} × {size[1]}, the rank {arrays[f'{runs.name}.rank']}{above}. All methods start from the same "
        f"{starts} random factors and update W, then H. Of all methods in the table {best} has the lowest median error"
        + (" (the lab does not ask about it)" if best in BEYOND else "")
        + ". The lowest errors and the times are compared in the next question.",
        "Times are of this machine, of programs that were compiled before. The range over the starts shows how far "
        "they can be trusted.",
    )


def ahead(runs: Runs, label: str) -> str:
    """From how many starts the method ends below each of those that the lab asks about."""
    last = runs.last()
    counts = {other: int(np.sum(last[runs.of(label)] < last[runs.of(other)])) for other in ASKED}
    starts = last.shape[1]
    told = {
        f"below {{}} from every one of {starts} starts": [o for o in ASKED if counts[o] == starts],
        "below {} from some": [f"{o} ({counts[o]} of {starts})" for o in ASKED if 0 < counts[o] < starts],
        "not below {} from any start": [o for o in ASKED if counts[o] == 0],
    }
    texts = [text.format(listed(found)) for text, found in told.items() if found]
    number = runs.num_iters[runs.of(label)]
    return f"After {number} iterations {label} is {'; '.join(texts)}."


def run_table(runs: Runs) -> Table:
    columns = ("method", "iterations", "last error", "its range", "ms / iteration", "its range", "MU = 1")
    if runs.bound > FLOOR:
        columns += ("above the SVD",)
    rows, last, mu = [], runs.last(), runs.seconds[runs.of("MU")]
    for a, label in enumerate(runs.labels):
        row = [
            label,
            f"{runs.num_iters[a]}",
            f"{np.median(last[a]):.5f}",
            span(last[a], ".5f"),
            f"{1e3 * np.median(runs.seconds[a]):.2f}",
            span(1e3 * runs.seconds[a], ".2f"),
            f"{np.median(runs.seconds[a] / mu):.2f}",
        ]
        rows.append((*row, *([f"{np.median(last[a]) / runs.bound - 1:.1%}"] if runs.bound > FLOOR else [])))
    caption = "Medians over the starts, with the range from the lowest to the highest."
    return Table(columns, rows, caption)
