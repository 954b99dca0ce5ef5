"""The study of faces: what must hold of NMF beside PCA and k-means, and that the page says what the numbers say."""

from dataclasses import replace

import numpy as np
import pytest
from every_study import *

from experiments import data
from experiments import faces as study
from experiments.faces import (
    CBCL,
    FORMS,
    OLIVETTI,
    build_up,
    controls,
    features,
    low_rank,
    methods,
    noise,
    of,
    pictures,
)
from experiments.faces.controls import MOVED, NO_FLOOR, OTHER_FLOOR
from experiments.measures import cancelled, relative_error

MISSING = ("cbcl", "olivetti")
IMPOSSIBLE = [
    *(({"face": face}, "face: expected") for face in (60, -1)),
    *(({"rank": rank}, "rank: expected") for rank in (0, 61)),
    ({"olivetti_height": 65}, "olivetti_height: expected"),
]


def test_the_page_says_what_stands_in(arrays, sections):
    assert len(arrays["notes"]) == 2
    assert all("no such file" in note for note in arrays["notes"])
    assert all(name.startswith("drawn ") for name in arrays["names"])
    assert "drawn CBCL" in answer(sections, "Which facial features")


@pytest.mark.parametrize("form", FORMS)
def test_without_constraints_it_is_pca_without_centring_and_what_is_nonnegative_is_above(arrays, form):
    found = low_rank.against(arrays, form)
    assert found.deviation < 1e-12
    np.testing.assert_allclose(of(arrays, "error", form, "pca"), found.bound, rtol=1e-10)
    assert found.next_bound <= found.centred <= found.bound
    for method in set(FORMS[form]) - {"pca"}:
        W = of(arrays, "W", form, method)
        assert of(arrays, "error", form, method) > found.bound
        assert of(arrays, "cancelled", form, method) == pytest.approx(0, abs=1e-12)
        assert W.min() >= 0
        np.testing.assert_allclose(W.max(axis=0), 1)


def test_each_error_measure_is_the_likelihood_of_its_noise_and_fits_it_better(arrays):
    assert arrays["likelihood_gap"].max() < 1e-9
    assert arrays["noise_error"].shape == (2, study.TINY.noisy_repeats, 2)
    for own, other in noise.own_and_other(arrays):
        assert np.median(own) < np.median(other)
    assert arrays["filtered"].max() == arrays["filtered"][0]


def test_the_words_about_noise_follow_the_numbers(arrays, told):
    error, word = np.tile(arrays["noise_error"], (1, 4, 1)), "suits which noise"  # as if of 12 matrices
    assert "is the better one for its own noise" in told(word, noise_error=error)
    assert "do not show each measure" in told(word, noise_error=error[..., ::-1])
    assert "do not show each measure" in told(word)  # three are too few
    assert "rank takes noise off" in told(word, filtered=np.array([0.4, 0.2, 0.3]))
    assert "does not take off noise" in told(word, filtered=np.array([0.2, 0.4, 0.3]))


def test_the_words_about_parts_follow_the_numbers(told):
    def given(hoyer, support):  # of NMF (KL), NMF (Frobenius), k-means, PCA
        of_each = {"hoyer_lee_seung": hoyer, "support_lee_seung": support}
        return told("Why does NMF", **{name: np.array(values)[:, None] for name, values in of_each.items()})

    assert given((0.9, 0.8, 0.3, 0.5), (0.1, 0.2, 0.8, 0.5)).startswith("Because its terms cannot cancel")
    assert given((0.4, 0.5, 0.3, 0.9), (0.1, 0.2, 0.8, 0.5)).startswith("Here only one of the two measures")
    assert given((0.4, 0.5, 0.3, 0.9), (0.1, 0.2, 0.8, 0.01)).startswith("Here it does not")


@pytest.mark.parametrize("form", FORMS)
def test_k_means_uses_one_component_and_pca_takes_away(arrays, form):
    assert of(arrays, "active", form, "vq") == pytest.approx(1)
    assert np.count_nonzero(of(arrays, "h", form, "vq")) == 1
    assert of(arrays, "active", form, "hals") > 1
    assert of(arrays, "cancelled", form, "pca") > 0.01
    assert np.isnan(of(arrays, "divergence", form, "pca"))


def test_each_nmf_is_better_at_its_own_loss(arrays):
    for form in ("lee_seung", "olivetti"):
        assert of(arrays, "error", form, "hals") < of(arrays, "error", form, "kl")
        assert of(arrays, "divergence", form, "kl") < of(arrays, "divergence", form, "vq")


def test_the_shown_weights_are_those_of_the_picture():
    """For each method W h is what the factorisation makes of that picture."""
    X = np.random.default_rng(0).random((12, 30))
    settings = replace(study.TINY, rank=3, num_iters=5)
    for factorise in methods.FACTORISE.values():
        W, H = factorise(X, settings)
        found = methods.measured(X, (W, H), 7)
        np.testing.assert_allclose(found.W @ found.h, W @ H[:, 7], rtol=1e-10)
        assert found.error == pytest.approx(relative_error(X, W @ H))
    means, labels = methods.vector_quantisation(X, settings)
    for k in range(3):
        np.testing.assert_allclose(means[:, k], X[:, labels[k] == 1].mean(axis=1))


def test_the_measures_of_parts():
    W = np.array([[1.0, 3, 1], [0, 1, 1], [0, 0, 1], [0, 0, 1]])
    np.testing.assert_allclose(methods.support(W), [0.25, 0.25, 1.0])  # 9 of 10 is the share that is asked for
    np.testing.assert_allclose(methods.support(W * [1e-5, -2, 1e5]), methods.support(W))
    assert cancelled(np.array([[1.0, 1]]), np.array([[1.0], [-1]])) == pytest.approx(1)
    assert cancelled(np.array([[3.0, 1]]), np.array([[1.0], [-1]])) == pytest.approx(0.5)
    assert methods.active(W[:, :2], np.array([[4.0, 1, 0], [1, 0, 0]])) == pytest.approx(1.5)  # 2, 1, nothing
    terms = build_up.sorted_terms(W, np.array([2.0, -1, 0]))
    np.testing.assert_array_equal(terms, np.stack([-W[:, 1], 2 * W[:, 0], 0 * W[:, 2]], axis=1))


@pytest.mark.parametrize("order", ["C", "F"])
def test_smaller_pictures_are_means_of_what_they_cover(order):
    draw = np.random.default_rng(0)
    larger = draw.random((5, 6, 4))
    images = data.Images(np.stack([p.ravel(order=order) for p in larger], axis=1), None, (6, 4), order)
    small = pictures.shrunk(images, (3, 2))
    blocks = larger.reshape(5, 3, 2, 2, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(small.X, np.stack([b.ravel(order=order) for b in blocks], axis=1))
    np.testing.assert_allclose(pictures.shrunk(images, (6, 4)).X, images.X)
    uneven = pictures.shrunk(images, (4, 3))
    np.testing.assert_allclose(uneven.X.mean(axis=0), images.X.mean(axis=0))  # no light is lost
    np.testing.assert_allclose(pictures.covered(3, 2), np.array([[2, 1, 0], [0, 1, 2]]) / 3)


def test_the_controls_do_what_they_say(arrays):
    draw = np.random.default_rng(1)
    X = 0.2 + draw.random((20, 9))
    assert controls.mean_floor(controls.with_floor(X, 0)) == 0
    assert controls.mean_floor(controls.with_floor(X, 0.3)) == pytest.approx(0.3)
    floor = dict(zip(arrays["controls"], arrays["control_floor"], strict=True))
    assert floor[CBCL + OTHER_FLOOR] == pytest.approx(floor[OLIVETTI])
    assert floor[CBCL + NO_FLOOR] == floor[CBCL + MOVED + NO_FLOOR] == floor[OLIVETTI + NO_FLOOR] == 0

    images = data.Images(X, None, (5, 4), "F")
    np.testing.assert_array_equal(controls.moved(X, images, replace(study.TINY, shift=0)), X)
    before = X.T.reshape(-1, 4, 5).transpose(0, 2, 1)
    shifted = controls.moved(X, images, replace(study.TINY, shift=1)).T.reshape(-1, 4, 5).transpose(0, 2, 1)
    for one, after in zip(before, shifted, strict=True):
        wide = np.pad(one, 1, mode="edge")
        assert any(np.array_equal(wide[i : i + 5, j : j + 4], after) for i in range(3) for j in range(3))
    assert not np.array_equal(before, shifted)


def test_the_text_has_the_numbers(arrays, sections):
    text = answer(sections, "How good")
    for form, each in FORMS.items():
        for method in each:
            assert f"{of(arrays, 'error', form, method):.4f}" in text
    assert f"{of(arrays, 'divergence', 'lee_seung', 'kl'):.1f}" in text
    assert f"{np.median(of(arrays, 'hoyer', 'lee_seung', 'kl')):.2f}" in answer(sections, "Why does NMF")
    assert "which is rounding" in answer(sections, "reduction as low-rank")


def test_the_words_follow_the_numbers(arrays, told):
    def changed(hoyer):
        """If the median sparsity of the controls were these; the others are 0.5."""
        values = np.full(arrays["control_hoyer"].shape, 0.5)
        for k, name in enumerate(arrays["controls"]):
            values[k] = hoyer.get(name, 0.5)
        return told("not give parts", control_hoyer=values)

    as_reported = changed({CBCL: 0.6, CBCL + MOVED + NO_FLOOR: 0.7, OLIVETTI: 0.4})
    for text in ("are less sparse than those of", "does not make components larger", "the larger part of the reason"):
        assert text in as_reported
    other = changed({CBCL: 0.6, CBCL + MOVED + NO_FLOOR: 0.4, OLIVETTI: 0.7})
    for text in ("are not less sparse than those of", "does make components larger"):
        assert text in other
    less = {CBCL: 0.6, OLIVETTI: 0.4}
    assert "smaller part of the reason" in changed(less | {CBCL + NO_FLOOR: 0.65, CBCL + OTHER_FLOOR: 0.57})
    assert "do not show the floor" in changed(less | {CBCL + NO_FLOOR: 0.7, CBCL + OTHER_FLOOR: 0.6})
    local = told("Which facial", support_lee_seung=np.array([[0.1], [0.1], [0.5], [0.5]]))
    assert local.startswith("Parts of a face")
    assert "not much more local" in told("Which facial", support_lee_seung=np.full((4, 1), 0.5))


def test_of_the_real_faces_the_bounds_are_the_known_ones(data_folder):
    P = data.cbcl().X
    for form, length, bound in ((data.cbcl_book, 516.386417, 0.074280), (data.cbcl_lee_seung, 322.178590, 0.167820)):
        X = form(P)
        assert np.linalg.norm(X) == pytest.approx(length, abs=1e-6)
        sigma = np.linalg.svd(X, compute_uv=False)
        assert np.sqrt(np.sum(sigma[49:] ** 2) / np.sum(sigma**2)) == pytest.approx(bound, abs=1e-6)


@pytest.mark.slow
def test_the_fits_of_the_real_faces_are_in_the_known_bands(data_folder, optimized):
    """500 iterations, in bands around what HALS and MU in plain NumPy reach; starts differ by half a per cent."""
    P = data.cbcl().X
    settings = replace(study.FULL, num_iters=500)
    for form, low, high in ((data.cbcl_book, 0.0805, 0.0815), (data.cbcl_lee_seung, 0.1978, 0.1996)):
        X = form(P)
        W, H = methods.FACTORISE["hals"](X, settings)
        assert low < relative_error(X, W @ H) < high
    X = data.cbcl_lee_seung(P)
    found = methods.measured(X, methods.FACTORISE["kl"](X, settings), 0)
    assert found.divergence == pytest.approx(14544, rel=0.005)
    means, prototypes = (methods.FACTORISE[method](X, settings)[0] for method in ("pca", "vq"))
    assert np.median(found.support) < 0.5 * min(np.median(methods.support(A)) for A in (means, prototypes))


def test_where_a_component_lies_and_how_far_it_reaches():
    shape = (12, 6)
    bars = np.zeros((*shape, 3))
    bars[1, :, 0] = 1  # a line across
    bars[:, 5, 1] = 2  # a line down at the right edge
    bars[10, 0, 2] = 3  # a pixel
    centre, extent = features.where(bars.reshape(-1, 3, order="F"), shape)
    np.testing.assert_allclose(centre, [[1.5 / 12, 0.5], [0.5, 5.5 / 6], [10.5 / 12, 0.5 / 6]])
    even = lambda size: 4 * np.std((np.arange(size) + 0.5) / size)
    np.testing.assert_allclose(extent, [[0, even(6)], [even(12), 0], [0, 0]], atol=1e-7)


def test_the_places_are_told_of_the_components(arrays):
    form, rank = "lee_seung", study.TINY.rank
    height, width = study.shape_of(arrays, form)
    W = np.zeros((height, width, rank))
    W[0, :, :] = 1  # the last columns are dead
    W[:, 0, 1], W[0, 1:, 1] = 1, 0
    W[:, :, 4:] = 0
    W[-1, -1, 3], W[0, :, 3] = 1, 0
    told = features.places(arrays | {f"W_{form}": np.stack([W.reshape(-1, rank, order="F")] * 4)}, form, "kl")
    assert "2 upper centre, 1 middle left and 1 lower right lie in these thirds" in told
    assert "2 are wider than tall and 1 taller than wide" in told
    assert "the one with the smallest lower right, 0 % of the height and 0 % of the width" in told
