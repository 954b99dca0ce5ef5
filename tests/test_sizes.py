"""Sizes beyond 32 bits, by their shapes alone: no number of the machine wraps, and no program fails to be traced.

A Python integer above 2³¹ in a traced program is an OverflowError where integers have 32 bits.
"""

import importlib

import jax
import jax.numpy as jnp
import pytest
from support import ALGORITHMS

from jnmf import (
    HALS,
    MU,
    PGD,
    Factors,
    batches,
    cross_validation,
    fit,
    holdout,
    hoyer_sparsity,
    init,
    kkt_residual,
    objective,
    run,
    shuffle_columns,
    svd_rmse,
    transform,
    warm_start,
)
from jnmf.matrix.masked import Masked

KEY = jax.random.key(0)
SHAPES = {  # (m, n, r), one product of them beyond 2³¹
    "m n": (2**16, 2**15 + 1, 2),
    "n r": (3, 2**27 + 1, 17),
    "m r": (2**27 + 1, 3, 17),
}
SWEEP = importlib.import_module("jnmf.sweep").SWEEP


@pytest.fixture(autouse=True)
def single_precision():
    """As users run it who have not switched float64 on: integers have 32 bits."""
    jax.config.update("jax_enable_x64", False)
    yield
    jax.config.update("jax_enable_x64", True)


def real(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def factors(m, n, r):
    return Factors(real(m, r), real(r, n))


def shapes(function, *arguments):
    return jax.tree.map(lambda leaf: leaf.shape, jax.eval_shape(function, *arguments))


@pytest.mark.quick(2)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", [*ALGORITHMS, "PGD 0.1"])
def test_every_algorithm(name, masked):
    algorithm = PGD(step_size=0.1) if name == "PGD 0.1" else ALGORITHMS[name]
    for m, n, r in SHAPES.values():
        X, start = real(m, n), factors(m, n, r)
        X = Masked(X, X) if masked else X
        found = shapes(lambda X, start, a=algorithm: run(X, start, a, num_iters=1), X, start)
        assert found[0] == Factors((m, r), (r, n))


M, N, R = SHAPES["m n"]
PLAIN = real(M, N)
MASKED = Masked(PLAIN, PLAIN)


@pytest.mark.quick(2)
@pytest.mark.parametrize("X", [PLAIN, MASKED], ids=["plain", "masked"])
@pytest.mark.parametrize("algorithm", [HALS(), MU(beta=1.0)], ids=repr)
def test_every_entrance(X, algorithm):
    start = factors(M, N, R)
    fitted = shapes(lambda X: fit(X, R, algorithm, key=KEY, max_iters=2, stop="kkt"), X)
    assert fitted.factors == Factors((M, R), (R, N))
    assert shapes(lambda X, start: transform(X, start.H, algorithm), X, start) == (M, R)
    assert shapes(lambda X, start: objective(X, start, algorithm), X, start) == ()
    assert shapes(lambda X, start: kkt_residual(X, start, algorithm), X, start) == ()
    assert shapes(batches.rmse, X, start) == ()
    assert shapes(lambda X, start: batches.mean_loss(X, start, algorithm.loss), X, start) == ()


def test_every_start():
    for name in init.NAMED:
        assert shapes(lambda X, name=name: init.NAMED[name](KEY, X, R), PLAIN) == Factors((M, R), (R, N))
    for name in ("sampled", "sketched", "frobenius", "rounded"):
        start = getattr(warm_start, name)()
        assert shapes(lambda X, start=start: fit(X, R, init=start, key=KEY, max_iters=1).W, PLAIN) == (M, R)


@pytest.mark.quick(1)
@pytest.mark.parametrize("algorithm", [HALS(), MU(beta=1.0)], ids=repr)
def test_studies(algorithm):
    start = Factors(real(1, M, R), real(1, R, N))
    batch = lambda X, start, own, study: batches._batch(X, start, algorithm, 0.0, 1, 1, own, study, 1, 1).loss
    for X in (PLAIN, MASKED):
        assert shapes(lambda X, start: batch(X, start, None, SWEEP), X, start) == (1,)
        last = jax.eval_shape(lambda X: holdout.last_draws(KEY[None], X, 2**31), X)
        assert (last.shape, last.dtype) == ((1,), jnp.uint32)
        held_out = holdout.HeldOut(KEY[None], last)
        for study in cross_validation.STUDIES.values():
            assert shapes(lambda X, *given, study=study: batch(X, *given, study), X, start, held_out) == (1,)
        assert batches.automatic_batch_size(X, False, MU(beta=1.0), R) == batches.members_at_a_time(X, R) == 1
    dense = real(100, 80)  # that each member sees by a mask of its own
    sizes = [batches.automatic_batch_size(A, False, algorithm, 2) for A in (dense, Masked(dense, dense))]
    assert sizes[0] == sizes[1]


def test_the_rest():
    assert shapes(lambda X: svd_rmse(X, (1, 2)), PLAIN) == (2,)
    assert shapes(shuffle_columns, PLAIN) == (M, N)
    assert shapes(hoyer_sparsity, PLAIN) == ()
