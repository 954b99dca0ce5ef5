"""The factors of X ≈ W H: the value every function passes on, and the gauge that leaves W H alone."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from jnmf.losses import divide

NORMS = {
    "max": lambda W: jnp.max(jnp.abs(W), axis=0),
    "l1": lambda W: jnp.sum(jnp.abs(W), axis=0),
    "l2": lambda W: jnp.linalg.norm(W, axis=0),
}


class Factors(NamedTuple):
    """X (m, n) ≈ W (m, r) @ H (r, n), W ≥ 0, H ≥ 0."""

    W: Array
    H: Array


def project_nonnegative(A):
    """[A]₊, the nearest nonnegative array to A in the Frobenius norm: every negative entry becomes 0."""
    return jnp.maximum(A, 0)


def normalize(factors: Factors, norm: str = "max") -> Factors:
    """Scale each column of W to norm 1 and its row of H by the inverse, so that W H stays what it was.

    With d_k = ‖W_:k‖ (maximum, sum or Euclidean length): W diag(d)⁻¹ and diag(d) H. A zero column keeps its scale.
    Shapes and dtypes are kept. Raises ValueError for an unknown `norm`.
    """
    if norm not in NORMS:
        raise ValueError(f"norm: expected one of {', '.join(map(repr, NORMS))}, got {norm!r}")
    W, H = factors
    d = column_scale(W, norm)
    return Factors(W / d[None, :], H * d[:, None])


def column_scale(W, norm: str = "max"):
    """The norm of each column of W (m, r) -> (r,), and 1 for a zero column, which keeps its scale."""
    d = NORMS[norm](W)
    return jnp.where(d > 0, d, 1)


class Probabilities(NamedTuple):
    """W (m, r) with columns that sum to 1, weights sigma (r,), H (r, n) with rows that sum to 1."""

    W: Array
    sigma: Array
    H: Array


def probabilities(factors: Factors) -> Probabilities:
    """The form of probabilistic latent semantic analysis: W diag(sigma) H is the W H that was passed.

    W (m, r), H (r, n) -> W (m, r), sigma (r,), H (r, n), in their dtype.
    sigma_k = (Σ_i W_ik)(Σ_j H_kj), and the columns of W and the rows of H are divided by their sums, so that
    Σ sigma = Σ WH. If that is 1, they are P(i | k), P(k) and P(j | k) in the mixture
    P(i, j) = Σ_k P(k) P(i | k) P(j | k). A zero column of W or row of H stays zero, with sigma_k = 0.
    Hofmann 1999; Gaussier and Goutte 2005.
    """
    W, H = factors
    columns, rows = jnp.sum(W, axis=0), jnp.sum(H, axis=1)
    return Probabilities(divide(W, columns[None, :]), columns * rows, divide(H, rows[:, None]))
