"""Sparse matrices of SciPy, JAX and pandas: what they hold, as one compressed form, on the host.

They are known by what they have, so that only the package that made one is needed, and SciPy.
"""

from typing import Any

import numpy as np

from jnmf.checks import is_traced

LARGEST = 2**31 - 1  # of a place, and of the number of them: int32


def is_sparse(X) -> bool:
    return _of_scipy(X) or _of_jax(X) or _of_pandas(X)


def _of_scipy(X) -> bool:
    return hasattr(X, "tocoo") and hasattr(X, "nnz")


def _of_jax(X) -> bool:
    return hasattr(X, "todense") and hasattr(X, "indices") and hasattr(X, "n_batch")


def _of_pandas(X) -> bool:
    """A DataFrame whose columns are all sparse."""
    return hasattr(X, "iloc") and getattr(X, "ndim", 0) == 2 and getattr(X, "sparse", None) is not None


def read(X: Any, name: str, *, of_block: bool = True) -> Any:
    """The stored entries as a SciPy csr_array in order, each place once: what was stored twice is added.

    Its arrays may be those of X. `of_block`: it will be one, whose places are in int32. Raises TypeError or ValueError
    for what is no matrix of real numbers, or too large.
    """
    kind = type(X).__name__
    if is_traced(X):
        raise TypeError(
            f"{name}: expected a sparse matrix with values, got a {kind} inside of jit or vmap, where it cannot be "
            f"sorted; make jnmf.sparse({name}) outside, and pass that"
        )
    if X.ndim != 2:
        raise ValueError(f"{name}: expected a two-dimensional matrix, got {kind} of shape {X.shape}")
    if 0 in X.shape:
        raise ValueError(f"{name}: expected at least one row and one column, got shape {X.shape}")
    if of_block and max(*X.shape, getattr(X, "nse", None) or getattr(X, "nnz", 0)) > LARGEST:
        raise ValueError(
            f"{name}: expected sides and a number of stored entries below 2**31, got {kind} of shape {X.shape}"
        )
    A: Any = (_from_jax if _of_jax(X) else _from_pandas if _of_pandas(X) else _from_scipy)(X, name)
    if A.dtype.kind != "f":
        hint = "its real part or its modulus" if A.dtype.kind == "c" else f"{name}.astype(float)"
        raise TypeError(f"{name}: expected real numbers, got {kind} of dtype {A.dtype}; pass {hint}")
    if not A.has_canonical_format:
        A = A.copy()  # what is given stays as it is
        A.sum_duplicates()
    return A


def _from_scipy(X, name: str):
    return (X.astype(float) if X.dtype.kind in "biu" else X).tocsr()  # sums of integers may leave their range


def _from_pandas(X, name: str):
    fills = {str(d.fill_value) for d in X.dtypes if d.fill_value != 0}
    if fills:
        raise ValueError(
            f"{name}: expected a sparse DataFrame with fill value 0, got {', '.join(sorted(fills))}; pass "
            f"{name}.sparse.to_dense(), and where NaN is what is missing, mask={name}.notna()"
        )
    return _from_scipy(X.sparse.to_coo(), name)


def _from_jax(X: Any, name: str):
    from scipy import sparse

    if X.n_batch or X.n_dense:
        raise ValueError(f"{name}: expected a {type(X).__name__} without batched or dense dimensions, got {X!r}")
    values = np.asarray(X.data)
    values = values.astype(np.float32) if values.dtype.itemsize == 2 and values.dtype.kind not in "iu" else values
    if hasattr(X, "indptr"):
        rows, columns = np.repeat(np.arange(X.shape[0]), np.diff(np.asarray(X.indptr, int))), np.asarray(X.indices)
        values, columns = values[: rows.size], columns[: rows.size]  # what is beyond the last row is padding
    else:
        rows, columns = np.asarray(X.indices).T
    inside = (rows < X.shape[0]) & (columns < X.shape[1])  # JAX pads with places that are not
    return _from_scipy(sparse.coo_array((values[inside], (rows[inside], columns[inside])), shape=X.shape), name)


def place(A, entry: int) -> tuple[int, int]:
    """The row and the column of stored entry number `entry` of a csr_array."""
    return int(np.searchsorted(A.indptr, entry, side="right")) - 1, int(A.indices[entry])
