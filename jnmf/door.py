"""The door: what X, the mask and the factors must be. X is looked at once and widened once.

Behind it all is in one dtype, that to compute in, and what the rest asks of X on the host was found by that one look.
Shapes are always checked, values where there are any (see `checks`).
"""

import math
import os
from functools import cache, partial
from typing import Any, NamedTuple, NoReturn, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from jnmf import checks, labels, sparse_formats
from jnmf import matrix as kinds
from jnmf.checks import is_traced, on_host
from jnmf.factors import Factors, as_factors
from jnmf.matrix import sharded
from jnmf.matrix.masked import Masked, Weighted, of_weights, weighted_by
from jnmf.matrix.sharded import Sharded
from jnmf.matrix.sparse import Sparse, from_csr
from jnmf.matrix.sparse_blocks import SparseBlocks, by_rows, is_added
from jnmf.matrix.stored import Stored, of_entries
from jnmf.numerics import compute_dtype, in_dtype
from jnmf.types import MatrixLike

STORED = "stored"  # the mask of a sparse X of which only the stored entries count


class Entered(NamedTuple):
    """A matrix that has been checked, in the dtype to compute in, and the dtype of what is given back.

    `least` and `most` are its extreme entries, where one that does not count is 0, as Python numbers; None where X is
    traced. `names` are those of a DataFrame or an AnnData.
    """

    X: Any  # an array, or Masked
    dtype: Any
    least: float | None
    most: float | None
    names: labels.Names | None = None

    @property
    def nonzero(self) -> bool | None:
        """Whether an entry is not 0; None where X is traced."""
        return None if self.least is None else (self.least, self.most) != (0, 0)

    @property
    def positive(self) -> bool:
        """Whether every entry counts and is positive, so that no row or column is empty; False where X is traced."""
        return self.least is not None and self.least > 0


def enter(X, mask=None, name: str = "X") -> Entered:
    """X, or with a mask or as a `np.ma.MaskedArray` `Masked(X, M)`, finite where it counts: 0 where M is 0.

    A mask of ones is no mask. X may also be another kind of matrix (`jnmf.matrix`), or an AnnData, whose X is meant.
    """
    X, names = _with_names(X, name)
    if sparse_formats.is_sparse(X) or isinstance(X, Sparse | Stored):
        _refuse_divided(X, name)
    if sparse_formats.is_sparse(X):
        return _enter_sparse(X, names, mask, name)
    if isinstance(X, Masked):  # as under a mask; two of them multiply
        X, mask = _without_weights(X, mask, name)
        return enter(X, mask, name)
    if kinds.is_kind(X):
        return _enter_kind(X, mask, name)
    A = _numbers(X, name)
    if isinstance(A, jax.Array) and sharded.is_divided(A):
        _refuse_a_set_mesh(name)
        A = sharded.automatic(A)
    dtype = _dtype_of(A)
    M = _weights(X, A, mask, compute_dtype(dtype), name, names)
    B = on_device(A, compute_dtype(dtype))
    B = B if M is None else _weighted(_without_what_counts_not(B, M), M)
    B = sharded.spread(B, A) if isinstance(A, jax.Array) and sharded.is_divided(A) else B
    if is_traced(B):
        return Entered(B, dtype, None, None, names)
    least, most = range_of(B[0] if isinstance(B, Masked) else B)
    entered = Entered(B, dtype, least, most, names)
    if not (math.isfinite(least) and math.isfinite(most)):
        _refuse_nonfinite(A, M, entered, name)
    if isinstance(A, np.ndarray):
        _check_rounding(A, M, entered, name, literal=isinstance(X, list | tuple))
    return entered


def _with_names(X, name: str) -> tuple[Any, labels.Names | None]:
    """X, of an AnnData the matrix in it, and the names of its rows and columns."""
    names = labels.names(X)
    if not labels.is_anndata(X):
        return X, names
    if getattr(X, "isbacked", False):
        raise TypeError(
            f"{name}: expected a matrix in memory, got {type(X).__name__} on disk; pass {name}.to_memory(), or "
            f"jnmf.streamed({name})"
        )
    return X.X, names


def _refuse_divided(X, name: str) -> None:
    if any(map(sharded.is_divided, jax.tree.leaves(X))):
        raise TypeError(
            f"{name}: expected a sparse matrix on one device, got a {type(X).__name__} whose arrays are divided among "
            "several; pass jnmf.sparse(rows, sharding), of a SciPy matrix of the rows of this process"
        )


def _refuse_a_set_mesh(name: str) -> None:
    mesh = jax.sharding.get_abstract_mesh()
    if not mesh.empty:
        raise ValueError(
            f"{name}: expected no mesh to be set, since a matrix over devices brings its own, got {mesh}; call inside "
            "`with jax.set_mesh(None):`"
        )


def _dtype_of(A):
    """That of what is given back for A: its own, in the range of JAX; for integers the default float."""
    known = _is_floating(A) and A.dtype.itemsize <= 8
    return jax.dtypes.canonicalize_dtype(A.dtype.newbyteorder("=")) if known else jnp.result_type(float)


def _check_rounding(given: np.ndarray, M, entered: Entered, name: str, literal: bool = False) -> None:
    """That something is left of the entries, and that who gave them in a wider dtype knows of it."""
    B = entered.X
    if not _is_floating(given):
        return
    if not entered.nonzero and np.any(given if M is None else given[np.asarray(M) > 0]):
        raise ValueError(f"{name}: expected entries in the range of {B.dtype}, got only smaller ones; {_remedy(B)}")
    if B.dtype == jnp.float32 and given.dtype.itemsize > 4 and not literal:
        _tell_of_rounding()


def _without_weights(X: Masked, mask, name: str):
    """The matrix itself, and its weights times those of the mask."""
    if mask is None:
        return X.X, X.M
    first, second = (_weights(None, X.X, M, jnp.result_type(float), name) for M in (X.M, mask))
    return X.X, second if first is None else first if second is None else first * second


def _enter_sparse(X, names, mask, name: str) -> Entered:
    A = sparse_formats.read(X, name)
    dtype = _dtype_of(X if hasattr(X, "n_batch") else A)
    with jax.ensure_compile_time_eval():  # inside of `jit` it is a constant, with values
        B = from_csr(A, compute_dtype(dtype), on_device)
    least, most = range_of(B)
    if not (math.isfinite(least) and math.isfinite(most)):
        bad = ~np.isfinite(A.data)
        i, j = sparse_formats.place(A, int(np.argmax(bad if bad.any() else np.abs(A.data))))
        where = labels.place(names, i, j)
        if not bad.any():
            shown = np.format_float_scientific(np.max(np.abs(A.data)), precision=2, trim="-")
            raise ValueError(
                f"{name}: expected entries in the range of {B.dtype}, got {shown} at {where}; {_remedy(B)}"
            )
        raise ValueError(
            f"{name}: expected finite entries, got {bad.sum()} NaN or inf of {bad.size} stored, the first at {where}; "
            'fill them, or do not store them and pass mask="stored"'
        )
    entered = Entered(B, dtype, least, most, names)
    _check_rounding(A.data, None, entered, name)
    return entered._replace(X=_of_sparse(B, mask))


def _of_sparse(X: Sparse, mask):
    """X, or with mask "stored" what it stores."""
    if mask is None:
        return X
    _check_stored(mask)
    if not X.num_stored:
        _refuse_nothing_stored()
    return of_entries(Stored(X))


def _check_stored(mask) -> None:
    if not isinstance(mask, str) or mask != STORED:
        got = repr(mask) if isinstance(mask, str) else f"{type(mask).__name__} {np.shape(mask)}"
        raise ValueError(
            f'mask: for a sparse X expected None or "stored", with which only the stored entries count, got {got}; '
            "store what counts, zeros too, or pass X.toarray() with the mask"
        )


def stored_of(X: SparseBlocks) -> SparseBlocks:
    """X, of which what was stored counts, and what was added for equal sizes does not."""
    weights = tuple(jnp.where(is_added(A.values), 0, 1).astype(X.dtype) for A in X.sparse)
    return SparseBlocks(Stored(X.sparse, weights), axis=X.axis)


def _refuse_nothing_stored() -> NoReturn:
    raise ValueError('mask: expected stored entries to count, with mask="stored", got none')


def _enter_kind(X, mask, name: str) -> Entered:
    if not jnp.issubdtype(X.dtype, jnp.floating):
        raise TypeError(f"{name}: expected a {type(X).__name__} of floating point, got {X.dtype}; convert its arrays")
    in_blocks = isinstance(X, Sharded) and isinstance(X.X, SparseBlocks)
    if mask is not None and not in_blocks:
        kinds.expect_in_memory(X, f"{name}: with a mask expected a matrix")
    if kinds.is_spread(X):
        _refuse_a_set_mesh(name)
    dtype = X.dtype
    B: Any = kinds.cast(X, compute_dtype(dtype))
    if isinstance(B, Sparse):
        B, mask = _of_sparse(B, mask), None
    if in_blocks and mask is not None:
        _check_stored(mask)
        B, mask = B.of(stored_of(B.X)), None
        if not is_traced(B) and not on_host(lambda: kinds.weight(B)):
            _refuse_nothing_stored()
    if isinstance(B, Stored):
        B = of_entries(B)
    names = labels.names(X)
    M = _weights(X, X, mask, compute_dtype(dtype), name, names)
    B = B if M is None else _weighted(B, M)
    if is_traced(B):
        return Entered(B, dtype, None, None, names)
    kinds.expect_reading(B)
    least, most = kinds.as_read(B, range_of(B))
    entered = Entered(B, dtype, least, most, names)
    if not (math.isfinite(least) and math.isfinite(most)):
        if kinds.is_spread(B):
            _refuse_nonfinite(B, None, entered, name)
        raise ValueError(f"{name}: expected finite entries, got NaN or inf in a {type(X).__name__}")
    return entered


@overload
def sparse(X: MatrixLike, sharding: None = None) -> Sparse: ...
@overload
def sparse(X: MatrixLike, sharding: NamedSharding) -> Sharded: ...
def sparse(X: MatrixLike, sharding: NamedSharding | None = None) -> Any:
    """A sparse X in the form for computing, for many calls or inside of `jit`: sorted, by rows and by columns.

    X: a `scipy.sparse` matrix or array of any format, an AnnData with one, a BCOO or BCSR of JAX, a DataFrame of sparse
        columns, what this returned, or a NumPy array, of which the entries other than 0 are stored. Explicit zeros stay
        stored; what is stored twice is added. In the dtype of X, integers and booleans in the default float.
    sharding: a `NamedSharding` that divides the rows among devices, the same number to each, as
        `NamedSharding(mesh, PartitionSpec("rows", None))`. X then has the rows of the devices of this process, in the
        order of the mesh: all of them where there is one process. Each of several calls this with its own, as it does
        `jax.make_array_from_process_local_data`.

    Every function that takes X takes this. Raises TypeError or ValueError for what is not a finite real matrix,
    and for rows that do not divide by their devices.
    """
    if isinstance(X, Sparse | Sharded) and sharding is None:
        return X
    X, _ = _with_names(X, "X")
    if not sparse_formats.is_sparse(X):
        X = _csr_array(X)
    if sharding is not None:
        with jax.ensure_compile_time_eval():
            return _divided(X, sharding)
    entered = enter(X)
    with jax.ensure_compile_time_eval():
        return kinds.cast(entered.X, entered.dtype)


def _csr_array(X):
    from scipy.sparse import csr_array

    if isinstance(X, Sparse):
        return csr_array(tuple(map(np.asarray, X.by_row)), shape=X.shape)
    if kinds.is_kind(X):
        raise TypeError(
            f"X: expected a matrix of SciPy, a NumPy array or what jnmf.sparse made of one, got a {type(X).__name__}; "
            "pass what that was made of"
        )
    _refuse_masked(X, "X")
    return csr_array(_numbers(X, "X"))


def _divided(X, sharding) -> Sharded:
    A = sparse_formats.read(X, "X", of_block=False)
    dtype = _dtype_of(X if hasattr(X, "n_batch") else A)
    blocks, mesh, names = by_rows(A, compute_dtype(dtype), on_device, sharding)
    entered = enter(Sharded(blocks, mesh=mesh, rows=names))
    _check_rounding(A.data, None, entered, "X")
    return kinds.cast(entered.X, dtype)


def whole(X, name: str) -> Entered:
    """A matrix without missing entries, an array or a kind."""
    _refuse_masked(X, name)
    entered = enter(X, name=name)
    if kinds.is_completed(entered.X):
        raise ValueError(f"{name}: expected a matrix without weights, got a {type(X).__name__} that has some")
    return entered


def matrix(X, name: str, *, nonnegative: bool = False) -> Entered:
    """A matrix without missing entries, an array."""
    X, names = _with_names(X, name)
    if sparse_formats.is_sparse(X) or isinstance(X, Sparse):
        raise TypeError(f"{name}: expected a dense matrix, got a sparse {type(X).__name__}; pass {name}.toarray()")
    entered = whole(X, name)._replace(names=names)
    kinds.expect_in_memory(entered.X, f"{name}: expected a matrix")
    if kinds.is_kind(entered.X):
        entered = entered._replace(X=kinds.entries(entered.X)[0])
    if nonnegative and entered.least is not None and entered.least < 0:
        _, first = _found(entered, lambda x, used: x == entered.least)
        raise ValueError(
            f"{name}: expected nonnegative entries, got {entered.least:g} at {first}; use project_nonnegative"
        )
    return entered


def array(X, name: str) -> np.ndarray:
    """A finite matrix in float64 on the host, for what is only shown."""
    _refuse_masked(X, name)
    X = matrix(X, name).X if kinds.is_kind(X) else X
    X, names = _with_names(X, name)
    A = np.asarray(_numbers(X, name), float)
    if not np.isfinite(A).all():
        raise ValueError(f"{name}: expected finite entries, got {_bad(~np.isfinite(A), names)}")
    return A


def domain(entered: Entered, algorithm, name: str = "X") -> None:
    """What the algorithm asks of X: MU nonnegative entries; for β ≤ 0 no zeros but in empty rows and columns.

    And of a loss with a unit that X is in its range, of step sizes that they are in that of the dtype.
    """
    if entered.least is None or entered.most is None:
        return
    size = math.prod(entered.X.shape)
    if entered.least < 0 and algorithm.nonnegative_data:
        negative, first = _found(entered, lambda x, used: x < 0)
        raise ValueError(
            f"{name}: MU expects nonnegative entries, got {negative} negative ones of {size}, "
            f"the least {entered.least:g}, the first at {first}; clip them with project_nonnegative, "
            "or use HALS, ANLS, PGD or ALS, which allow them"
        )
    if entered.least == 0 and not algorithm.loss.finite_for_zeros:
        zeros, first = _found(entered, lambda x, used: (x == 0) & used)
        if zeros:
            raise ValueError(
                f"{name}: for {algorithm.loss!r} expected positive entries (the divergence from 0 is infinite), "
                f"got {zeros} zeros of {size} outside empty rows and columns, the first at {first}; "
                "use beta > 0, such as 1, or add a small background"
            )
    limits = np.finfo(entered.X.dtype)
    for step in algorithm.steps or ():
        if not is_traced(step) and step and not float(limits.tiny) <= float(step) <= float(limits.max):
            raise ValueError(
                f"step_size: expected 0 or a number in the range of {limits.dtype}, got {step!r}; pass {name} in "
                f"other units: where {name} is c times as large, the step size is 1/c of it"
            )
    if entered.nonzero and algorithm.loss.degree is None:
        least, most = algorithm.loss.range(entered.X.dtype)
        if not least <= entered.most <= most:
            raise ValueError(
                f"{name}: for {algorithm.loss!r} expected a largest entry from {least:.0e} to {most:.0e}, where the "
                f"loss is in the range of {entered.X.dtype}, got {entered.most:g}; pass {name} in other units and the "
                "parameters of the loss in theirs, or use MU(beta=…), which takes every unit"
            )


def _found(entered: Entered, which) -> tuple[int, str]:
    """How many of the entries that count are `which`(x, whether row and column are used), and where the first is.

    The first by rows; of an X whose columns are divided among devices, which are not whole in one place, by columns.
    """
    by_column = kinds.is_spread(entered.X) and kinds.pass_axis(entered.X) == 1
    with jax.ensure_compile_time_eval():
        number, place = jax.device_get(_counted(entered.X.T if by_column else entered.X, which))
    return int(number), labels.place(entered.names, *(place[::-1] if by_column else place).tolist())


@partial(jax.jit, static_argnames="which")
def _counted(X, which):
    """`_found` as arrays: the number in floating point, as 32 bits may not count them, and the place (2,)."""
    rows, columns = kinds.occupied(X)

    def of_rows(X, row):
        x, m = kinds.entries(X)
        found = which(x, row & columns[None, :])
        found = found if m is None else found & (m > 0)
        return jnp.stack([jnp.sum(found, axis=1), jnp.argmax(found, axis=1)], axis=1)

    found = kinds.everywhere(X, kinds.in_blocks(of_rows, X, rows[:, None], axis=0))
    i = jnp.argmax(found[:, 0] > 0)
    return jnp.sum(found[:, 0], dtype=float), jnp.stack([i, found[i, 1]])


def factors(value, shape, rank: int | None = None, name: str = "init ", *, nonnegative: bool = True) -> Factors:
    """W and H of Factors, of a pair or of a `Fit`: finite matrices that fit X and each other, in one dtype."""
    W, H = pair(value, name, nonnegative=nonnegative)
    m, n = shape
    r = W.shape[1] if rank is None else rank
    if W.shape != (m, r) or H.shape != (r, n):
        transposed = H.shape == (n, r) and H.shape != (r, n)
        hint = "did you pass Hᵀ?" if transposed else "W needs the rows of X, H its columns, both the same rank"
        what = f"{name.strip()}: " if name else ""
        raise ValueError(f"{what}expected W {(m, r)} and H {(r, n)}, got W {W.shape} and H {H.shape}; {hint}")
    return Factors(W, H)


def pair(value, name: str = "", *, nonnegative: bool = True) -> Factors:
    """W and H of Factors, of a pair or of a `Fit`, whatever their shapes."""
    both = [
        matrix(A, name + letter, nonnegative=nonnegative).X for A, letter in zip(as_factors(value), "WH", strict=True)
    ]
    return Factors(*in_dtype(jnp.result_type(*both), *both))


def some_positive(value: Factors, entered: Entered) -> None:
    """No update can leave factors that are all zero, unless X is."""
    if is_traced(value) or not entered.nonzero:
        return
    for name, A in (("W", value.W), ("H", value.H)):
        if range_of(A) == (0, 0):
            raise ValueError(
                f"init {name}: expected a positive entry, got all zeros, which no update leaves; try init.random"
            )


def _refuse_masked(X, name: str) -> None:
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(f"{name}: expected no masked entries, got {np.ma.count_masked(X)}; pass {name}.filled(value)")


def _numbers(X, name: str):
    """X as a nonempty, two-dimensional array of real numbers, of NumPy or of jax."""
    if isinstance(X, str | os.PathLike):
        raise TypeError(
            f"{name}: expected a matrix, got {str(X)!r}; read the file first, as by np.load or pandas.read_csv; a .npy "
            "file larger than memory is jnmf.streamed(path)"
        )
    A = X if isinstance(X, jax.Array) else labels.numbers(X, name) if labels.is_frame(X) else _from_host(X, name)
    if jnp.issubdtype(A.dtype, jnp.complexfloating):
        raise TypeError(f"{name}: expected real numbers, got dtype {A.dtype}; pass its real part or its modulus")
    if _is_floating(A) and A.dtype.itemsize < 2:
        raise TypeError(f"{name}: expected real numbers of 16 bits or more, got {A.dtype}; convert it to float32")
    if not (_is_floating(A) or jnp.issubdtype(A.dtype, jnp.integer) or A.dtype == bool):
        got = f"dtype {A.dtype}" if A.shape else type(X).__name__
        raise TypeError(f"{name}: expected real numbers, got {got}; convert it, as by np.asarray({name}, float)")
    if A.ndim != 2:
        raise ValueError(
            f"{name}: expected a two-dimensional matrix, got shape {A.shape}; a column is {name}[:, None], "
            f"a row {name}[None, :]"
        )
    if A.size == 0:
        raise ValueError(f"{name}: expected at least one row and one column, got shape {A.shape}")
    return A


def _is_floating(A) -> bool:
    return jnp.issubdtype(A.dtype, jnp.floating)


def _refuse_kinds(X, name: str) -> None:
    """What has numbers in it, but is not a dense matrix (told by what it has: none of these packages is needed)."""
    kind = type(X).__name__
    if hasattr(X, "to_memory") and not hasattr(X, "__array__"):
        raise TypeError(f"{name}: expected a matrix in memory, got {kind}; pass {name}.to_memory()")
    for convert in ("toarray", "todense"):
        if hasattr(X, convert):
            raise TypeError(f"{name}: expected a dense matrix, got sparse {kind}; pass {name}.{convert}()")


def _from_host(X, name: str) -> np.ndarray:
    if not isinstance(X, np.ndarray):  # that of a view of an AnnData has the methods of a sparse one
        _refuse_kinds(X, name)
    try:
        return np.asarray(X)
    except ValueError as error:
        if not isinstance(X, list | tuple):
            raise
        raise ValueError(f"{name}: expected rows of one length, got {len(X)} that differ ({error})") from None


def on_device(A, dtype) -> jax.Array:
    """A in a dtype of jax: of a NumPy array one copy, and only one.

    `jnp.array` may make two, and `device_put` may share the memory of the caller, who may write into it while work is
    still running.
    """
    if isinstance(A, jax.Array):
        return A.astype(dtype)
    with np.errstate(over="ignore"):  # what leaves the range is found by the look
        own = A.astype(dtype, copy=False)
    B = jax.device_put(own)
    if own is not A or is_traced(B):  # traced: a constant of a function that is being traced
        return B
    if len(B.devices()) == 1 and B.device.platform == "cpu" and B.unsafe_buffer_pointer() == own.ctypes.data:
        with jax.debug_nans(False):  # a NaN is for the look to find
            return jnp.array(own).block_until_ready()
    return B


def _weights(X, A, mask, dtype, name: str, names: labels.Names | None = None):
    """M (m, n) ≥ 0 of the mask and of what a masked array masks, or None where every entry counts once.

    It is divided among devices as A is, the numbers of X.
    """
    there = ~np.ma.getmaskarray(X) if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X) else None
    if mask is None:
        M = None if there is None else on_device(there, dtype)
    else:
        M = _given_weights(names, jnp.shape(A), mask, dtype, name)
        M = jax.device_put(M, A.sharding) if sharded.is_divided(A) else M
        M = M if there is None else M * on_device(there, dtype)
    if M is None or is_traced(M):
        return M
    least, most = range_of(M)
    if not (least >= 0 and math.isfinite(most)):
        bad = lambda m, used: ~((m >= 0) & (m < jnp.inf))
        number, first = _found(Entered(M, dtype, least, most, labels.names(mask)), bad)
        negative = math.isfinite(least) and math.isfinite(most)
        what = f"negative, the least {least:g}" if negative else f"negative, NaN, inf or beyond {M.dtype}"
        raise ValueError(
            "mask: expected booleans or weights, each a finite number of at least 0 (what has 0 does not count), "
            f"got {number} of {M.size} that are {what}, the first at {first}"
        )
    if most == 0:
        raise ValueError("mask: expected a positive weight, got all zeros; True marks the entries that count")
    return None if least == most == 1 else M


def _given_weights(ours: labels.Names | None, shape, mask, dtype, name: str):
    if isinstance(mask, str):
        raise ValueError(f'mask: expected booleans or weights, got {mask!r}; "{STORED}" is for a sparse {name}')
    _refuse_masked(mask, "mask")
    A = _numbers(mask, "mask")
    if A.shape != shape:
        hint = "; did you pass its transpose?" if A.shape == shape[::-1] else ""
        raise ValueError(f"mask: expected the shape of {name}, {shape}, got {A.shape}{hint}")
    theirs = labels.names(mask)
    other = ours and theirs and labels.difference(ours, theirs)
    if other:
        remedy = f"mask.reindex_like({name}), or mask.to_numpy() where the order is right"
        raise ValueError(f"mask: expected the labels of {name} in their order, but {other}; pass {remedy}")
    return on_device(A, dtype)


@jax.jit
def _without_what_counts_not(X, M):
    return jnp.where(M > 0, X, 0)


def _weighted(X, M):
    """Weights that are traced are not known: half-steps by the weights themselves are right for all."""
    return weighted_by(X, M, Weighted) if is_traced(M) else of_weights(X, M)


@partial(jax.jit, static_argnames="spread")
def extremes(A, spread: bool = False):
    """The least and the largest entry, −inf and inf where one is NaN: no array of the shape of A is made.

    NaN and inf reach the extremes on one device; XLA on the CPU would hold isfinite(A) as an array of the shape of A.
    The least of several devices (`spread`) is without NaN, while their sum has it.
    """
    least = jnp.min(A)
    is_nan = jnp.isnan(jnp.sum(0 * A) if spread else least)
    return jnp.where(is_nan, jnp.array([-jnp.inf, jnp.inf], A.dtype), jnp.stack([least, jnp.max(A)]))


_extremes_of_kind = jax.jit(kinds.extremes)


def range_of(A) -> tuple[float, float]:
    """`extremes` of an array or a kind, as numbers: by NumPy where it lies in the memory of the host, which compiles
    nothing; then NaN for NaN. What XLA takes for 0, below the normal numbers of the dtype, NumPy does not."""
    if not kinds.is_kind(A) and _is_on_host(A):
        here = np.asarray(A)  # the same memory
        with np.errstate(invalid="ignore"):
            of_host = float(here.min()), float(here.max())
        tiny = float(jnp.finfo(here.dtype).tiny) if _is_floating(here) else 0.0
        least, most = (0.0 if abs(x) < tiny else x for x in of_host)
        return least, most
    spread = isinstance(A, jax.Array) and len(A.devices()) > 1
    with jax.ensure_compile_time_eval():  # also while something else is being traced
        least, most = (_extremes_of_kind(A) if kinds.is_kind(A) else extremes(A, spread=spread)).tolist()
    return least, most


def _is_on_host(A) -> bool:
    return not isinstance(A, jax.Array) or [device.platform for device in A.devices()] == ["cpu"]


def _refuse_nonfinite(A, M, entered: Entered, name: str) -> None:
    """A is what was given, the entered one what became of it."""
    if kinds.is_spread(entered.X):
        bad, first = _found(entered, lambda x, used: ~jnp.isfinite(x))
        _refuse(f"{bad} NaN or inf of {math.prod(A.shape)}, the first at {first}", name, kinds.in_memory(A))
    X = entered.X.X if isinstance(entered.X, Masked) else entered.X
    if isinstance(A, np.ndarray):
        counts = True if M is None else np.asarray(M) > 0
        if np.isfinite(A, where=counts, out=np.ones(A.shape, bool)).all():
            size = np.where(counts, np.abs(A), 0)
            largest = np.unravel_index(np.argmax(size), A.shape)
            shown = np.format_float_scientific(size[largest], precision=2, trim="-")  # a long double, too
            where = labels.place(entered.names, *map(int, largest))
            raise ValueError(
                f"{name}: expected entries in the range of {X.dtype}, got {shown} at {where}; {_remedy(X)}"
            )
    _refuse(_bad(~np.isfinite(np.asarray(X)), entered.names), name)


def _refuse(got: str, name: str, takes_mask: bool = True) -> NoReturn:
    mask = f", or leave them out by a mask that is true for the others, mask=np.isfinite({name})" if takes_mask else ""
    raise ValueError(f"{name}: expected finite entries, got {got}; fill them{mask}")


def _bad(bad: np.ndarray, names: labels.Names | None) -> str:
    i, j = map(int, np.unravel_index(np.argmax(bad), bad.shape))
    return f"{bad.sum()} NaN or inf of {bad.size}, the first at {labels.place(names, i, j)}"


SWITCH = 'jax.config.update("jax_enable_x64", True) before anything else'


def _remedy(X) -> str:
    scale = "pass it in other units"
    return f"{SWITCH} keeps float64, or {scale}" if X.dtype == jnp.float32 else scale


@cache
def _tell_of_rounding() -> None:
    """Once a process."""
    checks.warn(
        f"float64 is rounded to float32, since JAX's float64 is switched off: {SWITCH} computes in float64, "
        "and .astype(np.float32) says that float32 is meant"
    )
