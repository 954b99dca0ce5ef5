"""The β-divergences: ½(x − z)² at β = 2, Kullback–Leibler at 1, Itakura–Saito at 0."""

import math
import numbers

import jax.numpy as jnp

from jnmf.losses.loss import Loss, total_of
from jnmf.numerics import bounded, divide, power
from jnmf.pytree import static


class BetaDivergence(Loss):
    r"""d_β(x, z) = (x^β + (β−1) z^β − β x z^{β−1}) / (β(β−1)), with its limits at β = 1 and 0. β any real number.

    β = 2: ½(x − z)². β = 1: x log(x/z) − x + z. β = 0: x/z − log(x/z) − 1. ∂d/∂z = z^{β−1} − x z^{β−2}, its two parts.
    At the edge of the domain: d(0, 0) = 0; d(x, 0) = inf for x > 0 and β ≤ 1; d(0, z) = inf for z > 0 and β ≤ 0. In the
    derivatives a quotient by z = 0 counts as 0: at x = 0 that is the limit (β ≥ 1), at x > 0 d has no derivative.

    β is structure: it selects the formula. Févotte and Idier 2011, eq. 2.
    """

    beta: float = static(2.0)

    def __post_init__(self):
        if (
            isinstance(self.beta, bool)
            or not isinstance(self.beta, numbers.Real)
            or not math.isfinite(float(self.beta))
        ):
            raise ValueError(
                f"beta: expected a finite number (it is structure, not traced), got {self.beta!r}; 2.0 is ½(x − z)², "
                "1.0 Kullback–Leibler, 0.0 Itakura–Saito"
            )
        object.__setattr__(self, "beta", float(self.beta))

    convex = property(lambda self: 1 <= self.beta <= 2)
    quadratic = property(lambda self: self.beta == 2)
    finite_at_zero = property(lambda self: self.beta > 1)
    finite_for_zeros = property(lambda self: self.beta > 0)
    degree = property(lambda self: self.beta)

    def divergence(self, x, z):
        return 0.5 * (x - z) ** 2 if self.quadratic else _divergence(x, z, self.beta)

    def negative(self, x, z):
        return bounded(divide(x, z) * power(z, self.beta - 1))

    def positive(self, x, z):
        return power(z, self.beta - 1)

    def derivative(self, x, z):
        """z^{β−1} − x z^{β−2}, which does not cancel as z^{β−1} (z − x)/z."""
        return z - x if self.quadratic else _times(self.positive(x, z), jnp.where(z != 0, divide(z - x, z), 1))

    def second_derivative(self, x, z):
        """(β−1) z^{β−2} + (2−β) x z^{β−3}, each at most a number of which sums are finite."""
        beta = self.beta
        return (beta - 1) * bounded(power(z, beta - 2)) + (2 - beta) * bounded(_times(power(z, beta - 3), x))

    def parts(self, x, z, axis):
        if self.beta == 1:
            return bounded(divide(x, z)), None, None
        weights, unit = _weights(z, axis, self.beta - 1)
        return bounded(divide(x, z) * weights), weights, unit

    def exponent(self, ridge: bool) -> float:
        """γ(β), with which the multiplicative update descends (Févotte and Idier 2011; Tan and Févotte 2013).

        The majoriser holds the ratio u = H⁺/H in the powers u^{β−1} or 1 (from Z^{β−1} or its tangent) and u^{β−2} or 1
        (from X Z^{β−2}), u⁰ (l1) and u¹ (l2). Raising each increasing term to the largest power present keeps it a
        majoriser and leaves one power to solve for: 1/(2−β) below β = 1, 1 up to 2, 1/(β−1) above; with l2 > 0,
        1/(3−β) up to β = 2.
        """
        if self.beta > 2:
            return 1 / (self.beta - 1)
        if ridge:
            return 1 / (3 - self.beta)
        return 1 / (2 - self.beta) if self.beta < 1 else 1.0

    def quick(self, x, z, beyond_zeros=False):
        """KL as x (log q − 1) + z, Itakura–Saito as q − log q − 1, q = x/z: one logarithm, inf where it has to be.

        The others by their definition, unless β is so near to 0 or 1 that its three terms cancel at every x and z.
        """
        if self.beta not in (0, 1):
            exactly = self.quadratic or abs(self.beta * (self.beta - 1)) < 1 / 8
            return super().quick(x, z, beyond_zeros) if exactly else _by_definition(x, z, self.beta)
        q = (x + jnp.finfo(z.dtype).tiny) / jnp.where(x > 0, z, 1)  # at x = 0 a number with a logarithm
        if self.beta == 1:
            beyond = x * (jnp.log(q) - 1)
            return beyond if beyond_zeros else beyond + z
        return jnp.where(x > 0, jnp.where(z > 0, q - jnp.log(q) - 1, jnp.inf), jnp.where(z > 0, jnp.inf, 0))

    def of_zeros(self, W, H):
        if self.beta == 2:
            return 0.5 * jnp.vdot(W.T @ W, H @ H.T)
        return total_of(W, H) if self.beta == 1 else None


def _weights(Z, axis, exponent):
    """Z^exponent and its unit, one a column (axis 0) or row (axis 1): a power of the middle of the range of Z there.

    So the weights of up to 30 decades of Z are in the range of float32 for Z^{−2} to Z². What lies outside saturates, a
    quarter of the range being left for the sums and for X ⊘ Z. The middle is a power of two: another unit of X changes
    no bit of the quotient.
    """
    limits = jnp.finfo(Z.dtype)
    low = jnp.min(jnp.where(Z > 0, Z, limits.max), axis=axis, keepdims=True)
    high = jnp.max(Z, axis=axis, keepdims=True)
    middle = jnp.ldexp(jnp.ones_like(high), jnp.where(high > 0, (jnp.frexp(low)[1] + jnp.frexp(high)[1]) // 2, 0))
    largest = float(limits.max) ** 0.75
    weights = jnp.where(Z > 0, jnp.clip(power(Z / middle, exponent), 1 / largest, largest), 0)
    return weights, jnp.clip(power(middle, exponent), limits.tiny, limits.max)


def _divergence(x, z, beta):
    """d(x, z) without the cancellation of the textbook's formula for x near z, or for β near 0 or 1.

    d is z^β φ(v), v = (x − z)/z; near v = 0 by the series of φ, else by `_far`. `proofs.stable_beta_divergence`.
    """
    inside = ~((x <= 0) | (z <= 0))  # NaN too, which stays NaN
    a, b = jnp.where(inside, x, 1), jnp.where(inside, z, 1)
    v, reach = (a - b) / b, 1 / (3 + abs(beta))
    near = jnp.abs(v) < reach
    far, unit = _far(a, b, beta)
    smooth = jnp.where(near, _near(jnp.where(near, v, 0), beta, reach), far)
    # At the edge d(x, 0) = x^β / (β(β−1)) and d(0, z) = z^β / β, where they are finite.
    edge = jnp.where(x > 0, 1 / (beta * (beta - 1)) if beta > 1 else 0.0, 1 / beta if beta > 0 else 0.0)
    unit = jnp.where(inside, jnp.where(near, b, unit), jnp.where(x > 0, x, z))
    return _infinite_where(_times(power(unit, beta), jnp.where(inside, smooth, edge)), x, z, beta)


def _infinite_where(d, x, z, beta):
    """d(x, z) with that at the edge of the domain where it is not finite."""
    if beta <= 1:
        d = jnp.where((x > 0) & (z == 0), jnp.inf, d)
    if beta <= 0:
        d = jnp.where((x == 0) & (z > 0), jnp.inf, d)
    return d


def _by_definition(x, z, beta):
    """x^β / (β(β−1)) + z^β (1/β − q/(β−1)), q = x/z: to eps of three terms, of which none leaves the range alone."""
    d = power(x, beta) / (beta * (beta - 1)) + power(z, beta) * (1 / beta - divide(x, z) / (beta - 1))
    return _infinite_where(d, x, z, beta)


def _times(power, a):
    """power · a, and 0 for a = 0 also where the power has left the range of its dtype: an exact fit."""
    return jnp.where(jnp.isfinite(power) | (a != 0), power * a, 0)


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


frobenius = BetaDivergence(beta=2.0)
r"""½‖X − WH‖². Gradients (WH − X)Hᵀ and Wᵀ(WH − X). Lee and Seung 2001, eq. 1 with the factor ½."""

kl = BetaDivergence(beta=1.0)
r"""Generalised Kullback–Leibler divergence Σ x log(x/z) − x + z. Lee and Seung 2001, eq. 3."""

itakura_saito = BetaDivergence(beta=0.0)
r"""Itakura–Saito divergence Σ x/z − log(x/z) − 1. Févotte, Bertin and Durrieu 2009, eq. 3."""
