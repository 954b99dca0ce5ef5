"""The losses against 60-digit arithmetic, their gradients against autodiff, and the edges of their domains."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given
from support import LOSSES, drawn, problem, rounding

from jnmf import MU, fit, losses, run, transform
from jnmf.testing import check_loss
from proofs.strategies import nonnegative, positive, problems

BETAS = (-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
NEAR_THE_LIMITS = (-1e-6, 1e-6, 0.001, 1 - 1e-6, 1 + 1e-6, 1.001, 1.1, 1.999, 2 - 1e-6, 2 + 1e-6)
ALL_BETAS = (-10.0, -0.5, 0.3, 0.499, 0.7, 2.5, 10.0, *BETAS, *NEAR_THE_LIMITS)
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


def oracle(x, z, beta):
    """d_β(x, z) of one pair z > 0, x ≥ 0 (x > 0 for β ≤ 0): the textbook formula in 60 digits."""
    with mpmath.workdps(60):
        x, z, beta = (mpmath.mpf(float(a)) for a in (x, z, beta))
        if beta == 1:
            return (x * mpmath.log(x / z) if x else 0) - x + z
        if beta == 0:
            return x / z - mpmath.log(x / z) - 1
        return (x**beta + (beta - 1) * z**beta - beta * x * z ** (beta - 1)) / (beta * (beta - 1))


def residuals(dtype):
    """Pairs (x, z) in 400 ratios: |x − z|/z from 1e-6 to 10 for x > z, and to nearly 1 for x < z."""
    rng = np.random.default_rng(0)
    z = np.exp(rng.uniform(-3, 3, 400)).astype(dtype)
    above, below = 10 ** rng.uniform(-6, 1, 200), 10 ** rng.uniform(-6, -1e-4, 200)
    return (z * (1 + np.concatenate([above, -below]))).astype(dtype), z


@partial(jax.jit, static_argnums=2)
def divergence(x, z, beta):
    return losses.BetaDivergence(beta=beta).divergence(x, z)


@pytest.mark.quick(14)
@pytest.mark.parametrize("beta", ALL_BETAS)
def test_divergence_is_the_textbooks_in_60_digits(beta, dtype):
    x, z = residuals(dtype)
    value = divergence(x, z, beta)
    assert value.dtype == dtype
    wanted = np.array([float(oracle(*pair, beta)) for pair in zip(x, z, strict=True)])
    np.testing.assert_allclose(np.asarray(value, float), wanted, rtol=TOLERANCE[dtype], atol=0)
    assert (divergence(z, z, beta) == 0).all()


@pytest.mark.parametrize("beta", [-1.0, 0.0, 1e-6, 0.3, 0.5, 0.7, 1.0, 1.1, 1.5, 2.5, 3.0])
def test_divergence_of_x_far_from_z_is_in_range_where_its_value_is(beta):
    x, z = (10 ** np.random.default_rng(0).uniform(-12, 12, (2, 300))).astype("float32")
    x[:20] = 0 if beta > 0 else x[:20]
    value = divergence(x, z, beta)
    wanted = np.array([float(oracle(*pair, beta)) for pair in zip(x, z, strict=True)])
    inside = (wanted > 1e-37) & (wanted < 3e38)
    assert inside.sum() > 200
    np.testing.assert_allclose(np.asarray(value, float)[inside], wanted[inside], rtol=1e-5, atol=0)
    assert not np.isnan(value).any()


def test_what_a_trace_shows_of_squares_does_not_cancel():
    x = np.random.default_rng(0).uniform(0.5, 1, 200).astype("float32")
    z = x * np.float32(1 + 1e-5)
    np.testing.assert_allclose(losses.frobenius.quick(x, z), 0.5 * (x.astype(float) - z) ** 2, rtol=1e-6)


@pytest.mark.parametrize("beta", [-1.0, 0.1, 0.5, 1.5, 3.0])
def test_what_a_trace_shows_is_the_divergence_to_the_rounding_of_its_terms(beta):
    x, z = (10 ** np.random.default_rng(0).uniform(-12, 12, (2, 300))).astype("float32")
    x[:20], x[20:60] = 0 if beta > 0 else x[:20], z[20:60] * (1 + 1e-4)
    quick = np.asarray(jax.jit(losses.BetaDivergence(beta=beta).quick)(x, z), float)
    wanted = np.array([float(oracle(*pair, beta)) for pair in zip(x, z, strict=True)])
    inside, a, b = (wanted > 1e-37) & (wanted < 3e38), x.astype(float), z.astype(float)
    with np.errstate(divide="ignore"):
        terms = np.where(a > 0, a**beta, 0) + b**beta + a * b ** (beta - 1)
    assert inside.sum() > 200
    assert (np.abs(quick - wanted)[inside] <= 2e-6 / abs(beta * (beta - 1)) * terms[inside]).all()
    assert not np.isnan(quick).any()


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0, 3.0])
def test_derivative_at_the_origin_is_the_limit(beta):
    np.testing.assert_array_equal(
        losses.BetaDivergence(beta=beta).derivative(jnp.zeros(1), jnp.zeros(1)), float(beta == 1)
    )


def test_ratio_below_the_range_of_its_dtype_keeps_its_logarithm():
    x, z = np.float32(1e-30), np.float32(1e30)
    np.testing.assert_allclose(divergence(x, z, 0.0), float(oracle(x, z, 0)), rtol=1e-6)
    np.testing.assert_allclose(divergence(z, x, 1.0), float(oracle(z, x, 1)), rtol=1e-6)


@pytest.mark.quick(7)
@pytest.mark.parametrize("beta", ALL_BETAS)
def test_derivative_keeps_its_digits_and_is_autodiffs(beta):
    x, z = residuals("float64")
    exact = lambda x, z: mpmath.mpf(z) ** mpmath.mpf(beta - 2) * (mpmath.mpf(z) - mpmath.mpf(x))
    wanted = np.array([float(exact(float(a), float(b))) for a, b in zip(x, z, strict=True)])
    derivative = jax.jit(losses.BetaDivergence(beta=beta).derivative)
    np.testing.assert_allclose(derivative(x, z), wanted, rtol=1e-12, atol=0)
    single = [a.astype("float32") for a in (x, z)]
    double = [a.astype("float64") for a in single]
    np.testing.assert_allclose(derivative(*single), derivative(*double), rtol=1e-5)
    automatic = jax.jit(jax.vmap(jax.grad(losses.BetaDivergence(beta=beta).divergence, argnums=1)))(x, z)
    scale = np.maximum(np.abs(wanted), divergence(x, z, beta) / z)
    np.testing.assert_allclose(automatic / scale, wanted / scale, rtol=0, atol=1e-13 * max(1, abs(beta)))


def slow(*places):
    return [pytest.param(LOSSES[i], marks=pytest.mark.slow) for i in places]


@pytest.mark.quick(1)
@pytest.mark.parametrize("loss", [*LOSSES[:7], LOSSES[8], *slow(7, 9)], ids=repr)
def test_every_loss_keeps_what_it_promises(loss):
    check_loss(loss, dtype="float64")


@pytest.mark.quick(1)
@pytest.mark.parametrize("loss", [LOSSES[1], LOSSES[9], *slow(3, 4, 6)], ids=repr)
def test_losses_keep_it_in_float32(loss):
    check_loss(loss, dtype="float32")


@jax.jit
def values(X, W, H, loss):
    by_hand = loss.grad_W(X, W, H), loss.grad_H(X, W, H)
    return loss(X, W, H), by_hand, jax.grad(loss, argnums=(1, 2))(X, W, H)


@pytest.mark.quick(2)
@pytest.mark.parametrize("beta", BETAS)
@drawn
@given(args=problems(X=positive, factors=positive))
def test_value_is_the_sum_and_gradients_are_autodiffs(beta, args):
    X, W, H = map(jnp.asarray, args)
    value, by_hand, by_autodiff = values(X, W, H, losses.BetaDivergence(beta=beta))
    np.testing.assert_allclose(value, np.sum(divergence(X, np.asarray(W @ H), beta)), rtol=1e-12, atol=1e-14)
    for hand, automatic in zip(by_hand, by_autodiff, strict=True):
        np.testing.assert_allclose(hand, automatic, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("beta", [b for b in BETAS if b >= 1])
@drawn
@given(args=problems(X=nonnegative, factors=nonnegative))
def test_zeros_give_no_nan(beta, args):
    value, by_hand, by_autodiff = values(*map(jnp.asarray, args), losses.BetaDivergence(beta=beta))
    assert not np.isnan(value)
    assert all(np.isfinite(gradient).all() for gradient in by_hand)
    assert not np.isnan(by_autodiff[0]).any()


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
    value = losses.BetaDivergence(beta=beta).divergence(jnp.array(x), jnp.array(z))
    np.testing.assert_allclose(value, expected)


def test_tiny_x_against_large_z_is_finite():
    np.testing.assert_allclose(
        losses.kl.divergence(jnp.float32(1e-30), jnp.float32(1.0)), 1.0, rtol=rounding("float32")
    )
    assert np.isfinite(losses.itakura_saito.divergence(jnp.float32(1e-30), jnp.float32(1.0)))


ALPHAS = (1e-3, 0.3, 2.0, 50.0, 1e4)


def negative_binomial(x, z, alpha):
    """The textbook formula in 60 digits."""
    with mpmath.workdps(60):
        x, z, alpha = (mpmath.mpf(float(a)) for a in (x, z, alpha))
        return (x * mpmath.log(x / z) if x else 0) - (x + alpha) * mpmath.log((x + alpha) / (z + alpha))


@pytest.mark.quick(3)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_negative_binomial_is_the_textbooks_in_60_digits(alpha, dtype):
    loss = losses.NegativeBinomial(alpha=jnp.asarray(alpha, dtype))
    pairs = [residuals(dtype), (10 ** np.random.default_rng(0).uniform(-8, 8, (2, 300))).astype(dtype)]
    for x, z in pairs:
        x = np.concatenate([x, np.zeros(20, dtype)])
        z = np.concatenate([z, z[:20]])
        value = jax.jit(lambda loss, x, z: loss.divergence(x, z))(loss, x, z)
        assert value.dtype == dtype
        wanted = np.array([float(negative_binomial(*pair, loss.alpha)) for pair in zip(x, z, strict=True)])
        inside = wanted > 1e-37 if dtype == "float32" else wanted > 0
        np.testing.assert_allclose(np.asarray(value, float)[inside], wanted[inside], rtol=TOLERANCE[dtype])
    assert (loss.divergence(z, z) == 0).all()


def test_negative_binomial_at_its_edges():
    loss = losses.NegativeBinomial(alpha=2.0)
    values = loss.divergence(jnp.array([0.0, 0.0, 3.0]), jnp.array([0.0, 2.0, 0.0]))
    np.testing.assert_allclose(values, [0, 2 * np.log(2), np.inf])


@pytest.mark.parametrize("alpha", [0, 0.0, -1.0, np.nan, np.inf, "2", None, True, jnp.ones(3), np.ones((12, 1))])
def test_alpha_is_one_positive_number(alpha):
    for call in (lambda a: fit(np.ones((12, 9)), 2, a), lambda a: transform(np.ones((12, 9)), np.ones((2, 9)), a)):
        with pytest.raises(ValueError, match=r"NegativeBinomial.alpha=….: expected a (finite|positive) number"):
            call(MU(loss=losses.NegativeBinomial(alpha=alpha)))


class Shifted(losses.Loss):
    """KL of x + beta and z + beta, where β is no power."""

    beta: Any = 1.0
    degree = None

    def divergence(self, x, z):
        return losses.kl.divergence(x + self.beta, z + self.beta)

    def negative(self, x, z):
        return (x + self.beta) / (z + self.beta)

    def positive(self, x, z):
        return jnp.ones_like(z)

    def exponent(self, ridge):
        return 0.5 if ridge else 1.0


def test_a_loss_takes_the_place_of_another():
    for before, change, after in (
        (MU(beta=1.0), {"beta": 2.0, "loss": None}, MU()),
        (MU(), {"beta": None, "loss": losses.NegativeBinomial()}, MU(loss=losses.NegativeBinomial())),
    ):
        assert replace(before, **change) == after
        with pytest.raises(ValueError, match="give None for the other"):
            replace(before, **{name: value for name, value in change.items() if value is not None})


def test_a_loss_of_ones_own_may_name_its_fields_as_it_likes():
    algorithm = MU(loss=Shifted(beta=jnp.asarray(0.5)))
    assert algorithm.beta is None
    assert repr(MU(loss=Shifted(beta=0.5))) == "MU(loss=Shifted(beta=0.5))"
    X, start = problem()
    losses_of = run(X, start, algorithm, num_iters=5)[1].loss
    assert (np.diff(losses_of) < 0).all()
    with pytest.raises(NotImplementedError, match=r"transform needs Shifted.second_derivative\(x, z\)"):
        transform(X, start.H, algorithm)


def test_negative_binomial_becomes_kl():
    x, z = residuals("float64")
    value = losses.NegativeBinomial(alpha=1e9).divergence(x, z)
    np.testing.assert_allclose(value, losses.kl.divergence(x, z), rtol=1e-5)


@pytest.mark.parametrize("beta", [-1.0, 0.0, 0.5, 1.0, 1.5, 3.0])
def test_the_second_derivative_is_finite_where_z_is_tiny(beta, dtype):
    """x z^{β−3} is 0 for x = 0, also where the power has left the range."""
    z = np.float64(1e-30 if dtype == "float32" else 1e-200)
    found = np.asarray(losses.BetaDivergence(beta=beta).second_derivative(jnp.zeros((), dtype), jnp.asarray(z, dtype)))
    wanted = mpmath.mpf(beta - 1) * mpmath.mpf(z) ** (beta - 2)
    assert np.isfinite(found)
    if abs(wanted) < np.finfo(dtype).max ** 0.8:
        np.testing.assert_allclose(float(found), float(wanted), rtol=1e-5)
