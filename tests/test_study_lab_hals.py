"""The race of HALS against the others: the order of the methods, and that the page says what the numbers say."""

from dataclasses import replace
from itertools import pairwise

import jax
import numpy as np
import pytest
from every_study import *

import jnmf
from experiments import data
from experiments import lab_hals as study
from experiments.lab_hals import behind, comparison, half_steps, speed, sweeps

pytestmark = pytest.mark.slow

IMPOSSIBLE = [({"num_starts": 0}, "num_starts: expected")]
SWEEPS, ALL = list(reversed(study.SWEEPS)), list(study.ALGORITHMS)
of = lambda a, name: a[f"synthetic.{name}"]
last = lambda a, label: study.runs_of(a, "synthetic").last()[ALL.index(label)]
share = lambda a, label: of(a, "share")[:, list(half_steps.HALF_STEPS).index(label)]
FACTS = {
    "every method runs": lambda a: of(a, "labels").tolist() == ALL,
    "to its end": lambda a: np.isfinite(of(a, "curve")).sum(axis=2) == of(a, "num_iters")[:, None] + 1,
    "ANLS takes fewer": lambda a: same(of(a, "num_iters"), [2 if label == "ANLS" else 10 for label in ALL]),
    "all from the same starts": lambda a: of(a, "curve")[:, :, 0] == of(a, "curve")[:1, :, 0],
    "which differ": lambda a: len(set(of(a, "curve")[0, :, 0])) == study.TINY.num_starts,
    "errors are above the bound": lambda a: np.nanmin(of(a, "curve")) > of(a, "bound"),
    "time passes": lambda a: of(a, "seconds") > 0,
    "there is no noise, as in the lab": lambda a: study.TINY.noise_level == study.Settings().noise_level == 0,
    "all but ALS descend": lambda a: ~(np.diff(np.delete(of(a, "curve"), ALL.index("ALS"), axis=0)) > 0),
    "more sweeps end lower": lambda a: tuple(last(a, more) < last(a, fewer) for more, fewer in pairwise(SWEEPS)),
    "and do more of a half-step": lambda a: tuple(share(a, more) > share(a, few) for more, few in pairwise(SWEEPS)),
    "HALS is ahead": lambda a: last(a, "HALS") < np.minimum(last(a, "MU"), last(a, "BCD (1/L)")),
    "and sooner there": lambda a: tuple(
        speed.speed_up(study.runs_of(a, "synthetic"), label).in_iterations > 1 for label in study.ASKED
    ),
    "no half-step does more than all": lambda a: of(a, "share") <= 1 + 1e-9,
    "HALS does more of it than MU": lambda a: share(a, "HALS")[1] > share(a, "MU")[1],
    "there is slack": lambda a: of(a, "slack") > 1,
}
ITERS = f"^After {study.TINY.synthetic_iters} iterations HALS is below"
WORDS = [
    ("implemented", {}, "it rose in 0 iterations of HALS."),
    ("compare", {}, ITERS),
    ("a half-step of HALS", {}, "2.0 million operations"),  # 4 · 200 · 100 · 25
    ("a half-step of HALS", {}, "0.4 million, 19% of that"),  # 2 · 25² · 300
    ("more than once", {}, "all three reach"),
    ("behind", {}, "the synthetic data"),
]


def made_up(seconds=None, **curves) -> study.Runs:
    """Runs of these curves from two starts, with 1 s an iteration for the reference and 2 s for the others."""
    longest = max(map(len, curves.values()))
    curve = np.array([[*values, *[np.nan] * (longest - len(values))] for values in curves.values()])
    known = {"HALS3": study.REFERENCE, "HALS5": study.SWEEPS[2], "BCD": "BCD (1/L)", "BCD2": "BCD (backtracking)"}
    labels = [known.get(label, label) for label in curves]
    seconds = seconds or [[1.0, 1.0] if label == study.REFERENCE else [2.0, 2.0] for label in labels]
    num_iters = np.array([len(values) - 1 for values in curves.values()])
    return study.Runs("x", "x", labels, np.stack([curve, curve], axis=1), num_iters, np.array(seconds), 0.0)


def test_each_problem_has_its_question_and_its_figure(request, arrays):
    copies = {key.replace("synthetic", "digits-3"): value for key, value in arrays.items() if "synthetic" in key}
    two = arrays.but(**copies | {"digits-3.title": "the digits", "problems": ["synthetic", "digits-3"]})
    test_every_question_is_answered(study.sections(two))
    test_every_figure_belongs_to_a_question(request, two, study.sections(two))


def test_the_curves_are_those_of_the_library_and_in_the_order_of_the_lab(arrays):
    """W from H first, and then H from W."""
    (problem,), _ = study.make_problems(study.TINY)
    start = jnmf.init.random(jax.random.fold_in(jax.random.key(study.TINY.seed), 0), problem.X, problem.rank)
    W, H = study.descend(problem.X, start, jnmf.HALS(), num_iters=10).factors
    V, H_first = data.generate_dataset_NMF(study.TINY.noise_level).V, np.asarray(start.W).T  # of V
    W_first = np.maximum(np.linalg.lstsq(H_first.T, V.T, rcond=None)[0].T, 0)
    H_first = np.maximum(np.linalg.lstsq(W_first, V, rcond=None)[0], 0)
    for label, iteration, product in (("HALS", -1, (W @ H).T), ("ALS", 1, W_first @ H_first)):
        error = np.linalg.norm(V - product) / np.linalg.norm(V)
        near(of(arrays, "curve")[ALL.index(label), 0, iteration], error, rtol=1e-9)
    same(of(arrays, "size"), V.shape)


def test_speed_up():
    runs = made_up(HALS3=(9, 4, 3, 2), MU=(9, 8, 7, 6, 5, 4.001, 4), BCD=(9, 3.0, 1.9), ALS=(9, 3, 8))
    mu, pgd, als = (speed.speed_up(runs, label) for label in ("MU", "BCD (1/L)", "ALS"))
    assert mu.own.tolist() == [5, 5]  # 4.001 is within 0.1 % of its least
    assert (mu.reference[0], mu.in_iterations[0], mu.in_time[0]) == (1, 5, 10)
    assert (als.own[0], als.reference[0], als.in_iterations[0], als.in_time[0]) == (1, 2, 0.5, 1)
    assert pgd.own[0] == 2
    assert np.isnan([pgd.reference, pgd.in_iterations, pgd.in_time]).all()
    assert speed.speed_table(runs).rows[1][3:] == ("not from every start", "", "")


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [((1.5, 2), "sooner"), ((0.5, 0.9), "later"), ((0.9, 1.1), "undecided"), ((np.nan, 2), "undecided"),
     ((np.nan, np.nan), "never")],
)  # fmt: skip
def test_a_verdict_is_that_of_every_start(ratio, expected):
    assert study.verdict(np.array(ratio)) == expected


def test_how_much_turns_with_the_clock_and_the_curves():
    same, seconds = (9, 4, 3, 2), [[1.0, 1.0], [2.0, 4.0], [1.0, 1.0], [0.25, 0.5], [0.5, 2.0]]
    says(
        speed.how_much_on(made_up(seconds, HALS3=same, MU=same, BCD=(9, 1), ALS=same, BCD2=same)),
        "is sooner at the lowest error of MU (2 to 4 times in time, 1 times in iterations)",
        "is later at the lowest error of ALS (2 to 4 times in time",
        "sooner than BCD (backtracking) the starts do not decide",
        "does not come as low as BCD (1/L)",
    )


def test_where_hals_is_behind():
    seconds = [[1.0, 1.0], [3.0, 3.0], [0.25, 0.25], [1.0, 1.0]]
    runs = made_up(seconds, HALS3=(9, 4, 3, 2.5), MU=(9, 3), ALS=(9, 3.5, 3.1), HALS=(9, 5, 4, 3.5))
    says(
        behind.where_not_on(runs),
        "from every start: ALS and MU after 1 iteration, no other method after 10",
        "and ALS at the time when its own run ends. An iteration takes less time with ALS.",
        "with one sweep is at 5.000, MU at 3.000",
    )
    runs.curve[1:3, 1, 1] = 5  # from the second start they are not ahead
    says(behind.where_not_on(runs), "from every start: no other method after 1 iteration")


def test_ahead_counts_the_starts_and_more_sweeps_pay_or_not():
    runs = made_up(HALS3=(9, 2), MU=(9, 3), ALS=(9, 1), BCD=(9, 3), BCD2=(9, 3))
    runs.curve[3, 0, 1] = 1.5  # BCD ends lower from the first start
    says(
        comparison.ahead(runs, study.REFERENCE),
        "below BCD (backtracking) and MU from every one of 2 starts",
        "below BCD (1/L) (1 of 2) from some",
        "not below ALS from any start",
    )
    told = lambda *seconds: sweeps.sweeps_on(made_up(list(seconds), HALS=(9, 4, 2), HALS3=(9, 2), HALS5=(9, 2)))
    times = "HALS (5 sweeps): not decided by these starts, 0.5 to 2 times"
    says(told([1.0, 1.0], [1.5, 1.5], [1.0, 4.0]), "HALS (3 sweeps): yes, 1.3 times", times)
    says(told([1.0, 1.0], [3.0, 3.0], [4.0, 4.0]), "HALS (3 sweeps): no, 0.67 times")


def test_the_tables_are_those_of_the_arrays(arrays, sections):
    _, first, much, *_ = sections
    errors = np.median(study.runs_of(arrays, "synthetic").last(), axis=1)
    assert [row[2] for row in first.tables[0].rows] == [f"{error:.5f}" for error in errors]
    assert [row[0] for row in much.tables[0].rows] == [label for label in ALL if label not in study.SWEEPS]


def test_one_more_method_is_everywhere_and_no_two_curves_look_alike(arrays):
    more = {f"synthetic.{key}": of(arrays, key) for key in ("labels", "num_iters", "curve", "seconds")}
    more = arrays.but(**{key: np.concatenate([values, values[:1]]) for key, values in more.items()})
    more["synthetic.labels"] = np.array([*ALL, "another"])
    assert all("another" in section.answer + str(section.tables) for section in study.sections(more)[1:3])
    assert study.plot(more)["synthetic"].axes[0].get_lines()[-1].get_label() == "another"
    assert set(comparison.STYLES) == set(study.ALGORITHMS)
    assert len({(color, dash) for color, dash, _ in comparison.STYLES.values()}) == len(comparison.STYLES)
    assert len({marker for *_, marker in comparison.STYLES.values()}) == len(comparison.STYLES)


def test_the_digits_and_what_stands_in(monkeypatch):
    settings = replace(study.TINY, digits_ranks=(3, 5), num_images=40)
    monkeypatch.setattr(data, "mnist_train", missing)
    problems, (note,) = study.make_problems(settings)
    assert "no such file" in note
    assert [(p.name, p.X.shape, p.rank) for p in problems[1:]] == [("digits-3", (64, 40), 3), ("digits-5", (64, 40), 5)]
    with pytest.raises(ValueError, match="num_images"):
        study.make_problems(replace(settings, num_images=5000))


def test_the_real_digits(data_folder):
    problems, notes = study.make_problems(study.Settings())
    assert notes == []
    assert problems[1].X.shape == (784, 1000)
    near(np.linalg.norm(problems[1].X), 293.0718, atol=1e-4)
