"""Whether the lower error of PCA means a better interpretation."""

import numpy as np

from experiments.lab_mnist.interpretation import measures
from experiments.study import Arrays, Section
from experiments.words import listed, paragraphs


def sections(arrays: Arrays) -> list[Section]:
    question = "Must the lower error of PCA mean a better interpretation?"
    return [Section(question, lower_error(arrays))]


def lower_error(arrays: Arrays) -> str:
    r, bound = arrays["W"].shape[1], float(arrays["bound"])
    (nmf, nmf_unseen), (pca, pca_unseen) = arrays["errors"]
    below, above = arrays["rank_pca"] <= arrays["rank_bound"], arrays["rank_bound"][:, None] <= arrays["rank_error"]
    holds = bool(np.all(below) and np.all(above) and pca <= bound <= nmf)
    lower, higher = ("PCA", "NMF") if pca_unseen <= nmf_unseen else ("NMF", "PCA")
    ratio = max(nmf_unseen, pca_unseen) / min(nmf_unseen, pca_unseen) - 1
    for_nmf = [name for name, better in measures(arrays).items() if better]
    if pca < nmf and for_nmf:
        answer = (
            f"No. Here PCA has the lower error, {pca:.4f} against {nmf:.4f} at r = {r}, and NMF is ahead in "
            f"{listed(for_nmf)} (see the question before)."
        )
    else:
        answer = (
            f"These numbers are no example against it: the errors are {pca:.4f} (PCA) and {nmf:.4f} (NMF) at r = {r}, "
            f"and NMF is ahead in {'some' if for_nmf else 'none'} of the measures of the question before."
        )
    return paragraphs(
        f"{answer} The error measures how near W H is to X, and says nothing about what a single component shows.",
        "That the error of PCA is lower is no merit of its components. The truncated SVD has the least error of all "
        "matrices of rank r (Eckart and Young; statement 12 of `proofs/`), and W H is such a matrix, with a constraint "
        "more. PCA may use the mean image on top: a mean of 0 would give the SVD, and the best mean is at least as "
        f"good. So error of PCA ≤ error of the SVD ≤ error of NMF, here {pca:.4f}, {bound:.4f}, {nmf:.4f}. The order "
        f"{'holds' if holds else 'FAILS, which cannot be right,'} at each rank computed.",
        f"On unseen images nothing forces it. Here {lower} has the lower error, {min(nmf_unseen, pca_unseen):.4f} "
        f"against {max(nmf_unseen, pca_unseen):.4f} of {higher} ({ratio:.1%} more).",
    )
