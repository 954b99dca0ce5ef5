r"""A HALS update of one row is the exact minimiser of its one-row problem, penalties included.

Source: lab, objective and gradients; Cichocki, Zdunek and Amari 2007.

Statement.  Let F(H) = ½‖X − WH‖² + l1 ΣH + ½ l2 ‖H‖², G = WᵀW + l2·I, C = WᵀX − l1, and write W_k for column k of W,
H_k, G_k, C_k for row k. With all other rows of H kept, and G_kk > 0, the minimiser of F over rows H_k ≥ 0 is

$$ H_k \leftarrow \left[ \frac{W_k^\top R_k - l_1}{W_k^\top W_k + l_2} \right]_+
   = \left[ H_k + \frac{C_k - G_k H}{G_{kk}} \right]_+
   = \left[ \frac{C_k - \sum_{j \ne k} G_{kj} H_j}{G_{kk}} \right]_+, \qquad R_k = X - \sum_{i \ne k} W_i H_i. $$

Derivation.
1. WH is the sum of the r matrices W_i H_i (column times row). Only one of them holds H_k, so X − WH = R_k − W_k H_k,
   and R_k does not depend on H_k.
2. Write h for the row H_k and keep of F the terms in which it occurs. By statement 1 for R_k − W_k h,

   $$ F = \tfrac12 (W_k^\top W_k) \sum_j h_j^2 - \sum_j (W_k^\top R_k)_j h_j
        + l_1 \sum_j h_j + \tfrac12 l_2 \sum_j h_j^2 + \text{constant}. $$

   This is a sum over j of parabolas ½ a h_j² − b_j h_j with a = W_kᵀW_k + l2 = G_kk and b_j = (W_kᵀR_k)_j − l1. No two
   entries of the row meet in a term, so each may be minimised by itself.
3. Complete the square: ½ a h² − b h = ½ a (h − b/a)² − b²/(2a). For a > 0 this grows with the distance of h from b/a.
   Among h ≥ 0 the nearest to b/a is b/a itself if b/a ≥ 0, and 0 if not: [b/a]₊. That is the first form.
4. R_k = X − WH + W_k H_k for the row H_k before the update. Hence W_kᵀR_k = W_kᵀX − W_kᵀWH + (W_kᵀW_k) H_k, and with
   C_k = W_kᵀX − l1 and G_k H = W_kᵀWH + l2 H_k,

   $$ W_k^\top R_k - l_1 = C_k - G_k H + l_2 H_k + (W_k^\top W_k) H_k = C_k - G_k H + G_{kk} H_k. $$

   Dividing by G_kk gives the second form.
5. G_k H is the sum of G_kj H_j over all j, and the term with j = k cancels G_kk H_k. That leaves the third form, which
   is the one that the library computes. ∎

If G_kk = 0, then W_k = 0 and l2 = 0, and what is left of F is l1 Σh: the minimiser is 0 for l1 > 0; for l1 = 0 every
row is one, and the row stays.

What it teaches.  X enters only through C and G, so a sweep over all rows costs no pass over X. Each row sees the rows
already updated. The penalty l2 belongs in the divisor, G_kk.
"""

from collections.abc import Callable

import jax
import numpy as np

from jnmf import solvers
from jnmf.factors import Factors
from jnmf.objective import Objective, objective
from jnmf.solvers import ridge
from proofs.kernel import Statement, chain, exact_chain, excess, holds
from proofs.strategies import nonnegative, problems, real


def cost(X, W, H, l1, l2):
    return ((X - W @ H) ** 2).sum() / 2 + l1 * H.sum() + l2 * (H * H).sum() / 2


def vertex(a, b, h):
    """The minimiser of ½ a h² − b h over h ≥ 0 in each entry; where that is constant, the h given."""
    if a > 0:
        return np.maximum(b / a, 0)
    return np.where(b < 0, 0, h)


def sweep(row):
    """The link that sets each row in turn to row(k, X, W, H, l1, l2)."""

    def link(X, W, H, l1, l2):
        H = H.copy()
        for k in range(len(H)):
            H[k] = row(k, X, W, H, l1, l2)
        return H

    link.__name__ = row.__name__
    return link


@jax.jit
def derivatives(X, W, H, l1, l2, direction):
    """The gradient of the library's objective in H, and its derivative along `direction`."""
    gradient = jax.grad(lambda H: objective(X, Factors(W, H), Objective(l1_H=l1, l2_H=l2)))
    return jax.jvp(gradient, (H,), (direction,))


@sweep
def newton_step(k, X, W, H, l1, l2):
    """Slope and curvature by autodiff, and from them the vertex of the parabola in each entry."""
    direction = np.zeros_like(H)
    direction[k] = 1
    slope, curvature = (np.asarray(d)[k] for d in derivatives(X, W, H, l1, l2, direction))
    return [vertex(a, a * h - s, h) for s, a, h in zip(slope, curvature, H[k], strict=True)]


@sweep
def parabola_through_three_points(k, X, W, H, l1, l2):
    """The same without derivatives: the values of F at 0, 1 and 2 determine the parabola in an entry."""
    row = H[k].copy()
    for j in range(H.shape[1]):
        values, changed = [], H.copy()
        for h in range(3):
            changed[k, j] = h
            values.append(cost(X, W, changed, l1, l2))
        curvature = values[2] - 2 * values[1] + values[0]
        row[j] = vertex(curvature, curvature / 2 - (values[1] - values[0]), H[k, j])
    return row


@sweep
def residual_without_the_component(k, X, W, H, l1, l2):
    R = X - sum(np.outer(W[:, i], H[i]) for i in range(len(H)) if i != k)
    return vertex(W[:, k] @ W[:, k] + l2, W[:, k] @ R - l1, H[k])


def row_from_normal_equations(k, X, W, H, l1, l2):
    G, C = W.T @ W + l2 * np.eye(len(H), dtype=int), W.T @ X - l1
    return vertex(G[k, k], G[k, k] * H[k] + C[k] - G[k] @ H, H[k])


@jax.jit
def library(X, W, H, l1, l2):
    return solvers.hals(H, ridge(W.T @ W, l2), W.T @ X - l1)


def minimality(X, W, H, l1, l2, update: Callable = library):
    """After each row of a sweep: neither the row before nor another value of an entry has a lower objective."""
    updated, state, worst = np.asarray(update(X, W, H, l1, l2)), H.copy(), 0.0
    for k, j in np.ndindex(H.shape):
        if j == 0:
            before = cost(X, W, state, l1, l2)
            state[k] = updated[k]
            lowest = cost(X, W, state, l1, l2)
            worst = max(worst, excess(before, lowest))
        candidate = state.copy()
        for value in CANDIDATES:
            candidate[k, j] = value
            worst = max(worst, excess(cost(X, W, candidate, l1, l2), lowest))
    return {"no candidate has a lower objective": worst, "no entry is negative": excess(updated, 0)}


@sweep
def without_l2_in_the_divisor(k, X, W, H, l1, l2):
    G, C = W.T @ W + l2 * np.eye(len(H), dtype=int), W.T @ X - l1
    return vertex(W[:, k] @ W[:, k], G[k, k] * H[k] + C[k] - G[k] @ H, H[k])


@sweep
def without_the_old_row(k, X, W, H, l1, l2):
    G, C = W.T @ W + l2 * np.eye(len(H), dtype=int), W.T @ X - l1
    return vertex(G[k, k], C[k] - G[k] @ H, H[k])


def without_l1(X, W, H, l1, l2):
    return normal_equations(X, W, H, 0, l2)


def all_rows_from_the_old_H(X, W, H, l1, l2):
    return np.array([row_from_normal_equations(k, X, W, H, l1, l2) for k in range(len(H))])


normal_equations = sweep(row_from_normal_equations)

CONTROLS = {
    "l2 left out of the divisor": without_l2_in_the_divisor,
    "l1 with the sign flipped": lambda X, W, H, l1, l2: normal_equations(X, W, H, -l1, l2),
    "½ l2 without its ½": lambda X, W, H, l1, l2: normal_equations(X, W, H, l1, 2 * l2),
    "all rows from the old H": all_rows_from_the_old_H,
}
EXACT_CONTROLS = {
    "l2 left out of the divisor": without_l2_in_the_divisor,
    "the old row not added": without_the_old_row,
}
MINIMALITY_CONTROLS = {
    "l1 left out": lambda *args: max(minimality(*args, update=without_l1).values()),
    "all rows from the old H": lambda *args: max(minimality(*args, update=all_rows_from_the_old_H).values()),
}

CANDIDATES = np.arange(0, 3, 0.25)
INPUTS = problems(X=real, factors=nonnegative, num_penalties=2)
DERIVATION = (residual_without_the_component, normal_equations)

STATEMENTS = (
    Statement(
        4,
        "A HALS row update is the exact minimiser of its one-row problem, penalties included",
        "lab, objective and gradients",
        (
            chain(INPUTS, (newton_step, parabola_through_three_points, *DERIVATION, library), CONTROLS),
            exact_chain(INPUTS, (parabola_through_three_points, *DERIVATION), EXACT_CONTROLS),
            holds(INPUTS, minimality, MINIMALITY_CONTROLS),
        ),
    ),
)
