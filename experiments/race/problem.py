"""The matrix and the start that all contenders get, and how far factors are from the matrix."""

from collections.abc import Callable

import numpy as np
import scipy.special

import jnmf
from experiments import data

DATA: dict[str, Callable[[], np.ndarray]] = {
    "lab": lambda: data.generate_dataset_NMF(0.1).V,
    "cbcl": lambda: data.cbcl_book(data.cbcl().X),
    "mnist": lambda: data.mnist_test().X,
    "mnist-2000": lambda: data.mnist_test().X[:, :2000],
    "classic4": lambda: data.classic4().X.toarray(),
    "leukemia": lambda: data.all_aml().X,
}


def problem(source: str | tuple[int, int], rank: int, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X (m, n), row after row in memory, and the start W (m, r), H (r, n), uniform with the mean of X.

    source: one of DATA, or the shape of a generated matrix.
    """
    X = DATA[source]() if isinstance(source, str) else generated(source, rank, dtype)
    X = np.ascontiguousarray(X, dtype)
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
    """Σ term(x, z) over blocks of rows of X and WH, in float64."""
    W, H = (np.asarray(A, np.float64) for A in factors)
    blocks = range(0, len(X), 512)
    return float(sum(np.sum(term(X[i : i + 512].astype(np.float64), W[i : i + 512] @ H)) for i in blocks))


LOSSES = {"frobenius": relative_error, "kl": kl_divergence}
