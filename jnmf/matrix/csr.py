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
    """A sparse matrix by rows: entry e is `values[e]`, in column `columns[e]`.

    The entries are in the order of their rows, and of their columns within one; those of row i are from `starts[i]` to
    `starts[i + 1]`, int32 as all places are. Each place is stored once. The number of columns is not told.
    """

    values: Array
    columns: Array
    starts: Array

    @property
    def num_rows(self) -> int:
        return self.starts.shape[0] - 1

    @property
    def rows(self) -> Array:
        """The row of each entry, written down: an array as long as `columns`, which no product needs."""
        begins = jnp.zeros(self.columns.shape, jnp.int32).at[self.starts[1:-1]].add(1, mode="drop")
        return jnp.cumsum(begins, dtype=jnp.int32)

    def rows_of(self, width: int):
        """A function e -> the rows of the `width` entries from e on, (width,), all of them entries.

        Of these entries, each row that begins there and is not empty begins at another one.
        """
        filled, begins = _filled(self.starts)
        begins = jnp.pad(begins, (0, width), constant_values=self.columns.shape[0])

        def rows(e):
            last = jnp.searchsorted(begins, e, side="right") - 1  # of the filled rows that have begun
            new = lax.dynamic_slice_in_dim(begins, last + 1, width) - e
            return filled[last + jnp.cumsum(jnp.zeros(width, jnp.int32).at[new].add(1, mode="drop"))]

        return rows


@jax.jit
def _filled(starts):
    """The rows that are not empty, and where each begins; beyond them m, and where all end."""
    m = starts.shape[0] - 1
    (filled,) = jnp.nonzero(starts[1:] > starts[:-1], size=m, fill_value=m)
    return filled, starts[filled]


def times(A: Csr, D, transpose: Csr | None = None):
    """A D (m, k), for A (m, n) and D (n, k).

    One call into Eigen on a CPU, cuSPARSE on a GPU, under `vmap` of D too: the members are columns of one wide D. The
    derivative in D takes Aᵀ, which is quick where it is given.
    """
    return _times.bind(*A, *(A if transpose is None else transpose), D, has_transpose=transpose is not None)


class Chunk(NamedTuple):
    """Some of the entries of a `Csr`: the number of the first, which of them were in no chunk before, where they are,
    and z = (B Cᵀ)_ij of each of the factors there."""

    first: Array
    fresh: Array
    rows: Array
    columns: Array
    z: list[Array]

    def of(self, a):
        """Of an array with a number for each entry, those of these."""
        return lax.dynamic_slice_in_dim(a, self.first, self.fresh.shape[0])


def over_chunks(A: Csr, f, found, *factors, rows=None):
    """f(found, chunk) -> found of one `Chunk` after another: no array of all entries is made but in `found`.

    factors: pairs B (m, r) and C (n, r). rows: `A.rows`, where many calls with few columns are worth that array.
    """
    number = A.columns.size
    if not number:
        return found
    factors = jax.tree.map(jnp.asarray, factors)  # of NumPy no entries of traced numbers can be taken
    width = min(number, max(1, NUMBERS // max(8, sum(B.shape[1] for B, _ in factors))))
    cut = lambda a, e: lax.dynamic_slice_in_dim(a, e, width)
    rows_of = A.rows_of(width) if rows is None else lambda e: cut(rows, e)

    def one(i, found):
        e = jnp.minimum(i * width, number - width)  # a last chunk that would not be whole starts earlier
        line, column = rows_of(e), cut(A.columns, e)
        z = [jnp.sum(B[line] * C[column], axis=1) for B, C in factors]
        return f(found, Chunk(e, e + jnp.arange(width) >= i * width, line, column, z))

    return lax.fori_loop(0, -(-number // width), one, found)


def sampled(A: Csr, B, C, rows=None):
    """(B Cᵀ) at the places of A, one number an entry, for B (m, r) and C (n, r). `rows` as in `over_chunks`."""
    write = lambda found, chunk: lax.dynamic_update_slice_in_dim(found, chunk.z[0], chunk.first, 0)
    return over_chunks(A, write, jnp.zeros(A.columns.size, B.dtype), (B, C), rows=rows)


def at(A: Csr, factors):
    """(W H)_ij of each of the factors, at the places of A."""
    return [sampled(A, W, H.T) for W, H in factors]


def lines_where(A: Csr, shape, true, *factors) -> tuple[Array, Array]:
    """Booleans (m,), (n,): the rows and the columns with an entry for which `true`(chunk of entries)."""

    def mark(found, chunk):
        here = true(chunk).astype(jnp.int32)
        return [a.at[line].add(here) for a, line in zip(found, (chunk.rows, chunk.columns), strict=True)]

    rows, columns = over_chunks(A, mark, [jnp.zeros(length, jnp.int32) for length in shape], *factors)
    return rows > 0, columns > 0


def block(A: Csr, start, size: int, num_columns: int, values=None):
    """`size` rows of A from `start` on, (size, n), of these values: written down a chunk of entries at a time."""
    values = A.values if values is None else values
    if not values.size:
        return jnp.zeros((size, num_columns), values.dtype)
    chunk = min(CHUNK, values.size)
    end = A.starts[start + size]
    rows_of = A._replace(starts=lax.dynamic_slice_in_dim(A.starts, start, size + 1)).rows_of(chunk)

    def written(carry):
        at, found = carry
        first = jnp.minimum(at, values.size - chunk)  # a slice that would go beyond the end starts earlier
        value, column = (lax.dynamic_slice_in_dim(a, first, chunk) for a in (values, A.columns))
        here = first + jnp.arange(chunk)
        row = jnp.where((here >= at) & (here < end), rows_of(first), size)  # others are not in the block
        return first + chunk, found.at[row, column].set(value, mode="drop")

    nothing = jnp.zeros((size, num_columns), values.dtype)
    return lax.while_loop(lambda carry: carry[0] < end, written, (A.starts[start], nothing))[1]


def _product(values, columns, starts, *rest, has_transpose):
    D = rest[-1]
    if not values.size:
        return jnp.zeros((starts.shape[0] - 1, D.shape[1]), D.dtype)
    width = 32 // D.dtype.itemsize  # columns in a vector of the processor; with others Eigen takes up to three times
    padded = jnp.pad(D, ((0, 0), (0, -D.shape[1] % width)))
    A = BCSR((values, columns, starts), shape=(starts.shape[0] - 1, D.shape[0]))
    return (A @ padded)[:, : D.shape[1]]


_times = Primitive("csr_times")
_times.def_impl(jax.jit(_product, static_argnames="has_transpose"))
_times.def_abstract_eval(lambda *a, **_: ShapedArray((a[2].shape[0] - 1, a[-1].shape[1]), a[-1].dtype))
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
        terms.append(times(Csr(tangents[0], *primals[1:3]), primals[-1]))
    if type(tangents[-1]) is not ad.Zero:
        terms.append(_times.bind(*primals[:-1], tangents[-1], **how))
    return _times.bind(*primals, **how), sum(terms[1:], terms[0])


def _transposed(cotangent, *operands, has_transpose):
    A, B, D = Csr(*operands[:3]), Csr(*operands[3:6]), operands[6]
    nothing: list[Any] = [None] * 7
    if type(cotangent) is ad.Zero:
        return nothing
    if ad.is_undefined_primal(D):
        if has_transpose:
            nothing[6] = times(B, cotangent, A)
        else:
            of_entries = lambda value, row: value * cotangent[row]
            found = jnp.zeros(D.aval.shape, D.aval.dtype)
            nothing[6] = found.at[A.columns].add(jax.vmap(of_entries)(A.values, A.rows))
    else:
        nothing[0] = sampled(A, cotangent, D)
    return nothing


batching.primitive_batchers[_times] = _batched
ad.primitive_jvps[_times] = _derivative
ad.primitive_transposes[_times] = _transposed
