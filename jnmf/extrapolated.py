"""`Extrapolated`: each half-step starts ahead of where the last one ended."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from jnmf import solvers
from jnmf.algorithm import OWN, Combinator, gram_info, residual_info, wrapped
from jnmf.factors import Factors
from jnmf.matrix import is_completed, product, products, square
from jnmf.numerics import project_nonnegative
from jnmf.objective import rise
from jnmf.pytree import positional
from jnmf.solvers import ridge


class ExtrapolatedState(NamedTuple):
    """The best factors so far and the points that the next half-steps start from. H is both.

    WtW, HXt and WtX are products of the best factors, `start_WtX` is that with `start_Wt`.
    """

    Wt: Array
    H: Array
    previous_H: Array  # H before it was extrapolated
    start_Wt: Array  # Wᵀ after it was extrapolated
    WtW: Array
    HXt: Array
    WtX: Array
    start_WtX: Array
    half_square: Array
    weight: Array
    cap: Array

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

    The factors are the best so far: their objective never rises. Whether an iteration raised it is told by the exact
    difference between its two ends (`solvers.difference`, `objective.rise` for a masked X), whose rounding vanishes
    with the step; two losses from the Gram matrices are each off by eps·½‖X‖², and near an exact fit in float32 their
    difference is chance. Ang and Gillis 2019, algorithm 3.

    Raises ValueError for a method that does not declare that it descends (ALS, PGD with a given step size), and for one
    that needs a nonnegative Gram matrix (MU): that of W̄ can have negative entries.
    """

    algorithm: Any = positional(kw_only=False)
    weight: Any = 0.5
    growth: Any = 1.01
    cap_growth: Any = 1.005
    decay: Any = 1.5

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

    def init(self, X, factors):
        W, H = factors
        WtX, one = product(X, W, H), jnp.ones((), W.dtype)
        return ExtrapolatedState(
            W.T, H, H, W.T, W.T @ W, product(X.T, H.T, W.T), WtX, WtX, 0.5 * square(X), self.weight * one, one
        )

    def step(self, X, s):
        half_step_H, half_step_W = self.algorithm.half_steps(X)
        H = project_nonnegative(half_step_H(s.H, s.start_Wt @ s.start_Wt.T, s.start_WtX, self.l1_H, self.l2_H))
        ahead_H = project_nonnegative(H + s.weight * (H - s.previous_H))
        HHt = ahead_H @ ahead_H.T
        update = lambda Wt, HXt: project_nonnegative(half_step_W(Wt, HHt, HXt, self.l1_W, self.l2_W))
        HXt, Wt, WtX = products(X, s.start_Wt, ahead_H, update, self.separable)
        ahead_Wt = Wt + s.weight * (Wt - s.Wt)
        WtW = Wt @ Wt.T
        ahead_WtX = WtX + s.weight * (WtX - s.WtX)  # the product with ahead_Wt, at no cost

        if is_completed(X):
            risen = rise(X, s.factors, Factors(Wt.T, ahead_H), self)
        else:  # from (W, H) to (W, H̄), then to (W⁺, H̄)
            risen = solvers.difference(s.H, ahead_H, ridge(s.WtW, self.l2_H), s.WtX - self.l1_H)
            risen += solvers.difference(s.Wt, Wt, ridge(HHt, self.l2_W), HXt - self.l1_W)
        accepted = ~(risen > 0)  # NaN too, so that a divergent run is seen
        moved = accepted | (s.weight**2 < jnp.finfo(risen.dtype).eps)  # without weight it was a plain step: settled

        ahead = ExtrapolatedState(
            Wt, ahead_H, H, ahead_Wt, WtW, HXt, WtX, ahead_WtX, s.half_square,
            jnp.minimum(s.cap, self.growth * s.weight), jnp.minimum(1, self.cap_growth * s.cap),
        )  # fmt: skip
        back = s._replace(previous_H=s.H, start_Wt=s.Wt, start_WtX=s.WtX, weight=s.weight / self.decay, cap=s.weight)
        new = lax.cond(accepted, lambda: ahead, lambda: back)
        if is_completed(X):  # what is imputed depends on where the next half-step starts
            new = new._replace(start_WtX=product(X, new.start_Wt.T, new.H))
            return new, residual_info(X, new.factors, self)._replace(moved=moved)
        info = gram_info(new.factors, new.HXt, new.H @ new.H.T, new.WtX, new.WtW, new.half_square, self)
        return new, info._replace(moved=moved)
