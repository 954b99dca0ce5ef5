"""Weights of any nonnegative size: each half-step against a solver of the weighted problem, every door, every range."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import optimize
from support import R, problem

from jnmf import (
    ALS,
    ANLS,
    HALS,
    MU,
    PGD,
    Accelerated,
    Extrapolated,
    Factors,
    Status,
    cross_validate,
    fit,
    kkt_residual,
    objective,
    run,
    sweep,
    transform,
    warm_start,
    weighted,
)
from jnmf.loops import last_factors
from jnmf.matrix.masked import Masked, Weighted, of_weights

X, START = problem()
X = np.asarray(X)
RNG = np.random.default_rng(5)
WIDE = 10 ** RNG.uniform(-3, 1, X.shape) * (RNG.random(X.shape) < 0.8)
DEFAULT = Extrapolated(Accelerated(HALS()))


def penalised(algorithm, **penalties):
    inner = getattr(algorithm, "algorithm", None)
    return (
        replace(algorithm, **penalties)
        if inner is None
        else replace(algorithm, algorithm=penalised(inner, **penalties))
    )


def by_scipy(M, W, l1, l2):
    """argmin of ½ Σ M (X − WH)² + l1 ΣH + ½ l2 ‖H‖², column by column: with penalties as a bounded quadratic."""
    columns = []
    for x, m in zip(X.T, M.T, strict=True):
        A = np.vstack([np.sqrt(m)[:, None] * W, np.sqrt(l2) * np.eye(R)])
        b = np.concatenate([np.sqrt(m) * x, np.zeros(R)])
        if l1 == 0:
            columns.append(optimize.nnls(A, b)[0])
            continue
        value = lambda h, A=A, b=b: (0.5 * np.sum((A @ h - b) ** 2) + l1 * h.sum(), A.T @ (A @ h - b) + l1)
        found = optimize.minimize(value, np.ones(R), jac=True, bounds=[(0, None)] * R, method="L-BFGS-B", tol=1e-15)
        columns.append(found.x)
    return np.stack(columns, axis=1)


@pytest.mark.quick(1)
@pytest.mark.parametrize(("l1", "l2", "atol"), [(0.0, 0.0, 1e-9), (0.0, 0.3, 1e-9), (0.1, 0.3, 1e-5)])
def test_the_exact_half_step_is_that_of_scipy_column_by_column(l1, l2, atol):
    A = Weighted(jnp.asarray(X), jnp.asarray(WIDE))
    wanted = by_scipy(WIDE, START.W, l1, l2)
    np.testing.assert_allclose(weighted.exact(A, *START, l1, l2), wanted, atol=atol)
    np.testing.assert_allclose(weighted.hals(A, *START, l1, l2, sweeps=2000), wanted, atol=max(atol, 1e-7))
    np.testing.assert_allclose(transform(X.T, START.W.T, HALS(l1_W=l1, l2_W=l2), mask=WIDE.T).T, wanted, atol=atol)


@pytest.mark.slow
def test_with_weights_of_one_it_is_the_half_step_without():
    ones = Weighted(jnp.asarray(X), jnp.ones(X.shape))
    for algorithm in (HALS(inner=2, l1_H=0.1, l2_W=0.2), ANLS(l2_H=0.1)):
        start = Factors(*map(jnp.asarray, START))
        step = jax.jit(lambda A, algorithm=algorithm, start=start: algorithm.step(A, algorithm.init(A, start)))
        (found, info), (plain, of_gram) = step(ones), step(jnp.asarray(X))
        np.testing.assert_allclose(found.W, plain.factors.W, rtol=1e-8)
        np.testing.assert_allclose(info.loss, of_gram.loss, rtol=1e-10)
        np.testing.assert_allclose(info.kkt, of_gram.kkt, rtol=1e-6)


@pytest.mark.quick(3)
@pytest.mark.parametrize(
    "algorithm", [HALS(), ANLS(), DEFAULT, PGD(), PGD(step_size=2e-3), ALS(), MU(), MU(beta=1.0)], ids=repr
)
def test_weights_times_c_give_the_same_factors_and_c_times_the_loss(algorithm):
    penalties = {"l1_W": 0.02, "l2_H": 0.01}
    for c in (2.0**40, 2.0**-40):
        of_c = penalised(algorithm, **{name: c * value for name, value in penalties.items()})
        if algorithm.steps is not None:
            of_c = replace(of_c, step_size=algorithm.step_size / c)
        (one, trace), (two, of_two) = (
            run(X, START, a, num_iters=5, mask=M)
            for a, M in ((penalised(algorithm, **penalties), WIDE), (of_c, c * WIDE))
        )
        np.testing.assert_allclose(two.W @ two.H, one.W @ one.H, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(of_two.loss, c * trace.loss, rtol=1e-9)
        np.testing.assert_allclose(of_two.kkt, c * trace.kkt, rtol=1e-7)


@pytest.mark.quick(3)
@pytest.mark.parametrize("algorithm", [HALS(), ANLS(), DEFAULT, PGD(), Accelerated(PGD()), MU()], ids=repr)
@pytest.mark.parametrize("imputes", [False, True])
def test_the_weighted_objective_never_rises(algorithm, imputes):
    M = 7 * RNG.uniform(0.6, 1, X.shape) if imputes else WIDE
    assert type(of_weights(jnp.asarray(X), jnp.asarray(M))) is (Masked if imputes else Weighted)
    algorithm = penalised(algorithm, l1_H=0.05, l2_W=0.02)
    _, trace = run(X, START, algorithm, num_iters=30, mask=M)
    values = np.array([objective(X, START, algorithm, mask=M), *trace.loss])
    assert (np.diff(values) <= 1e-13 * values[0]).all()
    assert values[-1] < 0.9 * values[0]


@pytest.mark.slow
def test_the_loss_and_the_optimality_of_a_fit_are_those_of_the_weighted_objective():
    for algorithm in (HALS(l1_H=0.01), ANLS(), DEFAULT):
        fitted = fit(X, algorithm=algorithm, init=START, mask=WIDE, tol=1e-2, stop="kkt", max_iters=4000)
        of_entries = 0.5 * np.sum(WIDE * (X - fitted.W @ fitted.H) ** 2)
        np.testing.assert_allclose(fitted.loss, of_entries + getattr(algorithm, "l1_H", 0) * np.sum(fitted.H))
        last = fitted.trace.kkt[fitted.num_iters - 1]
        np.testing.assert_allclose(last, kkt_residual(X, fitted, algorithm, mask=WIDE), rtol=1e-6)
        assert fitted.status == Status.CONVERGED
        assert last <= 1e-2 * kkt_residual(X, START, algorithm, mask=WIDE)


def test_what_imputation_crawls_to_weighted_half_steps_reach():
    M = 10 ** RNG.uniform(-3, 0, X.shape)
    last = jax.jit(last_factors)  # whatever the door would choose
    start = Factors(*map(jnp.asarray, START))
    imputed, by_weights = (
        last(kind(jnp.asarray(X), jnp.asarray(M)), start, HALS(), 100) for kind in (Masked, Weighted)
    )
    assert objective(X, by_weights, mask=M) < 0.9 * objective(X, imputed, mask=M)


@pytest.mark.quick(1)
@pytest.mark.parametrize("algorithm", [HALS(), ANLS(), DEFAULT, PGD()], ids=repr)
@pytest.mark.parametrize(("least", "most"), [(1e-30, 1.0), (1.0, 1e30)])
def test_extremes_of_float32_stay_in_range(algorithm, least, most):
    M = np.exp(np.random.default_rng(3).uniform(np.log(least), np.log(most), X.shape)).astype("float32")
    M[0, 0], M[2] = most, 0
    A = (1000 * X).astype("float32")
    found = fit(A, R, algorithm, mask=M, tol=0, max_iters=30)
    assert found.status == Status.MAX_ITERS
    assert np.isfinite(found.W).all()
    assert np.isfinite(found.H).all()
    assert (found.W[2] == 0).all()
    exact = 0.5 * np.sum(M.astype(float) * (A - np.asarray(found.W, float) @ np.asarray(found.H, float)) ** 2)
    np.testing.assert_allclose(found.loss, exact, rtol=1e-2)
    assert found.loss < found.trace.loss[0] or exact == 0
    W = transform(A, found.H, mask=M)
    of_transform = 0.5 * np.sum(M.astype(float) * (A - np.asarray(W, float) @ np.asarray(found.H, float)) ** 2)
    assert of_transform <= exact + 1e-6 * np.sum(M.astype(float) * A**2)  # a rounding of the data


@pytest.mark.filterwarnings("ignore:.*components are dead")
def test_every_door_takes_weights_of_any_size():
    M = 50 * WIDE
    frame = pd.DataFrame(X, index=[f"r{i}" for i in range(len(X))])
    weights = pd.DataFrame(M, index=frame.index)
    wanted = fit(X, R, mask=M, max_iters=5)
    of_masked_array = np.ma.masked_array(np.where(M > 0, X, np.nan), M == 0)
    for found in (
        fit(frame, R, mask=weights, max_iters=5),
        fit(of_masked_array, R, mask=np.where(M > 0, M, 3), max_iters=5),
        fit(Masked(jnp.asarray(X), jnp.asarray(M)), R, max_iters=5),
        fit(X, R, mask=M.tolist(), max_iters=5),
    ):
        np.testing.assert_array_equal(found.W, wanted.W)
    resumed = fit(X, mask=M, resume=fit(X, R, mask=M, max_iters=3), max_iters=5)
    np.testing.assert_array_equal(resumed.W, wanted.W)
    np.testing.assert_array_equal(resumed.trace.loss, wanted.trace.loss)
    half, single = (fit(X.astype(d), mask=M, init=START, max_iters=5, algorithm=HALS()) for d in ("float16", "float32"))
    assert half.W.dtype == np.float16
    np.testing.assert_allclose(half.loss, single.loss, rtol=0.05)
    started = fit(X, R, mask=M, init=warm_start.sampled(num_iters=2), max_iters=3)
    assert np.isfinite(started.loss)


def test_weights_from_1_up_are_weights():
    M = np.where(RNG.random(X.shape) < 0.5, 1.0, 5.0)
    wanted = 0.5 * np.sum(M * (X - START.W @ START.H) ** 2)
    np.testing.assert_allclose(objective(X, START, mask=M), wanted)
    np.testing.assert_allclose(objective(X, START, mask=np.full(X.shape, 3.0)), 3 * objective(X, START))


@pytest.mark.slow
def test_studies_weigh_what_they_score():
    study = sweep(X, [2, R], num_restarts=2, mask=WIDE, num_iters=4)
    for W, H, rmse in zip(*study.members[1], study.rmse[1], strict=True):
        wanted = np.sqrt(np.sum(WIDE * (X - W @ H) ** 2) / WIDE.sum())
        np.testing.assert_allclose(rmse, wanted, rtol=1e-9)
    one, many = (cross_validate(X, [2], num_restarts=2, mask=c * WIDE, max_iters=5) for c in (1.0, 2.0**30))
    np.testing.assert_allclose(many.test, one.test, rtol=1e-9)
    light = (X > 0) * RNG.uniform(0.7, 1, X.shape)
    assert np.isfinite(cross_validate(X, [2], num_restarts=1, mask=light, max_iters=5).test).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [(-0.5, "negative, the least -0.5"), (np.nan, "NaN, inf"), (np.inf, "NaN, inf"), (-np.inf, "NaN, inf")],
)
def test_what_is_no_weight_is_refused(value, message):
    M = WIDE.copy()
    M[3, 4] = value
    for call in (lambda: fit(X, 2, mask=M), lambda: objective(X, START, mask=M), lambda: transform(X, START.H, mask=M)):
        with pytest.raises(ValueError, match=rf"at least 0 .*1 of 108 that are .*{message}.*\(3, 4\)"):
            call()
    with pytest.raises(ValueError, match="beyond float32"):
        fit(X.astype("float32"), 2, mask=1e39 * WIDE)


def test_a_solver_of_ones_own_does_not_inherit_the_half_step_of_another():
    class Halved(HALS):
        def solve(self, H, G, C):
            return 0.5 * (H + super().solve(H, G, C))

    assert HALS().weighted_half_step is not None
    assert Accelerated(HALS()).weighted_half_step is not None
    assert Halved().weighted_half_step is None
    assert Accelerated(PGD()).weighted_half_step is None


@pytest.mark.slow
def test_a_component_far_out_of_balance_is_that_in_balance():
    A = Weighted(jnp.asarray(X, "float32"), jnp.asarray(WIDE, "float32"))
    W, H = (jnp.asarray(B, "float32") for B in START)
    for half_step in (weighted.hals, weighted.exact):
        wanted = half_step(A, W, H, 0.0, 0.0)
        c = jnp.asarray([2.0**-80, 1, 2.0**80], "float32")
        np.testing.assert_array_equal(half_step(A, W * c[None], H / c[:, None], 0.0, 0.0) * c[:, None], wanted)
