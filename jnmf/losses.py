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
from jnmf.numerics import divide, power


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


def _beta(x, z, beta):
    """d(x, z) without the cancellation of the textbook's formula for x near z, or for β near 0 or 1.

    d is z^β φ(v), v = (x − z)/z; near v = 0 by the series of φ, else by `_far`. `proofs.stable_beta_divergence`.
    """
    inside = (x > 0) & (z > 0)
    a, b = jnp.where(inside, x, 1), jnp.where(inside, z, 1)
    v, reach = (a - b) / b, 1 / (3 + abs(beta))
    near = jnp.abs(v) < reach
    far, unit = _far(a, b, beta)
    smooth = jnp.where(near, _near(jnp.where(near, v, 0), beta, reach), far)
    # At the edge d(x, 0) = x^β / (β(β−1)) and d(0, z) = z^β / β, where they are finite.
    edge = jnp.where(x > 0, 1 / (beta * (beta - 1)) if beta > 1 else 0.0, 1 / beta if beta > 0 else 0.0)
    unit = jnp.where(inside, jnp.where(near, b, unit), jnp.where(x > 0, x, z))
    d = power(unit, beta) * jnp.where(inside, smooth, edge)
    if beta <= 1:
        d = jnp.where((x > 0) & (z == 0), jnp.inf, d)
    if beta <= 0:
        d = jnp.where((x == 0) & (z > 0), jnp.inf, d)
    return d


def _near(v, beta, reach):
    """φ(v) = ½ v² (1 + (β−2)/3 v (1 + (β−3)/4 v (1 + …))) for |v| ≤ reach, with the terms that are above rounding."""
    factors, largest, k = [], 1.0, 2
    while largest > jnp.finfo(v.dtype).eps / 8:
        factors.append((beta - k) / (k + 1))
        largest *= abs(factors[-1]) * reach
        k += 1
    series = jnp.ones_like(v)
    for factor in reversed(factors):
        series = 1 + factor * v * series
    return 0.5 * v * v * series


def _far(x, z, beta):
    """d = unit^β φ as (φ, unit), for x and z apart; the unit is such that neither leaves the range where d does not."""
    low, high = jnp.minimum(x, z), jnp.maximum(x, z)
    root = jnp.sqrt(low) / jnp.sqrt(high)  # in range where the ratio s itself is not
    s, log_s, w = root * root, 2 * jnp.log(root), (high - low) / high  # w = 1 − s
    if beta >= 0.5:
        p = beta - 1
        E = jnp.expm1(p * log_s) / p if p else log_s  # (s^p − 1)/p
        return jnp.where(x < z, s * E + w, -E - w * (1 + p * E)) / beta, high
    F = jnp.expm1(-beta * log_s) / beta if beta else -log_s  # (s^−β − 1)/β
    return jnp.where(x < z, F - w * (1 + beta * F), (high - low) / low - F) / (1 - beta), low


def _beta_derivative(x, z, beta):
    """z^{β−1} − x z^{β−2}, which does not cancel as z^{β−1} (z − x)/z."""
    return power(z, beta - 1) * jnp.where(z != 0, divide(z - x, z), 1)


frobenius = Loss(lambda x, z: 0.5 * (x - z) ** 2, lambda x, z: z - x)
r"""½‖X − WH‖². Gradients (WH − X)Hᵀ and Wᵀ(WH − X). Lee and Seung 2001, eq. 1 with the factor ½."""

kl = Loss(partial(_beta, beta=1), partial(_beta_derivative, beta=1))
r"""Generalised Kullback–Leibler divergence Σ x log(x/z) − x + z. Lee and Seung 2001, eq. 3."""

itakura_saito = Loss(partial(_beta, beta=0), partial(_beta_derivative, beta=0))
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
