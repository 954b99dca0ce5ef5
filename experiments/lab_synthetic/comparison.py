"""All methods side by side: trajectories, errors, sensitivity to the start."""

from types import SimpleNamespace
from typing import Any

import jax
import numpy as np

import jnmf
from experiments.figures import marks, panels, plain
from experiments.lab_synthetic import (
    ERROR,
    GREY,
    STYLES,
    Given,
    Settings,
    bounded,
    by_name,
    curves,
    names,
    preceding,
    starts_of,
    styled,
    three,
)
from experiments.lab_synthetic.methods import (
    FLOOR,
    METHODS,
    REFERENCE,
    SETTLED,
    finite,
    recovery,
    relative_error,
    rose,
    trace_error,
)
from experiments.study import Arrays, Section, Table
from experiments.words import flowing, listed, span

kkt = jax.jit(jnmf.kkt_residual)


def compute(settings: Settings, given: Given) -> Arrays:
    """Every method (M) from every start (S), at the main noise level.

    error (M, S, iterations); seconds (M, S) an iteration; final, kkt, zeros (M, S); alike (M, S − 1): the mean cosine
    of the columns of W with their partners in that of the first start.
    """
    V, starts, runs = given.V, given.starts[given.main], given.runs[given.main]
    first = {name: finite(runs[0][name].factors.W) for name in METHODS}
    each = lambda measure, places=runs: np.array([[measure(run[name], name) for run in places] for name in METHODS])
    return {
        "methods": np.array(list(METHODS)),
        "seconds": each(lambda run, name: run.seconds / settings.num_iters),
        "error": each(lambda run, name: trace_error(V, run.loss)),
        "final": each(lambda run, name: relative_error(V, run.factors)),
        "zeros": each(lambda run, name: np.mean(np.concatenate([np.ravel(A) for A in run.factors]) == 0)),
        "kkt": np.array(
            [
                [relative_kkt(V, start, run[name].factors) for start, run in zip(starts, runs, strict=True)]
                for name in METHODS
            ]
        ),
        "alike": each(lambda run, name: recovery(run.factors.W, first[name], given.width), runs[1:]),
        "start_error": np.array([relative_error(V, start) for start in starts]),
    }


def relative_kkt(V, start, factors) -> float:
    """The norm of the projected gradient, relative to that at the start; inf for factors that are not finite."""
    if not all(np.isfinite(A).all() for A in factors):
        return np.inf
    return float(kkt(V, factors) / kkt(V, start))


def plot(arrays: Arrays) -> dict[str, Any]:
    a = SimpleNamespace(**arrays)
    return {"convergence": plot_convergence(a), "starts": plot_starts(a)}


def plot_convergence(a):
    figure, both = panels(9, 4.2, 1, 2)
    seconds = by_name(a, a.seconds)
    lowest = a.bound[a.main] if a.bound[a.main] > FLOOR else a.final.min()
    for i, name in enumerate(names(a)):
        error = np.where(curves(a, name) < 2 * a.start_error.max(), curves(a, name), np.nan)
        middle = np.median(curves(a, name), axis=0)
        iterations = np.arange(1, error.shape[1] + 1)
        for axes, x in zip(both, (iterations, 1e3 * seconds[name] * iterations), strict=True):
            low, high = np.nanmin(error, axis=0, initial=np.inf), np.nanmax(error, axis=0, initial=0)
            axes.fill_between(x, low, high, where=high > low, color=STYLES[name][0], alpha=0.12, linewidth=0)
            axes.plot(x, middle, **styled(name), markevery=marks(len(x), i))
    for axes, label in zip(both, ("iteration", "time, ms"), strict=True):
        if a.bound[a.main] > FLOOR:  # below is rounding
            axes.axhline(a.bound[a.main], color=GREY, linestyle=":", label="truncated SVD")
        axes.set(
            xscale="log",
            yscale="log",
            xlabel=label,
            ylabel=ERROR,
            ylim=(0.8 * lowest, 1.5 * a.start_error.max()),
        )
        plain(axes.yaxis)
        axes.grid(alpha=0.3)
    handles = both[0].get_legend_handles_labels()[0]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    return figure


def plot_starts(a):
    figure, axes = panels(9, 3)
    order = np.argsort(np.median(a.final, axis=1))[::-1]
    for place, i in enumerate(order):
        style = {**styled(names(a)[i]), "linestyle": "none", "alpha": 0.6}
        shown = np.where(np.isfinite(a.final[i]), a.final[i], np.nan)
        axes.plot(shown, place + np.linspace(-0.2, 0.2, len(shown)), **style)
        axes.plot(np.median(shown), place, color="black", marker="|", markersize=16)
    if a.bound[a.main] > FLOOR:
        axes.axvline(a.bound[a.main], color=GREY, linestyle=":")
    axes.set_yticks(range(len(order)), [names(a)[i] for i in order])
    axes.set_xscale("log")
    plain(axes.xaxis)
    dotted = "; dotted: truncated SVD" if a.bound[a.main] > FLOOR else ""
    axes.set(xlabel=f"final {ERROR}, {a.final.shape[1]} starts (bar: median{dotted})")
    axes.grid(alpha=0.3)
    return figure


def sections(arrays: Arrays) -> list[Section]:
    return [about_comparison(SimpleNamespace(**arrays))]


def about_comparison(a) -> Section:
    median, milliseconds = by_name(a, a.final), {name: 1e3 * v for name, v in by_name(a, a.seconds).items()}
    asked = sorted(three(a), key=median.__getitem__)
    number, count = a.error.shape[2], a.final.shape[1]
    common = max(float(np.max(a.final[names(a).index(name)])) for name in asked)
    needed = {name: first_below(curves(a, name), common) for name in names(a)}
    early = min(SETTLED, number)
    at_first = {name: np.median(curves(a, name)[:, early - 1]) for name in asked}
    steady_ones = [name for name in asked if not rose(preceding(a, name), curves(a, name)).any()]
    others = [name for name in asked if name not in steady_ones]
    also = f" and rose with {listed(others)}" if others else ""
    text = f"""
        Of the three (BCD with two rules for its steps), {asked[0]} has the lowest median error after {number}
        iterations, {median[asked[0]]:.4f}, and {asked[-1]} the highest, {median[asked[-1]]:.4f}, from the same
        {starts_of(count)}. {order_of_starts(a, asked)}

        Trajectory. After {early} iterations the median errors are {listed(f"{at_first[k]:.4f} ({k})" for k in asked)}.
        The objective never rose with {listed(steady_ones) or "any"}{also}.
        The error {common:.3g}, which all of them pass from every start, is first passed, in the median, after
        {listed(f"{needed[k]:.0f} iterations ({k})" for k in asked)}. An iteration takes from
        {min(milliseconds[k] for k in asked):.2g} to {max(milliseconds[k] for k in asked):.2g} ms in the median; the
        table has the range over the runs, which is the noise of this clock.

        Error. The least that any method could reach is that of the truncated SVD, {bounded(a.bound[a.main])}. For
        comparison, {REFERENCE}, of part 3 of the lab, ends at {median[REFERENCE]:.4f} in as many iterations.

        {sensitivity(a)}
    """
    rows = [
        (
            name,
            f"{milliseconds[name]:.3f}",
            span(1e3 * a.seconds[i], ".3f"),
            f"{np.median(curves(a, name)[:, early - 1]):.4f}",
            *(f"{measure(a.final[i]):.5f}" for measure in (np.median, np.min, np.max)),
            f"{needed[name]:.0f}",
            f"{a.alike[i].mean():.2f}" if a.alike.shape[1] else "",
        )
        for i, name in enumerate(names(a))
    ]
    columns = (
        *("method", "ms / iteration", "its range", f"median error after {early}", f"after {number}", "lowest"),
        *("highest", f"iterations to {common:.3g}", "W alike"),
    )
    caption = f"""{starts_of(count)}. W alike: the mean cosine of the columns of W with their partners in the W of the
        first start, 1 for the same parts; a random start and W0 have {a.chance:.2f}."""
    question = "Projected ALS, projected BCD and MU: how do trajectory, error and sensitivity to the start compare?"
    return Section(question, flowing(text), ("convergence", "starts"), (Table(columns, rows, flowing(caption)),))


def order_of_starts(a, asked: list[str]) -> str:
    """Whether the order of two methods is that of every start."""
    best, worst = (a.final[names(a).index(name)] for name in (asked[0], asked[-1]))
    ahead, count = int(np.sum(best < worst)), len(best)
    second = a.final[names(a).index(asked[1])]
    close = int(np.sum(best < second))
    return (
        f"{asked[0]} ends below {asked[-1]} from {ahead} of {count} starts, and below {asked[1]}, the next, from "
        f"{close} of {count}."
    )


def sensitivity(a) -> str:
    """How much the start matters, for each of the three methods and beside the choice of the method."""
    asked, median = three(a), by_name(a, a.final)
    spread = {name: a.final[names(a).index(name)].max() / a.final[names(a).index(name)].min() - 1 for name in asked}
    apart = max(median[name] for name in asked) / min(median[name] for name in asked) - 1
    most, least = (pick(spread, key=spread.__getitem__) for pick in (max, min))
    alike = {name: a.alike[names(a).index(name)] for name in asked}
    parts = (
        f"""Other parts are found from other starts: the columns of W have a mean cosine of
        {span([np.mean(v) for v in alike.values()], ".2f")} with their partners from the first start."""
        if a.alike.size and max(np.max(v) for v in alike.values()) < 0.99
        else ""
    )
    verdict = (
        "more than the choice between the three methods does"
        if spread[most] > apart
        else "less than the choice between the three methods does"
    )
    return f"""Sensitivity to the start. The final errors differ between the starts by
        {listed(f"{spread[name]:.0%} ({name})" for name in asked)}: most with {most}, least with {least}. The medians of
        the three methods differ by {apart:.0%}, so the start of {most} changes its error {verdict}. {parts}"""


def first_below(error, level: float) -> float:
    """The median over the starts of the first iteration with at most this error; inf where most have none."""
    below = error <= level * (1 + 1e-12)
    needed = np.where(below.any(axis=1), below.argmax(axis=1) + 1.0, np.inf)
    return float(np.sort(needed)[len(needed) // 2])
