"""The example in the README runs as printed."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt

import jnmf

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_example_runs(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # files are left in the current folder
    example, own, term, study, named, sparse, long, sklearn = re.findall(r"```python\n(.*?)```", README, re.S)
    names = {}
    exec(example, names)
    assert re.fullmatch(r"(CONVERGED|MAX_ITERS) \d+ loss \S+\n", capsys.readouterr().out)
    X = names["X"]
    assert names["fit"].loss < 1e-3 * jnp.sum(X * X)
    assert jnp.allclose(names["W"] @ names["H"], names["fit"].W @ names["fit"].H)
    assert names["losses"].shape == (20,)
    assert names["path"].shape == (5, 4, 40)
    assert (jnp.diff(jnp.sum(names["path"], axis=(1, 2))) < 0).all()
    assert jnp.linalg.norm(names["new_W"] @ names["fit"].H - X[:3]) < 0.05 * jnp.linalg.norm(X[:3])
    assert isinstance(names["kl"].W, jax.Array)
    assert "check_algorithm(Relaxed())" in own
    exec(own.replace("check_algorithm(Relaxed())", "check_algorithm(Relaxed(), num_examples=3)"), names)
    assert names["own"].loss < 1.1 * jnmf.fit(X, 4, jnmf.HALS(l1_H=0.01)).loss
    exec(term, names)
    assert jnp.abs(names["compact"].W.sum(axis=1) - 1).max() < 0.1
    assert (names["guided"].H[:2] == names["H"][:2]).all()
    assert names["signed"].H.min() < 0 <= names["signed"].W.min()
    plt.close("all")
    for whole, part in (("range(1, 11), num_restarts=20", "(3, 4), num_restarts=3"), ("range(1, 6)", "(3, 4)")):
        assert whole in study
        study = study.replace(whole, part)
    exec(study, names)
    assert names["chosen"] == 4
    assert len(plt.get_fignums()) == 3
    plt.close("all")
    exec(named, names)
    assert list(jnmf.frames(names["topics"]).H.columns) == ["sun", "rain", "wind", "snow"]
    assert len(plt.get_fignums()) == 1
    plt.close("all")
    exec(sparse, names)
    assert names["topics"].W.shape == names["ratings"].W.shape == (400, 5)
    assert names["choice"] in (2, 3)
    assert names["A"].shape == (400, 300)
    assert "range(1, 5), num_restarts=5" in long
    exec(long.replace("range(1, 5), num_restarts=5", "(3, 4), num_restarts=2"), names)
    whole = jnmf.fit(X, 4, tol=1e-8, max_iters=1000)
    assert names["more"].num_iters == whole.num_iters
    assert (names["more"].W == whole.W).all()
    exec(sklearn, names)
    assert names["loadings"].shape == (60, 4)
    assert {path.name for path in tmp_path.iterdir()} >= {"fit.npz", "study"}


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (Path(__file__).parent.parent / target).exists(), target
