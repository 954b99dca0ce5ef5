"""The study of digits: what must hold of NMF beside PCA, and that the page says what the numbers say."""

from dataclasses import replace

import numpy as np
import pytest

from experiments import data
from experiments import lab_mnist as study


def missing():
    raise data.DataMissing("no such file")


@pytest.fixture(scope="module")
def arrays():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "mnist_train", missing)
        patch.setattr(data, "mnist_test", missing)
        return study.compute(study.TINY)


@pytest.fixture(scope="module")
def sections(arrays):
    return study.sections(arrays)


def answer(sections, word: str) -> str:
    (found,) = [section.answer for section in sections if word in section.question]
    return found


def test_the_page_says_what_stands_in(arrays):
    assert "no such file" in arrays["notes"][0]
    np.testing.assert_array_equal(arrays["shape"], (8, 8))


def test_the_arrays_can_be_kept(arrays):
    for name, array in arrays.items():
        assert isinstance(array, np.ndarray | np.generic), name
        assert array.dtype != object, name


def test_pca_is_below_the_svd_is_below_nmf(arrays):
    assert np.all(arrays["rank_pca"] <= arrays["rank_bound"])
    assert np.all(arrays["rank_bound"] <= arrays["rank_error"].min(axis=1))
    assert arrays["errors"][1, 0] <= arrays["bound"] <= arrays["errors"][0, 0]
    assert np.all(np.diff(arrays["rank_bound"]) < 0)


def test_the_fit_descends_and_the_exact_weights_are_no_worse(arrays):
    assert np.all(np.diff(arrays["error"], prepend=arrays["start_error"]) <= 0)
    assert arrays["errors"][0, 0] <= arrays["error"][-1] * (1 + 1e-9)


def test_components_are_images_in_order_of_their_ink(arrays):
    assert np.all(arrays["W"] >= 0)
    np.testing.assert_allclose(arrays["W"].sum(axis=0), 1)
    assert np.all(np.diff(arrays["ink"]) <= 0)
    np.testing.assert_allclose(arrays["ink"].sum(), 1)


def test_each_component_brings_an_image_nearer(arrays):
    path = study.errors_of_build_up(arrays)
    np.testing.assert_allclose(path[:, 0], 1)
    assert np.all(np.diff(path, axis=1) <= 1e-12)
    x, rebuilt = arrays["drawn"], arrays["W"] @ arrays["weights"]
    np.testing.assert_allclose(path[:, -1], np.linalg.norm(x - rebuilt, axis=0) / np.linalg.norm(x, axis=0))
    for image, whole, sums in zip(x.T, rebuilt.T, study.built_up(arrays), strict=True):
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
    np.testing.assert_allclose(study.spread(W, (4, 7), order), widths, atol=1e-7)


def test_found_again_knows_neither_order_nor_scale():
    A = np.random.default_rng(0).uniform(size=(6, 4))
    np.testing.assert_allclose(study.found_again(A[:, :3], -2 * A[:, ::-1]), 1)
    np.testing.assert_allclose(study.found_again(np.eye(4)[:, :1], np.full((4, 1), 1.0)), 0.5)


def test_every_figure_belongs_to_a_question(arrays, sections):
    figures = study.plot(arrays)
    assert sorted(figures) == sorted(name for section in sections for name in section.figures)


def test_the_answers_are_those_of_the_arrays(arrays, sections):
    (m, n), (errors, unseen) = arrays["size"], arrays["errors"].T
    assert all(section.answer and "nan" not in section.answer for section in sections)
    assert f"X is {m} × {n}" in answer(sections, "dimensions")
    assert f"{arrays['error'][-1]:.4f} after {len(arrays['error'])} iterations" in answer(sections, "converge")
    assert f"{errors[1]:.4f} against {errors[0]:.4f}" in answer(sections, "lower error")
    assert f"{min(unseen):.4f} against {max(unseen):.4f}" in answer(sections, "lower error")
    assert f"{arrays['cancelled'][1]:.0%} in PCA" in answer(sections, "interpret, and why")
    (table,) = next(section.tables for section in sections if "rank" in section.question)
    assert [row[0] for row in table.rows] == [str(rank) for rank in arrays["ranks"]]
    assert [row[1] for row in table.rows] == [f"{error:.4f}" for error in arrays["rank_error"].min(axis=1)]


def test_the_answers_turn_with_the_numbers(arrays):
    swapped = arrays | {"errors": np.array([[0.3, 0.2], [0.2, 0.3]]), "bound": np.array(0.25)}
    assert "Here NMF has the lower error, 0.2000 against 0.3000 of PCA" in study.lower_error(swapped)
    assert "holds at each rank" in study.lower_error(swapped)
    assert "FAILS" in study.lower_error(arrays | {"bound": np.array(2.0)})
    wide = arrays | {"spread": np.full(len(arrays["ink"]), 2 * arrays["whole_spread"])}
    narrow = arrays | {"spread": np.full(len(arrays["ink"]), 0.1 * arrays["whole_spread"])}
    assert "about as wide as a digit" in study.basis(wide)
    assert "parts of digits" in study.basis(narrow)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"given": (0, 150)}, "given"),
        ({"given": ()}, "given"),
        ({"num_images": 5000}, "num_images"),
        ({"num_random": 41}, "num_random"),
        ({"num_restarts": 1}, "num_restarts"),
    ],
)
def test_settings_that_cannot_be(change, named, monkeypatch):
    monkeypatch.setattr(data, "mnist_train", missing)
    monkeypatch.setattr(data, "mnist_test", missing)
    with pytest.raises(ValueError, match=named):
        study.choose(replace(study.TINY, **change))


def test_ranks_that_cannot_be():
    with pytest.raises(ValueError, match="ranks"):
        study.TINY.ranks_below(3)


@pytest.mark.parametrize("absent", ["mnist_train", "mnist_test"])
def test_fitted_and_unseen_images_are_of_one_kind(absent, monkeypatch):
    for name in ("mnist_train", "mnist_test"):
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
