"""A sparse matrix: what is not stored is 0. No array of m × n is made where the loss can be told from the nonzeros."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jnmf import matrix
from jnmf.matrix.csr import Csr, block, lines_where, over_chunks, times
from jnmf.matrix.leading import leading, tails
from jnmf.matrix.scaled import in_unit
from jnmf.numerics import unit_of


class Sparse(NamedTuple):
    """X (m, n) by its rows, and Xᵀ by its: the same entries twice, in two orders, so that both products read in order.

    An entry takes 16 bytes in float32, 24 in float64. `jnmf.sparse` makes one.
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
    """A SciPy csr_array in order, each place once, in a dtype of floating point. `put` copies what may be another's.

    The transpose comes first, and each array of it goes as soon as it is on the device: at no time is more held than
    the result takes and two arrays of it.
    """
    given = A.data, A.indices, A.indptr
    with np.errstate(over="ignore"):  # what leaves the range is found by the look
        arrays = [a.astype(t, copy=False) for a, t in zip(given, (dtype, np.int32, np.int32), strict=True)]
    T = type(A)(tuple(arrays), shape=A.shape).T.tocsr()  # memory of its own, as is what was converted
    transposed = [T.data, T.indices, T.indptr]
    del T
    moved = lambda own: jax.block_until_ready(jax.device_put(own.pop(0)))
    by_column = Csr(*(moved(transposed) for _ in given))
    by_row = Csr(*(put(arrays.pop(0), a.dtype) if arrays[0] is a else moved(arrays) for a in given))
    return Sparse(by_row, by_column)


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

    def add(found, chunk):
        x, (z,) = chunk.of(X.by_row.values), chunk.z
        both = jnp.stack([loss.divergence(x, z), loss.divergence(jnp.zeros_like(x), z)])
        return found + jnp.sum(jnp.where(chunk.fresh[None, :], both, 0), axis=1)

    found, of_zeros_there = over_chunks(X.by_row, add, jnp.zeros(2, X.dtype), (W, H.T))
    return found + jnp.maximum(of_zeros - of_zeros_there, 0)


@matrix.parts_W.register
def _(X: Sparse, loss, W, H):
    """N is 0 where x is; P is told from H alone for a loss whose P is 1 everywhere."""
    if not X.tells(loss):
        return matrix.parts_W.dispatch(object)(X, loss, W, H)
    A = X.by_row

    def of_chunk(found, chunk):
        (N, value), x, (z,) = found, chunk.of(A.values), chunk.z
        N = lax.dynamic_update_slice_in_dim(N, loss.negative(x, z), chunk.first, 0)
        return N, value + jnp.sum(jnp.where(chunk.fresh, loss.quick(x, z, beyond_zeros=True), 0))

    of_zeros = loss.of_zeros(W, H)
    # What N is written over is made of the factors: an array of zeros XLA would keep, one for all half-steps.
    anything = jnp.full(A.values.shape, lax.stop_gradient(of_zeros), X.dtype)
    N, value = over_chunks(A, of_chunk, (anything, jnp.zeros((), X.dtype)), (W, H.T))
    return times(A._replace(values=N), H.T), jnp.sum(H, axis=1)[None, :], 1, value + of_zeros


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
    A = X.by_row
    true = lambda chunk: which(chunk.of(A.values), *chunk.z)
    return lines_where(A, X.shape, true, *((W, H.T) for W, H in factors))


@matrix.extremes.register
def _(X: Sparse):
    m, n = X.shape
    values = X.by_row.values
    both = (jnp.min, jnp.max)
    if X.num_stored < float(m) * n:
        return jnp.stack([f(values, initial=0) for f in both])
    return jnp.stack([f(values) for f in both])


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
