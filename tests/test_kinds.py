"""A kind of matrix that exists nowhere else works in every public function, and the library's own kinds do."""

from dataclasses import dataclass, field
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
    shuffle_columns,
    svd_rmse,
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


@jax.tree_util.register_dataclass
@dataclass
class Coordinates:
    """The entries that are not 0, with their places: whole numbers, among the leaves."""

    values: Array
    rows: Array
    columns: Array
    shape: tuple = field(metadata={"static": True})
    dtype = property(lambda self: self.values.dtype)
    T = property(lambda self: Coordinates(self.values, self.columns, self.rows, self.shape[::-1]))


class Weighted(NamedTuple):
    """A with weights of its own."""

    A: Array
    M: Array
    shape = property(lambda self: self.A.shape)
    dtype = property(lambda self: self.A.dtype)
    T = property(lambda self: Weighted(self.A.T, self.M.T))


def densely(X):
    return jnp.zeros(X.shape, X.dtype).at[X.rows, X.columns].add(X.values)


matrix.entries.register(Coordinates, lambda X: (densely(X), None))
matrix.part.register(Coordinates, lambda X, *place: matrix.part(densely(X), *place))
matrix.product.register(
    Coordinates, lambda X, W, H: (W.T * 0 @ densely(X)).at[:, X.columns].add(W[X.rows].T * X.values[None, :])
)
matrix.entries.register(Weighted, lambda X: (X.A, X.M))
matrix.part.register(Weighted, lambda X, *place: Weighted(*(matrix.part(A, *place) for A in X)))
matrix.product.register(Weighted, lambda X, W, H: W.T @ (X.M * X.A + (1 - X.M) * (W @ H)))
matrix.is_completed.register(Weighted, lambda X: True)

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
        lambda A: fit(A, 2, HALS(), init=warm_start.rounded(dtype="float64", max_iters=2), max_iters=1),
        lambda A: svd_rmse(A, [1, 2]),
        lambda A: shuffle_columns(A),
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
        "rounded",
        "svd_rmse",
        "shuffle_columns",
    ],
)
def test_every_public_function_takes_it(kind, call):
    A, dense = kind
    parts = ("W", "H", "loss", "rmse", "members", "train", "test")
    found, wanted = ([getattr(made, p) for p in parts if hasattr(made, p)] or made for made in (call(A), call(dense)))
    same(found, wanted, rtol=1e-6)


def test_whole_numbers_among_the_leaves_stay_what_they_are():
    A = Coordinates(X.ravel(), *map(jnp.asarray, np.indices(X.shape).reshape(2, -1)), X.shape)
    for call in (
        lambda A: fit(A, 2, HALS(), max_iters=3).factors,
        lambda A: run(A, START, MU(beta=1.0), num_iters=2)[0],
        lambda A: sweep(A, [2], num_restarts=1, algorithm=HALS(), num_iters=2).members,
        lambda A: transform(A, START.H),
        lambda A: (objective(A, START), kkt_residual(A, START)),
    ):
        same(call(A), call(X))


@pytest.mark.parametrize("k", [0, 600, -600])
@pytest.mark.parametrize("of_kind", [Weighted, Masked])
def test_a_kind_with_weights_of_its_own_is_x_under_a_mask(of_kind, k):
    unit = lambda f: (f.W @ jnp.ldexp(f.H, -k), f.num_iters)
    A, mask, other = jnp.ldexp(X, k).at[0, 0].set(-1), MASK.at[0, 0].set(False).at[3].set(False), MASK[::-1]
    A = of_kind(A, mask.astype(float))
    for algorithm in (HALS(), MU(beta=1.0)):
        wanted = fit(jnp.ldexp(X, k), 2, algorithm, mask=mask, max_iters=3)
        same(unit(fit(A, 2, algorithm, max_iters=3)), unit(wanted))
    wanted = fit(jnp.ldexp(X, k), 2, HALS(), mask=mask & other, max_iters=3)
    same(unit(fit(A, 2, HALS(), mask=other, max_iters=3)), unit(wanted))
    if k == 0:
        same(*(sweep(B, [2], num_restarts=1, num_iters=3, **kw).rmse for B, kw in ((A, {}), (X, {"mask": mask}))))
    with pytest.raises(ValueError, match="expected a matrix without weights"):
        svd_rmse(A, [1])


def test_a_kind_that_cannot_be_computed_with_says_so():
    with pytest.raises(TypeError, match="expected a LowRank of floating point, got int"):
        fit(LowRank(jnp.ones((4, 2), int), jnp.ones((2, 3), int)), 2)
    for M, message in ((jnp.full(X.shape, 2.0), r"weights in \[0, 1\]"), (jnp.ones((2, 2)), "expected the shape of X")):
        with pytest.raises(ValueError, match=message):
            fit(Masked(X, M), 2)


def test_low_rank_of_any_balance():
    A, dense = KINDS["low rank"]
    found, wanted = (fit(B, 2, HALS(), max_iters=3) for B in (LowRank(1e200 * A.A, 1e-200 * A.B), dense))
    same((found.factors, found.trace.loss), (wanted.factors, wanted.trace.loss), rtol=1e-6)


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
