"""Beside the sheet: the number of components by cross-validation."""

from typing import Any

import numpy as np

import jnmf
from experiments.study import Arrays, Section
from experiments.williams import Given, Settings, grouped
from experiments.williams.scree import elbow
from experiments.words import sure


def compute(settings: Settings, given: Given) -> dict[str, Any]:
    """`test`, `train` (R, folds): the RMSE of the entries that were left out, and of the others."""
    found = jnmf.cross_validate(
        given.X, settings.ranks, num_restarts=settings.holdouts, key=settings.seed, progress=given.progress
    )
    return {f"held_out.{name}": value for name, value in found._asdict().items()}


def plot(arrays: Arrays) -> dict[str, Any]:
    """The figure of the library, with the axis cut where single folds would set the scale."""
    test, train = arrays["held_out.test"], arrays["held_out.train"]
    ax = jnmf.plot.cross_validation(grouped(arrays, "held_out"))
    best, low = np.nanmin(np.nanmean(test, axis=1)), np.nanmin([test.min(), train.min()])
    top = 1.25 * best
    outside = int(np.sum(test > top))
    if outside:
        ax.set_ylim(low - 0.1 * (top - low), top)
        ax.set_title(f"{outside} of {test.size} test folds are above this range", fontsize="small")
    ax.set(xlabel="number of components $r$", xticks=arrays["ranks"], ylabel="RMSE of $UV^T$, in the unit of $X$")
    return {"cross_validation": ax.figure}


def sections(arrays: Arrays) -> list[Section]:
    return [Section("Beside the sheet: how many components, then?", chosen(arrays), ("cross_validation",))]


def chosen(arrays: Arrays) -> str:
    test, ranks = arrays["held_out.test"], arrays["ranks"]
    cv, mean, median = grouped(arrays, "held_out"), np.nanmean(test, axis=1), np.nanmedian(test, axis=1)
    best, by_median = int(np.flatnonzero(ranks == int(cv.rank))[0]), int(np.nanargmin(median))
    agree = "the same as" if int(cv.rank) == elbow(arrays) else "not the same as"
    if test.shape[1] > 1:
        error = np.nanstd(test[-1] - test[best], ddof=1) / np.sqrt(test.shape[1])
        rise = mean[-1] - mean[best]
        last = f"At r = {ranks[-1]} it is {rise:.4f} higher (standard error of the difference {error:.4f})"
        last += ": less than twice that, no sure rise." if not sure(rise, error) else ": it rises again."
    else:
        last = "With one fold there is no standard error."
    simpler = (
        f" The smallest r within one standard error of that is {cv.rank_1se}."
        if int(cv.rank_1se) != int(cv.rank)
        else ""
    )
    outlier = np.nanmax(test[best]) / median[best] - 1
    caution = (
        ""
        if by_median == best
        else f" The median over the folds is least at r = {ranks[by_median]} instead ({median[by_median]:.4f}): single "
        f"folds, the worst {outlier:.0%} above the median at r = {cv.rank}, move the mean."
    )
    return (
        f"Cross-validation says {cv.rank}, which is {agree} the elbow, {elbow(arrays)}. It leaves out a tenth of the "
        f"entries, fits the rest and predicts what was left out. The mean error of {test.shape[1]} folds is least at "
        f"r = {cv.rank}, {mean[best]:.4f}.{simpler}{caution} {last}"
    )
