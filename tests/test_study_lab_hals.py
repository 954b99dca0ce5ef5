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
    """Runs of these curves, with 1 s an iteration for the reference and 2 s for the others."""
    longest = max(map(len, curves.values()))
    curve = np.array([[*values, *[np.nan] * (longest - len(values))] for values in curves.values()])
    labels = [study.REFERENCE if label == "HALS" else label for label in curves]
    seconds = np.array([1.0 if label == study.REFERENCE else 2.0 for label in labels])
    return study.Runs(
        "x", "x", labels, curve, np.array([len(v) - 1 for v in curves.values()]), seconds, np.nanmin(curve)
    )


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


def test_hals_is_ahead_in_iterations(runs):
    last = dict(zip(runs.labels, runs.last(), strict=True))
    assert last["HALS (5 sweeps)"] < last["HALS (3 sweeps)"] < last["HALS"] < min(last["MU"], last["PGD (1/L)"])
    for up in study.speed_ups(runs):
        if up.label in ("MU", "PGD (1/L)", "PGD (backtracking)", "ALS"):
            assert up.in_iterations > 1, up


def test_shares_of_a_half_step(arrays):
    share = dict(zip(study.HALF_STEPS, arrays["synthetic.share"].T, strict=True))
    assert all(np.all(values <= 1 + 1e-9) for values in share.values())
    assert np.all(share["HALS (5 sweeps)"] > share["HALS (3 sweeps)"])
    assert np.all(share["HALS (3 sweeps)"] > share["HALS"])
    assert share["HALS"][1] > share["MU"][1]
    assert arrays["synthetic.slack"] > 1


def test_speed_up():
    runs = made_up(HALS=(9, 4, 3, 2), MU=(9, 8, 7, 6, 5, 4.001, 4), PGD=(9, 3.0, 1.9), ALS=(9, 3, 8))
    mu, pgd, als = study.speed_ups(runs)
    assert (mu.own, mu.reference, mu.in_iterations, mu.in_time) == (5, 1, 5, 10)  # 4.001 is within 0.1 % of its least
    assert (als.own, als.reference, als.in_iterations, als.in_time) == (1, 2, 0.5, 1)
    assert pgd.own == 2
    assert np.isnan([pgd.reference, pgd.in_iterations, pgd.in_time]).all()
    text = study.how_much_on(runs)
    assert "sooner than MU (in time 10.0 times; at iteration 1 against 5)" in text
    assert "about as soon as ALS" in text
    assert "does not come as low as PGD." in text
    assert "later than" not in text
    assert study.speed_table(runs).rows[1][3:] == ("not", "", "")


def test_where_hals_is_behind():
    runs = made_up(HALS=(9, 4, 3, 2.5), MU=(9, 3), ALS=(9, 3.5, 3.1))
    runs = runs._replace(
        labels=[*runs.labels, "HALS"],
        curve=np.vstack([runs.curve, runs.curve[0] + 1]),
        num_iters=np.append(runs.num_iters, 3),
        seconds=np.array([1.0, 3.0, 0.25, 1.0]),
    )
    text = study.where_not_on(runs)
    assert "equal iterations: MU and ALS after 1, none after 10, MU at the last of their own" in text
    assert "of their own run: ALS. Cheaper in an iteration: ALS." in text  # half a second: HALS has not begun
    assert "with one sweep is at 5.0000, MU at 3.0000" in text


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
    first, much, sweeps, why, where = study.sections(arrays)
    lowest = np.nanmin(arrays["synthetic.curve"])
    assert f"The best error of any run is {lowest:.4f}" in first.answer
    assert [row[4] for row in first.tables[0].rows] == [f"{error:.4f}" for error in runs.last()]
    assert [row[0] for row in much.tables[0].rows] == [label for label in runs.labels if label != study.REFERENCE]
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
    assert all("another" in text for text in texts[:2])
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
