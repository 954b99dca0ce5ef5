"""`Momentum`: multiplicative updates from extrapolated points."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from jnmf.algorithm import Combinator, Info, advice, wrapped
from jnmf.algorithms import MU
from jnmf.extrapolated import Extrapolated
from jnmf.factors import Factors
from jnmf.numerics import divide, unit_of
from jnmf.pytree import positional
from jnmf.types import Matrix, Number


class MomentumState(NamedTuple):
    """The state of the wrapped method, the factors before those it holds, Nesterov's t, and how many there were."""

    inner: Any
    previous: Factors
    t: Array
    num_iters: Array

    @property
    def factors(self) -> Factors:
        return self.inner.factors


class Momentum(Combinator):
    """Multiplicative updates, each started ahead of the last one by Nesterov's weights.

    algorithm: MU with β in [1, 2]. The half-step of iteration k in H, and that in W after it, start at
        `ahead_of(H, H_previous, w)` with w = (t_{k−1} − 1)/t_k, t_k = ½(1 + √(1 + 4 t_{k−1}²)), t_0 = 1. No objective
        is needed; it may rise in between.
    bound, power: c and q in w ≤ c k^{−q/2} ‖H‖/‖H − H_previous‖, and the same for W. No start is then further ahead
        than c k^{−q/2} ‖H‖: for bounded factors and q > 1 the squares of all these moves have a finite sum
        (`proofs.extrapolation_by_reciprocals`), which the paper's proof of convergence asks for. The default is never
        reached; nor was c = 1 within 400 iterations on the CBCL faces, where c = 0.1 doubles their number to a given
        divergence and c = 0 is MU.

    Hien, Leplat and Gillis 2024 (BMMe) extrapolate only increases. To the same divergence theirs takes a half to three
    quarters of MU's iterations, this a quarter to four fifths (docs/speed.md). Their c has the unit of a factor,
    since it stands without the ‖H‖. An iteration costs what one of MU does, for β = 2 two products with X.

    Raises ValueError for another algorithm, for another β, where the majoriser does not allow it, and for q ≤ 1.

    >>> jnmf.fit(X, 2, jnmf.Momentum(jnmf.MU(beta=1.0)), max_iters=50).H.shape
    (2, 4)
    """

    algorithm: MU = positional(kw_only=False)
    bound: Number = 1e30
    power: Number = 1.5

    def __post_init__(self):
        inner = self.algorithm
        wrapped(inner, Momentum)
        if not isinstance(inner, MU):
            hint = advice(lambda: Momentum(inner.algorithm), lambda: Extrapolated(inner))
            raise ValueError(f"Momentum(…): expected MU, got {inner!r}; {hint}")
        if not inner.loss.convex:
            raise ValueError(
                "Momentum(MU(…)): expected a convex loss, beta from 1 to 2, where the majoriser allows it, "
                f"got {inner!r}; use it as it is"
            )
        if isinstance(self.power, int | float) and not self.power > 1:
            raise ValueError(f"Momentum(power=…): expected a number above 1, got {self.power!r}; the default is 1.5")

    def is_late(self, X: Matrix) -> bool:
        return self.algorithm.is_late(X)

    def init(self, X: Matrix, factors: Factors) -> MomentumState:
        one = jnp.ones((), factors.W.dtype)
        return MomentumState(self.algorithm.init(X, factors), factors, one, 0 * one)

    def step(self, X: Matrix, s: MomentumState) -> tuple[MomentumState, Info]:
        t, k = 0.5 * (1 + jnp.sqrt(1 + 4 * s.t**2)), s.num_iters + 1
        w, most, now = (s.t - 1) / t, self.bound * k ** (-self.power / 2), s.factors
        ahead = Factors(*(ahead_of(A, B, bounded(w, A, B, most)) for A, B in zip(now, s.previous, strict=True)))
        inner, info = self.algorithm.step(X, s.inner, ahead)
        return MomentumState(inner, now, t, k), info


def bounded(w, A, old, most):
    """The weight w, or the largest one with which `ahead_of` goes from A at most `most`·‖A‖ far, if that is less."""
    unit = unit_of(jnp.maximum(jnp.max(A), jnp.max(old)))  # squares may leave the range of the dtype
    size, move = jnp.linalg.norm(A / unit), jnp.linalg.norm((A - old) / unit)
    return jnp.minimum(w, most * divide(size, move))


def ahead_of(A, old, w):
    """Where an entry rose, A + w (A − old); where it fell, the same of the reciprocals, 1 / (1/A + w (1/A − 1/old)).

    For 0 ≤ w ≤ 1 the second stays above A/2, so that a multiplicative update can go on from there, and agrees with the
    first to first order: `proofs.extrapolation_by_reciprocals`.
    """
    rise = A - old
    return jnp.where(rise < 0, A * divide(old, old - w * rise), A + w * rise)
