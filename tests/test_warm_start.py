"""Cheap fits as starts: they bring the fit near, and the finish is that of the full method."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import FROBENIUS, rounding

from jnmf import ANLS, HALS, MU, Accelerated, Extrapolated, Factors, fit, init, run, warm_start
from jnmf.low_rank import LowRank, compress
from jnmf.masked import product, square


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


@pytest.mark.parametrize("start", [warm_start.sketched(), warm_start.rounded(tol=1e-5)], ids=["sketched", "rounded"])
def test_a_cheap_start_saves_iterations_and_costs_no_accuracy(X, start):
    alone = fit(X, 4, tol=1e-6, max_iters=2000)
    warm = fit(X, 4, tol=1e-6, max_iters=2000, init=start)
    assert warm.num_iters < alone.num_iters
    assert warm.trace.loss[0] < 1.1 * warm.loss < alone.trace.loss[0] / 10
    assert error(X, warm.factors) == pytest.approx(error(X, alone.factors), rel=1e-3)
    assert warm.W.dtype == jnp.float64


def test_the_sketch_alone_is_not_the_answer():
    """With noise the compression hides a part of X: the finish is needed, and lowers the error."""
    draw = np.random.default_rng(0)
    X = jnp.asarray(draw.random((80, 3)) @ draw.random((3, 60)) + draw.random((80, 60)))
    start = warm_start.sketched(HALS(), oversampling=0, power_iters=0)(jax.random.key(0), X, 3)
    finished = fit(X, init=start, algorithm=HALS()).factors
    assert error(X, finished) < 0.98 * error(X, start)


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
        seen.append(jax.config.jax_default_matmul_precision)
        return init.random(key, X, rank)

    for products in ("bfloat16", None):
        warm_start.rounded(products=products, init=spy, max_iters=1)(jax.random.key(0), X, 4)
    assert seen == ["bfloat16", jax.config.jax_default_matmul_precision]


def test_the_penalties_and_the_algorithm_reach_the_cheap_fit(X):
    sparse = Extrapolated(Accelerated(HALS(l1_H=0.3)))
    for make in (warm_start.sketched, warm_start.rounded):
        assert jnp.sum(make(sparse)(jax.random.key(0), X, 4).H) < 0.9 * jnp.sum(make()(jax.random.key(0), X, 4).H)


def test_cheap_starts_jit(X):
    start = warm_start.sketched(HALS(), num_iters=5)
    eager = start(jax.random.key(0), X, 4)
    jitted = jax.jit(start, static_argnums=2)(jax.random.key(0), X, 4)
    assert isinstance(jitted, Factors)
    np.testing.assert_allclose(eager.W, jitted.W, rtol=1e-9)


@pytest.mark.parametrize("setting", [{"num_iters": -1}, {"oversampling": 1.5}, {"power_iters": -1}])
def test_bad_settings_of_a_sketch_are_named(setting):
    (name,) = setting
    with pytest.raises(ValueError, match=rf"{name}: expected an integer of at least 0"):
        warm_start.sketched(**setting)


def test_an_algorithm_that_is_a_class_is_an_error():
    with pytest.raises(TypeError, match="an instance"):
        warm_start.sketched(ANLS)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="expected HALS"):
        warm_start.sketched(MU())
