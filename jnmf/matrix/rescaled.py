"""A matrix whose rows and columns have a scale each: a sample that is drawn w times is one in another scale."""

from functools import singledispatch
from typing import Any, NamedTuple

from jax import Array, lax

from jnmf import matrix
from jnmf.matrix.masked import Masked
from jnmf.matrix.sparse import Sparse
from jnmf.matrix.stored import Stored


class Rescaled(NamedTuple):
    """diag(a) X diag(b) without a copy of X (m, n): a (m,), `rows`, and b (n,), `columns`, go on what is multiplied."""

    X: Any
    rows: Array
    columns: Array

    @property
    def T(self) -> "Rescaled":
        return Rescaled(self.X.T, self.columns, self.rows)

    @property
    def shape(self):
        return self.X.shape

    @property
    def dtype(self):
        return self.X.dtype


@singledispatch
def rescaled(X, rows, columns) -> Any:
    """diag(rows) X diag(columns), weights as they are. Of a sparse X the stored values are written anew."""
    return Rescaled(X, rows, columns)


@rescaled.register
def _(X: Sparse, rows, columns):
    scaled = lambda A, a, b: A._replace(values=a[A.rows] * A.values * b[A.columns])
    return Sparse(scaled(X.by_row, rows, columns), scaled(X.by_column, columns, rows))


rescaled.register(Stored, lambda X, rows, columns: X._replace(X=rescaled(X.X, rows, columns)))
rescaled.register(Masked, lambda X, rows, columns: X._replace(X=rescaled(X.X, rows, columns)))


@matrix.entries.register
def _(X: Rescaled):
    x, m = matrix.entries(X.X)
    return X.rows[:, None] * x * X.columns[None, :], m


@matrix.part.register
def _(X: Rescaled, start, size, axis):
    cut = lambda a, along: lax.dynamic_slice_in_dim(a, start, size) if along == axis else a
    return Rescaled(matrix.part(X.X, start, size, axis), cut(X.rows, 0), cut(X.columns, 1))


@matrix.product.register
def _(X: Rescaled, W, H):
    """(diag(a) W)ᵀX diag(b). An X with weights of its own is completed from W H as it is here."""
    if matrix.is_completed(X.X):
        x, m = matrix.entries(X)
        return W.T @ (x if m is None else m * x + (matrix.most_weight(X) - m) * (W @ H))
    return matrix.product(X.X, X.rows[:, None] * W, H) * X.columns[None, :]


matrix.is_completed.register(Rescaled, lambda X: matrix.is_completed(X.X))
matrix.weight.register(Rescaled, lambda X: matrix.weight(X.X))
matrix.most_weight.register(Rescaled, lambda X: matrix.most_weight(X.X))
matrix.has_own_half_steps.register(Rescaled, lambda X: matrix.has_own_half_steps(X.X))
matrix.size.register(Rescaled, lambda X: matrix.size(X.X))
