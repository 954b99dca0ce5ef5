r"""Nonnegative least squares: a point is a minimiser exactly when it satisfies the KKT conditions.

Source: lecture, nonnegative least squares; J. Kim and Park 2011.

Statement.  Let q(h) = ½‖A h − b‖² and y = ∇q(h) = AᵀA h − Aᵀb. Then h minimises q over the vectors h ≥ 0 if and only
if

$$ h \ge 0, \qquad y \ge 0, \qquad h_i y_i = 0 \text{ for all } i. $$

There is a minimiser, and one is found among 2^r candidates, one for each set F of indices whose columns A_F are
independent: A_Fᵀ A_F h_F = A_Fᵀ b, and h = 0 off F.

Derivation.
1. For any h and z write A z − b = (A h − b) + A(z − h) and square:

   $$ q(z) - q(h) = y^\top (z - h) + \tfrac12 \|A(z - h)\|^2, $$

   since (A h − b)ᵀA(z − h) = yᵀ(z − h).
2. KKT ⇒ minimiser.  Let z ≥ 0. By KKT yᵀh = Σ h_i y_i = 0, and yᵀz ≥ 0 as a sum of products of nonnegative numbers. So
   yᵀ(z − h) ≥ 0; the other term of step 1 is a square. Hence q(z) ≥ q(h).
3. Minimiser ⇒ KKT.  Move one entry: z = h + t e_i. With G = AᵀA, step 1 reads q(z) − q(h) = t (y_i + ½ t G_ii). Where
   y_i ≠ 0 the bracket has the sign of y_i as soon as |t| is so small that ½|t| G_ii < |y_i|.
   - If y_i < 0, a small t > 0 keeps z ≥ 0 and makes this negative: h was no minimiser. So y_i ≥ 0.
   - If y_i > 0 and h_i > 0, a small t < 0 keeps z ≥ 0 and makes this negative too. So one of h_i, y_i is 0.
4. The candidates.  Let h ≥ 0, and let F = {i : h_i > 0} be its passive set. If the columns of A in F are dependent,
   there is a d ≠ 0, zero off F, with A d = 0. Moving along h + t d changes neither A h nor q. Take the sign of t for
   which some entry falls, and stop when the first one reaches 0: the passive set has become smaller. Repeat until its
   columns are independent. So only points h whose passive set has independent columns need be searched.
5. Let F have independent columns and h = 0 off F. Then ‖A h‖² = ⟨h_F, A_FᵀA_F h_F⟩ is at least the smallest eigenvalue
   of A_FᵀA_F, which is positive, times ‖h‖². So q grows without bound with h, and being continuous it takes its lowest
   value over such h ≥ 0. There are finitely many F; the lowest of these values is by step 4 the minimum over all h ≥ 0,
   taken at an h whose passive set is within F. Call that set F from here on: its columns are independent too. By
   step 3, y_i = 0 for i in F. That is the equation of the candidates, and it has one solution, because A_FᵀA_F has an
   inverse. So h is a candidate, and no candidate ≥ 0 has a lower q. ∎

What it teaches.  The hard part of NNLS is to find the passive set; the rest is linear equations. Pivoting methods
search for it, and KKT tells them when to stop. In the half-problem for H the matrix A is W, and b each column of X.
"""

from itertools import chain as joined
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jnmf import nnls
from jnmf.nonnegative_least_squares import exact
from proofs.kernel import Statement, chain, deviation, exact_chain, excess, fractions, holds
from proofs.least_squares_solutions import solve
from proofs.strategies import SHAPES, full_rank, nonnegative, problems, real


def best_candidate(G, c):
    """The lowest of ½⟨h, G h⟩ − ⟨c, h⟩ over the nonnegative candidates of all 2^r passive sets; in fractions."""
    best, lowest = 0 * c, 0
    for F in map(list, joined.from_iterable(combinations(range(len(c)), size) for size in range(1, len(c) + 1))):
        h = 0 * c
        try:
            h[F] = solve(G[np.ix_(F, F)], c[F, None])[:, 0]
        except ZeroDivisionError:  # dependent columns
            continue
        value = h @ G @ h / 2 - c @ h
        if min(h) >= 0 and value < lowest:
            best, lowest = h, value
    return best


def brute_force(G, C):
    """The best candidate for each column of C. Always in fractions: no tolerance decides what is dependent."""
    exact_G, exact_C = (A if A.dtype == object else fractions(A) for A in (G, C))
    return np.stack([best_candidate(exact_G, c) for c in exact_C.T], axis=1).astype(C.dtype)


def loss(X, W, H):
    return ((X - W @ H) ** 2).sum() / 2


# Step 1.


def loss_at_another_point(X, W, H, Z):
    return loss(X, W, Z)


def second_order_expansion(X, W, H, Z, linear=1, square=1):
    Y = W.T @ W @ H - W.T @ X
    return loss(X, W, H) + linear * (Y * (Z - H)).sum() + square * ((W @ (Z - H)) ** 2).sum() / 2


# Minimiser ⇒ KKT. min(h, y) = 0 says h ≥ 0, y ≥ 0, and that one of the two is 0.


def kkt_of_the_brute_force_minimiser(X, W, H):
    G, C = W.T @ W, W.T @ X
    best = brute_force(G, C)
    return np.minimum(best, G @ best - C)


def zero(X, W, H):
    return 0 * H


def optimality(X, W, H, solution=lambda X, W: nnls(W, X)):
    """The library's solution: KKT, the loss of brute force, and no higher than that of the H drawn."""
    G, C, Z = W.T @ W, W.T @ X, np.asarray(solution(X, W))
    Y, size = G @ Z - C, np.max(G @ np.abs(Z) + np.abs(C))
    return {
        "h ≥ 0": excess(Z, 0),
        "y ≥ 0": excess(Y, 0, size),
        "one of the two is 0": excess(0, np.abs(Z * Y), size * np.max(np.abs(Z))),
        "the loss of the brute-force minimiser": deviation(loss(X, W, Z), loss(X, W, brute_force(G, C))),
        "no drawn point has a lower loss": excess(loss(X, W, H), loss(X, W, Z)),
    }


# KKT ⇒ minimiser. H ≥ 0 and Y ≥ 0 with H ⊙ Y = 0 are drawn first; for C = WᵀW H − Y they satisfy KKT.


def planted(W, H, Y):
    return H


def found_by_brute_force(W, H, Y):
    return brute_force(W.T @ W, W.T @ W @ H - Y)


def from_the_start_of_zeros(method):
    def solver(W, H, Y):
        return exact(jnp.zeros_like(H), W.T @ W, W.T @ W @ H - Y, method)

    solver.__name__ = method
    return jax.jit(solver)


pivoting = from_the_start_of_zeros("pivoting")
projected_gradient = from_the_start_of_zeros("projected_gradient")


def library_nnls(W, H, Y):
    """X with WᵀX = C: the residual X − W H is −W(WᵀW)⁻¹Y."""
    return nnls(W, W @ (H - np.linalg.solve(W.T @ W, Y)))


def projected_least_squares(X, W):
    return np.maximum(np.linalg.pinv(W) @ X, 0)


def on_its_passive_set(X, W):
    """Least squares again on the columns that are positive in the unconstrained solution."""
    F = np.linalg.pinv(W) @ X > 0
    columns = [np.linalg.pinv(W * f) @ x for f, x in zip(F.T, X.T, strict=True)]
    return np.maximum(np.stack(columns, axis=1), 0)


EXPANSION_CONTROLS = {
    "the square without its ½": lambda *args: second_order_expansion(*args, square=2),
    "y with the sign flipped": lambda *args: second_order_expansion(*args, linear=-1),
}
KKT_CONTROLS = {
    "at the drawn point": lambda X, W, H: np.minimum(H, W.T @ W @ H - W.T @ X),
    "y with the sign flipped": lambda X, W, H: np.minimum(
        brute_force(W.T @ W, W.T @ X), W.T @ X - W.T @ W @ brute_force(W.T @ W, W.T @ X)
    ),
}
OPTIMALITY_CONTROLS = {
    "projected least squares": lambda *args: max(optimality(*args, solution=projected_least_squares).values()),
    "least squares on its passive set": lambda *args: max(optimality(*args, solution=on_its_passive_set).values()),
}
PLANTED_CONTROLS = {
    "y with the sign flipped": lambda W, H, Y: found_by_brute_force(W, H, -Y),
    "q without its ½": lambda W, H, Y: brute_force(2 * W.T @ W, W.T @ W @ H - Y),
}


@st.composite
def kkt_points(draw):
    """(W, H, Y), W of full rank; in each place H or Y is 0."""
    m, n, r = SHAPES[1]
    H, Y, passive = draw(nonnegative((r, n))), draw(nonnegative((r, n))), draw(real((r, n))) > 0
    return draw(full_rank((m, r))), np.where(passive, H, 0), np.where(passive, 0, Y)


@st.composite
def two_points(draw):
    X, W, H = draw(problems(X=real, factors=real))
    return X, W, H, draw(real(H.shape))


INPUTS = problems(X=real, shapes=st.just(SHAPES[1]))  # one shape: the searches take long to compile

STATEMENTS = (
    Statement(
        7,
        "Nonnegative least squares: KKT if and only if minimiser",
        "lecture, nonnegative least squares",
        (
            exact_chain(two_points(), (loss_at_another_point, second_order_expansion), EXPANSION_CONTROLS),
            exact_chain(INPUTS, (kkt_of_the_brute_force_minimiser, zero), KKT_CONTROLS),
            holds(INPUTS, optimality, OPTIMALITY_CONTROLS),
            exact_chain(kkt_points(), (planted, found_by_brute_force), PLANTED_CONTROLS),
            chain(
                kkt_points(),
                (planted, found_by_brute_force, pivoting, projected_gradient, library_nnls),
                PLANTED_CONTROLS,
            ),
        ),
    ),
)
