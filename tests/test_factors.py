"""The gauge of the factors: `normalize`, in every norm, dtype and size, and what is taken for factors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnmf import HALS, Factors, clusters, fit, normalize, order, plot, probabilities

NORMS = {"max": np.max, "l1": np.sum, "l2": np.linalg.norm}


def random_factors(dtype="float64", m=7, r=3, n=5):
    rng = np.random.default_rng(0)
    return Factors(rng.random((m, r)).astype(dtype), rng.random((r, n)).astype(dtype))


@pytest.mark.parametrize("norm", NORMS)
def test_a_zero_column_keeps_its_scale(norm):
    """Its row of H, which says nothing of the fit, too."""
    W, H = random_factors()
    W[:, 1] = 0
    scaled = normalize(Factors(W, H), norm)
    np.testing.assert_array_equal(scaled.W[:, 1], 0)
    np.testing.assert_array_equal(scaled.H[1], H[1])
    size = NORMS[norm](W[:, 2])
    np.testing.assert_allclose(scaled.H[2], H[2] * size, rtol=1e-15)
    np.testing.assert_allclose(scaled.W[:, 2], W[:, 2] / size, rtol=1e-15)


@pytest.mark.parametrize("norm", NORMS)
def test_half_precision_is_computed_in_single(norm):
    """Sums and squares of 300 entries up to 200 are above the largest float16, 65504."""
    W, H = np.full((300, 2), 200, "float16"), np.full((2, 3), 2**-12, "float16")
    scaled = normalize(Factors(W, H), norm)
    assert scaled.W.dtype == scaled.H.dtype == "float16"
    size = {"max": 200.0, "l1": 60000.0, "l2": 200 * np.sqrt(300)}[norm]
    np.testing.assert_allclose(scaled.W, 200 / size, rtol=1e-3)
    np.testing.assert_allclose(scaled.H, size * 2**-12, rtol=1e-3)
    form = probabilities(Factors(2 * W, H))
    assert all(part.dtype == "float16" for part in form)
    np.testing.assert_allclose(form.W, 1 / 300, rtol=1e-3)
    np.testing.assert_allclose(form.sigma, 120000 * 3 * 2**-12, rtol=1e-3)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("exponent", [-100, 120])
def test_squares_that_leave_the_range_do_not(norm, exponent):
    W, H = random_factors("float32")
    scaled, plain = normalize(Factors(W * np.float32(2.0**exponent), H), norm), normalize(Factors(W, H), norm)
    np.testing.assert_array_equal(scaled.W, plain.W)
    np.testing.assert_array_equal(scaled.H / np.float32(2.0**exponent), plain.H)


def test_integers_become_floats():
    scaled = normalize(Factors(np.array([[1, 2], [3, 4]]), np.eye(2, dtype=int)), "l1")
    np.testing.assert_allclose(scaled.W, [[1 / 4, 1 / 3], [3 / 4, 2 / 3]], rtol=1e-15)
    np.testing.assert_array_equal(scaled.H, np.diag([4.0, 6.0]))


@pytest.mark.parametrize("norm", NORMS)
def test_the_derivative_is_that_of_the_formula(norm):
    W, H = (jnp.asarray(A) for A in random_factors())
    sizes = {
        "max": lambda W: W.max(axis=0),
        "l1": lambda W: W.sum(axis=0),
        "l2": lambda W: jnp.sqrt((W * W).sum(axis=0)),
    }
    direct = jax.grad(lambda W: jnp.sum(jnp.sin(W / sizes[norm](W)[None])))(W)
    np.testing.assert_allclose(
        jax.grad(lambda W: jnp.sum(jnp.sin(normalize(Factors(W, H), norm).W)))(W), direct, atol=1e-14
    )


def test_a_fit_is_taken_where_factors_are():
    X = np.random.default_rng(0).random((6, 5))
    fitted = fit(X, 2, HALS(), max_iters=5)
    for function in (normalize, probabilities, clusters, order):
        for a, b in zip(function(fitted), function(fitted.factors), strict=True):
            np.testing.assert_array_equal(a, b)
    plot.heatmaps(X, fitted)


@pytest.mark.parametrize("function", [normalize, probabilities, clusters, order])
@pytest.mark.parametrize(("value", "got"), [((np.eye(2),), "1 arrays"), (np.eye(2), "ndarray"), (3, "int")])
def test_what_is_neither_is_an_error_that_says_so(function, value, got):
    with pytest.raises(ValueError, match=rf"expected Factors\(W, H\) or a Fit, got {got}"):
        function(value)
