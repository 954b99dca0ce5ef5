"""Quotients, powers and units of numbers at the edge of their domain and near the ends of their range."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike


def divide(a, b):
    """a / b, and 0 where b = 0; differentiable there too (the branch not taken holds no 0/0)."""
    return jnp.where(b != 0, a / jnp.where(b != 0, b, 1), 0)


def power(a, exponent: float):
    """a^exponent for a ≥ 0, NaN for NaN; a negative power of 0 is 0: such an entry takes no part in a weighted sum."""
    base = jnp.where(a == 0, 1, a)
    value = (
        base**exponent if exponent >= 0 else (1 / base) ** -exponent
    )  # XLA knows x^½ and x² as such, not x^−½ and x^−2
    return jnp.where(a == 0, 1.0 if exponent == 0 else 0.0, value)


def bounded(a):
    """a ≥ 0, or if it is less, a number of which sums are finite: of the negative parts of derivatives.

    A multiplicative update that sees less of one goes a part of the way to its minimiser, and does not raise the loss
    (`proofs.beta_divergence_descent`, step 8); from inf it would make NaN.
    """
    return jnp.minimum(a, float(jnp.finfo(a.dtype).max) ** 0.9)


def inner(A, B):
    """⟨A, B⟩ = Σ A_ij B_ij, a scalar; unlike `vdot` it does not make a vector of what is divided among devices."""
    return jnp.tensordot(A, B, 2)


def project_nonnegative(A: ArrayLike) -> Array:
    """[A]₊, the nearest nonnegative array to A in the Frobenius norm: every negative entry becomes 0.

    >>> jnmf.project_nonnegative(np.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return jnp.maximum(A, 0)


def compute_dtype(dtype):
    """The dtype to compute in: half precision is widened to float32, the others are kept."""
    return jnp.promote_types(dtype, jnp.float32)


def in_dtype(dtype, *trees):
    """The trees with every leaf in one dtype, numbers too: so a new value is not a new program.

    What has an `in_dtype` of its own is asked for it: the indices of a sparse matrix stay integers.
    """

    def converted(leaf):
        if hasattr(leaf, "in_dtype"):
            return leaf.in_dtype(dtype)
        return _number(leaf, dtype) if isinstance(leaf, float | int) else jnp.asarray(leaf, dtype)

    return jax.tree.map(converted, trees, is_leaf=lambda node: hasattr(node, "in_dtype"))


def _number(value, dtype):
    """On the host: to make arrays of a dozen numbers takes a device longer than a small fit."""
    with np.errstate(over="ignore"):
        return np.asarray(value, dtype)


def unit_of(x):
    """A power of two, at most x and more than a half of it, for each x ≥ 0; 1 for 0. What is divided by it is exact."""
    return jnp.ldexp(jnp.ones_like(x), jnp.where(x > 0, jnp.frexp(x)[1] - 1, 0))
