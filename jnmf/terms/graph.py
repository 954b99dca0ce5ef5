"""Terms by which columns of H that are neighbours become alike, majorised at the current H."""

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from jnmf import matrix
from jnmf.pytree import positional
from jnmf.terms.term import Term, check_weight, per_row
from jnmf.types import AnyArray


class Graph(Term):
    """½ Σ_k λ_k H_k L H_kᵀ, L (n, n) a graph's Laplacian D − S: columns that S joins become alike.

    It is ¼ Σ_k λ_k Σ_ij S_ij (H_ki − H_kj)². Majorised at H with μ = max_i Σ_j |L_ij| ≥ ‖L‖₂ (Gershgorin), since μI − L
    is positive semidefinite: ΔG = μ diag(λ), ΔC = diag(λ) (μ H − H L). Cai, He, Han and Huang 2011 (GNMF), whose
    updates are multiplicative.

    L: symmetric and positive semidefinite, an array, or sparse as `jnmf.sparse(L)`. On W it is (m, m).

    >>> L = np.array([[1.0, -1.0], [-1.0, 1.0]])  # two columns that are neighbours
    >>> float(jnmf.terms.Graph(L, 2.0).value(np.array([[1.0, 3.0]])))
    4.0
    """

    L: Any = positional()
    weight: ArrayLike = positional()
    nonnegative_gram: ClassVar[bool] = True
    degree: ClassVar[int | None] = 2

    def __post_init__(self):
        if hasattr(self.L, "tocsr"):
            raise TypeError(
                f"Graph(L=…): expected an array or jnmf.sparse(L), got a {type(self.L).__name__}; write that"
            )

    def value(self, H):
        return 0.5 * jnp.sum(per_row(self.weight, H) * self.times(H) * H)

    def pair(self, H):
        weights = per_row(self.weight, H)
        most = self.most()
        return most * weights[:, 0], weights * (most * H - self.times(H))

    def gradient(self, H):
        return per_row(self.weight, H) * self.times(H)

    def rise(self, old, new):
        return 0.5 * jnp.sum(per_row(self.weight, old) * self.times(new - old) * (old + new))

    def times(self, H: AnyArray) -> Array:
        """H L."""
        return matrix.product(self.L, H.T, None)

    def most(self) -> Array:
        """μ, a scalar."""
        sizes = self.L.of_each(jnp.abs) if matrix.is_kind(self.L) else jnp.abs(self.L)
        return jnp.max(matrix.product(sizes, jnp.ones((sizes.shape[0], 1), sizes.dtype), None))

    def check(self, r, n):
        check_weight(self, r)
        shape = jnp.shape(self.L)
        if shape != (n, n):
            raise ValueError(f"Graph(L=…): expected a Laplacian {(n, n)}, one row for each column of H, got {shape}")
        if not matrix.is_kind(self.L) and not isinstance(self.L, Tracer):
            L = np.asarray(self.L)
            if not np.allclose(L, L.T, atol=1e-6 * np.abs(L).max()) or np.any(np.diag(L) < 0):
                raise ValueError("Graph(L=…): expected a symmetric Laplacian D − S, got a matrix that is not")


class Smooth(Term):
    """½ Σ_k λ_k Σ_j (H_k,j+1 − H_kj)²: rows of H that vary little from one column to the next, as in time.

    `Graph` of a path, whose ‖L‖₂ < 4: ΔG = 4 diag(λ), ΔC = diag(λ) (4 H − H L). As in Essid and Févotte 2013.

    >>> float(jnmf.terms.Smooth(2.0).value(np.array([[1.0, 3.0, 3.0]])))
    4.0
    """

    weight: ArrayLike = positional()
    nonnegative_gram: ClassVar[bool] = True
    degree: ClassVar[int | None] = 2

    def value(self, H):
        return 0.5 * jnp.sum(per_row(self.weight, H) * jnp.diff(H, axis=1) ** 2)

    def pair(self, H):
        weights = per_row(self.weight, H)
        return 4 * weights[:, 0], weights * (4 * H - _of_path(H))

    def gradient(self, H):
        return per_row(self.weight, H) * _of_path(H)

    def rise(self, old, new):
        return 0.5 * jnp.sum(per_row(self.weight, old) * jnp.diff(new - old, axis=1) * jnp.diff(old + new, axis=1))


def _of_path(H):
    """H L, L the Laplacian of a path: second differences, first ones at the ends."""
    steps = jnp.diff(H, axis=1)
    return jnp.pad(steps, ((0, 0), (1, 0))) - jnp.pad(steps, ((0, 0), (0, 1)))
