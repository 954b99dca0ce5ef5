r"""Larger than memory: both products of an iteration from one reading of X.

Source: the row-wise distribution of alternating updates, as in Kannan, Ballard and Park 2016.

Statement 34.  Let the rows of X be cut into blocks X_1, …, X_B, and let the update of W take each row by itself,
W⁺_b = u(W_b, H X_bᵀ). Then H Xᵀ, W⁺ and W⁺ᵀX of the whole are got block by block, each read once; and so is the
gradient in H of any loss that is a sum over entries.

Derivation.
1. Column i of H Xᵀ is H x_i with x_i the i-th row of X: the columns of H X_bᵀ are those of H Xᵀ that belong to block b.
2. So u, which takes column by column, makes of H X_bᵀ the rows of W⁺ in block b, before any other block is known.
3. (W⁺ᵀX)_kj = Σ_i w⁺_ik x_ij. The sum over i is one over blocks of those over their rows: W⁺ᵀX = Σ_b (W⁺_b)ᵀ X_b. ∎
4. The same with D′_ij = ∂d/∂z (x_ij, z_ij) in the place of X, since row i of Z = W H needs row i of W alone: the
   gradient in H, Wᵀ D′, is Σ_b W_bᵀ D′_b. ∎

What it teaches.  A last block that starts earlier, so that it is as large as the others, shares rows with the one
before: what is made of a row by itself comes out the same twice, in a sum over rows it must count once.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jnmf import losses, matrix, solvers, streamed
from proofs.kernel import Statement, chain, exact_chain
from proofs.strategies import nonnegative, positive

M, N, R, BLOCK = 5, 4, 2, 2  # the last block shares a row
INPUTS = st.tuples(nonnegative((M, N)), nonnegative((M, R)), positive((R, N)))
POSITIVE = st.tuples(positive((M, N)), positive((M, R)), positive((R, N)))


class Rows:
    """A source whose rows are those of the matrix drawn last: one program for all draws."""

    shape, dtype, X = (M, N), np.dtype(float), np.zeros((M, N))

    def __getitem__(self, rows):
        return self.X[rows]


SOURCE = Rows()
STREAMED = streamed(SOURCE, block=BLOCK)


def update(Wt, HXt, H):
    return solvers.hals(Wt, H @ H.T, HXt)


def side_by_side(HXt, Wt, WtX):
    return np.hstack([HXt, Wt, WtX])


def whole(X, W, H):
    Wt = np.asarray(update(W.T, H @ X.T, H))
    return side_by_side(H @ X.T, Wt, Wt @ X)


def in_blocks(X, W, H, start=lambda row: row, new=lambda Wt, old: Wt):
    """Steps 1 to 3; the sum starts at row `start(row)` of the block's, and takes `new`."""
    HXt, Wt, WtX = np.zeros((R, M)), np.zeros((R, M)), np.zeros((R, N))
    for row in range(0, M, BLOCK):
        first = min(row, M - BLOCK)
        block = slice(first, first + BLOCK)
        HXt[:, block] = H @ X[block].T
        Wt[:, block] = update(W[block].T, HXt[:, block], H)
        fresh = slice(start(row) if row > first else first, first + BLOCK)
        WtX += new(Wt, W.T)[:, fresh] @ X[fresh]
    return side_by_side(HXt, Wt, WtX)


@jax.jit
def products(X, W, H):
    return matrix.products(X, W.T, H, partial(update, H=H), True)


def library(X, W, H):
    SOURCE.X = X
    STREAMED.reader.forget()  # the block that was read ahead
    return side_by_side(*products(STREAMED, W, H))


def exact_sum(X, W, H):
    return W.T @ X


def exact_sum_of_blocks(X, W, H):
    return W[:2].T @ X[:2] + W[2:4].T @ X[2:4] + W[4:].T @ X[4:]


def autodiff(X, W, H):
    return jax.grad(lambda H: losses.kl(jnp.asarray(X), W, H))(jnp.asarray(H))


def sum_of_gradients(X, W, H):
    derivative = 1 - X / (W @ H)
    return sum(W[block].T @ derivative[block] for block in (slice(0, 3), slice(3, 5)))


@jax.jit
def gradients(X, W, H):
    return matrix.gradients(X, losses.kl, W, H)


def library_gradient(X, W, H):
    SOURCE.X = X
    STREAMED.reader.forget()
    return gradients(STREAMED, W, H)[1]


STATEMENTS = (
    Statement(
        34,
        "One reading of X, in blocks of rows, gives H Xᵀ, the new W and WᵀX, where W is updated row by row",
        "Kannan, Ballard and Park 2016",
        (
            chain(
                INPUTS,
                (whole, in_blocks, library),
                {
                    "shared rows twice": lambda *inputs: in_blocks(*inputs, start=lambda row: M - BLOCK),
                    "the sum from the old W": lambda *inputs: in_blocks(*inputs, new=lambda Wt, old: old),
                },
            ),
            exact_chain(
                INPUTS,
                (exact_sum, exact_sum_of_blocks),
                {"without the last block": lambda X, W, H: W[:4].T @ X[:4]},
            ),
            chain(
                POSITIVE,
                (autodiff, sum_of_gradients, library_gradient),
                {"of a single block": lambda X, W, H: W[:3].T @ (1 - X / (W @ H))[:3]},
            ),
        ),
    ),
)
