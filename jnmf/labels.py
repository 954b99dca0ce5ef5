"""A DataFrame of pandas, or an AnnData: its numbers, and the names of its rows and columns.

They are known by what they have, so that neither package is needed.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np


@jax.tree_util.register_static
@dataclass(frozen=True, eq=False)
class Names:
    """The labels of the rows and of the columns, as pandas keeps them: nothing is read before it is asked for.

    In a pytree they are structure, as labels are no numbers: a `Fit` has them through jit and vmap. Two are equal whose
    labels are.
    """

    rows: Any
    columns: Any

    def row(self, i: int) -> str:
        return _shown(self.rows, i)

    def column(self, j: int) -> str:
        return _shown(self.columns, j)

    def __hash__(self) -> int:
        return hash((len(self.rows), len(self.columns)))

    def __eq__(self, other) -> bool:
        return isinstance(other, Names) and (self is other or difference(self, other) is None)


def _shown(labels, i: int) -> str:
    """The label as one writes it, with its position where another row could be meant: an integer, or one of several."""
    (label,) = labels[i : i + 1].tolist()  # numbers of Python
    alone = label == i if isinstance(label, int) else _is_alone(labels, label)
    return repr(label) if alone else f"{label!r} (position {i})"


def _is_alone(labels, label) -> bool:
    return labels.is_unique if hasattr(labels, "is_unique") else labels.tolist().count(label) == 1


def place(names: Names | None, i: int, j: int) -> str:
    """Where entry (i, j) is: (i, j), and what its row and its column are called, where that says more."""
    if names is None or (names.row(i), names.column(j)) == (repr(i), repr(j)):
        return f"({i}, {j})"
    return f"row {names.row(i)}, column {names.column(j)}"


def is_frame(X) -> bool:
    """Whether X is a DataFrame, whose columns may be of many kinds and hold pd.NA."""
    return hasattr(X, "iloc") and hasattr(X, "dtypes") and getattr(X, "ndim", 0) == 2


def is_anndata(X) -> bool:
    """Whether X is an AnnData, whose matrix is X.X, observations × variables."""
    return hasattr(X, "obs_names") and hasattr(X, "var_names") and hasattr(X, "X")


def names(X) -> Names | None:
    if is_anndata(X):
        return Names(X.obs_names, X.var_names)
    if is_frame(X):
        return Names(X.index, X.columns)
    known = getattr(X, "names", None)  # of a kind of matrix that has them
    return known if isinstance(known, Names) else None


def difference(ours: Names, theirs: Names) -> str | None:
    """The first label that is not the same in both; None where all are."""
    for what, mine, other in (("row", ours.rows, theirs.rows), ("column", ours.columns, theirs.columns)):
        if mine is other or (hasattr(mine, "equals") and mine.equals(other)):
            continue
        mine, other = mine.tolist(), other.tolist()
        if len(mine) != len(other):
            return f"there are {len(mine)} and {len(other)} {what}s"
        for i, (a, b) in enumerate(zip(mine, other, strict=True)):
            if a != b and not (a != a and b != b):  # NaN is the same label as NaN
                return f"{what} {i} is {a!r} and {b!r}"
    return None


def numbers(X, name: str) -> np.ndarray:
    """The entries in the dtype that holds all columns, missing ones as NaN."""
    kinds = [np.dtype(getattr(d, "numpy_dtype", d.type)) for d in X.dtypes]
    for j, (kind, given) in enumerate(zip(kinds, X.dtypes, strict=True)):
        if kind.kind not in "biuf":
            column = Names(X.index, X.columns).column(j)
            raise TypeError(f"{name}: expected numbers in every column, got {given} in {column}; convert or drop it")
    if not X.isna().to_numpy().any():
        return X.to_numpy(dtype=np.result_type(bool, *kinds))
    if not any(kind.kind == "f" for kind in kinds):
        kinds.append(np.dtype(float))  # there is no NaN among the integers
    return X.to_numpy(dtype=np.result_type(*kinds), na_value=np.nan)
