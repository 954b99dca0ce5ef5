"""Section 5: the history of δ, and when τ ends a run."""

from typing import Any, NamedTuple

import numpy as np

from experiments import figures
from experiments.lecture import ALIKE, FULL, compared, history, runs
from experiments.lecture.algorithms import ANLS, METHODS, NAMES, ONE
from experiments.study import Arrays, Section, Table
from experiments.words import listed
from jnmf.plot import BLUE, GREEN, GREY, ORANGE

PLATEAU = 1.1  # times the last loss: where δ dips at a loss above it, the dip is told as a false end
STYLES = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^"))  # of METHODS


class Dip(NamedTuple):
    """Where δ is lowest before its largest rise: the iteration, δ, and the loss over the last loss."""

    iteration: int
    delta: float
    loss_ratio: float


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"delta": draw_delta(arrays)}


def draw_delta(arrays: Arrays):
    """The history of δ as the lecture computes it; a mark and a number where a run ends."""
    figure, panels = curves_by_rank(arrays, arrays["delta"][:, :, 0])
    for ax in panels:
        ax.axhline(arrays["tol"], color=GREY, linewidth=1, linestyle=(0, (1, 1)), label=f"τ = {arrays['tol']:g}")
        ax.set(yscale="log", xlabel="iteration $t + 1$")
    panels[0].set_ylabel(r"relative change $\delta$ of $W$ plus that of $H$")
    panels[0].legend(fontsize="small")
    return figure


def curves_by_rank(arrays: Arrays, values):
    """A panel for each rank, and in it a curve for each algorithm against the iteration: values (K, A, iterations)."""
    from matplotlib.ticker import MaxNLocator

    figure, grid = figures.panels(4.2 * len(values), 3.6, 1, len(values), sharey=True, squeeze=False)
    panels = grid[0]
    for ax, k, curves in zip(panels, arrays["ranks"], values, strict=True):
        for name, curve, (color, dash, marker) in zip(NAMES, curves, STYLES, strict=True):
            shown = np.flatnonzero(np.isfinite(curve))
            if not shown.size:
                continue
            style = {"color": color, "linestyle": dash, "marker": marker, "linewidth": 1.4, "markersize": 6}
            ax.plot(shown + 1, curve[shown], markevery=[len(shown) - 1], label=name, **style)
            end = (shown[-1] + 1, curve[shown[-1]])
            ax.annotate(f"{end[0]}", end, xytext=(4, 5), textcoords="offset points", fontsize="small", color=color)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_title(f"k = {k}")
        ax.grid(alpha=0.3)
        ax.margins(x=0.1, y=0.08)
    return figure, panels


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            f"5. How does the relative change δ fall at k = {' and '.join(map(str, arrays['ranks']))}?",
            on_delta(arrays),
            ("delta",),
            (runs_table(arrays),),
        )
    ]


def on_delta(arrays: Arrays) -> str:
    (m, p), tol = arrays["X_shape"], arrays["tol"]
    smaller = "" if p >= FULL.num_images else f" (in the lecture, and here with --full, p = {FULL.num_images})"
    paragraphs = []
    for i, k in enumerate(arrays["ranks"]):
        ends = []
        for method, name in enumerate(NAMES):
            delta = history(arrays, "delta", i, method)
            how = "reaches τ" if delta[-1] <= tol else f"is ended by maxit with δ = {delta[-1]:.2g}"
            ends.append(f"{name} {how} after {len(delta)} iterations")
        paragraphs.append(f"At k = {k} {listed(ends)}.")
    paragraphs[0] = f"The lecture's test, with τ = {tol:g}: {paragraphs[0][0].lower()}{paragraphs[0][1:]}"
    paragraphs.append(
        f"X has p = {p} images of n = {m} pixels in its columns{smaller}. δ is the relative change of W plus that of "
        "H. ANLS has none in its first iteration, where there is no H⁰. All three start from the same random numbers; "
        "ANLS and algorithm I scale the columns of W to maximum 1, also those of W⁰, algorithm II to sum 1."
    )
    found = {run: dip(arrays, *run) for run in np.ndindex(len(arrays["ranks"]), len(METHODS))}
    early = {run: dipped for run, dipped in found.items() if dipped and dipped.loss_ratio > PLATEAU}
    if early:
        names = dict.fromkeys(NAMES[method] for _, method in sorted(early, key=lambda run: run[1]))
        lowest = min(dipped.delta for dipped in early.values())
        ratio = max(dipped.loss_ratio for dipped in early.values())
        paragraphs.append(
            f"δ does not only fall: with {listed(names)} it dips early, to {lowest:.2g} at the least, and rises again. "
            f"The loss in a dip is up to {ratio:.2g} times the last one, so a τ above the dip would have stopped there."
        )
    paragraphs.append(on_quality(arrays))
    return "\n\n".join(paragraphs)


def on_quality(arrays: Arrays) -> str:
    """Whether the same τ means the same loss: only of runs that τ ended."""
    loss, told, unsaid = arrays["frobenius"][:, :, 1], [], []
    for i, k in enumerate(arrays["ranks"]):
        if any(history(arrays, "delta", i, method)[-1] > arrays["tol"] for method in (ANLS, ONE)):
            unsaid.append(f"k = {k}")
        elif abs(loss[i, ONE] / loss[i, ANLS] - 1) <= ALIKE:
            told.append(f"within {ALIKE:.0%} of each other at k = {k}")
        else:
            told.append(f"{compared(loss[i, ONE], loss[i, ANLS])} for algorithm I at k = {k}")
    text = ""
    if told:
        text = f"Where τ ended both ANLS and algorithm I, their losses ½‖X − WH‖² are {listed(told)}."
    if unsaid:
        text += f"{' ' if text else ''}At {listed(unsaid)} maxit ended one of ANLS and algorithm I, so that their "
        text += "losses do not say what the same τ means."
    return text


def dip(arrays: Arrays, i: int, method: int) -> Dip | None:
    """None if δ never rises by half."""
    delta, loss = history(arrays, "delta", i, method), history(arrays, "loss", i, method)
    known = np.flatnonzero(np.isfinite(delta))
    if not known.size:
        return None
    delta = delta[known]
    high = int(np.argmax(delta / np.minimum.accumulate(delta)))
    low = int(np.argmin(delta[: high + 1]))
    if delta[high] < 1.5 * delta[low]:
        return None
    return Dip(int(known[low]) + 1, float(delta[low]), float(loss[known[low]] / loss[-1]))


def runs_table(arrays: Arrays) -> Table:
    rows = []
    for i, method, *names in runs(arrays):
        delta, dipped = history(arrays, "delta", i, method), dip(arrays, i, method)
        end = "τ" if delta[-1] <= arrays["tol"] else "maxit"
        found = (f"{dipped.delta:.3g}", str(dipped.iteration), f"{dipped.loss_ratio:.2f}") if dipped else ("–",) * 3
        rows.append((*names, str(len(delta)), f"{delta[-1]:.4g}", end, *found))
    columns = (
        "k",
        "algorithm",
        "iterations",
        "last δ",
        "ended by",
        "δ in a dip",
        "at iteration",
        "loss there / last",
    )
    return Table(columns, rows)
