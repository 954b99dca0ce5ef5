"""What a term is."""

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from jnmf.pytree import Pytree
from jnmf.types import AnyArray


class Term(Pytree):
    """A term T(H) of the objective: its value, and the pair (ΔG, ΔC) that it adds to the half-problem in H.

        T(H⁺) ≤ T(H) + [½⟨H⁺, ΔG H⁺⟩ − ⟨ΔC, H⁺⟩] − [½⟨H, ΔG H⟩ − ⟨ΔC, H⟩]   for all H⁺ ≥ 0, and ∇T(H) = ΔG H − ΔC,

    so that whatever lowers the quadratic of G + ΔG and C + ΔC lowers the objective. Of a quadratic T the two are equal.
    H (r, n); for a term on W it is Wᵀ. A subclass says what holds, by default as little as can be:

        class Decorrelation(terms.Term):
            weight: float = 1.0
            convex = False

            def value(self, H):
                return 0.5 * self.weight * (jnp.sum(jnp.sum(H, axis=0) ** 2) - jnp.sum(H * H))

            def pair(self, H):
                return self.weight * (1 - jnp.eye(len(H), dtype=H.dtype)), 0.0

    A component that is zero in W and in H is there for the padding of a sweep: what a pair has for it is left out, so
    that nothing wakes it; it must add nothing to the value.
    """

    convex: ClassVar[bool] = True  # ΔG is positive semidefinite
    nonnegative_gram: ClassVar[bool] = False  # ΔG ≥ 0 entry by entry, as multiplicative updates need it
    separable: ClassVar[bool] = False  # the pair is the same for each column of H, whatever the others are
    quadratic: ClassVar[bool] = False  # the pair is the same for every H
    degree: ClassVar[int | None] = None  # value(c H) = c^degree value(H), with `lengths` in the unit of H too; or None
    lengths: ClassVar[Any] = {}  # field: the power of the unit of H that it has

    def value(self, H: AnyArray) -> Array:
        """T(H), a scalar."""
        raise NotImplementedError(f"{type(self).__name__} needs value(self, H) -> scalar")

    def pair(self, H: AnyArray) -> tuple[Array, Array | float]:
        """ΔG (r, r), or its diagonal (r,); ΔC (r, n), (r, 1) or 0."""
        raise NotImplementedError(f"{type(self).__name__} needs pair(self, H) -> (ΔG, ΔC)")

    def gradient(self, H: AnyArray) -> Array:
        """∇T(H) = ΔG H − ΔC."""
        G, C = self.pair(H)
        return (G @ H if jnp.ndim(G) == 2 else G[:, None] * H) - C

    def rise(self, old: AnyArray, new: AnyArray) -> Array:
        """T(new) − T(old); of a quadratic its gradient halfway times the move, with which the rounding vanishes."""
        if not self.quadratic:
            return self.value(new) - self.value(old)
        return jnp.sum(self.gradient(0.5 * (old + new)) * (new - old))

    @property
    def T(self) -> "Term":
        """The same term of Hᵀ: what has the shape of the factor, transposed."""
        return self

    def check(self, r: int, n: int) -> None:
        """Raise ValueError unless it is a term of an (r, n) factor."""
        check_weight(self, r)


def check_weight(term, r: int, name: str = "weight") -> None:
    """A number, or one for each component, none of them negative."""
    shape = jnp.shape(getattr(term, name, 0.0))
    if shape not in ((), (r,)):
        raise ValueError(
            f"{type(term).__name__}({name}=…): expected a number or one for each of {r} components, got shape {shape}"
        )
    check_numbers(term, name)


def check_scalar(term, name: str) -> None:
    shape = jnp.shape(getattr(term, name))
    if shape != ():
        raise ValueError(f"{type(term).__name__}({name}=…): expected a number, got shape {shape}")
    check_numbers(term, name)


def check_numbers(term, name: str, *, negative: bool = False) -> None:
    """Finite and, but for what may be negative, not below 0, where there are values."""
    value = getattr(term, name, 0.0)
    if isinstance(value, Tracer):
        return
    A = np.asarray(value)
    if not np.all(np.isfinite(A)) or not (negative or np.all(A >= 0)):
        wanted = "finite numbers" if negative else "finite numbers of at least 0"
        bad = A[~np.isfinite(A) | (A < 0)].flat[0]
        raise ValueError(f"{type(term).__name__}({name}=…): expected {wanted}, got {bad}")


def check_rows(term, A, r: int, n: int) -> None:
    """That A has the length of the rows, and at most as many as there are components."""
    shape, name = jnp.shape(A), type(term).__name__
    if len(shape) != 2 or not 1 <= shape[0] <= r or shape[1] != n:
        hint = "did you pass its transpose?" if shape == (n, r) else "on W it has columns like those of W"
        raise ValueError(
            f"{name}(A=…): expected at most {r} components of length {n}, as rows (k, {n}) on H or columns ({n}, k) on "
            f"W, got (in the shape of H) {shape}; {hint}"
        )


def per_row(weight, H):
    """A number, or one for each component, as (r, 1)."""
    return jnp.broadcast_to(jnp.asarray(weight, H.dtype), (len(H),))[:, None]
