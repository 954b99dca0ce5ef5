"""A kind of matrix that exists nowhere else works in every public function, and the library's own kinds do."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from support import ALGORITHMS, problem

from jnmf import (
    HALS,
    MU,
    cross_validate,
    fit,
    init,
    kkt_residual,
    losses,
    matrix,
    objective,
    run,
    sweep,
    transform,
    warm_start,
)
from jnmf.matrix import blocks
from jnmf.matrix.low_rank import LowRank
from jnmf.matrix.masked import Masked


class Sum(NamedTuple):
    """A + B."""

    A: Array
    B: Array
    shape = property(lambda self: self.A.shape)
    dtype = property(lambda self: self.A.dtype)
    T = property(lambda self: Sum(self.A.T, self.B.T))


matrix.entries.register(Sum, lambda X: (X.A + X.B, None))
matrix.part.register(Sum, lambda X, *place: Sum(*(matrix.part(A, *place) for A in X)))
matrix.product.register(Sum, lambda X, W, H: W.T @ X.A + W.T @ X.B)
matrix.filled.register(Sum, lambda X: X.A + X.B)

X, START = problem()
HALF = jnp.asarray(np.random.default_rng(0).random(X.shape)) * X
MASK = jnp.asarray(np.random.default_rng(1).random(X.shape) < 0.8)
LEFT, RIGHT = np.random.default_rng(2).uniform(0.1, 1, (12, 4)), np.random.default_rng(3).uniform(0.1, 1, (4, 9))
KINDS = {
    "sum": (Sum(HALF, X - HALF), X),
    "low rank": (LowRank(jnp.asarray(LEFT), jnp.asarray(RIGHT)), jnp.asarray(LEFT @ RIGHT)),
}


@pytest.fixture(params=KINDS, scope="module")
def kind(request):
    return KINDS[request.param]


def same(found, wanted, rtol=1e-9):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_sees_the_same_matrix(kind, name):
    A, dense = kind
    same(*(run(M, START, ALGORITHMS[name], num_iters=3) for M in (A, dense)))


@pytest.mark.parametrize("loss", [HALS(), MU(beta=1.0), MU(loss=losses.NegativeBinomial(alpha=2.0))], ids=repr)
def test_what_is_computed_entry_by_entry_is_the_same_in_blocks(kind, loss, monkeypatch):
    A, dense = kind
    wanted = objective(dense, START, loss), kkt_residual(dense, START, loss)
    monkeypatch.setattr(blocks, "NUMBERS", 30)
    jax.clear_caches()
    same((objective(A, START, loss), kkt_residual(A, START, loss)), wanted)


@pytest.mark.filterwarnings("ignore:.*components are dead")
@pytest.mark.parametrize(
    "call",
    [
        lambda A: fit(A, 2, max_iters=4),
        lambda A: fit(A, 2, HALS(), init="nndsvd", max_iters=4, stop="loss"),
        lambda A: fit(A, 2, init=warm_start.sketched(num_iters=2, oversampling=9), max_iters=1),
        lambda A: fit(A, 2, init=warm_start.sampled(num_iters=2), max_iters=1),
        lambda A: sweep(A, [1, 2], num_restarts=2, max_iters=3),
        lambda A: sweep(A, [2], num_restarts=2, algorithm=MU(beta=1.0), num_iters=3),
        lambda A: cross_validate(A, [1, 2], num_restarts=2, max_iters=3),
        lambda A: transform(A, START.H),
        lambda A: transform(A, START.H, MU(beta=1.5)),
        lambda A: fit(A, 2, HALS(), mask=MASK, max_iters=3),
        lambda A: init.random(0, A, 2),
    ],
    ids=[
        "fit",
        "nndsvd",
        "sketched",
        "sampled",
        "sweep",
        "sweep-KL",
        "cross_validate",
        "transform",
        "transform-1.5",
        "mask",
        "random",
    ],
)
def test_every_public_function_takes_it(kind, call):
    A, dense = kind
    parts = ("W", "H", "loss", "rmse", "members", "train", "test")
    found, wanted = ([getattr(made, p) for p in parts if hasattr(made, p)] or made for made in (call(A), call(dense)))
    same(found, wanted, rtol=1e-6)


def test_weights_of_weights_multiply():
    first, second = (jnp.asarray(np.random.default_rng(seed).random(X.shape)) for seed in (4, 5))
    nested, plain = Masked(Masked(X, first), second), Masked(X, first * second)
    of_factors = [f for loss in (losses.frobenius, losses.kl) for f in (loss, loss.grad_W, loss.grad_H)]
    for f in (*of_factors, matrix.product):
        same(f(nested, *START), f(plain, *START))
    for f in (matrix.square, matrix.weight, matrix.filled):
        same(f(nested), f(plain))


def test_low_rank_has_the_singular_values_of_its_product():
    A, dense = KINDS["low rank"]
    U, sigma, Vt = matrix.svd(A)
    np.testing.assert_allclose(sigma, np.linalg.svd(dense, compute_uv=False)[:4], rtol=1e-12)
    np.testing.assert_allclose(U @ jnp.diag(sigma) @ Vt, dense, rtol=1e-12)
