"""Exercises 1 to 3: the scree plot, and what the starts have to do with it."""

from typing import Any

import numpy as np

import jnmf
from experiments.figures import panels
from experiments.study import Arrays, Section, Table
from experiments.williams import Given, Settings, errors_of, grouped, mean_pairs, near_best, place, swept
from experiments.words import percent
from jnmf.plot import BLUE, ORANGE


def compute(settings: Settings, given: Given) -> dict[str, Any]:
    """The same sweep of data whose columns are shuffled; the components of each fit that are not 0."""
    shuffled = swept(jnmf.shuffle_columns(given.X), settings, given.progress)
    alive = [np.sum(np.any(np.asarray(members.H) > 0, axis=2), axis=1) for members in given.fits.members]
    return {"alive": alive, **errors_of("shuffled", shuffled)}


def plot(arrays: Arrays) -> dict[str, Any]:
    """The scree plot with the line of the SVD; what no common scale shows: how far each start is above that line; and
    what one component more takes away, beside the same in shuffled data."""
    figure, (scree, gap, falls) = panels(9.5, 3.6, columns=3)
    jnmf.plot.scree(grouped(arrays, "fits"), svd=arrays["svd"], ax=scree)
    scree.set_ylabel("RMSE")
    ranks, above = arrays["ranks"], 100 * (arrays["fits.rmse"] / arrays["svd"][:, None] - 1)
    gap.plot(np.repeat(ranks, above.shape[1]), above.ravel(), "o", color=BLUE, alpha=0.4, mew=0, label="each start")
    gap.plot(ranks, above.min(axis=1), color=BLUE, label="lowest of each $r$")
    gap.set(yscale="log", ylabel="NMF above the truncated SVD, %")
    gap.legend(fontsize="small")
    for name, color, dash, marker in (("fits", BLUE, "-", "o"), ("shuffled", ORANGE, "--", "s")):
        label = "the data" if name == "fits" else "columns shuffled"
        fall = -np.diff(arrays[f"{name}.rmse"].min(axis=1))
        falls.plot(ranks[1:], np.where(fall > 0, fall, np.nan), color=color, linestyle=dash, marker=marker, label=label)
    falls.set(yscale="log", ylabel="fall of the RMSE from the $r$ before")
    falls.legend(fontsize="small")
    for ax in (scree, gap, falls):
        ax.set(xlabel="number of components $r$", xticks=ranks)
        ax.grid(alpha=0.3)
    return {"scree": figure}


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "1 to 3. Scree plot: how does the RMSE fall with r, and is it sensitive to the start?",
            f"{sensitivity(arrays)}\n\n{falls(arrays)}",
            ("scree",),
            (errors(arrays),),
        )
    ]


def sensitivity(arrays: Arrays) -> str:
    rmse, ranks, at = arrays["fits.rmse"], arrays["ranks"], place(arrays)
    spread = (rmse.max(axis=1) - rmse.min(axis=1)) / rmse.min(axis=1)
    near, starts = near_best(rmse[at]), rmse.shape[1]
    others = np.delete(spread, at)
    dead = int(np.sum(arrays["alive"][at][~near] < ranks[at]))
    if near.mean() < 0.95 and spread[at] > 0.02:
        verdict = "Yes" if near.mean() < 0.5 else "Yes, for some starts"
    else:
        verdict = "No" if spread.max() <= 0.02 else f"Not at r = {ranks[at]}"
    stuck = (
        ""
        if near.all()
        else f" Of the other {np.sum(~near)}, {dead or 'none'} {'have' if dead > 1 else 'has'} lost a component: a "
        "column of U became 0, and an exact alternation never takes it up again."
    )
    elsewhere = f" At the other r the worst is at most {others.max():.2%} above the best." if len(others) else ""
    return (
        f"{verdict}: at r = {ranks[at]} {near.sum()} of {starts} starts end within 0.1 % of the best RMSE, "
        f"{rmse[at].min():.6f}; the worst ends {spread[at]:.2%} above it.{stuck}{elsewhere} The same RMSE does not "
        "mean the same components: see the similarity. (As on the sheet, an iteration finds U from V, then V from U.)"
    )


def elbow(arrays: Arrays) -> int:
    """The rank after which the best error falls least compared with the fall before it."""
    best = arrays["fits.rmse"].min(axis=1)
    falls = -np.diff(best)
    if len(falls) < 2:
        return int(arrays["ranks"][0])
    ratios = falls[:-1] / np.maximum(falls[1:], 1e-3 * falls.max())
    return int(arrays["ranks"][np.argmax(ratios) + 1])


def falls(arrays: Arrays) -> str:
    best, ranks, at = arrays["fits.rmse"].min(axis=1), arrays["ranks"], elbow(arrays)
    text = (
        f"The RMSE √mean((X − UVᵀ)²) of the best of {arrays['fits.rmse'].shape[1]} starts, each with the fixed number "
        f"of ANLS iterations of the exercise, falls from {best[0]:.4f} at r = {ranks[0]} to {best[-1]:.4f} at "
        f"r = {ranks[-1]}. The fall breaks off most at r = {at}, the elbow."
    )
    later = int(np.flatnonzero(ranks == at)[0])
    falls, shuffled = (-np.diff(arrays[f"{name}.rmse"].min(axis=1))[later:] for name in ("fits", "shuffled"))
    if not len(falls):
        return text
    ratio = falls.max() / shuffled[np.argmax(falls)]
    text += (
        f" After it a further component takes away at most {falls.max():.4f}; in data whose columns were shuffled each "
        f"by itself, so that nothing is left to find, the same step takes away {shuffled[np.argmax(falls)]:.4f}"
    )
    verdict = "nothing that noise would not give" if ratio <= 1.1 else "more than noise would give"
    return f"{text}. By that measure the components after the elbow find {verdict}."


def errors(arrays: Arrays) -> Table:
    alike = [mean_pairs(arrays[f"similarity.{name}_pairs"]) for name in ("U", "V")]
    rows = []
    for i, rank in enumerate(arrays["ranks"]):
        rmse = arrays["fits.rmse"][i]
        numbers = (rmse.min(), rmse.max(), arrays["svd"][i], arrays["shuffled.rmse"][i].min())
        above = percent(rmse.min() / arrays["svd"][i] - 1, 2)
        rows.append((str(rank), *(f"{x:.6f}" for x in numbers), above, *(f"{x[i]:.3f}" for x in alike)))
    columns = ("r", "RMSE, best", "worst", "truncated SVD", "shuffled, best", "best above SVD", "alike: U", "V")
    return Table(columns, rows, "RMSE over the starts, and the mean similarity of two different starts.")
