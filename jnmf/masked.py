"""A matrix with a weight for each entry: what masks and held-out entries are to the rest of the library."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from jnmf.low_rank import LowRank


class Masked(NamedTuple):
    """X (m, n) of which entry (i, j) counts with weight M_ij in [0, 1]. Where M is 0, X must be finite but is not used.

    It stands wherever a half-step, a loss or a gradient takes X: the loss is Σ M_ij d(x_ij, z_ij).
    """

    X: Array
    M: Array

    @property
    def T(self) -> "Masked":
        return Masked(self.X.T, self.M.T)

    @property
    def shape(self):
        return self.X.shape

    @property
    def dtype(self):
        return self.X.dtype


def weighted(f, X, Z, *beta):
    """f(x, z) entry by entry, times the weight of the entry if X has weights; 0 where the weight is 0."""
    if isinstance(X, Masked):
        return jnp.where(X.M > 0, X.M * f(X.X, Z, *beta), 0)
    return f(X, Z, *beta)


def product(X, W, H):
    """WᵀX (r, n); for a masked X it is Wᵀ(M ⊙ X + (1 − M) ⊙ WH), the missing part imputed from the fit.

    For weights in [0, 1], ½‖M ⊙ X + (1 − M) ⊙ W̄H̄ − WH‖² is a majoriser of the weighted loss ½Σ M (X − WH)² up to a
    constant, touching it at (W̄, H̄), where the two also have the same gradient. A solver that lowers it lowers the loss.
    """
    if isinstance(X, Masked):
        return W.T @ (X.M * X.X + (1 - X.M) * (W @ H))
    return (W.T @ X.A) @ X.B if isinstance(X, LowRank) else W.T @ X


def square(X):
    """Σ M x², which is ‖X‖² without a mask."""
    if isinstance(X, LowRank):
        return jnp.vdot(X.A.T @ X.A, X.B @ X.B.T)
    return jnp.sum(X.M * X.X * X.X) if isinstance(X, Masked) else jnp.sum(X * X)


def filled(X):
    """X with the entries without weight at the weighted mean of the others: what an init sees of a masked matrix."""
    if isinstance(X, Masked):
        return X.M * X.X + (1 - X.M) * (jnp.sum(X.M * X.X) / jnp.sum(X.M))
    return X
