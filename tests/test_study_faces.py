"""The study of faces: what must hold of NMF beside PCA and k-means, and that the page says what the numbers say."""

from dataclasses import replace

import numpy as np
import pytest
from every_study import *

from experiments import data
from experiments import faces as study
from experiments.faces import CBCL, FORMS, OLIVETTI, build_up, controls, features, low_rank, methods, noise, of
from experiments.faces.controls import MOVED, NO_FLOOR, OTHER_FLOOR
from experiments.faces.pictures import covered, shrunk
from experiments.measures import cancelled, relative_error

pytestmark = pytest.mark.slow

MISSING = ("cbcl", "olivetti")
IMPOSSIBLE = [
    *(({"face": face}, "face: expected") for face in (60, -1)),
    *(({"rank": rank}, "rank: expected") for rank in (0, 61)),
    ({"olivetti_height": 65}, "olivetti_height: expected"),
]
floor = lambda a, name: a.control_floor[a.controls.tolist().index(name)]
FACTS = {
    "what stands in is named": lambda a: (len(a.notes) == 2, all(name.startswith("drawn ") for name in a.names)),
    "each error measure is the likelihood of its noise": lambda a: a.likelihood_gap.max() < 1e-9,
    "and fits it better": lambda a: all(np.median(own) < np.median(other) for own, other in noise.own_and_other(a)),
    "of every repeat": lambda a: a.noise_error.shape == (2, study.TINY.noisy_repeats, 2),
    "a low rank takes noise off": lambda a: a.filtered.max() == a.filtered[0],
    "the other floor is that of the others": lambda a: near(floor(a, CBCL + OTHER_FLOOR), floor(a, OLIVETTI), 1e-6),
    "without a floor it is 0": lambda a: [floor(a, n + NO_FLOOR) == 0 for n in (CBCL, CBCL + MOVED, OLIVETTI)],
}
for form in FORMS:
    FACTS |= {
        f"{form}: k-means uses one component": lambda a, form=form: (
            near(of(a, "active", form, "vq"), 1, 1e-6), np.count_nonzero(of(a, "h", form, "vq")) == 1
        ),
        f"{form}: HALS uses more": lambda a, form=form: of(a, "active", form, "hals") > 1,
        f"{form}: PCA takes away": lambda a, form=form: of(a, "cancelled", form, "pca") > 0.01,
        f"{form}: PCA has no divergence": lambda a, form=form: np.isnan(of(a, "divergence", form, "pca")),
    }  # fmt: skip
for form in ("lee_seung", "olivetti"):
    FACTS[f"{form}: each NMF is better at its own loss"] = lambda a, form=form: (
        of(a, "error", form, "hals") < of(a, "error", form, "kl"),
        of(a, "divergence", form, "kl") < of(a, "divergence", form, "vq"),
    )


def of_methods(hoyer, support):
    """As if NMF (KL), NMF (Frobenius), k-means and PCA had these."""
    return {name: np.array(v)[:, None] for name, v in (("hoyer_lee_seung", hoyer), ("support_lee_seung", support))}


def of_controls(hoyer):
    """As if the median sparsity of the controls were these; the others are 0.5."""
    every = lambda a: np.array([hoyer.get(name, 0.5) for name in a.controls])[:, None, None]
    return lambda a: {"control_hoyer": np.broadcast_to(every(a), a.control_hoyer.shape)}


of_12 = lambda a: np.tile(a.noise_error, (1, 4, 1))  # as if of 12 matrices
LESS, OTHER = {CBCL: 0.6, OLIVETTI: 0.4}, CBCL + OTHER_FLOOR
WORDS = [
    ("Which facial features", {}, "drawn CBCL"),
    ("suits which noise", lambda a: {"noise_error": of_12(a)}, "is the better one for its own noise"),
    ("suits which noise", lambda a: {"noise_error": of_12(a)[..., ::-1]}, "do not show each measure"),
    ("suits which noise", {}, "do not show each measure"),  # three are too few
    ("suits which noise", {"filtered": [0.4, 0.2, 0.3]}, "rank takes noise off"),
    ("suits which noise", {"filtered": [0.2, 0.4, 0.3]}, "does not take off noise"),
    ("Why does NMF", of_methods((0.9, 0.8, 0.3, 0.5), (0.1, 0.2, 0.8, 0.5)), "^Because its terms cannot cancel"),
    ("Why does NMF", of_methods((0.4, 0.5, 0.3, 0.9), (0.1, 0.2, 0.8, 0.5)), "^Here only one of the two measures"),
    ("Why does NMF", of_methods((0.4, 0.5, 0.3, 0.9), (0.1, 0.2, 0.8, 0.01)), "^Here it does not"),
    *(("How good", {}, lambda a, at=(f, m): f"{of(a, 'error', *at):.4f}") for f in FORMS for m in FORMS[f]),
    ("How good", {}, lambda a: f"{of(a, 'divergence', 'lee_seung', 'kl'):.1f}"),
    ("Why does NMF", {}, lambda a: f"{np.median(of(a, 'hoyer', 'lee_seung', 'kl')):.2f}"),
    ("reduction as low-rank", {}, "which is rounding"),
    (
        "not give parts",
        of_controls({CBCL: 0.6, CBCL + MOVED + NO_FLOOR: 0.7, OLIVETTI: 0.4}),
        *("are less sparse than those of", "does not make components larger", "the larger part of the reason"),
    ),
    (
        "not give parts",
        of_controls({CBCL: 0.6, CBCL + MOVED + NO_FLOOR: 0.4, OLIVETTI: 0.7}),
        *("are not less sparse than those of", "does make components larger"),
    ),
    ("not give parts", of_controls(LESS | {CBCL + NO_FLOOR: 0.65, OTHER: 0.57}), "smaller part of the reason"),
    ("not give parts", of_controls(LESS | {CBCL + NO_FLOOR: 0.7, OTHER: 0.6}), "do not show the floor"),
    ("Which facial", {"support_lee_seung": [[0.1], [0.1], [0.5], [0.5]]}, "^Parts of a face"),
    ("Which facial", {"support_lee_seung": np.full((4, 1), 0.5)}, "not much more local"),
]


@pytest.mark.parametrize("form", FORMS)
def test_without_constraints_it_is_pca_without_centring_and_what_is_nonnegative_is_above(arrays, form):
    found = low_rank.against(arrays, form)
    assert found.deviation < 1e-12
    near(of(arrays, "error", form, "pca"), found.bound, rtol=1e-10)
    assert found.next_bound <= found.centred <= found.bound
    for method in set(FORMS[form]) - {"pca"}:
        W = of(arrays, "W", form, method)
        assert of(arrays, "error", form, method) > found.bound
        near(of(arrays, "cancelled", form, method), 0, atol=1e-12)
        assert W.min() >= 0
        near(W.max(axis=0), 1)


def test_the_shown_weights_are_those_of_the_picture():
    """For each method W h is what the factorisation makes of that picture."""
    X = np.random.default_rng(0).random((12, 30))
    settings = replace(study.TINY, rank=3, num_iters=5)
    for factorise in methods.FACTORISE.values():
        W, H = factorise(X, settings)
        found = methods.measured(X, (W, H), 7)
        near(found.W @ found.h, W @ H[:, 7], rtol=1e-10)
        near(found.error, relative_error(X, W @ H), rtol=1e-6)
    means, labels = methods.vector_quantisation(X, settings)
    near(means, np.stack([X[:, of_one == 1].mean(axis=1) for of_one in labels], axis=1))


def test_the_measures_of_parts():
    W = np.array([[1.0, 3, 1], [0, 1, 1], [0, 0, 1], [0, 0, 1]])
    near(methods.support(W), [0.25, 0.25, 1.0])  # 9 of 10 is the share that is asked for
    near(methods.support(W * [1e-5, -2, 1e5]), methods.support(W))
    for row, share in (([1.0, 1], 1), ([3.0, 1], 0.5)):
        near(cancelled(np.array([row]), np.array([[1.0], [-1]])), share, rtol=1e-6)
    near(methods.active(W[:, :2], np.array([[4.0, 1, 0], [1, 0, 0]])), 1.5, rtol=1e-6)  # 2, 1, nothing
    same(build_up.sorted_terms(W, np.array([2.0, -1, 0])), np.stack([-W[:, 1], 2 * W[:, 0], 0 * W[:, 2]], axis=1))


@pytest.mark.parametrize("order", ["C", "F"])
def test_smaller_pictures_are_means_of_what_they_cover(order):
    larger = np.random.default_rng(0).random((5, 6, 4))
    stacked = lambda pictures: np.stack([p.ravel(order=order) for p in pictures], axis=1)
    images = data.Images(stacked(larger), None, (6, 4), order)
    near(shrunk(images, (3, 2)).X, stacked(larger.reshape(5, 3, 2, 2, 2).mean(axis=(2, 4))))
    near(shrunk(images, (6, 4)).X, images.X)
    near(shrunk(images, (4, 3)).X.mean(axis=0), images.X.mean(axis=0))  # no light is lost
    near(covered(3, 2), np.array([[2, 1, 0], [0, 1, 2]]) / 3)


def test_the_controls_do_what_they_say():
    X = 0.2 + np.random.default_rng(1).random((20, 9))
    assert controls.mean_floor(controls.with_floor(X, 0)) == 0
    near(controls.mean_floor(controls.with_floor(X, 0.3)), 0.3, rtol=1e-6)
    moved = lambda by: controls.moved(X, data.Images(X, None, (5, 4), "F"), replace(study.TINY, shift=by))
    same(moved(0), X)
    before, shifted = (A.T.reshape(-1, 4, 5).transpose(0, 2, 1) for A in (X, moved(1)))
    for one, after in zip(before, shifted, strict=True):
        wide = np.pad(one, 1, mode="edge")
        assert any(np.array_equal(wide[i : i + 5, j : j + 4], after) for i in range(3) for j in range(3))
    assert not np.array_equal(before, shifted)


def test_of_the_real_faces_the_bounds_are_the_known_ones(data_folder):
    P = data.cbcl().X
    for form, length, bound in ((data.cbcl_book, 516.386417, 0.074280), (data.cbcl_lee_seung, 322.178590, 0.167820)):
        sigma = np.linalg.svd(form(P), compute_uv=False)
        near(np.linalg.norm(form(P)), length, rtol=0, atol=1e-6)
        near(np.sqrt(np.sum(sigma[49:] ** 2) / np.sum(sigma**2)), bound, rtol=0, atol=1e-6)


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
    near(found.divergence, 14544, rtol=0.005)
    means, prototypes = (methods.FACTORISE[method](X, settings)[0] for method in ("pca", "vq"))
    assert np.median(found.support) < 0.5 * min(np.median(methods.support(A)) for A in (means, prototypes))


def test_where_a_component_lies_and_how_far_it_reaches():
    bars = np.zeros((12, 6, 3))
    bars[1, :, 0] = 1  # a line across
    bars[:, 5, 1] = 2  # a line down at the right edge
    bars[10, 0, 2] = 3  # a pixel
    centre, extent = features.where(bars.reshape(-1, 3, order="F"), (12, 6))
    near(centre, [[1.5 / 12, 0.5], [0.5, 5.5 / 6], [10.5 / 12, 0.5 / 6]])
    even = lambda size: 4 * np.std((np.arange(size) + 0.5) / size)
    near(extent, [[0, even(6)], [even(12), 0], [0, 0]], atol=1e-7)


def test_the_places_are_told_of_the_components(arrays):
    rank, (height, width) = study.TINY.rank, study.shape_of(arrays, "lee_seung")
    W = np.zeros((height, width, rank))
    W[0, :, :] = 1  # the last columns are dead
    W[:, 0, 1], W[0, 1:, 1] = 1, 0
    W[:, :, 4:] = 0
    W[-1, -1, 3], W[0, :, 3] = 1, 0
    changed = arrays.but(W_lee_seung=[W.reshape(-1, rank, order="F")] * 4)
    told = features.places(changed, "lee_seung", "kl")
    assert "2 upper centre, 1 middle left and 1 lower right lie in these thirds" in told
    assert "2 are wider than tall and 1 taller than wide" in told
    assert "the one with the smallest lower right, 0 % of the height and 0 % of the width" in told
