"""`JointMU`: the paper's formulas in every range, in blocks and for each kind of X, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as ss
from kinds import KINDS
from support import problem

import jnmf
from jnmf import MU, Factors, JointMU, fit, losses, matrix, objective, run, terms
from jnmf.joint import iteration
from jnmf.matrix import blocks
from jnmf.matrix.masked import Masked

BETAS = (-1.0, 0.0, 0.5)
X, START = problem()
WEIGHTS = np.random.default_rng(0).integers(0, 3, X.shape).astype(float)  # as many copies of an entry
PENALTIES = {"of_W": (0.7, 0.4), "of_H": (0.3, 0.0)}
once = jax.jit(lambda X, W, H, loss, of_W, of_H: iteration(X, W, H, loss, of_W, of_H))


def iterated(X, W, H, beta, of_W=(0.0, 0.0), of_H=(0.0, 0.0)):
    return once(X, W, H, losses.BetaDivergence(beta=beta), of_W, of_H)


def formula(X, W, H, beta, of_W=(0.0, 0.0), of_H=(0.0, 0.0), M=1):
    """The updates as the paper prints them, with weights and penalties, in the longest float of the machine."""
    X, W, H, beta = (np.asarray(A, np.longdouble) for A in (X, W, H, beta))
    Z = W @ H
    P, R = M * X * Z ** (beta - 2), M * Z ** (beta - 1)
    (l1_W, l2_W), (l1_H, l2_H) = of_W, of_H
    exponent = lambda l2: 1 / ((3 if l2 else 2) - beta)
    h = H * (W.T @ P / (W.T @ R + l1_H + l2_H * H)) ** exponent(l2_H)
    w = W * (P @ (H ** (2 - beta) * h ** (beta - 1)).T / (R @ h.T + l1_W + l2_W * W)) ** exponent(l2_W)
    return Factors(np.asarray(w, float), np.asarray(h, float))


def near(found, wanted, rtol):
    for A, B in zip(found, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(A, float), B, rtol=rtol, atol=1e-36)


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize(("decades", "of_X", "of_W"), [(0, 1, 1), (30, 1, 1), (10, 1e-20, 1e5), (15, 1e20, 1e-5)])
def test_an_iteration_is_the_formula_over_the_range_of_float32(beta, decades, of_X, of_W):
    rng = np.random.default_rng(0)
    rows, columns = 10 ** rng.uniform(-decades / 2, 0, (12, 1)), 10 ** rng.uniform(-decades / 2, 0, (1, 9))
    A, W, H = of_X * rows * X * columns, of_W * rows * START.W, of_X / of_W * START.H * columns
    A, W, H = (np.asarray(B, "float32") for B in (A, W, H))
    found = iterated(A, W, H, beta)[0]
    assert found.W.dtype == found.H.dtype == "float32"
    wanted = formula(A, W, H, beta)
    assert all((B > 1e-36).mean() > 0.9 for B in wanted)
    near(found, wanted, 2e-5)


@pytest.mark.quick(1)
@pytest.mark.parametrize("beta", BETAS)
def test_penalties_and_weights_and_what_comes_with_them(beta):
    algorithm = JointMU(beta=beta, l1_W=0.7, l2_W=0.4, l1_H=0.3)
    for A, M in ((X, 1), (Masked(X, jnp.asarray(WEIGHTS)), WEIGHTS)):
        found, value, gradient = iterated(A, *START, beta, **PENALTIES)
        near(found, formula(X, *START, beta, **PENALTIES, M=M), 1e-12)
        np.testing.assert_allclose(value, algorithm.loss(A, *START), rtol=1e-12)
        for of_one, wanted in zip(gradient, matrix.gradients(A, algorithm.loss, *START), strict=True):
            np.testing.assert_allclose(of_one, wanted, rtol=1e-11, atol=1e-12)
    new, info = algorithm.step(X, START)
    near(new, formula(X, *START, beta, **PENALTIES), 1e-12)
    np.testing.assert_allclose(info.start_loss, objective(X, START, algorithm), rtol=1e-12)
    np.testing.assert_allclose(info.loss, objective(X, new, algorithm), rtol=1e-12)
    assert objective(X, new, algorithm) < objective(X, START, algorithm)


@pytest.mark.parametrize("numbers", [1, 30])  # a column at a time; two, with a remainder
def test_blocks_of_columns_add_up(monkeypatch, numbers):
    A = Masked(X, jnp.asarray(WEIGHTS))
    wanted = iteration(A, *START, losses.BetaDivergence(beta=0.5))
    monkeypatch.setattr(blocks, "NUMBERS", numbers)
    found = iteration(A, *START, losses.BetaDivergence(beta=0.5))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_the_first_H_is_that_of_MU_and_the_end_is_as_good():
    of_both = [run(X, START, method(beta=0.5), num_iters=1)[0] for method in (MU, JointMU)]
    np.testing.assert_allclose(of_both[0].H, of_both[1].H, rtol=1e-12)
    joint, plain = (fit(X, 3, method(beta=0.5), init=START, tol=0, max_iters=400).loss for method in (JointMU, MU))
    assert joint < 1.02 * plain


@pytest.mark.parametrize("beta", BETAS)
def test_zeros_stay_and_give_no_nan(beta):
    A, W, H = X.at[2].set(0).at[:, 4].set(0), START.W.at[0, 1].set(0), START.H.at[2, :3].set(0)
    W, H = W.at[2].set(0) if beta <= 0 else W, H.at[:, 4].set(0) if beta <= 0 else H
    found, trace = run(A, Factors(W, H), JointMU(beta=beta), num_iters=5)
    for old, new in zip((W, H), found, strict=True):
        assert np.isfinite(new).all()
        assert (new[old == 0] == 0).all()
    assert (found.W[2] == 0).all()
    assert (found.H[:, 4] == 0).all()
    assert (np.diff(trace.loss) < 0).all()


def test_an_entry_that_all_but_vanishes_takes_nothing_with_it():
    """Its U^{β−1} is 1e24 in float32; P beside it is next to nothing."""
    A, W, H = (np.array(B, "float32") for B in (X, START.W, START.H))
    A[:, 0] *= 1e-37
    found, trace = run(A, Factors(W, H), JointMU(beta=-1.0), num_iters=6)
    assert np.isfinite(trace.loss).all()
    assert (np.diff(trace.loss) <= 1e-6 * trace.loss[:-1]).all()
    assert all(np.isfinite(B).all() for B in found)


def test_an_entry_whose_powers_leave_the_range_is_updated_by_their_ratio():
    """Z^{β−1} of 1e-20 is 1e40, beyond float32, in the numerator as in the denominator."""
    small = np.float32(1e-20)
    W = H = np.array([[1, small], [small, 1]], "float32")
    A = np.array([[1, small], [small, 1]], "float32")
    near(iterated(A, W, H, -1.0)[0], formula(A, W, H, -1.0), 2e-5)


@pytest.mark.parametrize("beta", BETAS)
def test_a_quotient_beyond_the_range_makes_no_nan(beta):
    """x/z is 1e39, beyond float32, and beside it stands a zero of W."""
    W, H = (np.array(B, "float32") for B in START)
    W[0, 0] = 0
    found = iterated(100 * X.astype("float32"), W, np.float32(1e-37) * H, beta)[0]
    assert all(np.isfinite(B).all() for B in found)


def test_rows_of_any_size_leave_the_range_of_none():
    """For β = −2 the loss of a row goes with its size to the −2: 1e60 for one of 1e-30, beyond float32."""
    rows = 10.0 ** -np.linspace(0, 30, X.shape[0])[:, None]
    A, W, H = (np.asarray(B, "float32") for B in (rows * X, rows * START.W, START.H))
    near(iterated(A, W, H, -2.0)[0], formula(A, W, H, -2.0), 2e-5)


def test_the_value_and_the_gradient_count_rows_and_columns_in_their_units():
    rows, columns = 10.0 ** np.linspace(-4, 4, X.shape[0])[:, None], 10.0 ** np.linspace(3, -3, X.shape[1])[None, :]
    A, W, H = rows * np.asarray(X) * columns, rows * START.W, START.H * columns
    _, value, gradient = iterated(A, W, H, 0.5)
    Z = W @ H
    np.testing.assert_allclose(value, np.sum(4 * (np.sqrt(A) - np.sqrt(Z)) ** 2 / (2 * np.sqrt(Z))), rtol=1e-10)
    slope = Z**-0.5 - A * Z**-1.5
    near(gradient, (slope @ H.T, W.T @ slope), 1e-9)


ROWS_FIRST = "streamed", "stacked, transposed"


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", ["weighted", "sparse", "without", "rescaled, weighted", *ROWS_FIRST])
def test_kinds_of_X_are_as_the_array_or_as_its_transpose(name):
    A, dense = KINDS[name]
    rng, algorithm = np.random.default_rng(3), JointMU(beta=0.5, l1_H=0.1, l2_W=0.2)
    start = Factors(*(jnp.asarray(rng.uniform(0.1, 1, shape)) for shape in ((A.shape[0], 3), (3, A.shape[1]))))
    found, info = algorithm.step(A, start)
    twin = JointMU(beta=0.5, l1_W=0.1, l2_H=0.2)  # W first: H first of the transpose
    if name in ROWS_FIRST:
        (H, W), wanted = twin.step(dense.T, Factors(start.H.T, start.W.T))
        expected = Factors(W.T, H.T)
    else:
        expected, wanted = algorithm.step(dense, start)
    near(found, expected, 1e-10)
    np.testing.assert_allclose(info.start_loss, wanted.start_loss, rtol=1e-12)
    np.testing.assert_allclose(info.start_kkt, wanted.start_kkt, rtol=1e-10)


@pytest.mark.quick(1)
@pytest.mark.parametrize("by_rows", [False, True])
def test_over_devices_it_goes_along_whole_rows_or_columns(by_rows):
    A = X[:, :8]
    mesh = jax.make_mesh((2,), ("devices",))
    spread = jax.device_put(A, jax.NamedSharding(mesh, jax.P("devices") if by_rows else jax.P(None, "devices")))
    start, algorithm = Factors(START.W, START.H[:, :8]), JointMU(beta=0.5)
    found = fit(spread, init=start, algorithm=algorithm, tol=0, max_iters=3)
    wanted = fit(
        A.T if by_rows else A,
        init=(start.H.T, start.W.T) if by_rows else start,
        algorithm=algorithm,
        tol=0,
        max_iters=3,
    )
    near(found.factors, (wanted.H.T, wanted.W.T) if by_rows else wanted.factors, 1e-10)
    np.testing.assert_allclose(found.trace.loss, wanted.trace.loss, rtol=1e-10)


def both_sides():
    mesh = jax.make_mesh((2, 1), ("rows", "columns"))
    return jax.device_put(X, jax.NamedSharding(mesh, jax.P("rows", "columns")))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: JointMU(beta=1.0), ValueError, r"below 1, got 1; write Momentum\(MU\(beta=1.0\)\)"),
        (lambda: JointMU(beta=3), ValueError, r"below 1, got 3; write MU\(beta=3.0\)"),
        (lambda: JointMU(beta=float("nan")), ValueError, "expected a finite number"),
        (lambda: fit(-X, 3, JointMU()), ValueError, "nonnegative entries"),
        (lambda: fit(X.at[0, 0].set(0), 3, JointMU()), ValueError, "zeros"),
        (lambda: fit(X, 3, JointMU(on_H=terms.Lasso(0.1))), ValueError, "expected no terms"),
        (lambda: fit(ss.csr_array(X), 3, JointMU(), mask="stored"), TypeError, r"write MU\(beta=0\)"),
        (lambda: fit(both_sides(), 3, JointMU()), TypeError, "divided along both sides"),
        (lambda: jnmf.Accelerated(JointMU()), ValueError, "expected a Frobenius method"),
        (lambda: jnmf.Momentum(JointMU()), ValueError, "expected MU, got JointMU"),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
