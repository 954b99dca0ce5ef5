r"""Ridge, lasso, a target, sums to one and column-l1²: each shifts G and C, as rows beneath W and X would.

Source: Hoyer 2002 (lasso), Heinz and Chang 2001 (sums to one), H. Kim and Park 2007 (column-l1² and ridge).

Statement 39.  Let λ ≥ 0 stand for a number, Λ for a diagonal matrix of such. The terms

$$ \tfrac12 \langle H, \Lambda H \rangle, \quad \langle l, H \rangle, \quad
   \tfrac12 \langle H - A, \Lambda (H - A) \rangle, \quad
   \tfrac12 \lambda \| 1^\top H - s 1^\top \|^2, \quad \tfrac12 \lambda \| 1^\top H \|^2 $$

are ½⟨H, ΔG H⟩ − ⟨ΔC, H⟩ + constant, with the pairs (ΔG, ΔC)

$$ (\Lambda, 0), \quad (0, -l), \quad (\Lambda, \Lambda A), \quad (\lambda 1 1^\top, \lambda s 1 1^\top), \quad
   (\lambda 1 1^\top, 0) . $$

All but the lasso are ½‖BH − Y‖² for rows B and Y, so the objective is ½‖X̃ − W̃H‖² of the stacked W̃ = [W; B] and
X̃ = [X; Y], whose normal equations are those of W and X with the pair added.

Derivation.
1. Multiplied out, ½‖BH − Y‖² = ½⟨H, BᵀB H⟩ − ⟨BᵀY, H⟩ + ½‖Y‖²: a pair with ΔG = BᵀB and ΔC = BᵀY.
2. The rows are B = Λ^½ with Y = 0 or Y = Λ^½ A, and B = √λ 1ᵀ with Y = √λ s 1ᵀ or Y = 0. By step 1 they have the pairs
   above. A target for the first k components has rows for these alone: beyond, Λ is 0. ΔG = BᵀB is positive
   semidefinite, and no entry is negative.
3. ⟨l, H⟩ is linear in H: ΔG = 0, ΔC = −l. No rows have its pair, since BᵀB = 0 leaves B = 0 and BᵀY = 0.
4. The squared norm of a matrix is the sum of those of its rows, so ½‖X̃ − W̃H‖² = ½‖X − WH‖² + ½‖BH − Y‖². By step 1
   for X̃ and W̃ its normal equations are W̃ᵀW̃ = WᵀW + BᵀB and W̃ᵀX̃ = WᵀX + BᵀY. ∎

What it teaches.  The papers append the rows and call their solver; in normal equations that costs r² numbers, and X is
never copied. Heinz and Chang write the row as one of ones and multiply W and X by a small δ instead: the same problem,
for λ = 1/δ².
"""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jnmf import HALS, Factors, objective, terms
from jnmf.terms import together
from proofs.hals_row_update import normal_equations as sweep
from proofs.kernel import Statement, chain, exact_chain
from proofs.strategies import nonnegative

M, N, R, K = 4, 5, 3, 2
INPUTS = st.tuples(
    *(nonnegative(shape) for shape in ((M, N), (M, R), (R, N), (K, N))),
    *(nonnegative((size, 1)).map(lambda A: A[:, 0]) for size in (R, K, R)),  # roots of the weights, and l
    *(nonnegative((1, 1)).map(lambda A: A[0, 0]) for _ in range(3)),  # roots of two more, and the sum
)


def of_each(X, W, H, A, ridge, target, l1, one, column, s):
    """½‖X − WH‖² and the terms, as they are defined."""
    sums = H.sum(axis=0)
    return np.asarray(
        ((X - W @ H) ** 2).sum() / 2
        + (ridge**2 @ H**2).sum() / 2
        + (l1 @ H).sum()
        + (target**2 @ (H[:K] - A) ** 2).sum() / 2
        + one**2 * ((sums - s) ** 2).sum() / 2
        + column**2 * (sums**2).sum() / 2
    )


def stacked(X, W, H, A, ridge, target, l1, one, column, s):
    """X̃ and W̃: a row for each component, for each that has a target, for the two sums."""
    ones, eye = np.ones((1, R), dtype=int), np.eye(R, dtype=int)
    rows = eye * ridge, (eye * np.append(target, [0] * (R - K)))[:K], one * ones, column * ones
    flat = np.ones((1, N), dtype=int)
    values = 0 * H, target[:, None] * A, one * s * flat, 0 * flat
    return np.vstack([X, *values]), np.vstack([W, *rows])


def in_stacked_rows(X, W, H, *rest):
    Xs, Ws = stacked(X, W, H, *rest)
    return np.asarray(((Xs - Ws @ H) ** 2).sum() / 2 + (rest[3] @ H).sum())


def pair(X, W, H, A, ridge, target, l1, one, column, s, keep=K, root=lambda x: x**2):
    """ΔG and ΔC of the statement, added."""
    ones, eye = np.ones((R, R), dtype=int), np.eye(R, dtype=int)
    weights = np.append(root(target)[:keep], [0] * (R - keep))
    of_G = eye * (root(ridge) + weights) + (root(one) + root(column)) * ones
    targets = np.vstack([A, 0 * H[K:]])
    return of_G, weights[:, None] * targets + root(one) * s * np.ones((R, N), dtype=int) - l1[:, None]


def by_the_pairs(X, W, H, A, ridge, target, l1, one, column, s, pair=pair):
    of_G, of_C = pair(X, W, H, A, ridge, target, l1, one, column, s)
    quadratic = (H * ((W.T @ W + of_G) @ H)).sum() / 2 - ((W.T @ X + of_C) * H).sum()
    return np.asarray(quadratic + ((X**2).sum() + (target**2 @ A**2).sum() + N * one**2 * s**2) / 2)


def listed(A, ridge, target, l1, one, column, s):
    of_rows = terms.Ridge(ridge**2), terms.Lasso(l1), terms.Target(A, target**2)
    return *of_rows, terms.SumToOne(one**2, total=s), terms.ColumnL1(column**2)


# The same of the library: value, gradient and one sweep of HALS


@jax.jit
def program(X, W, H, *rest):
    on = listed(*rest)
    value = lambda H: 0.5 * jnp.sum((X - W @ H) ** 2) + together.value(on, H)
    shifted = together.in_half_step(lambda H, G, C, l1, l2: G @ H - C + l1, on, False)
    gradient = shifted(H, W.T @ W, W.T @ X, 0.0, 0.0)
    swept = HALS(on_H=on).half_steps(X)[0](H, W.T @ W, W.T @ X, 0.0, 0.0)
    return value(H), jax.grad(value)(H), gradient, swept


def side_by_side(value, gradient, swept):
    return np.concatenate([np.ravel(value), np.ravel(gradient), np.ravel(swept)])


def autodiff(X, W, H, *rest):
    """The value by `jnmf.objective`, its gradient by autodiff, and the sweep over the stacked rows."""
    _, gradient, _, _ = program(X, W, H, *rest)
    return side_by_side(objective(X, Factors(W, H), HALS(on_H=listed(*rest))), gradient, swept_rows(X, W, H, *rest))


def swept_rows(X, W, H, *rest):
    Xs, Ws = stacked(X, W, H, *rest)
    return sweep(Xs, Ws, H, rest[3][:, None], 0)


def by_normal_equations(X, W, H, *rest, pair=pair):
    of_G, of_C = pair(X, W, H, *rest)
    G, C = W.T @ W + of_G, W.T @ X + of_C
    new = H.copy()
    for k in np.flatnonzero(np.diag(G)):
        new[k] = np.maximum(new[k] + (C[k] - G[k] @ new) / G[k, k], 0)
    new[(np.diag(G) == 0) & (rest[3] > 0)] = 0
    return side_by_side(by_the_pairs(X, W, H, *rest, pair=pair), G @ H - C, new)


def library(X, W, H, *rest):
    value, _, gradient, swept = program(X, W, H, *rest)
    return side_by_side(value, gradient, swept)


def wrong_pairs():
    """Each forgets something that makes it another pair."""

    def without_the_target_beyond(*args):
        return pair(*args, keep=K - 1)

    def roots_for_weights(*args):
        return pair(*args, root=lambda x: x)

    def lasso_added(X, W, H, A, ridge, target, l1, *rest):
        return pair(X, W, H, A, ridge, target, -l1, *rest)

    def sum_without_s(X, W, H, A, ridge, target, l1, one, column, s):
        return pair(X, W, H, A, ridge, target, l1, one, column, 0 * s + 1)

    def sum_on_the_diagonal(X, W, H, A, ridge, target, l1, one, column, s):
        of_G, of_C = pair(X, W, H, A, ridge, target, l1, one, column, s)
        return of_G * np.eye(R, dtype=int), of_C

    return (without_the_target_beyond, roots_for_weights, lasso_added, sum_without_s, sum_on_the_diagonal)


def controls(of):
    return {
        wrong.__name__.replace("_", " "): lambda *args, wrong=wrong: of(*args, pair=wrong) for wrong in wrong_pairs()
    }


STATEMENTS = (
    Statement(
        39,
        "Ridge, lasso, targets, sums to one and column-l1² are pairs (ΔG, ΔC): rows beneath W and X",
        "Hoyer 2002; Heinz and Chang 2001; H. Kim and Park 2007",
        (
            exact_chain(INPUTS, (of_each, in_stacked_rows, by_the_pairs), controls(by_the_pairs)),
            chain(INPUTS, (autodiff, by_normal_equations, library), controls(by_normal_equations)),
        ),
    ),
)
