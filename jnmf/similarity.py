"""How alike the components of two fits are: columns paired by the best permutation, and the mean cosine of the pairs.

The factors of X ≈ W H are unique at most up to the order and the scale of the components, so two fits can only be
compared when both are taken out: unit columns take out the scale, the matching the order.
A. H. Williams, exercises on nonnegative matrix factorisation ("similarity score").
"""

import jax
import jax.numpy as jnp
from jax import lax
from optax.assignment import hungarian_algorithm

from jnmf import checks
from jnmf.losses import divide


def match(U, V):
    """The permutation p that pairs column p[k] of V with column k of U, so that the sum of the cosines is largest.

    U (m, r), V (m, r) -> p (r,), integers: `V[:, p]` is V in the order of U. Exact, by the Hungarian algorithm; between
    equally good permutations the choice is arbitrary. jit and vmap apply.

    Raises TypeError or ValueError for arguments that are not finite matrices of the same shape.
    """
    return _match(_cosines(*_matrices(U, V)))


def similarity(U, V):
    """The mean over k of the cosine between column k of U and column p[k] of V, for the best permutation p.

    U (m, r), V (m, r) -> a scalar, in the dtype of the two together: at most 1, and for nonnegative factors at least 0.
    A dead component matches nothing: the cosine with a zero column is 0, also that of two zero columns. The score is 1
    exactly if no column is zero and those of V are those of U up to their order and positive scales. For the rows of H
    pass `H.T`. jit and vmap apply, and derivatives where one permutation is the best.

    Raises TypeError or ValueError for arguments that are not finite matrices of the same shape.
    """
    U, V = _matrices(U, V)
    cosines = _cosines(U, V)
    return _mean(cosines, _match(cosines)).astype(jnp.promote_types(U.dtype, V.dtype))


def _matrices(U, V):
    U, V = checks.matrix(U, "U"), checks.matrix(V, "V")
    if U.shape != V.shape:
        raise ValueError(f"expected U and V of the same shape (m, r), got U {U.shape} and V {V.shape}")
    return U, V


@jax.jit
def _cosines(U, V):
    """(r, r): the cosine of column k of U and column l of V at (k, l)."""
    dtype = checks.compute_dtype(jnp.promote_types(U.dtype, V.dtype))
    U, V = _unit_columns(U.astype(dtype)), _unit_columns(V.astype(dtype))
    return jnp.matmul(U.T, V, precision="highest")  # the digits of 1 − cos are what tells two good fits apart


def _unit_columns(A):
    # Divided by its largest entry first, no column has squares that overflow or vanish. The cosine does not depend on
    # this scale, and so neither does its derivative.
    A = divide(A, lax.stop_gradient(jnp.max(jnp.abs(A), axis=0, keepdims=True)))
    square = jnp.sum(A * A, axis=0, keepdims=True)
    return A * lax.rsqrt(jnp.where(square > 0, square, 1))


@jax.jit
def _match(cosines):
    rows, columns = hungarian_algorithm(-lax.stop_gradient(cosines))
    return jnp.zeros_like(columns).at[rows].set(columns)


@jax.jit
def _mean(cosines, p):
    return jnp.mean(jnp.take_along_axis(cosines, p[:, None], axis=1))
