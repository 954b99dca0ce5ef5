"""A matrix in a unit, for entries whose squares leave the range of their dtype."""

from functools import singledispatch
from typing import Any, NamedTuple

from jax import Array

from jnmf import matrix


class Scaled(NamedTuple):
    """root² X, an array or another kind, root a power of two, without a copy of X: root is put on what is multiplied.

    Weights of its own count `of_weights` times, another power of two.

    With a power of two nothing is rounded, so that another unit of X changes no bit of what is computed.
    """

    X: Any
    root: Array
    of_weights: Any = 1.0

    @property
    def T(self) -> "Scaled":
        return self._replace(X=self.X.T)

    @property
    def shape(self):
        return self.X.shape

    @property
    def dtype(self):
        return self.X.dtype


@matrix.entries.register
def _(X: Scaled):
    x, m = matrix.entries(X.X)
    return X.root * (X.root * x), None if m is None else X.of_weights * m


@matrix.product.register
def _(X: Scaled, W, H):
    """(root W)ᵀX root: W is small beside X. An X with weights of its own is completed in the unit."""
    if matrix.is_completed(X.X):
        x, m = matrix.entries(X)
        return W.T @ (x if m is None else m * x + (matrix.most_weight(X) - m) * (W @ H))
    return X.root * matrix.product(X.X, X.root * W, H)


@matrix.filled.register
def _(X: Scaled):
    if matrix.is_completed(X.X):
        return matrix.filled.dispatch(object)(X)
    return X._replace(X=matrix.filled(X.X))


@matrix.occupied.register
def _(X: Scaled, *of):
    return matrix.occupied.dispatch(object)(X, *of) if of else matrix.occupied(X.X)


matrix.part.register(Scaled, lambda X, *place: X._replace(X=matrix.part(X.X, *place)))
matrix.take.register(Scaled, lambda X, *which: X._replace(X=matrix.take(X.X, *which)))
matrix.weight.register(Scaled, lambda X: matrix.weight(X.X) * (X.of_weights if matrix.is_completed(X.X) else 1))
matrix.most_weight.register(
    Scaled, lambda X: matrix.most_weight(X.X) * (X.of_weights if matrix.is_completed(X.X) else 1)
)
matrix.has_own_half_steps.register(Scaled, lambda X: matrix.has_own_half_steps(X.X))
matrix.is_completed.register(Scaled, lambda X: matrix.is_completed(X.X))
matrix.svd.register(Scaled, lambda X, rank: matrix.svd(matrix.entries(X)[0], rank))
matrix.size.register(Scaled, lambda X: matrix.size(X.X))
matrix.mean_size.register(Scaled, lambda X: X.root * (X.root * matrix.mean_size(X.X)))


@singledispatch
def in_unit(X, root, of_weights=1.0) -> Any:
    """root² X, for a power of two; weights of its own are multiplied by another one."""
    return Scaled(X, root, of_weights)
