"""A matrix known by two thin factors: what a randomised sketch of X is to the Frobenius methods."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jnmf import matrix
from jnmf.matrix.scaled import in_unit
from jnmf.numerics import unit_of


class LowRank(NamedTuple):
    """A B in place of X, A (m, l), B (l, n). A product with it costs (m + n) l r, not m n r."""

    A: Array
    B: Array

    @property
    def T(self) -> "LowRank":
        return LowRank(self.B.T, self.A.T)

    @property
    def shape(self):
        return self.A.shape[0], self.B.shape[1]

    @property
    def dtype(self):
        return self.A.dtype


matrix.entries.register(LowRank, lambda X: (X.A @ X.B, None))
matrix.product.register(LowRank, lambda X, W, H: (W.T @ X.A) @ X.B)
in_unit.register(LowRank, lambda X, root: LowRank(root * X.A, root * X.B))
matrix.filled.register(LowRank, lambda X: X)


def _in_units(X: LowRank):
    """A and B with largest entries of about 1, and the unit of A B, however A and B share their scale."""
    of_A, of_B = (unit_of(jnp.max(jnp.abs(A))) for A in X)
    return LowRank(X.A / of_A, X.B / of_B), of_A * of_B


@matrix.square.register
def _(X: LowRank):
    (A, B), unit = _in_units(X)
    return unit * (unit * jnp.vdot(A.T @ A, B @ B.T))


@matrix.part.register
def _(X: LowRank, start, size, axis):
    if axis == 0:
        return LowRank(matrix.part(X.A, start, size, 0), X.B)
    return LowRank(X.A, matrix.part(X.B, start, size, 1))


@matrix.take.register
def _(X: LowRank, indices, axis):
    if axis == 0:
        return LowRank(X.A[indices], X.B)
    return LowRank(X.A, X.B[:, indices])


@matrix.mean_size.register
def _(X: LowRank):
    X, unit = _in_units(X)
    return unit * (matrix.total(X, jnp.abs) / matrix.weight(X))


@matrix.svd.register
def _(X: LowRank, rank):
    (Q, R), (P, S) = jnp.linalg.qr(X.A), jnp.linalg.qr(X.B.T)
    U, sigma, Vt = jnp.linalg.svd(R @ S.T, full_matrices=False)
    return (Q @ U)[:, :rank], sigma[:rank], (Vt @ P.T)[:rank]


@partial(jax.jit, static_argnames=("rank", "power_iters"))
def compress(key, X, rank: int, power_iters: int = 1) -> LowRank:
    """Q B ≈ X with QᵀQ = I and B = QᵀX: Q spans what X, applied to `rank` random vectors, reaches.

    X (m, n) -> Q (m, l), B (l, n), l = min(rank, m, n). Each power iteration, Q ← orth(X orth(Xᵀ Q)), takes two more
    passes over X and brings the error nearer to the best of that rank, (σ_{l+1}² + σ_{l+2}² + …)^½.
    Halko, Martinsson and Tropp 2011, algorithms 4.3 and 4.4.
    """
    orth = lambda A: jnp.linalg.qr(A)[0]
    times = lambda A: matrix.product(X.T, A, None).T  # X A
    Q = orth(times(jax.random.normal(key, (X.shape[1], min(rank, *X.shape)), X.dtype)))
    for _ in range(power_iters):
        Q = orth(times(orth(matrix.product(X, Q, None).T)))
    return LowRank(Q, matrix.product(X, Q, None))
