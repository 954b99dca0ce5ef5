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
from kinds import GAPS, MASK, START, WEIGHTS
from scipy.sparse import random_array

import jnmf
from jnmf import ALS, ANLS, HALS, MU, PGD, Accelerated, Factors, door, fit, loops, matrix, terms
from jnmf.matrix import blocks, placed, sharded
from jnmf.matrix.masked import Masked, Weighted
from jnmf.testing import check_matrix

ROOT = Path(__file__).parent.parent
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
P = jax.P


def spread(X, rows: Any = "rows", columns: Any = None, kind=jax.sharding.AxisType.Explicit):
    mesh = jax.make_mesh((2,), (rows or columns,), axis_types=(kind,))
    return jax.device_put(X, jax.NamedSharding(mesh, P(*(rows, columns)[: X.ndim])))


BY_ROWS, BY_COLUMNS = spread(GAPS), spread(GAPS[:, :8], None, "columns")  # 9 columns are not the same for each of two
WIDE = 10 ** np.random.default_rng(5).uniform(-3, 1, GAPS.shape) * MASK  # so wide that half-steps go by the weights
like = lambda M, X: M[: X.shape[0], : X.shape[1]]

of_fit = lambda found: (found.factors, found.loss, found.trace.loss, found.num_iters)
CALLS = {
    "fit": lambda X, H: of_fit(fit(X, 3, max_iters=4)),
    "fit KL": lambda X, H: of_fit(fit(X, 3, MU(beta=1.0), max_iters=4)),
    "fit 0.5": lambda X, H: of_fit(fit(X, 3, MU(beta=0.5), max_iters=3)),
    "fit masked": lambda X, H: of_fit(fit(X, 3, HALS(), mask=like(MASK, X), max_iters=3)),
    "fit weighted": lambda X, H: of_fit(fit(X, 3, HALS(), mask=like(WEIGHTS, X), max_iters=3)),
    "fit KL weighted": lambda X, H: of_fit(fit(X, 3, MU(beta=1.0), mask=like(WEIGHTS, X), max_iters=3)),
    "fit by the weights": lambda X, H: of_fit(fit(X, 3, mask=like(WIDE, X), max_iters=3)),
    "ANLS by the weights": lambda X, H: of_fit(fit(X, 3, ANLS(l2_W=0.1), mask=like(WIDE, X), max_iters=3)),
    "ALS": lambda X, H: of_fit(fit(X, 3, ALS(), max_iters=3)),
    "ANLS": lambda X, H: of_fit(fit(X, 3, ANLS(), max_iters=3)),
    "nndsvd": lambda X, H: of_fit(fit(X, 3, HALS(), init="nndsvda", max_iters=2)),
    "spa": lambda X, H: of_fit(fit(X, 2, HALS(), init="spa", max_iters=2)),
    "an init of one's own": lambda X, H: of_fit(
        fit(X, 1, init=lambda key, X, r: Factors(X[:, :r], H[:r]), max_iters=1)
    ),
    "terms": lambda X, H: of_fit(
        fit(X, 3, Accelerated(HALS(on_H=terms.Smooth(0.3), on_W=terms.Lasso(0.1))), max_iters=3)
    ),
    "known": lambda X, H: of_fit(fit(X, 3, HALS(on_H=terms.Known(H, mask=H > 1)), max_iters=3)),
    "KL terms": lambda X, H: of_fit(fit(X, 3, MU(beta=1.0, on_H=terms.Smooth(0.3)), max_iters=3)),
    "resume": lambda X, H: of_fit(fit(X, resume=fit(X, 2, HALS(), max_iters=2), max_iters=4)),
    "run": lambda X, H: jnmf.run(X, Factors(START.W[: X.shape[0]], H), PGD(l1_H=0.1), num_iters=3)[0],
    "transform": lambda X, H: jnmf.transform(X, H),
    "transform KL": lambda X, H: jnmf.transform(X, H, MU(beta=1.0)),
    "transform weighted": lambda X, H: jnmf.transform(X, H, mask=like(WIDE, X)),
    "diagnostics": lambda X, H: [
        f(X, Factors(START.W[: X.shape[0]], H), MU(beta=1.0), mask=mask)
        for f in (jnmf.objective, jnmf.kkt_residual)
        for mask in (None, like(WIDE, X))
    ],
    "sweep": lambda X, H: jnmf.sweep(X, [1, 2], num_restarts=2, algorithm=HALS(), max_iters=3).members,
    "consensus": lambda X, H: [
        (of.dispersion, of.cophenetic)
        for of in [jnmf.consensus(jnmf.sweep(X, [2, 3], num_restarts=3, algorithm=HALS(), max_iters=3))]
    ],
    "cross_validate": lambda X, H: jnmf.cross_validate(X, [1, 2], num_restarts=2, algorithm=HALS(), max_iters=3)[1:3],
    "svd_rmse": lambda X, H: jnmf.svd_rmse(X, [1, 3]),
}


def same(found, wanted, atol=1e-10):
    for a, b in zip(*map(jax.tree.leaves, (found, wanted)), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-10, atol=atol)


QUICK = ("fit", "fit KL", "fit weighted", "fit by the weights")
slow = lambda name, quick: pytest.param(name, marks=() if name in quick else pytest.mark.slow)


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", [slow(name, QUICK) for name in CALLS])
def test_what_one_device_gives(monkeypatch, name):
    """By rows, and what takes long or is alike also by columns."""
    monkeypatch.setattr(blocks, "NUMBERS", 30)
    for X in (BY_ROWS,) if name in QUICK else (BY_ROWS, BY_COLUMNS):
        H = START.H[:, : X.shape[1]]
        same(CALLS[name](X, H), CALLS[name](np.asarray(X), H))


MESHES = {  # the shape of X and of the mesh, and what divides the two sides of X
    "4 x 1": ((12, 8), (4, 1), ("rows", "columns")),
    "1 x 4": ((12, 8), (1, 4), ("rows", "columns")),
    "2 x 2": ((12, 8), (2, 2), ("rows", "columns")),
    "2 x 2, uneven": ((10, 6), (2, 2), ("rows", "columns")),  # which do not divide by four
    "both axes by rows": ((12, 7), (2, 2), (("rows", "columns"), None)),
    "copies": ((12, 7), (2, 2), ("rows", None)),
    "one axis": ((12, 7), (4,), ("rows", None)),
}


def apart(mesh: str, names) -> dict:
    """call -> how far it is from that of one device, relative to the largest number, on one of the meshes."""
    jax.config.update("jax_disable_most_optimizations", True)
    blocks.NUMBERS = 30
    (m, n), shape, axes = MESHES[mesh]
    X, H = GAPS[:m, :n], START.H[:, :n]
    devices = jax.make_mesh(shape, ("rows", "columns")[: len(shape)])  # explicit, which is the default
    A, found = jax.device_put(X, jax.NamedSharding(devices, P(*axes))), {}
    for name in names:
        pairs = zip(*(map(np.asarray, jax.tree.leaves(CALLS[name](B, H))) for B in (A, np.asarray(X))), strict=True)
        found[name] = max(float(np.nanmax(np.abs(a - b))) / max(1.0, float(np.nanmax(np.abs(b)))) for a, b in pairs)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("mesh", MESHES)
def test_meshes_of_four_devices(mesh):
    names = [name for name in CALLS if name != "an init of one's own"]
    found = on_four_devices(f"test_sharded.apart({mesh!r}, {names!r})")
    assert set(found) == set(names)
    assert max(found.values()) < 1e-10, found


def on_four_devices(call: str):
    """What a function of a file of tests, `module.function(…)`, returns in a process of four devices."""
    code = (
        "import jax, json, warnings; jax.config.update('jax_enable_x64', True); "
        "jax.config.update('jax_num_cpu_devices', 4); warnings.simplefilter('ignore'); "
        f"import {call.split('.')[0]}; print(json.dumps({call}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, cwd=ROOT / "tests", check=False, timeout=1800, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*components are dead")
def test_every_function_is_that_of_the_entries():
    """A block whose largest weight is not that of all is among them."""
    A, M = spread(GAPS), spread(WEIGHTS.at[8, 2].set(20.0))
    A, M = sharded.automatic(A), sharded.automatic(M)
    check_matrix(sharded.spread(Weighted(A, M), A), Masked(GAPS, WEIGHTS.at[8, 2].set(20.0)))


def test_a_pass_goes_along_the_axis_in_which_blocks_are_whole():
    axis = lambda rows, columns: matrix.pass_axis(sharded.Sharded(GAPS, rows=rows, columns=columns))
    assert [axis(*axes) for axes in (((), ()), ((), ("c",)), (("r",), ()), (("r",), ("c",)))] == [1, 1, 0, None]


def test_a_block_imputes_up_to_the_largest_weight_of_all():
    M = np.where(np.arange(12)[:, None] < 6, 1.0, 5.0) * np.ones((12, 9))  # of a device 1, of the other 5
    assert type(door.enter(BY_ROWS, M).X.X) is Masked
    found, wanted = (jnmf.run(X, START, HALS(), num_iters=3, mask=M) for X in (BY_ROWS, np.asarray(GAPS)))
    same(found, wanted)


def test_a_mesh_that_is_set_is_refused_and_the_way_out_works():
    with jax.set_mesh(BY_ROWS.sharding.mesh):
        with pytest.raises(ValueError, match=r"no mesh to be set.*call inside `with jax.set_mesh\(None\):`"):
            jnmf.objective(BY_ROWS, START)
        with jax.set_mesh(None):
            found = jnmf.objective(BY_ROWS, START)
    same(found, jnmf.objective(GAPS, START))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fit", "fit KL", "fit weighted", "fit by the weights", "transform", "sweep"])
def test_in_float32(name):
    """To the rounding of float32, and in it."""
    found, wanted = (
        jax.tree.leaves(CALLS[name](X, jnp.float32(START.H))) for X in (spread(jnp.float32(GAPS)), np.float32(GAPS))
    )
    for a, b in zip(found, wanted, strict=True):
        assert jnp.asarray(a).dtype == jnp.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * max(1.0, float(np.nanmax(np.abs(b)))))


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


def test_an_X_over_devices_is_not_resampled_nor_stacked():
    for call in (lambda: jnmf.bootstrap(BY_ROWS, 2, num_replicates=2), lambda: jnmf.stacked([BY_ROWS, GAPS])):
        with pytest.raises(TypeError, match="on one device, got one that is spread over several"):
            call()


METHODS = {
    "HALS": HALS(),
    "default": loops.DEFAULT,
    "MU": MU(),
    "KL": MU(beta=1.0),
    "ANLS": ANLS(),
    "PGD": PGD(),
    "weights": HALS(),  # by which the half-steps go
    "sparse HALS": HALS(),  # an X whose rows are divided, by both axes
    "sparse default": loops.DEFAULT,
    "sparse KL": MU(beta=1.0),
    "sparse 1.5": MU(beta=1.5),
    "sparse ANLS": ANLS(),
}
BY_GRAM = [name for name in METHODS if name != "weights"]


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


def report(names) -> dict:
    """What an iteration of each method sends on four devices in a grid: 64 × 40, five components, small blocks."""
    blocks.NUMBERS = 50
    (m, n), r = (64, 40), 5
    rng = np.random.default_rng(0)
    mesh = jax.make_mesh((2, 2), ("rows", "columns"))
    A, wide = jax.device_put(rng.random((m, n)), jax.NamedSharding(mesh, P("rows", "columns"))), rng.random((m, n)) ** 9
    of_kind = {mask is not None: door.enter(A, mask).X for mask in (None, wide)}
    few = random_array((m, n), density=0.2, rng=rng, format="csr")
    by_rows = door.enter(jnmf.sparse(few, jax.NamedSharding(mesh, P(("rows", "columns"), None)))).X
    start = Factors(*map(jnp.asarray, (rng.random((m, r)), rng.random((r, n)))))
    told = {}
    for name in names:
        algorithm, X = METHODS[name], by_rows if name.startswith("sparse") else of_kind[name == "weights"]
        state = jax.jit(algorithm.init)(X, placed(X, start))
        state, _ = jax.jit(algorithm.step)(X, state)  # divided as an iteration leaves it
        compiled = jax.jit(algorithm.step).lower(X, state).compile()
        text = compiled.as_text() or ""
        carried = re.findall(r"= (\([^=]*?\)) while\(", text)
        told[name] = {"sent": collectives(text), "loops": [re.findall(r"f64\[([\d,]+)\]", tuple) for tuple in carried]}
    return told


@pytest.fixture(scope="module")
def sent(request):
    """Of the methods that are asked for in this run."""
    asked = [item.callspec.params["name"] for item in request.session.items if "sent" in item.fixturenames]
    return on_four_devices(f"test_sharded.report({sorted(set(asked))!r})")


OFTEN = ("HALS", "sparse KL")


# Blocks of X are 32 × 20, those of W and H 32 × 5 and 5 × 20, each divided once more by two.
GATHERED = {"KL": {"f64[5,20]": 1, "f64[32,5]": 1}}
SCATTERED = {"KL": {"f64[5,10]": 2, "f64[16,5]": 3}}  # of which one each is for the loss and gradient that are recorded
# Of a sparse X a device has 16 whole rows: of W nothing is sent.
OF_SPARSE = [name for name in BY_GRAM if name.startswith("sparse")]
GATHERED |= {name: {"f64[5,40]": 1} for name in OF_SPARSE}
SCATTERED |= {name: {"f64[5,10]": {"sparse KL": 2, "sparse 1.5": 3}.get(name, 1)} for name in OF_SPARSE}


@pytest.mark.parametrize("name", [slow(name, OFTEN) for name in BY_GRAM])
def test_what_an_iteration_sends_is_that_of_mpi_faun(sent, name):
    count = lambda kind: {
        shape: sum(1 for _, k, s in sent[name]["sent"] if (k, s) == (kind, shape))
        for shape in {s for _, k, s in sent[name]["sent"] if k == kind}
    }
    assert count("all-gather") == GATHERED.get(name, {"f64[5,20]": 1, "f64[5,32]": 1})
    assert count("reduce-scatter") == SCATTERED.get(name, {"f64[5,10]": 1, "f64[5,16]": 1})
    assert {kind for _, kind, _ in sent[name]["sent"]} <= {"all-gather", "reduce-scatter", "all-reduce"}
    for shape in count("all-reduce"):  # at most r × r, or the units of the columns
        most = 40 if name == "sparse 1.5" else 5 * 5
        assert math.prod(int(n) for n in re.findall(r"\d+", shape.split("[")[1])) <= most


@pytest.mark.parametrize("name", [slow(name, OFTEN) for name in METHODS])
def test_nothing_is_sent_within_a_loop(sent, name):
    """But by `Accelerated` one number after each sweep, which says whether another one helps."""
    inside = [(kind, shape) for in_loop, kind, shape in sent[name]["sent"] if in_loop]
    assert inside == ([("all-reduce", "f64[]")] * 2 if name.endswith("default") else [])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["weights"])
def test_half_steps_by_the_weights_exchange_blocks_and_gather_factors(sent, name):
    """X and M, each in two pieces of half a block, once for H and once for W."""
    exchanged = [shape for _, kind, shape in sent[name]["sent"] if kind == "all-to-all"]
    numbers = lambda shape: math.prod(int(n) for n in re.findall(r"\d+", shape.split("[")[1]))
    assert sum(map(numbers, exchanged)) == 2 * 2 * 32 * 20
    gathered = [numbers(shape) for _, kind, shape in sent[name]["sent"] if kind == "all-gather"]
    assert gathered
    assert max(gathered) <= 5 * 64


@pytest.mark.parametrize("name", [slow(name, OFTEN) for name in ("HALS", "default")])
def test_row_sweeps_are_divided_among_all_devices(sent, name):
    """Each has 40/4 columns of H and 64/4 of Wᵀ in its loops."""
    widths = {shape for loop in sent[name]["loops"] for shape in loop if shape.startswith("5,") and shape != "5,5"}
    assert widths == {"5,10", "5,16"}


@pytest.mark.slow
def test_two_processes_each_with_its_own_rows():
    done = subprocess.run(
        [sys.executable, "tests/two_processes.py"],
        capture_output=True, text=True, cwd=ROOT, check=False, timeout=600, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["processes"] == 2
    assert len(told["apart"]) == 11 + 7 + 4  # of a sparse X
    assert max(told["apart"].values()) < 1e-10, told["apart"]
    for kind in ("", "sparse, "):
        assert "got 1 NaN or inf of 108, the first at (10, 4)" in told["told"][kind + "NaN"]
        assert "got 1 negative ones of 108, the least -1, the first at (10, 4)" in told["told"][kind + "negative"]
    assert "expected as many rows for each device in all processes, got 6, 7" in told["told"]["sparse, other numbers"]


@pytest.mark.parametrize("kind", list(jax.sharding.AxisType)[:2], ids=str)
def test_a_mesh_of_either_kind(kind):
    same(of_fit(fit(spread(GAPS, kind=kind), 2, HALS(), max_iters=2)), of_fit(fit(GAPS, 2, HALS(), max_iters=2)))


@pytest.mark.slow
def test_derivatives_pass():
    loss = lambda X: lambda H: jnmf.run(X, Factors(START.W, H), MU(beta=1.0), num_iters=1)[1].loss[-1]
    same(jax.grad(loss(BY_ROWS))(START.H), jax.grad(loss(jnp.asarray(GAPS)))(START.H))
