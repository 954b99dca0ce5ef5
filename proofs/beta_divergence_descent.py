r"""The multiplicative update descends for every β-divergence, with and without penalties: the exponent γ(β).

Source: Févotte and Idier 2011; with penalties Tan and Févotte 2013.

Statement 23.  Let X, W, H′ be positive, Z′ = WH′,

$$ N = W^\top (X \odot Z'^{\beta-2}), \qquad P = W^\top Z'^{\beta-1} \quad\text{(powers entry by entry)}, $$

and let f(H) = D_β(X, WH) + l1 ΣH + ½ l2 ‖H‖², l1, l2 ≥ 0. The update

$$ H = H' \odot \Big[ N \oslash (P + l_1 + l_2 H') \Big]^{\gamma}, \qquad
   \gamma = \begin{cases} 1/(2-\beta) & \beta < 1 \\ 1 & 1 \le \beta \le 2 \\ 1/(\beta-1) & \beta > 2 \end{cases}
   \ \ (l_2 = 0), \qquad
   \gamma = \begin{cases} 1/(3-\beta) & \beta \le 2 \\ 1/(\beta-1) & \beta > 2 \end{cases} \ \ (l_2 > 0), $$

minimises a majoriser of f that touches f at H′. So f never rises (statement 11 says why).

Derivation.  The derivative of d_β(x, z) in z is z^{β−1} − x z^{β−2}, for every β. Let

$$ I_s(u) = \int_1^u v^s\, dv, $$

which is (u^{s+1} − 1)/(s + 1), or log u for s = −1. A function c with the slope c′(z) = z^s has
c(z′u) − c(z′) = ∫_1^u c′(z′v) z′ dv = z′^{s+1} I_s(u). With u = z/z′,

$$ d_\beta(x, z) - d_\beta(x, z') = z'^{\beta} I_{\beta-1}(u) - x z'^{\beta-1} I_{\beta-2}(u). \tag{1} $$

1. Which part is convex?  I_s has the second derivative s u^{s−1}: it is convex for s ≥ 0 and concave for s ≤ 0. So in
   (1) the first part is convex for β ≥ 1, else concave; the second (mind the minus) is convex for β ≤ 2, else concave.
2. Take one entry of X. Let λ_k = W_ik H′_kj / Z′_ij, which are ≥ 0 with sum 1, and u_k = H_kj/H′_kj. Then
   Z_ij/Z′_ij = Σ_k λ_k u_k. Two ways to bound a function of this sum by a sum of functions of one u_k each, both with
   equality where all u_k = 1:
   - convex c: Jensen's inequality, c(Σ_k λ_k u_k) ≤ Σ_k λ_k c(u_k);
   - concave c: it lies below its tangent at 1, c(Σ_k λ_k u_k) ≤ c(1) + c′(1) Σ_k λ_k (u_k − 1). For c = I_s this is
     Σ_k λ_k I_0(u_k), and for c = −I_s it is −Σ_k λ_k I_0(u_k), because I_s(1) = 0, I_s′(1) = 1 and I_0(u) = u − 1.
3. Sum over i. With λ_k Z′^β = W_ik H′_kj Z′^{β−1} the first part of (1) gives Σ H′ ⊙ P ⊙ I_p(u) and the second
   −Σ H′ ⊙ N ⊙ I_q(u), where u = H ⊘ H′ and

   $$ p = \beta - 1 \ (\beta \ge 1), \quad p = 0 \ (\beta < 1), \qquad
      q = \beta - 2 \ (\beta \le 2), \quad q = 0 \ (\beta > 2). $$

4. The penalties are sums over entries as they are: l1 H_kj − l1 H′_kj = l1 H′_kj I_0(u), and
   ½ l2 (H_kj² − H′_kj²) = l2 H′_kj² I_1(u).
5. Several increasing powers of u cannot be solved for u by hand. But for s ≤ t, I_s(u) ≤ I_t(u) for all u > 0: above
   v = 1, v^s ≤ v^t; below, v^s ≥ v^t, and there the integral from 1 runs backwards. So raise each increasing term to
   the largest power t among them: t = p without l2 (p ≥ 0 is at least the power of l1), t = max(p, 1) with l2. Hence

   $$ f(H) \le f(H') + \sum_{kj} H'_{kj} \big[ (P + l_1 + l_2 H')_{kj}\, I_t(u_{kj}) - N_{kj} I_q(u_{kj}) \big], $$

   with equality at u = 1, where all I are 0.
6. Minimise entry by entry. The derivative of the bracket in u is A u^t − N u^q with A = P + l1 + l2 H′. It is
   u^q (A u^{t−q} − N) with t > q: negative below u = (N/A)^{1/(t−q)}, positive above. So this u is the minimiser, and
   γ = 1/(t − q).
7. The cases. Without l2: β < 1: t − q = 0 − (β − 2) = 2 − β. 1 ≤ β ≤ 2: (β − 1) − (β − 2) = 1. β > 2: (β − 1) − 0.
   With l2: β ≤ 2: 1 − (β − 2) = 3 − β. β > 2: (β − 1) − 0, since β − 1 ≥ 1 is the largest already.
8. By step 6 the bracket falls from u = 1 to its minimiser, and is at most 0 all the way. So an update that goes only a
   part of the way does not raise f either: one that sees some N̂ with A ≤ N̂ ≤ N, as where N is beyond the range of
   floating point and a bounded x/z stands for it. ∎

What it teaches.  γ < 1 is the price of step 2 or 5: where a tangent has to stand in for a curve, or a penalty of
another power joins, the step is shortened. γ = 1 (the update that "sets the parts of the gradient equal") is the
minimiser only for 1 ≤ β ≤ 2 without l2, and for β = 2 with it.
"""

import jax
import numpy as np
from hypothesis import strategies as st

from jnmf import losses, multiplicative
from proofs.kernel import Statement, bound, chain, excess, holds
from proofs.strategies import SHAPES, nonnegative, positive

SHAPE = SHAPES[1]  # one is enough: the library is compiled for each shape
PENALTIES = ((0.0, 0.0), (4.0, 0.0), (0.0, 4.0), (1.0, 8.0))
BELOW, BETWEEN, ABOVE = (-1.0, 0.0, 0.5), (1.0, 1.5, 2.0), (2.5, 3.0)


@st.composite
def iterates(draw, betas=BELOW + BETWEEN + ABOVE):
    """(new, old, X, W, β, l1, l2), the matrices positive."""
    m, n, r = SHAPE
    H, old, X, W = (draw(positive(shape)) for shape in ((r, n), (r, n), (m, n), (m, r)))
    beta = draw(st.sampled_from(betas))
    return H, old, X, W, beta, *draw(st.sampled_from(PENALTIES))


@st.composite
def problems_with_zeros(draw):
    """(H, X, W, β, l1, l2) with zeros in the factors, and for β > 0 in X."""
    m, n, r = SHAPE
    beta = draw(st.sampled_from(BELOW + BETWEEN + ABOVE))
    X = draw(nonnegative((m, n)) if beta > 0 else positive((m, n)))
    return draw(nonnegative((r, n))), X, draw(nonnegative((m, r))), beta, *draw(st.sampled_from(PENALTIES))


def objective(H, X, W, beta, l1, l2):
    return float(losses.BetaDivergence(beta=beta)(X, W, H)) + penalty(H, l1, l2)


def penalty(H, l1, l2):
    return l1 * np.sum(H) + 0.5 * l2 * np.sum(H * H)


step = jax.jit(multiplicative.half_step)


def half_step(old, X, W, beta, l1, l2):
    return np.asarray(step(X, W, old, losses.BetaDivergence(beta=beta), l1, l2))


def integral(s, u):
    """I_s(u), the integral of v^s from 1 to u."""
    return np.log(u) if s == -1 else (u ** (s + 1) - 1) / (s + 1)


def powers(beta, l2):
    """(t, q): the powers of the increasing and of the decreasing terms."""
    p, q = max(beta - 1, 0), min(beta - 2, 0)
    return (max(p, 1) if l2 > 0 else p), q


def coefficients(old, X, W, beta, l1, l2):
    """(A, N) of step 6."""
    Z = W @ old
    return W.T @ Z ** (beta - 1) + l1 + l2 * old, W.T @ (X * Z ** (beta - 2))


def bracket(u, old, X, W, beta, l1, l2):
    A, N = coefficients(old, X, W, beta, l1, l2)
    t, q = powers(beta, l2)
    return A * integral(t, u) - N * integral(q, u)


def majoriser(H, old, X, W, beta, l1, l2):
    u = (W @ old) / X  # d(x, z) is (1) with z′ = x
    at_old = np.sum(X**beta * (integral(beta - 1, u) - integral(beta - 2, u))) + penalty(old, l1, l2)
    return at_old + np.sum(old * bracket(H / old, old, X, W, beta, l1, l2))


def with_exponent(exponent):
    """The update with γ = exponent(β, l2)."""

    def update(old, X, W, beta, l1, l2):
        A, N = coefficients(old, X, W, beta, l1, l2)
        return old * (N / A) ** exponent(beta, l2)

    return update


def right_exponent(beta, l2):
    t, q = powers(beta, l2)
    return 1 / (t - q)


def gamma_one(wrong):
    """The control "γ = 1" for one β; the others have the right exponent."""
    update = with_exponent(lambda beta, l2: 1.0 if beta == wrong else right_exponent(beta, l2))
    return {f"γ = 1 for β = {wrong:g}": (majoriser, update)}


def without_penalties(old, X, W, beta, l1, l2):
    return half_step(old, X, W, beta, 0.0, 0.0)


def dropped(betas):
    return {f"the penalties dropped, β in {betas}": (majoriser, without_penalties)}


REGIMES = {
    BELOW: gamma_one(-1.0) | gamma_one(0.0) | dropped(BELOW),
    BETWEEN: {"l2 with γ = 1": (majoriser, with_exponent(lambda beta, l2: 1.0))} | dropped(BETWEEN),
    ABOVE: gamma_one(3.0) | dropped(ABOVE),
}


# The minimiser: by brute force, by hand, by the library.


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
    "γ = 1 for every β": lambda new, old, *problem: with_exponent(lambda beta, l2: 1.0)(old, *problem),
    "γ without regard to l2": lambda new, old, *problem: with_exponent(lambda beta, l2: right_exponent(beta, 0))(
        old, *problem
    ),
    "the penalties dropped": lambda new, old, *problem: without_penalties(old, *problem),
    "l2 without H": lambda new, old, X, W, beta, l1, l2: half_step(old, X, W, beta, l1 + l2, 0.0),
}


# The steps that make the majoriser, one by one.


def first_part(new, old, X, W, beta, power):
    """Steps 2 and 3: Σ Z′^β I_{β−1}(Z/Z′), and Σ H′ ⊙ P ⊙ I_power(u) above it."""
    Z, u = W @ old, new / old
    exact = np.sum(Z**beta * integral(beta - 1, W @ new / Z))
    return excess(np.sum(old * (W.T @ Z ** (beta - 1)) * integral(power, u)), exact)


def second_part(new, old, X, W, beta, power):
    """Steps 2 and 3: −Σ X Z′^{β−1} I_{β−2}(Z/Z′), and −Σ H′ ⊙ N ⊙ I_power(u) above it."""
    Z, u = W @ old, new / old
    exact = -np.sum(X * Z ** (beta - 1) * integral(beta - 2, W @ new / Z))
    return excess(-np.sum(old * (W.T @ (X * Z ** (beta - 2))) * integral(power, u)), exact)


def raised(new, old, beta):
    """Step 5: each I_s(u) lies below I_t(u) for the largest power t."""
    u = new / old
    p, t = powers(beta, 0.0)[0], powers(beta, 1.0)[0]
    return max(excess(integral(p, u), integral(0, u)), *(excess(integral(t, u), integral(s, u)) for s in (0, 1, p)))


def steps(new, old, X, W, beta, l1, l2):
    p, q = max(beta - 1, 0), min(beta - 2, 0)
    return {
        "the first part": first_part(new, old, X, W, beta, p),
        "the second part": second_part(new, old, X, W, beta, q),
        "powers raised": raised(new, old, beta),
    }


STEPS_CONTROLS = {
    "Jensen for a concave first part": lambda new, old, X, W, beta, *_: first_part(new, old, X, W, beta, beta - 1),
    "Jensen for a concave second part": lambda new, old, X, W, beta, *_: second_part(new, old, X, W, beta, beta - 2),
    "the tangent for a convex first part": lambda new, old, X, W, beta, *_: first_part(new, old, X, W, beta, 0),
    "the tangent for a convex second part": lambda new, old, X, W, beta, *_: second_part(new, old, X, W, beta, 0),
    "powers lowered": lambda new, old, X, W, beta, *_: excess(integral(0, new / old), integral(1, new / old)),
}


def descent(H, *problem, update=half_step):
    before = objective(H, *problem)
    if not np.isfinite(before):  # nothing is claimed
        return {}
    ahead = update(H, *problem)
    on_the_way = [H * np.where(H > 0, ahead / np.where(H > 0, H, 1), 0) ** share for share in (0.1, 0.5, 0.9)]
    return {
        "f(H⁺) ≤ f(H)": excess(before, objective(ahead, *problem)),
        "f ≤ f(H) on the way there": max(excess(before, objective(part, *problem)) for part in on_the_way),
    }


def thrice_the_exponent(H, *problem):
    return H * np.where(H > 0, half_step(H, *problem) / np.where(H > 0, H, 1), 0) ** 3


def quotient_inverted(H, *problem):
    return H * np.where(H > 0, H / np.maximum(half_step(H, *problem), 1e-3), 0)


DESCENT_CONTROLS = {
    "three times the exponent": lambda *inputs: max(descent(*inputs, update=thrice_the_exponent).values(), default=0),
    "the quotient inverted": lambda *inputs: max(descent(*inputs, update=quotient_inverted).values(), default=0),
}

STATEMENTS = (
    Statement(
        23,
        "The multiplicative update minimises a majoriser for every β, with the exponent γ(β) and with penalties",
        "Févotte and Idier 2011; Tan and Févotte 2013",
        (
            holds(iterates(), steps, STEPS_CONTROLS),
            chain(iterates(), (by_bisection, solved_by_hand, library), MINIMISER_CONTROLS),
            *(bound(iterates(betas), objective, majoriser, half_step, wrong) for betas, wrong in REGIMES.items()),
            holds(problems_with_zeros(), descent, DESCENT_CONTROLS, kind="descent"),
        ),
    ),
)
