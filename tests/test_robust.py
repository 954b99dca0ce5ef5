"""Bad input gets an error that says what was expected, what came and what to do; odd input works."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from support import ALGORITHMS, M, N, R, problem, rounding

from jnmf import ALS, ANLS, HALS, MU, PGD, Factors, Status, fit, init, run, transform

X, START = problem()
GOOD = np.asarray(X)


def with_entry(value, at=(2, 3)):
    A = GOOD.copy()
    A[at] = value
    return A


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((with_entry(np.nan), 2), ValueError, r"got 1 NaN or inf of 108, the first at \(2, 3\); drop or impute"),
        ((with_entry(-np.inf), 2), ValueError, "finite entries, got 1"),
        ((GOOD[0], 2), ValueError, r"two-dimensional matrix, got shape \(9,\); a vector is X\[:, None\]"),
        ((GOOD[None], 2), ValueError, r"got shape \(1, 12, 9\)"),
        ((np.empty((0, 3)), 2), ValueError, r"at least one row and one column, got shape \(0, 3\)"),
        (([["a", "b"]], 2), TypeError, "real numbers, got dtype <U1"),
        ((np.array([[None, 1]]), 2), TypeError, "real numbers, got dtype object"),
        ((GOOD + 1j, 2), TypeError, "real numbers, got dtype complex128"),
        ((scipy.sparse.csr_array(GOOD), 2), TypeError, r"got sparse csr_array; pass X.toarray\(\)"),
        ((GOOD,), ValueError, "may only be left out when init is Factors"),
        ((GOOD, 0), ValueError, "rank: expected an integer of at least 1, got 0"),
        ((GOOD, 2.0), ValueError, "rank: expected an integer of at least 1, got 2.0"),
        ((GOOD, True), ValueError, "rank: expected an integer"),
        (
            (with_entry(-2.0), 2, MU()),
            ValueError,
            "MU expects nonnegative entries, got 1 negative ones of 108, the least -2",
        ),
        ((with_entry(-2.0), 2, MU(beta=1.0)), ValueError, "clip them with project_nonnegative, or use HALS"),
        (
            (with_entry(0.0), 2, MU(beta=0.0)),
            ValueError,
            "got 1 zeros of 108 outside empty rows and columns; use beta > 0",
        ),
        ((GOOD, 2, MU(beta=np.nan)), ValueError, "beta: expected a finite number"),
        ((GOOD, 2, HALS(l1_W=-1.0)), ValueError, "l1_W: expected a finite number of at least 0, got -1"),
        ((GOOD, 2, ALS(l2_H=np.inf)), ValueError, "l2_H: expected a finite number"),
        ((GOOD, 2, PGD(step_size=-0.1)), ValueError, "step_size: expected a finite number of at least 0, got -0.1"),
        ((GOOD, 2, HALS), TypeError, r"expected an instance such as HALS\(\)"),
        ((GOOD, 2, "hals"), TypeError, r"expected an instance such as HALS\(\), got 'hals'"),
    ],
)
def test_errors_of_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        fit(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tol": -1e-3}, "tol: expected a finite number of at least 0, got -0.001"),
        ({"tol": "small"}, "tol: expected a finite number"),
        ({"stop": "gradient"}, "stop: expected one of 'delta', 'loss', 'kkt', got 'gradient'"),
        ({"max_iters": -1}, "max_iters: expected an integer of at least 0, got -1"),
        ({"max_iters": 1.5}, "max_iters: expected an integer"),
        ({"check_every": 0}, "check_every: expected an integer of at least 1, got 0"),
        ({"init": "svd"}, r"expected one of 'random', 'nndsvd', 'nndsvda', 'nndsvdar', got 'svd'"),
        ({"init": Factors(START.W, START.H.T)}, r"expected W \(12, 3\) and H \(3, 9\).*did you pass Hᵀ\?"),
        ({"init": Factors(START.W[:5], START.H)}, r"got W \(5, 3\) and H \(3, 9\); W needs the rows of X"),
        ({"init": Factors(-START.W, START.H)}, "init W: expected nonnegative entries, got -"),
        ({"init": Factors(START.W, 0 * START.H)}, "init H: expected a positive entry, got all zeros"),
        ({"init": Factors(START.W, START.H * np.nan)}, "init H: expected finite entries"),
        ({"init": (START.W,)}, r"expected Factors\(W, H\), got 1 arrays"),
        ({"init": lambda key, X, rank: Factors(jnp.zeros((M, rank)), jnp.ones((rank, N)))}, "init W: .*all zeros"),
        ({"init": 3}, "init .*expected one of"),
    ],
)
def test_errors_of_options(options, message):
    with pytest.raises(ValueError, match=message):
        fit(GOOD, R, HALS(), **options)


def test_rank_and_init_must_agree():
    with pytest.raises(ValueError, match=r"expected W \(12, 2\) and H \(2, 9\)"):
        fit(GOOD, 2, init=START)
    with pytest.raises(ValueError, match="num_iters: expected an integer of at least 0, got -1"):
        run(GOOD, START, HALS(), num_iters=-1)
    with pytest.raises(ValueError, match="did you pass Hᵀ"):
        transform(GOOD, START.H.T)
    with pytest.raises(ValueError, match="MU expects nonnegative"):
        transform(-GOOD, START.H, MU(beta=1.0))


@pytest.mark.parametrize("algorithm", [HALS(), ALS(), ANLS(), PGD()])
def test_negative_entries_are_allowed_by_the_others(algorithm):
    fitted = fit(with_entry(-2.0), R, algorithm, max_iters=20)
    assert np.isfinite(fitted.loss)
    assert (fitted.W >= 0).all()


def test_rank_above_both_sides():
    fitted = fit(GOOD, 15, HALS(), max_iters=20)
    assert fitted.W.shape == (M, 15)
    assert np.isfinite(fitted.loss)
    with pytest.raises(ValueError, match=r"nndsvd: expected rank ≤ min\(m, n\) = 9"):
        fit(GOOD, 15, init="nndsvd")


@pytest.mark.filterwarnings("ignore:.*components are dead")
@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("dtype", ["float32"])
def test_empty_rows_and_columns_and_an_empty_matrix(name, dtype):
    A = GOOD.astype(dtype)
    A[4], A[:, [0, 7]] = 0, 0
    fitted = fit(A, R, ALGORITHMS[name], max_iters=20)
    assert np.isfinite(fitted.loss)
    assert np.isfinite(fitted.W).all()
    assert (fitted.W[4] == 0).all()
    assert (fitted.H[:, [0, 7]] == 0).all()
    assert (fitted.W[5] > 0).any()

    nothing = fit(np.zeros_like(A), R, ALGORITHMS[name], max_iters=20)
    assert nothing.status is Status.CONVERGED
    assert (nothing.W == 0).all()
    assert (nothing.H == 0).all()
    assert nothing.loss == 0


@pytest.mark.parametrize("name", ["MU", "MU KL", "HALS", "ALS", "ANLS pivoting"])
def test_an_empty_row_becomes_zero_from_any_start(name):
    A = GOOD.copy()
    A[4] = 0
    factors, trace = run(A, START, ALGORITHMS[name], num_iters=4)
    np.testing.assert_allclose(factors.W[4], 0, atol=1e-14)
    assert not np.isnan(trace.loss).any()


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name not in ("MU -1", "MU 3", "MU Itakura-Saito")])
@pytest.mark.parametrize("dtype", ["float32"])
def test_a_dead_component_never_makes_nan(name, dtype):
    _, (W, H) = problem(dtype)
    dead = Factors(W.at[:, 1].set(0), H.at[1].set(0))
    factors, trace = run(X.astype(dtype), dead, ALGORITHMS[name], num_iters=4)
    assert np.isfinite(trace.loss).all()
    assert (factors.W[:, 1] == 0).all()
    assert (factors.H[1] == 0).all()


@pytest.mark.parametrize("kind", [">f8", "longdouble"])
def test_floats_that_jax_has_not_are_converted(kind):
    np.testing.assert_array_equal(fit(GOOD.astype(kind), R, max_iters=3).W, fit(GOOD, R, max_iters=3).W)


def test_a_named_init_that_leaves_nothing_is_an_error():
    """All parts of the singular vectors of -1 that nndsvd could keep are zero."""
    with pytest.raises(ValueError, match="init W: expected a positive entry, got all zeros"):
        fit(-np.ones((4, 3)), 1, HALS(), init="nndsvd")


def test_an_init_of_the_wrong_kind_is_an_error_that_names_the_known():
    for wrong in ([GOOD, GOOD], GOOD):
        with pytest.raises(ValueError, match=r"init .*expected one of 'random'"):
            fit(GOOD, R, init=wrong)


def test_dead_components_are_reported():
    with pytest.warns(UserWarning, match="3 of 3 components are dead"):
        fit(GOOD, R, HALS(l1_W=100.0), max_iters=20)


def test_hals_brings_a_component_back_whose_row_became_zero():
    start = Factors(START.W, START.H.at[1].set(0))
    factors, _ = run(X, start, HALS(), num_iters=4)
    assert (factors.H[1] > 0).any()


@pytest.mark.filterwarnings("ignore:.*components are dead")  # ALS and ANLS lose one in twenty iterations
@pytest.mark.parametrize("name", ["MU", "MU KL", "MU Itakura-Saito", "HALS", "ALS", "PGD", "ANLS pivoting"])
@pytest.mark.parametrize("dtype", ["float32"])
def test_scale_of_X_changes_nothing(name, dtype):
    A = GOOD.astype(dtype)
    plain = fit(A, R, ALGORITHMS[name], max_iters=20)
    for exponent in (-40, 40):  # powers of two near 1e-12 and 1e12: the scaling itself makes no rounding
        c = dtype_scale(dtype, exponent)
        scaled = fit(A * c, R, ALGORITHMS[name], max_iters=20)
        assert (scaled.num_iters, scaled.status) == (plain.num_iters, plain.status)
        root = dtype_scale(dtype, exponent // 2)
        np.testing.assert_allclose(scaled.W / root, plain.W, rtol=rounding(dtype), atol=rounding(dtype))
        np.testing.assert_allclose(scaled.H / root, plain.H, rtol=rounding(dtype), atol=rounding(dtype))


def dtype_scale(dtype, exponent):
    return np.dtype(dtype).type(2.0**exponent)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda A: A.tolist(), "float64"),
        (pd.DataFrame, "float64"),
        (jnp.asarray, "float64"),
        (lambda A: A.astype("float32"), "float32"),
        (lambda A: (8 * A).astype("uint8"), "float64"),
        (lambda A: (8 * A).astype("int64"), "float64"),
        (lambda A: A > 1.2, "float64"),
        (lambda A: A.astype("float16"), "float16"),
        (lambda A: jnp.asarray(A, "bfloat16"), "bfloat16"),
    ],
)
def test_kinds_of_input(make, expected):
    A = make(GOOD)
    fitted = fit(A, R, max_iters=30)
    assert fitted.W.dtype == fitted.H.dtype == expected
    values = np.asarray(A, float)
    fit_values = np.asarray(fitted.W, float) @ np.asarray(fitted.H, float)
    assert np.linalg.norm(values - fit_values) < 0.5 * np.linalg.norm(values)
    # the loss is that of the factors returned, rounded as they are
    np.testing.assert_allclose(fitted.loss, 0.5 * np.sum((values - fit_values) ** 2), rtol=1e-4)
    assert run(A, fitted.factors, HALS(), num_iters=1)[0].W.dtype == expected


@pytest.mark.parametrize("name", ["random", "nndsvd", "nndsvda", "nndsvdar"])
def test_inits_by_name(name, dtype):
    A = GOOD.astype(dtype)
    fitted = fit(A, R, init=name, max_iters=0)
    assert fitted.W.dtype == dtype
    assert (fitted.W >= 0).all()
    scaled = fit(A * dtype_scale(dtype, 40), R, init=name, max_iters=0)
    np.testing.assert_allclose(scaled.W, fitted.W * dtype_scale(dtype, 20), rtol=1e-3)


def test_nndsvd_is_the_nonnegative_part_of_the_singular_vectors():
    W, H = init.nndsvd(GOOD, 2)
    U, sigma, Vt = np.linalg.svd(GOOD)
    np.testing.assert_allclose(np.abs(W[:, 0]), np.sqrt(sigma[0]) * np.abs(U[:, 0]), rtol=1e-10)  # Perron: one sign
    u, v = U[:, 1], Vt[1]
    parts = [np.outer(np.maximum(s * u, 0), np.maximum(s * v, 0)) for s in (1, -1)]
    best = max(parts, key=np.linalg.norm)
    np.testing.assert_allclose(np.outer(W[:, 1], H[1]), sigma[1] * best, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(W[:, 1]), np.linalg.norm(H[1]))
    for fill, largest in (("mean", None), ("random", 0.01)):
        filled = init.nndsvd(GOOD, 2, fill=fill, key=1)
        level = np.sqrt(GOOD.mean() / 2)
        holes = np.asarray(filled.W)[np.asarray(W) == 0]
        assert holes.size > 0
        assert np.allclose(holes, level) if largest is None else (holes <= largest * level).all()
    with pytest.raises(ValueError, match="fill: expected one of 'zero', 'mean', 'random', got 'ones'"):
        init.nndsvd(GOOD, 2, fill="ones")


def test_nndsvd_of_a_rank_deficient_matrix_has_no_nan():
    W, H = init.nndsvd(np.outer(np.arange(5.0), np.ones(4)), 3)
    assert np.isfinite(W).all()
    assert (W[:, 1:] == 0).all()
    assert (H[1:] == 0).all()


def test_random_has_the_mean_of_X():
    A = np.random.default_rng(0).random((200, 150))
    W, H = init.random(0, A, 10)
    np.testing.assert_allclose((W @ H).mean(), A.mean(), rtol=0.1)


def test_nothing_raises_inside_jit():
    bad = jnp.asarray(with_entry(np.nan))
    fitted = jax.jit(lambda A: fit(A, init=START, algorithm=HALS(), max_iters=5))(bad)
    assert fitted.status == Status.NONFINITE
    np.testing.assert_allclose(fitted.W, START.W)


def test_float64_input_without_x64_is_float32_and_no_warning():
    code = "import numpy as np, jnmf; print(jnmf.fit(np.ones((4, 3)), 1).W.dtype)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "float32", done.stderr
