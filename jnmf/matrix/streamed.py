"""A matrix that is never whole in memory: blocks of its rows are read, the next one while one is computed with."""

import math
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnmf import checks, labels, matrix
from jnmf.checks import is_traced
from jnmf.matrix.blocks import blocks_of
from jnmf.matrix.leading import of_triangle, triangle
from jnmf.matrix.scaled import in_unit
from jnmf.numerics import compute_dtype, divide, unit_of
from jnmf.pytree import Pytree, static
from jnmf.types import Integer

BYTES = 2**26  # of a block, where its size is left open


class ReadError(OSError):
    """A block of a streamed X could not be read, or is not what it should be.

    rows: (start, stop), those of the block. fit: the `Fit` so far, with status STOPPED; `fit(X, init=error.fit)` starts
    from its factors. None outside of a fit. What the source raised is the cause, `__cause__`.
    """

    def __init__(self, message: str, rows: tuple[int, int], fit: Any = None):
        super().__init__(message)
        self.rows, self.fit = rows, fit


class Reader:
    """Blocks of the rows of a source, one after the other, and the next one ahead.

    Nothing is raised where JAX calls it: what went wrong is kept until `raise_failure`, and the block is NaN.
    """

    def __init__(self, source, names: labels.Names | None = None):
        self.source, self.shape, self.dtype = source, tuple(map(int, source.shape)), np.dtype(source.dtype)
        self.names = names
        self.failure: tuple[int, int, BaseException] | None = None
        self.ahead: tuple[tuple, Future] | None = None
        self.thread = ThreadPoolExecutor(1, "jnmf.streamed")  # all reading is there: a source need not be thread-safe

    def __deepcopy__(self, memo) -> "Reader":
        return self  # it is structure, and by itself it is that of a program

    def rows(self, start, size: int, dtype) -> np.ndarray:
        """(size, n): the rows from `start` on. What comes after them is read in the meantime."""
        start, (m, n) = int(start), self.shape
        wanted, (ahead, block) = (start, size, dtype), self.ahead or (None, None)
        self.ahead = None
        try:
            block = block if block and ahead == wanted else self.thread.submit(self.read, *wanted)
            found = block.result()
        except BaseException as error:  # Ctrl-C may arrive here, too
            self.failure = self.failure or (start, start + size, error)
            return np.full((size, n), np.nan, dtype)
        if size < m:  # else it is all
            after = min(start + size, m - size) if start + size < m else 0
            self.ahead = (after, size, dtype), self.thread.submit(self.read, after, size, dtype)
        return found

    def columns(self, start, size: int, dtype, block: int) -> np.ndarray:
        """(m, size): the columns from `start` on, from a pass over all rows."""
        start, found = int(start), np.empty((self.shape[0], size), dtype)
        for row in range(0, self.shape[0], block):
            of_rows = self.rows(row, min(block, self.shape[0] - row), dtype)
            found[row : row + block] = of_rows[:, start : start + size]
        return found

    def some_rows(self, indices, dtype) -> np.ndarray:
        """(k, n): the rows with these numbers."""
        return np.concatenate([self.rows(i, 1, dtype) for i in np.asarray(indices)])

    def read(self, start: int, size: int, dtype) -> np.ndarray:
        if self.failure is not None:
            raise self.failure[2]  # loops shall end, and not wait for what will not come
        block = densely(self.source[start : start + size])
        if block.shape != (size, self.shape[1]):
            raise ValueError(f"expected a block of shape {(size, self.shape[1])}, got {block.shape}")
        if block.dtype != self.dtype:
            raise ValueError(f"expected a block of {self.dtype}, as the source says, got {block.dtype}")
        with np.errstate(all="ignore"):
            block = np.asarray(block, dtype)
            total = np.add.reduce(block, axis=None)  # at the speed of memory; of finite numbers, too, it may be inf
        if not np.isfinite(total) and not np.isfinite(block).all():
            i, j = np.argwhere(~np.isfinite(block))[0].tolist()
            raise ValueError(f"expected finite entries, got {block[i, j]} at ({start + i}, {j})")
        return block

    def forget(self) -> None:
        """What went wrong, and the block ahead: the source may be another one by now."""
        (_, block), self.ahead, self.failure = self.ahead or (None, None), None, None
        if block:
            block.cancel()

    def raise_failure(self, fit) -> None:
        failure = self.failure
        self.forget()
        if failure is None:
            return
        start, stop, error = failure
        if not isinstance(error, Exception):  # Ctrl-C
            raise error
        kept = "" if fit is None else f"; the fit so far, {fit.num_iters} iterations, is its .fit"
        message = f"X: rows {start} to {stop - 1} could not be read, {type(error).__name__}: {error}{kept}"
        raise ReadError(message, (start, stop), fit) from error


def densely(block) -> np.ndarray:
    return np.asarray(block.toarray() if hasattr(block, "toarray") else block)


class Streamed(Pytree):
    """X (m, n) of which `block` rows are read at a time, or its transpose; an entry is root² times what is read."""

    reader: Any = static(None)
    block: int = static(1)
    dtype: Any = static(None)
    transposed: bool = static(False)
    root: Any = None
    zero: Any = 0  # a leaf, on which all that is read depends: a function of nothing JAX may compute once, and keep

    @property
    def shape(self) -> tuple[int, int]:
        return self.reader.shape[::-1] if self.transposed else self.reader.shape

    @property
    def T(self) -> "Streamed":
        return replace(self, transposed=not self.transposed)

    @property
    def names(self) -> labels.Names | None:
        """Of rows and columns, where the source is an AnnData."""
        known = self.reader.names
        return labels.Names(known.columns, known.rows) if known and self.transposed else known

    @property
    def axis(self) -> int:
        """That of the rows that are read."""
        return 1 if self.transposed else 0


def _read(X: Streamed, read: Callable, shape, which):
    """An array of this shape, as the source has it, from a function of the reader; transposed, if X is, in its unit."""
    x = jax.pure_callback(read, jax.ShapeDtypeStruct(shape, X.dtype), which + X.zero, vmap_method="sequential")
    x = x.T if X.transposed else x
    return x if X.root is None else X.root * (X.root * x)


@matrix.part.register
def _(X: Streamed, start, size, axis):
    m, n = X.reader.shape
    if axis == X.axis:
        return _read(X, partial(X.reader.rows, size=size, dtype=X.dtype), (size, n), start)
    return _read(X, partial(X.reader.columns, size=size, dtype=X.dtype, block=X.block), (m, size), start)


@matrix.take.register
def _(X: Streamed, indices, axis):
    n = X.reader.shape[1]
    if axis == X.axis:
        return _read(X, partial(X.reader.some_rows, dtype=X.dtype), (len(indices), n), indices)
    return matrix.in_blocks(lambda x, _: jnp.take(x, indices, axis), X, (), X.axis)


@matrix.blockwise.register
def _(X: Streamed, f, A, axis, plus):
    """What is made entry by entry of a block is made in smaller ones."""
    if axis != X.axis:  # nothing here asks for it: each block of columns is a pass over all rows
        return matrix.block_by_block(f, X, A, axis, plus, min(blocks_of(X.shape, axis), X.shape[axis]))

    def of_block(x, A, fresh):
        within = lambda x, A, new: f(x, A[0], new & A[1].reshape(-1))
        fresh = fresh[:, None] if axis == 0 else fresh[None, :]
        return matrix.in_blocks_with_sums(within, x, (A, fresh), axis, plus)

    return matrix.block_by_block(of_block, X, A, axis, plus, X.block)


matrix.pass_axis.register(Streamed, lambda X: X.axis)


def _sums_over_rows(f, X, A, plus=matrix.summed):
    """Sums over rows from f(X, A, fresh), of blocks of an X that is not transposed."""
    return matrix.block_by_block(lambda *block: ((), f(*block)), X, A, 0, plus, X.block)[1]


@matrix.product.register
def _(X: Streamed, W, H):
    if X.transposed:
        return matrix.block_by_block(lambda x, *_: (W.T @ x, ()), X, (), 1, lambda *_: (), X.block)[0]
    return _sums_over_rows(lambda x, W, fresh: jnp.where(fresh[:, None], W, 0).T @ x, X, W)


@matrix.products.register
def _(X: Streamed, Wt, H, update, separable):
    if X.transposed or not separable:
        return matrix.products.dispatch(object)(X, Wt, H, update, separable)

    def rows(xt, Wt, fresh):
        HXt = H @ xt
        Wt = update(Wt, HXt)
        return (HXt, Wt), jnp.where(fresh[None, :], Wt, 0) @ xt.T

    (HXt, Wt), WtX = matrix.block_by_block(rows, X.T, Wt, 1, jnp.add, X.block)
    return HXt, Wt, WtX


@matrix.total.register
def _(X: Streamed, f, *factors):
    factors = ((H.T, W.T) for W, H in factors) if X.transposed else factors
    return matrix.total.dispatch(object)(X.T if X.transposed else X, f, *factors)


@matrix.gradient_W.register
def _(X: Streamed, loss, W, H):
    if X.transposed:
        return matrix.gradient_H(X.T, loss, H.T, W.T).T
    return matrix.gradient_W.dispatch(object)(X, loss, W, H)


@matrix.gradient_H.register
def _(X: Streamed, loss, W, H):
    if X.transposed:
        return matrix.gradient_W(X.T, loss, H.T, W.T).T
    return matrix.gradients(X, loss, W, H)[1]  # of the two what is not used is not computed


@matrix.gradients.register
def _(X: Streamed, loss, W, H):
    if X.transposed:
        of_H, of_W = matrix.gradients(X.T, loss, H.T, W.T)
        return of_W.T, of_H.T

    def rows(x, W, fresh):
        derivative = loss.derivative(x, W @ H)
        return derivative @ H.T, W.T @ jnp.where(fresh[:, None], derivative, 0)

    return matrix.in_blocks_with_sums(rows, X, W, 0)


@matrix.parts_W.register
def _(X: Streamed, loss, W, H):
    if X.transposed:
        negative, positive, unit, value, _ = matrix.parts_H(X.T, loss, H.T, W.T)
        return negative.T, positive.T, unit if isinstance(unit, int) else unit.T, value
    return matrix.parts_W.dispatch(object)(X, loss, W, H)


@matrix.parts_H.register
def _(X: Streamed, loss, W, H):
    if X.transposed:
        return matrix.parts_H.dispatch(object)(X, loss, W, H)
    of_zeros = loss.of_zeros(W, H)

    def rows(x, W, fresh):
        Z, new = W @ H, fresh[:, None]
        negative, positive, unit = loss.parts(x, Z, 0)
        positive = jnp.ones_like(Z) if positive is None else positive
        unit = jnp.ones((1, x.shape[1]), x.dtype) if unit is None else unit
        quick = jnp.where(new, loss.quick(x, Z, of_zeros is not None), 0)
        pulled = lambda part: W.T @ jnp.where(new, part, 0)
        return (positive - negative) @ (unit * H).T, (pulled(negative), pulled(positive), unit, jnp.sum(quick))

    of_W, (negative, positive, unit, value) = matrix.in_blocks_with_sums(rows, X, W, 0, _in_the_larger_unit)
    return negative, positive, unit, value if of_zeros is None else value + of_zeros, of_W


def _in_the_larger_unit(sums, more):
    """Parts that are in the units of their blocks, one a column, are added in the larger of the two."""
    unit = jnp.maximum(sums[2], more[2])
    of_sums, of_more = divide(sums[2], unit), divide(more[2], unit)
    negative, positive = (of_sums * a + of_more * b for a, b in zip(sums[:2], more[:2], strict=True))
    return negative, positive, unit, sums[3] + more[3]


@matrix.occupied.register
def _(X: Streamed, which=matrix.is_nonzero, *factors):
    if X.transposed:
        columns, rows = matrix.occupied(X.T, which, *((H.T, W.T) for W, H in factors))
        return rows, columns
    return matrix.occupied.dispatch(object)(X, which, *factors)


@matrix.extremes.register
def _(X: Streamed):
    return matrix.extremes.dispatch(object)(X.T if X.transposed else X)


@matrix.mean_size.register
def _(X: Streamed):
    """Of the means of the rows, each in a unit of its own."""
    if X.transposed:
        return matrix.mean_size(X.T)

    def rows(x, _):
        unit = unit_of(jnp.max(jnp.abs(x), axis=1, keepdims=True))
        return unit[:, 0] * jnp.mean(jnp.abs(x / unit), axis=1)

    return matrix.mean_size(matrix.in_blocks(rows, X, (), 0))


def _triangle(X: Streamed):
    m, n = X.shape
    if m < n:
        raise ValueError(
            f"X: the singular values of a streamed matrix need at least as many rows as columns, got {m} × {n}; "
            "use init='random', or stream the transpose"
        )
    return triangle(X, X.block)


@matrix.svd.register
def _(X: Streamed, rank):
    if X.transposed:
        U, sigma, Vt = matrix.svd(X.T, rank)
        return Vt.T, sigma, U.T
    _, sigma, Vt = jnp.linalg.svd(_triangle(X), full_matrices=False)
    return of_triangle(matrix.product(X.T, Vt[:rank].T, None).T), sigma[:rank], Vt[:rank]


matrix.tails.register(Streamed, lambda X, ranks: matrix.tails(_triangle(X.T if X.transposed else X), ranks))
matrix.entries.register(Streamed, lambda X: (matrix.part(X, 0, X.shape[X.axis], X.axis), None))
matrix.weight.register(Streamed, lambda X: float(math.prod(X.shape)))
matrix.filled.register(Streamed, lambda X: X)
matrix.told_by.register(Streamed, lambda X: [X])
in_unit.register(Streamed, lambda X, root: replace(X, root=root if X.root is None else X.root * root))
matrix.in_memory.register(Streamed, lambda X: False)
matrix.expect_reading.register(Streamed, lambda X: X.reader.forget())


@matrix.cast.register
def _(X: Streamed, dtype):
    root = None if X.root is None else jnp.asarray(X.root, dtype)
    return replace(X, dtype=jnp.dtype(dtype), root=root)


@matrix.as_read.register
def _(X: Streamed, found, fit=None):
    if not is_traced(found):
        jax.block_until_ready(found)
        X.reader.raise_failure(fit)
    return found


class Stack:
    """Sources with the same columns, the rows of each below those of the one before."""

    def __init__(self, sources):
        self.sources = sources
        self.starts = np.cumsum([0, *(source.shape[0] for source in sources)]).tolist()
        self.shape = self.starts[-1], sources[0].shape[1]
        self.dtype = np.result_type(*(source.dtype for source in sources))

    def __getitem__(self, rows: slice):
        parts = []
        for source, start in zip(self.sources, self.starts, strict=False):
            first, last = max(rows.start - start, 0), min(rows.stop - start, source.shape[0])
            if first < last:
                parts.append(densely(source[first:last]))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


class Mapped:
    """A NumPy memmap; to read beyond the end of a file that was cut short would end the process."""

    def __init__(self, source: np.memmap, name):
        self.source, self.name, self.shape, self.dtype = source, name, source.shape, source.dtype
        self.size = os.path.getsize(name)

    def __getitem__(self, rows: slice):
        size = os.path.getsize(self.name)
        if size < self.size:
            raise OSError(f"{self.name} has {size} bytes, and had {self.size}")
        return self.source[rows]


def streamed(source: Any, block: Integer | None = None) -> Streamed:
    """X (m, n) larger than memory: wherever jnmf takes a matrix, read in blocks of rows as often as it is needed.

    source: what has `shape`, `dtype`, and rows [i:j], dense or sparse: a `np.memmap`, an HDF5 or zarr data set, a SciPy
        CSR matrix, an AnnData in backed mode, whose names the fit has. Or the name of a .npy file. Or a list of such,
        the rows of each below those of the one before.
    block: how many rows are read at a time; left out, those of 64 MiB in the dtype of the computation. For HDF5 or zarr
        a multiple of the rows of a chunk is fastest.

    W, H and two blocks are in memory, X never is; a sparse block is made dense. The next block is read while one is
    computed with. Integers and booleans become the default float. A reader that raises, a block of another shape or
    dtype, NaN and inf raise `ReadError` with the rows and the fit so far. See docs/what-x-can-be.md for what each
    function reads.

    Raises TypeError or ValueError for a source without these, with no entries or of complex numbers.

    >>> rows = jnmf.streamed(X, block=3)
    >>> rows.shape, jnmf.fit(rows, 2).status.name
    ((6, 4), 'CONVERGED')
    """
    if block is not None:
        checks.count(block, "streamed(block=…)", 1)
    names, source = labels.names(source), _source(source)
    m, n = source.shape
    kept = source.dtype.kind == "f" and source.dtype.itemsize <= 8
    dtype = jax.dtypes.canonicalize_dtype(source.dtype.newbyteorder("=")) if kept else jnp.dtype(jnp.result_type(float))
    block = block or max(1, BYTES // (n * compute_dtype(dtype).itemsize))
    return Streamed(reader=Reader(source, names), block=-(-m // -(-m // block)), dtype=dtype)


def _opened(path):
    with open(path, "rb") as file:
        is_array = file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX
    if not is_array:
        raise ValueError(
            f"streamed: expected a .npy file, got {os.fspath(path)!r}; write it by np.save, or open it by a reader of "
            "rows, as those of h5py and zarr"
        )
    return np.load(path, mmap_mode="r")


def _source(source) -> Any:
    if isinstance(source, str | os.PathLike):
        source = _opened(source)
    if isinstance(source, list | tuple):
        sources = [_source(one) for one in source]
        columns = sorted({one.shape[1] for one in sources})
        if len(columns) != 1:
            raise ValueError(f"streamed: expected sources with the same columns, got {columns or 'no source'}")
        return Stack(sources)
    if labels.is_anndata(source):
        source = source.X
    if isinstance(source, jax.Array):
        source = np.asarray(source)
    if not all(hasattr(source, name) for name in ("shape", "dtype", "__getitem__")):
        raise TypeError(
            f"streamed: expected what has shape, dtype and rows [i:j], got {type(source).__name__}; "
            "a list is one of such sources"
        )
    if len(source.shape) != 2 or 0 in source.shape:
        raise ValueError(f"streamed: expected at least one row and one column, got shape {tuple(source.shape)}")
    if np.dtype(source.dtype).kind not in "fiub":
        raise TypeError(f"streamed: expected real numbers, got {source.dtype}")
    if isinstance(source, np.memmap) and source.filename is not None:
        return Mapped(source, source.filename)
    return source
