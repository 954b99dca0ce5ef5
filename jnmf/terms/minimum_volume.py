"""The term for components that span little volume."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax.scipy.linalg import cho_factor, cho_solve

from jnmf.pytree import positional
from jnmf.terms.term import Term, check_scalar


class MinimumVolume(Term):
    """½ λ log det(I + H Hᵀ/δ): the components, rows of H or columns of W, span little volume.

    It is ½ λ [log det(H Hᵀ + δI) − r log δ], so that a zero component adds nothing. The logarithm lies below its
    tangent, log det Y ≤ log det Ȳ + tr Ȳ⁻¹(Y − Ȳ): with Ȳ = H Hᵀ + δI at the current H, ΔG = λ Ȳ⁻¹, ΔC = 0. With the
    rows of W (columns of H) summing to one (`SumToOne`, `Simplex`), without which shrinking one factor and growing the
    other would do, it is identifiable where plain NMF is not. Leplat, Ang and Gillis 2019; Fu, Huang and others 2016.

    delta: in the unit of H², small beside the squares of the components, and so is what it forgets of their volume.
    """

    weight: Any = positional()
    delta: Any = 0.1
    degree: ClassVar[int | None] = 0
    lengths: ClassVar[Any] = {"delta": 2}

    def value(self, H):
        return 0.5 * self.weight * jnp.linalg.slogdet(self._gram(H) / self.delta)[1]

    def pair(self, H):
        identity = jnp.eye(len(H), dtype=H.dtype)
        return self.weight * cho_solve(cho_factor(self._gram(H)), identity), 0.0

    def _gram(self, H):
        return H @ H.T + self.delta * jnp.eye(len(H), dtype=H.dtype)

    def check(self, r, n):
        check_scalar(self, "weight")
        check_scalar(self, "delta")
