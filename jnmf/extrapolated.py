"""`Extrapolated`: each half-step starts ahead of where the last one ended."""

from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from jnmf import solvers
from jnmf.algorithm import OWN, Combinator, Info, gram_info, half_steps_of, residual_info, wrapped
from jnmf.factors import Factors
from jnmf.matrix import is_completed, product, products, square
from jnmf.objective import rise
from jnmf.pytree import positional
from jnmf.solvers import ridge
from jnmf.terms import together
from jnmf.types import Matrix, Number


class ExtrapolatedState(NamedTuple):
    """The best factors so far and the points that the next half-steps start from. H is both.

    WtW, HHt, HXt and WtX are products of the best factors, `start_WtX` is that with `start_Wt`. These and half_square
    are None where X is completed, since no product outlives the factors there.
    """

    Wt: Array
    H: Array
    previous_H: Array  # H before it was extrapolated
    start_Wt: Array  # Wᵀ after it was extrapolated
    weight: Array
    cap: Array
    WtW: Any = None
    HHt: Any = None
    HXt: Any = None
    WtX: Any = None
    start_WtX: Any = None
    half_square: Any = None

    @property
    def factors(self) -> Factors:
        return Factors(self.Wt.T, self.H)


class Extrapolated(Combinator):
    """Start each half-step ahead of where the last one ended, in the direction in which it moved.

    algorithm: HALS, PGD, ANLS, or Accelerated of one: a Frobenius method that descends. After each half-step
        H̄ = [H⁺ + w (H⁺ − H)]₊ and W̄ = W⁺ + w (W⁺ − W). An iteration that raises the objective is dropped: the next
        one starts from the best factors, with w divided by `decay`. Else w grows by `growth` up to a cap, which itself
        grows by `cap_growth` up to 1. An iteration costs what one of `algorithm` does.
    weight: w at the start.

    The factors are the best so far: their objective never rises. Whether an iteration raised it is decided by the exact
    difference between its two ends (`solvers.difference`, `objective.rise` for a masked X), whose rounding vanishes
    with the step; two losses from the Gram matrices are each off by eps·½‖X‖², and near an exact fit in float32 their
    difference is noise. Ang and Gillis 2019, algorithm 3.

    Raises ValueError for a method that does not declare that it descends (ALS, PGD with a given step size), and for one
    that needs a nonnegative Gram matrix (MU): that of W̄ can have negative entries.

    >>> jnmf.fit(X, 2, jnmf.Extrapolated(jnmf.Accelerated(jnmf.HALS()))).status.name  # the default
    'CONVERGED'
    """

    algorithm: Any = positional(kw_only=False)
    weight: Number = 0.5
    growth: Number = 1.01
    cap_growth: Number = 1.005
    decay: Number = 1.5

    def __post_init__(self):
        inner = self.algorithm
        wrapped(inner, Extrapolated)
        if not hasattr(inner, "half_steps"):
            raise ValueError(
                f"Extrapolated(…): expected HALS, PGD, ANLS or Accelerated of one, got {inner!r}; use it as it is"
            )
        if inner.nonnegative_gram:
            plain = getattr(inner, "algorithm", inner)
            hint = f"write Momentum({plain!r})" if plain.loss.convex else f"use {plain!r} as it is"
            raise ValueError(
                f"Extrapolated(…): {inner!r} needs Gram matrices without negative entries, which those of an "
                f"extrapolated W need not be; {hint}"
            )
        if not inner.descends:
            raise ValueError(
                f"Extrapolated(…): expected a method whose half-step never raises the objective, which {inner!r} does "
                f"not declare; use HALS(), PGD() or ANLS(); {OWN}"
            )

    def init(self, X: Matrix, factors: Factors) -> ExtrapolatedState:
        W, H = factors
        one = jnp.ones((), W.dtype)
        start = ExtrapolatedState(W.T, H, H, W.T, one * self.weight, one)
        if is_completed(X):
            return start
        WtX = product(X, W, H)
        return start._replace(
            WtW=W.T @ W, HHt=H @ H.T, HXt=product(X.T, H.T, W.T), WtX=WtX, start_WtX=WtX, half_square=0.5 * square(X)
        )

    def step(self, X: Matrix, s: ExtrapolatedState) -> tuple[ExtrapolatedState, Info]:
        if is_completed(X):
            return self._completed_step(X, s)
        half_step_H, half_step_W = self.algorithm.half_steps(X)
        within_H, within_Wt = self._sets()
        H = within_H(half_step_H(s.H, s.start_Wt @ s.start_Wt.T, s.start_WtX, self.l1_H, self.l2_H))
        ahead_H = within_H(_ahead(H, s.previous_H, s))
        HHt = ahead_H @ ahead_H.T
        update = lambda Wt, HXt: within_Wt(half_step_W(Wt, HHt, HXt, self.l1_W, self.l2_W))
        separable = self.separable and together.separable(self.on_W)
        HXt, Wt, WtX = products(X, s.start_Wt, ahead_H, update, separable)
        WtW = Wt @ Wt.T
        start_WtX = _ahead(WtX, s.WtX, s)  # the product with the next start_Wt, at no cost

        # From (W, H) to (W, H̄), then to (W⁺, H̄).
        risen = solvers.difference(s.H, ahead_H, ridge(s.WtW, self.l2_H), s.WtX - self.l1_H)
        risen += solvers.difference(s.Wt, Wt, ridge(HHt, self.l2_W), HXt - self.l1_W)
        risen += together.rise(self.on_H, s.H, ahead_H) + together.rise(together.transposed(self.on_W), s.Wt, Wt)
        new, moved = self._kept(s, H, ahead_H, Wt, risen, WtW=WtW, HHt=HHt, HXt=HXt, WtX=WtX, start_WtX=start_WtX)
        info = gram_info(new.factors, new.HXt, new.HHt, new.WtX, new.WtW, new.half_square, self)
        return new, info._replace(moved=moved)

    def _sets(self):
        """The projections onto where H and Wᵀ may lie."""
        return partial(together.project, self.on_H), partial(together.project, together.transposed(self.on_W))

    def _completed_step(self, X, s):
        half_step_H, half_step_W = half_steps_of(X, self.algorithm)
        within_H, within_Wt = self._sets()
        H = within_H(half_step_H(s.start_Wt.T, s.H))
        ahead_H = within_H(_ahead(H, s.previous_H, s))
        Wt = within_Wt(half_step_W(s.start_Wt.T, ahead_H).T)
        risen = rise(X, s.factors, Factors(Wt.T, ahead_H), self)
        new, moved = self._kept(s, H, ahead_H, Wt, risen)
        return new, residual_info(X, new.factors, self)._replace(moved=moved)

    def _kept(self, s, H, ahead_H, Wt, risen, **of_X):
        """The next state, ahead or back, by how much the objective has risen; and whether that is a move."""
        accepted = ~(risen > 0)  # NaN too, so that a divergent run is seen
        moved = accepted | (s.weight**2 < jnp.finfo(risen.dtype).eps)  # without weight it was a plain step: settled
        weight, cap = jnp.minimum(s.cap, self.growth * s.weight), jnp.minimum(1, self.cap_growth * s.cap)
        ahead = ExtrapolatedState(Wt, ahead_H, H, _ahead(Wt, s.Wt, s), weight, cap, half_square=s.half_square, **of_X)
        back = s._replace(previous_H=s.H, start_Wt=s.Wt, start_WtX=s.WtX, weight=s.weight / self.decay, cap=s.weight)
        return lax.cond(accepted, lambda: ahead, lambda: back), moved


def _ahead(new, old, s):
    return new + s.weight * (new - old)
