"""Dimensionality reduction as low-rank approximation: the answer without constraints."""

from typing import NamedTuple

import numpy as np

import jnmf
from experiments.faces import FORMS, Given, Settings, title_of
from experiments.study import Arrays, Section, Table
from experiments.words import listed, percent


class AgainstSVD(NamedTuple):
    """The bound of the SVD at r and r + 1 components, relative to ‖X‖; ‖X_PCA − X_SVD‖ / ‖X‖; the error of PCA with the
    mean taken off, with r components; the share of negative entries among the principal directions."""

    bound: float
    next_bound: float
    deviation: float
    centred: float
    negative: float


def against_svd(X, W, H) -> AgainstSVD:
    """Of the principal directions W (m, r) and the scores H (r, n) of X."""
    rank, length = W.shape[1], np.linalg.norm(X)
    U, sigma, Vt = np.linalg.svd(X, full_matrices=False)
    truncated = (U[:, :rank] * sigma[:rank]) @ Vt[:rank]
    # PCA with the mean taken off is the truncated SVD of the pictures without their mean.
    of_pictures, of_the_rest = (
        np.asarray(jnmf.svd_rmse(A, (rank, rank + 1))) * np.sqrt(X.size) / length
        for A in (X, X - X.mean(axis=1, keepdims=True))
    )
    return AgainstSVD(
        float(of_pictures[0]),
        float(of_pictures[1]),
        float(np.linalg.norm(W @ H - truncated) / length),
        float(of_the_rest[0]),
        float(np.mean(W < 0)),
    )


def compute(settings: Settings, given: Given) -> Arrays:
    """For each form F against_svd_F (5,): see `AgainstSVD`."""
    found = {form: against_svd(given.forms[form].X, *given.fits[form, "pca"]) for form in FORMS}
    return {f"against_svd_{form}": np.array(one) for form, one in found.items()}


def against(arrays: Arrays, form: str) -> AgainstSVD:
    return AgainstSVD(*arrays[f"against_svd_{form}"])


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "Linear dimensionality reduction as low-rank approximation: what is the answer without constraints?",
            low_rank_answer(arrays),
            tables=(low_rank_table(arrays),),
        )
    ]


def low_rank_answer(arrays: Arrays) -> str:
    found = {form: against(arrays, form) for form in FORMS}
    rank = arrays["h_book"].shape[1]
    deviation = max(one.deviation for one in found.values())
    between = all(one.next_bound <= one.centred <= one.bound for one in found.values())
    same = (
        f"at most {deviation:.1e} of ‖X‖ apart, which is rounding"
        if deviation < 1e-9
        else f"up to {deviation:.1e} of ‖X‖ apart, which is more than rounding and should not be"
    )
    return (
        "Without constraints the answer is PCA of the pictures as they are, computed by the SVD. Linear dimensionality "
        "reduction wants r basis vectors w_1, …, w_r and for each picture x_j coordinates h_j with x_j ≈ h_1j w_1 + "
        "… + h_rj w_r = W h_j. With the pictures as columns of X, the basis vectors as columns of W and the "
        "coordinates as columns of H, column j of X ≈ W H is just this: the two problems are one, and ‖X − W H‖² = "
        "Σ_j ‖x_j − W h_j‖² (statement 6, proofs/separability.py). Among all W and H of any sign, the least ‖X − W "
        "H‖ is that of the truncated singular value decomposition, and the columns of W may be taken as the "
        "principal directions of the pictures as they are, with no mean taken off. That is PCA of the uncentred data "
        f"(derived as statement 21 in proofs/low_rank_approximation.py). With r = {rank}, scikit-learn's PCA of the "
        "pictures together with their negatives −x, whose mean is 0, and the truncated SVD give approximations that "
        f"are {same}.\n\n"
        "The usual PCA takes the mean off first. It is another approximation: the mean is one vector more, so its "
        "error lies between the bounds of r and r + 1 components. "
        f"{'It does' if between else 'It does not'} in {'each row' if between else 'every row'} of the table.\n\n"
        "What this problem knows nothing of is the sign. "
        f"{listed([percent(one.negative) for one in found.values()])} of the entries of the principal directions are "
        "negative in the three forms of the pictures, and light is not. With the constraint W, H ≥ 0 the same problem "
        "is NMF."
    )


def low_rank_table(arrays: Arrays) -> Table:
    rows = []
    for form in FORMS:
        one = against(arrays, form)
        numbers = f"{one.bound:.6f}", f"{one.next_bound:.6f}", f"{one.centred:.6f}", f"{one.deviation:.1e}"
        rows.append((title_of(arrays, form), *numbers))
    columns = ("pictures", "SVD, r", "SVD, r + 1", "centred PCA, r", "PCA against SVD")
    return Table(columns, rows, "Relative errors ‖X − Z‖ / ‖X‖; last: ‖Z_PCA − Z_SVD‖ / ‖X‖, both without centring.")
