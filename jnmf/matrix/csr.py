"""Compressed sparse rows: A D as one custom call, B Cᵀ at the stored places alone, and dense blocks of A."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.core import ShapedArray
from jax.experimental.sparse import BCSR
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

NUMBERS = 2**19  # of the rows of B and of C that are gathered at a time: they stay in the cache
CHUNK = 2**14  # entries that are written into a block at a time


class Csr(NamedTuple):
    """A sparse matrix by rows: entry e is `values[e]`, in row `rows[e]` and column `columns[e]`.

    The entries are in the order of their rows, and of their columns within one; those of row i are from `starts[i]` to
    `starts[i + 1]`, int32 as all places are. Each place is stored once. The number of columns is not told.
    """

    values: Array
    rows: Array
    columns: Array
    starts: Array

    @property
    def num_rows(self) -> int:
        return self.starts.shape[0] - 1


def times(A: Csr, D, transpose: Csr | None = None):
    """A D (m, k), for A (m, n) and D (n, k).

    One call into Eigen on a CPU, cuSPARSE on a GPU, under `vmap` of D too: the members are columns of one wide D. The
    derivative in D takes Aᵀ, which is quick where it is given.
    """
    return _times.bind(*A, *(A if transpose is None else transpose), D, has_transpose=transpose is not None)


def sampled(A: Csr, B, C):
    """(B Cᵀ) at the places of A, one number an entry, for B (m, r) and C (n, r)."""
    B, C = jnp.asarray(B), jnp.asarray(C)
    if not A.rows.size:
        return jnp.zeros(0, B.dtype)
    at = lambda place: jnp.sum(B[place[0]] * C[place[1]])
    return lax.map(at, (A.rows, A.columns), batch_size=max(1, NUMBERS // B.shape[1]))


def at(A: Csr, factors):
    """(W H)_ij of each of the factors, at the places of A."""
    return [sampled(A, W, H.T) for W, H in factors]


def rows_where(A: Csr, num_columns: int, true):
    """The rows of A with an entry for which `true`, one boolean an entry."""
    counts = times(A._replace(values=true.astype(A.values.dtype)), jnp.ones((num_columns, 1), A.values.dtype))
    return counts[:, 0] > 0


def block(A: Csr, start, size: int, num_columns: int, values=None):
    """`size` rows of A from `start` on, (size, n), of these values: written down a chunk of entries at a time."""
    values = A.values if values is None else values
    if not values.size:
        return jnp.zeros((size, num_columns), values.dtype)
    chunk = min(CHUNK, values.size)
    end = A.starts[start + size]

    def written(carry):
        at, found = carry
        first = jnp.minimum(at, values.size - chunk)  # a slice that would go beyond the end starts earlier
        value, row, column = (lax.dynamic_slice_in_dim(a, first, chunk) for a in (values, A.rows, A.columns))
        here = first + jnp.arange(chunk)
        row = jnp.where((here >= at) & (here < end), row - start, size)  # others are not in the block
        return first + chunk, found.at[row, column].set(value, mode="drop")

    nothing = jnp.zeros((size, num_columns), values.dtype)
    return lax.while_loop(lambda carry: carry[0] < end, written, (A.starts[start], nothing))[1]


def _product(values, rows, columns, starts, *rest, has_transpose):
    D = rest[-1]
    if not values.size:
        return jnp.zeros((starts.shape[0] - 1, D.shape[1]), D.dtype)
    width = 32 // D.dtype.itemsize  # columns in a vector of the processor; with others Eigen takes up to three times
    padded = jnp.pad(D, ((0, 0), (0, -D.shape[1] % width)))
    A = BCSR((values, columns, starts), shape=(starts.shape[0] - 1, D.shape[0]))
    return (A @ padded)[:, : D.shape[1]]


_times = Primitive("csr_times")
_times.def_impl(jax.jit(_product, static_argnames="has_transpose"))
_times.def_abstract_eval(lambda *a, **_: ShapedArray((a[3].shape[0] - 1, a[-1].shape[1]), a[-1].dtype))
mlir.register_lowering(_times, mlir.lower_fun(_product, multiple_results=False))


def _batched(operands, axes, **how):
    *matrices, D = operands
    if all(axis is None for axis in axes[:-1]):  # the batch becomes columns
        D = jnp.moveaxis(D, axes[-1], 1)
        n, members, k = D.shape
        return _times.bind(*matrices, D.reshape(n, members * k), **how).reshape(-1, members, k), 1
    size = next(a.shape[i] for a, i in zip(operands, axes, strict=True) if i is not None)
    each = [
        jnp.broadcast_to(a, (size, *a.shape)) if i is None else jnp.moveaxis(a, i, 0)
        for a, i in zip(operands, axes, strict=True)
    ]
    return lax.map(lambda one: _times.bind(*one, **how), each), 0


def _derivative(primals, tangents, **how):
    """A D is linear in the values of A, and in D."""
    terms = []
    if type(tangents[0]) is not ad.Zero:
        terms.append(times(Csr(tangents[0], *primals[1:4]), primals[-1]))
    if type(tangents[-1]) is not ad.Zero:
        terms.append(_times.bind(*primals[:-1], tangents[-1], **how))
    return _times.bind(*primals, **how), sum(terms[1:], terms[0])


def _transposed(cotangent, *operands, has_transpose):
    A, B, D = Csr(*operands[:4]), Csr(*operands[4:8]), operands[8]
    nothing: list[Any] = [None] * 9
    if type(cotangent) is ad.Zero:
        return nothing
    if ad.is_undefined_primal(D):
        if has_transpose:
            nothing[8] = times(B, cotangent, A)
        else:
            of_entries = lambda value, row: value * cotangent[row]
            found = jnp.zeros(D.aval.shape, D.aval.dtype)
            nothing[8] = found.at[A.columns].add(jax.vmap(of_entries)(A.values, A.rows))
    else:
        nothing[0] = sampled(A, cotangent, D)
    return nothing


batching.primitive_batchers[_times] = _batched
ad.primitive_jvps[_times] = _derivative
ad.primitive_transposes[_times] = _transposed
