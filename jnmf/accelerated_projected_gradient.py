"""Nonnegative least squares in Gram form by accelerated projected gradient (FISTA), from jaxopt."""

import warnings

import jax.numpy as jnp

from jnmf.losses import divide


def search(start, G, C, max_iters: int = 2000):
    """The minimiser of ½⟨H, G H⟩ − ⟨C, H⟩ over H ≥ 0; G (r, r) with diagonal 1 (or 0), C (r, n), start (r, n) ≥ 0.

    Stops when a step is below 100·eps of the problem's scale, or after `max_iters` steps. Beck and Teboulle 2009.
    """
    with warnings.catch_warnings():  # imported here: it takes as long as JAX itself, and only this method needs it
        warnings.filterwarnings("ignore", message="JAXopt is no longer maintained", category=DeprecationWarning)
        import jaxopt

    # In units where ‖G‖₂ = 1 and max |C| = 1 the step size 1 is the explicit 1/‖G‖₂ (jaxopt's line search stalls near
    # 5e-8) and jaxopt's absolute tolerance is a relative one.
    norm, largest = jnp.linalg.norm(G, 2), jnp.max(jnp.abs(C))
    unit = divide(largest, norm)
    solver = jaxopt.ProjectedGradient(
        fun=lambda H, G, C: 0.5 * jnp.vdot(H, G @ H) - jnp.vdot(C, H),
        projection=jaxopt.projection.projection_non_negative,
        stepsize=1.0,
        maxiter=max_iters,
        tol=100 * float(jnp.finfo(C.dtype).eps),
        implicit_diff=False,
    )
    return unit * solver.run(divide(start, unit), G=divide(G, norm), C=divide(C, largest)).params
