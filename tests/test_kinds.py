"""A kind of matrix that exists nowhere else works in every public function, and the library's own kinds do."""

from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinds import KINDS, MASK, SLOW, START, Weighted, X

from jnmf import (
    HALS,
    MU,
    PGD,
    cross_validate,
    fit,
    init,
    shuffle_columns,
    svd_rmse,
    sweep,
    transform,
    warm_start,
)
from jnmf.matrix import csr
from jnmf.matrix.low_rank import LowRank
from jnmf.matrix.masked import Masked
from jnmf.testing import check_matrix


def same(found, wanted, rtol=1e-9):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=1e-12)


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in KINDS]
)
def test_every_function_is_that_of_the_entries(name):
    with mock.patch.object(csr, "NUMBERS", 40):  # of a sparse one five entries at a time, the last of which overlap
        check_matrix(*KINDS[name])


@pytest.mark.quick(1)
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
def test_every_public_function_takes_it(call):
    A, dense = KINDS["sum"]
    parts = ("W", "H", "loss", "rmse", "members", "train", "test")
    found, wanted = ([getattr(made, p) for p in parts if hasattr(made, p)] or made for made in (call(A), call(dense)))
    same(found, wanted, rtol=1e-6)


@pytest.mark.slow
def test_whole_numbers_among_the_leaves_stay_what_they_are():
    A, X = KINDS["coordinates"]
    for call in (
        lambda A: sweep(A, [2], num_restarts=1, algorithm=HALS(), num_iters=2).members,
        lambda A: transform(A, START.H),
    ):
        same(call(A), call(X))


@pytest.mark.quick(2)
@pytest.mark.parametrize("k", [0, 600, -600])
@pytest.mark.parametrize("of_kind", [Weighted, Masked])
def test_a_kind_with_weights_of_its_own_is_x_under_a_mask(of_kind, k):
    unit = lambda f: (f.W @ jnp.ldexp(f.H, -k), f.num_iters)
    A, mask, other = jnp.ldexp(X, k).at[0, 0].set(-1), MASK.at[0, 0].set(False).at[3].set(False), MASK[::-1]
    A = of_kind(A, mask.astype(float))
    for algorithm in (PGD(), MU(beta=1.0)):
        wanted = fit(jnp.ldexp(X, k), 2, algorithm, mask=mask, max_iters=3)
        same(unit(fit(A, 2, algorithm, max_iters=3)), unit(wanted))
    wanted = fit(jnp.ldexp(X, k), 2, PGD(), mask=mask & other, max_iters=3)
    same(unit(fit(A, 2, PGD(), mask=other, max_iters=3)), unit(wanted))
    if k == 0:
        study = {"num_restarts": 1, "num_iters": 3, "algorithm": PGD()}
        same(*(sweep(B, [2], **study, **kw).rmse for B, kw in ((A, {}), (X, {"mask": mask}))))
    with pytest.raises(ValueError, match="expected a matrix without weights"):
        svd_rmse(A, [1])


def test_a_kind_that_cannot_be_computed_with_says_so():
    with pytest.raises(TypeError, match="expected a LowRank of floating point, got int"):
        fit(LowRank(jnp.ones((4, 2), int), jnp.ones((2, 3), int)), 2)
    for M, message in ((jnp.full(X.shape, -2.0), "at least 0"), (jnp.ones((2, 2)), "expected the shape of X")):
        with pytest.raises(ValueError, match=message):
            fit(Masked(X, M), 2)


def test_low_rank_of_any_balance():
    A, dense = KINDS["low rank"]
    found, wanted = (fit(B, 2, HALS(), max_iters=3) for B in (LowRank(1e200 * A.A, 1e-200 * A.B), dense))
    same((found.factors, found.trace.loss), (wanted.factors, wanted.trace.loss), rtol=1e-6)
