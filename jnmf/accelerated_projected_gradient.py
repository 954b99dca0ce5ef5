"""Nonnegative least squares in Gram form by accelerated projected gradient (FISTA), from jaxopt."""

import warnings

import jax.numpy as jnp

from jnmf.numerics import divide, project_nonnegative


def search(start, G, C, max_iters: int = 2000):
    """(H, solved): the minimiser of ½⟨H, G H⟩ − ⟨C, H⟩ over H ≥ 0, and in which columns (n,) H is it.

    G (r, r) with diagonal 1 (or 0), C (r, n), start (r, n) ≥ 0. Stops when a step is below 100·eps of the scale of each
    column, or after `max_iters` steps. A column is solved when one more step is as short. Beck and Teboulle 2009.
    """
    with warnings.catch_warnings():  # imported here: it takes as long as JAX itself, and only this method needs it
        warnings.filterwarnings("ignore", message="JAXopt is no longer maintained", category=DeprecationWarning)
        import jaxopt

    # In units where ‖G‖₂ = 1 and max c = 1 in each column the step size 1 is the explicit 1/‖G‖₂ (jaxopt's line search
    # stalls near 5e-8) and jaxopt's absolute tolerance is a relative one. Where no c is positive the solution is 0.
    norm, largest = jnp.linalg.norm(G, 2), jnp.max(project_nonnegative(C), axis=0, keepdims=True)
    G, C, unit = divide(G, norm), divide(C, largest), divide(largest, norm)
    tolerance = 100 * float(jnp.finfo(C.dtype).eps)
    solver = jaxopt.ProjectedGradient(
        fun=lambda H, G, C: 0.5 * jnp.vdot(H, G @ H) - jnp.vdot(C, H),
        projection=jaxopt.projection.projection_non_negative,
        stepsize=1.0,
        maxiter=max_iters,
        tol=tolerance,
        implicit_diff=False,
    )
    H = solver.run(divide(start, unit), G=G, C=C).params
    step = project_nonnegative(H - (G @ H - C)) - H
    solved = jnp.max(jnp.abs(step), axis=0) <= tolerance * (1 + jnp.max(H, axis=0))
    return unit * H, solved
