"""The code of the README, of the tutorial and of the page of terms runs as printed."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.sparse

import jnmf

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SMALLER = (
    ("check_algorithm(Relaxed())", "check_algorithm(Relaxed(), num_examples=3)"),
    ("range(1, 11), num_restarts=20", "(3, 4), num_restarts=3"),
    ("range(1, 6), num_restarts=5", "(3, 4), num_restarts=5"),
    ("range(1, 5), num_restarts=5", "(3, 4), num_restarts=2"),
)


def blocks(text: str) -> list[str]:
    """The code of a page, its studies smaller."""
    for whole, part in SMALLER:
        text = text.replace(whole, part)
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_the_readme_runs(capsys):
    example, study, own = blocks(README)
    assert len(example.splitlines()) == 7
    names = {}
    exec(example, names)
    X = names["X"]
    assert "CONVERGED" in capsys.readouterr().out
    assert names["fit"].loss < 1e-6 * jnp.sum(X * X)
    np.testing.assert_allclose(names["W"] @ names["H"], names["fit"].W @ names["fit"].H, rtol=1e-12)
    exec(study, names)
    assert names["chosen"] == 4
    assert len(plt.get_fignums()) == 3
    plt.close("all")
    exec(own, names)
    assert names["own"].loss < 1.1 * jnmf.fit(X, 4, jnmf.HALS(l1_H=0.01)).loss


CALLS = re.findall(
    r"`((?:fit|sweep|transform|nnls)\(.*?\))`(?=[^`|]|$)",
    README.split("## Which algorithm when")[1].split("##")[0],
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """What the calls of the table speak of."""
    rng = np.random.default_rng(0)
    W, H = rng.random((12, 4)), rng.random((4, 9))
    X = rng.poisson(5 * W @ H) + 1.0
    path = tmp_path_factory.mktemp("table") / "X.npy"
    np.save(path, X)
    public = {name: getattr(jnmf, name) for name in jnmf.__all__}
    return public | {
        "X": X,
        "W": W,
        "H": H,
        "A": W,
        "B": X,
        "path": path,
        "eye": np.eye(12),
        "seen": rng.random(X.shape) < 0.9,
        "ratings": scipy.sparse.csr_array(X * (rng.random(X.shape) < 0.5)),
        "earlier": jnmf.fit(X, 4, max_iters=3),
    }


@pytest.mark.quick(3)
@pytest.mark.parametrize("call", CALLS)
def test_a_call_of_the_table_runs(call, given):
    call = call.replace("num_restarts=20", "num_restarts=2")
    if call.startswith("fit("):
        call = f"{call[:-1]}, max_iters=4)"
    found = eval(call, dict(given))
    assert np.isfinite(found.loss if hasattr(found, "loss") else found).all()


def test_the_table_has_its_calls():
    assert len(CALLS) > 20


@pytest.mark.slow
def test_the_tutorial_runs(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # files are left in the current folder
    example, more, cheap, study, named, sparse, long, sklearn = blocks(
        (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    )
    names = {}
    exec(example, names)
    assert re.fullmatch(r"(CONVERGED|MAX_ITERS) \d+ loss \S+\n", capsys.readouterr().out)
    X = names["X"]
    assert names["fit"].loss < 1e-3 * jnp.sum(X * X)
    assert jnp.allclose(names["W"] @ names["H"], names["fit"].W @ names["fit"].H)
    exec(more, names)
    assert names["losses"].shape == (20,)
    assert names["path"].shape == (5, 4, 40)
    assert (jnp.diff(jnp.sum(names["path"], axis=(1, 2))) < 0).all()
    assert jnp.linalg.norm(names["new_W"] @ names["fit"].H - X[:3]) < 0.05 * jnp.linalg.norm(X[:3])
    assert isinstance(names["kl"].W, jax.Array)
    exec(cheap, names)
    assert names["quick"].loss < 1e-3 * jnp.sum(X)
    plt.close("all")
    assert study == blocks(README)[1]
    exec(named, names)
    assert list(jnmf.frames(names["topics"]).H.columns) == ["sun", "rain", "wind", "snow"]
    assert len(plt.get_fignums()) == 1
    plt.close("all")
    exec(sparse, names)
    assert names["topics"].W.shape == names["ratings"].W.shape == (400, 5)
    assert names["choice"] in (2, 3)
    assert names["A"].shape == (400, 300)
    exec(long, names)
    whole = jnmf.fit(X, 4, tol=1e-8, max_iters=1000)
    assert names["more"].num_iters == whole.num_iters
    assert (names["more"].W == whole.W).all()
    exec(sklearn, names)
    assert names["loadings"].shape == (60, 4)
    assert {path.name for path in tmp_path.iterdir()} >= {"fit.npz", "study"}


@pytest.mark.slow
def test_the_page_of_terms_runs():
    examples, own = blocks((ROOT / "docs" / "terms.md").read_text(encoding="utf-8"))
    names = {}
    exec(examples, names)
    assert jnp.abs(names["compact"].W.sum(axis=1) - 1).max() < 0.1
    assert (names["guided"].H[:2] == names["H"][:2]).all()
    assert names["signed"].H.min() < 0 <= names["signed"].W.min()
    exec(own, names)


def test_every_size_that_is_made_smaller_is_there():
    pages = README + (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    assert [whole for whole, _ in SMALLER if whole not in pages] == []
