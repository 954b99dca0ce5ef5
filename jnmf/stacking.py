"""Several matrices with a factor in common, as one X, and the other factor in its pieces again."""

from collections.abc import Iterable, Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jnmf import checks, door, matrix
from jnmf.matrix.masked import LIGHT
from jnmf.matrix.stacked import Stacked
from jnmf.matrix.uniform import Uniform
from jnmf.types import Mask, MatrixLike, Number


def stacked(
    Xs: Iterable[MatrixLike],
    *,
    weights: Sequence[Number] | np.ndarray | Array | None = None,
    masks: Iterable[Mask] | None = None,
) -> Stacked:
    """X_1 ≈ W H_1, X_2 ≈ W H_2, … as one X = [X_1 X_2 …] ≈ W [H_1 H_2 …], with Σ_i λ_i D(X_i, W H_i) as its loss.

    Xs: two matrices or more with the same rows, of any kinds that `fit` takes in memory; each stays of its kind, a
        sparse one sparse. For a common H pass the X_iᵀ, and take the result's `.T`.
    weights: λ_i ≥ 0, one per matrix, which multiply its divergence for every loss (default: 1 each). H_i is in the
        units of X_i, and penalties are what they are without weights. 1/‖X_i‖² makes Frobenius losses comparable,
        1/ΣX_i those of KL.
    masks: for each matrix a mask as in `fit`, or None.

    The result goes wherever X does, also with `mask=`. MU weighs the divergences themselves. Where
    the weights differ, the methods of the Frobenius loss complete the lighter matrices as under a mask, and below an
    eighth of the largest weight HALS and ANLS use the weights directly (docs/what-x-can-be.md); without weights they
    need neither. X_i times √λ_i has the same Frobenius loss without weights, its H_i being √λ_i times as large.
    `cross_validate` holds out the same share of each matrix. SVDs (nndsvd, `svd_rmse`) make an array of all.
    `unstacked` gives the H_i. Several matrices with one W: Badea 2008; Akata, Thurau and Bauckhage 2011.

    Raises TypeError or ValueError for matrices that do not match, and for weights that are not numbers ≥ 0.

    >>> both = jnmf.stacked([X, 2 * X[:, :3]])
    >>> W, H = jnmf.fit(both, 2).factors
    >>> [part.shape for part in jnmf.unstacked(H, both)]
    [(2, 4), (2, 3)]
    """
    Xs = list(Xs)
    if len(Xs) < 2:
        raise ValueError(f"stacked: expected two matrices or more, got {len(Xs)}")
    masks = [None] * len(Xs) if masks is None else list(masks)
    if len(masks) != len(Xs):
        raise ValueError(f"masks: expected one or None for each of {len(Xs)} matrices, got {len(masks)}")
    each = [door.enter(X, mask, f"X{i}") for i, (X, mask) in enumerate(zip(Xs, masks, strict=True), 1)]
    for i, entered in enumerate(each, 1):
        matrix.expect_in_memory(entered.X, f"X{i}: expected a matrix")
        matrix.expect_one_device(entered.X, f"X{i}: expected a matrix")
        if entered.X.shape[0] != each[0].X.shape[0]:
            raise ValueError(
                f"stacked: expected matrices with the same rows, got {each[0].X.shape} and {entered.X.shape}; "
                "for a common H pass their transposes, and take .T of the result"
            )
    dtype = jnp.result_type(*(entered.dtype for entered in each))
    blocks = [matrix.cast(entered.X, dtype) for entered in each]
    if weights is None:
        return Stacked(blocks=tuple(blocks))
    light = _light(weights, len(blocks))
    weighted = (Uniform(B, jnp.asarray(w, dtype)) for B, w in zip(blocks, weights, strict=True))
    return Stacked(blocks=tuple(weighted), by_the_weights=light)


def _light(weights, number: int) -> bool:
    """Whether some weight is so much less than the largest that imputation would crawl; as of a traced one."""
    if len(weights) != number:
        raise ValueError(f"weights: expected one for each of {number} matrices, got {len(weights)}")
    if checks.is_traced(weights):
        return True
    values = np.array([float(w) for w in weights])
    if not (np.isfinite(values).all() and (values >= 0).all() and values.any()):
        raise ValueError(f"weights: expected finite numbers of at least 0, not all 0, got {values.tolist()}")
    return bool(values[values > 0].min() < LIGHT * values.max())


def unstacked(H: ArrayLike, X: Stacked) -> list[Array]:
    """[H_1, H_2, …], each (r, n_i), from the H (r, n) of X = `stacked`([X_1, X_2, …]); for X.T the W_i from its W.

    >>> both = jnmf.stacked([X, 2 * X[:, :3]])
    >>> [part.shape for part in jnmf.unstacked(np.ones((2, 7)), both)]
    [(2, 4), (2, 3)]
    """
    if not isinstance(X, Stacked):
        raise TypeError(f"unstacked: expected an X that jnmf.stacked made, got {type(X).__name__}")
    if np.ndim(H) != 2 or np.shape(H)[X.axis] != sum(X.lengths):
        raise ValueError(f"unstacked: expected {'WH'[X.axis]} of an X {X.shape}, got shape {np.shape(H)}")
    return X.cut(jnp.asarray(H))
