"""The negative binomial loss, for counts whose variance grows faster than their mean."""

import math

import jax.numpy as jnp

from jnmf import checks
from jnmf.losses.loss import Loss
from jnmf.numerics import bounded, divide
from jnmf.types import Number


class NegativeBinomial(Loss):
    r"""d(x, z) = x log(x/z) − (x + α) log((x + α)/(z + α)): counts of mean z and variance z + z²/α, up to constants.

    alpha: α > 0, the shape of the gamma distribution that the Poisson rates are drawn from; a leaf, and one for all
        entries. With α → ∞ the loss becomes KL. It has a unit: c·X goes with c·α. `fit` refuses X and α for which
        the loss leaves the range of their dtype (`range`).

    ∂d/∂z = (x + α)/(z + α) − x/z, and the multiplicative half-step H ⊙ [Wᵀ(X ⊘ Z)] ⊘ [Wᵀ((X + α) ⊘ (Z + α))] descends
    (`proofs.negative_binomial_descent`). d is not convex in z: it has one minimum, z = x, and bends down beyond it.
    Gouvert, Oberlin and Févotte 2020, "Negative binomial matrix factorization".
    """

    alpha: Number = 1.0

    def divergence(self, x, z):
        """Without cancellation near x = z by its series in v = (x − z)/z, elsewhere as x log q − α log p.

        With t = z/(z + α) it is z Σ_{k ≥ 2} (−v)^k (1 − t^{k−1}) / (k (k−1)), and 1 − t^{k−1} is
        (1 − t)(1 + t + … + t^{k−2}).
        """
        alpha = self.alpha
        inside = ~((x <= 0) | (z <= 0))  # NaN too, which stays NaN
        a, b = jnp.where(inside, x, 1), jnp.where(inside, z, 1)
        near = jnp.abs(a - b) < REACH * b
        v = jnp.where(near, (a - b) / b, 0)
        series = b * (alpha / (b + alpha)) * _series(v, b / (b + alpha))
        far = a * _log(a / (a + alpha) * ((b + alpha) / b), alpha / (a + alpha) * ((a - b) / b))
        far -= alpha * _log((a + alpha) / (b + alpha), (a - b) / (b + alpha))
        at_zero = jnp.where(x > 0, jnp.inf, alpha * jnp.log1p(z / alpha))
        return jnp.where(inside, jnp.where(near, series, far), at_zero)

    def negative(self, x, z):
        return bounded(divide(x, z))

    def positive(self, x, z):
        return (x + self.alpha) / (z + self.alpha)

    def derivative(self, x, z):
        """α (z − x) / (z (z + α)), which does not cancel."""
        quotient = divide(z - x, z) * (self.alpha / (z + self.alpha))
        return jnp.where(z > 0, quotient, self.positive(x, z))

    def second_derivative(self, x, z):
        """x/z² − (x + α)/(z + α)² as α/(z (z + α)) ((1 + t) x/z − t), t = z/(z + α), which does not cancel at x = z."""
        t = z / (z + self.alpha)
        return divide(1, z) * (self.alpha / (z + self.alpha) * ((1 + t) * divide(x, z) - t))  # no product z (z + α)

    def exponent(self, ridge: bool) -> float:
        return 0.5 if ridge else 1.0

    def range(self, dtype):
        """d goes with α z/(z + α), its derivatives with that over z and over z²: α ≥ the least, z² ≤ α over it."""
        least, most = super().range(dtype)
        if checks.is_traced(self.alpha):
            return least, most
        alpha = float(self.alpha)
        if not least <= alpha <= most:
            raise ValueError(
                f"NegativeBinomial(alpha=…): expected a number from {least:.0e} to {most:.0e}, the range in "
                f"{jnp.dtype(dtype)}, got {alpha:g}; pass X and alpha in other units"
            )
        return least, min(most, math.sqrt(alpha / least))

    def check(self) -> None:
        checks.number(self.alpha, "NegativeBinomial(alpha=…)")
        if not checks.is_traced(self.alpha) and self.alpha == 0:
            raise ValueError(f"NegativeBinomial(alpha=…): expected a positive number, got {self.alpha!r}")


REACH = 0.25


def _log(q, less_one):
    """log q, from q − 1 where q is near 1."""
    near = jnp.abs(less_one) < 0.5
    return jnp.where(near, jnp.log1p(jnp.where(near, less_one, 0)), jnp.log(jnp.where(near, 1, q)))


def _series(v, t):
    """Σ_{k ≥ 2} (−v)^k / (k (k−1)) · (1 + t + … + t^{k−2}), for |v| ≤ REACH, with the terms that are above rounding."""
    found, power, geometric, k = jnp.zeros_like(v), v * v, jnp.ones_like(t), 2
    while REACH ** (k - 2) > jnp.finfo(v.dtype).eps / 8:
        found = found + power * geometric / (k * (k - 1))
        power, geometric, k = -v * power, 1 + t * geometric, k + 1
    return found
