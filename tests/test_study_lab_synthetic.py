"""The first lab study: what its source implies holds for the arrays, and the text says what the arrays hold."""

import dataclasses
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from experiments import data
from experiments import lab_synthetic as study
from jnmf import Status

DESCENDING = ("MU", "HALS", "HALS (3 sweeps)", "PGD (1/L)", "PGD (backtracking)")


@pytest.fixture(scope="module")
def arrays():
    return study.compute(study.TINY)


@pytest.fixture
def a(arrays):
    return SimpleNamespace(**arrays)


def answer(arrays, part: str) -> str:
    """The one answer whose question contains `part`."""
    (found,) = (section.answer for section in study.sections(arrays) if part in section.question)
    return found


def row(arrays, part: str, first: str) -> tuple[str, ...]:
    (section,) = (section for section in study.sections(arrays) if part in section.question)
    (found,) = (row for row in section.tables[0].rows if row[0] == first)
    return found


# The page


def test_all_questions_are_answered_and_all_figures_shown(arrays):
    sections, figures = study.sections(arrays), study.plot(arrays)
    assert len(sections) == 9
    assert sorted(name for section in sections for name in section.figures) == sorted(figures)
    for section in sections:
        assert section.question.endswith("?")
        assert "nan" not in section.answer.replace("planted", "").split()
        assert "  " not in section.answer
        for table in section.tables:
            assert all(len(row) == len(table.columns) for row in table.rows)
            assert "nan" not in str(table.rows)
    for figure in figures.values():
        figure.draw_without_rendering()


def test_the_arrays_are_numbers_and_strings(arrays):
    assert all(isinstance(value, np.ndarray) and value.dtype.kind in "fiubU" for value in arrays.values())


@pytest.mark.parametrize("wrong", [{"few_restarts": 3}, {"few_restarts": 0}, {"num_iters": 10}])
def test_settings_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}: expected"):
        study.compute(dataclasses.replace(study.TINY, **wrong))


@pytest.mark.parametrize("level", [0, 2])
def test_page_can_be_written_for_every_noise_level(arrays, level):
    changed = arrays | {"main": np.array(level)}
    assert len(study.sections(changed)) == 9
    study.plot(changed)


# Least squares


def test_least_squares_reaches_the_svd_with_negative_ill_conditioned_factors(a):
    noisy = a.levels > 0
    np.testing.assert_allclose(a.ls_error[noisy, :, -1], np.broadcast_to(a.bound[noisy, None], (2, 1)), rtol=1e-3)
    assert np.all(a.ls_error[~noisy, :, -1] < 1e-12)
    assert np.all(a.ls_negative[..., 0] > 0.1)
    assert np.all(a.ls_least < 0)
    assert np.all(a.ls_condition[a.main, :, 1] > 5 * a.planted_condition[1])


def test_least_squares_is_that_of_numpy(a):
    V = data.generate_dataset_NMF(study.TINY.noise_level).V
    (start,) = study.members(study.random_starts(key()[None], V, rank=study.RANK))
    W = start.W
    for _ in range(study.LEAST_SQUARES):
        H = np.linalg.lstsq(W, V, rcond=None)[0]
        W = np.linalg.lstsq(H.T, V.T, rcond=None)[0].T
    np.testing.assert_allclose(a.ls_W, W, rtol=1e-6, atol=1e-6)
    assert a.ls_least[a.main, 0, 0] == pytest.approx(W.min(), rel=1e-6)
    assert a.ls_clipped[a.main, 0] == pytest.approx(
        np.linalg.norm(V - np.maximum(W, 0) @ np.maximum(H, 0)) / np.linalg.norm(V), rel=1e-6
    )


def key():
    """Of the first start."""
    return jax.random.split(jax.random.key(study.TINY.seed), study.TINY.num_restarts)[0]


def test_clipping_at_the_end_is_worse_than_one_component(arrays, a):
    assert np.all(a.ls_rescaled <= a.ls_clipped)
    assert np.all(a.ls_rescaled[a.main] > a.rank_one[a.main])
    text = answer(arrays, "without a constraint")
    assert f"more than the {a.rank_one[a.main]:.3g} of a single component" in text
    better = arrays | {"ls_rescaled": 0.5 * np.broadcast_to(a.rank_one[:, None], a.ls_rescaled.shape)}
    assert f"less than the {a.rank_one[a.main]:.3g}" in answer(better, "without a constraint")


# Projected least squares


def test_projected_least_squares_rises_and_the_text_says_where(arrays, a):
    rises = study.rose(study.preceding(a, "ALS"), study.curves(a, "ALS"))
    assert rises.any()
    assert row(arrays, "project each", "1")[1] == str(rises[0].sum())
    counts = rises.sum(axis=1)
    assert f"It rises in {study.span(counts, 'd')} of {rises.shape[1]} iterations" in answer(arrays, "project each")


def test_half_steps_are_those_of_the_algorithm(a):
    ours = a.als_half[0, :, :, 1]
    np.testing.assert_allclose(ours, study.curves(a, "ALS")[: len(ours)], rtol=1e-5)
    assert np.all(a.als_stretch[1].max(axis=1) < a.als_stretch[0].max(axis=1))


def test_without_a_rise_the_text_says_so(arrays, a):
    error = a.error.copy()
    error[a.methods.tolist().index("ALS")] = np.geomspace(0.2, 0.1, error.shape[2])
    text = answer(arrays | {"error": error}, "project each")
    assert "the objective did not rise" in text
    assert "It rises" not in text
    assert row(arrays | {"error": error}, "How do the methods differ", "ALS")[4] == "yes"


# Step sizes


def test_steps_up_to_one_over_L_descend_and_the_largest_diverge(a):
    safe = a.step_multiples <= 1
    assert safe.any()
    assert not a.step_rises[:, safe].any()
    assert not a.step_diverged[:, safe].any()
    assert np.all(np.diff(a.step_error[:, safe, -1], axis=1) < 0)  # the smaller the slower
    assert a.step_diverged[:, -1].all()
    assert np.all(a.step_multiples[a.step_diverged.argmax(axis=1)] > 2)
    assert 1 <= a.step_best < a.step_multiples[-1]


def test_the_limit_of_the_step_is_two_over_the_norm_of_the_data(a):
    V = data.generate_dataset_NMF(study.TINY.noise_level).V
    np.testing.assert_allclose(a.step_limit / a.step_L, 2 / np.linalg.svd(V, compute_uv=False)[0])


def test_the_text_tells_overflow_from_divergence(arrays, a):
    told = np.where(a.step_diverged, int(Status.NONFINITE), int(Status.MAX_ITERS))
    text = answer(arrays | {"step_status": told}, "step sizes")
    assert f"Of the {a.step_diverged.sum()} diverging fits {a.step_diverged.sum()} report NONFINITE" in text
    assert "MAX_ITERS" not in text
    assert "report MAX_ITERS" in answer(arrays | {"step_status": np.ones_like(told)}, "step sizes")
    calm = {"step_diverged": a.step_diverged & False, "step_rises": 0 * a.step_rises}
    assert "Too large" not in answer(arrays | calm, "step sizes")


@pytest.mark.parametrize(
    ("rises", "diverged", "expected"),
    [
        ([0, 0, 1, 2], [0, 0, 0, 1], (2, 8)),
        ([0, 0, 0, 0], [0, 0, 0, 0], (8, 8)),
        ([1, 1, 1, 1], [1, 1, 1, 1], (1, 1)),
        ([0, 0, 0, 0], [0, 0, 1, 1], (2, 4)),
    ],
)
def test_border_lies_between_descent_and_divergence(rises, diverged, expected):
    tried = {"rises": np.array([rises]), "diverged": np.array([diverged], bool)}
    assert study.border(np.array([1, 2, 4, 8]), tried) == expected


# Multiplicative updates


def test_multiplicative_updates_stay_positive_and_keep_zeros(arrays, a):
    assert np.all(a.zeros_least > 0)
    assert np.all(a.zeros_count[0] == 0)
    kept, put = a.zeros_kept
    assert kept == put == 250
    assert np.all(a.zeros_count[1] == put)
    assert "no entry is 0" in answer(arrays, "multiplicative")
    fewer = arrays | {"zeros_kept": np.array([240, 250]), "zeros_count": a.zeros_count + 7}
    assert "7 entries are 0" in answer(fewer, "multiplicative")
    assert "240 are 0 at the end" in answer(fewer, "multiplicative")
    assert a.zeros[a.methods.tolist().index("MU")].max() == 0
    assert a.zeros[a.methods.tolist().index("HALS")].min() > 0


# All methods


def test_only_projected_least_squares_rises(arrays, a):
    for name in DESCENDING:
        assert not study.rose(study.preceding(a, name), study.curves(a, name)).any()
        assert row(arrays, "How do the methods differ", name)[4] == "yes"
    assert row(arrays, "How do the methods differ", "ALS")[4].startswith("no")


def test_errors_respect_the_bound_and_agree_with_the_trace(a):
    assert np.all(a.final >= a.bound[a.main])
    last = np.stack([study.curves(a, name)[:, -1] for name in study.names(a)])
    np.testing.assert_allclose(a.final, last, rtol=1e-6)
    assert np.all(a.level_final >= a.bound[:, None, None] * (1 - 1e-12))
    np.testing.assert_array_equal(a.level_final[a.main], a.final[:, : a.level_final.shape[2]])
    assert np.all(a.seconds > 0)


def test_hals_is_ahead_of_the_multiplicative_update_and_the_gradient(a):
    final = study.by_name(a, a.final)
    assert final["HALS (3 sweeps)"] < final["HALS"] < min(final["MU"], final["PGD (1/L)"], final["PGD (fixed step)"])


def test_a_sweep_of_hals_is_worth_more_than_one_of_the_others(a):
    decrease = dict(zip(a.half_solvers.tolist(), a.half_decrease.swapaxes(0, 1), strict=True))
    for name in ("HALS", "PGD (1/L)", "MU"):
        assert np.all(np.diff(decrease[name], axis=1) >= -1e-9)
        assert np.all((decrease[name] > 0) & (decrease[name] <= 1 + 1e-9))
        assert np.all(decrease[name] <= decrease["HALS"])
    assert np.all(decrease["ALS"] < 1)


def test_table_holds_the_numbers_of_the_arrays(arrays, a):
    for i, name in enumerate(study.names(a)):
        cells = row(arrays, "How do the methods differ", name)
        assert cells[1] == f"{1e3 * np.median(a.seconds[i]):.3f}"
        assert cells[6] == f"{np.median(a.final[i]):.5f}"
        assert f"{a.final[i].max():.5f}" in row(arrays, "How fast", name)


def test_time_to_an_error_counts_iterations_until_most_starts_have_it(a):
    error = np.full_like(a.error, 0.5)
    error[0, :, 9:] = 0.1
    final = np.full_like(a.final, 0.1)
    changed = SimpleNamespace(**vars(a) | {"error": error, "final": final, "seconds": np.full_like(a.seconds, 2.0)})
    assert study.time_to(changed, study.names(a)[0], 1.01) == pytest.approx(20)
    assert study.time_to(changed, study.names(a)[1], 1.01) == np.inf


def test_a_diverged_start_does_not_stop_the_page(arrays, a):
    i = a.methods.tolist().index("PGD (fixed step)")
    final, error = a.final.copy(), a.error.copy()
    final[i, 0], error[i, 0, 5:] = np.inf, np.inf
    changed = arrays | {"final": final, "error": error}
    assert row(changed, "How fast", "PGD (fixed step)")[5] == "inf"
    study.plot(changed)


def test_fixed_step_is_set_for_each_start():
    start = study.on_host(np.diag([2.0, 1.0]), np.eye(2))
    algorithm = study.with_fixed_step(study.METHODS["PGD (fixed step)"], 0.5, start)
    assert algorithm.step_size == pytest.approx(0.5 / 4)
    assert study.with_fixed_step(study.METHODS["MU"], 0.5, start) is study.METHODS["MU"]


def test_exact_method_runs_its_own_number_of_iterations():
    settings = dataclasses.replace(study.TINY, num_iters=7, exact_iters=3)
    assert study.max_iters(settings) == 7
    assert "ANLS" in study.METHODS
    assert study.step_rule(study.METHODS["ANLS"], 1.0) == "no"


# Noise and ranks


def test_planted_factors_are_a_fit_that_random_starts_do_not_find(arrays, a):
    exact = a.levels == 0
    assert np.all(a.from_planted[exact] < 1e-12)
    np.testing.assert_allclose(a.planted_recovery[exact], 1)
    assert np.all(a.level_recovery < a.planted_recovery.min())
    assert "Every random start ends elsewhere" in answer(arrays, "noise")
    found = arrays | {"level_recovery": np.ones_like(a.level_recovery)}
    assert "end as near to the planted factors" in answer(found, "noise")


def test_ranks_respect_the_bound_and_what_can_be_recovered(a):
    assert np.all(a.rank_rmse >= a.rank_svd[:, None])
    assert np.all(a.rank_recovery <= np.minimum(a.rank_ranks, study.RANK)[:, None] / study.RANK + 1e-12)
    assert np.all(a.rank_recovery > a.rank_chance[:, None])


def test_recovery_is_blind_to_order_and_scale_and_counts_what_is_missing():
    W = np.random.default_rng(0).uniform(size=(30, 4))
    assert study.recovery(3 * W[:, ::-1], W, 5) == pytest.approx(1)
    assert study.recovery(np.eye(30)[:, :2], np.eye(30)[:, :4], 5) == pytest.approx(0.5)
    assert study.recovery(np.full((30, 4), np.nan), W, 5) == 0


def test_a_rise_is_more_than_rounding():
    assert not study.rose(np.array(0.1), np.array(0.1 + 1e-13))
    assert study.rose(np.array(0.1), np.array(0.1 + 1e-9))
    assert not study.rose(np.array(np.inf), np.array(np.inf))
    assert study.count_rises(np.array([[0.5, 0.6, 0.4]]), np.array([0.45])).tolist() == [2]


@pytest.mark.slow
@pytest.mark.usefixtures("optimized")
def test_at_the_usual_size_the_answers_of_the_source_hold():
    arrays = study.compute(study.Settings())
    a = SimpleNamespace(**arrays)
    final = study.by_name(a, a.final)
    assert min(final, key=final.__getitem__) == "HALS (3 sweeps)"
    assert np.all(study.rose(study.preceding(a, "ALS"), study.curves(a, "ALS")).sum(axis=1) > 10)
    told = a.step_status == Status.NONFINITE
    assert told.any()
    assert np.all(a.step_diverged[told])
    assert np.all(a.step_multiples[a.step_diverged.argmax(axis=1)] > 2)
    assert len(study.sections(arrays)) == 9
