"""The first lab study: what its source implies holds for the arrays, and the text says what the arrays hold."""

import dataclasses
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from experiments import data
from experiments import lab_synthetic as study
from jnmf import PGD, losses
from proofs.statements import statements

DESCENDING = ("MU", "HALS (3 sweeps)", "BCD (1/L)")


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
    assert len(sections) == 12
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


@pytest.mark.parametrize("wrong", [{"few_restarts": 3}, {"few_restarts": 0}, {"num_iters": 10}, {"ranks": (20,)}])
def test_settings_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}: expected"):
        study.compute(dataclasses.replace(study.TINY, **wrong))


@pytest.mark.parametrize("level", [0, 1])
def test_page_can_be_written_for_every_noise_level(arrays, level):
    changed = arrays | {"main": np.array(level)}
    assert len(study.sections(changed)) == 12
    study.plot(changed)


# Least squares


def test_least_squares_reaches_the_svd_with_negative_ill_conditioned_factors(a):
    noisy = a.levels > 0
    np.testing.assert_allclose(a.ls_error[noisy, :, -1], a.bound[noisy, None], rtol=1e-3)
    assert np.all(a.ls_error[~noisy, :, -1] < 1e-12)
    assert np.all(a.ls_negative[..., 0] > 0.1)
    assert np.all(a.ls_first_negative > 0.1)
    assert np.all(a.ls_least < 0)
    assert np.all(a.ls_condition[a.main, :, 0] > 5 * a.planted_condition[0])


def test_least_squares_is_that_of_numpy(a):
    V = data.generate_dataset_NMF(study.TINY.noise_level).V
    (start,) = study.members(study.random_starts(key()[None], V, rank=study.RANK))
    H = start.H
    for _ in range(study.LEAST_SQUARES):
        W = np.linalg.lstsq(H.T, V.T, rcond=None)[0].T
        H = np.linalg.lstsq(W, V, rcond=None)[0]
    np.testing.assert_allclose(a.ls_W, W, rtol=1e-5, atol=1e-5)
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
    text = answer(arrays, "Without a constraint")
    assert f"more than the {a.rank_one[a.main]:.3g} of a single component" in text
    better = arrays | {"ls_rescaled": 0.5 * np.broadcast_to(a.rank_one[:, None], a.ls_rescaled.shape)}
    assert f"less than the {a.rank_one[a.main]:.3g}" in answer(better, "Without a constraint")


# Projected least squares


def test_projected_least_squares_rises_and_the_text_says_where(arrays, a):
    rises = study.rose(study.preceding(a, "ALS"), study.curves(a, "ALS"))
    assert rises.any()
    assert row(arrays, "Projected ALS, iterated", "1")[1] == str(rises[0].sum())
    counts = rises.sum(axis=1)
    told = f"it rises in {study.span(counts, 'd')} of {rises.shape[1]} iterations"
    assert told in answer(arrays, "Projected ALS, iterated")


def test_half_steps_are_those_of_the_algorithm(a):
    ours = a.als_half[0, :, :, 1]
    np.testing.assert_allclose(ours, study.curves(a, "ALS")[: len(ours)], rtol=1e-5)
    assert np.all(a.als_stretch[1].max(axis=1) < a.als_stretch[0].max(axis=1))


def test_without_a_rise_the_text_says_so(arrays, a):
    error = a.error.copy()
    error[a.methods.tolist().index("ALS")] = np.geomspace(0.2, 0.1, error.shape[2])
    text = answer(arrays | {"error": error}, "Projected ALS, iterated")
    assert "it did not rise, from any start" in text
    assert "rises" not in text
    assert row(arrays | {"error": error}, "main differences", "ALS")[3] == "never"


# Step sizes


def test_small_steps_descend_and_the_largest_diverge(a):
    order = np.argsort(a.step_W[a.step_ratio == 1])
    rises, diverged, error = (
        v[:, a.step_ratio == 1][:, order] for v in (a.step_rises, a.step_diverged, a.step_error[..., -1])
    )
    safe = a.step_W[a.step_ratio == 1][order] <= a.step_safe.min() / 2  # 1/L of the start
    assert safe.sum() >= 2
    assert not rises[:, safe].any()
    assert not diverged[:, safe].any()
    assert np.all(np.diff(error[:, safe], axis=1) < 0)  # the smaller the slower
    for ratio in study.RATIOS:
        largest = np.flatnonzero(a.step_ratio == ratio)[a.step_W[a.step_ratio == ratio].argmax()]
        assert a.step_diverged[:, largest].all()


def test_the_limits_of_the_steps_are_those_of_numpy(a):
    V = data.generate_dataset_NMF(study.TINY.noise_level).V
    assert a.step_norm == pytest.approx(np.linalg.svd(V, compute_uv=False)[0])
    (start,) = study.members(study.random_starts(key()[None], V, rank=study.RANK))
    norms = [np.linalg.svd(A, compute_uv=False)[0] for A in (start.H, start.W)]
    np.testing.assert_allclose(a.step_safe[0], [2 / norm**2 for norm in norms])


def test_descent_by_the_labs_functions_is_the_librarys_run_on_the_transpose():
    V = data.generate_dataset_NMF(0).V
    (start,) = study.members(study.random_starts(key()[None], V, rank=study.RANK))
    step = 1 / np.linalg.norm(V, 2)
    W, H = start
    for _ in range(3):
        W = np.maximum(W - step * np.asarray(losses.frobenius.grad_W(V, W, H)), 0)
        H = np.maximum(H - step * np.asarray(losses.frobenius.grad_H(V, W, H)), 0)
    factors, _ = study.run_W_first(V, start, PGD(step_size=step), num_iters=3)
    for ours, theirs in zip((W, H), factors, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-12)
    loss = study.bcd(V, study.stack([start]), np.array([[step, step]]), num_iters=3)
    np.testing.assert_allclose(loss[0, 0, -1], 0.5 * np.linalg.norm(V - W @ H) ** 2, rtol=1e-9)


def test_the_text_on_steps_turns_with_the_runs(arrays, a):
    text = answer(arrays, "step sizes")
    safe = study.reach(a, 1.0)
    assert safe is not None
    assert f"it converges for η up to {safe[0]:.1e}" in text
    assert "Too large" in text
    calm = {"step_diverged": a.step_diverged & False, "step_rises": 0 * a.step_rises}
    assert "Too large" not in answer(arrays | calm, "step sizes")
    assert "none of the steps" in answer(arrays | {"step_rises": a.step_rises + 1}, "step sizes")
    above = np.sqrt(a.step_W * a.step_H) > 2 / a.step_norm
    assert above.any()
    assert "all diverged" in study.beyond(a, 2 / a.step_norm)
    fewer = SimpleNamespace(**arrays | calm)
    assert "0 diverged" in study.beyond(fewer, 2 / a.step_norm)


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
    assert answer(arrays, "multiplicative").startswith("Yes")
    assert answer(arrays | {"zeros_lowest": a.zeros_lowest - 1}, "multiplicative").startswith("NO")
    assert a.zeros[a.methods.tolist().index("MU")].max() == 0
    assert a.zeros[a.methods.tolist().index("HALS (3 sweeps)")].min() > 0


# All methods


def test_only_projected_least_squares_rises(arrays, a):
    for name in DESCENDING:
        assert not study.rose(study.preceding(a, name), study.curves(a, name)).any()
        assert row(arrays, "main differences", name)[3] == "never"
    assert row(arrays, "main differences", "ALS")[3].startswith("in ")


def test_errors_respect_the_bound_and_agree_with_the_trace(a):
    assert np.all(a.final >= a.bound[a.main])
    np.testing.assert_allclose(a.final, a.error[:, :, -1], rtol=1e-6)
    assert np.all(a.level_final >= a.bound[:, None, None] * (1 - 1e-12))
    np.testing.assert_array_equal(a.level_final[a.main], a.final[:, : a.level_final.shape[2]])
    assert np.all(a.seconds > 0)


def test_hals_is_ahead_of_the_multiplicative_update_and_the_gradient(a):
    final = study.by_name(a, a.final)
    assert final["HALS (3 sweeps)"] < min(final["MU"], final["BCD (1/L)"], final["BCD (fixed step)"])


def test_table_holds_the_numbers_of_the_arrays(arrays, a):
    for i, name in enumerate(study.names(a)):
        cells = row(arrays, "how do trajectory", name)
        assert cells[1] == f"{1e3 * np.median(a.seconds[i]):.3f}"
        assert cells[4:7] == tuple(f"{v:.5f}" for v in (np.median(a.final[i]), a.final[i].min(), a.final[i].max()))
        assert row(arrays, "main differences", name)[5] == f"{np.median(a.final[i]):.5f}"


def test_first_below_counts_iterations_until_most_starts_have_it():
    error = np.array([[0.5, 0.2, 0.1], [0.5, 0.1, 0.3], [0.5, 0.4, 0.1]])
    assert study.first_below(error, 0.1) == 3
    assert study.first_below(error, 0.01) == np.inf


def test_the_comparison_turns_with_the_errors(arrays, a):
    """The start matters more than the method, or less."""
    wide, narrow = a.final.copy(), a.final.copy()
    wide[:4] = np.array([0.1, 0.3])
    narrow[:4] = np.array([0.1, 0.2, 0.3, 0.4])[:, None]
    assert "more than the choice between" in study.sensitivity(SimpleNamespace(**arrays | {"final": wide}))
    text = study.sensitivity(SimpleNamespace(**arrays | {"final": narrow}))
    assert "less than the choice between" in text
    assert "differ by 300%" in text
    compared = answer(arrays | {"final": narrow}, "how do trajectory")
    assert "ALS has the lowest median error" in compared
    assert "MU the highest" in compared
    assert "from 2 of 2 starts" in compared


def test_instability_is_what_the_numbers_show(arrays, a):
    shown = [holds for _, holds in study.instability(a)]
    steady = arrays | {
        "ls_condition": np.broadcast_to(a.planted_condition, a.ls_condition.shape),
        "ls_cancelled": np.ones_like(a.ls_cancelled),
        "ls_change": 0.5 * a.ls_hals_change,
    }
    assert shown[0]
    assert [holds for _, holds in study.instability(SimpleNamespace(**steady))] == [False, False, False]
    assert "none hold" in answer(steady, "Without a constraint")
    assert "less, from every start" in answer(steady, "Without a constraint")
    worse = steady | {"ls_change": 2 * a.ls_hals_change, "ls_cancelled": 3 + a.ls_cancelled}
    assert [holds for _, holds in study.instability(SimpleNamespace(**worse))] == [False, True, True]


def test_a_diverged_start_does_not_stop_the_page(arrays, a):
    i = a.methods.tolist().index("BCD (fixed step)")
    final, error = a.final.copy(), a.error.copy()
    final[i, 0], error[i, 0, 5:] = np.inf, np.inf
    changed = arrays | {"final": final, "error": error}
    assert row(changed, "how do trajectory", "BCD (fixed step)")[4] == "inf"
    study.plot(changed)


def test_fixed_step_is_set_for_each_matrix():
    V = np.diag([4.0, 1.0])
    algorithm = study.with_fixed_step(study.METHODS["BCD (fixed step)"], 0.5, V)
    assert algorithm.step_size == pytest.approx(0.5 / 4)
    assert study.with_fixed_step(study.METHODS["MU"], 0.5, V) is study.METHODS["MU"]


def test_W_is_updated_first():
    V = data.generate_dataset_NMF(0).V
    (start,) = study.members(study.random_starts(key()[None], V, rank=study.RANK))
    factors, _ = study.run_W_first(V, start, study.METHODS["ALS"], num_iters=1)
    W = np.maximum(np.linalg.lstsq(start.H.T, V.T, rcond=None)[0].T, 0)
    np.testing.assert_allclose(factors.W, W, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(factors.H, np.maximum(np.linalg.lstsq(W, V, rcond=None)[0], 0), rtol=1e-8, atol=1e-10)


# The objective


def test_convex_in_one_factor_and_not_in_both(arrays, a):
    half = len(a.convex_at) // 2
    assert a.convex_at[half] == 0.5
    values = a.convex_values
    np.testing.assert_allclose(values[0, [0, -1]], 0, atol=1e-15)
    W, H = a.data_W, a.data_H
    middle = 0.25 * (W + W[:, ::-1]) @ (H + H[::-1])
    assert values[0, half] == pytest.approx(0.5 * np.linalg.norm(a.data_V - middle) ** 2)
    np.testing.assert_allclose(a.convex_example[[0, half, -1]], [0, 0.5 * (1 - 1.25**2) ** 2, 0])
    assert "In W alone: yes. In H alone: yes. In the pair (W, H): no." in answer(arrays, "convex")
    flat = arrays | {"convex_values": values * np.array([[0], [-1], [1]]), "convex_example": 0 * a.convex_example}
    assert "In W alone: NO" in answer(flat, "convex")
    assert "not refuted here" in answer(flat, "convex")


def test_the_preliminary_answers_are_those_that_are_proved(arrays):
    (section,) = (section for section in study.sections(arrays) if "objective in traces" in section.question)
    text = str(section.tables[0].rows)
    assert statements()[1].title.replace("X", "V") in text
    for number, module in (1, "frobenius_in_traces"), (2, "frobenius_gradients"), (3, "least_squares_solutions"):
        assert f"statement {number}, {module}.py" in text
        assert statements()[number].source == "lab, objective and gradients"


def test_the_functions_deviate_by_rounding_and_the_text_sees_when_not(arrays, a):
    assert max(a.function_traces, a.function_W, a.function_H, *a.function_stationary) < 1e-9
    assert answer(arrays, "grad_W").startswith("Yes")
    assert answer(arrays | {"function_W": np.array(0.1)}, "grad_W").startswith("NO")


# Noise and ranks


def test_planted_factors_are_a_fit_that_random_starts_do_not_find(arrays, a):
    exact = a.levels == 0
    assert np.all(a.from_planted[exact] < 1e-12)
    np.testing.assert_allclose(a.planted_recovery[exact], 1)
    assert np.all(a.level_recovery < a.planted_recovery.min())
    assert "Every random start ends elsewhere" in answer(arrays, "noise")
    apart = a.level_final * np.array([1.0, 1.0])[:, None, None]
    apart[:, :4] = np.array([[0.1, 0.1, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4]])[:, :, None]
    assert "further apart" in answer(arrays | {"level_final": apart}, "noise")
    assert "closer together" in answer(arrays | {"level_final": apart[::-1]}, "noise")
    assert "above it" in answer(arrays, "noise")
    assert "above it" not in answer(arrays | {"bound": 0 * a.bound}, "noise")
    found = arrays | {"level_recovery": np.ones_like(a.level_recovery)}
    assert "end as near to the planted factors" in answer(found, "noise")


def test_ranks_respect_the_bound_and_what_can_be_recovered(a):
    assert np.all(a.rank_error >= a.rank_svd[:, None] * (1 - 1e-12))
    assert np.all(a.rank_recovery <= np.minimum(a.rank_ranks, study.RANK)[:, None] / study.RANK + 1e-12)


def test_a_rank_runs_as_if_it_were_alone(a):
    """The zero components that fill a rank up to the widest change nothing."""
    V = data.generate_dataset_NMF(study.TINY.noise_level).V
    (start,) = study.members(study.random_starts(key()[None], V, rank=20))
    place = a.rank_ranks.tolist().index(20)
    for name in ("BCD (1/L)", "MU"):
        factors, _ = study.run_W_first(V, start, study.WITH_RANKS[name], num_iters=study.TINY.num_iters)
        ours = a.rank_error[a.rank_methods.tolist().index(name), place, 0]
        assert ours == pytest.approx(float(study.relative_error(V, factors)), rel=1e-6)


def test_the_verdict_on_ranks_turns_and_knows_when_the_starts_overlap(arrays, a):
    error = a.rank_error.copy()
    error[:, :, :] = 0.2, 0.22
    error[0, -1], error[1, -1], error[2, -1] = (0.1, 0.11), (0.3, 0.31), (0.21, 0.23)
    text = answer(arrays | {"rank_error": error}, "wrong rank")
    assert "The rank 28 in place of 25 raises the error of BCD (1/L) (0.305 in place of 0.21), lowers" in text
    assert "lowers the error of ALS (0.105 in place of 0.21) and does not clearly change the error of MU" in text
    recovery = a.rank_recovery.copy()
    recovery[:, -1] = 0
    assert "found less well" in answer(arrays | {"rank_recovery": recovery}, "wrong rank")
    recovery[:, -1] = 1
    assert "found better" in answer(arrays | {"rank_recovery": recovery}, "wrong rank")


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
    assert a.step_overflowed.any()
    assert np.all(a.step_diverged[a.step_overflowed])
    assert np.all(a.step_diverged[:, np.sqrt(a.step_W * a.step_H) > 2 / a.step_norm * (1 + 1e-9)])
    assert len(study.sections(arrays)) == 12
