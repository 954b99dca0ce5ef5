"""Quadratic terms: their pair does not depend on H, and they are equal to their quadratic."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax.typing import ArrayLike

from jnmf.pytree import positional
from jnmf.terms.term import Term, check_numbers, check_rows, check_scalar, check_weight, per_row
from jnmf.types import Number


class Quadratic(Term):
    """What these have in common, but where they say otherwise."""

    nonnegative_gram: ClassVar[bool] = True
    separable: ClassVar[bool] = True
    quadratic: ClassVar[bool] = True
    degree: ClassVar[int | None] = 2


class Ridge(Quadratic):
    """½ Σ_k λ_k ‖H_k‖²: ΔG = diag(λ). `l2_H` is the short way to write it with one λ for all components.

    >>> float(jnmf.terms.Ridge(0.5).value(2 * np.ones((2, 3))))
    6.0
    """

    weight: ArrayLike = positional()

    def value(self, H):
        return 0.5 * jnp.sum(per_row(self.weight, H) * H * H)

    def pair(self, H):
        return per_row(self.weight, H)[:, 0], 0.0


class Lasso(Quadratic):
    """Σ_k λ_k Σ_j H_kj: ΔC = −λ. `l1_H` is the short way to write it with one λ for all components. Hoyer 2002.

    >>> float(jnmf.terms.Lasso([0.5, 1.0]).value(2 * np.ones((2, 3))))
    9.0
    """

    weight: ArrayLike = positional()
    degree: ClassVar[int | None] = 1

    def value(self, H):
        return jnp.sum(per_row(self.weight, H) * H)

    def pair(self, H):
        return jnp.zeros(len(H), H.dtype), -per_row(self.weight, H)


class Target(Quadratic):
    """½ Σ_k λ_k ‖H_k − A_k‖² over the rows of A (k ≤ r, n), which pull the first k components: ΔG = diag(λ), ΔC = λ A.

    On W, A (m, k) is given as columns. For components that should be near known ones, not equal to them (`Known`).

    >>> float(jnmf.terms.Target(np.ones((1, 3)), 2.0).value(2 * np.ones((2, 3))))
    3.0
    """

    A: Any = positional()
    weight: ArrayLike = positional()
    separable: ClassVar[bool] = False
    lengths: ClassVar[Any] = {"A": 1}

    @property
    def T(self) -> "Target":
        return Target(jnp.swapaxes(self.A, -1, -2), self.weight)

    def value(self, H):
        R = H[: len(self.A)] - self.A
        return 0.5 * jnp.sum(per_row(self.weight, R) * R * R)

    def pair(self, H):
        weights = per_row(self.weight, self.A).astype(H.dtype)
        rest = len(H) - len(self.A)
        return jnp.pad(weights[:, 0], (0, rest)), jnp.pad(weights * self.A, ((0, rest), (0, 0)))

    def check(self, r, n):
        check_rows(self, self.A, r, n)
        check_numbers(self, "A", negative=True)
        check_weight(self, len(self.A))


class SumToOne(Quadratic):
    """½ λ Σ_j (Σ_k H_kj − s)²: the sums over components, of columns of H or rows of W, are pulled to s, by default 1.

    ΔG = λ 11ᵀ, ΔC = λ s. Heinz and Chang 2001, who put a row of ones beneath δW and δX, which is λ = 1/δ². A penalty:
    the sums are near s, the nearer the larger λ is compared with the squares of W. `Simplex` is the hard constraint.

    >>> float(jnmf.terms.SumToOne(2.0).value(0.5 * np.ones((2, 3))))
    0.0
    """

    weight: ArrayLike = positional()
    total: Number = 1.0
    lengths: ClassVar[Any] = {"total": 1}

    def value(self, H):
        return 0.5 * self.weight * jnp.sum((jnp.sum(H, axis=0) - self.total) ** 2)

    def pair(self, H):
        ones = jnp.ones((len(H), len(H)), H.dtype)
        return self.weight * ones, self.weight * self.total * ones[:, :1]

    def check(self, r, n):
        check_scalar(self, "weight")
        check_scalar(self, "total")


class ColumnL1(Quadratic):
    """½ λ Σ_j (Σ_k H_kj)²: sparse columns, of H ≥ 0 each with few components. ΔG = λ 11ᵀ.

    H. Kim and Park 2007, eq. 3 (SNMF/R), who write β for it.

    >>> float(jnmf.terms.ColumnL1(2.0).value(np.ones((2, 3))))
    12.0
    """

    weight: ArrayLike = positional()

    def value(self, H):
        return 0.5 * self.weight * jnp.sum(jnp.sum(H, axis=0) ** 2)

    def pair(self, H):
        return self.weight * jnp.ones((len(H), len(H)), H.dtype), 0.0

    def check(self, r, n):
        check_scalar(self, "weight")
