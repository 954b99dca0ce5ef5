"""scikit-learn's own tests of NMF, run on the estimators of jnmf. `python -m tests.sklearn_suite [pytest's options]`.

They are read from the installed package; what they import by name is ours. A test that fails is named below with the
reason. A name of which all tests pass is an error, and so are fewer than 95 % that pass. What tests a private function
of scikit-learn does not count.
"""

import os
import sys
import warnings
from collections import Counter
from pathlib import Path

# Hundreds of tiny programs, kept between runs.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent.parent / ".cache" / "programs"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")

import jax
import numpy as np
import pytest
import sklearn
import sklearn.decomposition

from jnmf.estimator import NMF, MiniBatchNMF

PRIVATE = (  # of private functions and attributes of scikit-learn, which are not replaced
    "test_initialize_nn_output",
    "test_initialize_close",
    "test_initialize_variants",
    "test_beta_divergence",
    "test_special_sparse_dot",
    "test_nmf_underflow",
    "test_nmf_n_components_auto",  # reads _n_components; n_components_ is the same
)

EXCEPTIONS = {
    "test_nmf_true_reconstruction": "W H has to be 0 where X is; multiplicative updates get to 1e-25 here",
    "test_nmf_negative_beta_loss": "zeros of X for beta ≤ 0 are refused in the words of jnmf, with their places",
    "test_minibatch_nmf_negative_beta_loss": "the same",
    "test_nmf_minibatchnmf_equivalence": "W of a batch is solved to the end, where NMF makes one update",
    "test_minibatch_nmf_partial_fit": "the two are given other rows; there, both write into one H",
}


def non_negative_factorization(X, W=None, H=None, n_components="auto", *, update_H=True, **options):
    """The function of this name, by the estimator."""
    model = NMF(n_components, **options)
    if update_H:
        W = model.fit_transform(X, W=W, H=H)
        return W, model.components_, model.n_iter_
    if W is not None:
        warnings.warn("When update_H=False, the provided initial W is not used.", RuntimeWarning, stacklevel=2)
    H = np.asarray(H)
    ones = np.ones((X.shape[0], H.shape[0]), X.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model.set_params(init="custom", max_iter=1, tol=0).fit(X, W=ones, H=H)
    model.components_ = H
    return model.transform(X), H, 1


class Outcomes:
    """What became of each test."""

    def __init__(self):
        self.found: dict[str, str] = {}

    def pytest_runtest_logreport(self, report):
        name = report.nodeid.split("::")[-1]
        if report.when == "call" or report.outcome != "passed":
            self.found[name] = report.outcome
        if report.when == "teardown" and len(self.found) % 40 == 0:
            jax.clear_caches()  # all programs together take more memory maps than a process may have


def named(name: str, table) -> str | None:
    """The entry of a table for a test: its name, or that of all its parameters."""
    return next((entry for entry in (name, name.split("[")[0]) if entry in table), None)


def run(options=()) -> int:
    """The number of tests that are not as the table says."""
    sklearn.decomposition.NMF, sklearn.decomposition.MiniBatchNMF = NMF, MiniBatchNMF
    sklearn.decomposition.non_negative_factorization = non_negative_factorization
    path = Path(sklearn.decomposition.__file__).parent / "tests" / "test_nmf.py"
    outcomes = Outcomes()
    quiet = ["-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "no:randomly", f"--rootdir={path.parent}"]
    pytest.main([str(path), "-c", os.devnull, *quiet, *options], plugins=[outcomes])
    counted = {name: found for name, found in outcomes.found.items() if not named(name, PRIVATE)}
    passed = sum(found == "passed" for found in counted.values())
    print(f"{passed} of {len(counted)} tests of scikit-learn {sklearn.__version__} pass, {passed / len(counted):.1%}")
    excused = Counter(named(name, EXCEPTIONS) for name, found in counted.items() if found != "passed")
    for name, reason in EXCEPTIONS.items():
        print(f"{excused[name]:3} {name}: {reason}")
    wrong = [name for name, found in counted.items() if found != "passed" and not named(name, EXCEPTIONS)]
    stale = [name for name in EXCEPTIONS if not excused[name] and any(named(test, [name]) for test in counted)]
    for name in wrong:
        print(f"expected to pass: {name}")
    for name in stale:
        print(f"expected to fail: {name}; take it out of the table")
    too_few = not options and passed < 0.95 * len(counted)
    return len(wrong) + len(stale) + too_few


if __name__ == "__main__":
    sys.exit(min(run(sys.argv[1:]), 1))
