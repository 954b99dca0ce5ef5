"""The study of digits: what must hold of NMF beside PCA, and that the page says what the numbers say."""

from dataclasses import replace

import numpy as np
import pytest
from every_study import *

from experiments import data
from experiments import lab_mnist as study
from experiments.lab_mnist import activity, build_up
from experiments.lab_mnist.measures import features, found_again, spread
from experiments.lab_mnist.shared import kind_of

MISSING, DRAWN = ("mnist_train", "mnist_test"), ()
IMPOSSIBLE = [
    *(({"given": given}, "given: expected") for given in ((0, 150), ())),
    *(({name: value}, f"{name}: expected") for name, value in (("num_images", 5000), ("num_random", 41))),
    ({"num_restarts": 1}, "num_restarts: expected at least 2"),
]
least = lambda a: a.rank_error[a.ranks.tolist().index(study.TINY.rank)].min()
FACTS = {
    "the digits stand in": lambda a: same(a.shape, (8, 8)),
    "PCA is below the SVD": lambda a: (a.rank_pca <= a.rank_bound, a.errors[1, 0] <= a.bound),
    "the SVD is below NMF": lambda a: (a.rank_bound <= a.rank_error.min(axis=1), a.bound <= a.errors[0, 0]),
    "the bound falls": lambda a: np.diff(a.rank_bound) < 0,
    "the fit descends": lambda a: np.diff(a.error, prepend=a.start_error) <= 0,
    "the curve ends where the tables are": lambda a: near([a.error[-1], a.errors[0, 0]], [least(a)] * 2, rtol=1e-6),
    "components are images": lambda a: (a.W >= 0, near(a.W.sum(axis=0), 1)),
    "in the order of their ink": lambda a: (np.diff(a.ink) <= 0, near(a.ink.sum(), 1)),
    "only PCA cancels": lambda a: (abs(a.cancelled[0]) < 1e-12, a.cancelled[1] > 0.1, np.any(a.components < 0)),
    "only PCA is nested": lambda a: (near(a.pca_nested, 1), a.rank_nested < 0.999),
    "NMF uses fewer components": lambda a: a.used[0] < a.used[1] == a.W.shape[1],
}
against = lambda method, low, high: f"Here {method} has the lower error, {low:.4f} against {high:.4f}"
SWAPPED = {"errors": np.array([[0.3, 0.2], [0.2, 0.3]]), "bound": 0.25}
GOOD = {
    "errors": np.array([[0.3, 0.3], [0.2, 0.2]]), "hoyer": [0.8], "pca_hoyer": [0.4], "spread": [1.0],
    "pca_spread": [2.0], "used": [3.0, 4.0],
}  # fmt: skip
BAD = GOOD | {"hoyer": [0.1], "spread": [3.0], "used": [4.0, 4.0]}
ERROR, SPREAD = np.array([[0.5, 0.5], [0.4, 0.4], [0.3, 0.3]]), np.array([3.0, 2.0, 1.0])
as_wide = lambda share: lambda a: {"spread": np.full(len(a.ink), share * a.whole_spread)}
whole = lambda *shares: lambda a: {"rank_spread": np.array(shares) * a.whole_spread}  # at ranks 2, 3 and 4
WORDS = [
    ("dimensions", {}, lambda a: "^V_mnist is {1} × {0}: each row is an image".format(*a.size)),
    ("converge", {}, lambda a: f"{a.error[-1]:.4f} after {len(a.error)} iterations"),
    ("lower error", {}, lambda a: "error of NMF, here {1:.4f}, {2:.4f}, {0:.4f}".format(*a.errors[:, 0], a.bound)),
    ("lower error", {}, lambda a: f"{min(a.errors[:, 1]):.4f} against {max(a.errors[:, 1]):.4f}"),
    ("interpret, and why", {}, lambda a: f"{a.cancelled[1]:.0%} in PCA"),
    ("lower error", SWAPPED, "Here NMF has the lower error, 0.2000 against 0.3000 of PCA", "holds at each rank"),
    ("lower error", {"bound": 2.0}, "FAILS"),
    ("basis images", as_wide(0.1), "^Parts of digits"),
    ("basis images", as_wide(2), "mostly as wide as a digit"),
    ("Three rows", lambda a: {"nearest": a.labels}, "^2 of the 2 images are nearest"),
    ("Three rows", lambda a: {"nearest": a.labels + 1}, "^None of the 2 images are nearest"),
    ("lower error", GOOD, f"^No. {against('PCA', 0.2, 0.3)}"),
    ("lower error", GOOD, "ahead in sparsity, spread and number of components in an image"),
    ("easier", GOOD, "^NMF, for its signs and by all three"),
    ("lower error", BAD, "^These numbers are no example against it"),
    ("easier", BAD, "^NMF for its signs alone: by the three"),
    ("lower error", GOOD | {"errors": np.array([[0.2, 0.3], [0.2, 0.2]])}, "^These numbers are no example"),
    ("at which rank", whole(1, 1, 0.5), "^The rank is 4: the lowest of the ranks 2, 3, 4 whose"),
    ("at which rank", whole(1, 0.5, 0.5), "set by hand", "it would be 3."),
    ("at which rank", whole(1, 1, 1), "does not exist here"),
    (
        *("trade-off", {"rank_error": ERROR, "rank_spread": SPREAD}),
        "^More components lower the error and make the parts smaller",
    ),
    (
        *("trade-off", {"rank_error": ERROR[::-1], "rank_spread": SPREAD[::-1]}),
        "^More components do not lower the error at each step and do not make",
    ),
]


def test_each_component_brings_an_image_nearer(arrays):
    path = build_up.errors_of_build_up(arrays)
    near(path[:, 0], 1)
    assert np.all(np.diff(path, axis=1) <= 1e-12)
    x, rebuilt = arrays["drawn"], arrays["W"] @ arrays["weights"]
    near(path[:, -1], np.linalg.norm(x - rebuilt, axis=0) / np.linalg.norm(x, axis=0))
    for image, whole, sums in zip(x.T, rebuilt.T, build_up.built_up(arrays), strict=True):
        squares = np.sum((image - whole) ** 2) + np.sum((whole - sums) ** 2, axis=1)
        near(np.sum((image - sums) ** 2, axis=1), squares)


def test_the_table_of_the_ranks_and_the_count_of_narrow_components(arrays, sections, told):
    (table,) = next(section.tables for section in sections if "trade-off" in section.question)
    errors = arrays.rank_error.min(axis=1)
    assert [row[:2] for row in table.rows] == [(str(r), f"{e:.4f}") for r, e in zip(arrays.ranks, errors, strict=True)]
    r = len(arrays.ink)
    assert told("basis images", **as_wide(0.1)(arrays)).count(f"{r} of the {r} components") == 1


@pytest.mark.parametrize("order", ["C", "F"])
def test_spread(order):
    images = np.zeros((5, 4, 7))
    images[0, 1, 2] = 3  # one pixel
    images[1, 1, [2, 4]] = 1  # two pixels, each 1 from their centre
    images[2, [0, 2], 5] = 1, 3  # their centre is 1.5 from the first and 0.5 from the second
    images[3] = 1
    W = np.stack([image.ravel(order=order) for image in images], axis=1)
    widths = [0, 1, np.sqrt((1.5**2 + 3 * 0.5**2) / 4), np.sqrt((4**2 - 1 + 7**2 - 1) / 12), np.nan]
    near(spread(W, (4, 7), order), widths, atol=1e-7)


def test_found_again_knows_neither_order_nor_scale():
    A = np.random.default_rng(0).uniform(size=(6, 4))
    near(found_again(A[:, :3], -2 * A[:, ::-1]), 1)
    near(found_again(np.eye(4)[:, :1], np.full((4, 1), 1.0)), 0.5)


@pytest.mark.parametrize("order", ["C", "F"])
def test_features_tell_strokes_and_their_direction(order):
    images = np.zeros((6, 9, 9))
    images[0, 4, 1:8] = 1  # a row
    images[1, 1:8, 6] = 1  # a column
    images[2, range(8), range(7, -1, -1)] = 1  # rises to the right
    images[3, range(8), range(8)] = 1  # falls to the right
    images[4, 1:4, 1:4] = 1  # a square
    W = np.stack([image.ravel(order=order) for image in images], axis=1)
    faint = W.copy()
    faint[images[0].T.ravel(order=order) == 1, 0] += 0.5  # a faint column across the row does not turn it
    assert kind_of(features(faint, (9, 9), order)[0]) == "horizontal stroke"
    assert kind_of(features(faint, (9, 9), order, 0.0)[0]) == "spot"
    found = features(W, (9, 9), order)
    strokes = ["horizontal stroke", "vertical stroke", "stroke rising to the right", "stroke falling to the right"]
    assert [kind_of(feature) for feature in found[:5]] == [*strokes, "spot"]
    near(found[4], [2, 2, 1, found[4, 3]])
    near(found[1, :2], [4, 6])
    assert np.isnan(found[5]).all()
    middle = {"whole_spread": np.array(np.sqrt(2)), "centre": np.array([4.0, 4.0])}
    places = [activity.place_of(middle, feature) for feature in found[:5]]
    assert places == ["middle", "right", "upper left", "upper left", "upper left"]


def test_active_components_are_related_to_the_image(arrays):
    one = arrays.but(
        W=np.eye(64)[:, :4], weights=[[4.0], [3], [2], [1]], drawn=np.eye(64)[:, :1], labels=[7], columns=[0],
        fitted=[True], features=np.tile([0.0, 0.0, 1.0, 0.0], (4, 1)),
    )  # fmt: skip
    assert [(related.k, related.on) for related in activity.relate(one, 0)] == [(0, 1), (1, 0), (2, 0)]
    assert activity.activity(one).startswith("They lie on the strokes")
    assert activity.activity(one.but(drawn=np.eye(64)[:, 3:4])).startswith("They do not lie on")


def test_ranks_that_cannot_be():
    with pytest.raises(ValueError, match="ranks"):
        replace(study.TINY, ranks=(7,)).ranks_below(5)
    with pytest.raises(ValueError, match="rank: expected 1 to 3"):
        study.TINY.ranks_below(4)


@pytest.mark.parametrize("absent", ["mnist_train", "mnist_test"])
def test_fitted_and_unseen_images_are_of_one_kind(absent, monkeypatch):
    for name in MISSING:
        monkeypatch.setattr(data, name, missing if name == absent else lambda: data.digits()._replace(note=""))
    fitted, unseen = study.images()
    assert fitted.shape == unseen.shape
    assert fitted.X.shape[1] == len(study.labels_of(fitted)) == study.STAND_IN_FITTED
    same(np.hstack([fitted.X, unseen.X]), data.digits().X)
    assert "no such file" in fitted.note


def test_the_real_images(data_folder):
    digits = study.choose(study.Settings())
    assert digits.X.shape == (784, 1000)
    assert digits.note == ""
    near(np.linalg.norm(digits.X), 293.0718, atol=1e-4)
    same(digits.labels[:3], (5, 0, 4))
    same(digits.all[:, digits.n :], data.mnist_test().X[:, digits.columns[digits.n :]])
