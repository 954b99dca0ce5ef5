"""`Momentum`: multiplicative updates from extrapolated points."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from jnmf.algorithm import Combinator
from jnmf.algorithms import MU
from jnmf.factors import Factors
from jnmf.numerics import divide
from jnmf.pytree import positional


class MomentumState(NamedTuple):
    """The state of the wrapped method, the factors before those it holds, and Nesterov's sequence t."""

    inner: Any
    previous: Factors
    t: Array

    @property
    def factors(self) -> Factors:
        return self.inner.factors


class Momentum(Combinator):
    """Multiplicative updates, each started ahead of the last one by Nesterov's weights.

    algorithm: MU with β in [1, 2]. The half-step in H, and that in W after it, start at `ahead_of(H, H_previous, w)`
        with w = (t_{k−1} − 1)/t_k, t_k = ½(1 + √(1 + 4 t_{k−1}²)). No objective is needed; it may rise in between.

    Hien, Leplat and Gillis 2024 (BMMe) extrapolate increases alone: of MU's iterations to the same divergence that
    needs a half to three quarters, this a quarter to four fifths (docs/speed.md). Their further bound on w, which has
    the unit of the factors, is left out. An iteration costs what one of MU does.

    Raises ValueError for another algorithm, and for another β, where the majoriser does not allow it.
    """

    algorithm: Any = positional(kw_only=False)

    def __post_init__(self):
        if not isinstance(self.algorithm, MU):
            raise ValueError(
                f"Momentum(…): expected MU, got {self.algorithm!r}; Extrapolated(…) speeds up Frobenius methods"
            )
        if not self.algorithm.loss.convex:
            raise ValueError(
                "Momentum(MU(…)): expected a convex loss, beta from 1 to 2, where the majoriser allows it, "
                f"got {self.algorithm!r}; use MU itself"
            )

    def init(self, X, factors):
        return MomentumState(self.algorithm.init(X, factors), factors, jnp.ones((), factors.W.dtype))

    def step(self, X, s):
        t = 0.5 * (1 + jnp.sqrt(1 + 4 * s.t**2))
        w, now = (s.t - 1) / t, s.factors
        ahead = Factors(*(ahead_of(A, old, w) for A, old in zip(now, s.previous, strict=True)))
        inner, info = self.algorithm.step(X, s.inner, ahead)
        return MomentumState(inner, now, t), info


def ahead_of(A, old, w):
    """Where an entry rose, A + w (A − old); where it fell, the same of the reciprocals, 1 / (1/A + w (1/A − 1/old)).

    For 0 ≤ w ≤ 1 the second stays above A/2, so that a multiplicative update can go on from there, and agrees with the
    first to first order: `proofs.extrapolation_by_reciprocals`.
    """
    rise = A - old
    return jnp.where(rise < 0, A * divide(old, old - w * rise), A + w * rise)
