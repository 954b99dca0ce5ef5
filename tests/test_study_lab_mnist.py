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


def test_the_page_says_what_stands_in(arrays):
    assert "no such file" in arrays["notes"][0]
    np.testing.assert_array_equal(arrays["shape"], (8, 8))


def test_pca_is_below_the_svd_is_below_nmf(arrays):
    assert np.all(arrays["rank_pca"] <= arrays["rank_bound"])
    assert np.all(arrays["rank_bound"] <= arrays["rank_error"].min(axis=1))
    assert arrays["errors"][1, 0] <= arrays["bound"] <= arrays["errors"][0, 0]
    assert np.all(np.diff(arrays["rank_bound"]) < 0)


def test_the_fit_descends_and_is_the_best_of_the_sweep(arrays):
    """One error for one thing: the curve ends where the tables are."""
    assert np.all(np.diff(arrays["error"], prepend=arrays["start_error"]) <= 0)
    of_rank = arrays["rank_error"][arrays["ranks"].tolist().index(study.TINY.rank)]
    np.testing.assert_allclose(arrays["error"][-1], of_rank.min(), rtol=1e-6)
    np.testing.assert_allclose(arrays["errors"][0, 0], of_rank.min(), rtol=1e-6)


def test_components_are_images_in_order_of_their_ink(arrays):
    assert np.all(arrays["W"] >= 0)
    np.testing.assert_allclose(arrays["W"].sum(axis=0), 1)
    assert np.all(np.diff(arrays["ink"]) <= 0)
    np.testing.assert_allclose(arrays["ink"].sum(), 1)


def test_each_component_brings_an_image_nearer(arrays):
    path = build_up.errors_of_build_up(arrays)
    np.testing.assert_allclose(path[:, 0], 1)
    assert np.all(np.diff(path, axis=1) <= 1e-12)
    x, rebuilt = arrays["drawn"], arrays["W"] @ arrays["weights"]
    np.testing.assert_allclose(path[:, -1], np.linalg.norm(x - rebuilt, axis=0) / np.linalg.norm(x, axis=0))
    for image, whole, sums in zip(x.T, rebuilt.T, build_up.built_up(arrays), strict=True):
        squares = np.sum((image - whole) ** 2) + np.sum((whole - sums) ** 2, axis=1)
        np.testing.assert_allclose(np.sum((image - sums) ** 2, axis=1), squares)


def test_only_pca_cancels_and_only_pca_is_nested(arrays):
    nmf, pca = arrays["cancelled"]
    assert abs(nmf) < 1e-12 < 0.1 < pca
    np.testing.assert_allclose(arrays["pca_nested"], 1)
    assert np.all(arrays["rank_nested"] < 0.999)
    assert np.any(arrays["components"] < 0)
    assert arrays["used"][0] < arrays["used"][1] == arrays["W"].shape[1]


@pytest.mark.parametrize("order", ["C", "F"])
def test_spread(order):
    images = np.zeros((5, 4, 7))
    images[0, 1, 2] = 3  # one pixel
    images[1, 1, [2, 4]] = 1  # two pixels, each 1 from their centre
    images[2, [0, 2], 5] = 1, 3  # their centre is 1.5 from the first and 0.5 from the second
    images[3] = 1
    W = np.stack([image.ravel(order=order) for image in images], axis=1)
    widths = [0, 1, np.sqrt((1.5**2 + 3 * 0.5**2) / 4), np.sqrt((4**2 - 1 + 7**2 - 1) / 12), np.nan]
    np.testing.assert_allclose(spread(W, (4, 7), order), widths, atol=1e-7)


def test_found_again_knows_neither_order_nor_scale():
    A = np.random.default_rng(0).uniform(size=(6, 4))
    np.testing.assert_allclose(found_again(A[:, :3], -2 * A[:, ::-1]), 1)
    np.testing.assert_allclose(found_again(np.eye(4)[:, :1], np.full((4, 1), 1.0)), 0.5)


def test_the_answers_are_those_of_the_arrays(arrays, sections):
    (m, n), (errors, unseen) = arrays["size"], arrays["errors"].T
    assert answer(sections, "dimensions").startswith(f"V_mnist is {n} × {m}: each row is an image")
    assert f"{arrays['error'][-1]:.4f} after {len(arrays['error'])} iterations" in answer(sections, "converge")
    assert f"error of NMF, here {errors[1]:.4f}, {float(arrays['bound']):.4f}, {errors[0]:.4f}" in answer(
        sections, "lower error"
    )
    assert f"{min(unseen):.4f} against {max(unseen):.4f}" in answer(sections, "lower error")
    assert f"{arrays['cancelled'][1]:.0%} in PCA" in answer(sections, "interpret, and why")
    (table,) = next(section.tables for section in sections if "trade-off" in section.question)
    assert [row[0] for row in table.rows] == [str(rank) for rank in arrays["ranks"]]
    assert [row[1] for row in table.rows] == [f"{error:.4f}" for error in arrays["rank_error"].min(axis=1)]


def test_the_answers_turn_with_the_numbers(arrays, told):
    swapped = {"errors": np.array([[0.3, 0.2], [0.2, 0.3]]), "bound": np.array(0.25)}
    assert "Here NMF has the lower error, 0.2000 against 0.3000 of PCA" in told("lower error", **swapped)
    assert "holds at each rank" in told("lower error", **swapped)
    assert "FAILS" in told("lower error", bound=np.array(2.0))
    r, whole = len(arrays["ink"]), float(arrays["whole_spread"])
    narrow = told("basis images", spread=np.full(r, 0.1 * whole))
    assert narrow.startswith("Parts of digits")
    assert narrow.count(f"{r} of the {r} components") == 1
    assert "mostly as wide as a digit" in told("basis images", spread=np.full(r, 2 * whole))
    labels = arrays["labels"]
    assert told("Three rows", nearest=labels).startswith("2 of the 2 images are nearest")
    assert told("Three rows", nearest=labels + 1).startswith("None of the 2 images are nearest")


def test_the_last_question_is_answered_yes_or_no_by_the_numbers(told):
    good = {
        "errors": np.array([[0.3, 0.3], [0.2, 0.2]]),
        "hoyer": np.array([0.8]), "pca_hoyer": np.array([0.4]),
        "spread": np.array([1.0]), "pca_spread": np.array([2.0]), "used": np.array([3.0, 4.0]),
    }  # fmt: skip
    text = told("lower error", **good)
    assert text.startswith("No. Here PCA has the lower error, 0.2000 against 0.3000")
    assert "ahead in sparsity, spread and number of components in an image" in text
    assert told("easier", **good).startswith("NMF, for its signs and by all three")
    bad = good | {"hoyer": np.array([0.1]), "spread": np.array([3.0]), "used": np.array([4.0, 4.0])}
    assert told("lower error", **bad).startswith("These numbers are no example against it")
    assert told("easier", **bad).startswith("NMF for its signs alone: by the three")
    equal = good | {"errors": np.array([[0.2, 0.3], [0.2, 0.2]])}
    assert told("lower error", **equal).startswith("These numbers are no example")


def test_the_reason_for_the_rank_is_computed(arrays, told):
    tried, whole = arrays["ranks"], float(arrays["whole_spread"])
    own = np.where(tried >= study.TINY.rank, 0.5, 1.0) * whole
    assert told("at which rank", rank_spread=own).startswith("The rank is 4: the lowest of the ranks 2, 3, 4 whose")
    own[-2] = 0.5 * whole
    for text in ("set by hand", "it would be 3."):
        assert text in told("at which rank", rank_spread=own)
    assert "does not exist here" in told("at which rank", rank_spread=0 * own + whole)


def test_the_trade_off_turns_with_the_numbers(told):
    error, spread = np.array([[0.5, 0.5], [0.4, 0.4], [0.3, 0.3]]), np.array([3.0, 2.0, 1.0])
    falls, grows = (told("trade-off", rank_error=error[::k], rank_spread=spread[::k]) for k in (1, -1))
    assert falls.startswith("More components lower the error and make the parts smaller")
    assert grows.startswith("More components do not lower the error at each step and do not make")


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
    expected = ("horizontal stroke", "vertical stroke", "stroke rising to the right", "stroke falling to the right")
    assert tuple(kind_of(feature) for feature in found[:4]) == expected
    assert kind_of(found[4]) == "spot"
    np.testing.assert_allclose(found[4], [2, 2, 1, found[4, 3]])
    np.testing.assert_allclose(found[1, :2], [4, 6])
    assert np.isnan(found[5]).all()
    middle = {"whole_spread": np.array(np.sqrt(2)), "centre": np.array([4.0, 4.0])}
    places = [activity.place_of(middle, feature) for feature in found[:5]]
    assert places == ["middle", "right", "upper left", "upper left", "upper left"]


def test_active_components_are_related_to_the_image(arrays):
    one = arrays | {
        "W": np.eye(64)[:, :4], "weights": np.array([[4.0], [3], [2], [1]]), "drawn": np.eye(64)[:, :1],
        "labels": np.array([7]), "columns": np.array([0]), "fitted": np.array([True]),
        "features": np.tile([0.0, 0.0, 1.0, 0.0], (4, 1)),
    }  # fmt: skip
    related = activity.relate(one, 0)
    assert [r.k for r in related] == [0, 1, 2]
    assert [r.on for r in related] == [1, 0, 0]
    assert activity.activity(one).startswith("They lie on the strokes")
    assert activity.activity(one | {"drawn": np.eye(64)[:, 3:4]}).startswith("They do not lie on")


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
    np.testing.assert_array_equal(np.hstack([fitted.X, unseen.X]), data.digits().X)
    assert "no such file" in fitted.note


def test_the_real_images(data_folder):
    digits = study.choose(study.Settings())
    assert digits.X.shape == (784, 1000)
    assert digits.note == ""
    np.testing.assert_allclose(np.linalg.norm(digits.X), 293.0718, atol=1e-4)
    np.testing.assert_array_equal(digits.labels[:3], (5, 0, 4))
    np.testing.assert_array_equal(digits.all[:, digits.n :], data.mnist_test().X[:, digits.columns[digits.n :]])
