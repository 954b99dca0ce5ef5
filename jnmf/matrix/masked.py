"""A matrix with a weight for each entry: what masks and held-out entries are to the rest of the library."""

from functools import singledispatch
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jnmf import matrix
from jnmf.checks import on_host
from jnmf.matrix.scaled import Scaled, in_unit


class Masked(NamedTuple):
    """X (m, n) of which entry (i, j) counts with weight M_ij ≥ 0. Where M is 0, X must be finite but is not used.

    It stands wherever a half-step, a loss or a gradient takes X: the loss is Σ M_ij d(x_ij, z_ij). X is an array or
    another kind of matrix; if that has weights, those multiply.
    """

    X: Any
    M: Array

    @property
    def T(self):
        return type(self)(self.X.T, self.M.T)

    @property
    def shape(self):
        return self.X.shape

    @property
    def dtype(self):
        return self.X.dtype


@singledispatch
def weighted_by(X, M, kind: type[Masked] = Masked) -> Any:
    """X with these weights, which multiply those that it has: a `Masked`, or of a kind of those."""
    return kind(X, M)


class Weighted(Masked):
    """A `Masked` on which HALS and ANLS make half-steps by the weights (`jnmf.weighted`) and do not impute."""

    __slots__ = ()


LIGHT = 1 / 8  # the mean weight of a row or column, of the largest of all, below which imputation is the slower


def of_weights(X, M):
    """X with weights that are known: `Weighted` where a row or column has so little that imputation would crawl."""
    return weighted_by(X, M, Masked if on_host(lambda: _least_share(M)) >= LIGHT else Weighted)


@jax.jit
def _least_share(M):
    """The majoriser of a column with mean weight w is, of the largest c, about c/w times too steep."""
    least = [jnp.min(jnp.where(mean > 0, mean, 1)) for mean in (jnp.mean(M / jnp.max(M), axis=axis) for axis in (0, 1))]
    return jnp.minimum(*least)


@matrix.entries.register
def _(X: Masked):
    x, m = matrix.entries(X.X)
    return x, X.M if m is None else m * X.M


@matrix.part.register
def _(X: Masked, start, size, axis):
    return type(X)(*(matrix.part(A, start, size, axis) for A in X))


@matrix.take.register
def _(X: Masked, indices, axis):
    return type(X)(*(matrix.take(A, indices, axis) for A in X))


@matrix.product.register
def _(X: Masked, W, H):
    """Wᵀ(M ⊙ X + (c − M) ⊙ WH), the missing part imputed from the fit, c the largest weight.

    ½ c ‖(M/c) ⊙ X + (1 − M/c) ⊙ W̄H̄ − WH‖² is a majoriser of the weighted loss ½Σ M (X − WH)² up to a constant,
    touching it at (W̄, H̄), where the two also have the same gradient. A solver that lowers it lowers the loss.
    """
    x, m = matrix.entries(X)
    return W.T @ (m * x + (matrix.most_weight(X) - m) * (W @ H))


@matrix.cast.register
def _(X: Scaled, dtype):
    """Its entries: in their unit they may be in the range of a dtype that has not that of X, or of the unit."""
    x, m = matrix.entries(X)
    kind = Weighted if matrix.has_own_half_steps(X) else Masked
    return x.astype(dtype) if m is None else kind(x.astype(dtype), m.astype(dtype))


in_unit.register(Masked, lambda X, root, of_weights=1.0: type(X)(in_unit(X.X, root), of_weights * X.M))
matrix.has_own_half_steps.register(Masked, lambda X: isinstance(X, Weighted) or matrix.has_own_half_steps(X.X))
matrix.is_completed.register(Masked, lambda X: True)
matrix.weight.register(Masked, lambda X: jnp.sum(matrix.entries(X)[1]))
