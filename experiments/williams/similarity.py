"""Exercise 5: how alike the components of different starts are."""

from types import SimpleNamespace
from typing import Any

import numpy as np

import jnmf
from experiments.study import Arrays, Section
from experiments.williams import Given, Settings, mean_pairs, near_best, place


def compute(settings: Settings, given: Given) -> dict[str, Any]:
    """(R, S, S): the score of each two starts. W of the fits of Xᵀ is V, their H is Uᵀ."""
    alike = jnmf.sweep_similarity(given.fits)
    return {"similarity.U_pairs": alike.H_pairs, "similarity.V_pairs": alike.W_pairs}


def plot(arrays: Arrays) -> dict[str, Any]:
    U, V = (arrays[f"similarity.{name}_pairs"] for name in ("U", "V"))
    ax = jnmf.plot.similarity(SimpleNamespace(ranks=arrays["ranks"], W_pairs=U, H_pairs=V), names=("U", "V"))
    ax.set(xlabel="number of components $r$", xticks=arrays["ranks"])
    return {"similarity": ax.figure}


def sections(arrays: Arrays) -> list[Section]:
    question = "5. Similarity plot: how alike are the U, and the V, of different starts?"
    return [Section(question, agreement(arrays), ("similarity",))]


def agreement(arrays: Arrays) -> str:
    ranks = arrays["ranks"]
    U, V = (mean_pairs(arrays[f"similarity.{name}_pairs"]) for name in ("U", "V"))
    if not np.isfinite(U).all():
        return "With one start there is no pair to compare."
    stable = [str(r) for r, u, v in zip(ranks, U, V, strict=True) if min(u, v) > 0.99]
    joined = ", ".join(stable)
    lowest = [f"{mean.min():.3f} for {name} at r = {ranks[mean.argmin()]}" for name, mean in (("U", U), ("V", V))]
    at = place(arrays)
    near = np.flatnonzero(near_best(arrays["fits.rmse"][at]))
    best = [mean_pairs(arrays[f"similarity.{name}_pairs"][at][None][:, near][:, :, near])[0] for name in ("U", "V")]
    of_the_best = (
        f", and the {len(near)} starts that end within 0.1 % of the best RMSE {best[0]:.4f} and {best[1]:.4f}"
        if 1 < len(near) < len(arrays["fits.rmse"][at])
        else ""
    )
    return (
        f"At r = {ranks[at]} two starts have a mean similarity of {U[at]:.4f} for U and {V[at]:.4f} for "
        f"V{of_the_best}. Both are above 0.99 at {f'r = {joined}' if stable else 'no r'}; the lowest are "
        f"{' and '.join(lowest)}. The score is the mean cosine of the "
        "columns under the best permutation, max_Π (1/r) tr(UᵀU′Π) with columns of length 1 (statement 22, "
        "proofs/similarity_score.py): 1 says that two starts agree up to order and scale. The average is over all "
        "pairs of two different starts."
    )
