"""A sparse matrix of which the stored entries alone count, zeros among them: ratings, counts that were seen."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from jnmf import matrix
from jnmf.checks import is_traced, on_host
from jnmf.matrix.columns import NUMBERS
from jnmf.matrix.csr import Csr, at, block, lines_where, sampled, times
from jnmf.matrix.leading import leading
from jnmf.matrix.masked import LIGHT, Masked, Weighted
from jnmf.matrix.scaled import in_unit
from jnmf.numerics import unit_of

OF_AN_ENTRY = 4  # numbers, which `Sparse` takes


class Stored(NamedTuple):
    """X (m, n), of which each stored entry counts, with its weight ≥ 0 or in full: `weights`, in both orders.

    The loss is Σ m d(x, z) over the stored entries. `mask="stored"` makes one.
    """

    X: Any  # Sparse
    weights: Any = None  # two arrays

    @property
    def T(self) -> "Stored":
        return type(self)(self.X.T, None if self.weights is None else self.weights[::-1])

    @property
    def shape(self):
        return self.X.shape

    @property
    def dtype(self):
        return self.X.dtype


class FewStored(Stored):
    """A `Stored` on which HALS and ANLS make half-steps by the stored entries (`jnmf.weighted`) and do not impute."""

    __slots__ = ()


def of_entries(X: Stored) -> Stored:
    """X, `FewStored` where it is traced, or a row or column has so little that imputation would crawl."""
    imputes = not is_traced(X) and on_host(lambda: _least_share(X)) >= LIGHT
    return (Stored if imputes else FewStored)(*X)


@jax.jit
def _least_share(X: Stored):
    """The mean weight of a row or column that has some, of the largest c; what is not stored has 0."""

    def least(axis):
        A, m = _of_rows(X, axis)
        length = X.shape[1 - axis]
        share = times(A._replace(values=m / matrix.most_weight(X)), jnp.ones((length, 1), m.dtype)) / length
        return jnp.min(jnp.where(share > 0, share, 1))

    return jnp.minimum(least(0), least(1))


def _of_rows(X: Stored, axis: int = 0) -> tuple[Csr, Array]:
    """The stored entries by row, or for axis 1 by column, and their weights."""
    A = X.X[axis]
    return A, jnp.ones_like(A.values) if X.weights is None else X.weights[axis]


def _weighted(m, value):
    return jnp.where(m > 0, m * value, 0)


@matrix.entries.register
def _(X: Stored):
    A, m = _of_rows(X)
    return matrix.entries(X.X)[0], block(A, 0, X.shape[0], X.shape[1], m)


@matrix.part.register
def _(X: Stored, start, size, axis):
    A, m = _of_rows(X, axis)
    M = block(A, start, size, X.shape[1 - axis], m)
    kind = Weighted if matrix.has_own_half_steps(X) else Masked
    return kind(matrix.part(X.X, start, size, axis), M if axis == 0 else M.T)


matrix.pass_axis.register(Stored, lambda X: None)  # an array, block after block


@matrix.product.register
def _(X: Stored, W, H):
    """c (WᵀW) H + Wᵀ R with R = m (x − z) on the stored entries: completed from Z = W H, c the largest weight."""
    A, m = _of_rows(X, 1)
    R = A._replace(values=_weighted(m, A.values - sampled(A, H.T, W)))
    return times(R, W).T + matrix.most_weight(X) * ((W.T @ W) @ H)


@matrix.total.register
def _(X: Stored, f, *factors):
    A, m = _of_rows(X)
    return jnp.sum(_weighted(m, f(A.values, *at(A, factors))))


@matrix.parts_W.register
def _(X: Stored, loss, W, H):
    """N Hᵀ and P Hᵀ, both of the stored entries, in one unit."""
    A, m = _of_rows(X)
    z = sampled(A, W, H.T)
    negative, positive, unit = loss.parts(A.values[None, :], z[None, :], 1)
    positive = jnp.ones_like(negative) if positive is None else positive
    pulled = (times(A._replace(values=_weighted(m, part[0])), H.T) for part in (negative, positive))
    return *pulled, 1 if unit is None else unit, jnp.sum(_weighted(m, loss.quick(A.values, z)))


@matrix.parts_H.register
def _(X: Stored, loss, W, H):
    negative, positive, unit, value = matrix.parts_W(X.T, loss, H.T, W.T)
    return negative.T, positive.T, unit, value, matrix.gradient_W(X, loss, W, H)


@matrix.gradient_W.register
def _(X: Stored, loss, W, H):
    A, m = _of_rows(X)
    D = A._replace(values=_weighted(m, loss.derivative(A.values, sampled(A, W, H.T))))
    return times(D, H.T)


matrix.gradient_H.register(Stored, lambda X, loss, W, H: matrix.gradient_W(X.T, loss, H.T, W.T).T)


@matrix.occupied.register
def _(X: Stored, which=matrix.is_nonzero, *factors):
    A, m = _of_rows(X)
    true = lambda chunk: (chunk.of(m) > 0) & which(chunk.of(A.values), *chunk.z)
    return lines_where(A, X.shape, true, *((W, H.T) for W, H in factors))


@matrix.extremes.register
def _(X: Stored):
    A, m = _of_rows(X)
    values = jnp.append(jnp.where(m > 0, A.values, 0), 0)
    return jnp.stack([jnp.min(values), jnp.max(values)])


@matrix.weight.register
def _(X: Stored):
    return float(X.X.num_stored) if X.weights is None else jnp.sum(X.weights[0])


@matrix.most_weight.register
def _(X: Stored):
    return 1.0 if X.weights is None else jnp.max(X.weights[0], initial=0)


@in_unit.register
def _(X: Stored, root, of_weights=1.0):
    weights = X.weights if X.weights is None else tuple(of_weights * m for m in X.weights)
    return type(X)(in_unit(X.X, root), weights)


class StoredColumns(NamedTuple):
    """`Columns` of the stored entries: A by column, its rows, written down once for all sweeps, and their weights."""

    A: Csr
    rows: Array
    m: Array

    @property
    def x(self):
        return self.A.values

    def at(self, B, C):
        return sampled(self.A, B, C, self.rows)

    def sums(self, V, C):
        return times(self.A._replace(values=V), C)

    def spread(self, a):
        return a[self.rows]

    def most(self):
        return jnp.zeros(self.A.num_rows, self.m.dtype).at[self.rows].max(self.m)

    def of_grams(self, f, W, *arrays):
        """Row k of the Gram matrices is a product of the weights with W ⊙ W_k, of a block of columns at a time.

        With X in memory there is room for as many numbers as it is made of.
        """
        A, r = self.A, W.shape[1]
        n, room = A.num_rows, max(NUMBERS, OF_AN_ENTRY * self.m.size)
        width = min(n, max(1, room // r**2))

        def of_block(start):
            ends = jnp.asarray([0, self.m.size], A.starts.dtype)  # what is before the block, and after it: a row each
            starts = jnp.concatenate([ends[:1], lax.dynamic_slice_in_dim(A.starts, start, width + 1), ends[1:]])
            M = Csr(self.m, A.columns, starts)
            row = lambda W_k: times(M, W * W_k[:, None])[1:-1]
            G = lax.map(row, W.T, batch_size=r if r * W.size <= room else 1)
            own = (lax.dynamic_slice_in_dim(a, start, width) for a in arrays)
            return lax.map(lambda one: f(*one), (G.swapaxes(0, 1), *own), batch_size=max(1, NUMBERS // r**2))

        starts = jnp.minimum(jnp.arange(-(-n // width)) * width, n - width)  # a last block that would not be whole
        found = lax.map(of_block, starts)
        return jnp.zeros((n, *found.shape[2:]), found.dtype).at[starts[:, None] + jnp.arange(width)[None, :]].set(found)


@matrix.of_columns.register
def _(X: Stored, f, H):
    A, m = _of_rows(X, 1)
    return f(StoredColumns(A, A.rows, m), H)


matrix.has_own_half_steps.register(Stored, lambda X: isinstance(X, FewStored))
matrix.is_completed.register(Stored, lambda X: True)
matrix.size.register(Stored, lambda X: X.X.num_stored)
matrix.told_by.register(Stored, lambda X: [*matrix.told_by(X.X), *([] if X.weights is None else X.weights[:1])])


class Completed(NamedTuple):
    """S + level · 11ᵀ: what an init sees of stored entries, the others being the mean of these."""

    S: Any  # Sparse
    level: Array

    @property
    def T(self) -> "Completed":
        return Completed(self.S.T, self.level)

    @property
    def shape(self):
        return self.S.shape

    @property
    def dtype(self):
        return self.S.dtype


@matrix.filled.register
def _(X: Stored):
    A, m = _of_rows(X)
    c = matrix.most_weight(X)
    m = m / c
    unit = unit_of(jnp.max(jnp.abs(m * A.values), initial=0))  # the sum may leave the range of the dtype
    level = unit * (jnp.sum(m * (A.values / unit)) / jnp.sum(m))
    both = (C._replace(values=k / c * (C.values - level)) for C, k in (_of_rows(X), _of_rows(X, 1)))
    return Completed(X.X._make(both), jnp.broadcast_to(level, A.starts.shape[:-1]))  # to each of several blocks


@matrix.entries.register
def _(X: Completed):
    return matrix.entries(X.S)[0] + X.level, None


@matrix.product.register
def _(X: Completed, W, H):
    return matrix.product(X.S, W, H) + X.level * jnp.sum(W, axis=0)[:, None]


@matrix.mean_size.register
def _(X: Completed):
    (m, n), x = X.shape, X.S.by_row.values + X.level
    unit = unit_of(jnp.maximum(jnp.max(jnp.abs(x), initial=0), jnp.abs(X.level)))
    rest = (float(m) * n - X.S.num_stored) * jnp.abs(X.level / unit)
    return unit * ((jnp.sum(jnp.abs(x / unit)) + rest) / (float(m) * n))


matrix.part.register(Completed, lambda X, *place: matrix.part(X.S, *place) + X.level)
matrix.take.register(Completed, lambda X, *which: matrix.take(X.S, *which) + X.level)
matrix.filled.register(Completed, lambda X: X)
matrix.svd.register(Completed, lambda X, rank: leading([X.S.by_row], X.shape, rank, X.level))
matrix.size.register(Completed, lambda X: X.S.num_stored)
in_unit.register(Completed, lambda X, root: Completed(in_unit(X.S, root), root * (root * X.level)))
