"""The term for components that span little volume."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import lax
from jax.core import Tracer
from jax.typing import ArrayLike

from jnmf.pytree import positional
from jnmf.terms.term import Term, check_scalar
from jnmf.types import Number


class MinimumVolume(Term):
    """½ λ log det(I + H Hᵀ/δ): the components, rows of H or columns of W, span little volume.

    It is ½ λ [log det(H Hᵀ + δI) − r log δ], so that a zero component adds nothing. The logarithm lies below its
    tangent, log det Y ≤ log det Ȳ + tr Ȳ⁻¹(Y − Ȳ): with Ȳ = H Hᵀ + δI at the current H, ΔG = λ Ȳ⁻¹, ΔC = 0. With the
    rows of W (columns of H) summing to one (`SumToOne`, `Simplex`), without which it would be enough to shrink one
    factor and grow the other, it is identifiable where plain NMF is not. Leplat, Ang and Gillis 2019; Fu, Huang and
    others 2016.

    delta: in the unit of H²; the smaller it is beside the squares of the components, the less of their volume is lost.

    >>> volume = jnmf.terms.MinimumVolume(1.0).value
    >>> bool(volume(jnp.array([[1.0, 1.0], [1.0, 1.0]])) < volume(jnp.eye(2)))
    True
    """

    weight: ArrayLike = positional()
    delta: Number = 0.1
    degree: ClassVar[int | None] = 0
    lengths: ClassVar[Any] = {"delta": 2}

    def value(self, H):
        return 0.5 * self.weight * self._swept(H)[1]

    def pair(self, H):
        return self.weight / self.delta * self._swept(H)[0], 0.0

    def _swept(self, H):
        return inverse_and_log_determinant(jnp.eye(len(H), dtype=H.dtype) + H @ H.T / self.delta)

    def check(self, r, n):
        check_scalar(self, "weight")
        check_scalar(self, "delta")
        if not isinstance(self.delta, Tracer) and not self.delta > 0:
            raise ValueError(f"MinimumVolume(delta=…): expected a number above 0, got {self.delta}")


def inverse_and_log_determinant(Y):
    """Y⁻¹ (r, r) and log det Y of a symmetric Y ≥ I, by a sweep on each pivot (Goodnight 1979).

    r updates of rank one, in a batch too: a call of LAPACK takes longer than all products of an iteration. The pivots
    are Schur complements of Y, and so at least 1; rounding alone could take them below.
    """

    def sweep(k, carry):
        Y, log_det = carry
        pivot = jnp.maximum(Y[k, k], 1)
        row = Y[k] / pivot
        Y = Y - Y[:, k, None] * row[None, :]
        Y = Y.at[k].set(row).at[:, k].set(row).at[k, k].set(-1 / pivot)
        return Y, log_det + jnp.log(pivot)

    Y, log_det = lax.fori_loop(0, len(Y), sweep, (Y, jnp.zeros((), Y.dtype)))
    return -Y, log_det
