"""The study of one question: what a penalty does, and that the answer follows the numbers."""

import numpy as np
from every_study import *

from experiments import sparse_parts as study

MISSING = ("cbcl",)


def test_a_penalty_costs_and_takes_parts_away(arrays):
    error, left = arrays["error"], arrays["left"]
    assert error[-1].min() > error[0].max()
    assert left[0].min() == study.TINY.rank > left[-1].max()
    assert np.all((arrays["sparsity"] >= 0) & (arrays["sparsity"] <= 1))
    assert "no such file" in arrays["notes"][0]


def test_the_words_follow_the_numbers(arrays, sections):
    told = lambda **changed: study.sections({**arrays, **changed})[0].answer
    left = np.full_like(arrays["left"], 4)
    assert told(left=left, sparsity=np.array([[0.2, 0.3], [0.1, 0.1], [0.4, 0.5]])).startswith("Sparser from every")
    assert told(left=left, sparsity=np.array([[0.2, 0.3], [0.1, 0.1], [0.1, 0.5]])).startswith("Not surely sparser")
    assert "at λ = 0, against" in told(left=np.where(np.arange(3)[:, None] > 0, 3, left))
    assert "At the largest λ, 1 to 3 of 4 parts are left" in told(left=np.array([[4, 4], [4, 4], [1, 3]]))
