"""The impact of noise: on the errors, and on what is found of the planted factors."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from experiments.figures import panels, plain
from experiments.lab_synthetic import ERROR, GREY, Given, Settings, bounded, names, starts_of, styled, three
from experiments.lab_synthetic.methods import FLOOR, METHODS, REFERENCE, on_host, recovery, relative_error, run_W_first
from experiments.study import Arrays, Section, Table
from experiments.words import flowing, listed, span


def compute(settings: Settings, given: Given) -> Arrays:
    """Every method (M) at every noise level (A), from few of the starts (S), and REFERENCE from the planted factors.

    level_final, level_recovery (A, M, S): the error, and what is found of the planted W; from_planted,
    planted_recovery (A,); chance: the recovery of a random start.
    """
    few, width, runs = settings.few_restarts, given.width, list(zip(given.matrices, given.runs, strict=True))
    each = lambda measure: np.array(
        [[[measure(A, run[name].factors) for run in own[:few]] for name in METHODS] for A, own in runs]
    )
    planted = [
        (A, run_W_first(A.V, on_host(A.W, A.H), METHODS[REFERENCE], num_iters=settings.num_iters)[0])
        for A in given.matrices
    ]
    return {
        "level_final": each(lambda A, end: relative_error(A.V, end)),
        "level_recovery": each(lambda A, end: recovery(end.W, A.W, width)),
        "from_planted": np.array([relative_error(A.V, end) for A, end in planted]),
        "planted_recovery": np.array([recovery(end.W, A.W, width) for A, end in planted]),
        "chance": np.array(np.mean([recovery(start.W, given.planted.W, width) for start in given.starts[given.main]])),
    }


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"noise": plot_noise(SimpleNamespace(**arrays))}


def plot_noise(a):
    figure, (left, right) = panels(9, 4.2, 1, 2)
    places = np.arange(len(a.levels))
    final, found = np.median(a.level_final, axis=2), np.median(a.level_recovery, axis=2)
    aside = np.linspace(-0.25, 0.25, len(names(a)))
    for i, name in enumerate(names(a)):
        style = {**styled(name), "linestyle": "none"}
        left.plot(places + aside[i], np.where(np.isfinite(final[:, i]), final[:, i], np.nan), **style)
        right.plot(places + aside[i], found[:, i], **style)
    for place, bound in zip(places, a.bound, strict=True):
        if bound > FLOOR:
            left.plot(
                [place - 0.35, place + 0.35],
                [bound, bound],
                color=GREY,
                linestyle=":",
                label="truncated SVD" if place == places[-1] else None,
            )
    right.plot(
        places,
        a.planted_recovery,
        color=GREY,
        marker="_",
        markersize=14,
        linestyle="none",
        label="HALS from the planted factors",
    )
    right.axhline(a.chance, color=GREY, linestyle="--", linewidth=1, label="random start")
    left.set(yscale="log", ylabel=f"final {ERROR}")
    plain(left.yaxis)
    right.set(ylabel="recovery of the planted W")
    for axes in (left, right):
        axes.set_xticks(places, [f"{level:g}" for level in a.levels])
        axes.set_xlabel("noise level")
        axes.grid(alpha=0.3)
    handles = {handle.get_label(): handle for axes in (left, right) for handle in axes.get_legend_handles_labels()[0]}
    figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def sections(arrays: Arrays) -> list[Section]:
    return [about_noise(SimpleNamespace(**arrays))]


def about_noise(a) -> Section:
    final, found = np.median(a.level_final, axis=2), np.median(a.level_recovery, axis=2)
    low, high = int(a.levels.argmin()), int(a.levels.argmax())
    asked = [names(a).index(name) for name in three(a)]
    ratio = final[:, asked].max(axis=1) / final[:, asked].min(axis=1)
    best = {f"{level:g}": names(a)[asked[k]] for level, k in zip(a.levels, final[:, asked].argmin(axis=1), strict=True)}
    change = ratio[high] / ratio[low]
    closer = "closer together" if change < 0.9 else "further apart" if change > 1.1 else "neither closer nor apart"
    risen = [names(a)[k] for k in asked if final[high, k] > 1.05 * final[low, k]]
    winners = listed(f"{name} (noise {level})" for level, name in best.items())
    if len(set(best.values())) == 1:
        winners = f"{best[f'{a.levels[low]:g}']} at every level"
    nearest = ""
    if a.bound[high] > FLOOR:
        above = final[high, asked].min() / a.bound[high] - 1
        nearest = f"; at noise {a.levels[high]:g} the lowest error among the three is {above:.1%} above it"
    lesson = "Some random starts end as near to the planted factors."
    if a.level_recovery.max() < a.planted_recovery.min():
        lesson = "Every random start ends elsewhere: a small error does not say that the parts are the true ones."
    text = f"""
    Noise of level {a.levels[high]:g} raises the error of {listed(risen) or "none of the three methods"}, and brings the
    three {closer}: the highest error of one is {ratio[low]:.2g} times the lowest at noise {a.levels[low]:g} and
    {ratio[high]:.2g} times at noise {a.levels[high]:g}. The least that any method could reach is that of the truncated
    SVD, {bounded(a.bound[low])} and {bounded(a.bound[high])}{nearest}. The lowest error of the three is that of
    {winners}.

    Are the planted parts found? Recovery is the mean cosine between the columns of W0 and their partners in W. A random
    start has {a.chance:.2f}, as all its entries are positive. At noise {a.levels[low]:g} the methods reach
    {span(found[low], ".2f")}, at {a.levels[high]:g} {span(found[high], ".2f")}. {REFERENCE} started at the planted
    factors ends at {a.planted_recovery[low]:.3f} and {a.planted_recovery[high]:.3f}, with errors of
    {a.from_planted[low]:.2g} and {a.from_planted[high]:.4f}. {lesson}
    """
    rows = [
        (
            f"{level:g}",
            f"{a.bound[i]:.5f}",
            *(f"{error:.5f}" for error in final[i]),
            f"{a.from_planted[i]:.5f}",
            span(found[i], ".2f"),
        )
        for i, level in enumerate(a.levels)
    ]
    columns = ("noise", "SVD", *names(a), "from planted", "recovery")
    caption = f"Final errors, medians over {starts_of(a.level_final.shape[2])}, the first of those above."
    return Section("What is the impact of noise?", flowing(text), ("noise",), (Table(columns, rows, caption),))
