"""The study of the swimmer: what must hold of its parts, and that the page says what the numbers say."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from every_study import *

import jnmf
from experiments import data
from experiments import swimmer as study
from experiments.swimmer import EXACT, LIMBS, RANKS, TORSO, WHOLE, WIDTH, identifiable, pictures, projection, starts
from experiments.swimmer.penalties import PENALTIES, PLACES, price, torso_place
from experiments.swimmer.recovery import cosines, padded, parts_figure, recovered

pytestmark = pytest.mark.slow

IMPOSSIBLE = [({"ranks": (16,)}, "ranks: expected 16 and 17")]
DRAWN = ("starts", "torso", "penalties")  # the others are jnmf.plot's, and slow
exact = lambda a: a.start_error < EXACT
dark = lambda a: ~a.parts.any(axis=1)
off_torso = lambda a: (a.parts[:, TORSO] == 0)[:, None]
level = lambda a: np.flatnonzero(a.penalties > 0)[0]
chosen = lambda a: a.path_found[:, level(a)] == TORSO
FACTS = {
    "all combinations are there": lambda a: a.num_combinations == a.num_pictures == 4 ** len(LIMBS),
    "the fooling set has 1 on its diagonal": lambda a: np.diag(a.fooling) == 1,
    "and no pair of ones": lambda a: (a.fooling * a.fooling.T)[~np.eye(TORSO, dtype=bool)] == 0,
    "only the torso is free": lambda a: (np.all(a.room[TORSO, :TORSO] == 1), a.room[:TORSO] == 0),
    "which is never absent": lambda a: (a.absent[TORSO] == 0, a.absent[:TORSO] > 0),
    "the three answers are exact": lambda a: a.residual == 0,
    "l1 on W wants the torso alone, l1 on H spread": lambda a: (
        dict(zip(PENALTIES, a.prices.argmin(axis=1), strict=True))
        == {"l1 on W, l1 on H": 0, "l1 on W, l2 on H": 0, "l2 on W, l1 on H": 2}
    ),
    "at rank 17 some fits are exact": lambda a: exact(a)[RANKS.index(WIDTH)].any(),
    "every exact fit has every limb": lambda a: (
        a.start_found[exact(a)] == TORSO,
        a.start_alike_off_torso[exact(a)] > 0.999,
    ),
    "and the torso on all of them": lambda a: a.start_clean[exact(a)] == 0,
    "which share it out": lambda a: near(a.start_by_limb[0][exact(a)[0]].sum(axis=1), 1),
    "with a penalty some fits find all limbs": lambda a: chosen(a).any(axis=1),
    "l1 on H spreads the torso evenly": lambda a: near(a.path_by_limb[2, level(a)][chosen(a)[2]], 0.25, atol=0.02),
    "without a penalty the paths are the same": lambda a: near(
        a.path_by_limb[:, 0], np.broadcast_to(a.path_by_limb[0, 0], a.path_by_limb[:, 0].shape), rtol=1e-6
    ),
    "sums to one alone put more of the torso in a component of its own": lambda a: (
        a.volume_own[0].mean() > a.start_own[RANKS.index(WIDTH)].mean() + 0.1
    ),
    "zeros of nndsvd stay": lambda a: a.fill_dead[0] >= WIDTH - pictures.rank_of(a.singular_values),
    "and cost limbs": lambda a: a.fill_found[0] < TORSO,
    "some pixels are dark": lambda a: dark(a).any(),
    "dark pixels are put back": lambda a: tuple(
        (a[name].shape == a.parts.shape, not a[name][dark(a)].any(), a[name].max() == 1)
        for name in ("best_16", "best_17", "penalised")
    ),
    "and the limbs are in their places": lambda a: (
        cosines(a.parts[:, :TORSO], (a.best_17 * off_torso(a))[:, :TORSO]) > study.ALIKE
    ),
}
filled = lambda name, value: lambda a: {name: np.full_like(a[name], value)}
errors = lambda *of_rank: lambda a: {"start_error": np.broadcast_to(np.c_[list(of_rank)], a.start_error.shape)}
GOOD, POOR, HALF = errors(0.0, 0.0), errors(1.0, 1.0), errors(1.0, 0.0)  # exact: at both ranks, at none, at 17 alone
own = lambda a: GOOD(a) | filled("start_own", 0.999)(a)
complete = lambda a: (
    {"fill_own": np.ones_like(a.fill_own)}
    | {name: np.full_like(a[name], TORSO) for name in ("fill_found", "fill_clean")}
)
alone = lambda found: lambda a: filled("path_found", found)(a) | {"path_own": np.ones(a.path_found.shape)}
with_penalty = lambda a: a.path_found[:, 1:].size
cheapest = lambda a: a.prices.argmin(axis=1).tolist().count(0) * a.path_found[0, 1:].size
WORDS = [
    *(
        (
            "find the limbs",
            {},
            lambda a, i=i: f"Rank {RANKS[i]}: {exact(a)[i].sum()} of {exact(a)[i].size} random start",
        )
        for i in range(len(RANKS))
    ),
    ("What is in the pictures", {}, "has rank 13,", "at least 16.", "!certificate"),
    ("identifiable", {}, f"Of the {WIDTH} parts only the torso can"),
    (
        "small volume",
        {"volume_clean": np.zeros((2, 2))},
        "0 of 2 starts end with all parts",
        "no volume that was tried",
    ),
    (
        "small volume",
        {"volume_clean": np.array([[0, 0], [TORSO, 0]]), "volume_own": np.ones((2, 2))},
        "0 of 2 starts end with all parts",
        "with a volume of λ = 0.01, 1 do",
    ),
    ("sparsity penalty", {}, lambda a: f"{a.path_clean[tuple(a.penalised_at)]} of {TORSO}, and with"),
    ("find the limbs", POOR, "0 of 3 random starts"),
    ("torso go", POOR, "no start was exact"),
    ("torso go", own, "Mostly into a component of its own", "3 of 3 starts find it"),
    ("find the limbs", lambda a: GOOD(a) | filled("start_found", 8)(a), "even exact fits miss limbs"),
    ("find the limbs", HALF, "helps the fit out of local minima"),
    ("find the limbs", errors(0.0, 1.0), "these starts do not show"),
    ("start", filled("fill_found", TORSO - 1), "lose limb parts"),
    ("start", filled("fill_found", TORSO), "!lose limb parts"),
    ("start", complete, "nndsvdar at rank 17 with λ = 0.02. NNDSVD starts"),
    ("start", filled("fill_found", 0), "None of them gives all"),
    ("What is in", {"fooling": np.ones((TORSO, TORSO))}, "which should not be"),
    ("sparsity penalty", alone(TORSO), lambda a: f"{cheapest(a)} of {with_penalty(a)} fits end in"),
    ("sparsity penalty", alone(0), lambda a: f" 0 of {with_penalty(a)} fits end in"),
]


@pytest.fixture(scope="module")
def problem():
    swimmer = data.swimmer()
    lit = np.any(swimmer.X > 0, axis=1)
    return study.Problem(swimmer.X[lit], swimmer.parts[lit])


def test_the_pictures_are_sums_of_parts_with_rank_13_and_need_16(arrays, problem):
    same(problem.parts @ problem.weights, problem.X)
    assert pictures.rank_of(arrays["singular_values"]) == np.linalg.matrix_rank(problem.X) == 13
    # The fooling set is made of rows and columns of X, so that it says something of X.
    pixels = [int(np.flatnonzero(problem.parts[:, k])[0]) for k in range(TORSO)]
    assert {*map(tuple, arrays["fooling"].T)} <= {*map(tuple, problem.X[pixels].astype(int).T)}


def test_half_of_the_torso_moves_into_a_limb(problem):
    """The move itself, by statement 13 (c)."""
    W, H = problem.parts.copy(), problem.weights.copy()
    W[:, 0] += 0.5 * W[:, TORSO]
    H[TORSO] -= 0.5 * H[0]
    assert H.min() >= 0
    near(W @ H, problem.X, atol=1e-14)


def test_the_three_answers_are_recognised(problem):
    draw, seen = np.random.default_rng(0), []
    for W, H in identifiable.exact_answers(problem):
        assert min(W.min(), H.min()) >= 0
        shuffle, scale = draw.permutation(W.shape[1]), draw.uniform(0.1, 10, W.shape[1])
        W, H = padded(((W * scale)[:, shuffle])[None], ((H / scale[:, None])[shuffle])[None])
        seen.append(recovered(W[0], H[0], problem))
    counts = [(TORSO, TORSO, 0), (TORSO, TORSO - 4, 1), (TORSO, 0, 1)]
    assert [(int(found.found), int(found.clean), int(found.dead)) for found in seen] == counts
    near([found.own for found in seen], [1, 0, 0], atol=1e-12)
    near(seen[0].alike, 1)
    near(seen[1].by_limb, [1, 0, 0, 0], atol=1e-12)
    near(seen[2].by_limb, [0.25] * 4)
    near([found.error for found in seen], [0] * 3, atol=1e-12)


def test_a_zero_fit_recovers_nothing(problem):
    m, n = problem.X.shape
    found = recovered(np.zeros((m, WIDTH)), np.zeros((WIDTH, n)), problem)
    assert (found.found, found.clean, found.dead, found.own, found.alike, found.error) == (0, 0, WIDTH, 0, 0, 1)


@pytest.mark.parametrize("name", PENALTIES)
def test_the_price_is_the_least_over_the_scales(name, problem):
    """The library's own penalty, of one component over many scales; X is that component, so the loss is 0."""
    weights, (W, H) = PENALTIES[name], identifiable.exact_answers(problem)[0]
    w, h = W[:, TORSO:], H[TORSO:]
    algorithm = jnmf.HALS(**dict(zip(("l1_W", "l1_H", "l2_W", "l2_H"), map(float, weights), strict=True)))
    penalty = jax.vmap(lambda c: jnmf.objective(w @ h, jnmf.Factors(c * w, h / c), algorithm))
    least = float(penalty(np.exp(np.linspace(-4, 4, 2001))).min())
    assert price(weights, w, h) == pytest.approx(least, rel=1e-5)
    assert price(weights, w, h) <= least * (1 + 1e-12)


@pytest.mark.parametrize(("kind", "name"), list(enumerate(PENALTIES)))
def test_a_penalty_chooses_where_the_torso_goes(arrays, kind, name):
    places = {torso_place(arrays, kind, int(level(arrays)), int(k)) for k in np.flatnonzero(chosen(arrays)[kind])}
    assert places <= ({PLACES[0], PLACES[1]} if "l1 on W" in name else {PLACES[2]})


def test_a_start_from_the_svd_is_in_the_order_of_the_pictures():
    X = np.random.default_rng(0).random((30, 40))  # its singular values differ: the start does not depend on the order
    first, second = starts.svd_starts(X, "zero", replace(study.TINY, fill_repeats=2))
    near(first.W, second.W, atol=1e-9)
    near(first.H, second.H, atol=1e-9)
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
        near(W[k], expected.W, atol=1e-8)
        near(H[k], expected.H, atol=1e-8)


def test_the_projection_gives_the_sparsity_that_is_asked_for(problem):
    W, H = (np.stack(A) for A in zip(*study.random_starts(problem.X, 2, 0), strict=True))
    W, H = projection.projected(problem.X, W, H, np.array([0.6, 0.7]), study.TINY.num_iters)
    near(jnmf.hoyer_sparsity(W, axis=1), np.outer([0.6, 0.7], np.ones(WIDTH)), atol=1e-9)
    assert min(W.min(), H.min()) >= 0


@pytest.mark.parametrize(
    ("found", "own", "by_limb", "place"),
    [(TORSO, 1, [0] * 4, 0), (TORSO, 0, [0, 1, 0, 0], 1), (TORSO, 0, [0.5, 0.5, 0, 0], 2), (TORSO - 1, 1, [0] * 4, 3)],
)
def test_where_the_torso_is(arrays, found, own, by_limb, place):
    changed = arrays.but(path_found=[[[found]]], path_own=[[[own]]], path_by_limb=[[[by_limb]]])
    assert torso_place(changed, 0, 0, 0) == PLACES[place]
    assert WHOLE > 0.5


def test_what_is_left_over_has_a_place_only_if_there_is_something(arrays):
    titles = lambda name: [ax.get_title() for ax in parts_figure(arrays, name).axes if ax.images]
    assert len(titles("best_16")) == TORSO
    assert titles("best_17")[TORSO] == "left over"


def test_sums_to_one_charge_for_a_torso_on_the_limbs():
    """What the page says: rows sum to one where it is alone, its own to four where it is on the limbs."""
    swimmer = data.swimmer()
    lit = swimmer.X.any(axis=1)
    problem = study.Problem(swimmer.X[lit], swimmer.parts[lit])
    sums = [W.sum(axis=1) for W, _ in identifiable.exact_answers(problem)]
    torso = problem.parts[:, TORSO] > 0
    np.testing.assert_allclose(sums[0], 1)
    for of_limbs in sums[1:]:
        np.testing.assert_allclose(of_limbs[torso], 4)
        np.testing.assert_allclose(of_limbs[~torso], 1)
