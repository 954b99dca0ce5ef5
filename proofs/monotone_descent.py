r"""Both multiplicative algorithms descend: the auxiliary functions of Lee and Seung.

Source: lecture, convergence of the multiplicative updates; Lee and Seung 2001, theorems 1 and 2.

Statement 11.  Let X ≥ 0 and let W, H be positive. Neither half-step in H raises its loss:

$$ H^+ = H \odot (W^\top X) \oslash (W^\top W H) \ \text{ for }\ \tfrac12 \|X - W H\|^2, \qquad
   H^+ = H \odot (W^\top (X \oslash WH)) \oslash (W^\top 1) \ \text{ for }\ D(X \| WH). $$

More precisely, the loss falls at least by

$$ \tfrac12 \sum_{kj} \frac{(W^\top W H)_{kj}}{H_{kj}} (H^+_{kj} - H_{kj})^2 \quad\text{and}\quad
   \sum_{kj} (W^\top 1)_{kj}\, d(H^+_{kj}, H_{kj}), \qquad d(a, b) = a \log (a/b) - a + b . $$

The half-steps in W are the same for Xᵀ ≈ HᵀWᵀ, so a whole iteration descends too.

The idea.  Write H for the new, H′ for the current iterate. Find Q(H, H′), the auxiliary function or *majoriser*, with
Q(H, H′) ≥ f(H) for all H and Q(H′, H′) = f(H′), and let H⁺ minimise Q(·, H′). Then

$$ f(H^+) \le Q(H^+, H') \le Q(H', H') = f(H'). $$

It helps if Q is a sum of functions of one entry of H each: then it is minimised entry by entry.

Derivation, Frobenius.  With G = WᵀW and C = WᵀX, f(H) = ½‖X‖² − ⟨C, H⟩ + ½⟨H, GH⟩.
1. The last term couples the entries of one column h of H. For h′ > 0, G symmetric with G ≥ 0 entry by entry,

   $$ \sum_k \frac{(G h')_k}{h'_k} h_k^2 - \sum_{kl} h_k G_{kl} h_l
      = \sum_{kl} G_{kl} \Big( \frac{h'_l}{h'_k} h_k^2 - h_k h_l \Big)
      = \tfrac12 \sum_{kl} G_{kl} h'_k h'_l \Big( \frac{h_k}{h'_k} - \frac{h_l}{h'_l} \Big)^2 \ge 0. $$

   For the last equality multiply out the square: it gives (h′_l/h′_k) h_k² + (h′_k/h′_l) h_l² − 2 h_k h_l, and the
   first two have the same sum, because G_kl = G_lk lets k and l change places.
2. So Q(H, H′) = ½‖X‖² − ⟨C, H⟩ + ½⟨(GH′) ⊘ H′, H ⊙ H⟩ ≥ f(H). At H = H′ the square is 0, so Q touches f there.
3. Each entry of H has its own parabola −C_kj H_kj + ½ a_kj H_kj², a = (GH′) ⊘ H′ > 0. Its vertex is H_kj = C_kj/a_kj,
   that is H′ ⊙ C ⊘ (GH′) = H⁺, and Q(H, H′) = Q(H⁺, H′) + ½⟨a, (H − H⁺) ⊙ (H − H⁺)⟩. With H = H′ this is the amount of
   descent above.
4. Where C_kj < 0 (for an X with negative entries), the vertex is negative, the parabola rises for H_kj ≥ 0, and its
   minimum there is at 0. So H′ ⊙ [C]₊ ⊘ (GH′) minimises Q over H ≥ 0 for every C.
5. Penalties l1 ΣH + ½ l2 ‖H‖². With l2, G = WᵀW + l2 I, which is still ≥ 0, and nothing else changes. For l1,
   (h − h′)² ≥ 0 gives h ≤ ½ (h²/h′ + h′), with equality at h = h′: a parabola above the line that touches it. Added to
   Q, it makes a = (GH′ + l1) ⊘ H′ and the vertex

   $$ H^+ = H' \odot [W^\top X]_+ \oslash (W^\top W H' + l_1 + l_2 H'). $$

   The line itself could stand in Q too, which takes l1 from C. But then an entry whose C is below l1 in one iteration
   is 0, and so in all that follow, wherever the minimum is; with l1 below, an entry only shrinks.

Derivation, Kullback–Leibler.  With Z = WH, f(H) = Σ X log X − X − X log Z + Z. Only −X_ij log Z_ij couples entries.
1. Let Z′ = WH′, λ_k = W_ik H′_kj / Z′_ij, which are ≥ 0 with sum 1, and u_k = H_kj/H′_kj. Let s = Z_ij/Z′_ij, which
   is Σ_k λ_k u_k. The tangent of the logarithm at 1 gives log(u_k/s) ≤ u_k/s − 1. Multiply by λ_k and sum over k: the
   right side becomes s/s − 1 = 0, and so Σ_k λ_k log u_k ≤ log s.
2. Hence −X_ij log Z_ij ≤ −X_ij (log Z′_ij + Σ_k λ_k log u_k), with equality at H = H′, where all u_k are 1. So

   $$ Q(H, H') = \sum_{ij} X_{ij} \log \frac{X_{ij}}{Z'_{ij}} - X_{ij}
      + \sum_{kj} (W^\top 1)_{kj} H_{kj} - P_{kj} \log \frac{H_{kj}}{H'_{kj}}, \qquad
      P = H' \odot (W^\top (X \oslash Z')), $$

   because Σ_i X_ij λ_k = H′_kj Σ_i W_ik X_ij/Z′_ij = P_kj.
3. Each entry has its own convex function b H_kj − P_kj log H_kj, with b = (Wᵀ1)_kj and derivative b − P_kj/H_kj. It is
   negative below H_kj = P_kj/b and positive above, so P ⊘ (Wᵀ1) = H⁺ is the minimiser. With P_kj = b H⁺_kj,
   Q(H, H′) − Q(H⁺, H′) = Σ b (H_kj − H⁺_kj − H⁺_kj log(H_kj/H⁺_kj)) = Σ b d(H⁺_kj, H_kj), which is ≥ 0 (statement 10),
   and at H = H′ the amount of descent above. ∎

What it teaches.  Descent does not say that the iterates converge, nor that a limit is stationary. Step 1 is an equality
only for moves that multiply all entries of h by one factor, and this is why the steps are small. If W has a single
column, every move is such, and the half-step is the exact minimiser.
"""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jnmf import losses, multiplicative, solvers
from jnmf.numerics import divide
from proofs.kernel import Statement, bound, exact_chain, excess, holds
from proofs.strategies import nonnegative, positive, problems, real, shapes

PENALTIES = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.25), (2.0, 1.0))

frobenius_update = jax.jit(solvers.multiplicative)
entropy_update = jax.jit(lambda H, X, W: multiplicative.half_step(X, W, H, losses.kl))
entropy_divergence = jax.jit(losses.kl)
entropy_terms = jax.jit(losses.kl.divergence)


@st.composite
def iterates(draw, X):
    """(new, old, X, W): two positive H, and the data of the problem in H."""
    m, n, r = draw(shapes)
    return draw(positive((r, n))), draw(positive((r, n))), draw(X((m, n))), draw(positive((m, r)))


@st.composite
def penalised_iterates(draw):
    return *draw(iterates(real)), *draw(st.sampled_from(PENALTIES))


# Frobenius


def normal_equations(X, W, l2=0.0):
    return W.T @ W + l2 * np.eye(W.shape[1]), W.T @ X


def frobenius_loss(H, X, W, l1, l2):
    return float(losses.frobenius(X, W, H)) + l1 * H.sum() + 0.5 * l2 * (H * H).sum()


def parabolas(H, old, X, W, l1, l2):
    G, C = normal_equations(X, W, l2)
    return 0.5 * (X * X).sum() - (C * H).sum() + 0.5 * ((G @ old + l1) / old * H * H + l1 * old).sum()


def frobenius_half_step(old, X, W, l1, l2):
    G, C = normal_equations(X, W, l2)
    return frobenius_update(old, G, C, l1)


def gap_of_the_majoriser(new, old, X, W):
    """2 (Q − f), from the definitions of Q and f."""
    quadratic_f, quadratic_Q = (new * (W.T @ W @ new)).sum(), ((W.T @ W @ old) / old * new * new).sum()
    return np.asarray(quadratic_Q - quadratic_f)


def before_the_exchange(new, old, X, W):
    G = (W.T @ W)[:, :, None]
    return (G * (old[None, :] / old[:, None] * new[:, None] ** 2 - new[:, None] * new[None, :])).sum()


def sum_of_squares(new, old, X, W):
    G, u = (W.T @ W)[:, :, None], new / old
    return (G * old[:, None] * old[None, :] * (u[:, None] - u[None, :]) ** 2).sum() / 2


FROBENIUS_CONTROLS = {
    "the diagonal of G as curvature": (
        lambda H, old, X, W, l1, l2: (
            frobenius_loss(old, X, W, l1, l2)
            + ((W.T @ (W @ old - X) + l1 + l2 * old) * (H - old)).sum()
            + 0.5 * ((W * W).sum(0)[:, None] * (H - old) ** 2).sum()
        ),
        frobenius_half_step,
    ),
    "a square root over the quotient": (
        parabolas,
        lambda old, X, W, l1, l2: old * np.sqrt(np.asarray(frobenius_half_step(old, X, W, l1, l2)) / old),
    ),
    "without the penalties": (parabolas, lambda old, X, W, l1, l2: frobenius_half_step(old, X, W, 0, 0)),
    "the negative entries of C made positive": (
        parabolas,
        lambda old, X, W, l1, l2: np.abs(W.T @ X) * old / (W.T @ W @ old + l1 + l2 * old),
    ),
    "l1 taken from C": (
        parabolas,
        lambda old, X, W, l1, l2: np.maximum(W.T @ X - l1, 0) * old / (W.T @ W @ old + l2 * old),
    ),
}
SQUARES_CONTROLS = {
    "without the ½": lambda new, old, X, W: 2 * sum_of_squares(new, old, X, W),
    "squares of h_k − h_l": lambda new, old, X, W: (
        ((W.T @ W)[:, :, None] * (new[:, None] - new[None, :]) ** 2).sum() / 2
    ),
}


# Kullback–Leibler


def entropy_loss(H, X, W):
    return float(entropy_divergence(X, W, H))


def separated_logarithms(H, old, X, W):
    Z = W @ old
    P = old * (W.T @ (X / Z))
    constant = np.sum(np.where(X > 0, X * np.log(np.where(X > 0, X, 1) / Z), 0) - X)
    return constant + (W.sum(0)[:, None] * H).sum() - (P * np.log(np.where(P > 0, H / old, 1))).sum()


def entropy_half_step(old, X, W):
    return entropy_update(old, X, W)


ENTROPY_CONTROLS = {
    "the Frobenius update": (separated_logarithms, lambda old, X, W: old * (W.T @ X) / (W.T @ W @ old)),
    "a square root over the KL quotient": (
        separated_logarithms,
        lambda old, X, W: old * np.sqrt(np.asarray(entropy_update(old, X, W)) / old),
    ),
    "the tangent of the logarithm": (  # −log is convex: its tangent lies below it
        lambda H, old, X, W: entropy_loss(old, X, W) + ((W.T @ (1 - X / (W @ old))) * (H - old)).sum(),
        entropy_half_step,
    ),
}


# The amount of descent, with zeros in the factors too.


def amounts(X, W, H, frobenius=frobenius_update, entropy=entropy_update):
    """How far each loss after its half-step lies above what the statement allows."""
    G = W.T @ W
    new = np.asarray(frobenius(H, G, W.T @ X))
    amount = 0.5 * np.sum(divide(G @ H, H) * (new - H) ** 2)
    before, after = (float(losses.frobenius(X, W, A)) for A in (H, new))
    deviations = {"Frobenius": excess(before - amount, after, before + amount)}

    new = np.asarray(entropy(H, X, W))
    amount = np.sum(W.sum(0)[:, None] * entropy_terms(new, H))
    before, after = (float(entropy_divergence(X, W, A)) for A in (H, new))
    if np.isfinite(before):  # else X has a positive entry where WH is zero, and nothing is claimed
        deviations["KL"] = excess(before - amount, after, before + amount)
    return deviations


def worst_amount(**updates):
    return lambda X, W, H: max(amounts(X, W, H, **updates).values())


AMOUNT_CONTROLS = {
    "the Frobenius step twice as long": worst_amount(
        frobenius=lambda H, G, C: jnp.maximum(2 * frobenius_update(H, G, C) - H, 0)
    ),
    "the KL update with the numerator not divided by Wᵀ1": worst_amount(
        entropy=lambda H, X, W: W.sum(0)[:, None] * entropy_update(H, X, W)
    ),
}

STATEMENTS = (
    Statement(
        11,
        "Both multiplicative updates (Frobenius, KL) minimise a majoriser: the loss never rises",
        "lecture, convergence of the multiplicative updates; Lee and Seung 2001, theorems 1 and 2",
        (
            exact_chain(
                iterates(positive), (gap_of_the_majoriser, before_the_exchange, sum_of_squares), SQUARES_CONTROLS
            ),
            bound(penalised_iterates(), frobenius_loss, parabolas, frobenius_half_step, FROBENIUS_CONTROLS),
            bound(iterates(nonnegative), entropy_loss, separated_logarithms, entropy_half_step, ENTROPY_CONTROLS),
            holds(problems(), amounts, AMOUNT_CONTROLS, kind="descent"),
        ),
    ),
)
