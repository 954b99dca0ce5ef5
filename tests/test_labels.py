"""A DataFrame: its labels go through the door, and what is said of an entry names its row and its column."""

import jax
import numpy as np
import pandas as pd
import pytest
from support import M, N, problem

from jnmf import HALS, MU, door, fit, kkt_residual, nnls, sweep, transform
from jnmf.matrix.masked import Masked

X, START = problem()
GOOD = np.asarray(X)
ROWS, COLUMNS = [f"sample{i}" for i in range(M)], [f"gene{letter}" for letter in "ABCDEFGHI"]
PAIRS = pd.MultiIndex.from_product([["a", "b", "c"], [1, 2, 3]])


def frame(value=None, at=(2, 3), rows=ROWS, columns=COLUMNS):
    A = GOOD.copy()
    if value is not None:
        A[at] = value
    return pd.DataFrame(A, rows, columns)


def test_the_names_go_through_the_door():
    A = frame()
    for entered in (door.enter(A), door.enter(A, A > 1), door.enter(Masked(A, A > 1)), door.matrix(A, "X")):
        assert list(entered.names.rows) == ROWS
        assert list(entered.names.columns) == COLUMNS
    assert door.enter(GOOD).names is None
    traced = []
    jax.eval_shape(lambda c: traced.append(door.enter(A * 1.0).names) or c, 1.0)
    assert list(traced[0].rows) == ROWS


def test_of_a_good_frame_no_label_is_read(monkeypatch):
    read = []
    for method in ("tolist", "__iter__"):
        monkeypatch.setattr(pd.Index, method, lambda self, method=method: read.append(method))
    fit(frame(), 2, MU(), max_iters=1)
    assert read == []


NAMED = "row 'sample2', column 'geneD'"
MISSING = frame().astype("Float64")
MISSING.iloc[2, 3] = pd.NA
FIRST_COLUMN = np.ones((M, N))
FIRST_COLUMN[:, 0] = 0
MESSAGES = [
    (lambda: fit(frame(np.nan), 2), f"got 1 NaN or inf of 108, the first at {NAMED}; fill them"),
    (lambda: fit(frame(np.inf), 2, mask=FIRST_COLUMN), f"got 1 NaN or inf of 108, the first at {NAMED}; "),
    (lambda: fit(MISSING, 2), f"got 1 NaN or inf of 108, the first at {NAMED}; "),
    (lambda: fit(frame(-2.0), 2, MU()), f"1 negative ones of 108, the least -2, the first at {NAMED}; clip them"),
    (lambda: sweep(frame(-2.0), [2], num_restarts=1, algorithm=MU()), f"the first at {NAMED}; clip them"),
    (lambda: transform(frame(-2.0), START, MU(beta=1.0)), f"X_new: MU expects .* the first at {NAMED}; clip them"),
    (lambda: fit(frame(0.0), 2, MU(beta=0.0)), f"1 zeros of 108 outside .*, the first at {NAMED}; use beta"),
    (lambda: nnls(frame(np.nan), GOOD), f"A: .* the first at {NAMED}"),
    (lambda: transform(GOOD, frame(-1.0)), f"H: expected nonnegative entries, got -1 at {NAMED}; use"),
    # Columns that are not numbers, whatever their label.
    (lambda: fit(frame().assign(name="a"), 2), "got str in 'name'; convert or drop it"),
    (lambda: fit(frame().assign(geneA="a").set_axis(PAIRS, axis=1), 2), r"got str in \('a', 1\); convert"),
    (lambda: fit(pd.concat([frame(), frame()["geneB"].astype(str)], axis=1), 2), r"in 'geneB' \(position 9\); conv"),
    # Labels that could be taken for positions, or are not alone.
    (lambda: fit(pd.DataFrame(frame(np.nan).to_numpy()), 2), r"the first at \(2, 3\); fill"),
    (lambda: fit(frame(np.nan, rows=range(M, 0, -1)), 2), r"the first at row 10 \(position 2\), column 'geneD'"),
    (lambda: fit(frame(np.nan, rows=range(M), columns=range(1, N + 1)), 2), r"row 2, column 4 \(position 3\)"),
    (lambda: fit(frame(np.nan, columns=["a"] * N), 2), r"row 'sample2', column 'a' \(position 3\)"),
    (lambda: fit(frame(np.nan, columns=PAIRS), 2), r"row 'sample2', column \('b', 1\);"),
    (lambda: fit(frame(np.nan, rows=pd.date_range("2020-01-01", periods=M)), 2), r"row Timestamp\('2020-01-03 00:00"),
    # Masks.
    (
        lambda: fit(GOOD, 2, mask=frame() * 0 - frame(2.0).where(frame(2.0) == 2, 0)),
        f"negative, the least -2, the first at {NAMED}",
    ),
    (lambda: fit(frame(), 2, mask=MISSING * 0 + 1), f"mask: .* NaN, inf or beyond float64, the first at {NAMED}"),
    (lambda: fit(GOOD, 2, mask=(-2.0 * (GOOD == GOOD[2, 3])).tolist()), r"the least -2, the first at \(2, 3\)"),
    (
        lambda: fit(frame(), 2, mask=frame().assign(geneA="b")),
        "mask: expected numbers in every column, got str in 'gene",
    ),
    (
        lambda: fit(frame(), 2, mask=frame()[::-1] > 0),
        "mask: expected the labels of X in their order, but row 0 is 'sample0",
    ),
    (
        lambda: fit(frame(), 2, mask=frame(columns=PAIRS) > 0),
        r"but column 0 is 'geneA' and \('a', 1\); pass mask.reindex",
    ),
    (lambda: kkt_residual(frame(), START, mask=frame().T > 0), r"the shape of X, \(12, 9\), got \(9, 12\); did you"),
]


@pytest.mark.parametrize(("call", "message"), MESSAGES)
def test_a_message_says_row_and_column(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_labels_that_are_equal_are_the_same_labels():
    """Of two kinds of index, NaN among them."""
    rows = [1.0, np.nan, *range(3, M + 1)]
    A, mask = frame(rows=pd.Index(rows, dtype=float)), frame(rows=pd.Index(rows, dtype=object)) > 1
    np.testing.assert_array_equal(
        fit(A, init=START, algorithm=HALS(), mask=mask, max_iters=2).W,
        fit(GOOD, init=START, algorithm=HALS(), mask=GOOD > 1, max_iters=2).W,
    )
