r"""How far the objective rises from one pair of factors to another, without the difference of two large numbers.

Sources: elementary (the midpoint rule is exact on quadratics); for its use, the test of a step in Ang and Gillis 2019,
algorithm 3.

30. (a) q(H) = ½⟨H, G H⟩ − ⟨C, H⟩ with a symmetric G rises from H to H⁺ by

        q(H⁺) − q(H) = ⟨G (H + H⁺)/2 − C, H⁺ − H⟩.

    (b) So the objective F(W, H) = ½‖X − WH‖² + l1_W ΣW + l1_H ΣH + ½ l2_W ‖W‖² + ½ l2_H ‖H‖² rises from (W, H) to
    (W⁺, H⁺) by the sum of two such differences: in H with G = WᵀW + l2_H I, C = WᵀX − l1_H, then in Wᵀ with
    G = H⁺H⁺ᵀ + l2_W I, C = H⁺Xᵀ − l1_W. It is 0 for equal factors, term by term.

    (c) With weights M, Σ ½ M ⊙ (X − WH)² rises by Σ M ⊙ (WH + ½ΔZ − X) ⊙ ΔZ, where
    ΔZ = W⁺H⁺ − WH = (W⁺ − W) H⁺ + W (H⁺ − H).

Derivation of (a).

1. Write D = H⁺ − H. By linearity ½⟨H + D, G(H + D)⟩ = ½⟨H, G H⟩ + ½⟨H, G D⟩ + ½⟨D, G H⟩ + ½⟨D, G D⟩.
2. G is symmetric, so ⟨H, G D⟩ = ⟨D, G H⟩, and q(H⁺) − q(H) = ⟨D, G H⟩ + ½⟨D, G D⟩ − ⟨C, D⟩.
3. Take D out: ⟨G H + ½ G D − C, D⟩, and H + ½ D = (H + H⁺)/2. For a G that is not symmetric step 2 fails.

Derivation of (b).

4. With W fixed, F is q(H) with that G and C, and a constant: ½‖X − WH‖² = ½‖X‖² − ⟨WᵀX, H⟩ + ½⟨H, WᵀW H⟩, l1_H ΣH is
   linear and ½ l2_H ‖H‖² quadratic. So F(W, H⁺) − F(W, H) is (a).
5. With H⁺ fixed, the same for Xᵀ ≈ H⁺ᵀWᵀ gives F(W⁺, H⁺) − F(W, H⁺), and the two add up. The second has the new H⁺ in
   its G and C, not H.

Derivation of (c).

6. Entry by entry ½(x − z⁺)² − ½(x − z)² = ½(z⁺ − z)(z⁺ + z − 2x) = (z + ½Δz − x) Δz: (a) with G = 1, C = x.
7. W⁺H⁺ − WH = W⁺H⁺ − WH⁺ + WH⁺ − WH.

Of two losses computed by themselves each carries a rounding of eps·½‖X‖². Here each product has a factor that vanishes
with the step, so the rounding does too.
"""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jnmf import solvers
from jnmf.factors import Factors
from jnmf.matrix.masked import Masked
from jnmf.objective import Objective, objective, rise
from jnmf.solvers import ridge
from proofs.kernel import Statement, chain, exact_chain
from proofs.strategies import nonnegative, real

M, N, R = 4, 5, 2
PENALTIES = Objective(l1_W=0.3, l1_H=0.2, l2_W=0.7, l2_H=0.5)

quadratics = st.tuples(real((R, N)), real((R, N)), real((M, R)), real((R, N)))  # old, new, A of G = AᵀA, C


def two_values(old, new, A, C):
    q = lambda H: (H * ((A.T @ A) @ H)).sum() / 2 - (C * H).sum()
    return q(new) - q(old)


def expanded(old, new, A, C):
    D, G = new - old, A.T @ A
    return (D * (G @ old)).sum() + (D * (G @ D)).sum() / 2 - (C * D).sum()


def midpoint(old, new, A, C):
    return ((A.T @ A @ (old + new) / 2 - C) * (new - old)).sum()


def beside(rise, scale):
    """The rise with the size of what was subtracted, so that the deviation is relative to that where the rise is 0."""
    return np.array([float(rise), float(scale)])


def rational(old, new, A, C):
    return beside(midpoint(old, new, A, C), _size(old, new, A, C))


def library(old, new, A, C):
    return beside(solvers.difference(*map(jnp.asarray, (old, new, A.T @ A, C))), _size(old, new, A, C))


def _size(old, new, A, C):
    return np.abs((A.T @ A) @ (old + new)).sum() * np.abs(new - old).sum() + np.abs(C * (new - old)).sum()


pairs = st.tuples(
    real((M, N)), nonnegative((M, R)), nonnegative((R, N)), nonnegative((M, R)), nonnegative((R, N))
)  # X, W, H, W⁺, H⁺


def two_objectives(X, W, H, new_W, new_H):
    at = lambda W, H: objective(jnp.asarray(X), Factors(*map(jnp.asarray, (W, H))), PENALTIES)
    return beside(at(new_W, new_H) - at(W, H), at(W, H))


def along_the_segments(X, W, H, new_W, new_H):
    """∫ ⟨∇F, Δ⟩ along (W, H) → (W, H⁺) → (W⁺, H⁺), by autodiff at the midpoints, where it is exact for a quadratic."""
    F = lambda W, H: objective(jnp.asarray(X), Factors(W, H), PENALTIES)
    W, H, new_W, new_H = map(jnp.asarray, (W, H, new_W, new_H))
    in_H = jnp.vdot(jax.grad(F, 1)(W, 0.5 * (H + new_H)), new_H - H)
    in_W = jnp.vdot(jax.grad(F, 0)(0.5 * (W + new_W), new_H), new_W - W)
    return beside(in_H + in_W, F(W, H))


def in_gram_matrices(X, W, H, new_W, new_H, *, both_at_old_H=False, l2=PENALTIES.l2_H):
    X, W, H, new_W, new_H = map(jnp.asarray, (X, W, H, new_W, new_H))
    in_H = solvers.difference(H, new_H, ridge(W.T @ W, l2), W.T @ X - PENALTIES.l1_H)
    for_W = H if both_at_old_H else new_H
    gram = ridge(for_W @ for_W.T, PENALTIES.l2_W)
    in_W = solvers.difference(W.T, new_W.T, gram, for_W @ X.T - PENALTIES.l1_W)
    return beside(in_H + in_W, objective(X, Factors(W, H), PENALTIES))


def residuals(X, W, H, new_W, new_H):
    old, new = _both(W, H, new_W, new_H)
    return beside(rise(jnp.asarray(X), old, new, PENALTIES), objective(jnp.asarray(X), old, PENALTIES))


def _both(W, H, new_W, new_H):
    return Factors(jnp.asarray(W), jnp.asarray(H)), Factors(jnp.asarray(new_W), jnp.asarray(new_H))


weighted_pairs = st.tuples(nonnegative((M, N)), pairs)


def two_weighted_losses(M, args):
    X, W, H, new_W, new_H = args
    at = lambda W, H: np.sum(M * (X - W @ H) ** 2) / 2
    return beside(at(new_W, new_H) - at(W, H), at(W, H))


def weighted_residuals(M, args, *, weighted=True):
    X, *factors = args
    A = Masked(jnp.asarray(X), jnp.asarray(M)) if weighted else jnp.asarray(X)
    old, new = _both(*factors)
    return beside(rise(A, old, new, Objective()), np.sum(M * (X - factors[0] @ factors[1]) ** 2) / 2)


STATEMENTS = (
    Statement(
        30,
        "F(W⁺, H⁺) − F(W, H) is the gradient halfway times the way, in H and then in W",
        "the test of a step in Ang and Gillis 2019",
        (
            exact_chain(
                quadratics,
                [two_values, expanded, midpoint],
                controls={
                    "the gradient at the old point": lambda old, new, A, C: ((A.T @ A @ old - C) * (new - old)).sum(),
                    "the gradient at the new point": lambda old, new, A, C: ((A.T @ A @ new - C) * (new - old)).sum(),
                    "a G that is not symmetric": lambda old, new, A, C: (
                        (np.triu(A.T @ A) @ (old + new) / 2 - C) * (new - old)
                    ).sum(),
                },
            ),
            chain(
                quadratics,
                [rational, library],
                controls={"without C": lambda old, new, A, C: library(old, new, A, 0 * C)},
            ),
            chain(
                pairs,
                [two_objectives, along_the_segments, residuals, in_gram_matrices],
                controls={
                    "both halves at the old H": lambda *a: in_gram_matrices(*a, both_at_old_H=True),
                    "without the ridge in H": lambda *a: in_gram_matrices(*a, l2=0.0),
                },
            ),
            chain(
                weighted_pairs,
                [two_weighted_losses, weighted_residuals],
                controls={"without the weights": lambda M, args: weighted_residuals(M, args, weighted=False)},
            ),
        ),
    ),
)
