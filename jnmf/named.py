"""Factors with the names of what they speak of: as DataFrames, in an AnnData, and the top features of a component."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from jnmf import checks, labels
from jnmf.factors import as_factors
from jnmf.labels import Names
from jnmf.results import Fit
from jnmf.types import FactorsLike, Integer


class Frames(NamedTuple):
    """W (m, r) and H (r, n) as DataFrames of pandas."""

    W: Any
    H: Any


def frames(fit: FactorsLike, X: Any = None) -> Frames:
    """W, samples × components, and H, components × features, as DataFrames with the names of X.

    fit: a `Fit`, which has the names of the DataFrame or AnnData that was fitted, or Factors.
    X: a DataFrame or an AnnData of that shape, if other names are to be taken from it.
    Components are called "component 1" to "component r"; rows and columns without names are numbered from 0. dtypes are
    kept, but half precision becomes float32.

    Raises TypeError or ValueError for what is not one pair of matrices and for names of another shape, and ImportError
    where pandas is missing.

    >>> W, H = jnmf.frames(jnmf.fit(X, 2))
    >>> W.columns.tolist(), H.shape
    (['component 1', 'component 2'], (2, 4))
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("frames: expected pandas to be installed; run pip install pandas") from error
    W, H = _matrices(fit)
    names = _names(fit, X, (W.shape[0], H.shape[1]))
    rows, columns = (None, None) if names is None else (names.rows, names.columns)
    components = component_names(len(H))
    return Frames(pd.DataFrame(W, rows, components), pd.DataFrame(H, components, columns))  # pyright: ignore[reportArgumentType]


def to_anndata(fit: FactorsLike, adata: Any, key: str = "nmf") -> None:
    """Put a fit of adata.X ≈ W H, cells × genes, into an AnnData, in place, where other tools look for it.

    `adata.obsm["X_" + key]` is W (m, r), `adata.varm[key]` is Hᵀ (n, r), NumPy arrays in their dtype (half precision in
    float32); `adata.uns[key]` has the loss, the number of iterations and the status of a `Fit`. What was there is
    replaced.

    Raises TypeError for what is no AnnData, and ValueError where the shapes or, of a fit that has them, the names of
    cells and genes are not those of `adata`.
    """
    if not labels.is_anndata(adata) or not hasattr(adata, "varm"):
        raise TypeError(f"to_anndata: expected an AnnData, got {type(adata).__name__}")
    W, H = _matrices(fit)
    ours, theirs = getattr(fit, "names", None), _names(fit, adata, (W.shape[0], H.shape[1]))
    other = ours and theirs and labels.difference(ours, theirs)
    if other:
        raise ValueError(f"to_anndata: expected the AnnData that was fitted, or its names in their order, but {other}")
    adata.obsm[f"X_{key}"], adata.varm[key] = W, np.ascontiguousarray(H.T)
    known = {"num_components": len(H)}
    if isinstance(fit, Fit):
        known |= {"loss": float(fit.loss), "num_iters": int(fit.num_iters), "status": fit.status.name}
    adata.uns[key] = known


def top_features(
    fit: FactorsLike, count: Integer = 10, *, names: Any = None, axis: Literal[0, 1] = 0
) -> list[list[tuple[Any, float]]]:
    """The features with the largest entries of each component: the words of a topic, the genes of a program.

    fit: a `Fit` or Factors of X ≈ W H, nonnegative.
    count: how many of each component; fewer where fewer entries are positive.
    names: of the features, a list, or the DataFrame or AnnData that has them; left out, those of the fit, and where it
        has none the features are numbered from 0.
    axis: which axis of X has the samples. 0: its rows are samples, its columns features, and component k is row k of
        H; 1: its columns are samples, and component k is column k of W.

    For each component a list of (name, share), the largest first; equal ones stay in their order. With component c_k,
    share_j = c_kj / Σ_j' c_kj', which does not depend on its scale.

    Raises TypeError or ValueError for other arguments, and for another number of names than of features.

    >>> W, H = np.ones((2, 2)), np.array([[3.0, 1.0, 0.0], [0.0, 1.0, 4.0]])
    >>> jnmf.top_features((W, H), 1, names=["tea", "coffee", "milk"])
    [[('tea', 0.75)], [('milk', 0.8)]]
    """
    checks.count(count, "count", 1)
    components = components_of(fit, axis)
    bad = ~(components >= 0)
    if bad.any():
        raise ValueError(
            f"fit: expected nonnegative components, got {bad.sum()} entries that are negative or NaN; of components "
            "of any sign pass one part, np.maximum(H, 0)"
        )
    names = feature_names(fit, names, axis)
    found = []
    for component in components.astype(float):
        largest = component.max(initial=0)
        component = component / largest if largest > 0 else component  # its sum may leave the range
        first = np.argsort(-component, kind="stable")[:count]
        total = component.sum()
        found.append([(names[j], float(component[j] / total)) for j in first if component[j] > 0])
    return found


def component_names(r: int) -> list[str]:
    return [f"component {k + 1}" for k in range(r)]


def components_of(fit, axis: int) -> np.ndarray:
    """(r, number of features): the components of samples along `axis` of X."""
    checks.axis(axis)
    W, H = _matrices(fit)
    return W.T if axis == 1 else H


def feature_names(fit, names, axis: int) -> Sequence[Any]:
    """A name for each feature: those that are given, or those of the fit, or numbers."""
    W, H = _matrices(fit)
    number, what = (len(W), "rows") if axis == 1 else (H.shape[1], "columns")
    if names is None or labels.is_frame(names) or labels.is_anndata(names):
        told = _names(fit, names, (len(W), H.shape[1]))
        return range(number) if told is None else (told.rows if axis == 1 else told.columns).tolist()
    names = list(names)
    if len(names) != number:
        raise ValueError(f"names: expected one for each of the {number} {what} of X, got {len(names)}")
    return names


def _matrices(fit) -> tuple[np.ndarray, np.ndarray]:
    """W and H in a dtype of NumPy."""
    W, H = (np.asarray(A) for A in as_factors(fit))
    if W.ndim != 2 or H.ndim != 2 or W.shape[1] != H.shape[0]:
        raise ValueError(f"expected W (m, r) and H (r, n) of one fit, got W {W.shape} and H {H.shape}")
    W, H = (A.astype(np.float32) if A.dtype.itemsize == 2 else A for A in (W, H))
    return W, H


def _names(fit, X, shape) -> Names | None:
    """Those of X, where it is given, or those that the fit has."""
    names = getattr(fit, "names", None)
    if X is not None:
        names = labels.names(X)
        if names is None:
            raise TypeError(f"X: expected a DataFrame or an AnnData, which have names, got {type(X).__name__}")
    if names is not None and (len(names.rows), len(names.columns)) != shape:
        raise ValueError(f"X: expected the names of {shape}, got {(len(names.rows), len(names.columns))}")
    return names
