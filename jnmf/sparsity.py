"""Hoyer's sparsity, a number between 0 (all entries alike) and 1 (a single entry), and the projection onto it."""

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jnmf import checks
from jnmf.numerics import compute_dtype, divide
from jnmf.types import Number


def hoyer_sparsity(x: ArrayLike, axis: int | Sequence[int] | None = None) -> Array:
    """(√n − ‖x‖₁/‖x‖₂) / (√n − 1), n the number of entries along `axis` (an int or a tuple; None is all axes).

    x of any shape -> x's shape without `axis`, in the dtype of x. 1 exactly if one entry is nonzero, 0 exactly if all
    have the same absolute value, whatever the scale. Where both hold or the quotient is 0/0, the value is 0: a zero
    vector has all entries alike, and n = 1 leaves nothing to choose. For a component of W take `axis=0`, of H `axis=1`.
    Hoyer 2004, section 3.1.

    Raises TypeError or ValueError for an array that is not real or has no entries along `axis`.

    >>> jnmf.hoyer_sparsity(np.array([[1.0, 0.0], [1.0, 3.0]]), axis=0).round(3).tolist()
    [0.0, 1.0]
    """
    x, dtype = _real(x)
    axes = range(x.ndim) if axis is None else np.atleast_1d(axis)
    return _hoyer(x, tuple(int(i) for i in axes)).astype(dtype)


@partial(jax.jit, static_argnames="axes")
def _hoyer(x, axes):
    x = divide(x, lax.stop_gradient(jnp.max(jnp.abs(x), axis=axes, keepdims=True)))  # squares that do not vanish
    n = math.prod(x.shape[i] for i in axes)
    square = jnp.sum(x * x, axis=axes)
    ratio = jnp.sum(jnp.abs(x), axis=axes) * lax.rsqrt(jnp.where(square > 0, square, 1))
    return jnp.where(square == 0, 0, divide(math.sqrt(n) - ratio, math.sqrt(n) - 1))


def project_sparsity(x: ArrayLike, sparsity: Number) -> Array:
    """The nearest s ≥ 0 to x with ‖s‖₂ = ‖x‖₂ and Hoyer sparsity `sparsity`, in the Euclidean norm.

    x (n,), of any signs; `sparsity` a number in [0, 1] -> s (n,), in the dtype of x. The two conditions fix
    ‖s‖₁ = ‖x‖₂ (√n − sparsity·(√n − 1)), so s lies on a plane and on a sphere. On a set F of entries that may be
    positive, the nearest point of both is the mean ‖s‖₁/|F| plus a positive multiple of x_F − mean(x_F); entries that
    come out negative leave F, which happens at most n times. Among equal candidates the first entry wins. For n = 1
    every sparsity gives |x|, and a zero x stays zero. Matrices: `jax.vmap` over their rows or columns; jit applies.
    Hoyer 2004, section 3.3; that the point is the nearest: Thom and Palm 2013, section 3.

    Raises TypeError or ValueError for an x that is not a real vector, and for a sparsity outside [0, 1].

    >>> s = jnmf.project_sparsity(np.array([3.0, 4.0, 0.0]), 0.8)
    >>> round(float(jnmf.hoyer_sparsity(s)), 3), round(float(np.linalg.norm(s)), 3)
    (0.8, 5.0)
    """
    x, dtype = _real(x)
    if x.ndim != 1:
        raise ValueError(f"x: expected a vector, got shape {x.shape}; use jax.vmap for the rows or columns of a matrix")
    checks.number(sparsity, "sparsity")
    if not checks.is_traced(sparsity) and sparsity > 1:
        raise ValueError(f"sparsity: expected a number in [0, 1], got {sparsity!r}")
    return _project(x, jnp.asarray(sparsity, x.dtype)).astype(dtype)


@jax.jit
def _project(x, sparsity):
    n, largest = x.size, jnp.max(jnp.abs(x))
    l2 = jnp.linalg.norm(divide(x, largest))
    t = sparsity * (1 - 1 / math.sqrt(n))
    l1 = l2 * math.sqrt(n) * (1 - t)

    def on(F):
        """The point nearest to x / largest with sum l1, length l2 and zeros off F; its signs are free."""
        size = jnp.sum(F, dtype=x.dtype)
        # The direction x − mean(x). First x − max(x): entries that are equal then differ by exactly 0, and not by a
        # rounding, which would be blown up to the length asked for. Where all are equal every direction is as near.
        d = jnp.where(F, x - jnp.max(jnp.where(F, x, -jnp.inf)), 0)
        d = jnp.where(jnp.any(d != 0), divide(d, jnp.max(jnp.abs(d))), jnp.arange(n) == jnp.argmax(F))
        d = jnp.where(F, d - jnp.sum(d) / size, 0)
        length = l2 * jnp.sqrt(jnp.maximum(n * t * (2 - t) - (n - size), 0) / size)  # of s − mean: l2² − l1²/|F|
        return jnp.where(F, l1 / size + divide(d, jnp.linalg.norm(d)) * length, 0)

    def leave(carry):
        F, s = carry
        F = F & (s >= 0)
        return F, on(F)

    everything = jnp.ones(n, bool)
    _, s = lax.while_loop(lambda carry: jnp.any(carry[1] < 0), leave, (everything, on(everything)))
    return largest * s


def _real(x):
    """x as an array to compute with, and the dtype of the result: that of x, or the default float for integers."""
    x = jnp.asarray(x)
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise TypeError(f"x: expected real numbers, got dtype {x.dtype}; pass its real part or its modulus")
    if x.size == 0:
        raise ValueError(f"x: expected at least one entry, got shape {x.shape}")
    dtype = x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else jnp.result_type(float)
    return x.astype(compute_dtype(dtype)), dtype
