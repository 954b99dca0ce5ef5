r"""The objective is a sum over the columns of H, and a sum over the rows of W: many small problems.

Source: lecture, alternating nonnegative least squares.

Statement.  With x_j, h_j the columns of X, H and x^i, w^i the rows of X, W,

$$ \tfrac12\|X - WH\|^2 = \sum_{j=1}^{n} \tfrac12\|x_j - W h_j\|^2 = \sum_{i=1}^{m} \tfrac12\|x^i - w^i H\|^2. $$

For fixed W, H minimises it over H ≥ 0 if and only if each h_j minimises its own term over h_j ≥ 0; for fixed H the same
holds of W and its rows. So ANLS solves n problems in r unknowns, then m problems in r unknowns.

Derivation.
1. Column j of WH is W h_j: matrix times matrix is matrix times column, for each column. So column j of X − WH is
   x_j − W h_j, and row i is x^i − w^i H in the same way.
2. ‖R‖² is the sum of all squared entries. Summing first within columns gives Σ_j ‖r_j‖², first within rows Σ_i ‖r^i‖².
   With step 1 this is the equation.
3. h_j occurs in term j only, and the constraint H ≥ 0 says h_j ≥ 0 for each j by itself: nothing ties two columns.
   - If each h_j minimises its term, then for any other Z ≥ 0 every term is at least as large, and so is their sum.
   - If some h_j does not, put a better column z_j in its place: term j falls, no other term changes, the sum falls. So
     H was no minimiser.
4. For W, transpose: ‖X − WH‖ = ‖Xᵀ − HᵀWᵀ‖, and the rows of W are the columns of Wᵀ. ∎

The penalties are sums over the entries and separate with them.

What it teaches.  All n problems share the matrix WᵀW, and can be solved at once, in any order, or on several machines.
The problem in W and H together does not separate: every term has all of W, or all of H.
"""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jnmf import losses
from jnmf.nonnegative_least_squares import exact
from proofs.kernel import Statement, chain, exact_chain
from proofs.nnls_optimality import brute_force
from proofs.strategies import SHAPES, full_rank, problems, real


def whole(X, W, H):
    return sum((X[i, j] - sum(W[i, k] * H[k, j] for k in range(len(H)))) ** 2 for i, j in np.ndindex(*X.shape)) / 2


def norm_squared(r):
    return (r * r).sum()


def by_columns(X, W, H):
    return sum(norm_squared(x - W @ h) for x, h in zip(X.T, H.T, strict=True)) / 2


def by_rows(X, W, H):
    return sum(norm_squared(x - w @ H) for x, w in zip(X, W, strict=True)) / 2


@jax.jit
def library(X, W, H):
    return losses.frobenius(X, W, H)


# The minimisers in the first two columns of H and rows of W. Brute force finds both columns together, as 2 r unknowns.


def of_both(minimiser):
    """`minimiser(X, W)` is two columns of H; the link that adds, from Xᵀ ≈ HᵀWᵀ, two rows of W."""

    def link(X, W, H):
        return np.stack([minimiser(X[:, :2], W), minimiser(X[:2].T, H.T)])

    link.__name__ = minimiser.__name__
    return link


@of_both
def together(X, W):
    """½‖(x_1, x_2) − A (h_1, h_2)‖² with h_1 above h_2: A has W twice on its diagonal."""
    A = np.kron(np.eye(2, dtype=int), W)
    return brute_force(A.T @ A, A.T @ X.T.reshape(-1, 1)).reshape(2, -1).T


def column(j, X, W):
    return brute_force(W.T @ W, W.T @ X[:, [j]])


@of_both
def one_at_a_time(X, W):
    return np.hstack([column(0, X, W), column(1, X, W)])


@jax.jit
def exact_from_zeros(G, C):
    return exact(jnp.zeros_like(C), G, C)


@of_both
def library_beside_zeros(X, W):
    G, C = W.T @ W, W.T @ X
    return np.stack([exact_from_zeros(G, C * [1, 0])[:, 0], exact_from_zeros(G, C * [0, 1])[:, 1]], axis=1)


@of_both
def library_minimiser(X, W):
    return exact_from_zeros(W.T @ W, W.T @ X)


CONTROLS = {
    "the mean over the columns": lambda X, W, H: by_columns(X, W, H) / X.shape[1],
    "the squared sums of the columns": lambda X, W, H: ((X - W @ H).sum(axis=0) ** 2).sum() / 2,
}
MINIMISER_CONTROLS = {
    "the columns exchanged": of_both(lambda X, W: np.hstack([column(1, X, W), column(0, X, W)])),
    "one column for both": of_both(lambda X, W: np.hstack([column(0, X, W)] * 2)),
}

INPUTS = problems(X=real, factors=real)
FULL_RANK = problems(X=real, factors=full_rank, shapes=st.just(SHAPES[0]))  # one shape: few sets, one compilation

STATEMENTS = (
    Statement(
        6,
        "The objective separates over the columns of H and over the rows of W",
        "lecture, alternating nonnegative least squares",
        (
            chain(INPUTS, (whole, by_columns, by_rows, library), CONTROLS),
            exact_chain(INPUTS, (whole, by_columns, by_rows), CONTROLS),
            chain(
                FULL_RANK,
                (together, one_at_a_time, library_beside_zeros, library_minimiser),
                MINIMISER_CONTROLS,
            ),
            exact_chain(FULL_RANK, (together, one_at_a_time), MINIMISER_CONTROLS),
        ),
    ),
)
