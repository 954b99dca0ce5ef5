"""The objective D(X, WH) + l1_W ΣW + l1_H ΣH + ½ l2_W ‖W‖² + ½ l2_H ‖H‖², its gradient and its optimality."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jnmf import matrix
from jnmf.factors import Factors
from jnmf.losses.beta_divergence import frobenius
from jnmf.pytree import Pytree


class Objective(Pytree):
    """Which objective: the loss and the penalties. An algorithm is an objective and a way to lower it."""

    loss: ClassVar[Any] = frobenius
    l1_W: Any = 0.0
    l1_H: Any = 0.0
    l2_W: Any = 0.0
    l2_H: Any = 0.0


def penalty(factors: Factors, algorithm):
    """l1_W ΣW + l1_H ΣH + ½ l2_W ‖W‖² + ½ l2_H ‖H‖², a scalar."""
    W, H = factors
    l1 = algorithm.l1_W * jnp.sum(W) + algorithm.l1_H * jnp.sum(H)
    l2 = lambda weight, A: jnp.where(weight != 0, weight * jnp.sum(A * A), 0)  # 0 · inf is no penalty
    return l1 + 0.5 * (l2(algorithm.l2_W, W) + l2(algorithm.l2_H, H))


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
    l2 = lambda weight, A, B: jnp.where(weight != 0, 0.5 * weight * jnp.vdot(B - A, A + B), 0)  # as in `penalty`
    return loss + l1 + l2(algorithm.l2_W, old.W, new.W) + l2(algorithm.l2_H, old.H, new.H)


def gradient(X, factors: Factors, algorithm) -> Factors:
    """(∇_W, ∇_H) of the full objective, with the shapes of W and H."""
    return with_penalty(Factors(*matrix.gradients(X, algorithm.loss, *factors)), factors, algorithm)


def with_penalty(gradients: Factors, factors: Factors, algorithm) -> Factors:
    """The gradients of the loss with those of the penalties, l1 + l2·W and l1 + l2·H, added."""
    return Factors(
        gradients.W + algorithm.l1_W + algorithm.l2_W * factors.W,
        gradients.H + algorithm.l1_H + algorithm.l2_H * factors.H,
    )


def projected_gradient_norm(factors: Factors, gradients: Factors):
    """‖∇ᴾ‖: the gradient, without its positive entries where the factor is 0 (Lin 2007, eqs. 19 and 20).

    It is 0 exactly at the points that satisfy KKT. An entry below eps times the largest of its component counts as 0.
    """

    def projected(A, grad, axis):
        zero = A <= jnp.finfo(A.dtype).eps * jnp.max(A, axis=axis, keepdims=True)
        return jnp.where(zero, jnp.minimum(grad, 0), grad)

    return jnp.hypot(
        jnp.linalg.norm(projected(factors.W, gradients.W, 0)),
        jnp.linalg.norm(projected(factors.H, gradients.H, 1)),
    )
