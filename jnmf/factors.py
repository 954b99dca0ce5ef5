"""The factors of X ≈ W H: the value every function passes on, and the gauge that leaves W H alone."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

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
    d = NORMS[norm](W)
    d = jnp.where(d > 0, d, 1)
    return Factors(W / d[None, :], H * d[:, None])
