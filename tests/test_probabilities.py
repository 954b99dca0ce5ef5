import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import drawn

from jnmf.factors import Factors, probabilities
from proofs.strategies import nonnegative, positive, problems


@drawn
@given(st.one_of(problems(factors=nonnegative), problems(factors=positive, scale=True)))
def test_the_product_stays_and_the_sums_are_one(problem):
    _, W, H = problem
    form = probabilities(Factors(W, H))
    np.testing.assert_allclose((form.W * form.sigma[None, :]) @ form.H, W @ H, rtol=1e-13)
    np.testing.assert_allclose(form.W.sum(axis=0), W.any(axis=0), rtol=1e-14)
    np.testing.assert_allclose(form.H.sum(axis=1), H.any(axis=1), rtol=1e-14)
    assert form.sigma.sum() == pytest.approx((W @ H).sum(), rel=1e-13)


def test_dead_components_have_weight_zero_and_no_nan(dtype):
    W, H = np.array([[1, 0, 2], [3, 0, 4]], dtype), np.array([[0, 0], [1, 2], [1, 3]], dtype)
    form = probabilities(Factors(jnp.asarray(W), jnp.asarray(H)))
    np.testing.assert_array_equal(form.sigma, np.array([0, 0, 24], dtype))
    np.testing.assert_array_equal(form.W, np.array([[0.25, 0, 1 / 3], [0.75, 0, 2 / 3]], dtype))
    np.testing.assert_array_equal(form.H, np.array([[0, 0], [1 / 3, 2 / 3], [0.25, 0.75]], dtype))
    assert all(part.dtype == dtype for part in form)


def test_vmap_over_fits():
    rng = np.random.default_rng(0)
    fits = Factors(jnp.asarray(rng.random((3, 4, 2))), jnp.asarray(rng.random((3, 2, 5))))
    W, sigma, H = jax.jit(jax.vmap(probabilities))(fits)
    np.testing.assert_allclose(np.einsum("sik,sk,skj->sij", W, sigma, H), fits.W @ fits.H, rtol=1e-13)
