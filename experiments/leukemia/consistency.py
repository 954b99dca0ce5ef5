"""How consistent the clusters of the restarts are: the consensus matrices, and three measures of them."""

from types import SimpleNamespace
from typing import Any

import numpy as np

import jnmf
from experiments.leukemia import MEASURES, Given, Settings, is_real
from experiments.study import Arrays, Section, Table

# Computed apart from this library, with NumPy and SciPy, from 50 restarts: cophenetic, dispersion and best D by rank.
REFERENCE = {
    2: (1.0, 0.9960, 16272282.1),
    3: (0.9918, 0.9476, 13806533.0),
    4: (0.9882, 0.9452, 12453723.2),
    5: (0.9563, 0.8751, 11338478.6),
}


def compute(settings: Settings, given: Given) -> dict[str, Any]:
    """matrices (R, n, n), order, labels (R, n) and the measures (R,) as in `jnmf.consensus`, with H as it comes; loss
    (R, S)."""
    return {**jnmf.consensus(given.sweep, scaled=False)._asdict(), "loss": given.sweep.loss}


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"consensus": draw_consensus(arrays)}


def draw_consensus(arrays: Arrays):
    """The matrices, each in the order of its tree, above the three measures."""
    fields = ("ranks", "matrices", "order", *MEASURES)
    figure = jnmf.plot.consensus(SimpleNamespace(**{field: arrays[field] for field in fields}))
    for ax in figure.axes:  # the source calls the rank k
        ax.set_title(ax.get_title().replace("rank ", "k = "))
        ax.set_xlabel("number of clusters k" if ax.get_xlabel() else "")
    return figure


def sections(arrays: Arrays) -> list[Section]:
    question = "How consistent are the clusters of the restarts, for each k?"
    return [Section(question, on_consistency(arrays), ("consensus",), (measures_table(arrays),))]


def on_consistency(arrays: Arrays) -> str:
    (m, n), (_, num_restarts) = arrays["X_shape"], arrays["loss"].shape
    ranks, dispersion = arrays["ranks"], arrays["dispersion"]
    best, worst = int(np.argmax(dispersion)), int(np.argmin(dispersion))
    return (
        f"By the dispersion, which is 1 where all restarts agree, most at k = {ranks[best]} ({dispersion[best]:.3f}) "
        f"and least at k = {ranks[worst]} ({dispersion[worst]:.3f}).\n\n"
        f"X has {m} genes and {n} samples. Each of {num_restarts} restarts for each k puts a sample into the cluster "
        "of its largest entry of H. The consensus matrix says how often two samples come together. Black blocks on "
        "white mean that the restarts agree; grey entries are pairs that they disagree on."
    )


def measures_table(arrays: Arrays) -> Table:
    columns, caption = ("k", "cophenetic", "dispersion", "silhouette", "best D"), ""
    rows = [
        (str(k), *(f"{arrays[measure][i]:.4f}" for measure in MEASURES), f"{arrays['loss'][i].min():.1f}")
        for i, k in enumerate(arrays["ranks"])
    ]
    if is_real(arrays):
        columns += ("reference: cophenetic", "dispersion", "best D")
        blank = (np.nan, np.nan, np.nan)
        known = [REFERENCE.get(int(k), blank) for k in arrays["ranks"]]
        rows = [(*row, f"{a:.4f}", f"{b:.4f}", f"{D:.1f}") for row, (a, b, D) in zip(rows, known, strict=True)]
        caption = "The reference was computed apart from this library, from 50 restarts of each k."
    return Table(columns, rows, f"D is the divergence of the best restart. {caption}")
