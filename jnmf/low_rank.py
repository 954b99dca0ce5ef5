"""A matrix known by two thin factors: what a randomised sketch of X is to the Frobenius methods."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array


class LowRank(NamedTuple):
    """A B in the place of X, A (m, l), B (l, n). A product with it costs (m + n) l r, not m n r."""

    A: Array
    B: Array

    @property
    def T(self) -> "LowRank":
        return LowRank(self.B.T, self.A.T)

    @property
    def shape(self):
        return self.A.shape[0], self.B.shape[1]


@partial(jax.jit, static_argnames=("rank", "power_iters"))
def compress(key, X, rank: int, power_iters: int = 1) -> LowRank:
    """Q B ≈ X with QᵀQ = I and B = QᵀX: Q spans what X, applied to `rank` random vectors, reaches.

    X (m, n) -> Q (m, l), B (l, n), l = min(rank, m, n). Each power iteration, Q ← orth(X orth(Xᵀ Q)), takes two more
    passes over X and brings the error nearer to the best of that rank, (σ_{l+1}² + σ_{l+2}² + …)^½.
    Halko, Martinsson and Tropp 2011, algorithms 4.3 and 4.4.
    """
    orth = lambda A: jnp.linalg.qr(A)[0]
    Q = orth(X @ jax.random.normal(key, (X.shape[1], min(rank, *X.shape)), X.dtype))
    for _ in range(power_iters):
        Q = orth(X @ orth(X.T @ Q))
    return LowRank(Q, Q.T @ X)
