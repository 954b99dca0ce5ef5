"""The objective D(X, WH) + l1_W ΣW + l1_H ΣH + ½ l2_W ‖W‖² + ½ l2_H ‖H‖² + terms, its gradient and its optimality."""

from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jnmf import matrix
from jnmf.factors import Factors
from jnmf.losses.beta_divergence import frobenius
from jnmf.numerics import inner
from jnmf.pytree import Pytree
from jnmf.terms import together
from jnmf.terms.term import Term
from jnmf.types import Number


class Objective(Pytree):
    """Which objective: the loss, the penalties and `jnmf.terms`. An algorithm is an objective and a way to lower it."""

    loss: ClassVar[Any] = frobenius
    l1_W: Number = 0.0
    l1_H: Number = 0.0
    l2_W: Number = 0.0
    l2_H: Number = 0.0
    on_W: Term | Sequence[Term] = ()
    on_H: Term | Sequence[Term] = ()

    def check_terms(self) -> None:
        """Raise TypeError or ValueError for what are no terms; a method also refuses those it cannot honour."""
        together.check_types(self)


def penalty(factors: Factors, algorithm):
    """l1_W ΣW + l1_H ΣH + ½ l2_W ‖W‖² + ½ l2_H ‖H‖² + the values of the terms, a scalar."""
    W, H = factors
    l1 = algorithm.l1_W * jnp.sum(W) + algorithm.l1_H * jnp.sum(H)
    l2 = lambda weight, A: jnp.where(weight != 0, weight * jnp.sum(A * A), 0)  # 0 · inf is no penalty
    terms = together.value(together.transposed(algorithm.on_W), W.T) + together.value(algorithm.on_H, H)
    return l1 + 0.5 * (l2(algorithm.l2_W, W) + l2(algorithm.l2_H, H)) + terms


@jax.jit
def objective(X, factors: Factors, algorithm):
    """The full objective that `algorithm` lowers, a scalar, from the residual itself.

    X (m, n) is taken in blocks of rows, so W H is never held whole. No cancellation: exact fits give 0.
    """
    return matrix.divergence(X, algorithm.loss, *factors) + penalty(factors, algorithm)


@jax.jit
def rise(X, old: Factors, new: Factors, algorithm):
    """objective(X, new) − objective(X, old) for the Frobenius loss, a scalar, without the cancellation of the two.

    With ΔZ = W⁺H⁺ − WH = [W⁺ − W, W] [H⁺; H⁺ − H], the loss rises by Σ M ⊙ (WH + ½ΔZ − X) ⊙ ΔZ: a quadratic rises by
    its gradient halfway times the way. For an X that is completed, which has no Gram matrix.
    """
    change = Factors(jnp.hstack([new.W - old.W, old.W]), jnp.vstack([new.H, new.H - old.H]))
    loss = matrix.square_rise(X, old, change)
    l1 = algorithm.l1_W * jnp.sum(new.W - old.W) + algorithm.l1_H * jnp.sum(new.H - old.H)
    l2 = lambda weight, A, B: jnp.where(weight != 0, 0.5 * weight * inner(B - A, A + B), 0)  # as in `penalty`
    penalties = l1 + l2(algorithm.l2_W, old.W, new.W) + l2(algorithm.l2_H, old.H, new.H)
    of_W = together.rise(together.transposed(algorithm.on_W), old.W.T, new.W.T)
    return loss + penalties + of_W + together.rise(algorithm.on_H, old.H, new.H)


def gradient(X, factors: Factors, algorithm) -> Factors:
    """(∇_W, ∇_H) of the full objective, with the shapes of W and H."""
    return with_penalty(Factors(*matrix.gradients(X, algorithm.loss, *factors)), factors, algorithm)


def with_penalty(gradients: Factors, factors: Factors, algorithm) -> Factors:
    """The gradients of the loss with those of the penalties, l1 + l2·W and l1 + l2·H, and of the terms, added."""
    W, H = factors
    of_W = gradients.W + algorithm.l1_W + algorithm.l2_W * W
    of_H = gradients.H + algorithm.l1_H + algorithm.l2_H * H
    if together.listed(algorithm.on_W):
        of_W = together.with_gradient(of_W.T, together.transposed(algorithm.on_W), W.T, H.T).T
    return Factors(of_W, together.with_gradient(of_H, algorithm.on_H, H, W))


def projected_gradient_norm(factors: Factors, gradients: Factors, algorithm):
    """‖∇ᴾ‖: the gradient, without its positive entries where the factor is 0 (Lin 2007, eqs. 19 and 20).

    It is 0 exactly at the points that satisfy KKT. An entry below eps times the largest of its component counts as 0.
    Under a constraint of `jnmf.terms` it is the projected gradient on that.
    """
    of_W = together.slope(together.transposed(algorithm.on_W), factors.W.T, gradients.W.T)
    of_H = together.slope(algorithm.on_H, factors.H, gradients.H)
    return jnp.hypot(jnp.linalg.norm(of_W), jnp.linalg.norm(of_H))
