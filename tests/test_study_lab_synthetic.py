"""The first lab study: what its source implies holds for the arrays, and the text says what the arrays hold."""

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

pytestmark = pytest.mark.slow

IMPOSSIBLE = [
    ({"few_restarts": 3}, "few_restarts: expected"),
    ({"few_restarts": 0}, "few_restarts: expected"),
    ({"num_iters": 10}, "num_iters: expected"),
    ({"ranks": (20,)}, "ranks: expected"),
]
V = data.generate_dataset_NMF(study.TINY.noise_level).V
SLOWER = ("MU", "BCD (1/L)", "BCD (fixed step)")
DESCENDING = ("MU", "HALS (3 sweeps)", "BCD (1/L)")
rises = lambda a, name: methods.rose(study.preceding(a, name), study.curves(a, name))
als = lambda a: study.curves(a, "ALS")
zeros_of = lambda a, name: a.zeros[study.names(a).index(name)]
final = lambda a, name: study.by_name(a, a.final)[name]
instability = lambda a: [holds for _, holds in least_squares.instability(a)]
steady = lambda a: {
    "ls_condition": np.broadcast_to(a.planted_condition, a.ls_condition.shape),
    "ls_cancelled": np.ones_like(a.ls_cancelled),
    "ls_change": 0.5 * a.ls_hals_change,
}
worse = lambda a: steady(a) | {"ls_change": 2 * a.ls_hals_change, "ls_cancelled": 4 * np.ones_like(a.ls_cancelled)}
calm = lambda a: {"step_diverged": a.step_diverged & False, "step_rises": 0 * a.step_rises}
noisy = lambda a: a.ls_error[a.levels > 0]
middle = lambda a: 0.25 * (a.data_W + a.data_W[:, ::-1]) @ (a.data_H + a.data_H[::-1])
half_way = lambda a: len(a.convex_at) // 2
of_middle = lambda a: 0.5 * np.linalg.norm(a.data_V - middle(a)) ** 2
beyond = lambda a: steps.beyond(a, 2 / a.step_norm)
FACTS = {
    "with noise least squares reach the SVD": lambda a: near(
        noisy(a)[:, :, -1], a.bound[a.levels > 0, None], rtol=1e-3
    ),
    "without they are exact": lambda a: a.ls_error[a.levels == 0, :, -1] < 1e-12,
    "with negative entries": lambda a: (a.ls_negative[..., 0] > 0.1, a.ls_first_negative > 0.1, a.ls_least < 0),
    "and are ill-conditioned": lambda a: a.ls_condition[a.main, :, 0] > 5 * a.planted_condition[0],
    "clipping at the end is worse than one component": lambda a: a.ls_rescaled[a.main] > a.rank_one[a.main],
    "though a scale helps": lambda a: a.ls_rescaled <= a.ls_clipped,
    "projected least squares rise": lambda a: rises(a, "ALS").any(),
    "as half-steps show": lambda a: near(a.als_half[0, :, :, 1], als(a)[: a.als_half.shape[1]], rtol=1e-5),
    "W is stretched less than H": lambda a: a.als_stretch[1].max(axis=1) < a.als_stretch[0].max(axis=1),
    "the step's limit is that of V": lambda a: near(a.step_norm, np.linalg.svd(V, compute_uv=False)[0], rtol=1e-6),
    "multiplicative updates stay positive": lambda a: (a.zeros_least > 0, a.zeros_count[0] == 0),
    "and keep zeros": lambda a: (same(a.zeros_kept, [250, 250]), a.zeros_count[1] == a.zeros_kept[1]),
    "MU has no zeros, HALS has": lambda a: (zeros_of(a, "MU").max() == 0, zeros_of(a, "HALS (3 sweeps)").min() > 0),
    "no error is below the bound": lambda a: a.final >= a.bound[a.main],
    "at no level": lambda a: a.level_final >= a.bound[:, None, None] * (1 - 1e-12),
    "errors are the last of the curves": lambda a: near(a.final, a.error[:, :, -1], rtol=1e-6),
    "those of a level are the same": lambda a: same(a.level_final[a.main], a.final[:, : a.level_final.shape[2]]),
    "time passes": lambda a: a.seconds > 0,
    "HALS ends lowest": lambda a: tuple(final(a, "HALS (3 sweeps)") < final(a, name) for name in SLOWER),
    "what descends never rises": lambda a: tuple(~rises(a, name) for name in DESCENDING),
    "least squares are unstable": lambda a: instability(a)[0],
    "steady ones are not": lambda a: instability(a.but(**steady(a))) == [False, False, False],
    "other ones in two ways": lambda a: instability(a.but(**worse(a))) == [False, True, True],
    "some steps are beyond the limit": lambda a: np.any(np.sqrt(a.step_W * a.step_H) > 2 / a.step_norm),
    "and diverge": lambda a: ("all diverged" in beyond(a), "0 diverged" in beyond(a.but(**calm(a)))),
    "the objective is 0 at both ends": lambda a: near(a.convex_values[0, [0, -1]], 0, atol=1e-15),
    "and half-way that of the middle": lambda a: near(a.convex_values[0, half_way(a)], of_middle(a), rtol=1e-6),
    "which is looked at": lambda a: a.convex_at[half_way(a)] == 0.5,
    "in one dimension, too": lambda a: near(a.convex_example[[0, half_way(a), -1]], [0, 0.5 * (1 - 1.25**2) ** 2, 0]),
    "functions deviate by rounding": lambda a: max(a.function_traces, a.function_W, a.function_H) < 1e-9,
    "stationary points, too": lambda a: a.function_stationary < 1e-9,
    "planted factors are a fit": lambda a: a.from_planted[a.levels == 0] < 1e-12,
    "and found from there": lambda a: near(a.planted_recovery[a.levels == 0], 1),
    "but not from random starts": lambda a: a.level_recovery < a.planted_recovery.min(),
    "a rank respects the bound": lambda a: a.rank_error >= a.rank_svd[:, None] * (1 - 1e-12),
    "and finds no more than it has": lambda a: (
        a.rank_recovery <= np.minimum(a.rank_ranks / methods.RANK, 1)[:, None] + 1e-12
    ),
}


APART = np.array([[0.1, 0.1, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4]])[:, :, None]  # the methods, without noise and with it
first_four = lambda A, values, axis: np.concatenate([values + 0 * A.take(range(4), axis), A.take([4], axis)], axis)
levels = lambda values: lambda a: {"level_final": first_four(a.level_final, values, 1)}
ends = lambda values: lambda a: {"final": first_four(a.final, np.array(values), 0)}


def never(a):
    """As if projected least squares had fallen all the way."""
    error = a.error.copy()
    error[study.names(a).index("ALS")] = np.geomspace(0.2, 0.1, error.shape[2])
    return {"error": error}


def of_ranks(a):
    error = np.broadcast_to([0.2, 0.22], a.rank_error.shape).copy()
    error[:3, -1] = (0.1, 0.11), (0.3, 0.31), (0.21, 0.23)
    return {"rank_error": error}


found = lambda share: lambda a: {"rank_recovery": np.where(a.rank_ranks[:, None] == 28, share, a.rank_recovery)}
half = lambda a: {"ls_rescaled": 0.5 * np.broadcast_to(a.rank_one[:, None], a.ls_rescaled.shape)}
flat = lambda a: {"convex_values": a.convex_values * np.array([[0], [-1], [1]]), "convex_example": 0 * a.convex_example}
fewer = lambda a: {"zeros_kept": [240, 250], "zeros_count": a.zeros_count + 7}
rises_in = lambda a: f"it rises in {span(rises(a, 'ALS').sum(axis=1), 'd')} of {rises(a, 'ALS').shape[1]} iterations"
CONVEX = "In W alone: yes. In H alone: yes. In the pair (W, H): no."
WORDS = [
    ("Without a constraint", {}, lambda a: f"more than the {a.rank_one[a.main]:.3g} of a single component"),
    ("Without a constraint", half, lambda a: f"less than the {a.rank_one[a.main]:.3g}"),
    ("Without a constraint", steady, "none hold", "less, from every start"),
    ("Projected ALS, iterated", {}, rises_in),
    ("Projected ALS, iterated", never, "it did not rise, from any start", "!rises"),
    ("step sizes", {}, lambda a: f"it converges for η up to {steps.reach(a, 1.0)[0]:.1e}", "Too large"),
    ("step sizes", calm, "!Too large"),
    ("step sizes", lambda a: {"step_rises": a.step_rises + 1}, "none of the steps"),
    ("multiplicative", {}, "^Yes", "no entry is 0"),
    ("multiplicative", fewer, "7 entries are 0", "240 are 0 at the end"),
    ("multiplicative", lambda a: {"zeros_lowest": a.zeros_lowest - 1}, "^NO"),
    ("how do trajectory", ends([0.1, 0.3]), "more than the choice between"),
    (
        *("how do trajectory", ends([[0.1], [0.2], [0.3], [0.4]])),
        *("less than the choice between", "differ by 300%", "ALS has the lowest median error"),
        *("MU the highest", "from 2 of 2 starts"),
    ),
    ("convex", {}, CONVEX),
    ("convex", flat, "In W alone: NO", "not refuted here"),
    ("grad_W", {}, "^Yes"),
    ("grad_W", {"function_W": 0.1}, "^NO"),
    ("noise", {}, "Every random start ends elsewhere", "above it"),
    ("noise", lambda a: {"level_recovery": np.ones_like(a.level_recovery)}, "end as near to the planted factors"),
    ("noise", levels(APART), "further apart"),
    ("noise", levels(APART[::-1]), "closer together"),
    ("noise", lambda a: {"bound": 0 * a.bound}, "!above it"),
    (
        *("wrong rank", of_ranks),
        "The rank 28 instead of 25 raises the error of BCD (1/L) (0.305 instead of 0.21), lowers",
        "lowers the error of ALS (0.105 instead of 0.21) and does not clearly change the error of MU",
    ),
    ("wrong rank", found(0), "found less well"),
    ("wrong rank", found(1), "found better"),
]


def row(arrays, part: str, first: str, **values) -> tuple[str, ...]:
    sections = study.sections(arrays.but(**values))
    ((found,),) = ([row for row in s.tables[0].rows if row[0] == first] for s in sections if part in s.question)
    return found


def first_start(rank: int = methods.RANK):
    key = jax.random.split(jax.random.key(study.TINY.seed), study.TINY.num_restarts)[:1]
    return methods.members(methods.random_starts(key, V, rank=rank))[0]


@pytest.mark.parametrize("level", [0, 1])
def test_page_can_be_written_for_every_noise_level(request, arrays, level):
    sections = study.sections(arrays.but(main=level))
    assert len(sections) == 12
    assert all(section.question.endswith("?") and "  " not in section.answer for section in sections)
    if level != arrays["main"]:
        test_every_question_is_answered(sections)
        study.plot(arrays.but(main=level))


def test_least_squares_is_that_of_numpy(arrays):
    H, main = first_start().H, arrays.main
    for _ in range(least_squares.LEAST_SQUARES):
        W = np.linalg.lstsq(H.T, V.T, rcond=None)[0].T
        H = np.linalg.lstsq(W, V, rcond=None)[0]
    near(arrays.ls_W, W, rtol=1e-5, atol=1e-5)
    near(arrays.ls_least[main, 0, 0], W.min(), rtol=1e-6)
    clipped = np.linalg.norm(V - np.maximum(W, 0) @ np.maximum(H, 0)) / np.linalg.norm(V)
    near(arrays.ls_clipped[main, 0], clipped, rtol=1e-6)


def test_small_steps_descend_and_the_largest_diverge(arrays):
    a = arrays
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
    near(a.step_safe[0], [2 / norm(A) ** 2 for A in reversed(first_start())])


def test_the_runs_have_the_order_of_the_lab_and_its_functions():
    """W from H first, then H from W: least squares by NumPy, and steps with the gradients of the loss."""
    start, step = first_start(), 1 / np.linalg.norm(V, 2)
    solved = lambda A, B: np.maximum(np.linalg.lstsq(A, B, rcond=None)[0], 0)
    W = solved(start.H.T, V.T).T
    factors, _ = methods.run_W_first(V, start, methods.METHODS["ALS"], num_iters=1)
    near(factors.W, W, rtol=1e-8, atol=1e-10)
    near(factors.H, solved(W, V), rtol=1e-8, atol=1e-10)
    W, H = start
    for _ in range(3):
        W = np.maximum(W - step * np.asarray(losses.frobenius.grad_W(V, W, H)), 0)
        H = np.maximum(H - step * np.asarray(losses.frobenius.grad_H(V, W, H)), 0)
    factors, _ = methods.run_W_first(V, start, PGD(step_size=step), num_iters=3)
    for ours, theirs in zip((W, H), factors, strict=True):
        near(theirs, ours, rtol=1e-9, atol=1e-12)
    loss = steps.bcd(V, methods.stack([start]), np.array([[step, step]]), num_iters=3)
    near(loss[0, 0, -1], 0.5 * np.linalg.norm(V - W @ H) ** 2, rtol=1e-9)


@pytest.mark.parametrize(
    ("rises", "diverged", "expected"),
    [("0012", "0001", (2, 8)), ("0000", "0000", (8, 8)), ("1111", "1111", (1, 1)), ("0000", "0011", (2, 4))],
)
def test_border_lies_between_descent_and_divergence(rises, diverged, expected):
    tried = {"rises": np.array([list(map(int, rises))]), "diverged": np.array([list(map(int, diverged))], bool)}
    assert steps.border(np.array([1, 2, 4, 8]), tried) == expected


def test_the_tables_have_the_numbers_of_all_methods(arrays):
    a, question = arrays, "main differences"
    assert row(a, "Projected ALS, iterated", "1")[1] == str(rises(a, "ALS")[0].sum())
    assert [row(a, question, name)[3] for name in DESCENDING] == ["never"] * 3
    assert row(a, question, "ALS")[3].startswith("in ")
    assert row(a, question, "ALS", **never(a))[3] == "never"
    for i, name in enumerate(study.names(a)):
        cells = row(a, "how do trajectory", name)
        assert cells[1] == f"{1e3 * np.median(a.seconds[i]):.3f}"
        assert cells[4:7] == tuple(f"{v:.5f}" for v in (np.median(a.final[i]), a.final[i].min(), a.final[i].max()))
        assert row(a, question, name)[5] == f"{np.median(a.final[i]):.5f}"


def test_small_measures():
    error = np.array([[0.5, 0.2, 0.1], [0.5, 0.1, 0.3], [0.5, 0.4, 0.1]])
    assert comparison.first_below(error, 0.1) == 3
    assert comparison.first_below(error, 0.01) == np.inf
    V = np.diag([4.0, 1.0])
    algorithm = methods.with_fixed_step(methods.METHODS["BCD (fixed step)"], 0.5, V)
    near(algorithm.step_size, 0.5 / 4, rtol=1e-6)
    assert methods.with_fixed_step(methods.METHODS["MU"], 0.5, V) is methods.METHODS["MU"]
    W = np.random.default_rng(0).uniform(size=(30, 4))
    assert methods.recovery(3 * W[:, ::-1], W, 5) == pytest.approx(1)
    assert methods.recovery(np.eye(30)[:, :2], np.eye(30)[:, :4], 5) == pytest.approx(0.5)
    assert methods.recovery(np.full((30, 4), np.nan), W, 5) == 0
    assert not methods.rose(np.array(0.1), np.array(0.1 + 1e-13))
    assert methods.rose(np.array(0.1), np.array(0.1 + 1e-9))
    assert not methods.rose(np.array(np.inf), np.array(np.inf))
    assert steps.count_rises(np.array([[0.5, 0.6, 0.4]]), np.array([0.45])).tolist() == [2]


def test_a_diverged_start_does_not_stop_the_page(arrays):
    a = arrays
    i, final, error = study.names(a).index("BCD (fixed step)"), a.final.copy(), a.error.copy()
    final[i, 0], error[i, 0, 5:] = np.inf, np.inf
    assert row(arrays, "how do trajectory", "BCD (fixed step)", final=final, error=error)[4] == "inf"
    study.plot(arrays.but(final=final, error=error))


def test_the_preliminary_answers_are_those_that_are_proved(sections):
    (text,) = (str(section.tables[0].rows) for section in sections if "objective in traces" in section.question)
    assert statements()[1].title.replace("X", "V") in text
    for number, module in (1, "frobenius_in_traces"), (2, "frobenius_gradients"), (3, "least_squares_solutions"):
        assert f"statement {number}, {module}.py" in text
        assert statements()[number].source == "lab, objective and gradients"


@pytest.mark.quick(1)
@pytest.mark.parametrize("name", ["BCD (1/L)", "MU"])
def test_a_rank_runs_as_if_it_were_alone(arrays, name):
    """The zero components that fill a rank up to the widest change nothing."""
    factors, _ = methods.run_W_first(V, first_start(rank=20), ranks.WITH_RANKS[name], num_iters=study.TINY.num_iters)
    place = arrays.rank_methods.tolist().index(name), arrays.rank_ranks.tolist().index(20)
    near(arrays.rank_error[(*place, 0)], float(methods.relative_error(V, factors)), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("optimized")
def test_at_the_usual_size_the_answers_of_the_source_hold():
    arrays = study.compute(study.Settings())
    a = Arrays(arrays)
    final = study.by_name(a, a.final)
    assert min(final, key=final.__getitem__) == "HALS (3 sweeps)"
    assert np.all(methods.rose(study.preceding(a, "ALS"), study.curves(a, "ALS")).sum(axis=1) > 10)
    assert a.step_overflowed.any()
    assert np.all(a.step_diverged[a.step_overflowed])
    assert np.all(a.step_diverged[:, np.sqrt(a.step_W * a.step_H) > 2 / a.step_norm * (1 + 1e-9)])
    assert len(study.sections(arrays)) == 12
