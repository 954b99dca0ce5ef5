"""Section 1: whether the factorisation is unique, and how near it can come to X."""

import numpy as np

import jnmf
from experiments.lecture import Given, Settings
from experiments.lecture.algorithms import NAMES
from experiments.study import Arrays, Section, Table
from experiments.words import listed


def compute(settings: Settings, given: Given) -> Arrays:
    """svd (K,): ½‖X − Z‖² of the best Z of rank k. new_W, new_H (2, 2): L and L⁻¹H, the lecture's example at its
    smallest, W = H = I and an L with positive entries."""
    L = np.array([[2.0, 1.0], [1.0, 2.0]])
    svd = np.asarray(jnmf.svd_rmse(given.X, given.ranks)) ** 2 * given.X.size / 2
    return {"new_W": L, "new_H": np.linalg.inv(L), "svd": svd}


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "1. Setting. Is the factorisation unique, and how near can it come to X?",
            on_setting(arrays),
            tables=(bound_table(arrays),),
        )
    ]


def on_setting(arrays: Arrays) -> str:
    L, inverse, ranks = arrays["new_W"], arrays["new_H"], arrays["ranks"]
    written = lambda A: "[" + "; ".join(" ".join(f"{a:.3g}" for a in row) for row in A) + "]"
    above = arrays["frobenius"][:, :, 1].min(axis=1) / arrays["svd"] - 1
    told = [f"{gap:.0%} above it at k = {k}" for gap, k in zip(above, ranks, strict=True)]
    return (
        "It is not unique, but the lecture's example does not show it. It takes an L with positive entries and calls "
        "W L and L⁻¹H a new NMF. For k ≥ 2 no such L has an inverse without negative entries, so L⁻¹H can be negative. "
        f"The smallest case: W = H = I, k = 2, L = {written(L)}; then L⁻¹H = {written(inverse)}, with the least entry "
        f"{inverse.min():.3g}. What serves all W and H is an L with one positive entry in each row and column: order "
        "and scale. For particular factors more is possible: if H > 0, then L = I + t e_a e_bᵀ gives another NMF of "
        "the same product for each 0 ≤ t ≤ min_j H_aj/H_bj (statement 13, proofs/non_uniqueness.py).\n\n"
        "No W H of rank k comes nearer to X in the Frobenius norm than the truncated SVD: ‖X − U_kΣ_kV_kᵀ‖ ≤ ‖X − WH‖ "
        f"(statement 12, proofs/low_rank_approximation.py). Here ½‖X − WH‖² of the best of the three "
        f"algorithms, as far as they ran, is {listed(told)}. So NMF is for where nonnegative features matter more than "
        "accuracy, as the lecture says."
    )


def bound_table(arrays: Arrays) -> Table:
    rows = [
        (str(k), f"{arrays['svd'][i]:.6g}", *(f"{loss:.6g}" for loss in arrays["frobenius"][i, :, 1]))
        for i, k in enumerate(arrays["ranks"])
    ]
    columns = ("k", "truncated SVD", *NAMES)
    return Table(columns, rows, "½‖X − Z‖² of the best Z of rank k and of W H (algorithm II minimises another loss).")
