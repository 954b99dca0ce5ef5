"""Multiplicative updates: the formula in every range of X, penalties, and starts that they could not leave."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import problem

import jnmf
from jnmf import HALS, MU, Factors, fit, init, losses, matrix, multiplicative, objective, run, solvers, sweep
from jnmf.matrix.masked import Masked

BETAS = (-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
steps = [jax.jit(step) for step in (multiplicative.half_step, multiplicative.half_step_W)]
half_step, half_step_W = (
    lambda X, W, H, beta, step=step, **penalties: step(X, W, H, losses.BetaDivergence(beta=beta), **penalties)
    for step in steps
)
PENALTIES = {"l1": 0.7, "l2": 0.4}


def formula(X, W, H, beta, l1=0.0, l2=0.0):
    """The update as the papers print it, in the longest float of the machine."""
    X, W, H = (np.asarray(A, np.longdouble) for A in (X, W, H))
    Z, exponent = W @ H, np.longdouble(losses.BetaDivergence(beta=beta).exponent(ridge=l2 > 0))
    numerator, denominator = W.T @ (X * Z ** np.longdouble(beta - 2)), W.T @ Z ** np.longdouble(beta - 1)
    return np.asarray(H * (numerator / (denominator + l1 + l2 * H)) ** exponent, float)


def over_decades(decades, seed=0):
    """X (12, 9) and factors of rank 3 in float32, each entry spread evenly over powers of ten."""
    rng = np.random.default_rng(seed)
    X = 10 ** rng.uniform(-decades, 0, (12, 9))
    W, H = (10 ** rng.uniform(-decades / 2, 0, shape) for shape in ((12, 3), (3, 9)))
    return [A.astype("float32") for A in (X, W, H)]


@pytest.mark.quick(13)
@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize(
    ("decades", "of_X", "of_W"),
    [(0, 1, 1), (33, 1, 1), (10, 1e-20, 1e5), (15, 1e20, 1e-5), (0, 1e30, 1), (0, 1e-30, 1)],
)
def test_half_step_is_the_formula_over_the_range_of_float32(beta, decades, of_X, of_W):
    X, W, H = over_decades(decades)
    X, W, H = (A.astype("float32") for A in (of_X * X.astype(float), of_W * W, of_X * H.astype(float) / of_W))
    for found, wanted in (
        (half_step(X, W, H, beta), formula(X, W, H, beta)),
        (half_step_W(X, W, H, beta), formula(X.T, H.T, W.T, beta).T),
    ):
        assert found.dtype == "float32"
        inside = wanted > 1e-36
        assert inside.mean() > 0.9
        np.testing.assert_allclose(np.asarray(found, float)[inside], wanted[inside], rtol=2e-5)


@pytest.mark.parametrize("of_sparse", [False, True])
@pytest.mark.parametrize("loss", [losses.kl, losses.BetaDivergence(beta=-1.0), losses.NegativeBinomial()], ids=repr)
def test_a_quotient_beyond_the_range_makes_no_nan(loss, of_sparse):
    """x/z is 1e39, beyond float32, and beside it stands a zero of W."""
    X, (W, H) = problem("float32")
    X, start = 100 * X, Factors(W.at[0, 0].set(0), 1e-37 * H)
    found, _ = run(jnmf.sparse(np.asarray(X)) if of_sparse else X, start, MU(loss=loss), num_iters=1)
    assert np.isfinite(found.W).all()
    assert np.isfinite(found.H).all()
    assert (found.H > start.H).all()


@pytest.mark.quick(4)
@pytest.mark.parametrize("beta", BETAS)
def test_penalties_stand_in_the_denominator_with_and_without_weights(beta, dtype):
    X, (W, H) = problem(dtype)
    wanted = formula(X, W, H, beta, **PENALTIES)
    rtol = {"float64": 1e-12, "float32": 1e-5}[dtype]
    np.testing.assert_allclose(half_step(X, W, H, beta, **PENALTIES), wanted, rtol=rtol)
    np.testing.assert_allclose(half_step(Masked(X, jnp.ones_like(X)), W, H, beta, **PENALTIES), wanted, rtol=rtol)
    np.testing.assert_allclose(half_step_W(X.T, H.T, W.T, beta, **PENALTIES).T, wanted, rtol=rtol)
    if beta == 2:
        G = W.T @ W + PENALTIES["l2"] * jnp.eye(W.shape[1], dtype=dtype)
        np.testing.assert_allclose(solvers.multiplicative(H, G, W.T @ X, PENALTIES["l1"]), wanted, rtol=rtol)


@pytest.mark.parametrize("beta", BETAS)
def test_weights_count_entries_as_often(beta):
    X, (W, H) = problem()
    M = np.ones(X.shape)
    M[3] = 2.0
    M[5] = 0.0
    rows = np.array([i for i in range(len(X)) if i != 5] + [3])
    wanted = formula(X[rows], W[rows], H, beta, **PENALTIES)
    np.testing.assert_allclose(half_step(Masked(X, jnp.asarray(M)), W, H, beta, **PENALTIES), wanted, rtol=1e-12)


@pytest.mark.quick(4)
@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("of_X", [1e-15, 1e15])
def test_penalties_are_taken_in_full_whatever_the_size_of_x(beta, of_X):
    X, (W, H) = problem("float32")
    X, H = X * np.float32(of_X), H * np.float32(of_X)
    for penalties in ({"l1": 1e10}, {"l1": 1e-10}, {"l2": 1e12}, {"l1": 1e20, "l2": 1e15}):
        found, wanted = half_step(X, W, H, beta, **penalties), formula(X, W, H, beta, **penalties)
        ratio = (wanted / H) ** (1 / losses.BetaDivergence(beta=beta).exponent(ridge="l2" in penalties))
        inside = (ratio > 1e-36) & (wanted > 1e-36)
        np.testing.assert_allclose(np.asarray(found, float)[inside], wanted[inside], rtol=1e-5)
        np.testing.assert_array_less(found, np.where(inside, np.inf, 1e-8 * H))  # there the penalty wins


@pytest.mark.quick(2)
@pytest.mark.parametrize("beta", [-1.0, 0.0, 0.5, 1.0, 3.0])
def test_thirty_decades_in_float32_descend(beta):
    X, W, H = over_decades(30, seed=1)
    X, start = (
        jnp.asarray(X),
        Factors(jnp.full_like(W, 0.1), jnp.asarray(np.random.default_rng(2).uniform(size=H.shape), "float32")),
    )
    end, trace = run(X, start, MU(beta=beta), num_iters=30)
    assert np.isfinite(end.W).all()
    assert np.isfinite(end.H).all()
    values = np.array(
        [objective(X.astype(float), Factors(*(A.astype(float) for A in f)), MU(beta=beta)) for f in (start, end)]
    )
    assert values[1] < values[0]
    assert (np.diff(trace.loss) <= 1e-4 * np.abs(trace.loss[:-1])).all()


def test_powers_beyond_the_range_saturate():
    X, W, H = over_decades(18)
    for step in (half_step(X, W, H, 10.0), half_step_W(X, W, H, -10.0)):
        assert np.isfinite(step).all()
        assert (np.asarray(step) > 0).all()


def test_penalised_frobenius_ends_where_the_other_methods_do():
    rng = np.random.default_rng(0)
    sparse = rng.uniform(size=(40, 5)) * (rng.uniform(size=(40, 5)) < 0.5)
    X = sparse @ rng.uniform(size=(5, 30)) + 0.1 * rng.uniform(size=(40, 30))
    found = []
    for algorithm, mask in (
        (HALS(l1_W=5.0, l1_H=5.0), None),
        (MU(l1_W=5.0, l1_H=5.0), None),
        (MU(l1_W=5.0, l1_H=5.0), np.ones(X.shape)),
    ):
        with pytest.warns(UserWarning, match="4 of 5 components are dead"):
            found.append(float(fit(X, 5, algorithm, mask=mask, tol=1e-8, max_iters=5000, check_every=50).loss))
    np.testing.assert_allclose(found, found[0], rtol=1e-6)


BLOCKS = np.kron(np.eye(4), np.ones((2, 2)))


def test_a_start_with_zeros_is_stuck_where_it_misses_an_entry():
    start = init.nndsvd(BLOCKS, 3)
    rows, columns = multiplicative.stuck(jnp.asarray(BLOCKS), start)
    missed = (BLOCKS > 0) & (np.asarray(start.W @ start.H) == 0)
    assert missed.any()
    np.testing.assert_array_equal(rows[:, 0], missed.any(axis=1))
    np.testing.assert_array_equal(columns[0], missed.any(axis=0))
    M = jnp.asarray(~missed, float)
    assert not any(np.any(part) for part in multiplicative.stuck(Masked(jnp.asarray(BLOCKS), M), start))


def test_a_lifted_start_reaches_the_minimum_that_zeros_hide():
    X, start = jnp.asarray(BLOCKS), init.nndsvd(BLOCKS, 3)
    lifted = multiplicative.lifted(X, start)
    assert not any(np.any(part) for part in multiplicative.stuck(X, lifted))
    kept = ~np.asarray(multiplicative.stuck(X, start)[0])[:, 0]
    np.testing.assert_array_equal(lifted.W[kept], start.W[kept])
    assert (lifted.W >= start.W).all()
    assert np.isinf(objective(X, start, MU(beta=1.0)))
    _, trace = run(X, lifted, MU(beta=1.0), num_iters=300)
    np.testing.assert_allclose(trace.loss[-1], 8 * np.log(2), rtol=1e-6)


def test_a_positive_start_is_not_touched():
    X, start = problem()
    for A, B in zip(multiplicative.lifted(X, start), start, strict=True):
        np.testing.assert_array_equal(A, B)


@pytest.mark.quick(1)
@pytest.mark.parametrize("beta", [0.5, 1.0])
def test_fits_from_starts_with_zeros_end_finite(beta):
    """Of blocks, nndsvd and a fit by HALS have zeros at positive entries, where these divergences are infinite."""
    X = BLOCKS + (0.01 if beta < 1 else 0)
    for start in ("nndsvd", fit(X, 3, HALS(), init="nndsvd").factors):
        found = fit(X, 3, MU(beta=beta), init=start, max_iters=2000)
        assert np.isfinite(found.loss)
    if beta == 1:
        np.testing.assert_allclose(found.loss, 8 * np.log(2), rtol=1e-3)
    study = sweep(X, [2, 3], num_restarts=1, algorithm=MU(beta=beta), init="nndsvd", max_iters=100)
    assert np.isfinite(study.loss).all()


def test_zeros_that_are_given_are_kept_where_they_cost_a_finite_loss():
    start = Factors(jnp.asarray(np.kron(np.eye(4), np.ones((2, 1)))[:, :3]), jnp.ones((3, 8)))
    with pytest.warns(UserWarning, match="W H is 0 at positive entries of X.*use a start without zeros"):
        found = fit(BLOCKS, init=start, algorithm=MU(), max_iters=5)
    assert (np.asarray(found.W)[np.asarray(start.W) == 0] == 0).all()


@pytest.mark.quick(1)
@pytest.mark.parametrize("loss", [losses.kl, losses.frobenius, losses.itakura_saito], ids=repr)
def test_the_value_that_comes_with_a_half_step_is_the_divergence(loss):
    """Also with zeros in X, and where entries have weights, whose Σ d(0, z) the factors do not tell."""
    draw = np.random.default_rng(2)
    x, W, H = (jnp.asarray(draw.random(shape)) for shape in ((7, 5), (7, 3), (3, 5)))
    x = x if loss == losses.itakura_saito else x * (x > 0.3)
    for X in (x, Masked(x, jnp.asarray(draw.random((7, 5))))):
        for parts in (matrix.parts_H, matrix.parts_W):
            np.testing.assert_allclose(parts(X, loss, W, H)[3], loss(X, W, H), rtol=1e-12)
    beyond = loss.quick(x, W @ H, beyond_zeros=loss.finite_for_zeros)
    rest = loss.divergence(0 * x, W @ H) if loss.finite_for_zeros else 0
    np.testing.assert_allclose(beyond + rest, loss.divergence(x, W @ H), rtol=1e-12, atol=1e-15)
