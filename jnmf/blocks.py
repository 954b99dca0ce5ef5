"""Blocks of rows or columns, so that a step that takes them one by one never holds a second matrix of the size of X."""

import jax
from jax import lax

NUMBERS = 2**20  # entries of X in a block


def in_blocks(f, X, A, axis: int):
    """f(X, A), of the shape of A, for an f that takes each row (axis 0) or column (axis 1) of X and of A by itself.

    X is a matrix or a tree of matrices, the first of which says how many rows or columns make a block.
    """
    size, width = A.shape[axis], max(1, NUMBERS // jax.tree.leaves(X)[0].shape[1 - axis])
    if size <= width:
        return f(X, A)

    def one_block(i, new):
        # A last block that would not be whole starts earlier: slices are clamped. What two share is the same again.
        start = i * width
        part = lambda B: lax.dynamic_slice_in_dim(B, start, width, axis)
        return lax.dynamic_update_slice_in_dim(new, f(jax.tree.map(part, X), part(A)), start, axis)

    return lax.fori_loop(0, -(-size // width), one_block, A)
