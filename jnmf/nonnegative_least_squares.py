"""The exact minimiser of the half-problem, its derivative, and `nnls(A, B)`.

min_{H ≥ 0} ½⟨H, G H⟩ − ⟨C, H⟩ is convex and separates over the columns of H. Two methods search for its solution
(`jnmf.pivoting`, `jnmf.accelerated_projected_gradient`) and say which columns they have solved; `jnmf.active_set`
finishes the others. Once it is found, all share the derivative below.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jnmf import accelerated_projected_gradient, active_set, pivoting

METHODS = {"pivoting": pivoting.search, "projected_gradient": accelerated_projected_gradient.search}


def exact(H, G, C, method: str = "pivoting"):
    """argmin of ½⟨H, G H⟩ − ⟨C, H⟩ over H ≥ 0, a solver as those in `jnmf.solvers`.

    G (r, r) symmetric positive semidefinite, C (r, n); H (r, n) is only where the search starts. Each column satisfies
    KKT up to rounding: |G h − c| on the passive set, and c − G h off it, are at most some eps·(max [c]₊ + Σ h_k G_kk)
    in units where G_kk = 1. So the objective is within some r·eps·(Σ h_k)² of its minimum, which for G ≥ 0, as in NMF,
    is a rounding of the data: there Σ h_k² ≤ ⟨h, G h⟩ = ⟨c, h⟩. If G is singular one of the minimisers is returned. A
    component with G_kk = 0 becomes 0. A column that could not be solved is NaN; none is known but for G or C that are
    not finite. Differentiable in G and C, forward and in reverse, by the implicit function theorem on the active set.

    `method` "pivoting": block principal pivoting. "projected_gradient": accelerated, to 100·eps of a column's scale.
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
    def finished():
        factor, ridge = pivoting.cholesky_factor(G)
        todo, M, Q = ~solved[None], factor.T[None], jnp.zeros_like(C)[None]
        return lax.fori_loop(0, 2, lambda _, H: active_set.finish(todo, H, M, Q, C[None] + ridge * H), H[None])[0]

    return lax.cond(jnp.all(solved), lambda: H, finished)


@_exact.defjvp
def _exact_jvp(method, primals, tangents):
    # On the passive set F = {h > 0}, G_FF h_F = c_F holds for all data nearby, so G_FF dh_F = (dc − dG h)_F.
    G = primals[0]
    dG, dC, _ = tangents
    H = _exact(method, *primals)
    return H, pivoting.solve_passive(G, H > 0, dC - dG @ H)
