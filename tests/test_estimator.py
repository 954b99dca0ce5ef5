"""The estimators: scikit-learn's habits, and the numbers of jnmf."""

import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import scipy.sparse
import sklearn.base
from joblib import Parallel, delayed
from sklearn import config_context, decomposition
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import jnmf
from jnmf import ANLS, HALS, MU, Extrapolated, Status
from jnmf.estimator import NMF, MiniBatchNMF

clone: Any = sklearn.base.clone  # of a model it is one

ROOT = Path(__file__).parent.parent


def data(dtype="float64", shape=(12, 9), rank=3):
    rng = np.random.default_rng(0)
    return (rng.random((shape[0], rank)) @ rng.random((rank, shape[1])) + 0.05 * rng.random(shape)).astype(dtype)


# As scikit-learn's own list of instances has them: the defaults, with more iterations or smaller batches.
@pytest.mark.slow
@parametrize_with_checks([NMF(max_iter=500), MiniBatchNMF(batch_size=10, max_iter=20)])
def test_the_checks_of_scikit_learn(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


@pytest.mark.slow
def test_the_tests_of_scikit_learn():
    done = subprocess.run([sys.executable, "-m", "tests.sklearn_suite"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", ["dense", *(pytest.param(k, marks=pytest.mark.slow) for k in ("float32", "csc"))])
def test_it_is_the_fit_of_jnmf_to_the_bit_without_the_switch(kind):
    X = data("float32" if kind == "float32" else "float64")
    X = scipy.sparse.csc_array(np.where(X > 0.8, X, 0)) if kind == "csc" else X
    with jax.enable_x64(False):
        model = NMF(3, random_state=0, max_iter=20, tol=0)
        W = model.fit_transform(X)
    there = jnmf.fit(X, 3, init="nndsvda", max_iters=20, tol=0)
    assert W.dtype == model.components_.dtype == X.dtype
    np.testing.assert_array_equal(model.fit_.W, there.W)
    np.testing.assert_array_equal(W, model.transform(X))
    np.testing.assert_array_equal(model.components_, there.H)
    np.testing.assert_array_equal(model.trace_.loss, there.trace.loss)
    assert model.status_ == there.status == Status.MAX_ITERS
    if kind == "dense":
        with jax.enable_x64(False):
            loadings = model.transform(X)
        np.testing.assert_array_equal(loadings, jnmf.transform(X, there.H))


@pytest.mark.slow
def test_float64_in_a_process_where_the_switch_was_never_on():
    code = """
import jax, numpy as np, jnmf, scipy.sparse
from jnmf.estimator import NMF
X = scipy.sparse.random_array((40, 30), density=0.2, rng=0)
models = [NMF(3, random_state=1).fit(A) for A in (X, X.toarray())]
jax.config.update("jax_enable_x64", True)
for model, A in zip(models, (X, X.toarray())):
    there = jnmf.fit(A, 3, init="nndsvda", max_iters=200)
    assert model.components_.dtype == float and (model.components_ == there.H).all()
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_objective_is_that_of_scikit_learn():
    """Both minimise it to the end, from the same start."""
    X, rng = data(), np.random.default_rng(1)
    start = {"W": rng.random((12, 3)), "H": rng.random((3, 9))}
    options = {"alpha_W": 0.003, "alpha_H": 0.006, "l1_ratio": 0.4, "init": "custom", "max_iter": 5000, "tol": 1e-9}

    def value(model):
        W, H = model.fit_transform(X, **start), model.components_
        of_W, of_H = (0.4 * A.sum() + 0.3 * np.sum(A * A) for A in (W, H))
        return 0.5 * np.sum((X - W @ H) ** 2) + 9 * 0.003 * of_W + 12 * 0.006 * of_H

    theirs = value(decomposition.NMF(3, **options))
    model = NMF(3, solver="cd", **options)
    np.testing.assert_allclose(value(model), theirs, rtol=1e-6)
    np.testing.assert_allclose(model.fit_.loss, theirs, rtol=1e-6)
    np.testing.assert_allclose(model.algorithm_.l2_H, 12 * 0.006 * 0.6)


def test_a_solver_is_any_algorithm():
    X = data()
    model = NMF(3, solver=ANLS(), random_state=0, init="random", max_iter=5, tol=0).fit(X)
    np.testing.assert_array_equal(model.components_, jnmf.fit(X, 3, ANLS(), max_iters=5, tol=0).H)
    penalised = NMF(3, solver=Extrapolated(HALS()), alpha_W=0.01, l1_ratio=1.0)._algorithm(12, 9)
    assert repr(penalised) == repr(Extrapolated(HALS(l1_W=9 * 0.01, l1_H=12 * 0.01)))
    negative = X - X.mean()
    assert NMF(3, solver=HALS(), max_iter=5, tol=0).fit_transform(negative).min() >= 0
    with pytest.raises(ValueError, match="Negative values in data"):
        NMF(3).fit(negative)


KNOWN = {
    "auto": {},
    "mu": {"solver": "mu", "beta_loss": "kullback-leibler"},
    "ANLS": {"solver": ANLS(on_W=jnmf.terms.Ridge(0.1)), "alpha_H": 0.01},
}


@pytest.mark.parametrize("name", ["auto", *(pytest.param(name, marks=pytest.mark.slow) for name in ("mu", "ANLS"))])
def test_known_components_stay(name):
    X, known = data(), np.random.default_rng(1).random((2, 9))
    model = NMF(3, known_components=known, random_state=0, max_iter=20, tol=0, **KNOWN[name])
    W = model.fit_transform(X)
    np.testing.assert_array_equal(model.components_[:2], known)
    np.testing.assert_array_equal(W, clone(model).fit(X).transform(X))
    np.testing.assert_array_equal(W, jnmf.transform(X, model.components_, model.algorithm_))
    # Of a third component found without them the objective is larger.
    free = decomposition.NMF(1, init="random", max_iter=1, tol=0).fit(X)
    worse = jnmf.transform(X, np.vstack([known, free.components_]), model.algorithm_)
    value = lambda W, H: float(jnmf.objective(X, jnmf.Factors(W, H), model.algorithm_))
    assert value(W, model.components_) < value(worse, np.vstack([known, free.components_]))


def test_what_known_components_cannot_be():
    for known, message in (
        (np.ones((3, 9)), "at most 2"),
        (np.ones((1, 8)), "length 9"),
        (-np.ones((1, 9)), "Negative"),
    ):
        with pytest.raises(ValueError, match=message):
            NMF(2, known_components=known).fit(data())


def test_terms_of_a_solver():
    """Those on H have made it; those on W that are of the rows of the fit are refused for others."""
    X = data()
    smooth = NMF(3, solver=HALS(on_H=jnmf.terms.Smooth(1.0)), max_iter=20, tol=0)
    rough = clone(smooth).set_params(solver=HALS())
    steps = [np.sum(np.diff(model.fit(X).components_) ** 2) for model in (smooth, rough)]
    assert steps[0] < steps[1]
    np.testing.assert_array_equal(smooth.fit_transform(X), jnmf.transform(X, smooth.components_))
    of_rows = NMF(3, solver=HALS(on_W=jnmf.terms.Known(np.ones((12, 1)))), max_iter=5, tol=0).fit(X)
    np.testing.assert_array_equal(of_rows.fit_.W[:, 0], 1)
    with pytest.raises(ValueError, match="its rows are those of the fit"):
        of_rows.transform(X)


OF_KL = pytest.param({"beta_loss": 1.0, "alpha_W": 0.01}, marks=pytest.mark.slow)


@pytest.mark.parametrize("options", [{"solver": "mu"}, OF_KL], ids=str)
def test_fit_transform_is_fit_and_transform(options):
    """However far the iterations came."""
    model = NMF(3, random_state=0, max_iter=4, tol=0, **options)
    W = model.fit_transform(data())
    np.testing.assert_array_equal(W, clone(model).fit(data()).transform(data()))
    assert not np.allclose(W, model.fit_.W, rtol=1e-3)


def test_nan_is_missing():
    X = data()
    X[2, 3], X[4, 0] = np.nan, np.nan
    model = NMF(3, missing="mask", random_state=0, max_iter=10, tol=0).fit(X)
    there = jnmf.fit(X, 3, init="nndsvda", mask=~np.isnan(X), max_iters=10, tol=0)
    np.testing.assert_array_equal(model.components_, there.H)
    masked = np.ma.masked_invalid(X)
    np.testing.assert_array_equal(clone(model).fit(masked).components_, there.H)
    residual = (X - model.fit_.W @ model.components_)[~np.isnan(X)]
    np.testing.assert_allclose(model.reconstruction_err_, np.linalg.norm(residual), rtol=1e-10)
    residual = (X - model.transform(X) @ model.components_)[~np.isnan(X)]
    np.testing.assert_allclose(model.score(X), -0.5 * np.mean(residual**2), rtol=1e-10)
    with pytest.raises(ValueError, match="NaN"):
        NMF(3).fit(masked)


@pytest.mark.slow
def test_what_is_not_stored_is_missing():
    ratings = scipy.sparse.csr_array(np.where(data() > 0.8, data(), 0))
    stored = NMF(3, missing="stored", random_state=0, max_iter=10, tol=0).fit(ratings)
    there = jnmf.fit(ratings, 3, init="nndsvda", mask="stored", max_iters=10, tol=0)
    np.testing.assert_array_equal(stored.components_, there.H)
    residual = (ratings.toarray() - stored.transform(ratings) @ stored.components_)[ratings.toarray() > 0]
    np.testing.assert_allclose(stored.score(ratings), -0.5 * np.mean(residual**2), rtol=1e-9)


def test_a_weight_is_how_often_a_row_counts():
    X, weight = data(), np.array([1, 2, 0, 1, 3, 1, 1, 2, 1, 1, 1, 1])
    options = {"solver": ANLS(), "init": "custom", "max_iter": 3, "tol": 0}
    rng = np.random.default_rng(1)
    W, H = rng.random((12, 3)), rng.random((3, 9))
    model = NMF(3, **options)
    model.fit(X, W=W, H=H, sample_weight=weight)
    there = jnmf.fit(X, 3, ANLS(), init=(W, H), mask=np.tile(weight[:, None], 9), max_iters=3, tol=0)
    np.testing.assert_array_equal(model.components_, there.H)
    of_rows = np.sum((X - model.transform(X) @ model.components_) ** 2, axis=1)
    np.testing.assert_allclose(model.score(X, sample_weight=weight), -0.5 * weight @ of_rows / (9 * 15), rtol=1e-9)
    repeated = X.repeat(weight, axis=0)
    np.testing.assert_allclose(model.score(X, sample_weight=weight), model.score(repeated), rtol=1e-9)
    with config_context(enable_metadata_routing=True):
        asks = clone(model).set_fit_request(sample_weight=True).get_metadata_routing()
    assert asks.fit.requests["sample_weight"] is True


def test_restarts_keep_the_best():
    X = data()
    model = NMF(3, n_init=3, random_state=5, max_iter=5, tol=0).fit(X)
    keys = jax.random.split(jax.random.key(5), 3)
    losses = [float(jnmf.fit(X, 3, key=key, max_iters=5, tol=0).loss) for key in keys]
    assert model.fit_.loss == min(losses)
    assert len(set(losses)) == 3


def test_it_warns_as_scikit_learn_does():
    with pytest.warns(ConvergenceWarning, match="Maximum number of iterations 2 reached"):
        NMF(3, max_iter=2).fit(data())
    with pytest.warns(RuntimeWarning, match="W or H are ignored"):
        NMF(3, max_iter=2, tol=0).fit(data(), H=np.ones((3, 9)))


def test_it_can_be_cloned_kept_and_shared():
    X = data()
    model = NMF(3, solver=Extrapolated(HALS(inner=2)), random_state=0, max_iter=10, tol=0)
    assert repr(clone(model)) == repr(model)
    expected = model.fit(X).transform(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).transform(X), expected)
    with jax.enable_x64(False):
        found = Parallel(2, prefer="threads")(delayed(lambda: clone(model).fit(X).transform(X))() for _ in range(4))
    for W in found:
        np.testing.assert_array_equal(W, expected)


@pytest.mark.slow
def test_processes_share_it():
    X = data()
    models = [NMF(3, random_state=seed, init="random", max_iter=10, tol=0) for seed in range(2)]
    models.append(NMF(3, solver=ANLS(on_H=jnmf.terms.Known(X[:1])), max_iter=5, tol=0))
    there = Parallel(2, backend="loky")(delayed(NMF.fit)(model, X) for model in models)
    for model, other in zip(models, there, strict=True):  # theirs are compiled with all optimisations
        np.testing.assert_allclose(other.transform(X), model.fit_transform(X), rtol=1e-10, atol=1e-12)
        assert other.fit_.status == model.fit_.status


@pytest.mark.slow
def test_frames_in_and_out():
    import pandas

    frame = pandas.DataFrame(data(), index=[f"row {i}" for i in range(12)]).rename(columns=str)
    model = NMF(2, max_iter=5, tol=0).set_output(transform="pandas")
    W = model.fit_transform(frame)
    assert list(W.columns) == ["nmf0", "nmf1"] == list(model.get_feature_names_out())
    assert list(W.index) == list(frame.index)
    assert list(model.feature_names_in_) == list(frame.columns)
    np.testing.assert_allclose(model.inverse_transform(W), W.to_numpy() @ model.components_)


TEXTS = ["red apple tree", "green apple tree", "red car road", "fast car road", "green tree", "fast road"] * 3


@pytest.mark.slow
def test_in_a_pipeline_with_words():
    topics = Pipeline([("words", TfidfVectorizer()), ("nmf", NMF(2, random_state=0))])
    W = topics.fit_transform(TEXTS)
    assert set(W.argmax(axis=1)[[0, 1, 4]]).isdisjoint(W.argmax(axis=1)[[2, 3, 5]])


@pytest.mark.slow
def test_a_grid():
    X = data()
    search = GridSearchCV(NMF(random_state=0, max_iter=20, tol=0), {"n_components": [1, 3]}, cv=2).fit(X)
    assert search.best_params_ == {"n_components": 3}
    assert search.best_score_ > -0.01


def test_a_second_fit_of_the_same_shape_compiles_nothing(compiled):
    X = data()
    model = NMF(3, random_state=0, init="random", alpha_W=0.01, tol=0, max_iter=9)
    model.fit(X).transform(X)
    compiled.clear()
    model.set_params(random_state=1, alpha_W=0.02).fit(1.5 * X).transform(X)
    assert compiled == []


@pytest.mark.slow
def test_mini_batches():
    X = data(shape=(40, 9))
    model = MiniBatchNMF(3, random_state=0, max_iter=60, tol=0, forget_factor=0.0)  # all rows, nothing kept of before
    with jax.enable_x64(False):
        W = model.fit_transform(X)
    assert W.dtype == model.components_.dtype == np.float64
    least = np.linalg.norm(X - np.linalg.multi_dot(jnmf.fit(X, 3, max_iters=500).factors))
    assert least * 0.99 <= model.reconstruction_err_ < 1.02 * least
    assert model.n_steps_ == model.n_iter_
    np.testing.assert_array_equal(model.transform(X), W)
    again = MiniBatchNMF(3, batch_size=20, random_state=0, forget_factor=0.5)
    for _ in range(3):
        again.partial_fit(X[:20]).partial_fit(X[20:])
    there = jnmf.minibatch.begin(X[:20], 3, again._algorithm(20, 9), init="nndsvda")
    for i in range(6):  # of equal batches, where what was before weighs one half
        rows = there.num_rows
        forget = -np.log(2) / np.log(rows / (rows + 20)) if i else 0.0
        there = jnmf.minibatch.step(there, X[:20] if i % 2 == 0 else X[20:], again.algorithm_, forget=forget)
        there = there._replace(num_rows=0.5 * rows + 20)
    np.testing.assert_allclose(again.components_, there.H, rtol=1e-10)


@pytest.mark.slow
def test_mini_batches_of_counts_learn_words_that_come_late():
    X = np.kron(np.eye(2), np.ones((10, 4))) * np.arange(1, 5).repeat(5)[:, None]
    model = MiniBatchNMF(
        2,
        beta_loss="kullback-leibler",
        batch_size=10,
        random_state=0,
        init="random",
        max_iter=50,
        tol=0,
        max_no_improvement=None,
    )
    assert model.fit(X).reconstruction_err_ < 0.01
    for _ in range(20):
        model.partial_fit(X[:10]).partial_fit(X[10:])
    assert np.isfinite(model.score(X))
    with pytest.raises(ValueError, match="no l2_H"):
        clone(model).set_params(alpha_H=0.1).fit(X)


WRONG = {  # what is wrong: (estimator, what is done, error, what it says)
    "complex": (NMF(2), lambda e, X: e.fit(X.astype(complex)), ValueError, "Complex data"),
    "words": (NMF(2), lambda e, X: e.fit([["a", "b"]]), ValueError, "could not convert"),
    "negative": (NMF(2), lambda e, X: e.fit(-X), ValueError, "Negative values"),
    "NaN": (NMF(2), lambda e, X: e.fit(np.where(X > 1, np.nan, X)), ValueError, "NaN"),
    "unfitted": (NMF(2), lambda e, X: e.transform(X), NotFittedError, "not fitted"),
    "features": (NMF(2, max_iter=1, tol=0), lambda e, X: e.fit(X).transform(X[:, 1:]), ValueError, "8 features"),
    "components": (NMF(20, init="nndsvd"), lambda e, X: e.fit(X), ValueError, "can only be used when"),
    "rank": (NMF(0), lambda e, X: e.fit(X), ValueError, "rank"),
    "alpha": (NMF(2, alpha_W=-1), lambda e, X: e.fit(X), ValueError, "alpha_W: expected"),
    "alpha_H": (NMF(2, alpha_H="other"), lambda e, X: e.fit(X), ValueError, "alpha_H"),
    "ratio": (NMF(2, l1_ratio=2.0), lambda e, X: e.fit(X), ValueError, "l1_ratio: expected"),
    "solver": (NMF(2, solver="lbfgs"), lambda e, X: e.fit(X), ValueError, "solver .*: expected"),
    "a class": (NMF(2, solver=HALS), lambda e, X: e.fit(X), TypeError, "expected an instance"),
    "loss": (NMF(2, beta_loss="hinge"), lambda e, X: e.fit(X), ValueError, "beta_loss .*: expected"),
    "two losses": (NMF(2, solver=MU(beta=1.0), beta_loss=1.5), lambda e, X: e.fit(X), ValueError, "that of the solver"),
    "two penalties": (NMF(2, solver=HALS(l1_H=1.0), alpha_W=1.0), lambda e, X: e.fit(X), ValueError, "give one"),
    "cd": (NMF(2, solver="cd", beta_loss=1.0), lambda e, X: e.fit(X), ValueError, "does not handle"),
    "init": (NMF(2, init="svd"), lambda e, X: e.fit(X), ValueError, "init .*: expected"),
    "custom": (NMF(2, init="custom"), lambda e, X: e.fit(X, H=np.ones((2, 9))), ValueError, "expected W beside it"),
    "restarts": (NMF(2, init="nndsvd", n_init=2), lambda e, X: e.fit(X), ValueError, "n_init: expected 1"),
    "shuffle": (NMF(2, shuffle=True), lambda e, X: e.fit(X), ValueError, "shuffle: expected False"),
    "iterations": (NMF(2, max_iter=0), lambda e, X: e.fit(X), ValueError, "max_iter: expected"),
    "tol": (NMF(2, tol=-1), lambda e, X: e.fit(X), ValueError, "tol: expected"),
    "missing": (NMF(2, missing="stored"), lambda e, X: e.fit(X), ValueError, "expected a sparse X"),
    "weights": (NMF(2), lambda e, X: e.fit(X, sample_weight=[1.0]), ValueError, "sample_weight: expected shape"),
    "seed": (NMF(2, random_state="x"), lambda e, X: e.fit(X), ValueError, "cannot be used to seed"),
    "batch": (MiniBatchNMF(2, batch_size=0), lambda e, X: e.fit(X), ValueError, "batch_size: expected"),
    "forget": (MiniBatchNMF(2, forget_factor=2), lambda e, X: e.fit(X), ValueError, "forget_factor: expected"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told(name):
    estimator, call, error, message = WRONG[name]
    with pytest.raises(error, match=message):
        call(clone(estimator), data())


def test_without_scikit_learn_it_says_what_to_install():
    code = "import sys; sys.modules['sklearn'] = None; import jnmf.estimator"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "ImportError: jnmf.estimator: expected scikit-learn" in done.stderr
