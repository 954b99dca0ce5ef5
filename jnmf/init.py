"""Where a fit starts."""

from functools import partial

import jax
import jax.numpy as jnp

from jnmf import checks, door
from jnmf.factors import Factors
from jnmf.matrix import mean_size, svd
from jnmf.numerics import compute_dtype, divide, project_nonnegative


def as_key(key):
    """A `jax.random.key` from an int seed, a key, or raw key data."""
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return key
    if getattr(key, "dtype", None) == jnp.uint32 and jnp.shape(key) != ():
        return jax.random.wrap_key_data(jnp.asarray(key))
    return jax.random.key(key)


def random(key, X, rank: int) -> Factors:
    """W (m, r), H (r, n) uniform on [0, s), in the dtype of X, s chosen so that W H has the mean of |X|.

    E (WH)_ij = r s²/4, so s = 2 sqrt(mean |X| / r). Each component has a key of its own: the start of rank r is, up to
    s, the first r components of the start of any larger rank with the same key.
    """
    return _random(as_key(key), door.matrix(X), checks.rank(rank))


@partial(jax.jit, static_argnames="rank")  # one program, without a second array of the size of X
def _random(key, X, rank: int) -> Factors:
    compute = compute_dtype(X.dtype)
    W, H = uniform(key, X.shape, rank, compute)
    s = 2 * jnp.sqrt(mean_size(X.astype(compute)) / rank)
    return Factors((s * W).astype(X.dtype), (s * H).astype(X.dtype))


@partial(jax.jit, static_argnames=("shape", "rank", "dtype"))
def uniform(key, shape: tuple[int, int], rank: int, dtype) -> Factors:
    """W (m, r) and H (r, n) uniform on [0, 1), component k from the key folded with k."""
    m, n = shape
    keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(rank))
    both = jax.vmap(lambda k: jax.random.uniform(k, (m + n,), dtype))(keys)
    return Factors(both[:, n:].T, both[:, :n])


FILLS = ("zero", "mean", "random")


def nndsvd(X, rank: int, fill: str = "zero", *, key=0) -> Factors:
    """Nonnegative double singular value decomposition (Boutsidis and Gallopoulos 2008): a start without chance.

    The k-th singular triplet σ u vᵀ has positive parts u₊ v₊ᵀ and u₋ v₋ᵀ; the larger of the two, with its factors
    balanced, becomes component k. `fill` says what the zeros become: "zero" keeps them (an MU algorithm never leaves
    them), "mean" sets a = sqrt(mean |X| / r), "random" draws from [0, a/100) with `key`. The paper fills with mean(X);
    the root keeps the factors of c·X those of X times sqrt(c). A null singular vector gives a zero component.

    X (m, n) -> W (m, r), H (r, n) in the dtype of X. Raises ValueError for rank > min(m, n), where there are no more
    singular vectors, and for an unknown fill.
    """
    X, rank = door.matrix(X), checks.rank(rank)
    if fill not in FILLS:
        raise ValueError(f"fill: expected one of {', '.join(map(repr, FILLS))}, got {fill!r}")
    if rank > min(X.shape):
        raise ValueError(
            f"nndsvd: expected rank ≤ min(m, n) = {min(X.shape)} for X {X.shape}, got {rank}; "
            'use init="random" for more'
        )
    compute = X.astype(compute_dtype(X.dtype))
    U, sigma, Vt = svd(compute)
    U, sigma, V = U[:, :rank], sigma[:rank], Vt[:rank].T
    sigma = jnp.where(sigma > max(X.shape) * jnp.finfo(compute.dtype).eps * sigma[0], sigma, 0)

    def part(sign):
        u, v = project_nonnegative(sign * U), project_nonnegative(sign * V)
        length_u, length_v = jnp.linalg.norm(u, axis=0), jnp.linalg.norm(v, axis=0)
        weight = jnp.sqrt(sigma * length_u * length_v)
        return weight, weight[None, :] * divide(u, length_u[None, :]), weight[None, :] * divide(v, length_v[None, :])

    positive, negative = part(1), part(-1)
    larger = positive[0] >= negative[0]
    W = jnp.where(larger[None, :], positive[1], negative[1])
    H = jnp.where(larger[None, :], positive[2], negative[2]).T
    level = jnp.sqrt(mean_size(compute) / rank)
    if fill == "mean":
        W, H = (jnp.where(A == 0, level, A) for A in (W, H))
    elif fill == "random":
        keys = jax.random.split(as_key(key))
        draws = (level / 100 * jax.random.uniform(k, A.shape, A.dtype) for k, A in zip(keys, (W, H), strict=True))
        W, H = (jnp.where(A == 0, draw, A) for A, draw in zip((W, H), draws, strict=True))
    return Factors(W.astype(X.dtype), H.astype(X.dtype))


NAMED = {
    "random": random,
    "nndsvd": lambda key, X, rank: nndsvd(X, rank),
    "nndsvda": lambda key, X, rank: nndsvd(X, rank, fill="mean"),
    "nndsvdar": lambda key, X, rank: nndsvd(X, rank, fill="random", key=key),
}
"""The inits that `fit` knows by name; the last two are the names of the fills "mean" and "random" in the literature."""
