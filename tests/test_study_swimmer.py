"""The study of the swimmer: what must hold of its parts, and that the page says what the numbers say."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from every_study import *

import jnmf
from experiments import data
from experiments import swimmer as study
from experiments.swimmer import (
    EXACT,
    LIMBS,
    RANKS,
    TORSO,
    WHOLE,
    WIDTH,
    identifiable,
    penalties,
    pictures,
    projection,
    recovery,
    starts,
)
from experiments.swimmer.penalties import PENALTIES, PLACES

IMPOSSIBLE = [({"ranks": (16,)}, "ranks: expected 16 and 17")]
DRAWN = ("starts", "torso", "penalties")  # the others are jnmf.plot's, and slow


@pytest.fixture(scope="module")
def problem():
    swimmer = data.swimmer()
    lit = np.any(swimmer.X > 0, axis=1)
    return study.Problem(swimmer.X[lit], swimmer.parts[lit])


def test_the_pictures_are_sums_of_parts_with_rank_13_and_need_16(arrays, problem):
    np.testing.assert_array_equal(problem.parts @ problem.weights, problem.X)
    assert pictures.rank_of(arrays["singular_values"]) == np.linalg.matrix_rank(problem.X) == 13
    assert arrays["num_combinations"] == arrays["num_pictures"] == 4 ** len(LIMBS)
    F = arrays["fooling"]
    assert np.all(np.diag(F) == 1)
    assert np.all((F * F.T)[~np.eye(TORSO, dtype=bool)] == 0)
    # F is made of rows and columns of X, so that it says something of X.
    pixels = [int(np.flatnonzero(problem.parts[:, k])[0]) for k in range(TORSO)]
    columns = {tuple(column) for column in problem.X[pixels].astype(int).T}
    assert all(tuple(column) in columns for column in F.T)


def test_only_the_torso_is_free(arrays, problem):
    room = arrays["room"]
    assert np.all(room[TORSO, :TORSO] == 1)
    assert np.all(room[:TORSO] == 0)
    assert arrays["absent"][TORSO] == 0
    assert np.all(arrays["absent"][:TORSO] > 0)
    # The move itself, by statement 13 (c): half of the torso into the first limb part.
    W, H = problem.parts.copy(), problem.weights.copy()
    W[:, 0] += 0.5 * W[:, TORSO]
    H[TORSO] -= 0.5 * H[0]
    assert H.min() >= 0
    np.testing.assert_allclose(W @ H, problem.X, atol=1e-14)


def test_the_three_answers_are_exact_and_recognised(arrays, problem):
    assert np.all(arrays["residual"] == 0)
    draw = np.random.default_rng(0)
    seen = []
    for W, H in identifiable.exact_answers(problem):
        assert min(W.min(), H.min()) >= 0
        shuffle, scale = draw.permutation(W.shape[1]), draw.uniform(0.1, 10, W.shape[1])
        W, H = recovery.padded(((W * scale)[:, shuffle])[None], ((H / scale[:, None])[shuffle])[None])
        seen.append(recovery.recovered(W[0], H[0], problem))
    assert [int(found.found) for found in seen] == [TORSO] * 3
    assert [int(found.clean) for found in seen] == [TORSO, TORSO - 4, 0]
    assert [int(found.dead) for found in seen] == [0, 1, 1]
    np.testing.assert_allclose([found.own for found in seen], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(seen[0].alike, 1)
    np.testing.assert_allclose(seen[1].by_limb, [1, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(seen[2].by_limb, [0.25] * 4)
    np.testing.assert_allclose([found.error for found in seen], 0, atol=1e-12)


def test_a_zero_fit_recovers_nothing(problem):
    m, n = problem.X.shape
    found = recovery.recovered(np.zeros((m, WIDTH)), np.zeros((WIDTH, n)), problem)
    assert (found.found, found.clean, found.dead) == (0, 0, WIDTH)
    assert (found.own, found.alike, found.error) == (0, 0, 1)


@pytest.mark.parametrize("name", PENALTIES)
def test_the_price_is_the_least_over_the_scales(name, problem):
    """The library's own penalty, of one component over many scales; X is that component, so the loss is 0."""
    weights, (W, H) = PENALTIES[name], identifiable.exact_answers(problem)[0]
    w, h = W[:, TORSO:], H[TORSO:]
    algorithm = jnmf.HALS(**dict(zip(("l1_W", "l1_H", "l2_W", "l2_H"), map(float, weights), strict=True)))
    penalty = jax.vmap(lambda c: jnmf.objective(w @ h, jnmf.Factors(c * w, h / c), algorithm))
    least = float(penalty(np.exp(np.linspace(-4, 4, 2001))).min())
    assert penalties.price(weights, w, h) == pytest.approx(least, rel=1e-5)
    assert penalties.price(weights, w, h) <= least * (1 + 1e-12)


def test_l1_on_W_wants_the_torso_alone_and_l1_on_H_wants_it_spread(arrays):
    prices = dict(zip(PENALTIES, np.argmin(arrays["prices"], axis=1), strict=True))
    assert prices == {"l1 on W, l1 on H": 0, "l1 on W, l2 on H": 0, "l2 on W, l1 on H": 2}


def test_every_exact_fit_has_every_limb(arrays):
    exact = arrays["start_error"] < EXACT
    assert exact[RANKS.index(WIDTH)].any()
    assert np.all(arrays["start_found"][exact] == TORSO)
    assert np.all(arrays["start_alike_off_torso"][exact] > 0.999)
    assert np.all(arrays["start_clean"][exact] == 0)  # and the torso on all of them
    np.testing.assert_allclose(arrays["start_by_limb"][0][exact[0]].sum(axis=1), 1)


def test_a_penalty_chooses_where_the_torso_goes(arrays):
    (level,) = np.flatnonzero(arrays["penalties"] > 0)
    found = arrays["path_found"][:, level] == TORSO
    assert found.any(axis=1).all()
    for kind, name in enumerate(PENALTIES):
        places = {penalties.torso_place(arrays, kind, int(level), int(k)) for k in np.flatnonzero(found[kind])}
        assert places <= ({PLACES[0], PLACES[1]} if "l1 on W" in name else {PLACES[2]})
    spread = arrays["path_by_limb"][2, level][found[2]]
    np.testing.assert_allclose(spread, 0.25, atol=0.02)


def test_without_penalty_the_paths_are_the_same(arrays):
    first = arrays["path_by_limb"][:, 0]
    np.testing.assert_allclose(first, np.broadcast_to(first[0], first.shape), rtol=1e-6)


def test_zeros_of_nndsvd_stay(arrays):
    rank = pictures.rank_of(arrays["singular_values"])
    assert np.all(arrays["fill_dead"][0] >= WIDTH - rank)
    assert np.all(arrays["fill_found"][0] < TORSO)


def test_a_start_from_the_svd_is_in_the_order_of_the_pictures():
    X = np.random.default_rng(0).random((30, 40))  # its singular values differ: the start does not depend on the order
    first, second = starts.svd_starts(X, "zero", replace(study.TINY, fill_repeats=2))
    np.testing.assert_allclose(first.W, second.W, atol=1e-9)
    np.testing.assert_allclose(first.H, second.H, atol=1e-9)
    assert np.linalg.norm(X - np.outer(first.W[:, 0], first.H[0])) < 0.6 * np.linalg.norm(X)


def test_each_fit_of_the_batches_has_its_own_start_and_penalty(problem):
    settings = study.TINY  # its programs are compiled
    random = study.random_starts(problem.X, 2, 0) * settings.batch_size
    levels = np.linspace(0, 1, settings.batch_size + 1)  # one more than a batch
    jobs = [(start, np.array([0, 0, level, level])) for start, level in zip(random, levels, strict=False)]
    fits = study.fit_each(problem.X, {"first": jobs[:3], "second": jobs[3:]}, settings, False)
    W, H = (np.concatenate(pair) for pair in zip(*fits.values(), strict=True))
    assert (len(fits["first"].W), len(W), len(H)) == (3, len(jobs), len(jobs))
    for k in (1, len(jobs) - 1):
        algorithm = jnmf.HALS(inner=study.INNER, l2_W=levels[k], l2_H=levels[k])
        expected, _ = jnmf.run(problem.X, jobs[k][0], algorithm, num_iters=settings.num_iters)
        np.testing.assert_allclose(W[k], expected.W, atol=1e-8)
        np.testing.assert_allclose(H[k], expected.H, atol=1e-8)


def test_the_projection_gives_the_sparsity_that_is_asked_for(problem):
    W, H = (np.stack(A) for A in zip(*study.random_starts(problem.X, 2, 0), strict=True))
    W, H = projection.projected(problem.X, W, H, np.array([0.6, 0.7]), study.TINY.num_iters)
    np.testing.assert_allclose(jnmf.hoyer_sparsity(W, axis=1), np.outer([0.6, 0.7], np.ones(WIDTH)), atol=1e-9)
    assert W.min() >= 0
    assert H.min() >= 0


def test_dark_pixels_are_put_back(arrays):
    dark = ~arrays["parts"].any(axis=1)
    assert dark.any()
    for name in ("best_16", "best_17", "penalised"):
        assert arrays[name].shape == arrays["parts"].shape
        assert not arrays[name][dark].any()
        assert arrays[name].max() == 1
    limbs = arrays["parts"][:, :TORSO]
    off_torso = (arrays["parts"][:, TORSO] == 0)[:, None]
    assert np.all(recovery.cosines(limbs, (arrays["best_17"] * off_torso)[:, :TORSO]) > study.ALIKE)


def test_the_text_has_the_numbers(arrays, sections):
    limbs = answer(sections, "find the limbs")
    for i, rank in enumerate(RANKS):
        exact = arrays["start_error"][i] < EXACT
        assert f"Rank {rank}: {exact.sum()} of {len(exact)} random starts" in limbs
    assert "has rank 13," in answer(sections, "What is in the pictures")
    assert "at least 16." in answer(sections, "What is in the pictures")
    assert f"Of the {WIDTH} parts only the torso can" in answer(sections, "identifiable")
    at = tuple(arrays["penalised_at"])
    assert f"{arrays['path_clean'][at]} of {TORSO}, and with" in answer(sections, "sparsity penalty")


def test_the_words_follow_the_numbers(arrays, told):
    poor, own = np.ones_like(arrays["start_error"]), np.full_like(arrays["start_own"], 0.999)
    good, fewer = np.zeros_like(poor), np.full_like(arrays["start_found"], 8)
    half = np.where(np.arange(2)[:, None] == 1, good, poor)  # rank 17 exact from every start, rank 16 from none
    lost, all_limbs = (np.full_like(arrays["fill_found"], found) for found in (TORSO - 1, TORSO))
    complete = {"fill_found": all_limbs, "fill_clean": all_limbs, "fill_own": np.ones_like(arrays["fill_own"])}
    for word, text, changed in (
        ("find the limbs", "0 of 3 random starts", {"start_error": poor}),
        ("torso go", "no start was exact", {"start_error": poor}),
        ("torso go", "Mostly into a component of its own", {"start_error": good, "start_own": own}),
        ("torso go", "3 of 3 starts find it", {"start_error": good, "start_own": own}),
        ("find the limbs", "even exact fits miss limbs", {"start_error": good, "start_found": fewer}),
        ("find the limbs", "helps the fit out of local minima", {"start_error": half}),
        ("find the limbs", "these starts do not show", {"start_error": half[::-1]}),
        ("start", "lose limb parts", {"fill_found": lost}),
        ("start", "nndsvdar at rank 17 with λ = 0.02. NNDSVD starts", complete),
        ("start", "None of them gives all", {"fill_found": 0 * all_limbs}),
        ("What is in", "which should not be", {"fooling": np.ones((TORSO, TORSO))}),
    ):
        assert text in told(word, **changed), text
    assert "lose limb parts" not in told("start", fill_found=all_limbs)
    assert "certificate" not in told("What is in")
    kinds, levels, starts = arrays["path_found"].shape
    fits, cheapest = kinds * (levels - 1) * starts, arrays["prices"].argmin(axis=1).tolist().count(0)
    alone = {"path_found": np.full_like(arrays["path_found"], TORSO), "path_own": np.ones((kinds, levels, starts))}
    assert f"{cheapest * (levels - 1) * starts} of {fits} fits end in" in told("sparsity penalty", **alone)
    alone["path_found"] = 0 * alone["path_found"]
    assert f" 0 of {fits} fits end in" in told("sparsity penalty", **alone)


def test_where_the_torso_is(arrays):
    def place(found, own, by_limb):
        at = (slice(0, 1),) * 3
        changed = {f"path_{name}": arrays[f"path_{name}"][at].copy() for name in ("found", "own", "by_limb")}
        changed["path_found"][0, 0, 0], changed["path_own"][0, 0, 0] = found, own
        changed["path_by_limb"][0, 0, 0] = by_limb
        return penalties.torso_place(changed, 0, 0, 0)

    assert place(TORSO, 1, 0) == PLACES[0]
    assert place(TORSO, 0, [0, 1, 0, 0]) == PLACES[1]
    assert place(TORSO, 0, [0.5, 0.5, 0, 0]) == PLACES[2]
    assert place(TORSO - 1, 1, 0) == PLACES[3]
    assert WHOLE > 0.5


def test_what_is_left_over_has_a_place_only_if_there_is_something(arrays):
    titles = lambda name: [ax.get_title() for ax in recovery.parts_figure(arrays, name).axes if ax.images]
    assert len(titles("best_16")) == TORSO
    assert titles("best_17")[TORSO] == "left over"
