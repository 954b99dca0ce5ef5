"""Steps in blocks are the steps on the whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import problem

from jnmf import MU, Factors, door, loops, losses, matrix, multiplicative, resuming
from jnmf.matrix import blocks
from jnmf.matrix.low_rank import LowRank
from jnmf.matrix.masked import Masked
from jnmf.objective import gradient

X, (W, H) = problem()


@pytest.mark.quick(2)
@pytest.mark.parametrize("numbers", [1, 20, 50])  # one row or column at a time; some, with a remainder; most
@pytest.mark.parametrize("beta", [1.0, 0.5, 2.0])
def test_half_steps_in_blocks(monkeypatch, numbers, beta):
    steps = [
        lambda A: multiplicative.half_step(A, W, H, losses.BetaDivergence(beta=beta), 0.1),
        lambda A: multiplicative.half_step_W(A, W, H, losses.BetaDivergence(beta=beta), 0.1),
    ]
    masked = Masked(X, (X > 1).astype(X.dtype))
    whole = [step(A) for step in steps for A in (X, masked)]
    monkeypatch.setattr(blocks, "NUMBERS", numbers)
    for found, expected in zip([step(A) for step in steps for A in (X, masked)], whole, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.quick(1)
@pytest.mark.parametrize("beta", [1.0, 0.5, 2.0])
def test_the_step_of_W_is_that_of_H_transposed(beta):
    loss = losses.BetaDivergence(beta=beta)
    step = multiplicative.half_step(X.T, H.T, W.T, loss, 0.1, 0.2).T
    np.testing.assert_allclose(multiplicative.half_step_W(X, W, H, loss, 0.1, 0.2), step, rtol=1e-12)


@pytest.mark.parametrize("beta", [2.0, 1.0])
def test_gradients_in_blocks(monkeypatch, beta):
    whole = gradient(X, Factors(W, H), MU(beta=beta))
    monkeypatch.setattr(blocks, "NUMBERS", 30)
    for found, expected in zip(gradient(X, Factors(W, H), MU(beta=beta)), whole, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_what_two_blocks_share_counts_once(monkeypatch):
    """Of nine columns, two in a block, the last block repeats one."""
    for loss in (losses.kl, losses.BetaDivergence(beta=0.5)):
        parts = [matrix.parts_H(A, loss, W, H) for A in (X, Masked(X, (X > 1).astype(X.dtype)))]
        monkeypatch.setattr(blocks, "NUMBERS", 2 * X.shape[0])
        in_blocks = [matrix.parts_H(A, loss, W, H) for A in (X, Masked(X, (X > 1).astype(X.dtype)))]
        monkeypatch.undo()
        for found, whole in zip(jax.tree.leaves(in_blocks), jax.tree.leaves(parts), strict=True):
            np.testing.assert_allclose(found, whole, rtol=1e-10, atol=1e-12)


def test_blocks_are_differentiable(monkeypatch):
    slope = jax.grad(lambda A: multiplicative.half_step(A, W, H, losses.kl).sum())
    whole = slope(X)
    monkeypatch.setattr(blocks, "NUMBERS", 30)
    np.testing.assert_allclose(slope(X), whole, rtol=1e-12)


@pytest.mark.parametrize("numbers", [1, 30])
def test_empty_rows_and_columns_are_found_in_blocks(monkeypatch, numbers):
    A = X.at[1].set(0).at[:, 2].set(0)
    hidden = Masked(X, jnp.ones_like(X).at[1].set(0).at[:, 2].set(0))
    monkeypatch.setattr(blocks, "NUMBERS", numbers)
    for seen in (A, hidden):
        found = loops.zero_where_empty(seen, Factors(W, H), MU())
        np.testing.assert_array_equal(found.W, W.at[1].set(0))
        np.testing.assert_array_equal(found.H, H.at[:, 2].set(0))


@pytest.mark.parametrize("transposed", [False, True], ids=["wide", "tall"])
def test_looking_at_the_data_makes_no_second_matrix(dtype, transposed):
    """Booleans of the shape of X, or a copy of it, would be 12 to 100 % of X."""
    m, n, r = (8192, 2048, 4) if transposed else (2048, 8192, 4)
    shaped = lambda *shape: jax.ShapeDtypeStruct(shape, dtype)
    start = Factors(shaped(m, r), shaped(r, n))
    for program, arguments in (
        (door.extremes, ()),
        (loops.zero_where_empty, (start, MU())),
        (resuming.fingerprint, ()),
    ):
        memory = program.lower(shaped(m, n), *arguments).compile().memory_analysis()
        assert memory.temp_size_in_bytes < 0.07 * m * n * jnp.dtype(dtype).itemsize


def test_the_number_of_entries_may_be_beyond_the_whole_numbers_of_jax():
    X = LowRank(jnp.ones((10**5, 1), "float32"), jnp.ones((1, 10**5), "float32"))
    with jax.enable_x64(False):
        assert jnp.asarray(matrix.weight(X)) == np.float32(1e10)
