r"""Scaling the columns of W: with H compensated nothing changes; without, it depends on the algorithm.

Source: lecture, normalisation of the factors and the algorithms with it.

Statement 14.  Let D = diag(d₁, …, d_r) with all d_k > 0.

(a) (W D⁻¹)(D H) = W H. So dividing each column of W by its maximum, its sum or its length and multiplying the row of H
    by the same number changes neither the product nor any loss D(X, WH). (A zero column gets d_k = 1.)

The lecture's algorithms divide the columns of W by d after each iteration and leave H alone: ANLS and algorithm I (MU,
Frobenius) by their maxima, algorithm II (MU, KL) by their sums. Compare such a *literal* algorithm with the one that
compensates H, whose iterates are those of the unscaled algorithm up to D, by (c). An iteration is: H from W, then W
from the new H, then the scaling. (b) to (f) are about the maxima, (g) about the sums of algorithm II.

(b) For each algorithm: the pair (W D⁻¹, H) after the scaling does not have the product W H, and its loss can rise from
    one iteration to the next, even for r = 1.
(c) The half-steps commute with compensated scaling. If H⁺ is the new H for (W, H), then D H⁺ is the new H for
    (W D⁻¹, D H), for the exact minimiser and for both multiplicative updates (Frobenius, KL).
(d) ANLS: the iterates of the literal algorithm are right. Its next H is D H⁺, and all its products after a half-step
    are those of the unscaled algorithm, provided that the minimisers are unique (W and H of rank r). Only the pair
    after the scaling is wrong, and with it whatever is read from it: a loss, a stopping rule, the result. One more
    solve for H repairs it. If an iteration is W from H, H from W, scaling, the next W does not see the scaling at all.
(e) MU, Frobenius and KL, with X, W, H > 0: the next H of the literal algorithm is D H⁺ if all d_k are equal (so always
    for r = 1), and only then. Otherwise the row of the largest d_k comes out too small in every entry, the row of the
    smallest too large. The descent is lost: from an exact factorisation, where MU does not move, it moves away.
(f) MU again: at a fixed point with nonzero components all d_k = 1, so the literal algorithm has no fixed points but
    those of MU itself (scaled to maxima 1). Another path, the same possible ends. That it arrives is not proved here.
(g) Algorithm II, from a W whose columns sum to 1: its H needs no denominator, and the sums d_k of its next W have the
    weighted mean Σ_k d_k h_k / Σ_k h_k = 1, where h_k = Σ_j H_kj of the new H. So ΣWH = ΣX after each scaling, and for
    r = 1 nothing is left to scale. For r ≥ 2 the d_k can differ, and the pair after the scaling has another product.

Derivation.
1. (a) D⁻¹D = I, and (WD⁻¹)(DH) = W(D⁻¹D)H. A loss sees the factors only through WH.
2. (b) X = (1, 1, 1, 1)ᵀ, W = (½, ½, 1, ½)ᵀ, r = 1. The best H for ½‖X − WH‖² is WᵀX/WᵀW = (5/2)/(7/4) = 10/7, with
   X − WH = (2, 2, −3, 2)ᵀ/7 and loss 21/98 = 3/14. Start there. H stays, and the next W is X/H = (7/10)(1, 1, 1, 1)ᵀ,
   an exact fit. Scaled, it is (1, 1, 1, 1)ᵀ, the product is 10/7 in each entry, the loss ½·4·(3/7)² = 18/49 > 3/14.
   MU does the same steps as ANLS, since for r = 1 its half-step is the exact minimiser (statement 11). The numbers for
   KL: H = 4/(5/2) = 8/5, then W = (5/8)(1, 1, 1, 1)ᵀ, and scaled the product is 8/5: the divergence rises from 0.20 to
   0.52.
3. (c) Put WD⁻¹ and DH into the half-steps. D is diagonal: it multiplies row k of everything behind it by d_k and D⁻¹
   divides it, and what stands in both parts of an entrywise quotient cancels.
   Frobenius: DH ⊙ (D⁻¹WᵀX) ⊘ (D⁻¹WᵀWD⁻¹DH) = DH ⊙ (WᵀX) ⊘ (WᵀWH) = DH⁺.
   KL: with Z = WH unchanged, DH ⊙ (D⁻¹Wᵀ(X ⊘ Z)) ⊘ (D⁻¹Wᵀ1) = DH⁺.
   Exact minimiser: ‖X − WD⁻¹H̃‖ = ‖X − WH‖ with H = D⁻¹H̃, and H̃ ≥ 0 if and only if H ≥ 0. So H̃ is a minimiser for
   WD⁻¹ if and only if D⁻¹H̃ is one for W. For W the same, transposed: W⁺D⁻¹ is the new W for (WD⁻¹, DH).
4. (d) The exact minimiser H̃ depends on X and WD⁻¹ only. Compensated or not, it is DH⁺, by (c); W after it is then
   W⁺D⁻¹, by (c), and the next scaling brings both to the same matrix. In the other order the next W depends on X and H
   only.
5. (e) Let M = WᵀW, all > 0. The literal half-step is H ⊙ (D⁻¹WᵀX) ⊘ (D⁻¹MD⁻¹H) = H ⊙ (WᵀX) ⊘ (MD⁻¹H). Its entry (k, j)
   over that of DH⁺ is

   $$ \frac{(M H)_{kj}}{d_k (M D^{-1} H)_{kj}} = \frac{\sum_l M_{kl} H_{lj}}{\sum_l (d_k/d_l) M_{kl} H_{lj}} . $$

   If all d are equal, it is 1. If d_k is the largest, all d_k/d_l are ≥ 1, and one is > 1 unless all d are equal: the
   quotient is < 1. For the smallest, it is > 1. For KL the literal half-step is H ⊙ (Wᵀ(X ⊘ WD⁻¹H)) ⊘ (Wᵀ1), and its
   entry (k, j) over that of DH⁺ is Σ_i W_ik X_ij/(d_k WD⁻¹H)_ij over Σ_i W_ik X_ij/(WH)_ij. As before
   d_k (WD⁻¹H)_ij = Σ_l (d_k/d_l) W_il H_lj is (WH)_ij if all d are equal; for each i it is larger if d_k is the largest
   of unequal ones, and smaller if it is the smallest. In the order W, H, scaling the literal W⁺ is compared with the
   unscaled one: again they agree for equal d and not for others, by the same quotients.
6. (e), the example: W has the rows (4, 1), (1, 1), H has the rows (1, 2), (2, 1), X = WH. The loss is 0, and H⁺ = H,
   W⁺ = W. After the scaling with d = (4, 1) the first half-step gives, by 5, an H that is not DH; the loss after the
   second iteration, before its scaling, is positive for Frobenius and for KL. ANLS finds DH and stays at 0.
7. (f) For every loss: the product (W e^{tE})(e^{−tE} H), E the matrix with a single 1 at (k, k), does not depend on t.
   So the derivative of the loss in t is 0 at t = 0: Σ_i W_ik (∇_W)_ik = Σ_j H_kj (∇_H)_kj, the *gauge identity*.
   Write ∇_W = P − N with the update W⁺ = W ⊙ N ⊘ P (statements 8, 9). At a fixed point H⁺ = H, so H ⊙ ∇_H = 0, and
   W ⊙ N ⊘ P = WD, that is W ⊙ N = (W ⊙ P) D. The gauge identity becomes
   0 = Σ_i W_ik (P − N)_ik = (1 − d_k) Σ_i W_ik P_ik. The last sum is at least Σ_i W_ik² Σ_j H_kj² (Frobenius) or equal
   to Σ_i W_ik Σ_j H_kj (KL): positive if column k of W and row k of H are not zero. Then d_k = 1, and W⁺ = W.
8. (g) With Σ_i W_ik = 1 the denominator of H⁺ is 1, and ΣH⁺ = Σ_kj H_kj Σ_i W_ik X_ij/(WH)_ij = Σ_ij X_ij, since
   Σ_k W_ik H_kj = (WH)_ij. In the same way Σ_k d_k h_k = Σ_ik W⁺_ik h_k = Σ_ikj W_ik H⁺_kj X_ij/(WH⁺)_ij = ΣX, because
   h_k cancels the denominator of W⁺. So both sums are ΣX. After the scaling the columns of W sum to 1, and the sum of
   WH⁺ is Σ_k h_k = ΣX. For r = 1 the mean of the one d is 1. For r = 2, X with the rows (3, 0), (0, 1), W with the
   columns (½, ½), (1, 0) and H of ones give h = (2, 2) and d = (4/5, 6/5). ∎

What it teaches.  The pair (WD⁻¹, H) is, up to compensated scaling, (W, D⁻¹H): the literal scaling divides row k of H by
d_k after each iteration. An algorithm that computes H anew does not mind; one that starts from H does. `jnmf.normalize`
compensates, so it may be used at any time.
"""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jnmf import Factors, losses, multiplicative, nnls, normalize, solvers
from jnmf.factors import NORMS
from jnmf.numerics import divide
from proofs.kernel import Statement, chain, deviation, exact_chain, excess, fractions, holds
from proofs.strategies import SHAPES, nonnegative, positive, problems, real, scales, shapes

POSITIVE = problems(X=positive, factors=positive)


# (a) Compensated scaling changes nothing.


@jax.jit
def normalized(W, H):
    """The library's factors, scaled in each of the three norms."""
    return [normalize(Factors(W, H), norm) for norm in NORMS]


def product(X, W, H):
    return np.stack([W @ H] * len(NORMS))


def component_by_component(X, W, H):
    def scaled(d):
        return sum(np.outer(w / (s or 1), (s or 1) * h) for w, s, h in zip(W.T, d, H, strict=True))

    return np.stack([scaled(d) for d in (W.max(0), W.sum(0), np.sqrt((W * W).sum(0)))])


def library(X, W, H):
    return np.stack([f.W @ f.H for f in normalized(W, H)])


NORMALIZE_CONTROLS = {
    "H not compensated": lambda X, W, H: np.stack([f.W @ H for f in normalized(W, H)]),
    "H divided as well": lambda X, W, H: np.stack([f.W @ divide(H * H, f.H) for f in normalized(W, H)]),
}


def norms_and_losses(X, W, H, compensated=True, sizes=(np.max, np.sum, np.linalg.norm)):
    scale = 0.5 * (np.sum(X * X) + np.sum((W @ H) ** 2))
    before = losses.frobenius(X, W, H)
    deviations = {}
    for name, norm, scaled in zip(NORMS, sizes, normalized(W, H), strict=True):
        new_W, new_H = map(np.asarray, scaled)
        after = losses.frobenius(X, new_W, new_H if compensated else H)
        deviations[f"norm 1: {name}"] = deviation(norm(new_W, axis=0), np.any(W > 0, axis=0).astype(float))
        deviations[f"the same loss: {name}"] = max(excess(before, after, scale), excess(after, before, scale))
    return deviations


# (c) The multiplicative half-steps commute with it.


def frobenius_step(X, W, H):
    return H * (W.T @ X) / (W.T @ W @ H)


def kl_step(X, W, H):
    return H * (W.T @ (X / (W @ H))) / W.sum(axis=0)[:, None]


def maxima(W):
    return W.max(axis=0)


def scaled_step(X, W, H):
    d = maxima(W)[:, None]
    return np.stack([d * frobenius_step(X, W, H), d * kl_step(X, W, H)])


def written_out(X, W, H):
    d = maxima(W)[:, None]
    G, Z, one = W.T @ W, W @ H, X / X  # ones, as fractions where X holds fractions
    return np.stack([d * H * (W.T @ X / d) / (G @ H / d), d * H * (W.T @ (X / Z) / d) / (W.T @ one / d)])


def step_of_the_scaled(X, W, H):
    d = maxima(W)
    return np.stack([step(X, W / d, d[:, None] * H) for step in (frobenius_step, kl_step)])


@jax.jit
def library_steps(X, W, H):
    frobenius = solvers.multiplicative(H, W.T @ W, W.T @ X)
    return jnp.stack([frobenius, multiplicative.half_step(X, W, H, losses.kl)])


def library_step_of_the_scaled(X, W, H):
    d = maxima(W)
    return library_steps(X, W / d, d[:, None] * H)


def projected_gradient_of_the_scaled(X, W, H):
    """A half-step that does not commute: its step size 1/‖WᵀW‖ is one number for all components."""

    def step(X, W, H):
        return np.maximum(H - (W.T @ (W @ H - X)) / np.linalg.norm(W.T @ W, 2), 0)

    d = maxima(W)
    gap = step(X, W / d, d[:, None] * H) - d[:, None] * step(X, W, H)
    return step_of_the_scaled(X, W, H) + gap


STEP_CONTROLS = {
    "H not compensated, MU": lambda X, W, H: library_steps(X, W / maxima(W), H),
    "projected gradient commutes too": projected_gradient_of_the_scaled,
}


def entrywise_product(X, W, H):
    return np.array([[sum(a * b for a, b in zip(row, column, strict=True)) for column in H.T] for row in W])


def scaled_by_the_maxima(X, W, H):
    d = maxima(W)
    return (W / d) @ (d[:, None] * H)


def scaled_by_the_sums(X, W, H):
    d = W.sum(axis=0)
    return (W / d) @ (d[:, None] * H)


# (d) ANLS


def least_squares(W, X):
    """argmin ‖X − WH‖ over H ≥ 0 by brute force: all supports, and of the nonnegative solutions the best."""
    r, n = W.shape[1], X.shape[1]
    best, H = np.sum(X * X, axis=0), np.zeros((r, n))
    for number in range(1, 2**r):
        support = [k for k in range(r) if number >> k & 1]
        h = np.zeros((r, n))
        h[support] = np.linalg.lstsq(W[:, support], X, rcond=None)[0]
        error = np.sum((X - W @ h) ** 2, axis=0)
        better = (error < best) & np.all(h >= 0, axis=0)
        best, H = np.where(better, error, best), np.where(better, h, H)
    return H


def scaled_minimiser(X, W, d):
    return d[:, None] * least_squares(W, X)


def minimiser_of_the_scaled(X, W, d):
    return least_squares(W / d, X)


def library_minimiser_of_the_scaled(X, W, d):
    return nnls(W / d, X)


@st.composite
def well_conditioned(draw):
    """(X, W, d): W positive with a large diagonal, so that its columns are far from dependent; X with signs."""
    m, n, r = SHAPES[1]
    return draw(real((m, n))), draw(positive((m, r))) + 4 * np.eye(m, r), draw(positive((r,)))


@st.composite
def nearly_factorised(draw):
    """(X, W): X near the product of W and an H, both well conditioned, so that the iterates are too."""
    m, n, r = draw(shapes)
    W, H = draw(positive((m, r))) + 4 * np.eye(m, r), draw(positive((r, n))) + 4 * np.eye(r, n)
    return W @ H + draw(positive((m, n))) / 8, W


MINIMISER_CONTROLS = {
    "the inverse scaling": lambda X, W, d: least_squares(W, X) / d[:, None],
    "the minimiser without H ≥ 0": lambda X, W, d: np.linalg.lstsq(W / d, X, rcond=None)[0],
}


def anls(X, W, literal, after_scaling=False):
    """The products after the half-steps of three iterations, or after each scaling."""
    products = []
    for _ in range(3):
        H = least_squares(W, X)
        half = W @ H
        W = least_squares(H.T, X.T).T
        products += [] if after_scaling else [half, W @ H]
        if literal:
            W = W / maxima(W)
        products += [W @ H] if after_scaling else []
    return np.stack(products)


# (e) MU, literal; (b) and (e): the examples


def both_steps(X, W, H):
    return frobenius_step(X, W, H), kl_step(X, W, H)


def literal_half_steps(X, W, H, c, equal=None, unequal=None):
    """In fractions: the next H from (W D⁻¹, H) and, in the other order, the next W; for equal d and for unequal."""
    X, W, H, c = map(fractions, (X, W, H, c))
    equal = np.full(len(H), c) if equal is None else fractions(equal)
    unequal = c * fractions(np.arange(1, len(H) + 1)) if unequal is None else fractions(unequal)
    H_new, W_new = both_steps(X, W, H), both_steps(X.T, H.T, W.T)
    deviations = {}
    for k, name in enumerate(("Frobenius", "KL")):
        H_literal, W_literal = both_steps(X, W / equal, H)[k], both_steps(X.T, H.T, (W / equal).T)[k]
        deviations[f"{name}, equal d: H⁺ becomes D H⁺"] = deviation(H_literal, equal[:, None] * H_new[k])
        deviations[f"{name}, equal d: W⁺ stays, in the other order"] = deviation(W_literal, W_new[k])
        literal, right = both_steps(X, W / unequal, H)[k], unequal[:, None] * H_new[k]
        deviations[f"{name}, unequal d: the row of the largest is too small"] = float(np.any(literal[-1] >= right[-1]))
        deviations[f"{name}, unequal d: the row of the smallest is too large"] = float(np.any(literal[0] <= right[0]))
    return deviations


@st.composite
def with_a_scale(draw):
    return *draw(POSITIVE), draw(scales) * 3


LITERAL_CONTROLS = {
    f"unequal scales as well: {link}": lambda X, W, H, c, link=link: literal_half_steps(
        X, W, H, c, equal=1.0 + np.arange(len(H))
    )[link]
    for link in (
        "Frobenius, equal d: H⁺ becomes D H⁺",
        "KL, equal d: H⁺ becomes D H⁺",
        "Frobenius, equal d: W⁺ stays, in the other order",
        "KL, equal d: W⁺ stays, in the other order",
    )
} | {
    f"equal scales as well: {link}": lambda X, W, H, c, link=link: literal_half_steps(
        X, W, H, c, unequal=np.full(len(H), c)
    )[link]
    for link in (
        "Frobenius, unequal d: the row of the largest is too small",
        "KL, unequal d: the row of the largest is too small",
    )
}

ALGORITHMS = {
    "ANLS": (lambda X, W, H: least_squares(W, X), losses.frobenius),
    "MU, Frobenius": (frobenius_step, losses.frobenius),
    "MU, KL": (kl_step, losses.kl),
}


def iteration(step, X, W, H, compensate=False, scale=True):
    H = step(X, W, H)
    W = step(X.T, H.T, W.T).T
    d = maxima(W) if scale else np.ones(len(H))
    return W / d, d[:, None] * H if compensate else H


def loss_after_scaling(X, W, H, compensate=False):
    """Step 2: the loss of the scaled pair rises, in all three algorithms. The start has the best H for its W."""
    deviations = {}
    for name, (step, loss) in ALGORITHMS.items():
        best = step(X, W, H)
        before, after = loss(X, W, best), loss(X, *iteration(step, X, W, best, compensate))
        deviations[f"{name}: the loss after the scaling rises"] = float(not after > 1.1 * before)
    return deviations


def loss_before_scaling(X, W, H, compensate=False):
    """Step 6: from an exact factorisation, the loss of a second iteration before its scaling."""
    size = 0.5 * np.sum(X * X)
    found = {}
    for name, (step, loss) in ALGORITHMS.items():
        scaled = iteration(step, X, W, H, compensate)
        found[name] = float(loss(X, *iteration(step, X, *scaled, scale=False)))
    return {
        "ANLS stays at loss 0": excess(0, found["ANLS"], size),
        "MU, Frobenius, leaves it": float(not found["MU, Frobenius"] > 1e-6 * size),
        "MU, KL, leaves it": float(not found["MU, KL"] > 1e-6 * size),
    }


COLUMN = np.ones((4, 1)), np.array([[0.5], [0.5], [1.0], [0.5]]), np.ones((1, 1))
EXACT_FIT = np.array([[6.0, 9.0], [3.0, 3.0]]), np.array([[4.0, 1.0], [1.0, 1.0]]), np.array([[1.0, 2.0], [2.0, 1.0]])


def examples(compensate=False):
    return loss_after_scaling(*COLUMN, compensate) | loss_before_scaling(*EXACT_FIT, compensate)


EXAMPLES_CONTROLS = {
    "with H compensated the loss after the scaling rises": lambda: max(loss_after_scaling(*COLUMN, True).values()),
    "with H compensated MU leaves an exact fit": lambda: max(loss_before_scaling(*EXACT_FIT, True).values()),
}

# (f) The gauge identity

LOSSES = (losses.frobenius, losses.kl)


@jax.jit
def gradients(X, W, H):
    """The gradients of both losses in W and in H by autodiff, and in H from the library."""
    by_autodiff = [jax.grad(D, argnums=(1, 2))(X, W, H) for D in LOSSES]
    return *map(jnp.stack, zip(*by_autodiff, strict=True)), jnp.stack([D.grad_H(X, W, H) for D in LOSSES])


def sums_in_W(X, W, H):
    return np.sum(W * np.asarray(gradients(X, W, H)[0]), axis=1)


def sums_in_H(X, W, H):
    return np.sum(H * np.asarray(gradients(X, W, H)[1]), axis=2)


def library_sums(X, W, H):
    return np.sum(H * np.asarray(gradients(X, W, H)[2]), axis=2)


GAUGE_CONTROLS = {
    "the sums of the gradients alone": lambda X, W, H: np.sum(gradients(X, W, H)[0], axis=1),
    "the opposite sign": lambda X, W, H: -sums_in_W(X, W, H),
}


# (g) Algorithm II: scaled to sums


def algorithm_II(X, W, H):
    """One iteration as printed, from columns of W that sum to 1: the new H, W before its scaling, and d."""
    H = (W.T @ (X / (W @ H))) * H
    W = ((X / (W @ H)) @ H.T) / H.sum(axis=1) * W
    return H, W, W.sum(axis=0)


def sum_of_the_data(X, W, H):
    return np.array([X.sum(), X.sum(), X.sum()])


def sums_of_algorithm_II(X, W, H, norm=np.sum):
    """The sum of the new H, Σ d h, and the sum of W H after the scaling."""
    H, W, d = algorithm_II(X, W / norm(W, axis=0), H)
    return np.array([H.sum(), (d * H.sum(axis=1)).sum(), (W / norm(W, axis=0) @ H).sum()])


def with_the_denominator(X, W, H, norm=np.max):
    """H of the multiplicative update, which divides by the sums of W, where W is scaled to maxima."""
    W = W / norm(W, axis=0)
    H = kl_step(X, W, H)
    W = kl_step(X.T, H.T, W.T).T
    return np.array([H.sum(), (W.sum(axis=0) * H.sum(axis=1)).sum(), (W / norm(W, axis=0) @ H).sum()])


@jax.jit
def library_half_steps(X, W, H):
    H = multiplicative.half_step(X, W, H, losses.kl)
    return H, multiplicative.half_step(X.T, H.T, W.T, losses.kl).T


def sums_by_the_library(X, W, H):
    H, W = map(np.asarray, library_half_steps(X, W / W.sum(axis=0), H))
    return np.array([H.sum(), (W @ H).sum(), ((W / W.sum(axis=0)) @ H).sum()])


SUMS_CONTROLS = {
    "W scaled to maxima": lambda X, W, H: sums_of_algorithm_II(X, W, H, norm=np.max),
    "W scaled to maxima, with a denominator": with_the_denominator,
}


def unequal_sums(rank=2):
    """Step 8: with one component nothing is left to scale, with two the product changes."""
    X, W, H = fractions([[3, 0], [0, 1]]), fractions([[0.5, 1], [0.5, 0]])[:, :rank], fractions(np.ones((rank, 2)))
    new_H, new_W, d = algorithm_II(X, W, H)
    expected = fractions([4, 6]) / 5 if rank == 2 else fractions([1])
    return {
        "algorithm II: d": deviation(d, expected),
        "the product changes exactly for unequal d": float(
            (deviation(new_W / d @ new_H, new_W @ new_H) > 0) != (rank == 2)
        ),
    }


def unequal_sums_of_two():
    return algorithm_II(fractions([[3, 0], [0, 1]]), fractions([[0.5, 1], [0.5, 0]]), fractions(np.ones((2, 2))))[2]


def both_ranks():
    return {f"r = {rank}: {name}": value for rank in (1, 2) for name, value in unequal_sums(rank).items()}


STATEMENTS = (
    Statement(
        14,
        "Scaling W: nothing changes with H compensated; without, ANLS repairs it at once, MU takes another path",
        "lecture, normalisation of the factors and the algorithms with it",
        (
            chain(problems(scale=True), (product, component_by_component, library), NORMALIZE_CONTROLS),
            holds(
                problems(X=real, factors=nonnegative),
                norms_and_losses,
                {
                    "the same loss with H as it was": lambda X, W, H: max(
                        norms_and_losses(X, W, H, compensated=False).values()
                    ),
                    "one norm for another": lambda X, W, H: max(
                        norms_and_losses(X, W, H, sizes=(np.sum, np.max, np.max)).values()
                    ),
                },
            ),
            exact_chain(
                POSITIVE,
                (entrywise_product, scaled_by_the_maxima, scaled_by_the_sums),
                {
                    "exactly: H not compensated": lambda X, W, H: (W / maxima(W)) @ H,
                    "exactly: H divided": lambda X, W, H: (W / maxima(W)) @ (H / maxima(W)[:, None]),
                },
            ),
            exact_chain(
                POSITIVE,
                (scaled_step, written_out, step_of_the_scaled),
                {
                    "exactly: MU without D": lambda X, W, H: np.stack(both_steps(X, W, H)),
                    "exactly: H not compensated, MU": lambda X, W, H: np.stack(both_steps(X, W / maxima(W), H)),
                },
            ),
            chain(POSITIVE, (scaled_step, step_of_the_scaled, library_step_of_the_scaled), STEP_CONTROLS),
            chain(
                well_conditioned(),
                (scaled_minimiser, minimiser_of_the_scaled, library_minimiser_of_the_scaled),
                MINIMISER_CONTROLS,
            ),
            holds(
                nearly_factorised(),
                lambda X, W: {
                    "ANLS, literal: the products after the half-steps": deviation(
                        anls(X, W, literal=True), anls(X, W, literal=False)
                    )
                },
                {
                    "ANLS, literal: the products after the scaling": lambda X, W: deviation(
                        anls(X, W, literal=True, after_scaling=True), anls(X, W, literal=False, after_scaling=True)
                    ),
                    "one iteration later": lambda X, W: deviation(
                        anls(X, W, literal=True)[2:], anls(X, W, literal=False)[:-2]
                    ),
                },
            ),
            holds(with_a_scale(), literal_half_steps, LITERAL_CONTROLS),
            holds(st.just(()), examples, EXAMPLES_CONTROLS),
            chain(POSITIVE, (sums_in_W, sums_in_H, library_sums), GAUGE_CONTROLS),
            exact_chain(POSITIVE, (sum_of_the_data, sums_of_algorithm_II), SUMS_CONTROLS),
            chain(POSITIVE, (sum_of_the_data, sums_of_algorithm_II, sums_by_the_library), SUMS_CONTROLS),
            holds(
                st.just(()),
                both_ranks,
                {"both sums are 1": lambda: deviation(unequal_sums_of_two(), fractions([1, 1]))},
            ),
        ),
    ),
)
