"""The losses against NumPy, their gradients against autodiff, and the edges of their domains."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from support import drawn, rounding

from jnmf import losses
from proofs.strategies import nonnegative, positive, problems

BETAS = (-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)


def oracle(x, z, beta):
    """d_β(x, z) of positive numbers, from the textbook formula in float64."""
    if beta == 1:
        return x * np.log(x / z) - x + z
    if beta == 0:
        return x / z - np.log(x / z) - 1
    return (x**beta + (beta - 1) * z**beta - beta * x * z ** (beta - 1)) / (beta * (beta - 1))


@pytest.mark.parametrize("beta", BETAS)
@drawn
@given(args=problems(X=positive, factors=positive))
def test_value_is_the_formula_and_gradients_are_autodiffs(beta, args):
    X, W, H = map(jnp.asarray, args)
    Z = np.asarray(W @ H)
    np.testing.assert_allclose(
        losses.beta_divergence(X, W, H, beta), oracle(np.asarray(X), Z, beta).sum(), rtol=1e-9, atol=1e-12
    )
    loss = losses.for_beta(beta)
    np.testing.assert_allclose(loss(X, W, H), losses.beta_divergence(X, W, H, beta))
    for hand, argnum in ((loss.grad_W, 1), (loss.grad_H, 2)):
        np.testing.assert_allclose(hand(X, W, H), jax.grad(loss, argnums=argnum)(X, W, H), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(losses.beta_divergence.grad_W(X, W, H, beta), loss.grad_W(X, W, H), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("beta", [b for b in BETAS if b >= 1])
@drawn
@given(args=problems(X=nonnegative, factors=nonnegative))
def test_zeros_give_no_nan(beta, args):
    X, W, H = map(jnp.asarray, args)
    loss = losses.for_beta(beta)
    assert not np.isnan(loss(X, W, H))
    assert np.isfinite(loss.grad_W(X, W, H)).all()
    assert np.isfinite(loss.grad_H(X, W, H)).all()
    assert not np.isnan(jax.grad(loss, argnums=(1, 2))(X, W, H)[0]).any()


@pytest.mark.parametrize(
    ("beta", "x", "z", "expected"),
    [
        (1.0, 0.0, 0.0, 0.0),
        (1.0, 0.0, 2.0, 2.0),
        (1.0, 2.0, 0.0, np.inf),
        (0.0, 0.0, 0.0, 0.0),
        (0.0, 0.0, 1.0, np.inf),
        (0.0, 1.0, 0.0, np.inf),
        (0.5, 1.0, 0.0, np.inf),
        (0.5, 0.0, 4.0, 4.0),
        (-1.0, 0.0, 1.0, np.inf),
        (-1.0, 0.0, 0.0, 0.0),
        (1.5, 4.0, 0.0, 8 / 0.75),
        (3.0, 0.0, 2.0, 8 / 3),
    ],
)
def test_edges_of_the_domain(beta, x, z, expected):
    value = losses.for_beta(beta).divergence(jnp.array(x), jnp.array(z))
    np.testing.assert_allclose(value, expected)


def test_beta_has_its_limits():
    x, z = jnp.array([0.3, 2.0, 5.0]), jnp.array([0.5, 1.0, 7.0])
    for beta in (0.0, 1.0):
        near = losses.for_beta(beta + 1e-5).divergence(x, z)
        np.testing.assert_allclose(near, losses.for_beta(beta).divergence(x, z), rtol=1e-3)


@pytest.mark.parametrize(
    ("loss", "second"), [(losses.kl, lambda x: 0.5 / x), (losses.itakura_saito, lambda x: 0.5 / x**2)]
)
def test_float32_keeps_its_digits_near_an_exact_fit(loss, second):
    x = np.float32(3.0)
    z = np.float32(3.0) * (1 + np.float32(2.0) ** -10)
    expected = second(3.0) * (float(z) - 3.0) ** 2
    np.testing.assert_allclose(loss.divergence(jnp.float32(x), jnp.float32(z)), expected, rtol=2e-3)


def test_tiny_x_against_large_z_is_finite():
    np.testing.assert_allclose(
        losses.kl.divergence(jnp.float32(1e-30), jnp.float32(1.0)), 1.0, rtol=rounding("float32")
    )
    assert np.isfinite(losses.itakura_saito.divergence(jnp.float32(1e-30), jnp.float32(1.0)))
