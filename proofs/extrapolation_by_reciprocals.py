r"""Extrapolating an entry that falls: by its reciprocal, so that it stays positive.

Source: the rule of `jnmf.momentum.ahead_of`; for the entries that rise Hien, Leplat and Gillis 2024.

Statement.  Let a > 0 be an entry of a factor, b > 0 what it was an iteration before, and 0 ≤ w ≤ 1. Extrapolate

$$ \bar a = a + w\,(a - b) \quad (a \ge b), \qquad
   \frac{1}{\bar a} = \frac1a + w\Bigl(\frac1a - \frac1b\Bigr) \quad (a < b). $$

(a) For a < b,

$$ \bar a = \frac{a\,b}{b + w\,(b - a)} = a + w\,(a - b) + \frac{w\,(1 + w)\,(b - a)^2}{b + w\,(b - a)} : $$

   the two rules agree to first order, with the derivative 1 + w in a at a = b, and the second lies above the first.
(b) ā > a / (1 + w) ≥ a/2, so a multiplicative update can go on from ā. The first rule ends at a negative number when
   a < w b / (1 + w), and at 0 an entry is lost.
(c) Let the update multiply an entry by ρ < 1 wherever it is, as the entries do that end at 0. With w = 1 the entry then
   falls at the rate 1 − √(1 − ρ), which is the smaller: for ρ = 1 − ε about 1 − √ε.
(d) |ā − a| ≤ w |a − b|. So with w ≤ c ‖A‖ / ‖A − B‖ the whole factor moves by ‖Ā − A‖ ≤ c ‖A‖, and for c = c₀ k^{−q/2}
   in iteration k, q > 1 and bounded factors the squares of all these moves have a finite sum.

Derivation.
1. Multiply 1/a + w (1/a − 1/b) = (b + w (b − a)) / (a b) out and invert: the quotient in (a).
2. With d = b − a > 0 its denominator is a + (1 + w) d. Subtract a − w d, times the denominator, from the numerator
   a (a + d):  a² + a d − a² − a (1 + w) d + a w d + w (1 + w) d² = w (1 + w) d². Divided by the denominator, that is
   the last term of (a). It is positive, and of second order in d.
3. The derivative of a b / (b + w (b − a)) in a is b (b + w b) / (b + w (b − a))² = (1 + w) b² / (b + w (b − a))², which
   is 1 + w at a = b.
4. b − a < b, so ā = a b / (b + w (b − a)) > a b / (b + w b) = a / (1 + w).
5. Let a = q b, at a rate q that no longer changes. By step 1 with w = 1, ā = a / (2 − q), and the next entry ρ ā is
   q a:  q (2 − q) = ρ, so (1 − q)² = 1 − ρ, and of the two roots q = 1 − √(1 − ρ) is below 1. It is below ρ, since
   √(1 − ρ) > 1 − ρ.
6. For a ≥ b, ā − a = w (a − b). For a < b, step 1 gives a − ā = a w (b − a) / (b + w (b − a)), and the factor
   a / (b + w (b − a)) is below a/b < 1. So ‖Ā − A‖ ≤ w ‖A − B‖ ≤ c ‖A‖, and Σ_k c₀² k^{−q} ‖A_k‖² converges with
   Σ k^{−q}. ∎

What it teaches.  The entries of a factor are of two kinds. Those that end positive need only be extrapolated to first
order, and both rules do that. Those that end at 0 fall by a factor an iteration. What helps them is a rule in which
they fall faster and never arrive; leaving them alone, as extrapolation of the increases does, leaves them slow.
"""

from functools import wraps

import jax
import numpy as np
from hypothesis import strategies as st

from jnmf.momentum import ahead_of, bounded
from proofs.kernel import Statement, chain, exact_chain, excess, holds
from proofs.strategies import positive

weights = st.integers(0, 16).map(lambda k: k / 16)
INPUTS = st.tuples(positive((3, 4)), positive((3, 4)), weights)
BOUNDED = st.tuples(positive((3, 4)), positive((3, 4)), weights, weights)
RATES = st.tuples(st.integers(1, 15).map(lambda k: k / 16))


def linear(a, b, w):
    return a + w * (a - b)


def where_it_fell(falling):
    """That rule where a < b, the linear one elsewhere."""

    @wraps(falling)
    def rule(a, b, w):
        return np.where(a < b, falling(a, np.maximum(a, b), w), linear(a, b, w))

    return rule


@where_it_fell
def by_reciprocals(a, b, w):
    return 1 / (1 / a + w * (1 / a - 1 / b))


@where_it_fell
def quotient(a, b, w):
    return a * b / (b + w * (b - a))


@where_it_fell
def above_linear(a, b, w):
    return linear(a, b, w) + w * (1 + w) * (b - a) ** 2 / (b + w * (b - a))


library = jax.jit(ahead_of)


# The derivative in a.


@jax.jit
def derivative_by_autodiff(a, b, w):
    return jax.vmap(jax.vmap(jax.grad(ahead_of), (0, 0, None)), (0, 0, None))(a, b, w)


def derivative(a, b, w):
    return np.where(a < b, (1 + w) * b**2 / (b + w * np.maximum(b - a, 0)) ** 2, 1 + w)


# The rate of an entry that falls.


def rate_after_many_iterations(rho):
    q = rho
    for _ in range(200):  # an entry that was 1 and is q
        q = rho * quotient(np.array(q), 1.0, 1) / q
    return np.asarray(q)


def root(rho):
    return np.asarray(1 - np.sqrt(1 - rho))


def too_low(a, b, w, rule=quotient):
    return {"ā ≥ a / (1 + w)": excess(rule(a, b, w), a / (1 + w))}


@jax.jit
def bounded_move(a, b, w, c):
    return ahead_of(a, b, bounded(w, a, b, c)) - a


def too_far(a, b, w, c, move=bounded_move):
    moved = move(a, b, w, c)
    return {
        "|ā − a| ≤ w |a − b|": excess(w * np.abs(a - b), np.abs(moved), scale=np.max(a)),
        "‖Ā − A‖ ≤ c ‖A‖": excess(c * np.linalg.norm(a), np.linalg.norm(moved), scale=np.max(a)),
    }


def not_further(move):
    return lambda *args: max(too_far(*args, move=move).values())


def bounded_by_the_sum(a, b, w, c):
    return quotient(a, b, min(w, c * np.sum(a) / max(np.linalg.norm(a - b), 1e-99))) - a


CONTROLS = {
    "linear where it falls": linear,
    "only what rises": where_it_fell(lambda a, b, w: a),
    "a² / (a + w (b − a))": where_it_fell(lambda a, b, w: a**2 / (a + w * (b - a))),
}

STATEMENTS = (
    Statement(
        28,
        "An entry that falls, extrapolated by its reciprocal, stays above a/(1 + w), and falls at 1 − √(1 − ρ) for ρ",
        "after Hien, Leplat and Gillis 2024",
        (
            chain(INPUTS, (by_reciprocals, quotient, above_linear, library), CONTROLS),
            exact_chain(INPUTS, (by_reciprocals, quotient, above_linear), CONTROLS),
            chain(
                INPUTS,
                (derivative_by_autodiff, derivative),
                {"1 + w everywhere": lambda a, b, w: np.full(a.shape, 1 + w)},
            ),
            holds(INPUTS, too_low, {"linear where it falls": lambda *args: max(too_low(*args, rule=linear).values())}),
            holds(
                BOUNDED,
                too_far,
                {
                    "without the bound": not_further(lambda a, b, w, c: quotient(a, b, w) - a),
                    "ΣA for ‖A‖": not_further(bounded_by_the_sum),
                },
            ),
            chain(RATES, (rate_after_many_iterations, root), {"that of the update": lambda rho: np.asarray(rho)}),
        ),
    ),
)
