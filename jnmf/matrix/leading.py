"""The first singular values and vectors of a sparse matrix: by SciPy in float64 on the host, inside of `jit` too.

And those of one that is seen in blocks of rows, by a triangle.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jnmf import matrix
from jnmf.matrix.blocks import blocks_of
from jnmf.matrix.csr import Csr


def leading(parts: list[Csr], shape, rank: int, level=0.0):
    """The first `rank` singular triplets of the sum of these (m, n) and of level · 11ᵀ, in their dtype."""
    (m, n), k, dtype = shape, min(rank, *shape), parts[0].values.dtype
    like = [jax.ShapeDtypeStruct(shape, dtype) for shape in ((m, k), (k,), (k, n))]

    def call(parts, level):
        whole = sum(_on_host(A, shape) for A in parts)
        return tuple(B.astype(dtype) for B in _svd(whole, float(level), k))

    return jax.pure_callback(call, like, parts, level, vmap_method="sequential")


def tails(A: Csr, shape, ranks):
    """√(‖A‖² − σ_1² − … − σ_r²) for each rank, to 1e-8 of ‖A‖ where not all values are computed."""
    dtype = A.values.dtype
    call = lambda A: _tails(_on_host(A, shape), np.asarray(ranks)).astype(dtype)
    return jax.pure_callback(call, jax.ShapeDtypeStruct((len(ranks),), dtype), A, vmap_method="sequential")


def _on_host(A: Csr, shape):
    from scipy.sparse import csr_array

    values, columns, starts = map(np.asarray, (A.values, A.columns, A.starts))
    return csr_array((values.astype(float), columns, starts), shape=shape)


def _is_thin(shape, k: int) -> bool:
    """Whether an array of this shape is about as small as factors of rank k."""
    return 3 * k >= min(shape)


def _svd(A, level: float, k: int):
    from scipy.sparse.linalg import aslinearoperator, svds

    if _is_thin(A.shape, k):
        U, sigma, Vt = np.linalg.svd(A.toarray() + level, full_matrices=False)
        return U[:, :k], sigma[:k], Vt[:k]
    (m, n), of = A.shape, aslinearoperator
    operator = of(A) + level * (of(np.ones((m, 1))) @ of(np.ones((1, n))))
    _, _, found = svds(operator, k=k, rng=np.random.default_rng(0))
    Vt = np.asarray(found)
    # ARPACK knows XᵀX, whose small values are below the rounding of the large ones; X V knows them.
    B = A @ Vt.T + level * np.sum(Vt, axis=1)[None, :]
    U, sigma, of_V = np.linalg.svd(B, full_matrices=False)
    return U, sigma, of_V @ Vt


def _tails(A, ranks):
    unit = np.max(np.abs(A.data), initial=0) or 1.0
    A, most = A / unit, int(np.max(ranks))
    thin = _is_thin(A.shape, most)
    _, sigma, _ = _svd(A, 0.0, min(A.shape) if thin else most)
    rest = 0.0 if thin else max(np.sum(A.data**2) - np.sum(sigma**2), 0.0)
    beyond = np.append(np.cumsum(sigma[::-1] ** 2)[::-1], 0)  # entry r is the sum over k > r of those that are known
    return unit * np.sqrt(rest + beyond[ranks])


def triangle(X, width: int | None = None):
    """R (n, n) with RᵀR = XᵀX, from the QR factorisations of blocks of `width` rows: σ and V are those of X.

    Demmel, Grigori, Hoemmen and Langou 2012 (TSQR). No square is formed, so that small σ keep their digits.
    """
    m, n = X.shape
    R = lambda A: jnp.linalg.qr(A, mode="r")

    def rows(x, _, fresh):
        x = jnp.where(fresh[:, None], matrix.entries(x)[0], 0)
        return (), R(x if len(x) >= n else jnp.vstack([x, jnp.zeros((n - len(x), n), x.dtype)]))

    width = min(m, max(n, blocks_of(X.shape, 0))) if width is None else width  # a factorisation takes n² (width + n)
    return matrix.block_by_block(rows, X, (), 0, lambda A, B: R(jnp.vstack([A, B])), width)[1]


def of_triangle(A):
    """Q (m, k) of A = Q R with a diagonal of R ≥ 0: U, where A is U diag(σ), orthonormal where σ is 0, too."""
    Q, R = jnp.linalg.qr(A)
    return Q * jnp.where(jnp.diag(R) < 0, -1, 1)[None, :].astype(Q.dtype)
