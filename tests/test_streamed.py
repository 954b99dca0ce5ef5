"""An X that is read in blocks: the same results, as many readings as the guide says, and errors that lose nothing."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from kinds import X as SMALL

import jnmf
from jnmf import (
    ALS,
    ANLS,
    HALS,
    MU,
    PGD,
    Accelerated,
    Extrapolated,
    Interrupted,
    JointMU,
    ReadError,
    Status,
    fit,
    pausing,
    streamed,
    transform,
    warm_start,
)

RANK, BLOCKS = 2, 3
X = np.array(SMALL)
X[3], X[:, 4] = 0, 0
START = jnmf.init.random(1, X, RANK)


class Source:
    """The rows of X, or what `spoil` makes of them."""

    shape, dtype = X.shape, X.dtype

    def __init__(self):
        self.spoil = None

    def __getitem__(self, rows):
        return X[rows] if self.spoil is None else self.spoil(X[rows].copy())


SOURCE = Source()
STREAMED = streamed(SOURCE, block=4)
ASKED, SPOILT_AT = [], {}  # for which blocks; {how many were asked for before: how that one is spoilt}


def asked(start, size, dtype, rows=STREAMED.reader.rows):
    ahead, spoil = STREAMED.reader.ahead, SPOILT_AT.get(len(ASKED))
    ASKED.append(int(start))
    if spoil is None:
        return rows(start, size, dtype)
    if ahead:
        ahead[1].result()
    STREAMED.reader.ahead, SOURCE.spoil = None, spoil
    try:
        return rows(start, size, dtype)
    finally:
        SOURCE.spoil = None


STREAMED.reader.rows = asked


@pytest.fixture
def spoilt():
    """spoilt(how, pass, block): from then on, that block of that pass is spoilt."""
    ASKED.clear()
    yield lambda how, reading, block: SPOILT_AT.update({reading * BLOCKS + block: how})
    SPOILT_AT.clear()


def passes(call) -> float:
    """How often X is read."""
    ASKED.clear()
    call()
    return len(ASKED) / BLOCKS


def same(found, wanted, rtol=1e-9):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=1e-11)


PER_ITERATION = [
    (HALS(), 1),
    (MU(), 1),
    (ALS(), 1),
    (PGD(), 1),
    (ANLS(), 1),
    (Extrapolated(HALS(inner=2)), 1),
    (Extrapolated(Accelerated(HALS())), 2),
    (PGD(step_size="backtracking"), 2),
    (MU(beta=1.0), 2),
]
ONCE = JointMU(beta=0.5)  # which updates W first, as for the transpose of an array: test_joint.py


@pytest.mark.quick(2)
@pytest.mark.parametrize(("algorithm", "readings"), PER_ITERATION, ids=[repr(a) for a, _ in PER_ITERATION])
def test_an_iteration_reads_X_so_often_and_gives_the_same(algorithm, readings):
    """A fit: five times before the first iteration, and once for the loss at the end. (And once to be gone on with.)"""
    call = lambda A, k: fit(A, init=START, algorithm=algorithm, max_iters=k, tol=0, resumable=False)
    counts = [passes(lambda k=k: call(STREAMED, k)) for k in (1, 3)]
    assert counts[1] - counts[0] == 2 * readings
    found, wanted = (call(A, 3) for A in (STREAMED, X))
    same((found.factors, found.loss, found.trace), (wanted.factors, wanted.loss, wanted.trace))


def test_a_joint_iteration_reads_X_once():
    call = lambda k: fit(STREAMED, init=START, algorithm=ONCE, max_iters=k, tol=0, resumable=False)
    assert passes(lambda: call(3)) - passes(lambda: call(1)) == 2


FITTED = {"algorithm": HALS(), "max_iters": 1, "resumable": False}
CALLS = {  # function -> its call, and how often it reads X
    "objective": (lambda A: jnmf.objective(A, START, MU(beta=1.0)), 2),
    "kkt_residual": (lambda A: jnmf.kkt_residual(A, START), 2),
    "run": (lambda A: jnmf.run(A, START, HALS(), num_iters=2), 5),
    "fit": (lambda A: fit(A, RANK, **FITTED).factors, 7),
    "fit, resumable": (lambda A: fit(A, RANK, HALS(), max_iters=1).factors, 8),
    "resume": (lambda A: fit(A, resume=fit(A, RANK, HALS(), max_iters=1), max_iters=2).factors, 12),
    "nndsvd": (lambda A: jnmf.init.nndsvd(A, RANK), 3),
    "random": (lambda A: jnmf.init.random(0, A, RANK), 2),
    "svd_rmse": (lambda A: jnmf.svd_rmse(A, [1, 2]), 2),
    "transform": (lambda A: transform(A, START.H), 2),
    "transform, another divergence": (lambda A: transform(A, START.H, MU(beta=1.5)), 2),
    "sweep": (lambda A: jnmf.sweep(A, [1, 2], num_restarts=2, algorithm=HALS(), num_iters=3).members, None),
    "sketched": (lambda A: fit(A, RANK, init=warm_start.sketched(num_iters=2, oversampling=7), **FITTED).factors, 11),
    "sampled": (lambda A: fit(A, RANK, init=warm_start.sampled(num_iters=2), **FITTED).factors, None),
}


@pytest.mark.quick(1)
@pytest.mark.parametrize("name", CALLS)
def test_every_public_function_reads_X_so_often_and_gives_the_same(name):
    call, readings = CALLS[name]
    found = []
    count = passes(lambda: found.append(call(STREAMED)))
    assert readings in (count, None)
    same(found[0], call(X), rtol=1e-6)


GUIDE = (Path(__file__).parent.parent / "docs" / "what-x-can-be.md").read_text()


LOOPS = ("fit", "run")  # and those of their iterations


def test_the_guide_tells_how_often():
    told = re.findall(r"^\| `(?:init\.)?(\w+)[^|]*\| (\d+)\b", GUIDE, flags=re.MULTILINE)
    assert {name for name, _ in told} == {
        *LOOPS,
        "objective",
        "kkt_residual",
        "svd_rmse",
        "transform",
        "random",
        "nndsvd",
    }
    assert {name: CALLS[name][1] for name, _ in told if name not in LOOPS} == {
        name: int(count) for name, count in told if name not in LOOPS
    }
    of_iterations = dict(re.findall(r"^\| (`.*`) \| (one|two) \|$", GUIDE, flags=re.MULTILINE))
    told = {
        repr(eval(name, dict(vars(jnmf)))): count
        for names, count in of_iterations.items()
        for name in re.findall(r"`(.*?)`", names)
    }
    assert told == {repr(a): ("one", "two")[count - 1] for a, count in [*PER_ITERATION, (ONCE, 1)]}


def raising(block):
    raise RuntimeError("the disk is gone")


def with_nan(block):
    block[1, 2] = np.nan
    return block


SPOILT = {
    "RuntimeError: the disk is gone": raising,
    "expected finite entries, got nan at (9, 2)": with_nan,
    "expected a block of shape (4, 9), got (3, 9)": lambda block: block[:-1],
    "expected a block of float64, as the source says, got float32": lambda block: block.astype(np.float32),
}


@pytest.mark.parametrize("message", SPOILT)
def test_a_block_that_cannot_be_read_is_named_and_nothing_is_lost(message, spoilt):
    """The last block of the third iteration; five readings are before the first."""
    spoilt(SPOILT[message], 5 + 2, 2)
    call = lambda A, k: fit(A, init=START, algorithm=HALS(), max_iters=k, tol=0)
    with pytest.raises(ReadError, match=re.escape(message)) as caught:
        call(STREAMED, 9)
    error, wanted = caught.value, call(X, 2)
    assert isinstance(error, OSError)
    assert (error.rows, error.fit.status, error.fit.num_iters) == ((8, 12), Status.STOPPED, 2)
    assert error.__cause__ is not None
    assert "rows 8 to 11" in str(error)
    same(error.fit.factors, wanted.factors)
    same(error.fit.loss, wanted.trace.loss[-1])
    again = fit(STREAMED, init=error.fit, algorithm=HALS(), max_iters=1, tol=0)  # the source is well again
    same(again.loss, call(X, 3).loss)


@pytest.mark.quick(2)
@pytest.mark.parametrize("algorithm", [MU(beta=1.0), MU(beta=0.5), ALS(), ANLS(), None], ids=repr)
def test_no_method_takes_a_block_that_was_not_read_for_numbers(algorithm, spoilt):
    call = lambda A, k: fit(A, init=START, algorithm=algorithm, max_iters=k, tol=0)
    spoilt(raising, int(passes(lambda: call(STREAMED, 2))) - 2, 1)  # before the pass for the loss at the end
    ASKED.clear()
    with pytest.raises(ReadError) as caught:
        call(STREAMED, 2)
    found = caught.value.fit
    assert found.num_iters == (2 if algorithm is None else 1)  # it may be the product for the next iteration
    same(found.factors, call(X, found.num_iters).factors)
    losses = call(X, 2).trace.loss[: found.num_iters]
    same(found.trace.loss[: found.num_iters], np.where(np.isnan(found.trace.loss[: found.num_iters]), np.nan, losses))


CALLED = {name: call for name, (call, _) in CALLS.items() if name not in ("resume", "fit, resumable")}


@pytest.mark.quick(4)
@pytest.mark.parametrize("name", CALLED)
def test_every_public_function_raises_it(name, spoilt):
    for reading in (0, 1):  # the look at the door, and what comes after it
        ASKED.clear()
        spoilt(raising, reading, 0)
        with pytest.raises(ReadError, match=r"rows 0 to \d could not be read, RuntimeError: the disk is gone"):
            CALLED[name](STREAMED)
        SPOILT_AT.clear()


def pressing(block):
    """Ctrl-C, and again, while a block is read."""
    raise KeyboardInterrupt


def test_ctrl_c_in_the_source_keeps_the_fit(spoilt):
    spoilt(pressing, 5 + 2, 1)
    with pytest.raises(Interrupted) as caught:
        fit(STREAMED, init=START, algorithm=HALS(), max_iters=9, tol=0)
    found = caught.value.fit
    assert found is not None
    assert (found.num_iters, found.status) == (2, Status.STOPPED)


def test_a_fit_is_watched_and_goes_on_as_any_other(monkeypatch):
    monkeypatch.setattr(pausing, "PAUSE", 0)
    call = lambda **options: fit(STREAMED, algorithm=HALS(), tol=0, max_iters=6, **options)
    whole = call(init=START)
    half = fit(STREAMED, init=START, algorithm=HALS(), tol=0, max_iters=3)
    same(fit(STREAMED, resume=half, max_iters=6).factors, whole.factors, rtol=0)
    stopped = call(init=START, callback=lambda found: True)
    assert stopped.status == Status.STOPPED
    same(fit(STREAMED, resume=stopped).factors, whole.factors, rtol=0)
    assert call(init=START, time_limit=0.0).status == Status.STOPPED
    other = X.copy()
    other[0, 0] += 1
    with pytest.raises(ValueError, match="expected the X and mask of the fit"):
        fit(streamed(other, block=4), resume=half)


def test_a_file_that_was_cut_short_raises_and_does_not_end_the_process(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, X)
    A = streamed(path, block=4)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ReadError, match=r"x.npy has \d+ bytes, and had \d+"):
        fit(A, RANK)
    with pytest.raises(ValueError, match="mmap length is greater than file"):
        streamed(path)


def test_a_file_of_another_format_is_told(tmp_path):
    path = tmp_path / "x.csv"
    np.savetxt(path, X)
    for contents in (path.read_bytes(), b""):
        path.write_bytes(contents)
        with pytest.raises(ValueError, match=r"^streamed: expected a \.npy file, got '.*x.csv'; write it by np.save"):
            streamed(path)


def test_what_can_be_a_source(tmp_path):
    names = [tmp_path / "above.npy", tmp_path / "below.npy"]
    for name, rows in zip(names, (X[:5], X[5:]), strict=True):
        np.save(name, rows)

    class Backed:
        obs_names, var_names, X = range(12), range(9), scipy.sparse.csr_matrix(X)

    sources = [X, jnp.asarray(X), scipy.sparse.csr_array(X), scipy.sparse.csr_matrix(X), names, [X[:5], names[1]]]
    for source in (*sources, Backed()):
        A = streamed(source, block=4)
        assert (A.shape, A.dtype, A.block) == (X.shape, X.dtype, 4)
        np.testing.assert_array_equal(np.concatenate([A.reader.read(i, 4, A.dtype) for i in (0, 4, 8)]), X)
    for dtype, wanted in (("int16", "float64"), ("bool", "float64"), ("float32", "float32"), ("float16", "float16")):
        A = streamed((3 * X).astype(dtype), block=4)
        assert A.dtype == wanted
        found, dense = (jnmf.objective(B, START) for B in (A, np.asarray((3 * X).astype(dtype))))
        same(found, dense, rtol=1e-5)
    assert streamed(np.zeros((1000, 3)), block=999).block == 500  # two alike, and not 999 and 1
    assert streamed(np.zeros((10, 3))).block == 10


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (3, TypeError, "expected what has shape, dtype and rows"),
        ([[1.0, 2.0]], TypeError, "got list|got float"),
        ([], ValueError, "got no source"),
        ([X, X[:, 1:]], ValueError, r"same columns, got \[8, 9\]"),
        (X[0], ValueError, r"got shape \(9,\)"),
        (X[:0], ValueError, r"got shape \(0, 9\)"),
        (X + 1j, TypeError, "expected real numbers, got complex128"),
        (X.astype(object), TypeError, "expected real numbers, got object"),
    ],
)
def test_what_cannot(source, error, message):
    with pytest.raises(error, match=message):
        streamed(source)


def test_what_needs_X_in_memory_says_so():
    with pytest.raises(TypeError, match="with a mask expected a matrix in the memory of one"):
        fit(STREAMED, RANK, mask=np.ones(X.shape))
    for call in (lambda: jnmf.cross_validate(STREAMED, [1], num_restarts=1), lambda: jnmf.shuffle_columns(STREAMED)):
        with pytest.raises(TypeError, match="in the memory of one device, got one that is read in blocks"):
            call()
    with pytest.raises(ValueError, match="at least as many rows as columns, got 9 × 12"):
        jnmf.init.nndsvd(streamed(X.T.copy()), RANK)
    with pytest.raises(ValueError, match=r"streamed\(block=…\)"):
        streamed(X, block=0)


def test_small_singular_values_keep_their_digits():
    """XᵀX would have their squares, below rounding of the largest."""
    U, _, V = np.linalg.svd(np.random.default_rng(0).random((40, 5)), full_matrices=False)
    sigma = np.array([1, 1e-3, 1e-6, 1e-9, 1e-12])
    found = jnmf.svd_rmse(streamed(U * sigma @ V, block=7), [1, 2, 3, 4])
    np.testing.assert_allclose(found, sigma[1:] / np.sqrt(200), rtol=1e-3)


@pytest.mark.slow
def test_values_at_the_end_of_the_range():
    start = lambda k: jnmf.Factors(START.W, jnp.ldexp(START.H, k))
    call = lambda A, k: fit(A, init=start(k), algorithm=MU(beta=1.0), max_iters=2)
    wanted = call(X, 0)
    for k in (600, -600):
        found = call(streamed(np.ldexp(X, k), block=4), k)
        same(found.W @ np.ldexp(found.H, -k), wanted.W @ wanted.H)


def test_another_fit_to_the_same_source_compiles_nothing(caplog):
    A = streamed(X, block=6)
    with jax.log_compiles(), caplog.at_level("WARNING"):
        first = jnmf.objective(A, START)
        assert "Compiling" in caplog.text
        caplog.clear()
        same(jnmf.objective(A, START), first)
    assert "Compiling" not in caplog.text


@pytest.mark.slow
def test_a_file_of_4_gb_is_fitted_in_2_gb(tmp_path):
    """Two blocks, the factors and 200 MB: all of the process is under a limit, and what it takes is looked at."""
    if shutil.disk_usage(tmp_path).free < 6e9:
        pytest.skip("there is no room for a file of 4 GB")
    path, rows, n = tmp_path / "large.npy", 5000, 2500
    one = np.random.default_rng(0).random((rows, n), dtype=np.float32)
    file = np.lib.format.open_memmap(path, "w+", np.float32, (80 * rows, n))
    for k in range(80):
        file[k * rows : (k + 1) * rows] = np.roll(one, k, axis=1)
    del file
    try:
        program = Path(__file__).parent / "memory_of_a_stream.py"
        environment = os.environ | {"PYTHONPATH": str(program.parent.parent)}
        done = subprocess.run(
            [sys.executable, program, path, "26000"], capture_output=True, text=True, env=environment, check=False
        )
    finally:
        path.unlink()
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["size"] == 4e9
    assert told["grew"] <= 2 * told["block"] + told["factors"] + 200e6
    assert sorted(told["losses"], reverse=True) == told["losses"]
    np.testing.assert_allclose(told["loss"], told["losses"][-1], rtol=1e-4)
