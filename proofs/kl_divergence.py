r"""The generalised Kullback–Leibler divergence is zero for equal matrices and positive for all others.

Source: lecture, the entropy divergence.

Statement 10.  For nonnegative A, B of one shape let

$$ D(A \| B) = \sum_{ij} d(A_{ij}, B_{ij}), \qquad d(a, b) = a \log (a/b) - a + b, $$

with d(0, b) = b and d(a, 0) = ∞ for a > 0. Then D(A‖B) ≥ 0, and D(A‖B) = 0 if and only if A = B. More precisely, for
positive entries,

$$ \sum_{ij} \frac{(A_{ij} - B_{ij})^2}{2 \max(A_{ij}, B_{ij})} \;\le\; D(A \| B) \;\le\;
   \sum_{ij} \frac{(A_{ij} - B_{ij})^2}{2 \min(A_{ij}, B_{ij})}. $$

Derivation.  D is a sum of terms that each see one entry of A and one of B. If each term is ≥ 0, so is the sum, and the
sum is 0 only if each term is. So look at one term, with a, b > 0 first.

1. Fix a. In b, d has the derivative 1 − a/b, and d(a, a) = a log 1 − a + a = 0. So d(a, b) is the integral of its
   derivative from a to b:

   $$ d(a, b) = \int_a^b \frac{s - a}{s}\, ds. $$

2. If b > a, then s − a ≥ 0 on the way and the integral is ≥ 0. If b < a, turn it around:
   d(a, b) = ∫_b^a (a − s)/s ds, and again the integrand is ≥ 0. So d(a, b) ≥ 0.
3. On the way, s lies between min(a, b) and max(a, b). Replace the s in the denominator by the larger of the two and the
   integrand becomes smaller; what remains is ∫ |s − a| ds = (a − b)²/2. Hence d(a, b) ≥ (a − b)² / (2 max(a, b)). In
   the same way, with the smaller of the two, d(a, b) ≤ (a − b)² / (2 min(a, b)).
4. If a = b, both bounds are 0, so d = 0. If d = 0, the lower bound is ≤ 0, so (a − b)² = 0, so a = b.
5. The edge. For a = 0, d(0, b) = b, which is ≥ 0, and 0 only for b = 0; the lower bound, b²/(2b) = b/2, still holds.
   For a > 0, b = 0, d = ∞ > 0, and a ≠ b. ∎

A second way, shorter but without the bounds: with t = b/a, d(a, b) = a (t − 1 − log t), and log t ≤ t − 1 with equality
only at t = 1, because the concave curve log t lies below its tangent at 1.

What it teaches.  The terms −a + b are needed: without them the sum can be negative (take B = 2A). Near A = B the
divergence is half a square, weighted with 1/A: it asks for a small relative error of small entries too.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jnmf import losses
from proofs.kernel import Statement, chain, excess, holds
from proofs.strategies import nonnegative, positive, scales, shapes


@st.composite
def pairs(draw, matrices):
    """(A, B) of one shape, with one scale for both; sometimes some or all entries of B are those of A."""
    m, n, _ = draw(shapes)
    A, B, scale = draw(matrices((m, n))), draw(matrices((m, n))), draw(scales)
    equal_columns = draw(st.sampled_from((0, 0, 1, n)))
    B[:, :equal_columns] = A[:, :equal_columns]
    return scale * A, scale * B


NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)

divergence = jax.jit(lambda A, B: losses.kl(A, B, jnp.eye(B.shape[1])))  # of A from B = B I


def integral(A, B):
    """Σ ∫ (s − a)/s ds from a to b by Gauss–Legendre, in the variable τ = log(s/a), where it is ∫ a (e^τ − 1) dτ."""
    half = np.log(B / A)[..., None] / 2
    return np.sum(A[..., None] * np.expm1(half * (NODES + 1)) * half * WEIGHTS)


def by_the_ratio(A, B):
    t = B / A
    return np.sum(A * (t - 1 - np.log(t)))


def definition(A, B):
    return np.sum(A * np.log(A / B) - A + B)


def library(A, B):
    return divergence(A, B)


CHAIN_CONTROLS = {
    "A and B exchanged": lambda A, B: definition(B, A),
    "without −A + B": lambda A, B: np.sum(A * np.log(A / B)),
}


def square_over(size, A, B):
    """Σ (a − b)² / (2 size(a, b)), with 0/0 = 0."""
    A, B = np.asarray(A), np.asarray(B)
    return np.sum(np.where(A == B, 0, (A - B) ** 2 / (2 * np.where(A == B, 1, size(A, B)))))


def sign_and_zeros(A, B, D: Callable = divergence):
    """The deviations are relative to ΣA + ΣB, the size of the terms that cancel in D."""
    size = np.sum(A) + np.sum(B)
    value = float(D(A, B))
    return {
        "D(A‖B) ≥ 0": excess(value, 0, size),
        "A = B ⇒ D = 0": max(excess(0, D(A, A), size), excess(D(B, B), 0, size), excess(0, D(B, B), size)),
        "D = 0 ⇒ A = B": excess(value, square_over(np.maximum, A, B), size),
    }


def upper_bound(A, B):
    return {"D(A‖B) ≤ Σ (a − b)² / 2 min(a, b)": excess(square_over(np.minimum, A, B), divergence(A, B))}


def entropy_alone(A, B):
    inside = (A > 0) & (B > 0)
    return np.sum(np.where(inside, A * np.log(np.where(inside, A, 1) / np.where(inside, B, 1)), 0))


SIGN_CONTROLS = {
    "the sum of a log(a/b) is ≥ 0": lambda A, B: sign_and_zeros(A, B, D=entropy_alone)["D(A‖B) ≥ 0"],
    "A = 2B ⇒ D = 0": lambda A, B: excess(0, divergence(2 * B, B), np.sum(B)),
    "the lower bound without its ½": lambda A, B: excess(
        divergence(A, B), 2 * square_over(np.maximum, A, B), np.sum(A) + np.sum(B)
    ),
}
UPPER_CONTROLS = {
    "the upper bound with max for min": lambda A, B: excess(square_over(np.maximum, A, B), divergence(A, B)),
    "the upper bound with another ½": lambda A, B: excess(square_over(np.minimum, A, B) / 2, divergence(A, B)),
}

STATEMENTS = (
    Statement(
        10,
        "D(A‖B) ≥ 0 for the generalised Kullback–Leibler divergence, with equality if and only if A = B",
        "lecture, the entropy divergence",
        (
            chain(pairs(positive), (integral, by_the_ratio, definition, library), CHAIN_CONTROLS),
            holds(pairs(nonnegative), sign_and_zeros, SIGN_CONTROLS, kind="iff"),
            holds(pairs(positive), upper_bound, UPPER_CONTROLS),
        ),
    ),
)
