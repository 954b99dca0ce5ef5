"""Consensus clustering: how often the restarts of a rank put two samples, columns of X, into one cluster."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnmf.ordering import strongest
from jnmf.similarity import stack

INSTALL = "run pip install 'jnmf[experiments]'"


class Consensus(NamedTuple):
    """One entry a rank, NumPy arrays: see `consensus`."""

    ranks: np.ndarray
    matrices: np.ndarray
    cophenetic: np.ndarray
    dispersion: np.ndarray
    silhouette: np.ndarray
    order: np.ndarray
    labels: np.ndarray


def consensus(sweep, *, scaled: bool = False) -> Consensus:
    r"""Consensus matrices of a sweep and what they say of each rank (Brunet, Tamayo, Golub and Mesirov 2004).

    sweep: `ranks` (R,), `loss` (R, S), `status` (R, S) and `members`, one Factors a rank, W (S, m, r) and H (S, r, n),
    nonnegative. Each restart puts column j of X into the cluster of its largest loading, the largest entry of column j
    of H; columns with no loading are one cluster more.
    scaled: False takes H as it comes, as Brunet et al. do. The scale of its rows is then whatever the start made of it,
    and restarts with the same W H can disagree. True takes the rows at unit length, as `clusters` does, which does not
    depend on the start; the consensus is the higher for it.

    Returned, in float64 and integers:

    matrices (R, n, n): C_ij, the fraction of the restarts that have columns i and j in one cluster. Those that diverged
        do not count.
    cophenetic (R,): the correlation of the distances 1 − C_ij and the heights at which average linkage on them joins
        i and j; 1 if C is 0 or 1 everywhere. Where all distances are equal (0/0) the dendrogram gives them exactly,
        and it is 1: at r = 1, and for fewer than three columns. Brunet et al. choose the rank where it begins to fall.
    dispersion (R,): (1/n²) Σ_ij 4 (C_ij − ½)², between 0 and 1; 1 if and only if C is 0 or 1 everywhere. Kim and Park
        2007, "Sparse non-negative matrix factorizations via alternating non-negativity-constrained least squares".
    silhouette (R,): the mean silhouette width (Rousseeuw 1987) of `labels` under the distances 1 − C_ij; a cluster of
        one column counts 0, and it is 0 where there is one cluster only (undefined), as at r = 1.
    order (R, n): the leaves of the dendrogram from left to right: C[order][:, order] shows the clusters as blocks.
    labels (R, n): the clusters that cutting the dendrogram leaves, at most r, numbered from 0 in this order. They are
        fewer than r where the cut would have to choose between joins at one height.

    At r = 1 all columns with a loading are one cluster, and cophenetic and dispersion are 1 whatever the data.

    Raises ValueError for a sweep without ranks or restarts and where all restarts of a rank diverged, and ImportError
    where SciPy or scikit-learn are missing.
    """
    ranks, finite, factors = stack(sweep)
    assigned = np.asarray((_strongest if scaled else _largest)(factors.H))
    matrices = np.stack([_mean_connectivity(z[ok]) for z, ok in zip(assigned, finite, strict=True)])
    trees = [_dendrogram(C, rank) for C, rank in zip(matrices, ranks, strict=True)]
    cophenetic, order, labels = (np.stack(column) for column in zip(*trees, strict=True))
    return Consensus(
        ranks=ranks,
        matrices=matrices,
        cophenetic=cophenetic,
        dispersion=np.mean(4 * (matrices - 0.5) ** 2, axis=(1, 2)),
        silhouette=np.array([_silhouette(C, z) for C, z in zip(matrices, labels, strict=True)]),
        order=order,
        labels=labels,
    )


@jax.jit
def _strongest(H):
    """H (R, S, r_max, n), padded with zero rows, which are never the largest -> labels (R, S, n)."""
    return jax.vmap(jax.vmap(lambda h: strongest(h.T)[0]))(H)


@jax.jit
def _largest(H):
    """The same with H as it comes."""
    return jnp.where(jnp.any(H > 0, axis=2), jnp.argmax(H, axis=2), H.shape[2])


def _mean_connectivity(labels):
    """Labels (S, n) of S restarts -> (n, n): in which part of them i and j have the same label."""
    S, n = labels.shape
    indicators = labels[:, :, None] == np.unique(labels)
    indicators = indicators.swapaxes(0, 1).reshape(n, -1).astype(float)
    return indicators @ indicators.T / S  # counts: exact, so that C_ii is 1 and ties are ties


def _dendrogram(C, rank):
    """Average linkage on 1 − C: the cophenetic correlation, the leaves in order, and the labels from a cut into r."""
    try:
        from scipy.cluster.hierarchy import cophenet, fcluster, leaves_list, linkage
        from scipy.spatial.distance import squareform
    except ImportError as error:
        raise ImportError(f"consensus: expected SciPy to be installed; {INSTALL}") from error
    if len(C) == 1:
        return 1.0, np.zeros(1, int), np.zeros(1, int)
    distances = squareform(1 - C)
    tree = linkage(distances, "average")
    cophenetic = cophenet(tree, distances)[0] if np.ptp(distances) > 0 else 1.0
    order = leaves_list(tree)
    along = fcluster(tree, int(rank), "maxclust")[order]  # every cluster is a run of leaves
    labels = np.empty_like(order)
    labels[order] = np.cumsum(np.diff(along, prepend=along[0]) != 0)
    return cophenetic, order, labels


def _silhouette(C, labels):
    try:
        from sklearn.metrics import silhouette_score
    except ImportError as error:
        raise ImportError(f"consensus: expected scikit-learn to be installed; {INSTALL}") from error
    # With one cluster, or as many as columns, scikit-learn raises; every width is then 0 or not defined.
    if not 1 < len(np.unique(labels)) < len(C):
        return 0.0
    return float(silhouette_score(1 - C, labels, metric="precomputed"))
