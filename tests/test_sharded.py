"""An X spread over devices gives what one device gives, and factors and r × r matrices are all that is sent."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinds import GAPS, MASK, START

import jnmf
from jnmf import ANLS, HALS, MU, PGD, Factors, door, fit, loops
from jnmf.matrix import blocks, placed, sharded

ROOT = Path(__file__).parent.parent
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
P = jax.P


def spread(X, rows: Any = "rows", columns: Any = None, kind=jax.sharding.AxisType.Explicit):
    mesh = jax.make_mesh((2,), (rows or columns,), axis_types=(kind,))
    return jax.device_put(X, jax.NamedSharding(mesh, P(*(rows, columns)[: X.ndim])))


BY_ROWS, BY_COLUMNS = spread(GAPS), spread(GAPS[:, :8], None, "columns")  # 9 columns are not the same for each of two

of_fit = lambda found: (found.factors, found.loss, found.trace.loss, found.num_iters)
CALLS = {
    "fit": lambda X, H: of_fit(fit(X, 3, max_iters=4)),
    "fit KL": lambda X, H: of_fit(fit(X, 3, MU(beta=1.0), max_iters=4)),
    "fit 0.5": lambda X, H: of_fit(fit(X, 3, MU(beta=0.5), max_iters=3)),
    "fit masked": lambda X, H: of_fit(fit(X, 3, HALS(), mask=MASK[:, : X.shape[1]], max_iters=3)),
    "nndsvd": lambda X, H: of_fit(fit(X, 3, HALS(), init="nndsvda", max_iters=2)),
    "an init of one's own": lambda X, H: of_fit(
        fit(X, 1, init=lambda key, X, r: Factors(X[:, :r], H[:r]), max_iters=1)
    ),
    "resume": lambda X, H: of_fit(fit(X, resume=fit(X, 2, HALS(), max_iters=2), max_iters=4)),
    "run": lambda X, H: jnmf.run(X, Factors(START.W, H), PGD(l1_H=0.1), num_iters=3)[0],
    "transform": lambda X, H: jnmf.transform(X, H),
    "transform KL": lambda X, H: jnmf.transform(X, H, MU(beta=1.0)),
    "diagnostics": lambda X, H: [f(X, Factors(START.W, H), MU(beta=1.0)) for f in (jnmf.objective, jnmf.kkt_residual)],
    "sweep": lambda X, H: jnmf.sweep(X, [1, 2], num_restarts=2, algorithm=HALS(), max_iters=3).members,
    "cross_validate": lambda X, H: jnmf.cross_validate(X, [1, 2], num_restarts=2, algorithm=HALS(), max_iters=3)[1:3],
    "svd_rmse": lambda X, H: jnmf.svd_rmse(X, [1, 3]),
}


def same(found, wanted, atol=1e-10):
    for a, b in zip(*map(jax.tree.leaves, (found, wanted)), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-10, atol=atol)


@pytest.mark.parametrize("X", [BY_ROWS, BY_COLUMNS], ids=["by rows", "by columns"])
@pytest.mark.parametrize("name", CALLS)
def test_what_one_device_gives(monkeypatch, name, X):
    monkeypatch.setattr(blocks, "NUMBERS", 30)
    H = START.H[:, : X.shape[1]]
    same(CALLS[name](X, H), CALLS[name](np.asarray(X), H))


def test_the_half_steps_of_a_study_are_divided_and_its_members_are_not():
    """Each member is computed by all devices, one group of members after the other."""
    X = door.enter(BY_ROWS).X
    assert isinstance(X, sharded.Sharded)
    assert (X.rows, X.columns, {axis.name for axis in X.mesh.axis_types}) == (("rows",), (), {"Auto"})
    found = jnmf.sweep(BY_ROWS, [2], num_restarts=3, algorithm=MU(beta=1.0), num_iters=2, batch_size=2)
    same(found.members, jnmf.sweep(GAPS, [2], num_restarts=3, algorithm=MU(beta=1.0), num_iters=2).members)


def test_the_fingerprint_is_that_of_one_device():
    whole = fit(GAPS, 2, HALS(), max_iters=2)
    same(of_fit(fit(BY_ROWS, resume=whole, max_iters=3)), of_fit(fit(GAPS, resume=whole, max_iters=3)))
    with pytest.raises(ValueError, match="expected the X and mask of the fit, got others"):
        fit(spread(GAPS.at[7, 7].add(1e-9)), resume=whole, max_iters=3)


def test_singular_values_of_a_large_X_are_refused(monkeypatch):
    monkeypatch.setattr(sharded, "LONGEST_SIDE", 8)
    with pytest.raises(ValueError, match="at most 8 rows or columns for its singular values"):
        fit(BY_ROWS, 2, init="nndsvd")


def test_a_sparse_X_over_devices_is_refused():
    from jax.experimental.sparse import BCOO

    A = BCOO.fromdense(GAPS[:8, :8])
    A = BCOO((spread(A.data[:48]), spread(A.indices[:48], "rows", None)), shape=A.shape)
    with pytest.raises(TypeError, match="expected a sparse matrix on one device"):
        fit(A, 2)


METHODS = {
    "HALS": HALS(),
    "default": loops.DEFAULT,
    "MU": MU(),
    "KL": MU(beta=1.0),
    "ANLS": ANLS(),
    "PGD": PGD(),
}


def collectives(text: str) -> list[tuple[bool, str, str]]:
    """(whether it is in a loop, kind, shape) of each array that a compiled program sends."""
    found, inside, loops, calls = [], "", set(), {}
    for line in text.splitlines():
        if line.endswith("{") and not line.startswith(" "):
            inside = line.removeprefix("ENTRY ").split()[0].lstrip("%")
        loops |= set(re.findall(r"(?:body|condition)=%?([\w.\-]+)", line))
        called = re.findall(r"(?:to_apply|calls|true_computation|false_computation)=%?([\w.\-]+)", line)
        called += re.findall(r"[\w.\-]+", (re.findall(r"branch_computations=\{([^}]*)\}", line) or [""])[0])
        calls.setdefault(inside, set()).update(called)
        sent = re.search(
            r"= (.*?) (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute|collective-broadcast)"
            r"(?:-start)?\(",
            line,
        )
        if sent:
            found += [(inside, sent[2], shape) for shape in re.findall(r"\w+\[[\d,]*\]", sent[1])]
    while True:  # what a loop calls is in the loop
        more = set().union(*(calls.get(name, set()) for name in loops)) - loops
        if not more:
            break
        loops |= more
    return [(name in loops, kind, shape) for name, kind, shape in found]


def report() -> dict:
    """What an iteration of each method sends on four devices in a grid: 64 × 40, five components, small blocks."""
    blocks.NUMBERS = 50
    (m, n), r = (64, 40), 5
    rng = np.random.default_rng(0)
    mesh = jax.make_mesh((2, 2), ("rows", "columns"))
    X = door.enter(jax.device_put(rng.random((m, n)), jax.NamedSharding(mesh, P("rows", "columns")))).X
    start = placed(X, Factors(*map(jnp.asarray, (rng.random((m, r)), rng.random((r, n))))))
    told = {}
    for name, algorithm in METHODS.items():
        state = jax.jit(algorithm.init)(X, start)
        state, _ = jax.jit(algorithm.step)(X, state)  # divided as an iteration leaves it
        compiled = jax.jit(algorithm.step).lower(X, state).compile()
        text = compiled.as_text() or ""
        carried = re.findall(r"= (\([^=]*?\)) while\(", text)
        told[name] = {"sent": collectives(text), "loops": [re.findall(r"f64\[([\d,]+)\]", tuple) for tuple in carried]}
    return told


@pytest.fixture(scope="module")
def sent():
    code = (
        "import jax, json; jax.config.update('jax_enable_x64', True); jax.config.update('jax_num_cpu_devices', 4); "
        "import test_sharded; print(json.dumps(test_sharded.report()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, cwd=ROOT / "tests", check=False, timeout=300, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


# Blocks of X are 32 × 20, those of W and H 32 × 5 and 5 × 20, each divided once more by two.
GATHERED = {"KL": {"f64[5,20]": 1, "f64[32,5]": 1}}
SCATTERED = {"KL": {"f64[5,10]": 2, "f64[16,5]": 3}}  # of which one each is for the loss and gradient that are recorded


@pytest.mark.parametrize("name", METHODS)
def test_what_an_iteration_sends_is_that_of_mpi_faun(sent, name):
    count = lambda kind: {
        shape: sum(1 for _, k, s in sent[name]["sent"] if (k, s) == (kind, shape))
        for shape in {s for _, k, s in sent[name]["sent"] if k == kind}
    }
    assert count("all-gather") == GATHERED.get(name, {"f64[5,20]": 1, "f64[5,32]": 1})
    assert count("reduce-scatter") == SCATTERED.get(name, {"f64[5,10]": 1, "f64[5,16]": 1})
    assert {kind for _, kind, _ in sent[name]["sent"]} <= {"all-gather", "reduce-scatter", "all-reduce"}
    for shape in count("all-reduce"):  # at most r × r
        assert math.prod(int(n) for n in re.findall(r"\d+", shape.split("[")[1])) <= 5 * 5


@pytest.mark.parametrize("name", METHODS)
def test_nothing_is_sent_within_a_loop(sent, name):
    """But by `Accelerated` one number after each sweep, which says whether another one helps."""
    inside = [(kind, shape) for in_loop, kind, shape in sent[name]["sent"] if in_loop]
    assert inside == ([("all-reduce", "f64[]")] * 2 if name == "default" else [])


@pytest.mark.parametrize("name", ["HALS", "default"])
def test_row_sweeps_are_divided_among_all_devices(sent, name):
    """Each has 40/4 columns of H and 64/4 of Wᵀ in its loops."""
    widths = {shape for loop in sent[name]["loops"] for shape in loop if shape.startswith("5,") and shape != "5,5"}
    assert widths == {"5,10", "5,16"}


@pytest.mark.parametrize("calls", [["KL"], pytest.param([], marks=pytest.mark.slow)], ids=["KL", "all"])
def test_two_processes_each_with_its_own_rows(calls):
    done = subprocess.run(
        [sys.executable, "tests/two_processes.py", *calls],
        capture_output=True, text=True, cwd=ROOT, check=False, timeout=600, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["processes"] == 2
    assert len(told["apart"]) == (len(calls) or 9)
    assert max(told["apart"].values()) < 1e-10, told["apart"]
    assert "got 1 NaN or inf of 108, the first at (10, 4)" in told["told"]["NaN"]
    assert "got 1 negative ones of 108, the least -1, the first at (10, 4)" in told["told"]["negative"]


@pytest.mark.parametrize("kind", list(jax.sharding.AxisType)[:2], ids=str)
def test_a_mesh_of_either_kind(kind):
    same(of_fit(fit(spread(GAPS, kind=kind), 2, HALS(), max_iters=2)), of_fit(fit(GAPS, 2, HALS(), max_iters=2)))


def test_derivatives_pass():
    loss = lambda X: lambda H: jnmf.run(X, Factors(START.W, H), MU(beta=1.0), num_iters=1)[1].loss[-1]
    same(jax.grad(loss(BY_ROWS))(START.H), jax.grad(loss(jnp.asarray(GAPS)))(START.H))
