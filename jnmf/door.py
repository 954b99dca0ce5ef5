"""The door: what X and the factors must be. Shapes are always checked, values on the host (see `checks`)."""

import jax
import jax.numpy as jnp
import numpy as np

from jnmf.checks import is_traced, on_host
from jnmf.factors import Factors
from jnmf.matrix.masked import Masked


@jax.jit
def _all_finite(X):
    # NaN and inf reach the extremes. XLA on the CPU would hold isfinite(X) as an array of the shape of X.
    return jnp.isfinite(jnp.min(X)) & jnp.isfinite(jnp.max(X))


@jax.jit
def _any_nonzero(X):
    return (jnp.min(X) != 0) | (jnp.max(X) != 0)


def matrix(X, name: str = "X") -> jax.Array:
    """X as a finite, nonempty, two-dimensional jax array of a floating dtype (integers become the default float)."""
    if hasattr(X, "toarray"):
        raise TypeError(f"{name}: expected a dense matrix, got sparse {type(X).__name__}; pass {name}.toarray()")
    if not isinstance(X, jax.Array):
        X = np.asarray(X)
        if X.dtype.kind not in "biuf" and X.dtype != jnp.bfloat16:
            raise TypeError(
                f"{name}: expected real numbers, got dtype {X.dtype}; convert it, as by {name}.astype(float)"
            )
    if jnp.issubdtype(X.dtype, jnp.complexfloating):
        raise TypeError(f"{name}: expected real numbers, got dtype {X.dtype}; pass its real part or its modulus")
    if X.ndim != 2:
        raise ValueError(f"{name}: expected a two-dimensional matrix, got shape {X.shape}; a vector is {name}[:, None]")
    if X.size == 0:
        raise ValueError(f"{name}: expected at least one row and one column, got shape {X.shape}")
    if not jnp.issubdtype(X.dtype, jnp.floating):
        X = X.astype(jnp.result_type(float))
    if not isinstance(X, jax.Array):
        X = on_device(X)
    if not is_traced(X) and not on_host(lambda: _all_finite(X)):
        finite = np.isfinite(np.asarray(X, float))
        row, column = (int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(
            f"{name}: expected finite entries, got {(~finite).sum()} NaN or inf of {finite.size}, the first at "
            f"({row}, {column}); drop or impute them"
        )
    return X


def on_device(X: np.ndarray) -> jax.Array:
    """A copy of X, and only one: `jnp.array` may make two, and `device_put` may share the memory of X with work that is
    still running when the caller writes into it. Long double and a foreign byte order become what JAX knows."""
    native = np.dtype(float) if X.dtype.itemsize > 8 else X.dtype.newbyteorder("=")
    X = X.astype(native, copy=False)
    A = jax.device_put(X)
    if is_traced(A):  # a constant of a function that is being traced
        return A
    if len(A.devices()) == 1 and A.device.platform == "cpu" and A.unsafe_buffer_pointer() == X.ctypes.data:
        return jnp.array(X).block_until_ready()
    return A


def masked(X, mask, name: str = "X"):
    """X as `matrix` gives it, or with a mask `Masked(X, M)`: the values under a zero weight become 0, NaN included.

    A mask of ones is no mask.
    """
    if mask is None:
        return matrix(X, name)
    M = matrix(mask, "mask")
    if np.shape(X) != M.shape:
        raise ValueError(f"mask: expected the shape of {name}, {np.shape(X)}, got {M.shape}")
    if not is_traced(M):
        least, most = on_host(M.min), on_host(M.max)
        if least < 0 or most > 1:
            raise ValueError(f"mask: expected booleans or weights in [0, 1], got values from {least:g} to {most:g}")
        if most == 0:
            raise ValueError("mask: expected a positive weight, got all zeros; True marks the entries that count")
        if least == 1:
            return matrix(X, name)
    A = X if isinstance(X, jax.Array) else np.asarray(X)
    if A.ndim == 2 and A.dtype.kind in "biuf":
        A = jnp.where(M > 0, A if isinstance(A, jax.Array) else on_device(A), 0)
    X = matrix(A, name)
    return Masked(X, M.astype(X.dtype))


def domain(X, algorithm, name: str = "X") -> None:
    """What the algorithm asks of X: MU nonnegative entries; for β ≤ 0 no zeros but in empty rows and columns."""
    if is_traced(X) or not algorithm.nonnegative_data:
        return
    X, counts = (X.X, X.M > 0) if isinstance(X, Masked) else (X, True)
    least = on_host(X.min)
    if least < 0:
        negative = on_host(lambda: jnp.sum(X < 0))
        raise ValueError(
            f"{name}: MU expects nonnegative entries, got {negative} negative ones of {X.size}, "
            f"the least {least:g}; clip them with project_nonnegative, or use HALS, ANLS, PGD or ALS, "
            "which allow them"
        )
    if not algorithm.loss.finite_for_zeros:
        used = lambda axis: jnp.any(X > 0, axis=axis, keepdims=True)
        zeros = on_host(lambda: jnp.sum((X == 0) & used(0) & used(1) & counts))
        if zeros:
            raise ValueError(
                f"{name}: for {algorithm.loss!r} expected positive entries (the divergence from 0 is infinite), "
                f"got {zeros} zeros of {X.size} outside empty rows and columns; use beta > 0, such as 1, "
                "or add a small background"
            )


def nonnegative(A, name: str) -> None:
    if not is_traced(A) and on_host(A.min) < 0:
        raise ValueError(f"{name}: expected nonnegative entries, got {on_host(A.min):g}; use project_nonnegative")


def factors(value, shape: tuple[int, ...], rank_: int | None) -> Factors:
    """Initial factors: two nonnegative, finite matrices that fit X and each other."""
    if len(value) != 2:
        raise ValueError(f"init: expected Factors(W, H), got {len(value)} arrays")
    W, H = matrix(value[0], "init W"), matrix(value[1], "init H")
    m, n = shape
    r = W.shape[1] if rank_ is None else rank_
    if W.shape != (m, r) or H.shape != (r, n):
        transposed = H.shape == (n, r) and H.shape != (r, n)
        hint = "did you pass Hᵀ?" if transposed else "W needs the rows of X, H its columns, both the same rank"
        raise ValueError(f"init: expected W {(m, r)} and H {(r, n)}, got W {W.shape} and H {H.shape}; {hint}")
    nonnegative(W, "init W")
    nonnegative(H, "init H")
    return Factors(W, H)


def some_positive(value: Factors, X) -> None:
    """No update can leave factors that are all zero, unless X is."""
    if is_traced(value, X) or not on_host(lambda: _any_nonzero(X.X if isinstance(X, Masked) else X)):
        return
    for name, A in (("W", value.W), ("H", value.H)):
        if not on_host(lambda A=A: _any_nonzero(A)):
            raise ValueError(
                f"init {name}: expected a positive entry, got all zeros, which no update leaves; try init.random"
            )
