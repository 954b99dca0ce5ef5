"""A sparse matrix: what is not stored is 0. No array of m × n is made where the loss can be told from the nonzeros."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnmf import matrix
from jnmf.matrix.csr import Csr, at, block, rows_where, sampled, times
from jnmf.matrix.leading import leading, tails
from jnmf.matrix.scaled import in_unit
from jnmf.numerics import unit_of


class Sparse(NamedTuple):
    """X (m, n) by its rows, and Xᵀ by its: the same entries twice, in two orders, so that both products read in order.

    An entry takes 24 bytes in float32, 32 in float64. `jnmf.sparse` makes one.
    """

    by_row: Csr
    by_column: Csr

    @property
    def T(self) -> "Sparse":
        return Sparse(self.by_column, self.by_row)

    @property
    def shape(self):
        return self.by_row.num_rows, self.by_column.num_rows

    @property
    def dtype(self):
        return self.by_row.values.dtype

    @property
    def num_stored(self) -> int:
        return self.by_row.values.shape[0]

    def __repr__(self) -> str:
        return f"Sparse {self.shape} of {self.num_stored} stored entries, {self.dtype}"

    def tells(self, loss) -> bool:
        """Whether the nonzeros and sums of W and H tell both parts of the derivative: the positive one is 1."""
        one = jnp.ones((1, 1), self.dtype)
        return loss.of_zeros(one, one) is not None and loss.parts(one, one, 0)[1:] == (None, None)

    def in_dtype(self, dtype) -> "Sparse":
        return matrix.cast(self, dtype)

    def of_each(self, f) -> "Sparse":
        """f of every stored entry."""
        return Sparse(*(A._replace(values=f(A.values)) for A in self))


def from_csr(A, dtype, put) -> Sparse:
    """A SciPy csr_array in order, each place once, in a dtype of floating point. `put` copies what may be another's."""
    rows = lambda starts: np.repeat(np.arange(starts.size - 1, dtype=np.int32), np.diff(starts))
    places = lambda a: np.asarray(a, np.int32)
    columns, starts = (put(places(a), np.int32) for a in (A.indices, A.indptr))
    T = A.T.tocsr()  # memory of its own
    transposed = T.data.astype(dtype, copy=False), rows(T.indptr), places(T.indices), places(T.indptr)
    by_row = Csr(put(A.data, dtype), jax.device_put(rows(A.indptr)), columns, starts)
    return Sparse(by_row, Csr(*map(jax.device_put, transposed)))


@matrix.entries.register
def _(X: Sparse):
    return block(X.by_row, 0, *X.shape), None


@matrix.part.register
def _(X: Sparse, start, size, axis):
    A, n = X[axis], X.shape[1 - axis]
    found = block(A, start, size, n)
    return found if axis == 0 else found.T


@matrix.take.register
def _(X: Sparse, indices, axis):
    """By a product with columns of the identity."""
    A, B = X[axis], X[1 - axis]
    one_hot = jnp.zeros((A.num_rows, indices.shape[0]), X.dtype).at[indices, jnp.arange(indices.shape[0])].set(1)
    found = times(B, one_hot, A)
    return found.T if axis == 0 else found


@matrix.product.register
def _(X: Sparse, W, H):
    return times(X.by_column, W, X.by_row).T


@matrix.divergence.register
def _(X: Sparse, loss, W, H):
    """Σ d(x, z) over the nonzeros, and Σ d(0, z) over all entries less that over the nonzeros: 0 at least.

    Nothing cancels on the nonzeros; what the zeros add is there to eps of the sum over all. For ½(x − z)² products tell
    the whole as ½‖X‖² − ⟨XHᵀ, W⟩ + Σ d(0, z), to eps of the same sums, in an eighth of the time.
    """
    of_zeros = loss.of_zeros(W, H)
    if loss.quadratic:
        XHt = times(X.by_row, H.T, X.by_column)
        return jnp.maximum(0.5 * matrix.square(X) - jnp.vdot(XHt, W) + of_zeros, 0)
    if of_zeros is None:
        return matrix.divergence.dispatch(object)(X, loss, W, H)
    x, z = X.by_row.values, sampled(X.by_row, W, H.T)
    on_nonzeros = jnp.sum(loss.divergence(jnp.zeros_like(x), z))
    return jnp.sum(loss.divergence(x, z)) + jnp.maximum(of_zeros - on_nonzeros, 0)


@matrix.parts_W.register
def _(X: Sparse, loss, W, H):
    """N is 0 where x is; P is told from H alone for a loss whose P is 1 everywhere."""
    if not X.tells(loss):
        return matrix.parts_W.dispatch(object)(X, loss, W, H)
    x, z = X.by_row.values, sampled(X.by_row, W, H.T)
    value = jnp.sum(loss.quick(x, z, beyond_zeros=True)) + loss.of_zeros(W, H)
    N = X.by_row._replace(values=loss.negative(x, z))
    return times(N, H.T), jnp.sum(H, axis=1)[None, :], 1, value


@matrix.parts_H.register
def _(X: Sparse, loss, W, H):
    if not X.tells(loss):
        return matrix.parts_H.dispatch(object)(X, loss, W, H)
    negative, positive, unit, value = matrix.parts_W(X.T, loss, H.T, W.T)
    return negative.T, positive.T, unit, value, matrix.gradient_W(X, loss, W, H)


@matrix.gradient_W.register
def _(X: Sparse, loss, W, H):
    """W (HHᵀ) − XHᵀ, or the two parts: their difference is there to eps of each."""
    if loss.quadratic:
        return W @ (H @ H.T) - times(X.by_row, H.T, X.by_column)
    if not X.tells(loss):
        return matrix.gradient_W.dispatch(object)(X, loss, W, H)
    negative, positive, unit, _ = matrix.parts_W(X, loss, W, H)
    return (positive - negative) * unit


matrix.gradient_H.register(Sparse, lambda X, loss, W, H: matrix.gradient_W(X.T, loss, H.T, W.T).T)


@matrix.occupied.register
def _(X: Sparse, which=matrix.is_nonzero, *factors):
    (A, B), (m, n) = X, X.shape
    transposed = [(H.T, W.T) for W, H in factors]
    return rows_where(A, n, which(A.values, *at(A, factors))), rows_where(B, m, which(B.values, *at(B, transposed)))


@matrix.extremes.register
def _(X: Sparse):
    m, n = X.shape
    values = X.by_row.values
    if X.num_stored < float(m) * n:
        values = jnp.append(values, 0)
    return jnp.stack([jnp.min(values), jnp.max(values)])


@matrix.mean_size.register
def _(X: Sparse):
    m, n = X.shape
    values = X.by_row.values
    unit = unit_of(jnp.max(jnp.abs(values), initial=0))  # the sum may leave the range of the dtype
    return unit * (jnp.sum(jnp.abs(values / unit)) / (float(m) * n))


matrix.svd.register(Sparse, lambda X, rank: leading([X.by_row], X.shape, rank))
matrix.tails.register(Sparse, lambda X, ranks: tails(X.by_row, X.shape, ranks))
matrix.square.register(Sparse, lambda X: jnp.sum(X.by_row.values * X.by_row.values))
matrix.weight.register(Sparse, lambda X: float(X.shape[0]) * X.shape[1])
matrix.filled.register(Sparse, lambda X: X)
matrix.size.register(Sparse, lambda X: X.num_stored)
matrix.told_by.register(Sparse, lambda X: [X.by_row.values, X.by_row.columns, X.by_row.starts])
in_unit.register(Sparse, lambda X, root: X.of_each(lambda x: root * (root * x)))
