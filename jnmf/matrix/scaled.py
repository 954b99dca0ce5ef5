"""A matrix in a unit, for entries whose squares leave the range of their dtype."""

from functools import singledispatch
from typing import Any, NamedTuple

from jax import Array

from jnmf import matrix


class Scaled(NamedTuple):
    """root² X, an array or another kind, root a power of two, without a copy of X: root is put on what is multiplied.

    With a power of two nothing is rounded, so that another unit of X changes no bit of what is computed.
    """

    X: Any
    root: Array

    @property
    def T(self) -> "Scaled":
        return Scaled(self.X.T, self.root)

    @property
    def shape(self):
        return self.X.shape

    @property
    def dtype(self):
        return self.X.dtype


@matrix.entries.register
def _(X: Scaled):
    x, m = matrix.entries(X.X)
    return X.root * (X.root * x), m


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
    return Scaled(matrix.filled(X.X), X.root)


@matrix.occupied.register
def _(X: Scaled, *of):
    return matrix.occupied.dispatch(object)(X, *of) if of else matrix.occupied(X.X)


matrix.part.register(Scaled, lambda X, *place: Scaled(matrix.part(X.X, *place), X.root))
matrix.take.register(Scaled, lambda X, *which: Scaled(matrix.take(X.X, *which), X.root))
matrix.weight.register(Scaled, lambda X: matrix.weight(X.X))
matrix.most_weight.register(Scaled, lambda X: matrix.most_weight(X.X))
matrix.has_own_half_steps.register(Scaled, lambda X: matrix.has_own_half_steps(X.X))
matrix.is_completed.register(Scaled, lambda X: matrix.is_completed(X.X))
matrix.svd.register(Scaled, lambda X, rank: matrix.svd(matrix.entries(X)[0], rank))
matrix.size.register(Scaled, lambda X: matrix.size(X.X))
matrix.mean_size.register(Scaled, lambda X: X.root * (X.root * matrix.mean_size(X.X)))


@singledispatch
def in_unit(X, root) -> Any:
    """root² X, for a power of two."""
    return Scaled(X, root)
