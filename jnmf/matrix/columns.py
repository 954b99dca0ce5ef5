"""The columns of X as the half-steps by the weights see them (`jnmf.weighted`): the entries and weights of an array."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

NUMBERS = 2**22  # of the normal equations that are formed at a time


class Columns(NamedTuple):
    """x and m (n, m), a row for each of n columns of X.

    So what is summed lies side by side, else a sum takes 20 times as long.

    A kind with another layout of its entries, one number for each, has a class with these functions and registers
    `matrix.of_columns`.
    """

    x: Array
    m: Array

    def at(self, B, C):
        """B Cᵀ at the entries, for B (n, k) and C (m, k)."""
        return B @ C.T

    def sums(self, V, C):
        """V C (n, k), for a number V of each entry and C (m, k)."""
        return V @ C

    def spread(self, a):
        """At each entry the number a (n,) of its column."""
        return a[:, None]

    def most(self):
        """The largest weight of each column (n,)."""
        return jnp.max(self.m, axis=1)

    def of_grams(self, f, W, *arrays):
        """f(Wᵀ diag(m) W, *a) of each column, with its rows a of the arrays."""
        each = lambda m, *a: f((W * m[:, None]).T @ W, *a)
        at_a_time = max(1, NUMBERS // (W.size + W.shape[1] ** 2))
        return lax.map(lambda one: each(*one), (self.m, *arrays), batch_size=at_a_time)
