"""The successive projection algorithm: r columns of X that span it, as a start for W or in their own right.

X is *separable* where r of its columns span all others with nonnegative weights: the pure pixels of a hyperspectral
image, the anchor words of a text. Then they are W, and H is a problem of nonnegative least squares.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jnmf.factors import Factors
from jnmf.matrix import entries, expect_in_memory, in_blocks, product, take
from jnmf.nonnegative_least_squares import exact
from jnmf.numerics import divide, unit_of


def start(X, rank: int, normalize: bool = True) -> Factors:
    """W (m, r), the columns, H (r, n), the exact weights, about equally large: `init.spa` of an X behind the door."""
    return _start(able(X, rank), rank, normalize)


def able(X, rank: int):
    """X, or an error where it has fewer columns, or cannot be looked at so often."""
    if rank > X.shape[1]:
        raise ValueError(f'spa: expected rank ≤ n = {X.shape[1]} for X {X.shape}, got {rank}; use init="random"')
    expect_in_memory(X, "spa: expected an X")
    return X


@partial(jax.jit, static_argnames=("rank", "normalize"))
def _start(X, rank: int, normalize: bool) -> Factors:
    _, A, scale = columns(X, rank, normalize)
    A = jnp.maximum(A, 0)
    H = exact(jnp.zeros((rank, X.shape[1]), X.dtype), A.T @ A, product(X, A, None))
    W, H = scale * A, divide(H, scale.T)
    (w, of_W), (h, of_H) = (jnp.frexp(jnp.max(B)) for B in (W, H))
    half = (jnp.frexp(divide(w, h))[1] + of_W - of_H) // 2  # of the quotient: max H is 1 up to rounding
    return Factors(jnp.ldexp(W, -half), jnp.ldexp(H, half))


@partial(jax.jit, static_argnames=("rank", "normalize"))
def columns(X, rank: int, normalize: bool = True):
    """Their numbers (r,), they themselves (m, r), and what they were divided by (1, r)."""
    (m, n), eps = X.shape, jnp.finfo(X.dtype).eps
    of_columns = lambda f, unit: in_blocks(
        lambda X, unit: f(jnp.abs(entries(X)[0]) / unit, axis=0, keepdims=True), X, unit, axis=1
    )
    ones = jnp.ones((1, n), X.dtype)
    most = of_columns(jnp.max, ones)
    unit = unit_of(most if normalize else jnp.max(most) * ones)  # in which no square leaves the range of the dtype
    size = of_columns(jnp.sum, unit) if normalize else ones
    in_size = lambda x, unit, size: divide(x / unit, size)

    def project(U, u, V):
        """uᵀX, and of each column the square of the length that is orthogonal to U and u."""

        def block(X, A):
            unit, size, V = A
            R = in_size(entries(X)[0], unit, size) - U @ V
            v = u[None, :] @ R
            return v, jnp.sum((R - u[:, None] * v) ** 2, axis=0, keepdims=True)

        return in_blocks(block, X, (unit, size, V), axis=1)

    def step(k, carry):
        chosen, A, U, V, rest = carry
        left = jnp.ones(n, bool).at[jnp.where(jnp.arange(rank) < k, chosen, n)].set(False, mode="drop")
        independent = left & (rest[0] > (m * eps) ** 2 * whole[0])
        some = jnp.any(independent)
        j = jnp.argmax(jnp.where(some, jnp.where(independent, rest[0], -1), jnp.where(left, whole[0], -1)))
        a = in_size(entries(take(X, j[None], 1))[0][:, 0], unit[0, j], size[0, j])
        u = a - U @ (U.T @ a)
        u = u - U @ (U.T @ u)  # what rounding left of U
        u = jnp.where(some, divide(u, jnp.linalg.norm(u)), 0)
        v, rest = project(U, u, V)
        return chosen.at[k].set(j), A.at[:, k].set(a), U.at[:, k].set(u), V.at[k].set(v[0]), rest

    nothing = jnp.zeros((m, rank), X.dtype)
    V = jnp.zeros((rank, n), X.dtype)
    _, whole = project(nothing, nothing[:, 0], V)
    chosen, A, *_ = lax.fori_loop(0, rank, step, (jnp.zeros(rank, int), nothing, nothing, V, whole))
    return chosen, A, (unit * size)[:, chosen]
