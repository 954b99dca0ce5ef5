"""The exact minimiser of the half-problem, its derivative, and `nnls(A, B)`.

min_{H ≥ 0} ½⟨H, G H⟩ − ⟨C, H⟩ is convex and separates over the columns of H. Two methods find its solution
(`jnmf.pivoting`, `jnmf.accelerated_projected_gradient`); once it is found, both share the derivative below.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import cho_solve

from jnmf import accelerated_projected_gradient, active_set, checks, pivoting
from jnmf.factors import project_nonnegative
from jnmf.losses import divide

METHODS = {"pivoting": pivoting.search, "projected_gradient": accelerated_projected_gradient.search}


def exact(H, G, C, method: str = "pivoting"):
    """argmin of ½⟨H, G H⟩ − ⟨C, H⟩ over H ≥ 0, a solver as those in `jnmf.solvers`.

    G (r, r) symmetric positive semidefinite, C (r, n); H (r, n) is only where the search starts. PLACEHOLDER Differentiable in G and C, forward and in reverse, by the implicit
    function theorem on the active set. If G is singular one of the minimisers is returned. A component with G_kk = 0
    becomes 0.
    """
    # In the variables H_k sqrt(G_kk) the diagonal of G is 1, so that every tolerance has a scale. The solution does not
    # depend on this choice, and so neither does its derivative.
    d = lax.stop_gradient(jnp.where(jnp.diag(G) > 0, lax.rsqrt(jnp.diag(G)), 0))[:, None]
    start = jnp.where(d > 0, H / jnp.where(d > 0, d, 1), 0)
    return d * _exact(method, d * G * d.T, d * C, lax.stop_gradient(start))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _exact(method, G, C, start):
    H, solved = METHODS[method](start, G, C)
    # What is left is solved by the active set, on a Cholesky factor of G with a ridge. The second time the ridge pulls
    # to the first solution and not to zero, a step of the proximal point method: what it had changed is gone.
    factor, ridge = pivoting.cholesky_factor(G)
    todo, M, Q = ~solved[None], factor.T[None], jnp.zeros_like(C)[None]
    return lax.fori_loop(0, 2, lambda _, H: active_set.finish(todo, H, M, Q, C + ridge * H), H[None])[0]


@_exact.defjvp
def _exact_jvp(method, primals, tangents):
    # On the passive set F = {h > 0}, G_FF h_F = c_F holds for all data nearby, so G_FF dh_F = (dc − dG h)_F.
    G = primals[0]
    dG, dC, _ = tangents
    H = _exact(method, *primals)
    return H, pivoting.solve_passive(G, H > 0, dC - dG @ H)


def nnls(A, B):
    """argmin_{Z ≥ 0} ½‖A Z − B‖², for every column of B at once.

    A (m, r), B (m, k) -> Z (r, k), in the dtype of the two together. Exact, by block principal pivoting; jit and vmap
    apply, and the derivative in A and B (forward and reverse) is that of the implicit function theorem on the active
    set. A rank-deficient A has many minimisers; one of them is returned. Kim and Park 2011.

    Raises TypeError or ValueError for arguments that are not finite matrices of matching heights.
    """
    A, B = checks.matrix(A, "A"), checks.matrix(B, "B")
    if A.shape[0] != B.shape[0]:
        raise ValueError(f"nnls(A, B): A and B need the same number of rows, got A {A.shape} and B {B.shape}")
    dtype = jnp.promote_types(A.dtype, B.dtype)
    compute = checks.compute_dtype(dtype)
    return _nnls(A.astype(compute), B.astype(compute)).astype(dtype)


@jax.jit
def _nnls(A, B):
    # Columns of about 1, by powers of two, so that no square leaves the range of the dtype.
    of_A, of_B = (lax.stop_gradient(_exponent(jnp.max(jnp.abs(M), axis=0))) for M in (A, B))
    A, B = jnp.ldexp(A, -of_A[None, :]), jnp.ldexp(B, -of_B[None, :])
    d = lax.stop_gradient(divide(1, jnp.linalg.norm(A, axis=0)))
    Z = _unit_columns(A * d[None, :], B)
    return jnp.ldexp(d[:, None] * Z, of_B[None, :] - of_A[:, None])


def _exponent(x):
    """e with 2^e ≤ x < 2^(e+1)."""
    return jnp.frexp(x)[1] - 1


@jax.custom_jvp
def _unit_columns(A, B):
    G, C = A.T @ A, A.T @ B
    Z, solved = pivoting.search(jnp.zeros_like(C), G, C)
    # G holds the squares of A's singular values, and the solution through it loses twice the digits. One correction
    # from the residual of A itself brings them back (corrected semi-normal equations; Björck 1987). Along a null
    # direction of A it would be rounding divided by rounding: it is kept in the columns where it lowers the residual.
    residual = B - A @ Z
    slope = A.T @ residual
    corrected = jnp.where(Z > 0, project_nonnegative(Z + pivoting.solve_passive(G, Z > 0, slope)), 0)
    length = lambda residual: jnp.linalg.norm(residual, axis=0, keepdims=True)
    lower = length(B - A @ corrected) <= length(residual)
    found = jnp.where(lower, corrected, Z)

    todo = ~(solved & _is_lowest(G, Z, -slope, length(B)[0]))
    by_itself = lambda: (lambda Q, R: (R, Q.T @ B))(*jnp.linalg.qr(A))
    k = min(A.shape)
    nothing = lambda: (jnp.zeros((k, A.shape[1]), A.dtype), jnp.zeros((k, B.shape[1]), A.dtype))
    R, Q = lax.cond(jnp.any(todo), by_itself, nothing)
    return active_set.finish(todo[None], found[None], R[None], Q[None], jnp.zeros_like(C)[None])[0]


def _is_lowest(G, Z, Y, length):
    """Whether ½‖A z − b‖² is proved to be within 100 eps·‖b‖² of its minimum, from y = Aᵀ(A z − b), for each column.

    At any other point it is yᵀd + ½‖A d‖² away, d ≥ −z. So it falls by at most Σ min over d_i ≥ −z_i of
    y_i d_i + ½ λ d_i², with λ the least eigenvalue of G. Where G ≥ 0 a solution has ‖z*‖ ≤ ‖A z*‖ ≤ ‖b‖ and it falls by
    at most ⟨y, z⟩ − ⟨y, z*⟩.
    """
    factor, ridge = pivoting.cholesky_factor(G)
    inverse = cho_solve((factor, True), jnp.eye(len(G), dtype=G.dtype))
    least = 1 / jnp.trace(inverse) - 2 * ridge
    down, up = project_nonnegative(-Y), project_nonnegative(Y)
    quadratic = jnp.where(least > 0, 0.5 * Y * Y / jnp.where(least > 0, least, 1), jnp.inf)
    strongly = jnp.sum(jnp.where(Y > 0, jnp.minimum(up * Z, quadratic), quadratic), axis=0)
    bounded = jnp.where(jnp.min(G) >= 0, jnp.linalg.norm(down, axis=0) * length + jnp.sum(up * Z, axis=0), jnp.inf)
    return jnp.minimum(strongly, bounded) <= 100 * jnp.finfo(G.dtype).eps * length**2


@_unit_columns.defjvp
def _unit_columns_jvp(primals, tangents):
    A, B = primals
    dA, dB = tangents
    Z = _unit_columns(A, B)
    return Z, pivoting.solve_passive(A.T @ A, Z > 0, dA.T @ (B - A @ Z) + A.T @ (dB - dA @ Z))
