"""What CONVERGED promises, over algorithms, data, precisions and rules; and the default in float32."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import penalised

from jnmf import ANLS, HALS, MU, PGD, Accelerated, Extrapolated, Factors, Status, fit, init, loops, objective, run

M, N, R = 30, 20, 3
RULES = {"delta": 1e-4, "loss": 1e-6, "kkt": 1e-4}
ALGORITHMS = {
    "default": Extrapolated(Accelerated(HALS())),
    "HALS": HALS(),
    "HALS inner": HALS(inner=3),
    "MU": MU(),
    "MU KL": MU(beta=1.0),
    "MU 0.5": MU(beta=0.5),
    "MU penalised": MU(l1_H=0.1, l2_W=0.1),
    "Accelerated MU": Accelerated(MU()),
    "PGD": PGD(),
    "PGD backtracking": PGD(step_size="backtracking"),
    "ANLS": ANLS(),
    "Extrapolated ANLS": Extrapolated(ANLS()),
    "HALS penalised": HALS(l1_H=0.1, l2_W=0.1),
}
COMBINATIONS = list(itertools.product(ALGORITHMS, ("float32", "float64"), RULES))
# Each algorithm with a precision and a rule or two, and each precision with each rule; all data in one batch.
COVER = [c for i, c in enumerate(COMBINATIONS) if (i % 6) in ((0, 4), (1, 5), (2, 3))[(i // 6) % 3]]
# Those that take thousands of iterations, or repeat what two others do, are in the slow table alone.
ONLY_SLOW = ("MU 0.5", "Accelerated MU", "Extrapolated ANLS", "PGD backtracking", "MU penalised")
REPEATED = [("ANLS", "float32", "loss"), ("PGD", "float64", "delta"), ("MU", "float32", "delta")]
REPEATED += [("MU KL", "float32", "loss"), ("default", "float32", "delta"), ("HALS inner", "float64", "delta")]
COVER = [c for c in COVER if c[0] not in ONLY_SLOW and c not in REPEATED]


def data(seed=0):
    """(D, m, n): rank 3 exactly and with noise of 0.2, 2 and 10 %, counts, mostly zeros, constant."""
    rng = np.random.default_rng(seed)
    U = rng.uniform
    exact = U(size=(M, R)) @ U(size=(R, N))
    sparse = (U(size=(M, R)) * (U(size=(M, R)) < 0.4)) @ (U(size=(R, N)) * (U(size=(R, N)) < 0.4))
    noisy = [exact + noise * U(size=(M, N)) for noise in (0.002, 0.02, 0.1)]
    return np.stack([exact, *noisy, rng.poisson(3 * exact), sparse + 0.05 * U(size=(M, N)), np.ones((M, N))])


def remaining(X, algorithm, stop, tol, max_iters=3000):
    """The status, and how much of ½‖X‖² (of ΣX for MU with β ≠ 2) ten times the iterations still gain, over tol.

    The gain is 0 where the fit did not converge.
    """
    starts = jax.vmap(lambda x: init.random(0, x, R))(X)
    one = lambda x, start: fit(x, algorithm=algorithm, init=start, stop=stop, tol=tol, max_iters=max_iters)
    found = jax.vmap(one)(X, starts)
    more = jax.jit(jax.vmap(lambda x, start, k: loops.last_factors(x, start, algorithm, k)))
    later = more(X, found.factors, 10 * found.num_iters * (found.status == Status.CONVERGED))
    exactly = jax.vmap(lambda x, *factors: objective(x, Factors(*factors), algorithm))
    X, *factors = (np.asarray(A, float) for A in (X, *found.factors, *later))
    gained = exactly(X, *factors[:2]) - exactly(X, *factors[2:])
    scale = 0.5 * np.sum(X**2, axis=(1, 2)) if algorithm.loss.quadratic else np.sum(X, axis=(1, 2))
    return np.asarray(found.status), np.asarray(gained) / scale / tol


def check(name, dtype, stop, X):
    algorithm = ALGORITHMS[name]
    X = jnp.asarray(X + 0.1 if algorithm.loss.degree < 1 else X, dtype)
    status, gained = remaining(X, algorithm, stop, RULES[stop])
    assert (status != Status.NONFINITE).all()
    assert gained[status == Status.CONVERGED].max(initial=0) < 10
    return status


@pytest.mark.quick(1)
@pytest.mark.parametrize(("name", "dtype", "stop"), COVER)
def test_after_convergence_ten_times_the_iterations_gain_little(name, dtype, stop):
    status = check(name, dtype, stop, data())
    assert (status == Status.CONVERGED).any()


PLATEAUS = {("MU 0.5", "float64", "loss"), ("Accelerated MU", "float64", "loss"), ("MU KL", "float32", "loss")}
"""Multiplicative updates rest for hundreds of iterations, and then go on: on one draw the gain is 16 tol, not 10.

By KL, on counts, a plateau began before the middle of 2632 iterations, and after it 26320 gain 143 tol. In float32 the
rounding of one processor led onto it, that of another past it.
"""


def marked(combination):
    exact = combination[1] == "float64"
    known = pytest.mark.xfail(reason="a plateau as long as the fit before it", strict=exact)
    return pytest.param(*combination, marks=[known] if combination in PLATEAUS else [])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dtype", "stop"), [marked(c) for c in COMBINATIONS])
def test_after_convergence_little_is_gained_by_any_of_them(name, dtype, stop, optimized):
    """The whole table, on three draws of the data and on a single row."""
    for seed in range(3):
        check(name, dtype, stop, data(seed))
    row = data()[:, :1]
    check(name, dtype, stop, row)


@pytest.mark.quick(1)
@pytest.mark.parametrize("noise", [0.0, 0.002, 0.02, 0.1])
def test_the_default_in_float32_ends_where_slow_sweeps_do(noise):
    """Twenty starts of `fit`'s defaults, beside ten times the iterations of HALS with three sweeps from the same start.

    Both in a batch. Exact data are judged by the relative error, after 300 iterations, where it is all rounding.
    """
    U = lambda seed, *shape: np.random.default_rng(seed).uniform(size=shape)
    X = jnp.asarray(U(0, 60, 4) @ U(1, 4, 40) + noise * U(2, 60, 40), "float32")
    starts = jax.vmap(lambda key: init.random(key, X, 4))(jax.random.split(jax.random.key(0), 20))
    stop = {} if noise else {"tol": 0.0, "max_iters": 300}
    found = jax.vmap(lambda start: fit(X, init=start, **stop))(starts)
    slow = jax.jit(jax.vmap(lambda start, k: loops.last_factors(X, start, HALS(inner=3), k)))(
        starts, 10 * found.num_iters
    )

    def squares(factors):
        W, H = (np.asarray(A, float) for A in factors)
        return np.sum((np.asarray(X, float) - W @ H) ** 2, axis=(1, 2))

    ratio = squares(found.factors) / squares(slow)
    if noise:
        assert np.mean(np.asarray(found.status) == Status.CONVERGED) > 0.9  # the others are at the most iterations
    assert ratio.max() < (1.01 if noise else 9)


COMPOSED = {
    "default": Extrapolated(Accelerated(HALS())),
    "bold": Extrapolated(HALS(), weight=1.0, growth=1.5),
    "PGD": Extrapolated(PGD()),
    "ANLS": Extrapolated(ANLS()),
    "accelerated MU": Accelerated(MU()),
}


@pytest.mark.quick(1)
@pytest.mark.parametrize("name", COMPOSED)
def test_every_composition_keeps_the_factors_nonnegative(name):
    """More components than the data have, where extrapolation overshoots; with and without a mask."""
    U = lambda seed, *shape: np.random.default_rng(seed).uniform(size=shape)
    X = jnp.asarray(U(0, 30, 3) @ U(1, 3, 30), "float32")
    starts = jax.vmap(lambda key: init.random(key, X, 6))(jax.random.split(jax.random.key(1), 4))
    for algorithm in (COMPOSED[name], penalised(COMPOSED[name], l1_W=0.1)):
        factors, trace = jax.vmap(lambda start, a=algorithm: run(X, start, a, num_iters=100))(starts)
        assert min(float(A.min()) for A in factors) >= 0
        assert np.isfinite(np.asarray(trace.loss)).all()
