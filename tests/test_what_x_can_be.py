"""The page docs/what-x-can-be.md: its table of kinds and functions, cell by cell, and what it says of digits."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as ss

import jnmf
from jnmf import HALS, MU, Factors, losses, terms, warm_start
from jnmf.matrix.low_rank import LowRank

PAGE = (Path(__file__).parent.parent / "docs" / "what-x-can-be.md").read_text(encoding="utf-8")
DRAW = np.random.default_rng(0)
A, B = DRAW.uniform(0.1, 1, (8, 3)), DRAW.uniform(0.1, 1, (3, 6))
DENSE = (A @ B) * (DRAW.random((8, 6)) < 0.7)
SEEN = (DENSE != 0) | (DRAW.random((8, 6)) < 0.3)  # zeros that are stored among them
STORED = ss.csr_array((DENSE[SEEN], np.nonzero(SEEN)), shape=DENSE.shape)
START = Factors(*(jnp.asarray(DRAW.uniform(0.1, 1, shape)) for shape in ((8, 2), (2, 6))))

BY_COLUMNS = jax.NamedSharding(jax.make_mesh((2,), ("columns",)), jax.P(None, "columns"))
BY_ROWS = jax.NamedSharding(jax.make_mesh((2,), ("rows",)), jax.P("rows"))

KINDS = {  # X with its mask, and the array with its mask that it is to be like
    "dense": (DENSE, {}, DENSE, {}),
    "masked": (np.ma.MaskedArray(DENSE, ~SEEN), {}, DENSE, {"mask": SEEN}),
    "sparse": (ss.csr_array(DENSE), {}, DENSE, {}),
    "stored": (STORED, {"mask": "stored"}, DENSE, {"mask": SEEN}),
    "low rank": (LowRank(jnp.asarray(A), jnp.asarray(B)), {}, A @ B, {}),
    "over devices": (jax.device_put(DENSE, BY_COLUMNS), {}, DENSE, {}),
    "sparse, over devices": (jnmf.sparse(ss.csr_array(DENSE), BY_ROWS), {}, DENSE, {}),
    "stored, over devices": (jnmf.sparse(STORED, BY_ROWS), {"mask": "stored"}, DENSE, {"mask": SEEN}),
}
WITH_TERMS = HALS(
    on_H=(terms.Smooth(0.1), terms.SumToOne(1.0), terms.Known(B[:1])), on_W=(terms.MinimumVolume(0.1), terms.Lasso(0.1))
)
FUNCTIONS = {
    "fit": lambda X, **kw: jnmf.fit(X, 2, max_iters=2, **kw)[:3],
    "fit, KL": lambda X, **kw: jnmf.fit(X, 2, MU(beta=1.0), max_iters=2, **kw)[:3],
    "fit, β = 1.5": lambda X, **kw: jnmf.fit(X, 2, MU(beta=1.5), max_iters=2, **kw)[:3],
    "fit, exact ANLS": lambda X, **kw: jnmf.fit(X, 2, jnmf.ANLS(), max_iters=2, **kw)[:3],
    "fit, nndsvda": lambda X, **kw: jnmf.fit(X, 2, HALS(), init="nndsvda", max_iters=1, **kw)[:3],
    "fit, sampled": lambda X, **kw: jnmf.fit(X, 2, HALS(), init=warm_start.sampled(num_iters=1), max_iters=1, **kw)[:3],
    "fit, sketched": lambda X, **kw: jnmf.fit(X, 2, HALS(), init=warm_start.sketched(num_iters=1), max_iters=1, **kw)[
        :3
    ],
    "fit, spa": lambda X, **kw: jnmf.fit(X, 2, HALS(), init="spa", max_iters=1, **kw)[:3],
    "fit with terms": lambda X, **kw: jnmf.fit(X, 2, jnmf.Extrapolated(WITH_TERMS), max_iters=2, **kw)[:3],
    "run": lambda X, **kw: jnmf.run(X, START, HALS(), num_iters=1, **kw)[0],
    "sweep": lambda X, **kw: jnmf.sweep(X, [2], num_restarts=2, algorithm=HALS(), num_iters=1, **kw).rmse,
    "cross_validate": lambda X, **kw: (
        jnmf.cross_validate(X, [2], num_restarts=2, holdout=0.2, algorithm=HALS(), max_iters=1, **kw).train
    ),
    "transform": lambda X, **kw: jnmf.transform(X, START.H, **kw),
    "objective": lambda X, **kw: jnmf.objective(X, START, MU(beta=1.0), **kw),
    "kkt_residual": lambda X, **kw: jnmf.kkt_residual(X, START, MU(beta=1.0), **kw),
    "svd_rmse": lambda X, **kw: jnmf.svd_rmse(X, [1, 2], **kw),
    "shuffle_columns": lambda X, **kw: jnmf.shuffle_columns(X, 0, **kw),
}
OTHER_ENTRIES = {
    ("cross_validate", kind) for kind in KINDS if kind.startswith(("sparse", "stored"))
}  # are held out than of the array


def table():
    """{(function, kind): the cell}, as the page has it."""
    lines = PAGE.split("## What takes it")[1].split("##")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    (_, *kinds), _, *rows = rows
    return {(row[0], kind): cell for row in rows for kind, cell in zip(kinds, row[1:], strict=True)}


CELLS = table()


def test_the_table_has_every_kind_and_function():
    assert set(CELLS) == {(function, kind) for function in FUNCTIONS for kind in KINDS}
    assert set(CELLS.values()) == {"yes", "no"}


OFTEN = ("objective",)  # the others are tried by the tests of the kinds, too


@pytest.mark.filterwarnings("ignore:.*components are dead")
@pytest.mark.parametrize("function", [pytest.param(f, marks=() if f in OFTEN else pytest.mark.slow) for f in FUNCTIONS])
def test_the_cells_of_a_function(function):
    call = FUNCTIONS[function]
    for kind, (X, mask, dense, weights) in KINDS.items():
        if CELLS[function, kind] == "no":
            with pytest.raises((TypeError, ValueError), match="expected"):
                call(X, **mask)
            continue
        found = call(X, **mask)
        if (function, kind) in OTHER_ENTRIES:
            assert np.isfinite(found).all(), kind
            continue
        for ours, theirs in zip(*map(jax.tree.leaves, (found, call(dense, **weights))), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9, err_msg=kind)


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (Path(__file__).parent.parent / "docs" / target).exists(), target


@pytest.mark.parametrize("loss", [losses.frobenius, losses.kl], ids=repr)
def test_an_exact_fit_of_a_sparse_matrix_has_a_loss_of_eps_times_its_sums(loss):
    """With `mask="stored"` it is far below."""
    W, H = np.abs(A) * (A > 0.5), B * (B > 0.5)
    X, size = ss.csr_array(W @ H), np.sum((W @ H) ** 2) if loss.quadratic else np.sum(W @ H)
    eps, algorithm = np.finfo(float).eps, HALS() if loss.quadratic else MU(loss=loss)
    assert 0 <= jnmf.objective(X, (W, H), algorithm) <= 8 * eps * size
    assert 0 <= jnmf.objective(X, (W, H), algorithm, mask="stored") <= 8 * eps**2 * size
