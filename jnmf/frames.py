"""A DataFrame of pandas: its numbers, and the names of its rows and columns.

It is known by what it has, so that pandas is not needed.
"""

from typing import Any, NamedTuple

import numpy as np


class Names(NamedTuple):
    """The labels of the rows and of the columns, as pandas keeps them: nothing is read before it is asked for."""

    rows: Any
    columns: Any

    def row(self, i: int) -> str:
        return _shown(self.rows, i)

    def column(self, j: int) -> str:
        return _shown(self.columns, j)


def _shown(labels, i: int) -> str:
    """The label as one writes it, with its position where another row could be meant: an integer, or one of several."""
    (label,) = labels[i : i + 1].tolist()  # numbers of Python
    alone = label == i if isinstance(label, int) else labels.is_unique
    return repr(label) if alone else f"{label!r} (position {i})"


def place(names: Names | None, i: int, j: int) -> str:
    """Where entry (i, j) is: (i, j), and what its row and its column are called, where that says more."""
    if names is None or (names.row(i), names.column(j)) == (repr(i), repr(j)):
        return f"({i}, {j})"
    return f"row {names.row(i)}, column {names.column(j)}"


def is_frame(X) -> bool:
    """Whether X is a DataFrame, whose columns may be of many kinds and hold pd.NA."""
    return hasattr(X, "iloc") and hasattr(X, "dtypes") and getattr(X, "ndim", 0) == 2


def names(X) -> Names | None:
    return Names(X.index, X.columns) if is_frame(X) else None


def difference(ours: Names, theirs: Names) -> str | None:
    """The first label that is not the same in both, frames of one shape; None where all are."""
    for what, mine, other in zip(("row", "column"), ours, theirs, strict=True):
        if not mine.equals(other):
            pairs = enumerate(zip(mine.tolist(), other.tolist(), strict=True))
            return next((f"{what} {i} is {a!r} and {b!r}" for i, (a, b) in pairs if a != b), f"the {what}s")
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
