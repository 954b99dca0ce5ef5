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

IMPOSSIBLE = [({"num_starts": 0}, "num_starts: expected")]


@pytest.fixture(scope="module")
def runs(arrays):
    return study.runs_of(arrays, "synthetic")


def made_up(seconds=None, **curves) -> study.Runs:
    """Runs of these curves from two starts, with 1 s an iteration for the reference and 2 s for the others."""
    longest = max(map(len, curves.values()))
    curve = np.array([[*values, *[np.nan] * (longest - len(values))] for values in curves.values()])
    known = {"HALS3": study.REFERENCE, "HALS5": study.SWEEPS[2], "BCD": "BCD (1/L)", "BCD2": "BCD (backtracking)"}
    labels = [known.get(label, label) for label in curves]
    seconds = seconds or [[1.0, 1.0] if label == study.REFERENCE else [2.0, 2.0] for label in labels]
    num_iters = np.array([len(values) - 1 for values in curves.values()])
    return study.Runs("x", "x", labels, np.stack([curve, curve], axis=1), num_iters, np.array(seconds), 0.0)


def with_two(arrays):
    """The arrays as they are with a second problem."""
    copies = {key.replace("synthetic", "digits-3"): value for key, value in arrays.items() if "synthetic" in key}
    return arrays | copies | {"digits-3.title": np.array("the digits"), "problems": np.array(["synthetic", "digits-3"])}


def test_each_problem_has_its_question_and_its_figure(request, arrays):
    sections = study.sections(with_two(arrays))
    test_every_question_is_answered(sections)
    test_every_figure_belongs_to_a_question(request, with_two(arrays), sections)


def test_each_run_is_whole(arrays):
    curve, num_iters = arrays["synthetic.curve"], arrays["synthetic.num_iters"]
    labels = arrays["synthetic.labels"].tolist()
    assert labels == list(study.ALGORITHMS)
    assert np.all(np.isfinite(curve).sum(axis=2) == num_iters[:, None] + 1)
    np.testing.assert_array_equal(num_iters, [2 if label == "ANLS" else 10 for label in labels])
    np.testing.assert_array_equal(curve[:, :, 0], np.broadcast_to(curve[0, :, 0], curve.shape[:2]))
    assert np.all(curve[np.isfinite(curve)] > arrays["synthetic.bound"])
    assert study.TINY.noise_level == study.Settings().noise_level == 0  # as in the lab
    assert np.all(arrays["synthetic.seconds"] > 0)
    assert len(set(curve[0, :, 0])) == study.TINY.num_starts
    descend = [not np.any(np.diff(of_method, axis=1) > 0) for of_method in curve]
    assert all(down for down, label in zip(descend, labels, strict=True) if label != "ALS")


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
        a = arrays["synthetic.labels"].tolist().index(label)
        np.testing.assert_allclose(arrays["synthetic.curve"][a, 0, iteration], error, rtol=1e-9)
    np.testing.assert_array_equal(arrays["synthetic.size"], V.shape)


def test_hals_is_ahead_in_iterations_and_more_sweeps_in_a_half_step(arrays, runs):
    last = dict(zip(runs.labels, runs.last(), strict=True))
    share = dict(zip(half_steps.HALF_STEPS, arrays["synthetic.share"].T, strict=True))
    for more, fewer in pairwise(reversed(study.SWEEPS)):
        assert np.all(last[more] < last[fewer])
        assert np.all(share[more] > share[fewer])
    assert np.all(last["HALS"] < np.minimum(last["MU"], last["BCD (1/L)"]))
    for label in study.ASKED:
        assert np.all(speed.speed_up(runs, label).in_iterations > 1), label
    assert all(np.all(values <= 1 + 1e-9) for values in share.values())
    assert share["HALS"][1] > share["MU"][1]
    assert arrays["synthetic.slack"] > 1


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
    text = speed.how_much_on(made_up(seconds, HALS3=same, MU=same, BCD=(9, 1), ALS=same, BCD2=same))
    assert "is sooner at the lowest error of MU (2 to 4 times in time, 1 times in iterations)" in text
    assert "is later at the lowest error of ALS (2 to 4 times in time" in text
    assert "sooner than BCD (backtracking) the starts do not decide" in text
    assert "does not come as low as BCD (1/L)" in text


def test_where_hals_is_behind():
    seconds = [[1.0, 1.0], [3.0, 3.0], [0.25, 0.25], [1.0, 1.0]]
    runs = made_up(seconds, HALS3=(9, 4, 3, 2.5), MU=(9, 3), ALS=(9, 3.5, 3.1), HALS=(9, 5, 4, 3.5))
    text = behind.where_not_on(runs)
    assert "from every start: ALS and MU after 1 iteration, no other method after 10" in text
    assert "and ALS at the time when its own run ends. An iteration takes less time with ALS." in text
    assert "with one sweep is at 5.000, MU at 3.000" in text
    curve = runs.curve.copy()
    curve[1:3, 1, 1] = 5  # from the second start they are not ahead
    text = behind.where_not_on(runs._replace(curve=curve))
    assert "from every start: no other method after 1 iteration" in text


def test_ahead_counts_the_starts_and_more_sweeps_pay_or_not():
    runs = made_up(HALS3=(9, 2), MU=(9, 3), ALS=(9, 1), BCD=(9, 3), BCD2=(9, 3))
    runs.curve[3, 0, 1] = 1.5  # BCD ends lower from the first start
    text = comparison.ahead(runs, study.REFERENCE)
    assert "below BCD (backtracking) and MU from every one of 2 starts" in text
    assert "below BCD (1/L) (1 of 2) from some" in text
    assert "not below ALS from any start" in text
    told = lambda *seconds: sweeps.sweeps_on(made_up(list(seconds), HALS=(9, 4, 2), HALS3=(9, 2), HALS5=(9, 2)))
    text = told([1.0, 1.0], [1.5, 1.5], [1.0, 4.0])
    assert "HALS (3 sweeps): yes, 1.3 times" in text
    assert "HALS (5 sweeps): not decided by these starts, 0.5 to 2 times" in text
    assert "HALS (3 sweeps): no, 0.67 times" in told([1.0, 1.0], [3.0, 3.0], [4.0, 4.0])


def test_the_answers_are_those_of_the_arrays(sections, runs):
    how, first, much, sweeps, why, where = sections
    assert "it rose in 0 iterations of HALS." in how.answer
    assert [row[2] for row in first.tables[0].rows] == [f"{error:.5f}" for error in np.median(runs.last(), axis=1)]
    assert first.answer.startswith(f"After {study.TINY.synthetic_iters} iterations HALS is below")
    assert [row[0] for row in much.tables[0].rows] == [label for label in runs.labels if label not in study.SWEEPS]
    assert "2.0 million operations" in why.answer  # 4 · 200 · 100 · 25
    assert "0.4 million, 19% of that" in why.answer  # 2 · 25² · 300
    assert "all three reach" in sweeps.answer
    assert "the synthetic data" in where.answer


def test_one_more_method_is_everywhere_and_no_two_curves_look_alike(arrays):
    more = dict(arrays)
    for key in ("labels", "num_iters", "curve", "seconds"):
        values = arrays[f"synthetic.{key}"]
        more[f"synthetic.{key}"] = np.concatenate([values.astype("U20") if key == "labels" else values, values[:1]])
    more["synthetic.labels"][-1] = "another"
    texts = [section.answer + str(section.tables) for section in study.sections(more)]
    assert all("another" in text for text in texts[1:3])
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
    np.testing.assert_allclose(np.linalg.norm(problems[1].X), 293.0718, atol=1e-4)
