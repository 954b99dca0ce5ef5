"""The study of mixed pixels: what must hold of what is drawn and found, and that the page says what the numbers say."""

from dataclasses import replace

import numpy as np
import pytest
from every_study import *

import jnmf
from experiments import unmixing as study
from experiments.unmixing import METHODS, SPA, STARTS, TINY, VOLUME, least
from experiments.unmixing.methods import NAMES, as_truth

DRAWN = ("noise", "weights")  # the others are like these
IMPOSSIBLE = [
    ({"purities": (0.9, 0.8)}, "purities: expected 1 and then less"),
    ({"purities": (1.0, 0.8, 0.3)}, "purities: expected 1 and then less"),
    ({"mixed": 1.0}, "mixed: expected one of the purities below 1"),
    ({"weights": (1.0,) * 13}, "weights: expected at most"),
]
LOW = TINY.purities.index(0.45)
of = lambda a, *names: a.angle[[NAMES.index(name) for name in names]]
FACTS = {
    "pure pixels are there": lambda a: a.purest[0] == 1,
    "and no others are as pure": lambda a: a.purest[1:] <= np.reshape(TINY.purities[1:], (-1, 1, 1)),
    "SPA finds pure pixels to rounding": lambda a: of(a, SPA)[:, :, 0, 0] < 1e-4,
    "not mixed ones": lambda a: of(a, SPA)[:, :, 1].max(axis=-1) > 5,
    "the methods stay at an exact start": lambda a: (a.angle[1:, 0, 0, 0] < 1).all(),
    "minimum volume finds both": lambda a: of(a, VOLUME, "simplex, minimum volume")[:, :, :2, 0] < 5,
    "plain NMF does not, from a random start": lambda a: (
        of(a, "plain NMF")[0, -1, :2, 0].max(axis=-1) > of(a, VOLUME)[0, -1, :2, 0].max(axis=-1)
    ),
    "below 2/r nothing does": lambda a: a.angle[:, :, LOW].max(axis=-1) > 10,
    "there a smaller volume fits": lambda a: a.volume[:, LOW, 0] < 0.9,
    "the path ends where the methods do": lambda a: same(a.along[-1], of(a, VOLUME)[0, :, 1]),
    "noise costs SPA": lambda a: of(a, SPA)[:, :, 0, 1] > 0.01,
    "what is shown is the first scene": lambda a: near(
        study.angles(a.truth, a.shown), a.angle[:, -1, 1, 0, 0], atol=1e-4
    ),
}
every = lambda value: lambda a: {"angle": np.full_like(a.angle, value)}


def but(value, which, other):
    """All angles are this, of some methods at some starts and purities another."""

    def changed(a):
        angle = np.full_like(a.angle, value)
        angle[which] = other
        return {"angle": angle}

    return changed


WORDS = [
    ("What is drawn", {}, "60 pixels of 20 bands", "0.666667", "here: 0.45"),
    ("What is drawn", {"purities": np.array([1, 0.8, 0.7])}, "here: none"),
    ("Which method", every(1.0), "simplex, minimum volume. With a purity of 0.8: SPA alone", "pure pixels only: none"),
    ("Which method", every(9.0), "^With pure pixels: none. With a purity of 0.8: none.", "!From one start"),
    ("Which method", but(9.0, np.s_[0, :, 0], 1.0), "pixels: SPA alone. With a purity of 0.8: none", "only: SPA alone"),
    ("Which method", but(9.0, np.s_[1, 0, 1], 1.0), "From one start and not from the other: plain NMF."),
    ("Which method", but(9.0, np.s_[3, :, LOW], 1.0), "these are near: minimum volume."),
    ("noise", but(9.0, np.s_[2], 2.0), "leaves sums near one nearest, at 2.0 degrees", "SPA alone has 9.0 and 9.0"),
    ("path", {"alone": np.full((3, 2, 3), 0.0)}, "ends no nearer", "against 0.0", "weight, 1, gives 0.0"),
    ("path", {"alone": np.full((3, 2, 3), 90.0)}, "ends nearer", "against 90.0"),
    ("least volume", {"volume": np.ones((2, 3, 2, 2))}, "purities: none. There", "might correct: none"),
    ("least volume", {"volume": np.full((2, 3, 2, 2), 0.5)}, "purities: 1, 0.8 and 0.45. There"),
    ("least volume", {"volume": np.full((2, 3, 2, 2), 2.0)}, "might correct: 1, 0.8 and 0.45."),
]


def test_what_is_drawn_has_the_noise_that_is_asked_for():
    W, H, X = study.drawn(TINY)
    assert W.min() > 0
    assert H.min() >= 0
    near(H.sum(axis=2), np.ones(H[:, :, 0].shape))
    Z = W @ H
    near(X[:, 0], Z)
    length = lambda A: np.linalg.norm(A, axis=(-2, -1))
    near(length(X[:, 1] - Z) / length(Z), np.full(Z.shape[:2], TINY.noises[1]))
    again = study.drawn(replace(TINY, seed=1))[2]
    assert np.abs(again - X).max() > 0.01


def test_the_ball_in_the_simplex_reaches_two_over_r():
    """Its points have a sum of one and ‖h‖² ≤ 1/(r − 1); the largest entry of one, over many directions, is 2/r."""
    draw = np.random.default_rng(0)
    for r in (3, 4):
        d = draw.normal(size=(r, 100_000))
        d -= d.mean(axis=0)
        points = 1 / r + d / np.linalg.norm(d, axis=0) * np.sqrt(1 / (r - 1) - 1 / r)
        assert points.min() > -1e-12
        near(points.max(), 2 / r, rtol=2e-3)


def test_angles_are_of_the_best_pairs_whatever_order_and_scale():
    draw = np.random.default_rng(0)
    W = np.eye(5)[:, :3]
    turned = W.copy()
    turned[3, 1] = np.tan(np.radians(30))
    order, scale = draw.permutation(3), draw.uniform(0.1, 10, 3)
    found = (turned * scale)[:, order]
    near(study.angles(W, found), [0, 30, 0], atol=1e-5)
    near(study.angles(W, np.stack([found, W])), [[0, 30, 0], [0, 0, 0]], atol=1e-5)
    near(as_truth(W, (W * scale)[:, order]), W, atol=1e-14)
    near(study.farthest(np.array([[0, 30, 1], [4, 2, 0], [5, 1, 1]])), 5)


@pytest.mark.slow  # for its compilation
def test_a_fit_is_that_of_its_method_and_weights(arrays):
    """One of the batch against the loop of the library, weight by weight."""
    *_, X = study.drawn(TINY)
    each = X.reshape(-1, *X.shape[3:])
    W, H = (A[-1] for A in study.random(each, TINY))
    method = METHODS["sums near one"]
    found = jnmf.Factors(W, H)
    for weight in TINY.weights:
        found, _ = jnmf.run(each[-1], found, method(weight), num_iters=TINY.num_iters)
    expected = study.angles(study.drawn(TINY)[0][-1], np.asarray(found.W))
    near(arrays.angle[NAMES.index("sums near one"), STARTS.index("random"), -1, -1, -1], expected, atol=1e-4)


def test_the_volume_is_that_of_the_gram_matrix():
    W = np.random.default_rng(0).random((2, 6, 3))
    near(least.volume(W) ** 2, np.linalg.det(np.swapaxes(W, 1, 2) @ W))
