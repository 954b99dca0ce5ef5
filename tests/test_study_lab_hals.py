"""The race of HALS against the others: the order of the methods, and that the page says what the numbers say."""

from dataclasses import replace

import numpy as np
import pytest

import jnmf
from experiments import data
from experiments import lab_hals as study


def missing():
    raise data.DataMissing("no such file")


@pytest.fixture(scope="module")
def arrays():
    return study.compute(study.TINY)


@pytest.fixture(scope="module")
def runs(arrays):
    return study.runs_of(arrays, "synthetic")


@pytest.fixture(scope="module")
def two(arrays):
    """The arrays as they are with a second problem."""
    copies = {key.replace("synthetic", "digits-3"): value for key, value in arrays.items() if "synthetic" in key}
    title = {"digits-3.title": np.array("the digits at rank 3")}
    return arrays | copies | title | {"problems": np.array(["synthetic", "digits-3"])}


def made_up(**curves) -> study.Runs:
    """Runs of these curves from two starts, with 1 s an iteration for the reference and 2 s for the others."""
    longest = max(map(len, curves.values()))
    curve = np.array([[*values, *[np.nan] * (longest - len(values))] for values in curves.values()])
    labels = [{"HALS3": study.REFERENCE, "BCD": "BCD (1/L)"}.get(label, label) for label in curves]
    seconds = np.array([[1.0, 1.0] if label == study.REFERENCE else [2.0, 2.0] for label in labels])
    num_iters = np.array([len(values) - 1 for values in curves.values()])
    return study.Runs("x", "x", labels, np.stack([curve, curve], axis=1), num_iters, seconds, 0.0)


def test_the_arrays_can_be_kept(arrays):
    for name, array in arrays.items():
        assert isinstance(array, np.ndarray | np.generic), name
        assert array.dtype != object, name


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


def test_all_but_als_descend(arrays):
    for label, curves in zip(arrays["synthetic.labels"], arrays["synthetic.curve"], strict=True):
        rises = np.diff(curves, axis=1) > 0
        assert label == "ALS" or not np.any(rises), label


def test_the_curve_is_that_of_the_library(arrays):
    (problem,), _ = study.make_problems(study.TINY)
    key = jnmf.init.as_key(study.TINY.seed)
    start = jnmf.init.random(study.jax.random.fold_in(key, 0), problem.X, problem.rank)
    W, H = study.descend(problem.X, start, jnmf.HALS(), num_iters=10).factors
    error = np.linalg.norm(problem.X - W @ H) / np.linalg.norm(problem.X)
    a = arrays["synthetic.labels"].tolist().index("HALS")
    np.testing.assert_allclose(arrays["synthetic.curve"][a, 0, -1], error, rtol=1e-9)


def test_the_curve_is_in_the_order_of_the_lab(arrays):
    """W from H first, and then H from W."""
    V = data.generate_dataset_NMF(study.TINY.noise_level).V
    key = jnmf.init.as_key(study.TINY.seed)
    W, H = (np.asarray(A) for A in jnmf.init.random(study.jax.random.fold_in(key, 0), V.T, 25))
    W, H = H.T, W.T  # of V
    W = np.maximum(np.linalg.lstsq(H.T, V.T, rcond=None)[0].T, 0)
    H = np.maximum(np.linalg.lstsq(W, V, rcond=None)[0], 0)
    error = np.linalg.norm(V - W @ H) / np.linalg.norm(V)
    a = arrays["synthetic.labels"].tolist().index("ALS")
    np.testing.assert_allclose(arrays["synthetic.curve"][a, 0, 1], error, rtol=1e-9)
    np.testing.assert_array_equal(arrays["synthetic.size"], V.shape)


def test_hals_is_ahead_in_iterations(runs):
    last = dict(zip(runs.labels, runs.last(), strict=True))
    lowest = np.minimum(last["MU"], last["BCD (1/L)"])
    assert np.all(last["HALS (5 sweeps)"] < last["HALS (3 sweeps)"])
    assert np.all(last["HALS (3 sweeps)"] < last["HALS"])
    assert np.all(last["HALS"] < lowest)
    for label in study.ASKED:
        assert np.all(study.speed_up(runs, label).in_iterations > 1), label


def test_shares_of_a_half_step(arrays):
    share = dict(zip(study.HALF_STEPS, arrays["synthetic.share"].T, strict=True))
    assert all(np.all(values <= 1 + 1e-9) for values in share.values())
    assert np.all(share["HALS (5 sweeps)"] > share["HALS (3 sweeps)"])
    assert np.all(share["HALS (3 sweeps)"] > share["HALS"])
    assert share["HALS"][1] > share["MU"][1]
    assert arrays["synthetic.slack"] > 1


def test_speed_up():
    runs = made_up(HALS3=(9, 4, 3, 2), MU=(9, 8, 7, 6, 5, 4.001, 4), BCD=(9, 3.0, 1.9), ALS=(9, 3, 8))
    mu, pgd, als = (study.speed_up(runs, label) for label in ("MU", "BCD (1/L)", "ALS"))
    assert mu.own.tolist() == [5, 5]  # 4.001 is within 0.1 % of its least
    assert (mu.reference[0], mu.in_iterations[0], mu.in_time[0]) == (1, 5, 10)
    assert (als.own[0], als.reference[0], als.in_iterations[0], als.in_time[0]) == (1, 2, 0.5, 1)
    assert pgd.own[0] == 2
    assert np.isnan([pgd.reference, pgd.in_iterations, pgd.in_time]).all()
    assert study.speed_table(runs).rows[1][3:] == ("not from every start", "", "")


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [((1.5, 2), "sooner"), ((0.5, 0.9), "later"), ((0.9, 1.1), "undecided"), ((np.nan, 2), "undecided"),
     ((np.nan, np.nan), "never")],
)  # fmt: skip
def test_a_verdict_is_that_of_every_start(ratio, expected):
    assert study.verdict(np.array(ratio)) == expected


def test_how_much_turns_with_the_clock_and_the_curves():
    same = (9, 4, 3, 2)
    runs = made_up(HALS3=same, MU=same, BCD=(9, 1), ALS=same)
    runs = runs._replace(
        labels=[*runs.labels, "BCD (backtracking)"],
        curve=np.concatenate([runs.curve, runs.curve[:1]]),
        num_iters=np.append(runs.num_iters, 3),
        seconds=np.array([[1.0, 1.0], [2.0, 4.0], [1.0, 1.0], [0.25, 0.5], [0.5, 2.0]]),
    )
    text = study.how_much_on(runs)
    assert "is sooner at the lowest error of MU (2 to 4 times in time, 1 times in iterations)" in text
    assert "is later at the lowest error of ALS (2 to 4 times in time" in text
    assert "sooner than BCD (backtracking) the starts do not decide" in text
    assert "does not come as low as BCD (1/L)" in text


def test_where_hals_is_behind():
    runs = made_up(HALS3=(9, 4, 3, 2.5), MU=(9, 3), ALS=(9, 3.5, 3.1), HALS=(9, 5, 4, 3.5))
    runs = runs._replace(seconds=np.array([[1.0, 1.0], [3.0, 3.0], [0.25, 0.25], [1.0, 1.0]]))
    text = study.where_not_on(runs)
    assert "from every start: ALS and MU after 1 iteration, no other method after 10" in text
    assert "and ALS at the time when its own run ends. An iteration takes less time with ALS." in text
    assert "with one sweep is at 5.000, MU at 3.000" in text
    curve = runs.curve.copy()
    curve[1:3, 1, 1] = 5  # from the second start they are not ahead
    text = study.where_not_on(runs._replace(curve=curve))
    assert "from every start: no other method after 1 iteration" in text


def test_ahead_counts_the_starts():
    runs = made_up(HALS3=(9, 2), MU=(9, 3), ALS=(9, 1), BCD=(9, 3))
    curve = np.concatenate([runs.curve, runs.curve[1:2]])
    curve[3, 0, 1] = 1.5  # BCD ends lower from the first start
    runs = runs._replace(labels=[*runs.labels, "BCD (backtracking)"], curve=curve, num_iters=np.ones(5, int))
    text = study.ahead(runs, study.REFERENCE)
    assert "below BCD (backtracking) and MU from every one of 2 starts" in text
    assert "below BCD (1/L) (1 of 2) from some" in text
    assert "not below ALS from any start" in text


def test_more_sweeps_pay_or_not():
    runs = made_up(HALS=(9, 4, 2), HALS3=(9, 2), five=(9, 2))
    runs = runs._replace(labels=list(study.SWEEPS), seconds=np.array([[1.0, 1.0], [1.5, 1.5], [1.0, 4.0]]))
    text = study.sweeps_on(runs)
    assert "HALS (3 sweeps): yes, 1.3 times" in text
    assert "HALS (5 sweeps): not decided by these starts, 0.5 to 2 times" in text
    slow = study.sweeps_on(runs._replace(seconds=np.array([[1.0, 1.0], [3.0, 3.0], [4.0, 4.0]])))
    assert "HALS (3 sweeps): no, 0.67 times" in slow


def test_no_two_curves_look_alike():
    assert set(study.STYLES) == set(study.ALGORITHMS)
    assert len({(color, dash) for color, dash, _ in study.STYLES.values()}) == len(study.STYLES)
    assert len({marker for *_, marker in study.STYLES.values()}) == len(study.STYLES)


def test_every_figure_belongs_to_a_question(two):
    sections = study.sections(two)
    assert sorted(study.plot(two)) == sorted(name for section in sections for name in section.figures)
    assert len({section.question for section in sections}) == len(sections)
    for section in sections:
        assert section.answer
        assert not any(
            "nan" in text for text in (section.answer, *(cell for t in section.tables for cell in sum(t.rows, ())))
        )


def test_the_answers_are_those_of_the_arrays(arrays, runs):
    how, first, much, sweeps, why, where = study.sections(arrays)
    assert "it rose in 0 iterations of HALS." in how.answer
    assert [row[2] for row in first.tables[0].rows] == [f"{error:.5f}" for error in np.median(runs.last(), axis=1)]
    assert first.answer.startswith(f"After {study.TINY.synthetic_iters} iterations HALS is below")
    assert [row[0] for row in much.tables[0].rows] == [label for label in runs.labels if label not in study.SWEEPS]
    assert "2.0 million operations" in why.answer  # 4 · 200 · 100 · 25
    assert "0.4 million, 19% of that" in why.answer  # 2 · 25² · 300
    assert "all three reach" in sweeps.answer
    assert "the synthetic data" in where.answer


def test_one_more_method_is_everywhere(arrays):
    more = dict(arrays)
    for key in ("labels", "num_iters", "curve", "seconds"):
        values = arrays[f"synthetic.{key}"]
        more[f"synthetic.{key}"] = np.concatenate([values.astype("U20") if key == "labels" else values, values[:1]])
    more["synthetic.labels"][-1] = "another"
    texts = [section.answer + str(section.tables) for section in study.sections(more)]
    assert all("another" in text for text in texts[1:3])
    assert study.plot(more)["synthetic"].axes[0].get_lines()[-1].get_label() == "another"


def test_the_digits_and_what_stands_in(monkeypatch):
    settings = replace(study.TINY, digits_ranks=(3, 5), num_images=40)
    monkeypatch.setattr(data, "mnist_train", missing)
    problems, (note,) = study.make_problems(settings)
    assert "no such file" in note
    assert [(p.name, p.X.shape, p.rank) for p in problems[1:]] == [("digits-3", (64, 40), 3), ("digits-5", (64, 40), 5)]
    with pytest.raises(ValueError, match="num_images"):
        study.make_problems(replace(settings, num_images=5000))


def test_no_start_is_an_error():
    with pytest.raises(ValueError, match="num_starts"):
        study.compute(replace(study.TINY, num_starts=0))


def test_the_real_digits(data_folder):
    problems, notes = study.make_problems(study.Settings())
    assert notes == []
    assert problems[1].X.shape == (784, 1000)
    np.testing.assert_allclose(np.linalg.norm(problems[1].X), 293.0718, atol=1e-4)
