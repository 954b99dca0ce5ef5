"""The objective D(X, WH) + l1_W ΣW + l1_H ΣH + ½ l2_W ‖W‖² + ½ l2_H ‖H‖², its gradient and its optimality."""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, dataclass_transform

import jax
import jax.numpy as jnp

from jnmf import checks, losses
from jnmf.blocks import in_blocks
from jnmf.factors import Factors, column_scale
from jnmf.losses import divide
from jnmf.masked import weighted


def static(default) -> Any:
    """A field that is structure: another value is another program."""
    return field(default=default, metadata={"static": True})


def positional(*, kw_only: bool = False) -> Any:
    """A field without a default that is given by position."""
    return field(kw_only=kw_only)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(positional,))
def pytree(cls):
    """A frozen, keyword-only dataclass that is a pytree: fields marked `static` are structure, the others children.

    As `jax.tree_util.register_dataclass`, but with the class in the structure: there, two classes with equal fields
    have equal structures, MU(beta=1.0) and HALS(inner=1) for one, and `jit` may run the program of the other.
    """
    cls = dataclass(frozen=True, kw_only=True)(cls)
    leaves = [f.name for f in fields(cls) if not f.metadata.get("static")]
    structure = [f.name for f in fields(cls) if f.metadata.get("static")]

    def flatten(x):
        keyed = [(jax.tree_util.GetAttrKey(name), getattr(x, name)) for name in leaves]
        return keyed, (cls, *(getattr(x, name) for name in structure))

    def unflatten(aux, children):
        x = object.__new__(cls)  # not __init__, which checks: JAX also puts placeholders into trees
        for name, value in zip([*structure, *leaves], [*aux[1:], *children], strict=True):
            object.__setattr__(x, name, value)
        return x

    jax.tree_util.register_pytree_with_keys(cls, flatten, unflatten)
    return cls


@pytree
class Objective:
    """Which objective: β and the penalties. An algorithm is an objective and a way to lower it."""

    beta: ClassVar[float] = 2.0
    l1_W: Any = 0.0
    l1_H: Any = 0.0
    l2_W: Any = 0.0
    l2_H: Any = 0.0


def penalty(factors: Factors, algorithm):
    """l1_W ΣW + l1_H ΣH + ½ l2_W ‖W‖² + ½ l2_H ‖H‖², a scalar."""
    W, H = factors
    l1 = algorithm.l1_W * jnp.sum(W) + algorithm.l1_H * jnp.sum(H)
    return l1 + 0.5 * (algorithm.l2_W * jnp.sum(W * W) + algorithm.l2_H * jnp.sum(H * H))


@jax.jit
def objective(X, factors: Factors, algorithm):
    """The full objective that `algorithm` lowers, a scalar, from the residual itself.

    X (m, n) is taken in blocks of rows, so W H is never held whole. No cancellation: exact fits give 0.
    """
    W, H = factors
    D = losses.for_beta(algorithm.beta)
    one_row = lambda row: D(*jax.tree.map(lambda a: a[None, :], row), H)
    rows = in_blocks(lambda rows, _: jax.vmap(one_row)(rows), (X, W), jnp.zeros(len(W), W.dtype), axis=0)
    return jnp.sum(rows) + penalty(factors, algorithm)


@jax.jit
def rise(X, old: Factors, new: Factors, algorithm):
    """objective(X, new) − objective(X, old) for the Frobenius loss, a scalar, without the cancellation of the two.

    With ΔZ = W⁺H⁺ − WH = (W⁺ − W) H⁺ + W (H⁺ − H), the loss rises by Σ M ⊙ (WH + ½ΔZ − X) ⊙ ΔZ: a quadratic rises by
    its gradient halfway times the way. In blocks of rows, as `objective`. For a masked X, which has no Gram matrix.
    """

    def one_row(X, W, new_W):
        change = (new_W - W) @ new.H + W @ (new.H - old.H)
        return jnp.sum(weighted(lambda x, z: (z - x) * change, X, W @ old.H + 0.5 * change))

    of_row = lambda row: one_row(*jax.tree.map(lambda a: a[None, :], row))
    rows = in_blocks(
        lambda rows, _: jax.vmap(of_row)(rows), (X, old.W, new.W), jnp.zeros(len(old.W), old.W.dtype), axis=0
    )
    l1 = algorithm.l1_W * jnp.sum(new.W - old.W) + algorithm.l1_H * jnp.sum(new.H - old.H)
    l2 = lambda A, B: 0.5 * jnp.vdot(B - A, A + B)
    return jnp.sum(rows) + l1 + algorithm.l2_W * l2(old.W, new.W) + algorithm.l2_H * l2(old.H, new.H)


def gradient(X, factors: Factors, algorithm) -> Factors:
    """(∇_W, ∇_H) of the full objective, with the shapes of W and H."""
    W, H = factors
    D = losses.for_beta(algorithm.beta)
    grad_W = in_blocks(lambda X, W: D.grad_W(X, W, H), X, W, axis=0)
    grad_H = in_blocks(lambda X, H: D.grad_H(X, W, H), X, H, axis=1)
    return with_penalty(Factors(grad_W, grad_H), factors, algorithm)


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


def kkt_residual(X, factors: Factors, algorithm=None, *, mask=None):
    """How far the factors are from the optimality condition of `algorithm`'s objective: ‖∇ᴾ‖, a scalar, 0 at KKT.

    KKT: W ≥ 0, ∇_W ≥ 0, W ⊙ ∇_W = 0, and the same for H. See `projected_gradient_norm`. X (m, n), W (m, r), H (r, n);
    algorithm None is the Frobenius loss without penalties.
    """
    X = checks.masked(X, mask)
    factors = checks.factors(factors, X.shape, None)
    return _kkt_residual(X, factors, algorithm or Objective())


@jax.jit  # the blocks of an eager call would be a program each time
def _kkt_residual(X, factors: Factors, algorithm):
    return projected_gradient_norm(factors, gradient(X, factors, algorithm))


def relative_change(old: Factors, new: Factors):
    """δ = ‖W⁺ − W‖/‖W‖ + ‖H⁺ − H‖/‖H‖ of the factors scaled so that the columns of W have maximum 1, with 0/0 = 0.

    A scalar, 0 for equal factors. Without the scaling δ would also count moves along the gauge, which change nothing.
    """
    d, new_d, norm = column_scale(old.W), column_scale(new.W), jnp.linalg.norm
    scaled = Factors(old.W / d[None, :], old.H * d[:, None])
    # The change is not taken as a difference of scaled factors: two rounded products of equal numbers can differ.
    change_W = (new.W - old.W - scaled.W * (new_d - d)[None, :]) / new_d[None, :]
    change_H = (new.H - old.H) * new_d[:, None] + old.H * (new_d - d)[:, None]
    return divide(norm(change_W), norm(scaled.W)) + divide(norm(change_H), norm(scaled.H))
