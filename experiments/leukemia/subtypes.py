"""Whether the clusters are the known subtypes, of which the factorisation was not told."""

from collections import Counter

import numpy as np

from experiments.leukemia import is_real
from experiments.study import Arrays, Section, Table
from experiments.words import listed

# At k = 3, computed apart from this library, with NumPy and SciPy, from 50 restarts.
REFERENCE_CLUSTERS = ({"ALL-B": 17}, {"ALL-T": 8, "ALL-B": 1}, {"AML": 11, "ALL-B": 1})


def sections(arrays: Arrays) -> list[Section]:
    tables = counts_table(arrays), clusters_table(arrays)
    return [Section("Are the clusters the known subtypes?", on_subtypes(arrays), tables=tables)]


def compositions(labels, subtypes) -> list[dict[str, int]]:
    """How many samples of each subtype are in each cluster: the clusters in order, the most frequent subtype first."""
    return [dict(Counter(subtypes[labels == cluster].tolist()).most_common()) for cluster in np.unique(labels)]


def misplaced(labels, subtypes) -> np.ndarray:
    """(n,): whether a sample is of another subtype than most of its cluster."""
    most = np.array([next(iter(composition)) for composition in compositions(labels, subtypes)])
    return most[np.unique(labels, return_inverse=True)[1]] != subtypes


def on_subtypes(arrays: Arrays) -> str:
    subtypes, i = arrays["subtypes"], rank_of_subtypes(arrays)
    k, labels, known = arrays["ranks"][i], arrays["labels"][i], len(set(subtypes))
    wrong = misplaced(labels, subtypes)
    names = [f"{name} ({subtype})" for name, subtype in zip(arrays["samples"][wrong], subtypes[wrong], strict=True)]
    text = (
        f"The samples are of {known} subtypes, of which the factorisation was not told. At k = {k} the clusters are "
        f"{written(labels, subtypes)}. "
    )
    if names:
        text += (
            f"With each cluster standing for the subtype of most of its samples, {len(names)} of {len(subtypes)} "
            f"samples are misplaced: {listed(names)}."
        )
    else:
        text += "Each cluster is of one subtype."
    if is_real(arrays) and k == len(REFERENCE_CLUSTERS):
        counts = lambda clusters: sorted(sorted(cluster.items()) for cluster in clusters)
        same = counts(compositions(labels, subtypes)) == counts(REFERENCE_CLUSTERS)
        text += f" The reference has {'the same' if same else 'other'} counts."
    if arrays["ranks"].max() > known:
        text += " With more clusters than subtypes, some subtype has to be divided."
    return text


def written(labels, subtypes) -> str:
    """The clusters as sets: {17 ALL-B} and {8 ALL-T + 1 ALL-B}."""
    inside = (
        " + ".join(f"{count} {subtype}" for subtype, count in composition.items())
        for composition in compositions(labels, subtypes)
    )
    return listed([f"{{{one}}}" for one in inside])


def rank_of_subtypes(arrays: Arrays) -> int:
    """The index of the rank nearest to the number of subtypes."""
    return int(np.argmin(np.abs(arrays["ranks"] - len(set(arrays["subtypes"])))))


def counts_table(arrays: Arrays) -> Table:
    i = rank_of_subtypes(arrays)
    names = sorted(set(arrays["subtypes"].tolist()))
    rows = [
        (f"cluster {cluster + 1}", *(str(composition.get(name, 0)) for name in names))
        for cluster, composition in enumerate(compositions(arrays["labels"][i], arrays["subtypes"]))
    ]
    return Table(("", *names), rows, f"Samples of each subtype in the clusters at k = {arrays['ranks'][i]}.")


def clusters_table(arrays: Arrays) -> Table:
    rows, subtypes = [], arrays["subtypes"]
    for k, labels in zip(arrays["ranks"], arrays["labels"], strict=True):
        names = arrays["samples"][misplaced(labels, subtypes)] if k >= len(set(subtypes)) else ()
        rows.append((str(k), written(labels, subtypes), ", ".join(names) or "–"))
    columns = ("k", "clusters", "misplaced, where there is a cluster for each subtype")
    return Table(columns, rows, "The clusters at every k.")
