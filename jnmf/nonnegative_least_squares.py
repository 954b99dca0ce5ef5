"""The exact minimiser of the half-problem, its derivative, and `nnls(A, B)`.

min_{H ≥ 0} ½⟨H, G H⟩ − ⟨C, H⟩ is convex and separates over the columns of H. Two methods find its solution
(`jnmf.pivoting`, `jnmf.accelerated_projected_gradient`); once it is found, both share the derivative below.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jnmf import accelerated_projected_gradient, checks, pivoting
from jnmf.factors import project_nonnegative
from jnmf.losses import divide

METHODS = {"pivoting": pivoting.search, "projected_gradient": accelerated_projected_gradient.search}


def exact(H, G, C, method: str = "pivoting"):
    """argmin of ½⟨H, G H⟩ − ⟨C, H⟩ over H ≥ 0, a solver as those in `jnmf.solvers`.

    G (r, r) symmetric positive semidefinite, C (r, n); H (r, n) is only where the search starts. "pivoting" is exact,
    "projected_gradient" stops at rounding level. Differentiable in G and C, forward and in reverse, by the implicit
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
    return METHODS[method](start, G, C)


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
    d = lax.stop_gradient(divide(1, jnp.linalg.norm(A, axis=0)))
    A = A * d[None, :]
    G = A.T @ A
    Z = exact(jnp.zeros((A.shape[1], B.shape[1]), A.dtype), G, A.T @ B)
    # G holds the squares of A's singular values, and the solution through it loses twice the digits. One correction
    # from the residual of A itself brings them back (corrected semi-normal equations; Björck 1987). Along a null
    # direction of A it would be rounding divided by rounding: it is kept in the columns where it lowers the residual.
    correction = pivoting.solve_passive(lax.stop_gradient(G), Z > 0, A.T @ (B - A @ Z))
    corrected = jnp.where(Z > 0, project_nonnegative(Z + correction), 0)
    residual = lambda Z: jnp.linalg.norm(A @ Z - B, axis=0, keepdims=True)
    lower = lax.stop_gradient(residual(corrected) <= residual(Z))
    return d[:, None] * jnp.where(lower, corrected, Z)
