"""Which component a row or a column of X belongs to, and the order that shows X in blocks."""

import jax
import jax.numpy as jnp
from jax import Array

from jnmf import door
from jnmf.factors import Factors, unit_columns
from jnmf.numerics import compute_dtype
from jnmf.types import FactorsLike


def clusters(factors: FactorsLike) -> tuple[Array, Array]:
    r"""The component with the largest loading, of each row and each column of X ≈ W H.

    Factors W (m, r), H (r, n), nonnegative, or a `Fit` -> row_labels (m,) and column_labels (n,), integers:

        row_labels_i = argmax_k W_ik / ‖W_:k‖₂,        column_labels_j = argmax_k H_kj / ‖H_k:‖₂.

    The unit norms take out the scale of the components, of which W H says nothing: the labels of (W D⁻¹, D H) are
    those of (W, H). Among equal loadings the first component wins. A row of W or a column of H that is zero, as that
    of an empty row or column of X, belongs to no component and has the label r. jit and vmap apply.

    Brunet, Tamayo, Golub and Mesirov 2004, there without the scaling: the labels then also depend on the scale of the
    components, which the start decides. Raises TypeError or ValueError for factors that are not two finite,
    nonnegative matrices of one rank.

    >>> rows, columns = jnmf.clusters(([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]], [[3.0, 1.0], [0.0, 1.0]]))
    >>> rows.tolist(), columns.tolist()
    ([0, 1, 2], [0, 1])
    """
    return _clusters(_checked(factors))


def order(factors: FactorsLike) -> tuple[Array, Array]:
    """The permutations that sort the rows and the columns of X by cluster, and by decreasing loading within each.

    Factors W (m, r), H (r, n), nonnegative, or a `Fit` -> rows (m,) and columns (n,), integers: X[rows][:, columns] has
    the components as blocks. The loadings are the unit-norm ones of `clusters`; equal ones stay in their order. Rows
    and columns with no loading go last. jit and vmap apply. Raises as `clusters` does.

    >>> rows, columns = jnmf.order(([[0.0, 1.0], [1.0, 0.0], [0.0, 2.0]], [[0.0, 1.0], [1.0, 0.0]]))
    >>> rows.tolist(), columns.tolist()
    ([1, 2, 0], [1, 0])
    """
    return _order(_checked(factors))


def _checked(factors) -> Factors:
    W, H = door.pair(factors)
    if W.shape[1] != H.shape[0]:
        raise ValueError(
            f"expected W (m, r) and H (r, n) of one rank, got W {W.shape} and H {H.shape}; did you pass Hᵀ?"
        )
    return Factors(W, H)


def strongest(A):
    """Of each row of A (m, r): the largest entry with the columns at unit length, and its column; r for a zero row."""
    loading = unit_columns(A.astype(compute_dtype(A.dtype)))
    strength = jnp.max(loading, axis=1)
    return jnp.where(strength > 0, jnp.argmax(loading, axis=1), A.shape[1]), strength


@jax.jit
def _clusters(factors):
    return strongest(factors.W)[0], strongest(factors.H.T)[0]


@jax.jit
def _order(factors):
    def permutation(A):
        label, strength = strongest(A)
        return jnp.lexsort((-strength, label))

    return permutation(factors.W), permutation(factors.H.T)
