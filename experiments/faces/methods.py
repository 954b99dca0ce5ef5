"""The methods, each (X, settings) -> W (m, r), H (r, n), and what is measured of a factorisation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

import jnmf
from experiments.faces import Pair, Settings
from experiments.measures import cancelled, relative_error
from jnmf import Factors

HALS, KL = jnmf.HALS(inner=3), jnmf.MU(beta=1.0)
ENERGY = 0.9  # the support of a component is the pixels that hold this share of its sum of squares


def nmf(X, settings: Settings, algorithm) -> Pair:
    start = jnmf.init.random(settings.seed, X, settings.rank)
    W, H = after(X, start, algorithm, num_iters=settings.num_iters)
    return np.asarray(W), np.asarray(H)


def after(X, start: Factors, algorithm, num_iters: int) -> Factors:
    """The factors after so many iterations."""
    return jnmf.run(X, start, algorithm, num_iters=num_iters, record=None)[0]


def vector_quantisation(X, settings: Settings) -> Pair:
    """k-means: W holds the means of the clusters; a column of H has a single 1, at the cluster of its picture."""
    from sklearn.cluster import KMeans

    means: Any = KMeans(settings.rank, n_init="auto", random_state=settings.seed).fit(X.T)
    return np.maximum(means.cluster_centers_.T, 0), np.eye(settings.rank)[means.labels_].T


def uncentred_pca(X, settings: Settings) -> Pair:
    """W: the principal directions of the pictures as they are, orthonormal. scikit-learn's PCA takes the mean off
    first; the pictures together with their negatives −x have the mean 0, and the same directions.
    """
    from sklearn.decomposition import PCA

    found: Any = PCA(settings.rank, svd_solver="full").fit(np.hstack([X, -X]).T)
    return found.components_.T, found.components_ @ X


FACTORISE: dict[str, Callable[[Any, Settings], Pair]] = {
    "kl": lambda X, settings: nmf(X, settings, KL),
    "hals": lambda X, settings: nmf(X, settings, HALS),
    "vq": vector_quantisation,
    "pca": uncentred_pca,
}


class Measured(NamedTuple):
    """The components, largest absolute entry 1, and the weights of one picture; the error relative to ‖X‖; the KL
    divergence, NaN where the model has negative entries; Hoyer's sparsity and the support of each component; what
    cancels, and how many components are active in a picture."""

    W: np.ndarray
    h: np.ndarray
    error: float
    divergence: float
    hoyer: np.ndarray
    support: np.ndarray
    cancelled: float
    active: float


def measured(X, pair: Pair, face: int) -> Measured:
    (W, H), divergence, hoyer = jax.device_get(library_measures(X, *pair))
    signed = W.min() < 0 or H.min() < 0
    return Measured(
        W,
        H[:, face],
        relative_error(X, W @ H),
        np.nan if signed else float(divergence),
        hoyer,
        support(W),
        cancelled(W, H),
        active(W, H),
    )


@jax.jit
def library_measures(X, W, H):
    """The factors with components of maximum 1, D(X, WH) in the KL divergence, Hoyer's sparsity of the components."""
    return jnmf.normalize(Factors(W, H)), jnmf.losses.kl(X, W, H), jnmf.hoyer_sparsity(W, axis=0)


def support(W) -> np.ndarray:
    """(r,): the least share of the pixels that holds ENERGY of the sum of squares of a component."""
    energy = np.cumsum(np.sort(W**2, axis=0)[::-1], axis=0)
    return (np.sum(energy < ENERGY * energy[-1], axis=0) + 1) / len(W)


def active(W, H) -> float:
    """How many components make up a picture: 1 / Σ p² for their shares p of Σ |W||H|, the mean over the pictures.

    r if all components contribute alike, 1 if a single one does.
    """
    shares = np.abs(W).sum(axis=0)[:, None] * np.abs(H)
    shares = shares[:, shares.sum(axis=0) > 0]
    return float(np.mean(1 / np.sum((shares / shares.sum(axis=0)) ** 2, axis=0)))
