"""A matrix with a weight for each entry: what masks and held-out entries are to the rest of the library."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from jnmf import matrix
from jnmf.matrix.scaled import Scaled, in_unit


class Masked(NamedTuple):
    """X (m, n) of which entry (i, j) counts with weight M_ij in [0, 1]. Where M is 0, X must be finite but is not used.

    It stands wherever a half-step, a loss or a gradient takes X: the loss is Σ M_ij d(x_ij, z_ij). X is an array or
    another kind of matrix; if that has weights, those multiply.
    """

    X: Any
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


@matrix.entries.register
def _(X: Masked):
    x, m = matrix.entries(X.X)
    return x, X.M if m is None else m * X.M


@matrix.part.register
def _(X: Masked, start, size, axis):
    return Masked(*(matrix.part(A, start, size, axis) for A in X))


@matrix.take.register
def _(X: Masked, indices, axis):
    return Masked(*(matrix.take(A, indices, axis) for A in X))


@matrix.product.register
def _(X: Masked, W, H):
    """Wᵀ(M ⊙ X + (1 − M) ⊙ WH), the missing part imputed from the fit.

    For weights in [0, 1], ½‖M ⊙ X + (1 − M) ⊙ W̄H̄ − WH‖² is a majoriser of the weighted loss ½Σ M (X − WH)² up to a
    constant, touching it at (W̄, H̄), where the two also have the same gradient. A solver that lowers it lowers the loss.
    """
    x, m = matrix.entries(X)
    return W.T @ (m * x + (1 - m) * (W @ H))


@matrix.cast.register
def _(X: Scaled, dtype):
    """Its entries: in their unit they may be in the range of a dtype that has not that of X, or of the unit."""
    x, m = matrix.entries(X)
    return x.astype(dtype) if m is None else Masked(x.astype(dtype), m.astype(dtype))


in_unit.register(Masked, lambda X, root: Masked(in_unit(X.X, root), X.M))
matrix.is_completed.register(Masked, lambda X: True)
matrix.weight.register(Masked, lambda X: jnp.sum(matrix.entries(X)[1]))
