"""What is saved comes back bit for bit, or says why not."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import problem

import jnmf
from jnmf import HALS, MU, Factors, Status

X, START = problem("float32")


@pytest.fixture(scope="module")
def study():
    return jnmf.sweep(X, [2, 3], num_restarts=2, algorithm=HALS(), num_iters=3)


def results(study):
    return {
        "fit": jnmf.fit(X, 3, HALS(), max_iters=3),
        "KL": jnmf.fit(X, 3, MU(beta=1.0), max_iters=3),
        "half": jnmf.fit(X.astype(jnp.bfloat16), 2, HALS(), max_iters=2),
        "sweep": study,
        "cross-validation": jnmf.cross_validate(X, [1, 2], num_restarts=2, algorithm=HALS(), max_iters=3),
        "similarity": jnmf.sweep_similarity(study),
        "consensus": jnmf.consensus(study),
        "factors": START,
    }


def test_everything_comes_back(tmp_path, study):
    for name, value in results(study).items():
        jnmf.save(tmp_path / name, value)
        found = jnmf.load(tmp_path / name)
        assert type(found) is type(value)
        assert jax.tree.structure(found) == jax.tree.structure(value)
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(value), strict=True):
            assert type(a) is type(b) or isinstance(b, np.generic)
            assert np.asarray(a).dtype == np.asarray(b).dtype
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    assert jnmf.load(tmp_path / "fit").status is Status.MAX_ITERS
    assert repr(jnmf.load(tmp_path / "fit.npz")).startswith("Fit of X")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".npz"] * len(results(study))


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    jnmf.save(tmp_path / "kept", START)
    before = (tmp_path / "kept.npz").read_bytes()

    def full(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="no space"):
        jnmf.save(tmp_path / "kept", START)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.npz"]
    assert (tmp_path / "kept.npz").read_bytes() == before


def test_what_cannot_be_saved_or_read_says_so(tmp_path):
    with pytest.raises(TypeError, match=r"save: expected a Fit, .* or Factors, got dict"):
        jnmf.save(tmp_path / "x", {"W": 1})
    with pytest.raises(TypeError, match="traced"):
        jax.jit(lambda W: jnmf.save(tmp_path / "x", Factors(W, W)))(jnp.ones((2, 2)))
    with pytest.raises(FileNotFoundError, match="make it first"):
        jnmf.save(tmp_path / "missing" / "x", START)
    with pytest.raises(FileNotFoundError):
        jnmf.load(tmp_path / "nothing")
    np.savez(tmp_path / "other.npz", a=np.ones(2))
    (tmp_path / "text.npz").write_text("hello")
    for name in ("other", "text"):
        with pytest.raises(ValueError, match=r"expected a file that jnmf\.save wrote"):
            jnmf.load(tmp_path / name)


def test_a_file_with_another_byte_is_read_as_it_was_or_refused(tmp_path):
    path = tmp_path / "x.npz"
    jnmf.save(path, START)
    whole, refused = path.read_bytes(), []
    for place in range(30, len(whole), 9):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        try:
            np.testing.assert_array_equal(jnmf.load(path).W, START.W)
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert all(message.startswith("load: expected") and str(path) in message for message in refused)


FORGED = {
    "a list": [],
    "no value": {},
    "no dictionary inside": {"value": 3},
    "no kind of ours": {"value": {"kind": "Popen", "fields": {}}},
    "no fields": {"value": {"kind": "Factors", "fields": {}}},
    "a field too many": {"value": {"kind": "Factors", "fields": {"x": {"plain": 1}}}},
    "a rule that is none": {"value": {"kind": "Rule", "fields": {"stop": {"plain": "never"}}}},
    "no algorithm of ours": {"value": {"own": "Popen", "fields": {}}},
    "an algorithm without its numbers": {"value": {"own": "HALS", "fields": {"solve": {"plain": 1}}}},
    "no array of that name": {"value": {"array": "b", "dtype": "float32", "of": "jax"}},
    "not that dtype": {"value": {"array": "a", "dtype": "bfloat16", "of": "jax"}},
    "no status": {"value": {"status": "FINE"}},
    "too deep": "[" * 100000,
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_outline_is_refused(tmp_path, name):
    told = FORGED[name]
    np.savez(tmp_path / "x.npz", outline=np.array(told if isinstance(told, str) else json.dumps(told)), a=np.array("b"))
    with pytest.raises(ValueError, match=r"load: expected .* that jnmf\.save wrote, got"):
        jnmf.load(tmp_path / "x")


def test_a_file_has_the_permissions_of_any_new_file(tmp_path):
    jnmf.save(tmp_path / "x", START)
    (tmp_path / "y").touch()
    assert (tmp_path / "x.npz").stat().st_mode == (tmp_path / "y").stat().st_mode
