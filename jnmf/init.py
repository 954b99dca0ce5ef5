"""Where a fit starts."""

from contextlib import nullcontext
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jnmf import checks, door, separable
from jnmf.factors import Factors
from jnmf.matrix import as_read, filled, mean_size, svd
from jnmf.numerics import divide, project_nonnegative
from jnmf.types import Fill, Integer, Key, MatrixLike


def as_key(key: Key) -> Array:
    """A `jax.random.key` from an int seed of 64 bits, a key, or raw key data."""
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        if key.shape != ():
            raise ValueError(f"key: expected a single key, got {key.size} of shape {key.shape}; pass one of them")
        return key
    if getattr(key, "dtype", None) == jnp.uint32 and jnp.shape(key) != ():
        return jax.random.wrap_key_data(jnp.asarray(key))
    if checks.is_traced(key):
        return jax.random.key(key)
    seed = checks.seed(key)
    # Without its float64 switch JAX would take the lower half alone of a seed that has more than 32 bits, or a sign.
    with jax.enable_x64(True) if seed >> 32 else nullcontext():
        return jax.random.key(seed)


def random(key: Key, X: MatrixLike, rank: Integer) -> Factors:
    """W (m, r) uniform on [0, s), H (r, n) on [0, t), t = s or 2 s, in the dtype of X: W H has the mean of |X|.

    With s t = 4 mean |X| / r (`balanced` in two) E (WH)_ij = r s t/4 is that mean. Each component has a key of its own:
    the start of rank r is, up to s and t, the first r components of that of any larger rank with the same key.

    >>> W, H = jnmf.init.random(0, X, 2)
    >>> W.shape, H.shape
    ((6, 2), (2, 4))
    """
    entered = door.enter(X)
    found = _random(as_key(key), entered.X, checks.rank(rank, entered.X.shape))
    return Factors(*(A.astype(entered.dtype) for A in as_read(entered.X, found)))


@partial(jax.jit, static_argnames="rank")  # one program, without a second array of the size of X
def _random(key, X, rank: int) -> Factors:
    """`random` of a matrix that is behind the door, in its dtype; as `_nndsvd`."""
    W, H = uniform(key, X.shape, rank, X.dtype)
    of_W, of_H = balanced(mean_size(filled(X)), parts=rank)
    return Factors(2 * of_W * W, 2 * of_H * H)


def balanced(x: Any, numpy: Any = jnp, parts: int = 1) -> tuple[Any, Any]:
    """Two numbers with the product y = x / parts, x ≥ 0: √y and √y, or where the exponent of y is odd √(y/2) and √(2y).

    So 2ᵏ x gives the same two times powers of two, for every k: another unit of X changes no bit of a start. y itself
    may be too small for the dtype.
    """
    mantissa, exponent = numpy.frexp(x)
    mantissa, less = numpy.frexp(mantissa / parts)
    exponent = exponent + less - 1
    root, half = numpy.sqrt(2 * mantissa), exponent // 2
    return numpy.ldexp(root, half), numpy.ldexp(root, exponent - half)


@partial(jax.jit, static_argnames=("shape", "rank", "dtype"))
def uniform(key: Array, shape: tuple[int, int], rank: int, dtype: Any) -> Factors:
    """W (m, r) and H (r, n) uniform on [0, 1), component k from the key folded with k."""
    m, n = shape
    keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(rank))
    both = jax.vmap(lambda k: jax.random.uniform(k, (m + n,), dtype))(keys)
    return Factors(both[:, n:].T, both[:, :n])


FILLS: tuple[Fill, ...] = ("zero", "mean", "random")


def nndsvd(X: MatrixLike, rank: Integer, fill: Fill = "zero", *, key: Key = 0) -> Factors:
    """Nonnegative double singular value decomposition (Boutsidis and Gallopoulos 2008): a deterministic start.

    The k-th singular triplet σ u vᵀ has positive parts u₊ v₊ᵀ and u₋ v₋ᵀ; the larger of the two, with its factors
    balanced, becomes component k. `fill` says what the zeros become: "zero" keeps them (an MU algorithm never leaves
    them), "mean" sets a = sqrt(mean |X| / r), "random" draws from [0, a/100) with `key`. The paper fills with mean(X);
    the root keeps the factors of c·X those of X times sqrt(c). A null singular vector gives a zero component.

    X (m, n) -> W (m, r), H (r, n) in the dtype of X. Raises ValueError for rank > min(m, n), where there are no more
    singular vectors, and for an unknown fill.

    >>> W, H = jnmf.init.nndsvd(X, 2)
    >>> np.allclose(W @ H, X, atol=1e-5)
    True
    """
    entered, rank = door.enter(X), checks.rank(rank)
    checks.choice(fill, "fill", FILLS)
    found = _nndsvd(entered.X, rank, fill, key)
    return Factors(*(A.astype(entered.dtype) for A in as_read(entered.X, found)))


whole = jax.jit(filled)  # one program; an array without weights is handed on


def _nndsvd(X, rank: int, fill: str, key: Key = 0) -> Factors:
    if rank > min(X.shape):
        raise ValueError(
            f"nndsvd: expected rank ≤ min(m, n) = {min(X.shape)} for X {X.shape}, got {rank}; "
            'use init="random" for more'
        )
    X = whole(X)
    return _of_triplets(X, svd(X, rank), as_key(key), rank, fill)


@partial(jax.jit, static_argnames=("rank", "fill"))
def _of_triplets(X, triplets, key, rank: int, fill: str) -> Factors:
    U, sigma, Vt = triplets
    V = Vt.T
    sigma = jnp.where(sigma > max(X.shape) * jnp.finfo(X.dtype).eps * sigma[0], sigma, 0)

    def part(sign):
        u, v = project_nonnegative(sign * U), project_nonnegative(sign * V)
        length_u, length_v = jnp.linalg.norm(u, axis=0), jnp.linalg.norm(v, axis=0)
        return sigma * length_u * length_v, divide(u, length_u[None, :]), divide(v, length_v[None, :])

    positive, negative = part(1), part(-1)
    larger = positive[0] >= negative[0]
    weight, u, v = (jnp.where(larger, a, b) for a, b in zip(positive, negative, strict=True))
    W, H = jnp.sqrt(weight)[None, :] * u, jnp.sqrt(weight)[:, None] * v.T
    level = jnp.sqrt(mean_size(X) / rank)
    if fill == "mean":
        W, H = (jnp.where(A == 0, level, A) for A in (W, H))
    elif fill == "random":
        keys = jax.random.split(key)
        draws = (level / 100 * jax.random.uniform(k, A.shape, A.dtype) for k, A in zip(keys, (W, H), strict=True))
        W, H = (jnp.where(A == 0, draw, A) for A, draw in zip((W, H), draws, strict=True))
    return Factors(W, H)


def spa_columns(X: MatrixLike, rank: Integer, *, normalize: bool = True) -> Array:
    """The indices (r,) of the columns that the successive projection algorithm takes, in its order, all different.

    It takes the column of largest norm, u, and goes on with what is orthogonal to it, R ← (I − u uᵀ / ‖u‖²) R: a norm,
    being convex, is largest at a vertex. Where X = W [I H'] Π, W of rank r and the columns of H' ≥ 0 of sum at most 1,
    these are the columns of W; with noise in X they are near to them (`proofs.separable`).

    normalize: divide each column by its Σ|x| before. The sums are then 1, whatever scale each column has in X. False
        takes X as it is: where the sums are at most 1 already, as those of abundances are, a column that is nearly zero
        is no direction of its own, which would be noise.
    X (m, n), an array or in any of its kinds: each step looks at it once, in blocks; a masked X is completed by its
    mean, as for every init. Where fewer than `rank` columns are independent to rounding (m eps of the length of each),
    the others are the largest of those not taken yet. jit applies. Araújo et al. 2001; Gillis and Vavasis 2014,
    algorithm 1, with f = ‖·‖².

    Raises ValueError for rank > n, TypeError for an X that is read in blocks.

    >>> sorted((jnmf.init.spa_columns(X, 2) // 2).tolist())  # one column of each block
    [0, 1]
    """
    entered = door.enter(X)
    return separable.columns(separable.able(whole(entered.X), checks.rank(rank)), rank, bool(normalize))[0]


def spa(key: Any, X: MatrixLike, rank: Integer, *, normalize: bool = True) -> Factors:
    """An init (key, X, rank) -> Factors, deterministic: W the columns that `spa_columns` takes, H their exact weights.

    H minimises ½‖X − W H‖² over H ≥ 0; a power of two makes W and H about equally large. A negative entry of those
    columns becomes 0. X (m, n) -> W (m, r), H (r, n), in the dtype of X. Raises as `spa_columns` does.

    >>> W, H = jnmf.init.spa(0, X, 2)
    >>> np.allclose(W @ H, X, atol=1e-5)
    True
    """
    del key
    entered = door.enter(X)
    found = separable.start(whole(entered.X), checks.rank(rank), bool(normalize))
    return Factors(*(A.astype(entered.dtype) for A in as_read(entered.X, found)))


NAMED = {
    "random": _random,
    "nndsvd": lambda key, X, rank: _nndsvd(X, rank, "zero"),
    "nndsvda": lambda key, X, rank: _nndsvd(X, rank, "mean"),
    "nndsvdar": lambda key, X, rank: _nndsvd(X, rank, "random", key),
    "spa": lambda key, X, rank: separable.start(whole(X), rank),
}
"""The inits that `fit` knows by name, for an X behind the door and in its dtype.

"nndsvda" and "nndsvdar" are the names of the fills "mean" and "random" in the literature.
"""


def is_traceable(init: Any) -> bool:
    """Whether many starts may be made as one program, a function then being called once for all of them.

    Those of the library may, and what `jax.jit` made, which is pure by contract. Another function may draw from NumPy,
    or count its calls, without an error in a trace: it is called for each start.
    """
    known = isinstance(init, str | Factors | jax.stages.Wrapped) or init is random
    return known or getattr(init, "is_traceable", False)
