"""A study that was watched, stopped, killed or gone on with from a folder is the study that was left alone."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import problem

import jnmf
from jnmf import HALS, MU, Factors, Interrupted, Status, batches, checkpoint, cross_validate, display, sweep, warm_start

X, START = problem("float32")
CALL = {"ranks": [2, 3, 5], "num_restarts": 2, "algorithm": HALS(), "num_iters": 3, "batch_size": 2}


def study(A=X, **changed):
    return sweep(A, **CALL | changed)


@pytest.fixture(scope="module")
def whole():
    return study()


def same(found, wanted):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def interrupt(found):
    raise KeyboardInterrupt


def a_fit_was_run(found):
    raise AssertionError("a fit was run")


def test_an_interrupted_study_has_what_was_finished_and_goes_on(tmp_path, whole):
    with pytest.raises(Interrupted, match="after 2 of 6 fits") as raised:
        study(checkpoint=tmp_path / "a" / "b", callback=interrupt)
    part = raised.value.study
    assert raised.value.fit is None
    done = part.status != Status.STOPPED
    np.testing.assert_array_equal(done, [[True, True], [False, False], [False, False]])
    same((part.loss[0], part.members[0]), (whole.loss[0], whole.members[0]))
    assert np.isnan(part.loss[1:]).all()
    assert np.isnan(part.members[2].W).all()
    assert np.isfinite(part.best(2).W).all()
    calls = []
    same(study(checkpoint=tmp_path / "a" / "b", callback=calls.append), whole)
    assert len(calls) == 2  # the batches that were missing
    same(study(checkpoint=tmp_path / "a" / "b", callback=calls.append), whole)
    assert len(calls) == 2


def test_a_callback_ends_it(whole):
    part = study(callback=lambda found: True)
    assert (part.status == Status.STOPPED).sum() == 4
    same(part.loss[0], whole.loss[0])


def test_nothing_is_there_before_the_first_batch(monkeypatch):
    monkeypatch.setattr(batches, "_batch", lambda *_: interrupt(None))
    with pytest.raises(Interrupted, match="after 0 of 6") as raised:
        study()
    assert raised.value.study is None


def test_cross_validation_goes_on(tmp_path):
    call = {"ranks": [1, 2], "num_restarts": 2, "algorithm": HALS(), "max_iters": 4, "batch_size": 2}
    alone = cross_validate(X, **call)
    with pytest.raises(Interrupted) as raised:
        cross_validate(X, **call, checkpoint=tmp_path, callback=interrupt)
    part = raised.value.study
    assert np.isfinite(part.test[0]).all()
    assert np.isnan(part.test[1]).all()
    assert part.rank == 1
    same(cross_validate(X, **call, checkpoint=tmp_path), alone)
    with pytest.raises(ValueError, match=r"expected the study of .*, whose call is"):
        study(checkpoint=tmp_path)


OTHER = {
    "X": (lambda: {"A": X.at[0, 0].multiply(1.000001)}, "whose X and mask, their fingerprint, is"),
    "the order of X": (lambda: {"A": X[::-1]}, "whose X and mask, their fingerprint, is"),
    "a mask": (lambda: {"mask": np.arange(X.size).reshape(X.shape) > 3}, "whose X and mask, their fingerprint, is"),
    "ranks": (lambda: {"ranks": [2, 3]}, r"whose ranks is \[2, 3, 5\], got \[2, 3\]"),
    "restarts": (lambda: {"num_restarts": 3}, "whose keys is"),
    "a key": (lambda: {"key": 1}, "whose keys is"),
    "an algorithm": (lambda: {"algorithm": HALS(l1_H=0.5)}, r"whose algorithm is HALS\(\), got HALS\(l1_H=0.5\)"),
    "iterations": (lambda: {"num_iters": 4}, "whose num_iters is 3, got 4"),
    "an init": (lambda: {"init": warm_start.sampled(num_iters=2)}, "whose init is 'random', got"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    study(checkpoint=(path := tmp_path_factory.mktemp("study")))
    return path


@pytest.mark.parametrize("name", OTHER)
def test_another_study_is_refused(folder, name):
    changed, message = OTHER[name]
    with pytest.raises(ValueError, match=message):
        study(**changed(), checkpoint=folder)


def test_the_folder_holds_a_file_a_batch_and_nothing_that_runs(folder):
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".npz", ".npz", ".npz"]
    assert json.loads((folder / "study.json").read_text())["algorithm"] == "HALS()"
    for path in folder.glob("*.npz"):
        with np.load(path, allow_pickle=False) as archive:
            assert all(archive[name].dtype != object for name in archive)


def test_words_for_settings():
    """Equal for equal ones, however they were made; a function has its name."""
    words = checkpoint.described
    for same_twice in (
        lambda: warm_start.sampled(num_iters=3),
        lambda: Factors(jnp.ones((2, 1)), np.ones((1, 2))),
        lambda: MU(beta=1.0, l1_H=jnp.array([0.1, 0.2])),
    ):
        assert words(same_twice()) == words(same_twice())
    assert words(warm_start.sampled(num_iters=3)) != words(warm_start.sampled(num_iters=4))
    assert words(MU(l1_H=jnp.array([0.1, 0.2]))) != words(MU(l1_H=jnp.array([0.1, 0.3])))
    W = np.ones((40, 40))
    W[20] = 2
    assert words(partial(interrupt, W=W)) != words(partial(interrupt, W=np.ones((40, 40))))
    assert words(partial(interrupt, W=W)) == words(partial(interrupt, W=W.copy()))
    assert words(jax.random.key(0)) != words(jax.random.key(1))
    assert "0x" not in words(interrupt)


def test_a_damaged_folder_says_what_to_delete(tmp_path, whole):
    study(checkpoint=tmp_path)
    file = sorted(tmp_path.glob("*.npz"))[1]
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match="delete that file, and its members are computed again"):
        study(checkpoint=tmp_path)
    file.unlink()
    same(study(checkpoint=tmp_path), whole)
    jnmf.save(file, START)
    with pytest.raises(ValueError, match=r"expected a batch of the study, got a Factors .*; delete that file"):
        study(checkpoint=tmp_path)
    for text in ("{", "3", "{}", "[]", "[[1, 2]]"):
        (tmp_path / "study.json").write_text(text)
        with pytest.raises(ValueError, match=r"cannot be read .*; delete the folder"):
            study(checkpoint=tmp_path)
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match=r"expected a folder, got .*, which is a file"):
            study(checkpoint=path)
    with pytest.raises(TypeError, match="checkpoint: expected the path of a folder, got True"):
        study(checkpoint=True)


def test_batches_of_another_study_are_refused(folder, tmp_path):
    """Copied into its folder, or left there by a study whose study.json is gone."""
    for file in folder.glob("rank-*.npz"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ValueError, match=r"expected a batch of the study, got one of another study in .*; delete that"):
        study(X[:7, :5], checkpoint=tmp_path)
    (tmp_path / "study.json").unlink()
    with pytest.raises(AssertionError, match="a fit was run"):
        study(X[:7, :5], checkpoint=tmp_path / "none", callback=a_fit_was_run)
    same(study(checkpoint=tmp_path, callback=a_fit_was_run), study())


def test_in_another_unit_of_x(tmp_path):
    huge = jnp.ldexp(X, 60)
    alone = study(huge)
    with pytest.raises(Interrupted):
        study(huge, checkpoint=tmp_path, callback=interrupt)
    same(study(huge, checkpoint=tmp_path), alone)


def test_progress_counts_the_fits(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(display, "EVERY", 0.0)
    with pytest.raises(Interrupted):
        study(progress=True, checkpoint=tmp_path, callback=interrupt)
    assert capsys.readouterr().err.startswith("2/6 fits, the last of rank 2, at most ")
    study(progress=True, checkpoint=tmp_path)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("4/6 fits")
    assert lines[-1].startswith("6/6 fits")
