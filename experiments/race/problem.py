"""The matrix and the start that all contenders get, and how far factors are from the matrix."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special
from scipy.sparse import issparse

import jnmf
from experiments import data

DATA: dict[str, Callable[[], Any]] = {
    "lab": lambda: data.generate_dataset_NMF(0.1).V,
    "cbcl": lambda: data.cbcl_book(data.cbcl().X),
    "mnist": lambda: data.mnist_test().X,
    "mnist-2000": lambda: data.mnist_test().X[:, :2000],
    "classic4": lambda: data.classic4().X,
    "leukemia": lambda: data.all_aml().X,
}


def problem(source: str | tuple[int, int], rank: int, dtype: str) -> tuple[Any, np.ndarray, np.ndarray]:
    """X (m, n), row after row in memory, and the start W (m, r), H (r, n), uniform with the mean of X.

    X is an array, or compressed rows where the data are sparse.

    source: one of DATA, or the shape of a generated matrix.
    """
    X = DATA[source]() if isinstance(source, str) else generated(source, rank, dtype)
    X = X.astype(dtype) if issparse(X) else np.ascontiguousarray(X, dtype)
    W, H = jnmf.init.random(0, X, rank)
    return X, np.array(W), np.array(H)


def generated(shape: tuple[int, int], rank: int, dtype: str) -> np.ndarray:
    """A product of uniform factors of this rank, plus noise that is uniform up to a tenth of its mean."""
    draw = np.random.default_rng(0)
    W, H = draw.random((shape[0], rank)), draw.random((rank, shape[1]))
    X = np.empty(shape, dtype)
    for i in range(shape[0]):  # a row at a time, so that no second matrix is ever held
        X[i] = W[i] @ H + 0.1 * (rank / 4) * draw.random(shape[1])
    return X


def relative_error(X, factors) -> float:
    """‖X − WH‖ / ‖X‖."""
    residual, square = (_sum(term, X, factors) for term in (lambda x, z: (x - z) ** 2, lambda x, z: x**2))
    return float(np.sqrt(residual / square))


def kl_divergence(X, factors) -> float:
    """Σ x log(x/z) − x + z."""
    return _sum(scipy.special.kl_div, X, factors)


def _sum(term, X, factors) -> float:
    """Σ term(x, z) over blocks of rows of X and WH, in float64; of a sparse X one block at a time is an array."""
    W, H = (np.asarray(A, np.float64) for A in factors)
    total = 0.0
    for i in range(0, X.shape[0], 512):
        x = X[i : i + 512].toarray() if issparse(X) else X[i : i + 512]
        total += float(np.sum(term(x.astype(np.float64), W[i : i + 512] @ H)))
    return total


LOSSES = {"frobenius": relative_error, "kl": kl_divergence}
