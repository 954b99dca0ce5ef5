"""Whole studies: members equal single fits, few programs, every rank and restart in its place."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import ALGORITHMS, penalised, problem

from jnmf import (
    ALS,
    ANLS,
    HALS,
    MU,
    PGD,
    Accelerated,
    Extrapolated,
    Factors,
    JointMU,
    Momentum,
    Status,
    batches,
    fit,
    init,
    pivoting,
    run,
    sweep,
)
from jnmf.init import as_key
from jnmf.loops import zero_where_empty
from jnmf.results import best_restart

X, _ = problem()
KEYS = jax.random.split(jax.random.key(0), 3)


@pytest.mark.quick(1)
@pytest.mark.parametrize("name", ["MU KL", "HALS", "Extrapolated HALS"])
def test_padding_with_zero_components_changes_nothing(name):
    """That of a sweep; that zero components change nothing is asked of every algorithm by its check."""
    start = Factors(*(A[0] for A in batches._padded([init.random(1, X, 3)], 5)))
    assert start.W.shape == (12, 5)
    padded, trace = run(X, start, ALGORITHMS[name], num_iters=4)
    single, single_trace = run(X, init.random(1, X, 3), ALGORITHMS[name], num_iters=4)
    assert (padded.W[:, 3:] == 0).all()
    assert (padded.H[3:] == 0).all()
    np.testing.assert_allclose(padded.W[:, :3], single.W, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(trace.loss, single_trace.loss, rtol=1e-9)
    np.testing.assert_allclose(trace.delta, single_trace.delta, rtol=1e-6)


# A member is its single fit, whatever it stands beside

METHODS = {
    "MU": MU(),
    "MU KL": MU(beta=1.0),
    "MU 0.5": MU(beta=0.5),
    "HALS": HALS(),
    "HALS inner": HALS(inner=3),
    "ALS": ALS(),
    "ANLS pivoting": ANLS(),
    "ANLS projected gradient": ANLS(solver="projected_gradient"),
    "PGD": PGD(),
    "PGD number": PGD(step_size=0.02),
    "PGD backtracking": PGD(step_size="backtracking"),
    "Accelerated HALS": Accelerated(HALS()),
    "Accelerated MU": Accelerated(MU()),
    "Accelerated PGD": Accelerated(PGD(step_size="backtracking"), effort=2.0),
    "Extrapolated HALS": Extrapolated(HALS()),
    "Extrapolated ANLS": Extrapolated(ANLS()),
    "Extrapolated PGD": Extrapolated(PGD()),
    "default": Extrapolated(Accelerated(HALS())),
    "Momentum MU": Momentum(MU()),
    "Momentum MU KL": Momentum(MU(beta=1.0)),
    "JointMU": JointMU(beta=0.5),
}
PENALISED = {
    "none": {},
    "ridge": {"l2_W": 0.1, "l2_H": 0.2},
    "lasso": {"l1_W": 0.1, "l1_H": 0.2},
    "both": {"l1_W": 0.1, "l2_W": 0.2, "l1_H": 0.2, "l2_H": 0.1},
}
MASKS = {"whole": None, "masked": np.random.default_rng(0).random(X.shape) < 0.8}
DEVICES = {"two devices": 2, "one device": 1}
BESIDE = {"padded": [2, 3], "alone": [3]}
TABLE = [METHODS, PENALISED, MASKS, DEVICES, BESIDE]


def pairwise(choices):
    """Rows that hold each pair of choices of two columns at least once, taken greedily; far fewer than the product."""
    rows = list(itertools.product(*choices))
    pairs = lambda row: set(itertools.combinations(enumerate(row), 2))
    missing = set().union(*map(pairs, rows))
    chosen = []
    while missing:
        chosen.append(max(rows, key=lambda row: len(pairs(row) & missing)))
        missing -= pairs(chosen[-1])
    return chosen


QUICK = ["MU KL", "ANLS pivoting", "PGD backtracking", "Accelerated HALS", "default", "Momentum MU KL"]
COVER = pairwise([QUICK, *TABLE[1:]])
EVERYTHING = [row for row in itertools.product(*TABLE[:-1], ["padded"]) if row not in COVER]


def check_members(monkeypatch, method, penalties, mask, devices, beside):
    """Six iterations at ranks 2 and 3, of which Accelerated makes other numbers of half-steps, from two keys."""
    monkeypatch.setattr(jax, "local_device_count", lambda: DEVICES[devices])
    algorithm, ranks, mask = penalised(METHODS[method], **PENALISED[penalties]), BESIDE[beside], MASKS[mask]
    study = sweep(X, ranks, num_restarts=2, algorithm=algorithm, key=3, num_iters=6, mask=mask)
    keys = jax.random.split(jax.random.key(3), 2)
    for i, rank in enumerate(ranks):
        for s in range(2):
            single = fit(X, rank, algorithm, key=keys[s], tol=0, max_iters=6, mask=mask)
            W, H = study.factors(rank, s)
            np.testing.assert_allclose(study.loss[i, s], single.loss, rtol=1e-9)
            np.testing.assert_allclose(W, single.W, rtol=1e-6, atol=1e-8)
            np.testing.assert_allclose(H, single.H, rtol=1e-6, atol=1e-8)


@pytest.mark.quick(2)
@pytest.mark.filterwarnings("ignore:.*components are dead")
@pytest.mark.parametrize("row", COVER, ids=", ".join)
def test_a_member_is_its_single_fit(monkeypatch, row):
    check_members(monkeypatch, *row)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*components are dead")
@pytest.mark.parametrize("row", EVERYTHING, ids=", ".join)
def test_a_member_is_its_single_fit_whatever_the_options(monkeypatch, row):
    check_members(monkeypatch, *row)


def test_a_ridge_does_not_make_padding_count():
    """More components than columns, with a ridge, which stands on the diagonal of padded components too."""
    ranks = [10, 13]
    algorithm = Accelerated(HALS(l2_H=0.1, l2_W=0.1), effort=4.0)
    study = sweep(X, ranks, num_restarts=1, key=3, num_iters=5, algorithm=algorithm)
    single = fit(X, ranks[0], algorithm, key=jax.random.split(jax.random.key(3), 1)[0], tol=0, max_iters=5)
    np.testing.assert_allclose(study.loss[0, 0], single.loss, rtol=1e-9)


@pytest.mark.quick(1)
@pytest.mark.parametrize("algorithm", [HALS(inner=2), MU(beta=1.0)], ids=repr)
def test_members_equal_single_fits(algorithm):
    study = sweep(X, [3, 2], num_restarts=3, algorithm=algorithm, tol=1e-3, max_iters=60)
    assert study.loss.shape == study.rmse.shape == study.num_iters.shape == study.status.shape == (2, 3)
    np.testing.assert_array_equal(study.ranks, [3, 2])
    for i, rank in enumerate(study.ranks):
        for s in range(3):
            single = fit(X, int(rank), algorithm, key=KEYS[s], tol=1e-3, max_iters=60)
            W, H = study.factors(rank, s)
            assert W.shape == (12, rank)
            assert (study.num_iters[i, s], study.status[i, s]) == (single.num_iters, single.status)
            np.testing.assert_allclose(W, single.W, rtol=1e-6, atol=1e-8)
            np.testing.assert_allclose(study.loss[i, s], single.loss, rtol=1e-8)
            np.testing.assert_allclose(study.rmse[i, s], jnp.sqrt(jnp.mean((X - W @ H) ** 2)), rtol=1e-9)
        least = int(np.argmin(study.loss[i]))
        np.testing.assert_array_equal(study.best(rank).W, study.factors(rank, least).W)


def test_a_sweep_of_twenty_ranks_compiles_one_program_a_bucket(monkeypatch):
    ranks = list(range(1, 21))
    groups = batches.buckets(ranks)
    assert [rank for group in groups for rank in group] == ranks
    assert len(groups) <= 7
    before = batches._batch._cache_size()  # pyright: ignore[reportAttributeAccessIssue]
    study = sweep(X, ranks, num_restarts=2, num_iters=3, algorithm=HALS())
    assert batches._batch._cache_size() - before <= len(groups)  # pyright: ignore[reportAttributeAccessIssue]
    assert (study.status == Status.MAX_ITERS).all()
    assert (study.num_iters == 3).all()
    assert study.factors(20, 1).H.shape == (20, 9)
    sweep(2 * X, ranks[::-1], num_restarts=2, num_iters=3, key=7, algorithm=HALS(l1_H=0.1))
    assert batches._batch._cache_size() - before <= len(groups)  # pyright: ignore[reportAttributeAccessIssue]


def test_batches_of_any_size_give_the_same(capsys):
    whole = sweep(X, [2, 3], num_restarts=3, num_iters=5)
    parts = sweep(X, [2, 3], num_restarts=3, num_iters=5, batch_size=4, progress=True)
    np.testing.assert_allclose(parts.loss, whole.loss, rtol=1e-12)
    np.testing.assert_allclose(parts.factors(3, 2).W, whole.factors(3, 2).W, rtol=1e-9)
    assert "fits, the last of rank" in capsys.readouterr().err


@pytest.mark.slow
def test_inits_masks_and_single_components():
    mask = np.random.default_rng(0).random(X.shape) < 0.8
    spoiled = np.where(mask, X, np.nan)
    algorithm = HALS(inner=3)
    study = sweep(spoiled, [1, 2], num_restarts=2, algorithm=algorithm, num_iters=5, mask=mask)
    single, _ = run(
        spoiled,
        fit(spoiled, 2, key=jax.random.split(as_key(0), 2)[1], max_iters=0, mask=mask).factors,
        algorithm,
        num_iters=5,
        mask=mask,
    )
    np.testing.assert_allclose(study.factors(2, 1).W, single.W, rtol=1e-8, atol=1e-11)
    residual = np.where(mask, X - single.W @ single.H, 0)
    np.testing.assert_allclose(study.rmse[1, 1], np.sqrt(np.sum(residual**2) / mask.sum()), rtol=1e-8)
    spectral = sweep(X, [2, 3], num_restarts=1, algorithm=algorithm, init="nndsvd", num_iters=5)
    expected, _ = run(X, zero_where_empty(X, init.nndsvd(X, 3), algorithm), algorithm, num_iters=5)
    np.testing.assert_allclose(spectral.factors(3, 0).W, expected.W, rtol=1e-8, atol=1e-11)


def test_diverged_members_are_never_the_best():
    with pytest.warns(UserWarning, match="2 of 2 fits are not finite, see `status`: try a smaller step size"):
        study = sweep(X, [2], num_restarts=2, algorithm=PGD(step_size=1e3), tol=1e-12)
    assert (study.status == Status.NONFINITE).all()
    assert best_restart(np.array([1.0, np.nan, 2.0]), np.array([2, 2, 1]), np.ones(3)) == 2
    assert best_restart(np.array([np.inf, np.inf, np.inf]), np.array([2, 1, 1]), np.array([1.0, 3.0, 2.0])) == 2
    assert np.isfinite(study.best(2).W).all()


@pytest.mark.parametrize(
    ("ranks", "options", "message"),
    [
        ([], {}, "ranks: expected at least one, got none"),
        ([2, 3, 2], {}, r"ranks: expected different integers, got \[2, 3, 2\]"),
        ([0, 1], {}, "rank: expected an integer of at least 1, got 0"),
        ([2.5], {}, "rank: expected an integer of at least 1, got 2.5"),
        ([2], {"num_restarts": 0}, "num_restarts: expected an integer of at least 1, got 0"),
        ([2], {"batch_size": 0}, "batch_size: expected an integer of at least 1, got 0"),
        ([2], {"num_iters": -1}, "num_iters: expected"),
        ([10], {"init": "nndsvd", "num_restarts": 1}, "nndsvd: expected rank ≤"),
        (
            [2],
            {"init": "nndsvda"},
            "init: nndsvda starts every restart at the same point, expected num_restarts=1, got 2",
        ),
        ([2], {"init": Factors(np.ones((12, 2)), np.ones((2, 9)))}, "init: Factors starts every restart at the same"),
        ([2], {"num_iters": 5, "tol": 1e-4}, "num_iters: expected None with tol or max_iters, got 5"),
        ([2], {"num_iters": 5, "max_iters": 500}, "num_iters: expected None with tol or max_iters, got 5"),
        ([2], {"tol": -1}, "tol: expected a finite number of at least 0, got -1"),
        ([2], {"max_iters": -1}, "max_iters: expected an integer of at least 0, got -1"),
        ([2], {"mask": np.zeros(X.shape)}, "mask: expected a positive weight"),
    ],
)
def test_bad_arguments(ranks, options, message):
    with pytest.raises(ValueError, match=message):
        sweep(X, ranks, **{"num_restarts": 2, **options})


def test_unknown_members():
    study = sweep(X, [2, 3], num_restarts=3, num_iters=5)
    with pytest.raises(ValueError, match="rank: expected one of 2, 3, got 4"):
        study.best(4)
    with pytest.raises(ValueError, match="restart: expected an integer from 0 to 2, got 3"):
        study.factors(2, 3)


@pytest.mark.quick(1)
@pytest.mark.parametrize("algorithm", [HALS(), ANLS()], ids=["HALS", "ANLS"])
def test_a_batch_on_two_devices_is_that_on_one(algorithm, monkeypatch):
    """A number of members that the devices do not divide; ANLS by elimination on two, by Cholesky factors on one."""
    assert jax.local_device_count() == 2
    monkeypatch.setattr(pivoting, "ELIMINATE_UP_TO", 0)
    both = sweep(X, [3], num_restarts=3, algorithm=algorithm, num_iters=6)
    monkeypatch.setattr(jax, "local_device_count", lambda: 1)
    one = sweep(X, [3], num_restarts=3, algorithm=algorithm, num_iters=6)
    np.testing.assert_allclose(both.loss, one.loss, rtol=1e-10)
    np.testing.assert_allclose(both.factors(3, 2).H, one.factors(3, 2).H, rtol=1e-8, atol=1e-10)


def test_no_iterations_are_the_starts():
    found = sweep(X, [2, 3], num_restarts=2, algorithm=HALS(), max_iters=0)
    assert (found.num_iters == 0).all()
    same = sweep(X, [2, 3], num_restarts=2, algorithm=HALS(), num_iters=0)
    np.testing.assert_array_equal(found.loss, same.loss)
