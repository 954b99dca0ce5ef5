"""The study of abstracts: topics, collections and held-out words of sparse counts, none of which becomes an array."""

import numpy as np
import pytest
from every_study import *
from scipy import sparse
from sklearn.metrics import normalized_mutual_info_score

from experiments import data
from experiments import topics as study
from experiments.topics import agreement, perplexity

pytestmark = pytest.mark.slow

MISSING = ("classic4",)
IMPOSSIBLE = [
    ({"num_holdouts": 1}, "num_holdouts: expected at least 2, got 1"),
    ({"holdout": 1.0}, "holdout: expected a fraction"),
    ({"num_topics": 0}, "rank: expected"),
]
planted = data.planted_topics()
topics_of = lambda a: [[list(planted.terms).index(word) % 4 for word in of_one] for of_one in a.words]
FACTS = {
    "the weights sum to one": lambda a: (near(a.weight.sum(), 1, rtol=1e-12), np.diff(a.weight) <= 0),
    "words come in the order of their chances": lambda a: (np.diff(a.chance, axis=1) <= 0, a.chance > 0),
    "the first words are of one planted topic each": lambda a: np.ptp(topics_of(a), axis=1) == 0,
    "and each topic has one": lambda a: same(sorted(of_one[0] for of_one in topics_of(a)), range(4)),
    "every document is counted": lambda a: same(a.tables.sum(axis=2), np.tile(np.bincount(planted.labels), (3, 1))),
    "the planted collections are found": lambda a: agreement.scores(a)[0][np.argmin(a.loss)] > 0.95,
    "what was fitted is less of a surprise": lambda a: (np.diff(a.train, axis=0) < 0, a.train[1:] < a.test[1:]),
    "the planted number is the best": lambda a: a.ranks[np.argmin(perplexity.mean(a.test))] == 4,
    "no model is as bad as none": lambda a: a.test < a.shape[1],
    "as many places as a share of the nonzeros": lambda a: near(a.held_out[:, 0], round(0.9 * a.num_stored)),
    "zeros among them in their proportion": lambda a: near(
        a.held_out[:, 1] / a.held_out[:, 0], a.num_stored / np.prod(a.shape), rtol=0.1
    ),
}
table = lambda *rows: {"tables": [rows] * 3}
own = (np.eye(4, dtype=int) * 10).tolist()
scored = lambda *rows: {"test": np.array(rows, float)}
WORDS = [
    ("What are the topics", {"words": [["a", "b"], ["c", "d"]], "weight": [0.6, 0.4]}, "No word is among"),
    (
        "What are the topics",
        {"words": [["a", "b"], ["c", "a"]], "weight": [0.6, 0.4]},
        "1 word of the 3 shown lead more than one topic: a.",
    ),
    (
        "agree with the collections",
        table(*own),
        "^Better than one topic for all",
        "!more than one",
        "100 %",
        "share 1.00 of",
    ),
    ("agree with the collections", table([9, 9], [3, 3]), "^No better than one topic for all", "75 %", "share 0.00 of"),
    (
        "agree with the collections",
        {"tables": [[[8, 0], [0, 8]], [[8, 0], [8, 0]], [[8, 0], [8, 0]]]},
        "^Not from every start",
    ),
    (
        "agree with the collections",
        table([9, 0, 9], [0, 9, 0], [1, 1, 1], [1, 0, 1]),
        "gardening are the commonest of no topic",
    ),
    ("agree with the collections", {}, "!rank correlation"),
    ("held out", scored([900, 901], [500, 501], [700, 701]), "^3: there", "all other numbers are surely worse"),
    ("held out", scored([900, 901], [500, 501], [500, 502]), "^3: there", "4 is not surely worse"),
    ("held out", scored([900, 901], [500, 501], [400, 401]), "^4, the most that were tried: there"),
    ("held out", {}, "falls with the number of topics"),
    ("held out", lambda a: {"train": a.train[::-1]}, "rises with the number of topics"),
    ("held out", lambda a: {"train": a.train[[1, 0, 2]]}, "does not always fall with"),
]


def test_the_verdict_on_starts_follows_their_rank_correlation():
    loss, informed = np.arange(9.0), np.linspace(0.9, 0.1, 9)
    assert "agree more (rank correlation -1.00)" in agreement.ranked(loss, informed)
    assert "agree less (rank correlation 1.00)" in agreement.ranked(loss, informed[::-1])
    assert "no sure sign" in agreement.ranked(loss, np.array([3.0, 1, 4, 1, 5, 9, 2, 6, 5]))
    assert agreement.ranked(loss[:4], informed[:4]) == ""


def test_the_measures_are_those_of_scikit_learn_and_of_their_definitions():
    draw = np.random.default_rng(0)
    truth, found = draw.integers(3, size=50), draw.integers(4, size=50)
    counted = np.zeros((3, 4), int)
    np.add.at(counted, (truth, found), 1)
    near(agreement.mutual_information(counted), normalized_mutual_info_score(truth, found), rtol=1e-12)
    near(agreement.purity(counted), sum(np.bincount(truth[found == k]).max() for k in range(4)) / 50, rtol=1e-15)
    W, H = draw.random((6, 2)), draw.random((2, 5))
    X, P = draw.poisson(1, (6, 5)), W @ H / (W @ H).sum(axis=1, keepdims=True)
    i, j = np.nonzero(X)
    near(perplexity.perplexity((i, j, X[i, j]), (W, H)), np.exp(-np.sum(X * np.log(P)) / X.sum()), rtol=1e-12)


@pytest.mark.slow
def test_no_array_of_documents_by_terms_is_made(monkeypatch):
    """Neither by SciPy nor by the library, whose blocks of a sparse X are for other losses."""
    found = data.planted_topics(num_documents=90, num_terms=60)
    monkeypatch.setattr(data, "classic4", lambda: found)

    def refuse(*_, **__):
        raise AssertionError("an array of documents × terms")

    for kind in (sparse.csr_array, sparse.csc_array, sparse.coo_array):
        for name in ("toarray", "todense"):
            monkeypatch.setattr(kind, name, refuse)
    for module in ("sparse", "stored"):  # what writes rows of a sparse X into an array
        monkeypatch.setattr(f"jnmf.matrix.{module}.block", refuse)
    with pytest.raises(AssertionError, match="documents × terms"):
        found.X.toarray()
    arrays = study.compute(study.TINY)
    assert same(arrays["shape"], (90, 60))
    assert arrays["notes"].size == 1
