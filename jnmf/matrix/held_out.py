"""A sparse matrix without some of its entries, zeros among them: what a restart of `cross_validate` fits."""

import math
from typing import NamedTuple

import jax.numpy as jnp

from jnmf import matrix
from jnmf.matrix.csr import at, sampled, times
from jnmf.matrix.leading import leading
from jnmf.matrix.masked import Masked
from jnmf.matrix.scaled import in_unit
from jnmf.matrix.sparse import Sparse
from jnmf.numerics import unit_of


class Without(NamedTuple):
    """X (m, n), of which every entry counts but those at `places`: X is 0 there, `places` is 1 there alone.

    What else `places` stores is 0: of blocks of one size, one that leaves out fewer entries than another.
    """

    X: Sparse
    places: Sparse

    @property
    def T(self) -> "Without":
        return Without(self.X.T, self.places.T)

    @property
    def shape(self):
        return self.X.shape

    @property
    def dtype(self):
        return self.X.dtype


@matrix.entries.register
def _(X: Without):
    return matrix.entries(X.X)[0], 1 - matrix.entries(X.places)[0]


@matrix.part.register
def _(X: Without, *place):
    return Masked(matrix.part(X.X, *place), 1 - matrix.part(X.places, *place))


@matrix.product.register
def _(X: Without, W, H):
    """Wᵀ(X + E), where E is W H at the places left out."""
    A = X.places.by_column
    return matrix.product(X.X, W, H) + times(A._replace(values=A.values * sampled(A, H.T, W)), W).T


@matrix.weight.register
def _(X: Without):
    """Also of several blocks, arrays with a first axis."""
    *blocks, m = X.X.by_row.starts.shape
    n = X.X.by_column.starts.shape[-1]
    whole = math.prod(map(float, (*blocks, m - 1, n - 1)))
    return whole - jnp.count_nonzero(X.places.by_row.values).astype(X.dtype)


@matrix.divergence.register
def _(X: Without, loss, W, H):
    """That of X, which is 0 at the places left out, less Σ d(0, z) over them."""
    if loss.of_zeros(W, H) is None:
        return matrix.divergence.dispatch(object)(X, loss, W, H)
    A = X.places.by_row
    z = sampled(A, W, H.T)
    left_out = jnp.sum(A.values * loss.divergence(jnp.zeros_like(z), z))
    return jnp.maximum(matrix.divergence(X.X, loss, W, H) - left_out, 0)


@matrix.square_rise.register
def _(X: Without, factors, change):
    """⟨Z + ½ΔZ, ΔZ⟩ from Gram matrices, less ⟨X, ΔZ⟩ on the nonzeros, less what the places left out have of it."""
    inner = lambda A, B: jnp.vdot(A[0].T @ B[0], A[1] @ B[1].T)
    (dz,), (z, dz_there) = at(X.X.by_row, [change]), at(X.places.by_row, [factors, change])
    whole = inner(factors, change) + 0.5 * inner(change, change) - jnp.vdot(X.X.by_row.values, dz)
    return whole - jnp.sum(X.places.by_row.values * (z + 0.5 * dz_there) * dz_there)


@matrix.parts_W.register
def _(X: Without, loss, W, H):
    """Where the positive part is 1 everywhere: that of X, less 1 at each place left out."""
    if not X.X.tells(loss):
        return matrix.parts_W.dispatch(object)(X, loss, W, H)
    negative, positive, unit, value = matrix.parts_W(X.X, loss, W, H)
    A = X.places.by_row
    z = sampled(A, W, H.T)
    value = value - jnp.sum(A.values * loss.quick(jnp.zeros_like(z), z))
    return negative, jnp.maximum(positive - times(A, H.T), 0), unit, value


@matrix.parts_H.register
def _(X: Without, loss, W, H):
    if not X.X.tells(loss):
        return matrix.parts_H.dispatch(object)(X, loss, W, H)
    negative, positive, unit, value = matrix.parts_W(X.T, loss, H.T, W.T)
    return negative.T, positive.T, unit, value, matrix.gradient_W(X, loss, W, H)


@matrix.gradient_W.register
def _(X: Without, loss, W, H):
    if loss.quadratic:
        A = X.places.by_row
        return matrix.gradient_W(X.X, loss, W, H) - times(A._replace(values=A.values * sampled(A, W, H.T)), H.T)
    if not X.X.tells(loss):
        return matrix.gradient_W.dispatch(object)(X, loss, W, H)
    negative, positive, unit, _ = matrix.parts_W(X, loss, W, H)
    return (positive - negative) * unit


matrix.gradient_H.register(Without, lambda X, loss, W, H: matrix.gradient_W(X.T, loss, H.T, W.T).T)
matrix.is_completed.register(Without, lambda X: True)
matrix.occupied.register(Without, lambda X, *of: matrix.occupied(X.X, *of))
matrix.extremes.register(Without, lambda X: matrix.extremes(X.X))
matrix.size.register(Without, lambda X: X.X.num_stored)
matrix.most_weight.register(Without, lambda X: 1.0)
in_unit.register(Without, lambda X, root, of_weights=1.0: Without(in_unit(X.X, root), X.places))  # which are 0 or 1


class Plus(NamedTuple):
    """A + B, two sparse matrices: what an init sees, the mean at the places left out."""

    A: Sparse
    B: Sparse

    @property
    def T(self) -> "Plus":
        return Plus(self.A.T, self.B.T)

    @property
    def shape(self):
        return self.A.shape

    @property
    def dtype(self):
        return self.A.dtype


@matrix.filled.register
def _(X: Without):
    values = X.X.by_row.values
    unit = unit_of(jnp.max(jnp.abs(values), initial=0))
    level = unit * (jnp.sum(values / unit) / matrix.weight(X))
    return Plus(X.X, X.places.of_each(lambda one: level * one))


@matrix.product.register
def _(X: Plus, W, H):
    return matrix.product(X.A, W, H) + matrix.product(X.B, W, H)


matrix.entries.register(Plus, lambda X: (matrix.entries(X.A)[0] + matrix.entries(X.B)[0], None))
matrix.part.register(Plus, lambda X, *place: matrix.part(X.A, *place) + matrix.part(X.B, *place))
matrix.take.register(Plus, lambda X, *which: matrix.take(X.A, *which) + matrix.take(X.B, *which))
matrix.filled.register(Plus, lambda X: X)
matrix.mean_size.register(Plus, lambda X: matrix.mean_size(X.A) + matrix.mean_size(X.B))
matrix.svd.register(Plus, lambda X, rank: leading([X.A.by_row, X.B.by_row], X.shape, rank))
matrix.size.register(Plus, lambda X: X.A.num_stored + X.B.num_stored)
in_unit.register(Plus, lambda X, root: Plus(in_unit(X.A, root), in_unit(X.B, root)))
