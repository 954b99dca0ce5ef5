r"""One majoriser in W and H together, below β = 1: both multiplicative updates from one product W H.

Source: Marmin, Goulart and Févotte 2023.

Statement 44.  Let β < 1, let X, W′, H′ be positive, Z′ = W′H′, P = X ⊙ Z′^{β−2}, R = Z′^{β−1}, and γ = 1/(2 − β). With
v = W ⊘ W′, u = H ⊘ H′ and I_s(t) = ∫₁ᵗ τ^s dτ as in statement 23, let

$$ G(W, H) = D_\beta(X, W'H') + \sum_{ijk} W'_{ik} H'_{kj}
   \big[ R_{ij}\, I_0(v_{ik} u_{kj}) - P_{ij}\, I_{\beta-2}(v_{ik} u_{kj}) \big]. $$

(a) G(W, H) ≥ D_β(X, WH) for all positive W, H, and they agree at (W′, H′).
(b) For a fixed W the minimiser of G in H is

$$ H' \odot \Big[ (W'^{2-\beta} \odot W^{\beta-1})^\top P \oslash W^\top R \Big]^{\gamma}, $$

   and for a fixed H that in W is W′ ⊙ [P (H′^{2−β} ⊙ H^{β−1})ᵀ ⊘ R Hᵀ]^γ.
(c) Let U = [W′ᵀP ⊘ W′ᵀR]^γ, H⁺ = H′ ⊙ U, and W⁺ = W′ ⊙ [P (H′ ⊙ U^{β−1})ᵀ ⊘ R H⁺ᵀ]^γ. Then D_β(X, W⁺H⁺) ≤ D_β(X, W′H′).
(d) The same holds of D_β + l1_W ΣW + ½ l2_W ‖W‖² and the same of H, with l1 + l2 ⊙ (the old factor) added to the
   denominators, and γ = 1/(3 − β) for a factor with l2 > 0.

Derivation.
1. Statement 23 (1), with the ratio ζ = Z_ij/Z′_ij: d_β(x, z) − d_β(x, z′) = z′^β I_{β−1}(ζ) − x z′^{β−1} I_{β−2}(ζ).
   Let λ_k = W′_ik H′_kj / Z′_ij, which are ≥ 0 with sum 1. Then ζ = Σ_k λ_k v_ik u_kj: in place of the u_k of statement
   23, where W does not move, stand the products v_ik u_kj.
2. For β < 1, I_{β−1} is concave and lies below its tangent at 1: I_{β−1}(ζ) ≤ ζ − 1 = Σ_k λ_k I_0(v_ik u_kj). And
   −I_{β−2} is convex, since its slope −t^{β−2} rises: by Jensen −I_{β−2}(ζ) ≤ −Σ_k λ_k I_{β−2}(v_ik u_kj). Both are
   equalities where all v u = 1. Sum over i and j, with λ_k Z′^β = W′ H′ R and λ_k X Z′^{β−1} = W′ H′ P: (a).
3. As a function of u_kj alone, the others and W fixed, G is, up to a constant,

$$ H'_{kj} \Big[ A\,u + \frac{N}{1-\beta}\, u^{\beta-1} \Big], \qquad
   A = \sum_i W'_{ik} v_{ik} R_{ij} = (W^\top R)_{kj}, \quad
   N = \sum_i W'_{ik} v_{ik}^{\beta-1} P_{ij} = \big((W'^{2-\beta} \odot W^{\beta-1})^\top P\big)_{kj}, $$

   since W′ v^{β−1} = W′^{2−β} W^{β−1}. Its slope A − N u^{β−2} is negative below u = (N/A)^{1/(2−β)} and positive above
   it. G is the same function of (Hᵀ, Wᵀ) for Xᵀ: (b).
4. At W = W′ the N and A of (b) are W′ᵀP and W′ᵀR, so that H⁺ minimises G(W′, ·); it is the update of statement 23. For
   H = H⁺ = H′ ⊙ U is H′^{2−β} ⊙ H^{β−1} = H′ ⊙ U^{β−1}, so that W⁺ minimises G(·, H⁺). Hence
   D_β(X, W⁺H⁺) ≤ G(W⁺, H⁺) ≤ G(W′, H⁺) ≤ G(W′, H′) = D_β(X, W′H′): (c). Nothing but P and R is asked of Z′.
5. The penalty of a factor belongs to its own block. l1 H′ u adds l1 to A. For l2 > 0, u − 1 = I_0(u) ≤ I_1(u) as in
   step 5 of statement 23: A + l1 + l2 H′ then stands before I_1(u), and γ is 1/(1 − (β − 2)). What lies above G in one
   block, touches it at u = 1 and falls, has G and the penalty fall: (d). ∎

What it teaches.  The updates of statement 23 majorise at the newest factors, so that each needs a Z of its own. Here
the second too is made at the old ones, and H⁺ enters it by its ratio U: as U beside R, which goes with z, and as
U^{β−1} beside P, which goes with x. H⁺ beside both, that is MU with an old Z, is not the minimiser of G.
"""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jnmf import losses
from jnmf.joint import iteration
from proofs.beta_divergence_descent import integral, penalty
from proofs.kernel import Statement, chain, deviation, excess, holds
from proofs.strategies import SHAPES, nonnegative, positive

M, N, R = SHAPES[1]
BETAS = (-1.0, 0.0, 0.5)
PENALTIES = (((0.0, 0.0), (0.0, 0.0)), ((4.0, 0.0), (1.0, 0.0)), ((0.0, 4.0), (1.0, 8.0)))  # (l1, l2) of W and of H


@st.composite
def iterates(draw):
    """(X, W′, H′, β, penalties of W, penalties of H), the matrices positive."""
    matrices = (draw(positive(shape)) for shape in ((M, N), (M, R), (R, N)))
    return *matrices, draw(st.sampled_from(BETAS)), *draw(st.sampled_from(PENALTIES))


@st.composite
def pairs(draw):
    """(W, H, X, W′, H′, β)."""
    return draw(positive((M, R))), draw(positive((R, N))), *draw(iterates())[:4]


@st.composite
def starts_with_zeros(draw):
    """(X, W′, H′, β, …) with zeros in the factors, and for β > 0 in X."""
    beta = draw(st.sampled_from(BETAS))
    X = draw(nonnegative((M, N)) if beta > 0 else positive((M, N)))
    return X, draw(nonnegative((M, R))), draw(nonnegative((R, N))), beta, *draw(st.sampled_from(PENALTIES))


def divergence(X, W, H, beta):
    return losses.BetaDivergence(beta=beta)(X, W, H)


def majoriser(W, H, X, W1, H1, beta, s=0, t=None):
    """G(W, H), with the powers I_s and I_t in place of I_0 and I_{β−2} for the controls."""
    Z = W1 @ H1
    ratio = (W / W1)[:, :, None] * (H / H1)[None, :, :]
    I = lambda s, u: jnp.log(u) if s == -1 else (u ** (s + 1) - 1) / (s + 1)  # noqa: E741
    terms = Z[:, None, :] ** (beta - 1) * I(s, ratio)
    terms -= (X * Z ** (beta - 2))[:, None, :] * I(beta - 2 if t is None else t, ratio)
    return divergence(X, W1, H1, beta) + (W1[:, :, None] * H1[None, :, :] * terms).sum()


# That it majorises, and touches to first order.


_G = jax.jit(majoriser, static_argnums=(5, 6, 7))
_slopes_of_G = jax.jit(jax.grad(majoriser, (0, 1)), static_argnums=(5, 6, 7))
_slopes_of_D = jax.jit(jax.grad(lambda W, H, X, beta: jnp.sum(_plain(X, W @ H, beta)), (0, 1)), static_argnums=3)


def _plain(x, z, beta):
    """The textbook's d_β, for autodiff."""
    if beta == 0:
        return x / z - jnp.log(x / z) - 1
    return (x**beta + (beta - 1) * z**beta - beta * x * z ** (beta - 1)) / (beta * (beta - 1))


def above_and_touching(W, H, X, W1, H1, beta, s=0, t=None):
    loss, at_old = float(divergence(X, W, H, beta)), float(divergence(X, W1, H1, beta))
    slopes = zip(_slopes_of_G(W1, H1, X, W1, H1, beta, s, t), _slopes_of_D(W1, H1, X, beta), strict=True)
    return {
        "G ≥ D": excess(_G(W, H, X, W1, H1, beta, s, t), loss, max(loss, at_old)),
        "G = D at (W′, H′)": deviation(_G(W1, H1, X, W1, H1, beta, s, t), at_old),
        "and their gradients": max(deviation(of_G, of_D) for of_G, of_D in slopes),
    }


ABOVE_CONTROLS = {
    "Jensen for the concave part": lambda *inputs: max(above_and_touching(*inputs, s=inputs[5] - 1).values()),
    "the tangent for the convex part": lambda *inputs: max(above_and_touching(*inputs, t=0).values()),
}


# The minimisers in each block: by bisection, as in (b), as in (c), by the library.


def by_bisection(X, W1, H1, beta, of_W, of_H):
    """Where the derivative of G and the penalties in each entry changes sign, H at W′, then W at that H."""
    Z = W1 @ H1
    P, R = X * Z ** (beta - 2), Z ** (beta - 1)

    def block(W, W1, H1, P, R, l1, l2):
        """The minimiser in H, of G by its definition as a function of each u; the slope by a complex step."""
        v = (W / W1)[:, :, None]
        weights = W1[:, :, None] * H1[None, :, :]

        def in_each_entry(u):
            raised = v * integral(1, u) if l2 > 0 else integral(0, v * u)
            terms = weights * (R[:, None, :] * raised - P[:, None, :] * integral(beta - 2, v * u))
            return terms.sum(0) + H1 * (l1 + l2 * H1) * integral(1 if l2 > 0 else 0, u)

        low, top = np.full(H1.shape, -60.0), np.full(H1.shape, 60.0)
        for _ in range(70):
            middle = (low + top) / 2
            rising = np.imag(in_each_entry(2.0**middle * (1 + 1e-30j))) > 0
            low, top = np.where(rising, low, middle), np.where(rising, middle, top)
        return H1 * 2.0**low

    H = block(W1, W1, H1, P, R, *of_H)
    W = block(H.T, H1.T, W1.T, P.T, R.T, *of_W).T
    return np.concatenate([W, H.T])


def by_ratio(H1, H, beta):
    return H1 * (H / H1) ** (beta - 1)


def updates(weights, sums=lambda H1, H, beta: H, power=1.0):
    """H⁺ of (b) at W = W′, then W⁺ with `weights`(H′, H⁺, β) beside P and `sums` beside R, γ times `power`."""

    def of(X, W1, H1, beta, of_W, of_H):
        Z = W1 @ H1
        P, R = X * Z ** (beta - 2), Z ** (beta - 1)
        (l1_W, l2_W), (l1_H, l2_H) = of_W, of_H
        gamma = lambda l2: power / ((3 if l2 > 0 else 2) - beta)
        H = H1 * (W1.T @ P / (W1.T @ R + l1_H + l2_H * H1)) ** gamma(l2_H)
        beside_P, beside_R = weights(H1, H, beta), sums(H1, H, beta)
        W = W1 * (P @ beside_P.T / (R @ beside_R.T + l1_W + l2_W * W1)) ** gamma(l2_W)
        return np.concatenate([W, H.T])

    return of


def named(f, name):
    f.__name__ = name
    return f


as_in_the_paper = named(updates(lambda H1, H, beta: H1 ** (2 - beta) * H ** (beta - 1)), "as_in_the_paper")
by_the_ratio = named(updates(by_ratio), "by_the_ratio")

_library = jax.jit(lambda X, W, H, loss, of_W, of_H: iteration(X, W, H, loss, of_W, of_H)[0])


def library(X, W1, H1, beta, of_W, of_H):
    W, H = _library(X, W1, H1, losses.BetaDivergence(beta=beta), of_W, of_H)
    return np.concatenate([W, np.asarray(H).T])


beside_old = lambda H1, H, beta: H1
beside_new = lambda H1, H, beta: H
WRONG = {
    "twice the exponent": updates(by_ratio, power=2.0),
    "H⁺ beside P, MU with an old Z": updates(beside_new),
    "H′ beside both": updates(beside_old, beside_old),
    "H^{β−1} without H′^{2−β}": updates(lambda H1, H, beta: H ** (beta - 1)),
    "U^{β−1} beside R as well": updates(by_ratio, by_ratio),
    "the penalties dropped": lambda X, W1, H1, beta, *_: library(X, W1, H1, beta, (0.0, 0.0), (0.0, 0.0)),
    "those of H for W": lambda X, W1, H1, beta, of_W, of_H: library(X, W1, H1, beta, of_H, of_W),
}


# The objective never rises.


def objective(both, X, beta, of_W, of_H):
    W, H = both[: len(X)], both[len(X) :].T
    return float(divergence(X, W, H, beta)) + penalty(W, *of_W) + penalty(H, *of_H)


def descent(X, W1, H1, beta, of_W, of_H, update=library):
    before = objective(np.concatenate([W1, H1.T]), X, beta, of_W, of_H)
    if not np.isfinite(before):  # nothing is claimed
        return {}
    new = update(X, W1, H1, beta, of_W, of_H)
    return {"f(W⁺, H⁺) ≤ f(W′, H′)": excess(before, objective(new, X, beta, of_W, of_H))}


def not_descending(update):
    def of(X, W1, H1, *rest):
        X, W1, H1 = (np.maximum(A, 1e-3) for A in (X, W1, H1))
        return max(descent(X, W1, H1, *rest, update=update).values())

    return of


STATEMENTS = (
    Statement(
        44,
        "Below β = 1 one majoriser in W and H has both updates as minimisers in a block, from one W H",
        "Marmin, Goulart and Févotte 2023",
        (
            holds(pairs(), above_and_touching, ABOVE_CONTROLS),
            chain(iterates(), (by_bisection, as_in_the_paper, by_the_ratio, library), WRONG),
            holds(
                starts_with_zeros(),
                descent,
                {
                    "H′ beside both, twice the exponent": not_descending(updates(beside_old, beside_old, 2.0)),
                    "H⁺ beside P, twice the exponent": not_descending(updates(beside_new, power=2.0)),
                },
                kind="descent",
            ),
        ),
    ),
)
