r"""Regularised ALS: what a penalty adds to the rule, and where the factor 2 of ∂‖W‖² goes.

Source: problem set, problem 1 (where X is called A).

Statement.  The general rule is W ← [(X Hᵀ − α Φ_W)(H Hᵀ)⁻¹]₊, where α J(W) is the penalty beside ½‖X − WH‖² and
Φ_W = ∂J/∂W. Its two cases are

$$ J = \|W\|^2: \quad W \leftarrow \bigl[X H^\top (H H^\top + 2\alpha I)^{-1}\bigr]_+, \qquad
   J = \textstyle\sum_{ik} W_{ik}: \quad W \leftarrow \bigl[(X H^\top - \alpha \mathbf 1)(H H^\top)^{-1}\bigr]_+ , $$

with the all-ones matrix 𝟏 (m, r). For any weights, the stationary point in W of c‖X − WH‖² + a₁ ΣW + a₂‖W‖², projected,
is

$$ W \leftarrow \bigl[(X H^\top - l_1 \mathbf 1)(H H^\top + l_2 I)^{-1}\bigr]_+, \qquad
   l_1 = \frac{a_1}{2c}, \qquad l_2 = \frac{a_2}{c}, $$

where l1 and l2 are those of the library's objective ½‖X − WH‖² + l1 ΣW + ½ l2‖W‖².

The problem prints ‖X − WH‖ without the square. Beside it the general rule holds where X ≠ WH, with α‖X − WH‖ in place
of α. And it assumes in the second case that the columns of W are normalised. At length 1 the penalty is, with m rows,

$$ \textstyle\sum_{i} W_{ik} = \sqrt m - (\sqrt m - 1)\,\mathrm{sparsity}(W_{:k}), $$

with the sparsity of problem 2 (statement 16).

Derivation.
1. The gradient in W of ½‖X − WH‖² is (WH − X)Hᵀ (statement 2). With the penalty, a stationary point satisfies

   $$ (W H - X) H^\top + \alpha \Phi_W = 0 \quad\Longleftrightarrow\quad W H H^\top = X H^\top - \alpha \Phi_W. $$

   Multiplied by (HHᵀ)⁻¹ from the right, and projected, this is the general rule. It gives W in terms of Φ_W, which may
   depend on W itself: it is solved for W in the next two steps.
2. J = ‖W‖² = Σ W_ik². The derivative of W_ik² is 2 W_ik, so Φ_W = 2W and the equation is W HHᵀ = XHᵀ − 2αW. Both terms
   with W go to the left, where W is a common factor: W(HHᵀ + 2αI) = XHᵀ. For α > 0 the matrix HHᵀ + 2αI always has an
   inverse, because vᵀ(HHᵀ + 2αI)v = ‖Hᵀv‖² + 2α‖v‖² > 0 for every v ≠ 0. Multiply by it from the right.
3. J = ΣW. The derivative of W_ik is 1, so Φ_W = 𝟏, which does not depend on W: the general rule is already solved.
4. Any weights: the gradient of c‖X − WH‖² + a₁ΣW + a₂‖W‖² is 2c(WH − X)Hᵀ + a₁𝟏 + 2a₂W. It is zero where, after
   division by 2c,

   $$ W H H^\top - X H^\top + \frac{a_1}{2c}\mathbf 1 + \frac{a_2}{c} W = 0. $$

   Collect W as in step 2: W(HHᵀ + (a₂/c) I) = XHᵀ − (a₁/2c)𝟏.
5. So the objective is the library's times the number 2c: c‖·‖² is 2c times ½‖·‖², a₁ is 2c times l1, and a₂ is 2c times
   ½ l2. A positive number in front does not move a stationary point. The dictionary:

   | objective | l1 | l2 |
   |---|---|---|
   | ½‖X − WH‖² + α ΣW | α | |
   | ½‖X − WH‖² + α‖W‖² | | 2α |
   | ½‖X − WH‖² + ½α‖W‖² | | α |
   | ‖X − WH‖² + α ΣW | ½α | |
   | ‖X − WH‖² + α‖W‖² | | α |
   | ‖X − WH‖ + α ΣW, as printed | α‖X − WH‖ | |
   | ‖X − WH‖ + α‖W‖², as printed | | 2α‖X − WH‖ |

6. The solver works on the transposed problem Xᵀ ≈ HᵀWᵀ, with G = HHᵀ + l2 I and C = HXᵀ − l1. G is symmetric, so the
   transpose of the rule is [G⁻¹C]₊.
7. Without the square: for E = X − WH ≠ 0 and ρ = ‖E‖ = √‖E‖², the chain rule gives ρ the gradient of ½‖E‖² divided by
   ρ. So a stationary point has (WH − X)Hᵀ/ρ + αΦ_W = 0, that is (WH − X)Hᵀ + αρΦ_W = 0: step 1 with αρ for α. As ρ
   depends on W, this is an equation for W and no longer a rule. The smallest case: X = 3, H = 1, J = W², α = ½.
   |3 − W| + ½W² has the derivative −1 + W below 3 and is least at W = 1, where ρ = 2; the rule gives 3/(1 + 2α) = 3/2
   with α, and 3/(1 + 2αρ) = 1 with αρ.
8. The normalised columns: for w ≥ 0 of ‖w‖₂ = 1, Σ_i w_i = ‖w‖₁ = ‖w‖₁/‖w‖₂, and by its definition
   sparsity(w)(√m − 1) = √m − ‖w‖₁/‖w‖₂. The rule does not use this: its derivative is that of free entries. But without
   a normalisation the penalty is escaped by W/c and cH, c → ∞, which have the product W H. (With columns of sum 1 it is
   the constant r.) ∎

What it teaches.  A quadratic penalty changes the matrix that is inverted, a linear one the right-hand side. The same α
means a penalty twice as strong beside ½‖·‖² as beside ‖·‖²: compare objectives before comparing α.
"""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jnmf import ALS, Factors, hoyer_sparsity, objective, solvers
from jnmf.solvers import ridge
from proofs.kernel import Statement, central_difference, chain, exact_chain
from proofs.least_squares_solutions import solve
from proofs.strategies import full_rank, nonnegative, positive, problems, real


def weighted(X, W, H, c, a1, a2):
    return c * ((X - W @ H) ** 2).sum() + a1 * W.sum() + a2 * (W * W).sum()


def positive_part(A):
    return np.maximum(A, 0)


def identity(H):
    return np.eye(len(H), dtype=int)  # integers, so that fractions stay exact


# The stationary point, projected. The objective is quadratic in W: one Newton step from any W ends there.


@jax.jit
def derivatives(X, W, H, c, a1, a2):
    of_W = lambda W: weighted(X, W, H, c, a1, a2)
    return jax.grad(of_W)(W), jax.hessian(of_W)(W)


def stationary_point(X, W, H, c, a1, a2):
    gradient, hessian = derivatives(X, W, H, c, a1, a2)
    step = np.linalg.solve(hessian.reshape(W.size, W.size), gradient.ravel())
    return positive_part(W - step.reshape(W.shape))


def exact_stationary_point(X, W, H, c, a1, a2):
    gradient = central_difference(lambda W: weighted(X, W, H, c, a1, a2), W)
    hessian = 2 * c * H @ H.T + 2 * a2 * identity(H)  # the same for each row of W
    return positive_part(W - solve(hessian, gradient.T).T)


def general_rule(X, W, H, c, a1, a2):
    """The right-hand side of the general rule at the W that solves it, before the projection; αΦ_W is divided by 2c."""
    solution = solve(c * H @ H.T + a2 * identity(H), c * H @ X.T - a1 / 2).T
    penalty_derivative = a1 + 2 * a2 * solution
    return positive_part(solve(H @ H.T, (X @ H.T - penalty_derivative / (2 * c)).T).T)


def collected(X, W, H, c, a1, a2):
    l1, l2 = a1 / (2 * c), a2 / c
    return positive_part(solve(H @ H.T + l2 * identity(H), H @ X.T - l1).T)


@jax.jit
def library(X, W, H, c, a1, a2):
    l1, l2 = a1 / (2 * c), a2 / c
    return solvers.least_squares(W.T, ridge(H @ H.T, l2), H @ X.T - l1).T


# The dictionary: the objective is the library's times 2c.


def entry_by_entry(X, W, H, c, a1, a2):
    m, n = X.shape
    misfit = sum((X[i, j] - sum(W[i, k] * H[k, j] for k in range(len(H)))) ** 2 for i in range(m) for j in range(n))
    return c * misfit + sum(a1 * w + a2 * w * w for w in W.flat)


def library_objective(X, W, H, c, a1, a2, l1_factor=0.5, l2_factor=1.0):
    algorithm = ALS(l1_W=l1_factor * a1 / c, l2_W=l2_factor * a2 / c)
    return 2 * c * objective(X, Factors(jnp.asarray(W), jnp.asarray(H)), algorithm)


CONTROLS = {
    "the factor 2 of ∂‖W‖² dropped": lambda X, W, H, c, a1, a2: collected(X, W, H, c, a1, a2 / 2),
    "the same α whatever stands before ‖X − WH‖²": lambda X, W, H, c, a1, a2: collected(X, W, H, 0.5, a1, a2),
    "the sum with the sign flipped": lambda X, W, H, c, a1, a2: collected(X, W, H, c, -a1, a2),
    "the Gram matrix of W": lambda X, W, H, c, a1, a2: positive_part(
        solve(W.T @ W + a2 / c * identity(H), H @ X.T - a1 / (2 * c)).T
    ),
}
EXACT_CONTROLS = {
    "the factor 2 of ∂‖W‖² dropped": CONTROLS["the factor 2 of ∂‖W‖² dropped"],
    "the sum with the sign flipped": CONTROLS["the sum with the sign flipped"],
    "no projection": lambda X, W, H, c, a1, a2: solve(H @ H.T + a2 / c * identity(H), H @ X.T - a1 / (2 * c)).T,
}
DICTIONARY_CONTROLS = {
    "l2 = a₂/2c": lambda *args: library_objective(*args, l2_factor=0.5),
    "l1 = a₁/c": lambda *args: library_objective(*args, l1_factor=1.0),
}

# As printed: the norm without its square, and columns of length 1.


@jax.jit
def gradient_as_printed(X, W, H, a1, a2):
    return jax.grad(lambda W: jnp.linalg.norm(X - W @ H) + a1 * W.sum() + a2 * (W * W).sum())(W)


def of_the_square_with_the_norm_beside_alpha(X, W, H, a1, a2):
    size = np.linalg.norm(X - W @ H)
    return ((W @ H - X) @ H.T + size * (a1 + 2 * a2 * W)) / size


def misfit(X, W, H):
    return np.linalg.norm(X - W @ H)


def sums_of_unit_columns(W):
    return (W / np.linalg.norm(W, axis=0)).sum(axis=0)


def by_the_ratio_of_norms(W):
    return W.sum(axis=0) / np.linalg.norm(W, axis=0)


def by_the_sparsity(W):
    root = np.sqrt(len(W))
    return root - (root - 1) * np.asarray(hoyer_sparsity(W, axis=0))


PRINTED_CONTROLS = {
    "α itself": lambda X, W, H, a1, a2: ((W @ H - X) @ H.T + a1 + 2 * a2 * W) / np.linalg.norm(X - W @ H),
    "the norm beside the misfit": lambda X, W, H, a1, a2: (
        np.linalg.norm(X - W @ H) * (W @ H - X) @ H.T + a1 + 2 * a2 * W
    ),
}
UNIT_CONTROLS = {
    "columns of sum 1": lambda W: (W / W.sum(axis=0)).sum(axis=0),
    "the sparsity itself": lambda W: np.asarray(hoyer_sparsity(W, axis=0)),
}


INPUTS = st.builds(
    lambda problem, c: (*problem[:3], c, *problem[3:]),
    problems(X=real, factors=full_rank, num_penalties=2),
    st.sampled_from((0.5, 1.0)),
)

STATEMENTS = (
    Statement(
        15,
        "Regularised ALS: W ← [(XHᵀ − l1)(HHᵀ + l2 I)⁻¹]₊ with l1 = a₁/2c, l2 = a₂/c",
        "problem set, problem 1",
        (
            chain(INPUTS, (stationary_point, general_rule, collected, library), CONTROLS),
            exact_chain(INPUTS, (exact_stationary_point, general_rule, collected), EXACT_CONTROLS),
            chain(INPUTS, (entry_by_entry, weighted, library_objective), DICTIONARY_CONTROLS),
            chain(
                problems(X=positive, factors=nonnegative, num_penalties=2).filter(
                    lambda drawn: misfit(*drawn[:3]) > 0.1
                ),
                (gradient_as_printed, of_the_square_with_the_norm_beside_alpha),
                PRINTED_CONTROLS,
            ),
            chain(
                problems(factors=positive).map(lambda drawn: drawn[1:2]),
                (sums_of_unit_columns, by_the_ratio_of_norms, by_the_sparsity),
                UNIT_CONTROLS,
            ),
        ),
    ),
)
