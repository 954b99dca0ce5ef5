r"""The multiplicative update for the negative binomial loss descends, with and without penalties.

Source: Gouvert, Oberlin and Févotte 2020.

Statement 32.  Let X, W, H′ be positive, α > 0, Z′ = WH′,

$$ d(x, z) = x \log\frac{x}{z} - (x + \alpha) \log\frac{x + \alpha}{z + \alpha}, \qquad
   N = W^\top (X \oslash Z'), \qquad P = W^\top \big( (X + \alpha) \oslash (Z' + \alpha) \big), $$

and let f(H) = Σ d(X, WH) + l1 ΣH + ½ l2 ‖H‖², l1, l2 ≥ 0. The gradient of Σ d at H′ is P − N, and the update

$$ H = H' \odot \Big[ N \oslash (P + l_1 + l_2 H') \Big]^{\gamma}, \qquad
   \gamma = 1 \ (l_2 = 0), \qquad \gamma = \tfrac12 \ (l_2 > 0), $$

minimises a majoriser of f that touches f at H′. So f never rises (statement 11 says why).

Derivation.  Counts of mean z and variance z + z²/α have the probability
Γ(x + α)/(Γ(α) x!) · (α/(z + α))^α (z/(z + α))^x. Its −log is, up to what does not depend on z,
(x + α) log(z + α) − x log z; d is that minus its value at z = x, so that d(x, x) = 0.

1. The derivative of d in z is (x + α)/(z + α) − x/z. With Z = WH and the chain rule, ∇_H Σ d = P − N at H′.
2. From z′ to z,

   $$ d(x, z) - d(x, z') = -x \log\frac{z}{z'} + (x + \alpha) \log\frac{z + \alpha}{z' + \alpha}. \tag{1} $$

   The first part is convex in z, the second concave: both bounds of statement 23 are at work at once.
3. Take one entry of X. Let λ_k = W_ik H′_kj / Z′_ij, which are ≥ 0 with sum 1, and u_k = H_kj/H′_kj, so that
   z/z′ = Σ_k λ_k u_k. Jensen: −log Σ_k λ_k u_k ≤ −Σ_k λ_k log u_k. The tangent: log((z + α)/(z′ + α)) ≤
   (z − z′)/(z′ + α), and z − z′ = Σ_k W_ik H′_kj (u_k − 1).
4. Sum over i. With x λ_k = W_ik H′_kj x/z′,

   $$ f(H) \le f(H') + \sum_{kj} H'_{kj} \big[ P (u - 1) - N \log u \big]_{kj}
      + l_1 \sum (H - H') + \tfrac12 l_2 \big( \|H\|^2 - \|H'\|^2 \big). $$

5. The penalties are l1 H′ (u − 1) and l2 H′² (u² − 1)/2, entry by entry. Without l2 the bracket is A (u − 1) − N log u
   with A = P + l1. Its derivative A − N/u changes sign at u = N/A: γ = 1.
6. With l2 > 0 there are terms in u and in u², and u − 1 ≤ (u² − 1)/2, since the difference is (u − 1)²/2. Raise the
   first to the second: A (u² − 1)/2 − N log u with A = P + l1 + l2 H′, whose derivative A u − N/u changes sign at
   u = (N/A)^{1/2}: γ = ½. At u = 1 all these are 0, so the majoriser touches f at H′. ∎

What it teaches.  N is that of KL; only the pull downwards differs, 1 becoming (x + α)/(z + α), which is near 1 for z
far below α and falls like 1/z above it: large counts, whose variance is about z²/α, may be missed by more.
"""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jnmf import losses, multiplicative
from proofs.kernel import Statement, bound, chain, excess, holds
from proofs.strategies import SHAPES, nonnegative, positive

SHAPE = SHAPES[1]  # one is enough: the library compiles each of its operations for each shape
PENALTIES = ((0.0, 0.0), (4.0, 0.0), (0.0, 4.0), (1.0, 8.0))
ALPHAS = (0.125, 1.0, 8.0, 64.0)


def draws(of_factors, of_X):
    """(new, old, X, W, α, l1, l2)."""
    m, n, r = SHAPE
    matrices = of_factors((r, n)), of_factors((r, n)), of_X((m, n)), of_factors((m, r))
    numbers = st.tuples(st.sampled_from(ALPHAS), st.sampled_from(PENALTIES)).map(lambda drawn: (drawn[0], *drawn[1]))
    return st.tuples(st.tuples(*matrices), numbers).map(lambda drawn: (*drawn[0], *drawn[1]))


ITERATES = draws(positive, positive)
WITH_ZEROS = draws(nonnegative, nonnegative).map(lambda drawn: drawn[1:])


def textbook(x, z, alpha):
    return x * jnp.log(x / z) - (x + alpha) * jnp.log((x + alpha) / (z + alpha))


def penalty(H, l1, l2):
    return l1 * np.sum(H) + 0.5 * l2 * np.sum(H * H)


value = jax.jit(lambda loss, *problem: loss(*problem))
step = jax.jit(multiplicative.half_step)


def objective(H, X, W, alpha, l1, l2):
    return float(value(losses.NegativeBinomial(alpha=alpha), X, W, H)) + penalty(H, l1, l2)


def half_step(old, X, W, alpha, l1, l2):
    return np.asarray(step(X, W, old, losses.NegativeBinomial(alpha=alpha), l1, l2))


def parts(old, X, W, alpha):
    """N and P."""
    Z = W @ old
    return W.T @ (X / Z), W.T @ ((X + alpha) / (Z + alpha))


# Step 1: the gradient.


def gradient_by_autodiff(new, old, X, W, alpha, l1, l2):
    return jax.grad(lambda H: jnp.sum(textbook(X, W @ H, alpha)))(old)


def difference_of_the_parts(new, old, X, W, alpha, l1, l2):
    N, P = parts(old, X, W, alpha)
    return P - N


def gradient_of_the_library(new, old, X, W, alpha, l1, l2):
    return losses.NegativeBinomial(alpha=alpha).grad_H(X, W, old)


GRADIENT_CONTROLS = {
    "α left out of the numerator": lambda new, old, X, W, alpha, *_: W.T @ (X / (W @ old + alpha) - X / (W @ old)),
    "that of KL": lambda new, old, X, W, *_: W.T @ (1 - X / (W @ old)),
}


# Steps 3 to 6: the majoriser and its minimiser.


def bracket(u, old, X, W, alpha, l1, l2):
    N, P = parts(old, X, W, alpha)
    A = P + l1 + l2 * old
    return A * ((u**2 - 1) / 2 if l2 > 0 else u - 1) - N * np.log(u)


def majoriser(H, old, X, W, alpha, l1, l2):
    return objective(old, X, W, alpha, l1, l2) + np.sum(old * bracket(H / old, old, X, W, alpha, l1, l2))


def tangents_alone(H, old, X, W, alpha, l1, l2):
    """The tangent in the place of Jensen's inequality for the convex part, too."""
    N, P = parts(old, X, W, alpha)
    slope = P - N + l1 + l2 * old
    return objective(old, X, W, alpha, l1, l2) + np.sum(slope * (H - old))


def with_exponent(gamma):
    def update(old, X, W, alpha, l1, l2):
        N, P = parts(old, X, W, alpha)
        return old * (N / (P + l1 + l2 * old)) ** gamma(l2)

    return update


right_exponent = lambda l2: 0.5 if l2 > 0 else 1.0
BOUND_CONTROLS = {
    "γ = 1 with l2": (majoriser, with_exponent(lambda l2: 1.0)),
    "γ = ½ without": (majoriser, with_exponent(lambda l2: 0.5)),
    "the penalties dropped": (majoriser, lambda old, X, W, alpha, l1, l2: half_step(old, X, W, alpha, 0.0, 0.0)),
    "only tangents": (tangents_alone, half_step),
}


def by_bisection(new, old, *problem):
    """Where the bracket's derivative in u changes sign; the derivative by a complex step, exact to rounding."""
    low, high = np.full(old.shape, -60.0), np.full(old.shape, 60.0)
    for _ in range(70):
        middle = (low + high) / 2
        rising = np.imag(bracket(2.0**middle * (1 + 1e-30j), old, *problem)) > 0
        low, high = np.where(rising, low, middle), np.where(rising, middle, high)
    return old * 2.0**low


def solved_by_hand(new, old, *problem):
    return with_exponent(right_exponent)(old, *problem)


def library(new, old, *problem):
    return half_step(old, *problem)


MINIMISER_CONTROLS = {
    "γ = 1 for every penalty": lambda new, old, *problem: with_exponent(lambda l2: 1.0)(old, *problem),
    "that of KL": lambda new, old, X, W, alpha, l1, l2: multiplicative.half_step(X, W, old, losses.kl, l1, l2),
}


# The two bounds of step 3, by themselves, and the descent.


def bounds(new, old, X, W, alpha, l1, l2):
    Z, new_Z, u = W @ old, W @ new, new / old
    N, P = parts(old, X, W, alpha)
    return {
        "Jensen": excess(-np.sum(old * N * np.log(u)), -np.sum(X * np.log(new_Z / Z))),
        "the tangent": excess(np.sum(old * P * (u - 1)), np.sum((X + alpha) * np.log((new_Z + alpha) / (Z + alpha)))),
        "powers raised": excess((u**2 - 1) / 2, u - 1),
    }


def jensen_for_both(new, old, X, W, alpha, l1, l2):
    Z, P, u = W @ old, parts(old, X, W, alpha)[1], new / old
    return excess(np.sum(old * P * np.log(u)), np.sum((X + alpha) * np.log((W @ new + alpha) / (Z + alpha))))


def tangent_for_both(new, old, X, W, alpha, l1, l2):
    Z, N = W @ old, parts(old, X, W, alpha)[0]
    return excess(-np.sum(N * (new - old)), -np.sum(X * np.log(W @ new / Z)))


def descent(H, *problem, update=half_step):
    before = objective(H, *problem)
    if not np.isfinite(before):  # nothing is claimed
        return {}
    return {"f(H⁺) ≤ f(H)": excess(before, objective(update(H, *problem), *problem))}


def cubed(H, *problem):
    """H (H⁺/H)³."""
    return H * np.where(H > 0, half_step(H, *problem) / np.where(H > 0, H, 1), 0) ** 3


def upside_down(H, *problem):
    return H * np.where(H > 0, H / np.maximum(half_step(H, *problem), 1e-3), 0)


DESCENT_CONTROLS = {
    "three times the exponent": lambda *inputs: max(descent(*inputs, update=cubed).values(), default=0),
    "the quotient inverted": lambda *inputs: max(descent(*inputs, update=upside_down).values(), default=0),
}

STATEMENTS = (
    Statement(
        32,
        "The multiplicative update for the negative binomial loss minimises a majoriser, with and without penalties",
        "Gouvert, Oberlin and Févotte 2020",
        (
            chain(
                ITERATES,
                (gradient_by_autodiff, difference_of_the_parts, gradient_of_the_library),
                GRADIENT_CONTROLS,
            ),
            holds(ITERATES, bounds, {"Jensen for both": jensen_for_both, "the tangent for both": tangent_for_both}),
            chain(ITERATES, (by_bisection, solved_by_hand, library), MINIMISER_CONTROLS),
            bound(ITERATES, objective, majoriser, half_step, BOUND_CONTROLS),
            holds(WITH_ZEROS, descent, DESCENT_CONTROLS, kind="descent"),
        ),
    ),
)
