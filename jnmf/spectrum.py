"""What the singular values say about the rank: the bound on every factorisation, and the data without structure."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jnmf import checks, door
from jnmf.init import as_key
from jnmf.matrix import as_read, tails
from jnmf.types import Key, MatrixLike, Ranks


def svd_rmse(X: MatrixLike, ranks: Ranks) -> Array:
    r"""The root mean square error of the truncated SVD of each rank, which no factorisation of that rank can beat.

    X (m, n), of any signs; ranks: R different integers of at least 1 -> (R,), in the dtype of X:

        min { ‖X − Y‖_F / √(mn) : rank Y ≤ r } = √( Σ_{k>r} σ_k² / (mn) ),

    0 for r ≥ min(m, n). Eckart and Young 1936. The squares are summed from the smallest up, relative to the largest,
    so a small tail keeps the digits that the singular values have, and c·X gives c times the values for every c in the
    range of the dtype. Of a sparse X only the first values are computed, by SciPy, and the tail is the rest of ‖X‖², to
    1e-8 of ‖X‖. jit and vmap apply to X; the ranks are structure.

    Raises TypeError or ValueError for an X that is not a finite matrix, for no ranks, repeated ones and one below 1.

    >>> jnmf.svd_rmse(X, [1, 2]).round(3).tolist()
    [0.5, 0.0]
    """
    entered = door.whole(X, "X")
    ranks = np.minimum(checks.ranks(ranks), min(entered.X.shape))
    return as_read(entered.X, _rmse(entered.X, tuple(map(int, ranks)))).astype(entered.dtype)


@partial(jax.jit, static_argnames="ranks")
def _rmse(X, ranks):
    m, n = X.shape
    return tails(X, np.array(ranks)) / jnp.sqrt(float(m) * n)


def shuffle_columns(X: MatrixLike, key: Key = 0) -> Array:
    """X with the entries of each column in a random order of its own: the same distributions, no structure.

    X (m, n) -> (m, n), in the dtype of X (integers become the default float). key: an int seed or a `jax.random.key`.
    A rank is worth having where the error falls faster from r − 1 to r on X than it does on the shuffled X. jit and
    vmap apply, so `jax.vmap(lambda key: svd_rmse(shuffle_columns(X, key), ranks))(keys)` is a band of such errors.

    Frigyesi and Höglund 2008, "Non-negative matrix factorization for the analysis of complex gene expression data".
    Raises TypeError or ValueError for an X that is not a finite matrix.

    >>> shuffled = jnmf.shuffle_columns(X, key=0)
    >>> np.array_equal(np.sort(shuffled, axis=0), np.sort(X, axis=0))
    True
    """
    entered = door.matrix(X, "X")
    return jax.random.permutation(as_key(key), entered.X, axis=0, independent=True).astype(entered.dtype)
