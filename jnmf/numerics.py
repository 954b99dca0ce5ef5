"""Numbers near the ends of their range."""

import jax.numpy as jnp


def unit_of(x):
    """A power of two, at most x and more than a half of it, for each x ≥ 0; 1 for 0. What is divided by it is exact."""
    return jnp.ldexp(jnp.ones_like(x), jnp.where(x > 0, jnp.frexp(x)[1] - 1, 0))
