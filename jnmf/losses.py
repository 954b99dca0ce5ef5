"""The losses D(X, WH): their value and their hand-derived gradients in W and in H.

Each loss is a sum of d(x, z) over the entries x of X and z of Z = W H, so that by the chain rule

    ∇_W D = D'(X, Z) Hᵀ,        ∇_H D = Wᵀ D'(X, Z),        D'_ij = ∂d/∂z (x_ij, z_ij).

`frobenius(X, W, H)` is the value, `frobenius.grad_W(X, W, H)` and `frobenius.grad_H(X, W, H)` the gradients; the same
for `kl`, `itakura_saito` and, with one more argument, `beta_divergence(X, W, H, beta)`. Shapes: X (m, n), W (m, r),
H (r, n); the value is a scalar, the gradients have the shapes of W and H; the dtype is that of the arguments.
A `Masked` X counts each entry with its weight.

At the edge of the domain: d(0, 0) = 0; d(x, 0) = inf for x > 0 and β ≤ 1; d(0, z) = inf for z > 0 and β ≤ 0. In the
derivatives a quotient by z = 0 counts as 0: at x = 0 that is the limit (β ≥ 1), at x > 0 the loss has no derivative.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax.numpy as jnp
from jax import Array

from jnmf.masked import weighted


@dataclass(frozen=True)
class Loss:
    """D(X, W H) = Σ d(x, z), from d and ∂d/∂z of an entry."""

    divergence: Callable[..., Array]
    derivative: Callable[..., Array]

    def __call__(self, X, W, H, *beta):
        return jnp.sum(weighted(self.divergence, X, W @ H, *beta))

    def grad_W(self, X, W, H, *beta):
        return weighted(self.derivative, X, W @ H, *beta) @ H.T

    def grad_H(self, X, W, H, *beta):
        return W.T @ weighted(self.derivative, X, W @ H, *beta)


def divide(a, b):
    """a / b, and 0 where b = 0; differentiable there too (the branch not taken holds no 0/0)."""
    return jnp.where(b != 0, a / jnp.where(b != 0, b, 1), 0)


def power(a, exponent: float):
    """a^exponent for a ≥ 0; a negative power of 0 is 0, so that such an entry takes no part in a weighted sum."""
    return jnp.where(a > 0, jnp.where(a > 0, a, 1) ** exponent, 1.0 if exponent == 0 else 0.0)


def _relative(x, z):
    """v = (x − z)/z and log(x/z) for x, z > 0. Near x = z, log1p(v) keeps the digits that x/z has lost."""
    v = (x - z) / z
    near = jnp.abs(v) < 0.5
    return v, jnp.where(near, jnp.log1p(jnp.where(near, v, 0)), jnp.log(x) - jnp.log(z))


def _inside(x, z):
    """Where d is smooth (x, z > 0), and x and z with 1 put in elsewhere."""
    inside = (x > 0) & (z > 0)
    return inside, jnp.where(inside, x, 1), jnp.where(inside, z, 1)


def _kl(x, z):
    inside, a, b = _inside(x, z)
    _, log_ratio = _relative(a, b)
    return jnp.where(inside, a * log_ratio - (a - b), jnp.where(x > 0, jnp.inf, z))


def _itakura_saito(x, z):
    inside, a, b = _inside(x, z)
    v, log_ratio = _relative(a, b)
    return jnp.where(inside, v - log_ratio, jnp.where(x == z, 0, jnp.inf))


def _beta(x, z, beta):
    if beta in NAMED:
        return NAMED[beta].divergence(x, z)
    d = (power(x, beta) + (beta - 1) * power(z, beta) - beta * x * power(z, beta - 1)) / (beta * (beta - 1))
    if beta < 1:
        d = jnp.where((x > 0) & (z == 0), jnp.inf, d)
    if beta < 0:
        d = jnp.where((x == 0) & (z > 0), jnp.inf, d)
    return d


def _beta_derivative(x, z, beta):
    return power(z, beta - 1) - x * power(z, beta - 2)


frobenius = Loss(lambda x, z: 0.5 * (x - z) ** 2, lambda x, z: z - x)
r"""½‖X − WH‖². Gradients (WH − X)Hᵀ and Wᵀ(WH − X). Lee and Seung 2001, eq. 1 with the factor ½."""

kl = Loss(_kl, lambda x, z: 1 - divide(x, z))
r"""Generalised Kullback–Leibler divergence Σ x log(x/z) − x + z. Lee and Seung 2001, eq. 3."""

itakura_saito = Loss(_itakura_saito, lambda x, z: divide(1, z) - divide(divide(x, z), z))
r"""Itakura–Saito divergence Σ x/z − log(x/z) − 1. Févotte, Bertin and Durrieu 2009, eq. 3."""

beta_divergence = Loss(_beta, _beta_derivative)
r"""β-divergence Σ (x^β + (β−1) z^β − β x z^{β−1}) / (β(β−1)), with the limits KL at 1 and Itakura–Saito at 0.

β is a Python number: it selects the formula. Févotte and Idier 2011, eq. 2.
"""

NAMED: dict[float, Loss] = {2: frobenius, 1: kl, 0: itakura_saito}


def for_beta(beta: float) -> Loss:
    """The β-divergence of one fixed β as a loss in (X, W, H); 2, 1 and 0 are the named losses."""
    if beta in NAMED:
        return NAMED[beta]
    return Loss(partial(_beta, beta=beta), partial(_beta_derivative, beta=beta))
