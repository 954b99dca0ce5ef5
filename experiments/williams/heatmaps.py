"""Exercise 6: the data, sorted by component."""

from typing import Any

import jax.numpy as jnp
import numpy as np

import jnmf
from experiments.study import Arrays, Section
from experiments.williams import Given, Settings
from jnmf import Factors


def compute(settings: Settings, given: Given) -> dict[str, Any]:
    """The best fit at the chosen rank, and the clusters of samples and genes that it makes."""
    V, U = given.fits.best(settings.rank).W, given.fits.best(settings.rank).H.T
    rows, columns = jnmf.clusters(Factors(U, V.T))
    return {"U": U, "V": V, "row_clusters": rows, "column_clusters": columns}


def plot(arrays: Arrays) -> dict[str, Any]:
    figure = jnmf.plot.heatmaps(arrays["X"], Factors(jnp.asarray(arrays["U"]), jnp.asarray(arrays["V"].T)))
    for ax, order in zip(figure.axes, ("", ", sorted"), strict=False):
        ax.set(xlabel=f"gene{order}", ylabel=f"sample{order}")
    return {"heatmaps": figure}


def sections(arrays: Arrays) -> list[Section]:
    question = "6. Visualisation: do the sorted samples and genes reveal clusters?"
    return [Section(question, blocks(arrays), ("heatmaps",))]


def neighbours(labels) -> float:
    """The share of neighbouring rows that are of one cluster."""
    return float(np.mean(labels[1:] == labels[:-1]))


def blocks(arrays: Arrays) -> str:
    labels = [arrays[key] for key in ("row_clusters", "column_clusters")]
    sizes = [", ".join(map(str, sorted(np.bincount(one)))) for one in labels]
    raw, sorted_ = (np.mean([neighbours(f(one)) for one in labels]) for f in (np.asarray, np.sort))
    chance = np.mean([np.sum((np.bincount(one) / one.size) ** 2) for one in labels])
    if raw > (chance + sorted_) / 2:
        verdict = "The raw order shows most of it already"
    elif raw > chance + 0.1 * (sorted_ - chance):
        verdict = "The raw order shows a part of it"
    else:
        verdict = "Yes. The raw order shows nothing of it"
    return (
        f"{verdict}: {raw:.0%} of neighbouring rows and columns are of one cluster there, {chance:.0%} would be by "
        f"chance, and {sorted_:.0%} are after sorting. At r = {arrays['rank']} the samples (rows) fall into clusters "
        f"of {sizes[0]} and the genes (columns) of {sizes[1]}. Each is put with the component of its largest loading, "
        "in units where components have length 1, and within a cluster by the strength of that loading."
    )
