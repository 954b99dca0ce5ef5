"""The study of one question: what a penalty does, and that the answer follows the numbers."""

import numpy as np
from every_study import *

from experiments import sparse_parts as study

MISSING, IMPOSSIBLE = ("cbcl",), [({"rank": 0}, "rank: expected"), ({"penalties": (-1.0,)}, "l1_W: expected")]


def test_a_penalty_costs_and_takes_parts_away(arrays):
    error, left = arrays["error"], arrays["left"]
    assert error[-1].min() > error[0].max()
    assert left[0].min() == study.TINY.rank > left[-1].max()
    assert np.all((arrays["sparsity"] >= 0) & (arrays["sparsity"] <= 1))
    assert "no such file" in arrays["notes"][0]


def test_the_words_follow_the_numbers(arrays, told):
    left, sparser = np.full_like(arrays["left"], 4), np.array([[0.2, 0.3], [0.1, 0.1], [0.4, 0.5]])
    assert told("How sparse", left=left, sparsity=sparser).startswith("Sparser from every start")
    assert told("How sparse", left=left, sparsity=sparser[[0, 2, 1]] + [[0, 0], [0, 0], [0, 1]]).startswith(
        "Not surely sparser"
    )
    assert "at λ = 0, against" in told("How sparse", left=np.where(np.arange(3)[:, None] > 0, 3, left))
    assert "At the largest λ, 1 to 3 of 4 parts are left" in told("How sparse", left=np.array([[4, 4], [4, 4], [1, 3]]))
