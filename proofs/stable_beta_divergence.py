r"""The β-divergence without cancellation: an integral, its series near x = z, and forms in one ratio elsewhere.

Source: Févotte and Idier 2011, equation 2; the forms are elementary.

Statement 31.  For x, z > 0 let

$$ d_\beta(x, z) = \frac{x^\beta + (\beta - 1) z^\beta - \beta x z^{\beta-1}}{\beta(\beta-1)}, \qquad
   v = \frac{x-z}{z}, \qquad \varphi(v) = \int_0^v (v - t)(1 + t)^{\beta-2}\, dt, $$

with the limits x log(x/z) − x + z at β = 1 and x/z − log(x/z) − 1 at β = 0. Then for every real β

(a) d_β(x, z) = z^β φ(v), which is ≥ 0, and 0 only for x = z.
(b) For |v| < 1, φ(v) = ½ v² (1 + (β−2)/3 v (1 + (β−3)/4 v (1 + (β−4)/5 v (1 + …)))).
(c) Let s ≤ 1 be the smaller of x and z over the larger, w = 1 − s, and

   $$ E = \frac{s^{\beta-1} - 1}{\beta - 1}, \qquad F = \frac{s^{-\beta} - 1}{\beta} \qquad
      (E = \log s \text{ at } \beta = 1,\ F = -\log s \text{ at } \beta = 0). $$

   $$ \beta\, d_\beta = \max(x, z)^\beta \begin{cases} sE + w & x < z \\ -E - w\,(1 + (\beta-1)E) & x > z \end{cases} $$
   $$ (1 - \beta) d_\beta = \min(x, z)^\beta \begin{cases} F - w (1 + \beta F) & x < z \\ w/s - F & x > z \end{cases} $$

(d) For |v| ≥ 1/(3 + |β|) and |β| ≤ 10, neither of the two terms that (c) adds, in the first form for β ≥ ½ and in the
   second for β < ½, is above 20 times their sum, so that at most 20 roundings are lost. The textbook's formula loses
   any number of them: for v → 0, and whatever v is for β → 0 or 1.

Derivation.
1. In x, d_β has the derivative (x^{β−1} − z^{β−1})/(β − 1), with log(x/z) at β = 1, and the second derivative x^{β−2},
   for every β. At x = z both d_β and the first are 0. So Taylor's formula about z with its remainder as an integral is
   d_β(x, z) = ∫_z^x (x − s) s^{β−2} ds, and s = z (1 + t) makes it z^β φ(v).
2. Between 0 and v, v − t has the sign of v. Going from 0 to v, upwards or downwards, the integral is therefore ≥ 0, and
   0 only for v = 0. This is (a).
3. For |t| < 1, (1 + t)^{β−2} = Σ_j C(β−2, j) t^j, and ∫_0^v (v − t) t^j dt = v^{j+2} / ((j + 1)(j + 2)). So φ is
   Σ_j a_j v^{j+2} with a_0 = ½ and

   $$ \frac{a_j}{a_{j-1}} = \frac{\beta - 1 - j}{j} \cdot \frac{j (j+1)}{(j+1)(j+2)} = \frac{\beta - 1 - j}{j + 2} . $$

   Nested, this is (b). The factors tend to −1, so the terms fall like |v|^j; for an integer β ≥ 2 they end.
4. In the textbook's formula write x^β − β x z^{β−1} = x (x^{β−1} − z^{β−1}) − (β − 1) x z^{β−1} and divide by β − 1:

   $$ \beta\, d_\beta = x\, \frac{x^{\beta-1} - z^{\beta-1}}{\beta - 1} + z^{\beta-1} (z - x). $$

   If x < z, s = x/z; take out z^β, and s E + w is left. If x > z, s = z/x; take out x^β, and −E − w s^{β−1} is left,
   with s^{β−1} = 1 + (β−1) E. The division by β − 1 is inside E, which `expm1` gives to rounding for every β.
5. In the same way, now dividing by β,

   $$ (1 - \beta)\, d_\beta = \frac{z^\beta - x^\beta}{\beta} + z^{\beta-1} (x - z). $$

   If x > z, take out z^β, and −F + w/s is left. If x < z, take out x^β, and F − w s^{−β} is left, where
   s^{−β} = 1 + β F. ∎

What it teaches.  Near x = z every divergence is half a square, weighted with z^{β−2}: the first factor of (b), which no
formula that subtracts quantities of size z^β can see once v² is below a rounding. The weight says what a divergence
asks for: small absolute errors (β = 2) or small relative ones (β = 0).
"""

from collections.abc import Callable

import jax
import mpmath
import numpy as np
from hypothesis import strategies as st

from jnmf import losses
from proofs.kernel import Statement, chain, exact_chain, excess, holds

BETAS = (
    -10.0,
    -1.0,
    -0.5,
    -1e-6,
    0.0,
    1e-6,
    0.3,
    0.499,
    0.5,
    0.7,
    1 - 1e-6,
    1.0,
    1.001,
    1.5,
    1.999,
    2.0,
    2.5,
    3.0,
    10.0,
)
WHOLE = (-3.0, -2.0, -1.0, 2.0, 3.0, 4.0, 5.0)
RATIOS = np.array([0.99, *(2.0**-k for k in (1, 3, 6, 10, 20))])  # of |v| to the reach of the series


def reach(beta):
    return 1 / (3 + abs(beta))


@st.composite
def pairs(draw, betas, residuals):
    """(x, z, β): one z and the x at all the residuals v."""
    beta, z = draw(st.sampled_from(betas)), draw(st.integers(1, 64)) / 8
    v = residuals(beta)
    return z * (1 + v), np.full(len(v), z), beta


def near(beta):
    return reach(beta) * np.concatenate([RATIOS, -RATIOS])


def far(beta):
    above = np.array([1.01 * reach(beta), 0.5, 1.0, 3.0, 10.0])
    return np.concatenate([above, [-1.01 * reach(beta)], 1 / (1 + above[1:]) - 1])


def in_60_digits(form):
    """`form(x, z, β)` over the parabola ½ z^{β−2} (x − z)² that touches d_β: numbers of size 1."""

    def function(x, z, beta):
        exact = np.vectorize(mpmath.mpf, otypes=[object])
        with mpmath.workdps(60):
            x, z, beta = exact(x), exact(z), mpmath.mpf(beta)
            return np.array(form(x, z, beta) / parabola(x, z, beta), float)

    function.__name__ = form.__name__
    return function


def parabola(x, z, beta):
    return z ** (beta - 2) * (x - z) ** 2 / 2


NODES, WEIGHTS = np.polynomial.legendre.leggauss(60)


def integral(x, z, beta):
    """z^β φ(v) over the parabola, by Gauss–Legendre in τ = log(1 + t): the integrand has one sign."""
    v = (x - z) / z
    half = np.log1p(v)[:, None] / 2
    τ = half * (NODES + 1)
    φ = np.sum((v[:, None] - np.expm1(τ)) * np.exp((beta - 1) * τ) * half * WEIGHTS, axis=1)
    return φ / (v * v / 2)


logarithm = np.frompyfunc(mpmath.log, 1, 1)


def textbook(x, z, beta):
    if beta == 1:
        return x * logarithm(x / z) - x + z
    if beta == 0:
        return x / z - logarithm(x / z) - 1
    return (x**beta + (beta - 1) * z**beta - beta * x * z ** (beta - 1)) / (beta * (beta - 1))


def series(x, z, beta, offset=0, first=1):
    """(b), nested, with enough terms for 40 digits inside the reach."""
    v = (x - z) / z
    nested = 1 + 0 * v
    for k in range(160, 1, -1):
        nested = 1 + (beta - k + offset) / (k + 1) * v * nested
    return first * z**beta * v * v * nested / 2


def ends(x, z, beta):
    """(b) for an integer β ≥ 2, where the factors end with a zero."""
    v = (x - z) / z
    nested = 1 + 0 * v
    for k in range(int(beta), 1, -1):
        nested = 1 + (beta - k) / (k + 1) * v * nested
    return z**beta * v * v * nested / 2


def terms_by_the_larger(x, z, beta):
    """The terms of the first form of (c), and its unit."""
    s, p = np.minimum(x, z) / np.maximum(x, z), beta - 1
    E = logarithm(s) if p == 0 else (s**p - 1) / p
    return np.where(x < z, s * E, -E), np.where(x < z, 1 - s, -(1 - s) * (1 + p * E)), np.maximum(x, z)


def terms_by_the_smaller(x, z, beta):
    """The terms of the second form of (c), and its unit."""
    s = np.minimum(x, z) / np.maximum(x, z)
    F = -logarithm(s) if beta == 0 else (s**-beta - 1) / beta
    return np.where(x < z, F, -F), np.where(x < z, -(1 - s) * (1 + beta * F), (1 - s) / s), np.minimum(x, z)


def by_the_larger(x, z, beta):
    first, second, unit = terms_by_the_larger(x, z, beta)
    return unit**beta * (first + second) / beta


def by_the_smaller(x, z, beta):
    first, second, unit = terms_by_the_smaller(x, z, beta)
    return unit**beta * (first + second) / (1 - beta)


def ratios(x, z, beta):
    return by_the_larger(x, z, beta) if beta >= 0.5 else by_the_smaller(x, z, beta)


def sides_exchanged(x, z, beta):
    return ratios(z, x, beta)


def units_exchanged(x, z, beta):
    return ratios(x, z, beta) * (np.minimum(x, z) / np.maximum(x, z)) ** beta


divergence = jax.jit(lambda x, z, beta: losses.BetaDivergence(beta=beta).divergence(x, z), static_argnums=2)


def library(x, z, beta):
    return np.asarray(divergence(x, z, beta)) / parabola(x, z, beta)


def rounded_textbook(x, z, beta):
    return np.asarray(textbook(x, z, beta), float) / parabola(x, z, beta)


def lost(x, z, beta, form=None):
    """How many times their sum the larger of the two terms of (c) is, over 20."""
    form = form or (terms_by_the_larger if beta >= 0.5 else terms_by_the_smaller)
    with mpmath.workdps(60):
        exact = np.vectorize(mpmath.mpf, otypes=[object])
        first, second, _ = form(exact(x), exact(z), mpmath.mpf(beta))
        factor = np.array(np.maximum(abs(first), abs(second)) / abs(first + second), float)
    return {"at most 20 roundings": excess(20, factor.max())}


def textbooks_terms(x, z, beta):
    return x**beta - beta * x * z ** (beta - 1), (beta - 1) * z**beta, None


def signs(x, z, beta, divergence: Callable = divergence):
    values = np.asarray(divergence(x, z, beta))
    return {
        "d ≥ 0": excess(values, 0, parabola(x, z, beta).min()),
        "x = z ⇒ d = 0": excess(0, np.abs(divergence(z, z, beta)).max()),
        "d = 0 ⇒ x = z": float(np.any(values == 0)),
    }


NEAR_CONTROLS = {
    "the factors of another β": in_60_digits(lambda x, z, beta: series(x, z, beta, offset=1)),
    "without the ½": in_60_digits(lambda x, z, beta: series(x, z, beta, first=2)),
    "the textbook's formula in float64": rounded_textbook,
}
FAR_CONTROLS = {
    "x and z exchanged": in_60_digits(sides_exchanged),
    "the other unit": in_60_digits(units_exchanged),
    "the textbook's formula in float64": rounded_textbook,
}
EXACT_CONTROLS = {
    "x and z exchanged, exactly": sides_exchanged,
    "without the division by β": lambda x, z, beta: beta * by_the_larger(x, z, beta),
}
LOST_CONTROLS = {
    "of the textbook's formula": lambda *pair: max(lost(*pair, form=textbooks_terms).values()),
}
SIGN_CONTROLS = {
    "the textbook's formula in float64, at x = z": lambda x, z, beta: max(
        signs(x, z, beta, lambda x, z, beta: np.asarray(textbook(x, z, beta), float)).values()
    ),
}


def whole_pairs(betas):
    return pairs(betas, lambda _: np.array([-0.875, -0.5, -0.125, 0.125, 1.0, 4.0]))


STATEMENTS = (
    Statement(
        31,
        "d_β is z^β φ((x − z)/z) with a series near x = z and forms in one ratio elsewhere, none of which cancels",
        "Févotte and Idier 2011, equation 2",
        (
            chain(pairs(BETAS, near), (integral, in_60_digits(textbook), in_60_digits(series), library), NEAR_CONTROLS),
            chain(pairs(BETAS, far), (integral, in_60_digits(textbook), in_60_digits(ratios), library), FAR_CONTROLS),
            exact_chain(whole_pairs(WHOLE), (textbook, by_the_larger, by_the_smaller), EXACT_CONTROLS),
            exact_chain(
                whole_pairs(WHOLE[3:]), (textbook, ends), {"one factor more": lambda x, z, beta: ends(x, z, beta + 1)}
            ),
            holds(pairs(BETAS, far), lost, LOST_CONTROLS),
            holds(pairs(BETAS, near), signs, SIGN_CONTROLS, kind="iff"),
        ),
    ),
)
