"""Exercise 4: the truncated SVD beside NMF."""

import numpy as np

import jnmf
from experiments.study import Arrays, Section
from experiments.williams import Given, Settings, place


def compute(settings: Settings, given: Given) -> dict:
    """The RMSE of the truncated SVD at each of the ranks."""
    return {"svd": jnmf.svd_rmse(given.X, settings.ranks)}


def sections(arrays: Arrays) -> list[Section]:
    question = "4. Comparison with the truncated SVD: is the result favourable or unfavourable for NMF?"
    return [Section(question, against_svd(arrays))]


def against_svd(arrays: Arrays) -> str:
    """Whether the gap counts is held against the spread of the starts, from the best to the worst."""
    rmse, svd, ranks, at = arrays["fits.rmse"], arrays["svd"], arrays["ranks"], place(arrays)
    best, starts = rmse.min(axis=1), rmse.shape[1]
    gap, spread, lower = best / svd - 1, rmse.max(axis=1) / best - 1, np.sum(best < svd * (1 - 1e-12))
    least, most = ranks[np.argmin(gap)], ranks[np.argmax(gap)]
    name = f"best of {starts} NMFs" if starts > 1 else "NMF"
    text = f"the RMSE of the {name} is {gap[at]:.2%} above that of the truncated SVD"
    apart = (
        f"the worst NMF {spread[at]:.2%} above the best, half of them at most {np.median(rmse[at]) / best[at] - 1:.2%}"
    )
    if gap[at] < 1e-6:
        verdict = f"Neither: at r = {ranks[at]} the best NMF and the truncated SVD have the same RMSE"
    elif starts == 1:
        verdict = f"Unfavourable: at r = {ranks[at]} {text}; one start has no spread to hold that against"
    elif gap[at] > spread[at]:
        verdict = f"Unfavourable, by more than the starts differ: at r = {ranks[at]} {text}, and {apart}"
    else:
        verdict = (
            f"Unfavourable, but within the spread of the starts: at r = {ranks[at]} {text}, and {apart}, so that an "
            "unlucky start costs more than the constraint"
        )
    within = ", ".join(str(r) for r, own, other in zip(ranks, gap, spread, strict=True) if own <= other)
    return (
        f"{verdict}. Over all r the gap is from {gap.min():.2%} (r = {least}) to {gap.max():.2%} (r = {most}), and "
        f"within the spread of the starts at {f'r = {within}' if within else 'no r'}.\n\n"
        "It could not be favourable: the truncated SVD is the best of all matrices of rank r (statement 12, "
        "proofs/low_rank_approximation.py: ‖X − U_rΣ_rV_rᵀ‖ ≤ ‖X − UVᵀ‖), and UVᵀ is one of them. Ranks whose best "
        f"start is below the line: {lower}. The gap is the price of components without negative entries, which can "
        "only add."
    )
