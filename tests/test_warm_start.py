"""Cheap fits as starts: they bring the fit near, and the finish is that of the full method."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import FROBENIUS, rounding

from jnmf import (
    ANLS,
    HALS,
    MU,
    Accelerated,
    Extrapolated,
    Factors,
    Momentum,
    batches,
    checks,
    fit,
    init,
    loops,
    run,
    solvers,
    sweep,
    transform,
    warm_start,
)
from jnmf.matrix import product, square
from jnmf.matrix.low_rank import LowRank, compress


@pytest.fixture(scope="module")
def X():
    """60 × 40, near rank 4."""
    keys = jax.random.split(jax.random.key(0), 3)
    noise = 0.02 * jax.random.uniform(keys[2], (60, 40))
    return jax.random.uniform(keys[0], (60, 4)) @ jax.random.uniform(keys[1], (4, 40)) + noise


def error(X, factors):
    return float(jnp.linalg.norm(X - factors.W @ factors.H) / jnp.linalg.norm(X))


def test_a_compression_of_full_rank_is_the_matrix_and_its_basis_orthonormal(X, dtype):
    X = X.astype(dtype)
    Q, B = compress(jax.random.key(1), X, 100)
    assert (Q.shape, B.shape, B.dtype) == ((60, 40), (40, 40), X.dtype)
    np.testing.assert_allclose(Q.T @ Q, np.eye(40), atol=rounding(dtype))
    np.testing.assert_allclose(Q @ B, X, atol=rounding(dtype))


def test_a_compression_is_nearly_as_good_as_the_svd_and_better_with_power_iterations(X):
    sigma = np.linalg.svd(X, compute_uv=False)
    best = np.linalg.norm(sigma[8:])
    errors = [
        float(jnp.linalg.norm(X - jnp.matmul(*compress(jax.random.key(1), X, 8, power_iters=p)))) for p in (0, 1, 3)
    ]
    assert best <= errors[2] < errors[1] < errors[0] < 2 * best


def test_a_matrix_known_by_its_factors_is_that_matrix_to_the_frobenius_methods():
    keys = jax.random.split(jax.random.key(2), 4)
    A, B, W, H = (jax.random.normal(k, s) for k, s in zip(keys, ((9, 5), (5, 7), (9, 3), (3, 7)), strict=True))
    sketch, whole = LowRank(A, B), A @ B
    assert (sketch.shape, sketch.T.shape) == (whole.shape, whole.T.shape)
    np.testing.assert_allclose(product(sketch, W, H), product(whole, W, H), rtol=1e-12)
    np.testing.assert_allclose(product(sketch.T, H.T, W.T), product(whole.T, H.T, W.T), rtol=1e-12)
    np.testing.assert_allclose(square(sketch), square(whole), rtol=1e-12)


@pytest.mark.parametrize("name", ["HALS", "Extrapolated HALS"])
def test_without_compression_the_sketched_start_is_a_run(X, name):
    """With Q square nothing is lost, and the start is what `run` makes of the same random factors."""
    algorithm = FROBENIUS[name]
    key = jax.random.key(3)
    found = warm_start.sketched(algorithm, num_iters=3, oversampling=40)(key, X, 4)
    expected, _ = run(X, init.random(jax.random.split(key)[0], X, 4), algorithm, num_iters=3)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-8)


@pytest.mark.quick(1)
@pytest.mark.parametrize(
    ("start", "near"),
    [(warm_start.sampled(size=30), 2), (warm_start.sketched(), 1.1), (warm_start.rounded(tol=1e-5), 1.1)],
    ids=["sampled", "sketched", "rounded"],
)
def test_a_cheap_start_saves_iterations_and_costs_no_accuracy(X, start, near):
    alone = fit(X, 4, tol=1e-6, max_iters=2000)
    warm = fit(X, 4, tol=1e-6, max_iters=2000, init=start)
    assert warm.num_iters < alone.num_iters
    assert warm.trace.loss[0] < near * warm.loss < alone.trace.loss[0] / 10
    assert error(X, warm.factors) == pytest.approx(error(X, alone.factors), rel=1e-3)
    assert warm.W.dtype == jnp.float64


def test_the_sketch_alone_is_not_the_answer():
    """With noise the compression hides a part of X: the finish is needed, and lowers the error."""
    draw = np.random.default_rng(0)
    X = jnp.asarray(draw.random((80, 3)) @ draw.random((3, 60)) + draw.random((80, 60)))
    start = warm_start.sketched(HALS(), oversampling=0, power_iters=0)(jax.random.key(0), X, 3)
    finished = fit(X, init=start, algorithm=HALS()).factors
    assert error(X, finished) < 0.98 * error(X, start)


@pytest.mark.slow
def test_rounded_starts_in_the_dtype_asked_for(X):
    start = warm_start.rounded(tol=1e-3)
    plain = start(jax.random.key(0), X, 4)
    assert plain.W.dtype == X.dtype
    assert jnp.array_equal(start(jax.random.key(0), X, 4).H, plain.H)
    coarse = warm_start.rounded(dtype="bfloat16", tol=1e-3, products="bfloat16")(jax.random.key(0), X, 4)
    assert error(X, coarse) < 0.01
    np.testing.assert_array_equal(coarse.W, coarse.W.astype(jnp.bfloat16).astype(float))


def test_products_is_the_precision_during_the_rounded_fit_alone(X):
    """A CPU multiplies the same whatever it is, so what is looked at is the setting."""
    seen = []

    def spy(key, X, rank):
        seen.append(jax.config.jax_default_matmul_precision)  # pyright: ignore[reportAttributeAccessIssue]
        return init.random(key, X, rank)

    for products in ("bfloat16", None):
        warm_start.rounded(products=products, init=spy, max_iters=1)(jax.random.key(0), X, 4)
    assert seen == ["bfloat16", jax.config.jax_default_matmul_precision]  # pyright: ignore[reportAttributeAccessIssue]


def test_the_penalties_and_the_algorithm_reach_the_cheap_fit(X):
    sparse = Extrapolated(Accelerated(HALS(l1_H=0.3)))
    for make in (warm_start.sampled, warm_start.sketched, warm_start.frobenius, warm_start.rounded):
        assert jnp.sum(make(sparse)(jax.random.key(0), X, 4).H) < 0.9 * jnp.sum(make()(jax.random.key(0), X, 4).H)


@pytest.mark.parametrize("make", [warm_start.sampled, warm_start.sketched, warm_start.frobenius])
def test_cheap_starts_jit(X, make):
    start = make(HALS(), num_iters=5)
    eager = start(jax.random.key(0), X, 4)
    jitted = jax.jit(start, static_argnums=2)(jax.random.key(0), X, 4)
    assert isinstance(jitted, Factors)
    np.testing.assert_allclose(eager.W, jitted.W, rtol=1e-9)


@pytest.mark.quick(1)
@pytest.mark.parametrize("transposed", [False, True], ids=["columns", "rows"])
def test_a_sample_is_of_different_columns_or_rows_of_the_longer_side(X, transposed):
    """X is 60 × 40: rows of X, columns of Xᵀ, 16 for each component, and no more than there are."""
    seen = []

    def spy(key, sample, rank):
        seen.append(sample.T if transposed else sample)
        return init.random(key, sample, rank)

    for size, rank in ((None, 2), (20, 2), (None, 5)):
        make = warm_start.sampled(HALS(), size=size, num_iters=1, init=spy)
        start = make(jax.random.key(0), X.T if transposed else X, rank)
        assert (start.W.shape, start.H.shape) == (((40, rank), (rank, 60)) if transposed else ((60, rank), (rank, 40)))
    assert [len(sample) for sample in seen] == [32, 20, 60]
    for sample in seen:
        rows = [int(np.flatnonzero(np.all(np.asarray(X) == row, axis=1))[0]) for row in np.asarray(sample)]
        assert rows == sorted(set(rows))


def test_the_other_factor_is_near_its_minimiser_where_projected_least_squares_are_not():
    rng = np.random.default_rng(0)
    A, W = rng.random((60, 40)), rng.random((60, 1)) + 0.1 * rng.random((60, 6))  # components that are alike
    exact = error(A, Factors(W, transform(A.T, W.T).T))
    near, projected = warm_start._rest_of_H(A, W), solvers.least_squares(None, W.T @ W, W.T @ A)
    assert error(A, Factors(W, near)) < 1.01 * exact
    assert error(A, Factors(W, projected)) > 1.1 * exact


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "transposed"), [("float32", False), ("float64", True)], ids=["columns", "rows"])
def test_the_factor_of_the_sample_is_a_run_and_the_other_its_least_squares_answer(X, dtype, transposed):
    X, key = (X.T if transposed else X).astype(dtype), jax.random.key(3)
    found = warm_start.sampled(HALS(), size=60, num_iters=3)(key, X, 4)
    expected, _ = run(X, init.random(jax.random.split(key)[0], X, 4), HALS(), num_iters=3)
    if transposed:
        same, exact = (found.W, expected.W), Factors(found.W, transform(X.T, found.W.T).T)
    else:
        same, exact = (found.H, expected.H), Factors(transform(X, found.H), found.H)
    np.testing.assert_allclose(*same, atol=rounding(dtype))
    assert error(X, found) < 1.05 * error(X, exact)
    assert found.W.dtype == found.H.dtype == X.dtype


def test_least_squares_come_near_another_divergence_and_leave_no_zero():
    """Poisson counts of sparse factors: from the start of least squares KL needs a part of the iterations."""
    draw = np.random.default_rng(0)
    means = draw.gamma(0.3, size=(60, 5)) @ draw.gamma(0.3, size=(5, 80))
    X = draw.poisson(30 * means).astype(float)
    X = X[X.sum(axis=1) > 0][:, X.sum(axis=0) > 0]
    method, options = Momentum(MU(beta=1.0)), {"tol": 1e-5, "max_iters": 3000}
    alone = fit(X, 5, method, **options)
    warm = fit(X, 5, method, init=warm_start.frobenius(), **options)
    assert warm.trace.loss[9] < alone.trace.loss[9]
    assert warm.num_iters < alone.num_iters
    assert warm.loss < 1.01 * alone.loss


def test_raised_entries_are_a_hundredth_of_the_mean_of_their_component_and_others_stay(X):
    sparse, key = HALS(l1_H=0.5), jax.random.key(0)
    W, H = warm_start.frobenius(sparse, num_iters=5)(key, X, 4)
    (_, plain), _ = run(X, init.random(key, X, 4), sparse, num_iters=5)
    assert jnp.any(plain == 0)
    least = 0.01 * jnp.mean(plain, axis=1)
    np.testing.assert_allclose(jnp.min(H, axis=1), jnp.maximum(least, jnp.min(plain, axis=1)), rtol=1e-12)
    large = plain > least[:, None]
    np.testing.assert_allclose(H[large], plain[large], rtol=1e-12)
    assert jnp.all(W > 0)


def test_cheap_starts_compose(X):
    """Each starts where the one inside it ended: with no iterations of its own it returns that."""
    key, inner = jax.random.key(1), warm_start.sampled(HALS(), num_iters=20)
    rounded = warm_start.rounded(init=inner, max_iters=0)(key, X, 4)
    for A, B in zip(rounded, inner(key, X.astype("float32"), 4), strict=True):
        np.testing.assert_array_equal(A, B.astype(float))
    squares = warm_start.frobenius(HALS(), num_iters=0, init=inner)(key, X, 4)
    np.testing.assert_array_equal(squares.H, jnp.maximum(H := inner(key, X, 4).H, 0.01 * H.mean(axis=1, keepdims=True)))


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (warm_start.sketched, {"num_iters": -1}),
        (warm_start.sketched, {"oversampling": 1.5}),
        (warm_start.sketched, {"power_iters": -1}),
        (warm_start.sampled, {"num_iters": -1}),
        (warm_start.frobenius, {"num_iters": -1}),
    ],
)
def test_bad_settings_are_named(make, setting):
    (name,) = setting
    with pytest.raises(ValueError, match=rf"{name}: expected an integer of at least 0"):
        make(**setting)
    with pytest.raises(ValueError, match="size: expected an integer of at least 1"):
        warm_start.sampled(size=0)


@pytest.mark.parametrize("make", [warm_start.sampled, warm_start.sketched, warm_start.frobenius])
def test_an_algorithm_that_is_a_class_or_multiplicative_is_an_error(make):
    with pytest.raises(TypeError, match="an instance"):
        make(ANLS)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=rf"^{make.__name__}\(…\): expected HALS"):
        make(MU())


# In a sweep the starts of a rank are one program

SMALL = np.random.default_rng(5).random((12, 9))
HALF = np.random.default_rng(6).random(SMALL.shape) < 0.7


def by_numpy(key, X, rank):
    """A start that cannot be traced: it needs the numbers of the key."""
    draw = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    return Factors(draw.random((X.shape[0], rank)), draw.random((rank, X.shape[1])))


@jax.jit
def keyed(key, W, H):
    return Factors(*(A * jax.random.uniform(k, A.shape) for k, A in zip(jax.random.split(key), (W, H), strict=True)))


by_jit = jax.jit(lambda key, X, rank: keyed(key, X[:, :rank] / 64, X[:rank]), static_argnums=2)
sampled = warm_start.sampled(HALS(), num_iters=2)
MEMBERS = {  # the init, X in a unit, the mask, the algorithm, how many devices, how often a start is made on the host
    "sampled": (sampled, 1, None, HALS(), 2, 0),
    "sampled, huge X": (sampled, 2.0**600, None, HALS(l1_H=2.0**598), 1, 0),
    "sketched, mask, tiny X": (warm_start.sketched(HALS(), num_iters=2), 2.0**-600, HALF, HALS(), 1, 0),
    "least squares of a sample, mask": (
        warm_start.frobenius(HALS(), num_iters=2, init=sampled), 1, HALF, MU(beta=1.0), 2, 0
    ),
    "rounded fit of a sample, huge X": (warm_start.rounded(max_iters=2, init=sampled), 2.0**600, None, HALS(), 2, 0),
    "rounded, named": (warm_start.rounded(max_iters=2, init="nndsvdar"), 1, HALF, MU(), 1, 0),
    "compiled": (by_jit, 1, None, HALS(), 2, 0),
    "compiled, huge X": (by_jit, 2.0**600, None, HALS(), 1, 0),
    "sampled from a compiled one": (warm_start.sampled(HALS(), num_iters=2, init=by_jit), 1, None, MU(), 1, 0),
    "in NumPy": (by_numpy, 1, None, HALS(), 2, 6),
    "sampled from one in NumPy": (warm_start.sampled(HALS(), num_iters=2, init=by_numpy), 1, HALF, HALS(), 1, 3),
}  # fmt: skip
ALIKE = ("sampled, huge X", "rounded, named")  # a unit, a rounded start and a name have other rows


@pytest.mark.quick(1)
@pytest.mark.filterwarnings("ignore:.*components are dead")
@pytest.mark.parametrize("case", [pytest.param(case, marks=[pytest.mark.slow] * (case in ALIKE)) for case in MEMBERS])
def test_members_of_a_sweep_are_single_fits_from_the_same_start(monkeypatch, case):
    start, unit, mask, algorithm, devices, on_host = MEMBERS[case]
    monkeypatch.setattr(jax, "local_device_count", lambda: devices)
    ranks = [2, 3][:devices]  # the starts of each rank are a program
    made, options = [], {"algorithm": algorithm, "mask": mask, "init": start}
    rtol = 1e-5 if case.startswith("rounded") else 1e-7  # to float32
    initial_factors = loops.initial_factors

    def counted(entered, *rest):
        made.append(checks.is_traced(entered.X))
        return initial_factors(entered, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(loops, "initial_factors", counted)
        study = sweep(unit * SMALL, ranks, num_restarts=3, key=3, num_iters=3, **options)
    assert (made.count(False), made.count(True) > 0) == (on_host, on_host == 0)
    keys = jax.random.split(jax.random.key(3), 3)
    for i, rank in enumerate(ranks):
        for s in range(3):
            single = fit(unit * SMALL, rank, key=keys[s], tol=0, max_iters=3, **options)
            np.testing.assert_allclose(study.loss[i, s], single.loss, rtol=rtol / 100)
            for A, B in zip(study.factors(rank, s), single.factors, strict=True):
                np.testing.assert_allclose(A, B, rtol=rtol, atol=rtol / 10 * np.max(B))
    assert len(np.unique(study.rmse)) == study.rmse.size


@pytest.mark.slow
def test_a_sweep_in_half_precision_warms_up_in_float32():
    X, keys = SMALL.astype("float16"), jax.random.split(jax.random.key(3), 2)
    study = sweep(X, [3], num_restarts=2, key=3, num_iters=3, algorithm=HALS(), init=sampled)
    for s in range(2):
        single = fit(X, 3, HALS(), key=keys[s], tol=0, max_iters=3, init=sampled)
        np.testing.assert_allclose(study.factors(3, s).H, single.H, rtol=2e-3)
        np.testing.assert_allclose(study.loss[0, s], single.loss, rtol=1e-3)


def test_a_warm_start_made_anew_is_no_new_program_and_pickles():
    options = {"num_restarts": 2, "key": 3, "num_iters": 1, "algorithm": HALS()}
    first = sweep(SMALL, [2], init=warm_start.sampled(HALS(l1_H=0.1), num_iters=3), **options)
    programs = batches._starts._cache_size()  # pyright: ignore[reportAttributeAccessIssue]
    again = warm_start.sampled(HALS(l1_H=0.2), num_iters=3)
    assert not np.array_equal(sweep(SMALL, [2], init=again, **options).loss, first.loss)
    assert batches._starts._cache_size() == programs  # pyright: ignore[reportAttributeAccessIssue]
    copied = pickle.loads(pickle.dumps(again))
    np.testing.assert_array_equal(copied(0, SMALL, 2).H, again(0, SMALL, 2).H)


def test_what_fit_refuses_of_a_start_a_sweep_refuses_too():
    bad = {
        "negative": jax.jit(lambda key, X, rank: Factors(X[:, :rank], -X[:rank]), static_argnums=2),
        "NaN": jax.jit(lambda key, X, rank: Factors(X[:, :rank], jnp.nan * X[:rank]), static_argnums=2),
        "all zeros": jax.jit(lambda key, X, rank: Factors(X[:, :rank], 0 * X[:rank]), static_argnums=2),
        "expected W": jax.jit(lambda key, X, rank: Factors(X[:, :rank], X[: rank + 1]), static_argnums=2),
    }
    for message, start in bad.items():
        with pytest.raises(ValueError, match=message):
            fit(SMALL, 2, HALS(), init=start)
        with pytest.raises(ValueError, match=message):
            sweep(SMALL, [2], num_restarts=2, num_iters=1, algorithm=HALS(), init=start)


@pytest.mark.slow
def test_the_numbers_of_a_cheap_fit_are_in_the_dtype_of_X():
    penalised = HALS(l1_H=jnp.float64(0.1))
    assert sampled(0, SMALL.astype("float32"), 2).W.dtype == jnp.float32
    assert warm_start.frobenius(penalised)(0, jnp.asarray(SMALL, "float32"), 2).H.dtype == jnp.float32
