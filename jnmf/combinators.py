"""Combinators: an algorithm made faster. `Accelerated` repeats cheap half-steps, `Extrapolated` looks ahead.

Each wraps an algorithm and is one: it has the same objective and the three methods of `jnmf.algorithms`.
`Extrapolated(Accelerated(HALS()))` composes both.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from jnmf import multiplicative
from jnmf.algorithms import ALS, MU, Frobenius, Info, alternate, residual_info, ridge
from jnmf.factors import Factors, project_nonnegative
from jnmf.losses import divide
from jnmf.masked import Masked, product, square
from jnmf.objective import penalty, positional, projected_gradient_norm, pytree, static, with_penalty


class Combinator:
    """The objective of the wrapped algorithm."""

    algorithm: Any
    beta = property(lambda self: self.algorithm.beta)
    l1_W = property(lambda self: self.algorithm.l1_W)
    l1_H = property(lambda self: self.algorithm.l1_H)
    l2_W = property(lambda self: self.algorithm.l2_W)
    l2_H = property(lambda self: self.algorithm.l2_H)
    nonnegative_data = property(lambda self: self.algorithm.nonnegative_data)


@pytree
class Accelerated(Combinator):
    """Repeat each half-step while it is cheap beside the products with X that it shares, and while it still helps.

    algorithm: HALS(), MU(), PGD(): a Frobenius method whose half-step is short of the exact minimiser. Forming
        G and C costs ρ = m (n + r) / (n r) half-steps in H (and n (m + r) / (m r) in W): there are at most
        1 + effort·ρ of them. They end when one moves the factor by at most `tol` times what the first did.

    Gillis and Glineur 2012, algorithm 4, with counts of operations in the place of times, so that the result does not
    depend on the clock. r is the number of components that are not zero. The objective descends as with `algorithm`.
    No derivative in reverse passes through it.
    """

    algorithm: Any = positional(kw_only=False)
    effort: float = static(0.5)
    tol: Any = 0.1

    def __post_init__(self):
        if not isinstance(self.algorithm, Frobenius) or isinstance(self.algorithm, ALS) or self.algorithm.beta != 2:
            raise ValueError(
                f"Accelerated(…): expected a Frobenius method that improves its factor step by step, such as HALS(), "
                f"got {self.algorithm!r}; use Extrapolated for other divergences"
            )

    def init(self, X, factors):
        return Frobenius.init(self, X, factors)  # pyright: ignore[reportArgumentType]

    def step(self, X, state):
        return alternate(X, state, self)

    def factors(self, state):
        return Frobenius.factors(self, state)  # pyright: ignore[reportArgumentType]

    def solvers(self, shape):
        m, n = shape
        return self._repeated(m, n), self._repeated(n, m)

    def _repeated(self, m, n):
        """The solver for a factor (r, n) whose G and C are formed from m rows."""

        def solve(H, G, C):
            r = jnp.maximum(jnp.sum(jnp.diag(G) > 0), 1)
            repeats = self.effort * m * (n + r) / (n * r)

            def once(carry):
                H, k, _, first_move = carry
                new = self.algorithm.solve(H, G, C)
                move = jnp.linalg.norm(new - H)
                return new, k + 1, move, jnp.where(k == 0, move, first_move)

            def helps(carry):
                _, k, move, first_move = carry
                return (k == 0) | ((k <= repeats) & (move > self.tol * first_move))

            none = jnp.zeros((), H.dtype)
            return lax.while_loop(helps, once, (H, 0, none, none))[0]

        return solve


class ExtrapolatedState(NamedTuple):
    """The best factors so far and the points that the next half-steps start from. H is both.

    HXt and WtX are products with the best factors, `start_WtX` that with `start_Wt`.
    """

    Wt: Array
    H: Array
    previous_H: Array  # H before it was extrapolated
    start_Wt: Array  # Wᵀ after it was extrapolated
    HXt: Array
    WtX: Array
    start_WtX: Array
    half_square: Array
    loss: Array
    weight: Array
    cap: Array


class MomentumState(NamedTuple):
    """The last two iterates, and Nesterov's sequence t."""

    factors: Factors
    previous: Factors
    t: Array


@pytree
class Extrapolated(Combinator):
    """Start each half-step ahead of where the last one ended, in the direction in which it moved.

    algorithm: HALS, PGD, ANLS or Accelerated of one: after each half-step H̄ = [H⁺ + w (H⁺ − H)]₊ and
        W̄ = W⁺ + w (W⁺ − W). An iteration that raises the objective is dropped: the next one starts from the best
        factors, with w divided by `decay`. Else w grows by `growth` up to a cap, which itself grows by `cap_growth` up
        to 1. The factors are the best so far: their objective never rises, but for the rounding of a loss from the Gram
        matrices, eps·½‖X‖². Ang and Gillis 2019, algorithm 3. An iteration costs what one of `algorithm` does.
    algorithm: MU with β in [1, 2]: the half-step in H, and that in W after it, start at `ahead_of(H, H_previous, w)`
        with Nesterov's weights w = (t_{k−1} − 1)/t_k. No objective is needed; it may rise in between. Hien, Leplat and
        Gillis 2024 (BMMe) extrapolate increases alone: of MU's iterations to the same divergence that needs a half to
        three quarters, this a quarter to four fifths (docs/speed.md). Their further bound on w, which has the unit of
        the factors, is left out.
    weight: w at the start, for the first kind.

    Raises ValueError for ALS, which does not descend, and for MU with another β.
    """

    algorithm: Any = positional(kw_only=False)
    weight: Any = 0.5
    growth: Any = 1.01
    cap_growth: Any = 1.005
    decay: Any = 1.5

    def __post_init__(self):
        if isinstance(self.algorithm, (ALS, Extrapolated)) or not hasattr(self.algorithm, "solvers"):
            raise ValueError(f"Extrapolated(…): expected HALS, PGD, ANLS, MU or Accelerated, got {self.algorithm!r}")
        if isinstance(self.algorithm, MU) and not 1 <= self.algorithm.beta <= 2:
            raise ValueError(
                f"Extrapolated(MU(beta=…)): expected beta from 1 to 2, where the majoriser allows it, "
                f"got {self.algorithm.beta!r}; use MU itself"
            )

    def init(self, X, factors):
        W, H = factors
        if isinstance(self.algorithm, MU):
            return MomentumState(factors, factors, jnp.ones((), W.dtype))
        WtX, one = product(X, W, H), jnp.ones((), W.dtype)
        return ExtrapolatedState(
            W.T, H, H, W.T, product(X.T, H.T, W.T), WtX, WtX, 0.5 * square(X), jnp.inf * one, self.weight * one, one
        )

    def factors(self, state):
        return state.factors if isinstance(state, MomentumState) else Factors(state.Wt.T, state.H)

    def step(self, X, state):
        return self._momentum(X, state) if isinstance(self.algorithm, MU) else self._extrapolated(X, state)

    def _extrapolated(self, X, s):
        solve_H, solve_W = self.algorithm.solvers(X.shape)
        H = solve_H(s.H, ridge(s.start_Wt @ s.start_Wt.T, self.l2_H), s.start_WtX - self.l1_H)
        ahead_H = project_nonnegative(H + s.weight * (H - s.previous_H))
        HXt, HHt = product(X.T, ahead_H.T, s.start_Wt), ahead_H @ ahead_H.T
        Wt = solve_W(s.start_Wt, ridge(HHt, self.l2_W), HXt - self.l1_W)
        ahead_Wt = Wt + s.weight * (Wt - s.Wt)
        WtX = product(X, Wt.T, ahead_H)
        ahead_WtX = WtX + s.weight * (WtX - s.WtX)  # the product with ahead_Wt, for nothing
        if isinstance(X, Masked):
            loss = residual_info(X, Factors(Wt.T, ahead_H), self).loss
        else:
            loss = s.half_square - jnp.vdot(HXt, Wt) + 0.5 * jnp.vdot(Wt @ Wt.T, HHt)
            loss = jnp.maximum(loss, 0) + penalty(Factors(Wt.T, ahead_H), self)

        # Below its rounding a rise is not seen; the least loss stays the measure, so that such rises do not add up.
        eps = jnp.finfo(loss.dtype).eps
        accepted = loss <= s.loss + eps * s.half_square
        loss = jnp.minimum(loss, s.loss)
        moved = accepted | (s.weight**2 < eps)  # with no weight left it was a plain step, and the fit has settled
        ahead = ExtrapolatedState(
            Wt, ahead_H, H, ahead_Wt, HXt, WtX, ahead_WtX, s.half_square, loss,
            jnp.minimum(s.cap, self.growth * s.weight), jnp.minimum(1, self.cap_growth * s.cap),
        )  # fmt: skip
        back = s._replace(previous_H=s.H, start_Wt=s.Wt, start_WtX=s.WtX, weight=s.weight / self.decay, cap=s.weight)
        new = lax.cond(accepted, lambda: ahead, lambda: back)
        if isinstance(X, Masked):  # what is imputed depends on where the next half-step starts
            new = new._replace(start_WtX=product(X, new.start_Wt.T, new.H))
            return new, residual_info(X, self.factors(new), self)._replace(moved=moved)
        factors, W, H = self.factors(new), new.Wt, new.H
        gradients = with_penalty(Factors((H @ H.T @ W - new.HXt).T, W @ W.T @ H - new.WtX), factors, self)
        return new, Info(new.loss, projected_gradient_norm(factors, gradients), moved)

    def _momentum(self, X, s):
        t = 0.5 * (1 + jnp.sqrt(1 + 4 * s.t**2))
        w = (s.t - 1) / t
        ahead = Factors(*(ahead_of(A, old, w) for A, old in zip(s.factors, s.previous, strict=True)))
        H = multiplicative.half_step(X, s.factors.W, ahead.H, self.beta, self.l1_H, self.l2_H)
        W = multiplicative.half_step_W(X, ahead.W, H, self.beta, self.l1_W, self.l2_W)
        factors = Factors(W, H)
        return MomentumState(factors, s.factors, t), residual_info(X, factors, self)


def ahead_of(A, old, w):
    """Where an entry rose, A + w (A − old); where it fell, the same of the reciprocals, 1 / (1/A + w (1/A − 1/old)).

    For 0 ≤ w ≤ 1 the second stays above A/2, so that a multiplicative update can go on from there, and agrees with the
    first to first order: `proofs.extrapolation_by_reciprocals`.
    """
    rise = A - old
    return jnp.where(rise < 0, A * divide(old, old - w * rise), A + w * rise)
