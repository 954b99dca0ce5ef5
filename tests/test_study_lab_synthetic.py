"""The first lab study: what its source implies holds for the arrays, and the text says what the arrays hold."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from every_study import *

from experiments import data
from experiments import lab_synthetic as study
from experiments.lab_synthetic import comparison, least_squares, methods, ranks, steps
from experiments.words import span
from jnmf import PGD, losses
from proofs.statements import statements

IMPOSSIBLE = [
    ({"few_restarts": 3}, "few_restarts: expected"),
    ({"few_restarts": 0}, "few_restarts: expected"),
    ({"num_iters": 10}, "num_iters: expected"),
    ({"ranks": (20,)}, "ranks: expected"),
]
V = data.generate_dataset_NMF(study.TINY.noise_level).V
DESCENDING = ("MU", "HALS (3 sweeps)", "BCD (1/L)")


@pytest.fixture(scope="module")
def a(arrays):
    return SimpleNamespace(**arrays)


def changed(arrays, **values):
    return arrays | {name: np.asarray(value) for name, value in values.items()}


def row(arrays, part: str, first: str, **values) -> tuple[str, ...]:
    sections = study.sections(changed(arrays, **values))
    ((found,),) = ([row for row in s.tables[0].rows if row[0] == first] for s in sections if part in s.question)
    return found


def first_start(rank: int = methods.RANK):
    key = jax.random.split(jax.random.key(study.TINY.seed), study.TINY.num_restarts)[:1]
    return methods.members(methods.random_starts(key, V, rank=rank))[0]


@pytest.mark.parametrize("level", [0, 1])
def test_page_can_be_written_for_every_noise_level(request, arrays, level):
    sections = study.sections(changed(arrays, main=level))
    assert len(sections) == 12
    assert all(section.question.endswith("?") and "  " not in section.answer for section in sections)
    if level != arrays["main"]:
        test_every_question_is_answered(sections)
        study.plot(changed(arrays, main=level))


def test_least_squares_is_that_of_numpy_and_reaches_the_svd_with_negative_ill_conditioned_factors(a):
    noisy = a.levels > 0
    np.testing.assert_allclose(a.ls_error[noisy, :, -1], a.bound[noisy, None], rtol=1e-3)
    assert np.all(a.ls_error[~noisy, :, -1] < 1e-12)
    assert np.all(a.ls_negative[..., 0] > 0.1)
    assert np.all(a.ls_first_negative > 0.1)
    assert np.all(a.ls_least < 0)
    assert np.all(a.ls_condition[a.main, :, 0] > 5 * a.planted_condition[0])
    H = first_start().H
    for _ in range(least_squares.LEAST_SQUARES):
        W = np.linalg.lstsq(H.T, V.T, rcond=None)[0].T
        H = np.linalg.lstsq(W, V, rcond=None)[0]
    np.testing.assert_allclose(a.ls_W, W, rtol=1e-5, atol=1e-5)
    assert a.ls_least[a.main, 0, 0] == pytest.approx(W.min(), rel=1e-6)
    clipped = np.linalg.norm(V - np.maximum(W, 0) @ np.maximum(H, 0)) / np.linalg.norm(V)
    assert a.ls_clipped[a.main, 0] == pytest.approx(clipped, rel=1e-6)


def test_clipping_at_the_end_is_worse_than_one_component(told, a):
    assert np.all(a.ls_rescaled <= a.ls_clipped)
    assert np.all(a.ls_rescaled[a.main] > a.rank_one[a.main])
    assert f"more than the {a.rank_one[a.main]:.3g} of a single component" in told("Without a constraint")
    better = 0.5 * np.broadcast_to(a.rank_one[:, None], a.ls_rescaled.shape)
    assert f"less than the {a.rank_one[a.main]:.3g}" in told("Without a constraint", ls_rescaled=better)


def test_projected_least_squares_rises_and_the_text_says_where_or_that_it_does_not(told, arrays, a):
    rises, question = methods.rose(study.preceding(a, "ALS"), study.curves(a, "ALS")), "Projected ALS, iterated"
    assert rises.any()
    assert row(arrays, question, "1")[1] == str(rises[0].sum())
    assert f"it rises in {span(rises.sum(axis=1), 'd')} of {rises.shape[1]} iterations" in told(question)
    error = a.error.copy()
    error[study.names(a).index("ALS")] = np.geomspace(0.2, 0.1, error.shape[2])
    text = told(question, error=error)
    assert "it did not rise, from any start" in text
    assert "rises" not in text
    assert row(arrays, "main differences", "ALS", error=error)[3] == "never"
    ours = a.als_half[0, :, :, 1]
    np.testing.assert_allclose(ours, study.curves(a, "ALS")[: len(ours)], rtol=1e-5)
    assert np.all(a.als_stretch[1].max(axis=1) < a.als_stretch[0].max(axis=1))


def test_small_steps_descend_and_the_largest_diverge(a):
    equal = np.flatnonzero(a.step_ratio == 1)
    equal = equal[np.argsort(a.step_W[equal])]
    safe = equal[a.step_W[equal] <= a.step_safe.min() / 2]  # 1/L of the start
    assert safe.size >= 2
    assert not a.step_rises[:, safe].any()
    assert not a.step_diverged[:, safe].any()
    assert np.all(np.diff(a.step_error[:, safe, -1], axis=1) < 0)  # the smaller the slower
    for ratio in steps.RATIOS:
        largest = np.flatnonzero(a.step_ratio == ratio)[a.step_W[a.step_ratio == ratio].argmax()]
        assert a.step_diverged[:, largest].all()
    norm = lambda A: np.linalg.svd(A, compute_uv=False)[0]
    assert a.step_norm == pytest.approx(norm(V))
    np.testing.assert_allclose(a.step_safe[0], [2 / norm(A) ** 2 for A in reversed(first_start())])


def test_the_runs_have_the_order_of_the_lab_and_its_functions():
    """W from H first, then H from W: least squares by NumPy, and steps with the gradients of the loss."""
    start, step = first_start(), 1 / np.linalg.norm(V, 2)
    solved = lambda A, B: np.maximum(np.linalg.lstsq(A, B, rcond=None)[0], 0)
    W = solved(start.H.T, V.T).T
    factors, _ = methods.run_W_first(V, start, methods.METHODS["ALS"], num_iters=1)
    np.testing.assert_allclose(factors.W, W, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(factors.H, solved(W, V), rtol=1e-8, atol=1e-10)
    W, H = start
    for _ in range(3):
        W = np.maximum(W - step * np.asarray(losses.frobenius.grad_W(V, W, H)), 0)
        H = np.maximum(H - step * np.asarray(losses.frobenius.grad_H(V, W, H)), 0)
    factors, _ = methods.run_W_first(V, start, PGD(step_size=step), num_iters=3)
    for ours, theirs in zip((W, H), factors, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-12)
    loss = steps.bcd(V, methods.stack([start]), np.array([[step, step]]), num_iters=3)
    np.testing.assert_allclose(loss[0, 0, -1], 0.5 * np.linalg.norm(V - W @ H) ** 2, rtol=1e-9)


def test_the_text_on_steps_turns_with_the_runs(told, arrays, a):
    safe, limit = steps.reach(a, 1.0), 2 / a.step_norm
    assert safe is not None
    assert f"it converges for η up to {safe[0]:.1e}" in told("step sizes")
    assert "Too large" in told("step sizes")
    calm = {"step_diverged": a.step_diverged & False, "step_rises": 0 * a.step_rises}
    assert "Too large" not in told("step sizes", **calm)
    assert "none of the steps" in told("step sizes", step_rises=a.step_rises + 1)
    assert np.any(np.sqrt(a.step_W * a.step_H) > limit)
    assert "all diverged" in steps.beyond(a, limit)
    assert "0 diverged" in steps.beyond(SimpleNamespace(**arrays | calm), limit)


@pytest.mark.parametrize(
    ("rises", "diverged", "expected"),
    [("0012", "0001", (2, 8)), ("0000", "0000", (8, 8)), ("1111", "1111", (1, 1)), ("0000", "0011", (2, 4))],
)
def test_border_lies_between_descent_and_divergence(rises, diverged, expected):
    tried = {"rises": np.array([list(map(int, rises))]), "diverged": np.array([list(map(int, diverged))], bool)}
    assert steps.border(np.array([1, 2, 4, 8]), tried) == expected


def test_multiplicative_updates_stay_positive_and_keep_zeros(told, a):
    assert np.all(a.zeros_least > 0)
    assert np.all(a.zeros_count[0] == 0)
    kept, put = a.zeros_kept
    assert kept == put == 250
    assert np.all(a.zeros_count[1] == put)
    assert told("multiplicative").startswith("Yes")
    assert "no entry is 0" in told("multiplicative")
    fewer = told("multiplicative", zeros_kept=np.array([240, 250]), zeros_count=a.zeros_count + 7)
    assert "7 entries are 0" in fewer
    assert "240 are 0 at the end" in fewer
    assert told("multiplicative", zeros_lowest=a.zeros_lowest - 1).startswith("NO")
    zeros = dict(zip(study.names(a), a.zeros, strict=True))
    assert zeros["MU"].max() == 0
    assert zeros["HALS (3 sweeps)"].min() > 0


def test_the_numbers_of_all_methods(a, arrays):
    assert np.all(a.final >= a.bound[a.main])
    np.testing.assert_allclose(a.final, a.error[:, :, -1], rtol=1e-6)
    assert np.all(a.level_final >= a.bound[:, None, None] * (1 - 1e-12))
    np.testing.assert_array_equal(a.level_final[a.main], a.final[:, : a.level_final.shape[2]])
    assert np.all(a.seconds > 0)
    final = study.by_name(a, a.final)
    assert final["HALS (3 sweeps)"] < min(final["MU"], final["BCD (1/L)"], final["BCD (fixed step)"])
    for name in DESCENDING:
        assert not methods.rose(study.preceding(a, name), study.curves(a, name)).any()
        assert row(arrays, "main differences", name)[3] == "never"
    assert row(arrays, "main differences", "ALS")[3].startswith("in ")
    for i, name in enumerate(study.names(a)):
        cells = row(arrays, "how do trajectory", name)
        assert cells[1] == f"{1e3 * np.median(a.seconds[i]):.3f}"
        assert cells[4:7] == tuple(f"{v:.5f}" for v in (np.median(a.final[i]), a.final[i].min(), a.final[i].max()))
        assert row(arrays, "main differences", name)[5] == f"{np.median(a.final[i]):.5f}"


def test_small_measures():
    error = np.array([[0.5, 0.2, 0.1], [0.5, 0.1, 0.3], [0.5, 0.4, 0.1]])
    assert comparison.first_below(error, 0.1) == 3
    assert comparison.first_below(error, 0.01) == np.inf
    V = np.diag([4.0, 1.0])
    algorithm = methods.with_fixed_step(methods.METHODS["BCD (fixed step)"], 0.5, V)
    assert algorithm.step_size == pytest.approx(0.5 / 4)
    assert methods.with_fixed_step(methods.METHODS["MU"], 0.5, V) is methods.METHODS["MU"]
    W = np.random.default_rng(0).uniform(size=(30, 4))
    assert methods.recovery(3 * W[:, ::-1], W, 5) == pytest.approx(1)
    assert methods.recovery(np.eye(30)[:, :2], np.eye(30)[:, :4], 5) == pytest.approx(0.5)
    assert methods.recovery(np.full((30, 4), np.nan), W, 5) == 0
    assert not methods.rose(np.array(0.1), np.array(0.1 + 1e-13))
    assert methods.rose(np.array(0.1), np.array(0.1 + 1e-9))
    assert not methods.rose(np.array(np.inf), np.array(np.inf))
    assert steps.count_rises(np.array([[0.5, 0.6, 0.4]]), np.array([0.45])).tolist() == [2]


def test_the_comparison_turns_with_the_errors(told, a):
    """The start matters more than the method, or less."""
    wide, narrow = a.final.copy(), a.final.copy()
    wide[:4] = np.array([0.1, 0.3])
    narrow[:4] = np.array([0.1, 0.2, 0.3, 0.4])[:, None]
    assert "more than the choice between" in told("how do trajectory", final=wide)
    text = told("how do trajectory", final=narrow)
    for words in ("less than the choice between", "differ by 300%", "ALS has the lowest median error"):
        assert words in text
    assert "MU the highest" in text
    assert "from 2 of 2 starts" in text


def test_instability_is_what_the_numbers_show(told, arrays, a):
    holds = lambda **values: [h for _, h in least_squares.instability(SimpleNamespace(**changed(arrays, **values)))]
    steady = {
        "ls_condition": np.broadcast_to(a.planted_condition, a.ls_condition.shape),
        "ls_cancelled": np.ones_like(a.ls_cancelled),
        "ls_change": 0.5 * a.ls_hals_change,
    }
    assert holds()[0]
    assert holds(**steady) == [False, False, False]
    assert "none hold" in told("Without a constraint", **steady)
    assert "less, from every start" in told("Without a constraint", **steady)
    worse = {"ls_change": 2 * a.ls_hals_change, "ls_cancelled": 3 + steady["ls_cancelled"]}
    assert holds(**steady | worse) == [False, True, True]


def test_a_diverged_start_does_not_stop_the_page(arrays, a):
    i, final, error = study.names(a).index("BCD (fixed step)"), a.final.copy(), a.error.copy()
    final[i, 0], error[i, 0, 5:] = np.inf, np.inf
    assert row(arrays, "how do trajectory", "BCD (fixed step)", final=final, error=error)[4] == "inf"
    study.plot(changed(arrays, final=final, error=error))


def test_convex_in_one_factor_and_not_in_both(told, a):
    half, values, (W, H) = len(a.convex_at) // 2, a.convex_values, (a.data_W, a.data_H)
    assert a.convex_at[half] == 0.5
    np.testing.assert_allclose(values[0, [0, -1]], 0, atol=1e-15)
    middle = 0.25 * (W + W[:, ::-1]) @ (H + H[::-1])
    assert values[0, half] == pytest.approx(0.5 * np.linalg.norm(a.data_V - middle) ** 2)
    np.testing.assert_allclose(a.convex_example[[0, half, -1]], [0, 0.5 * (1 - 1.25**2) ** 2, 0])
    assert "In W alone: yes. In H alone: yes. In the pair (W, H): no." in told("convex")
    flat = told("convex", convex_values=values * np.array([[0], [-1], [1]]), convex_example=0 * a.convex_example)
    assert "In W alone: NO" in flat
    assert "not refuted here" in flat


def test_the_preliminary_answers_are_those_that_are_proved_and_the_functions_deviate_by_rounding(sections, told, a):
    (text,) = (str(section.tables[0].rows) for section in sections if "objective in traces" in section.question)
    assert statements()[1].title.replace("X", "V") in text
    for number, module in (1, "frobenius_in_traces"), (2, "frobenius_gradients"), (3, "least_squares_solutions"):
        assert f"statement {number}, {module}.py" in text
        assert statements()[number].source == "lab, objective and gradients"
    assert max(a.function_traces, a.function_W, a.function_H, *a.function_stationary) < 1e-9
    assert told("grad_W").startswith("Yes")
    assert told("grad_W", function_W=np.array(0.1)).startswith("NO")


def test_planted_factors_are_a_fit_that_random_starts_do_not_find(told, a):
    exact = a.levels == 0
    assert np.all(a.from_planted[exact] < 1e-12)
    np.testing.assert_allclose(a.planted_recovery[exact], 1)
    assert np.all(a.level_recovery < a.planted_recovery.min())
    apart = a.level_final.copy()
    apart[:, :4] = np.array([[0.1, 0.1, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4]])[:, :, None]
    for words, values in (
        ("Every random start ends elsewhere", {}),
        ("end as near to the planted factors", {"level_recovery": np.ones_like(a.level_recovery)}),
        ("further apart", {"level_final": apart}),
        ("closer together", {"level_final": apart[::-1]}),
        ("above it", {}),
    ):
        assert words in told("noise", **values)
    assert "above it" not in told("noise", bound=0 * a.bound)


def test_a_rank_runs_as_if_it_were_alone_and_respects_the_bound(a):
    assert np.all(a.rank_error >= a.rank_svd[:, None] * (1 - 1e-12))
    assert np.all(a.rank_recovery <= np.minimum(a.rank_ranks, methods.RANK)[:, None] / methods.RANK + 1e-12)
    """The zero components that fill a rank up to the widest change nothing."""
    place = a.rank_ranks.tolist().index(20)
    for name in ("BCD (1/L)", "MU"):
        options = {"num_iters": study.TINY.num_iters}
        factors, _ = methods.run_W_first(V, first_start(rank=20), ranks.WITH_RANKS[name], **options)
        ours = a.rank_error[a.rank_methods.tolist().index(name), place, 0]
        assert ours == pytest.approx(float(methods.relative_error(V, factors)), rel=1e-6)


def test_the_verdict_on_ranks_turns_and_knows_when_the_starts_overlap(told, a):
    error, recovery = np.broadcast_to([0.2, 0.22], a.rank_error.shape).copy(), a.rank_recovery.copy()
    error[:3, -1] = (0.1, 0.11), (0.3, 0.31), (0.21, 0.23)
    text = told("wrong rank", rank_error=error)
    assert "The rank 28 in place of 25 raises the error of BCD (1/L) (0.305 in place of 0.21), lowers" in text
    assert "lowers the error of ALS (0.105 in place of 0.21) and does not clearly change the error of MU" in text
    for share, words in ((0, "found less well"), (1, "found better")):
        recovery[:, -1] = share
        assert words in told("wrong rank", rank_recovery=recovery)


@pytest.mark.slow
@pytest.mark.usefixtures("optimized")
def test_at_the_usual_size_the_answers_of_the_source_hold():
    arrays = study.compute(study.Settings())
    a = SimpleNamespace(**arrays)
    final = study.by_name(a, a.final)
    assert min(final, key=final.__getitem__) == "HALS (3 sweeps)"
    assert np.all(methods.rose(study.preceding(a, "ALS"), study.curves(a, "ALS")).sum(axis=1) > 10)
    assert a.step_overflowed.any()
    assert np.all(a.step_diverged[a.step_overflowed])
    assert np.all(a.step_diverged[:, np.sqrt(a.step_W * a.step_H) > 2 / a.step_norm * (1 + 1e-9)])
    assert len(study.sections(arrays)) == 12
