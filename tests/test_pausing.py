"""A fit that is watched, stopped, kept and gone on with is the fit that was left alone, to the bit."""

import json
import math
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import ALGORITHMS, R, problem

import jnmf
from jnmf import (
    HALS,
    MU,
    PGD,
    Accelerated,
    Frobenius,
    Interrupted,
    Status,
    display,
    fit,
    loops,
    pausing,
    resuming,
    solvers,
    stopping,
)
from jnmf.matrix import blocks

X, START = problem()
MASK = np.random.default_rng(0).random(X.shape) < 0.8
SOME = ["Extrapolated HALS", "HALS inner", "MU", "MU KL", "Momentum MU KL", "PGD", "ANLS pivoting"]


class Own(Frobenius):
    """A method of somebody's own."""

    descends: ClassVar[bool] = True
    weight: float = 0.9

    def solve(self, H, G, C):
        return H + self.weight * (solvers.hals(H, G, C) - H)


def same(found, wanted):
    assert (found.status, found.num_iters) == (wanted.status, wanted.num_iters)
    for a, b in zip(*(jax.tree.leaves(f._replace(state=None)) for f in (found, wanted)), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def parts_and_whole(X=X, algorithm=None, cut=4, total=9, **options):
    whole = fit(X, R, algorithm, max_iters=total, **options)
    part = fit(X, R, algorithm, max_iters=cut, **options)
    return part, whole


@pytest.fixture(autouse=True)
def _ctrl_c_is_pythons():
    """It is ignored in what a shell starts in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def often(monkeypatch):
    """A pause after every iteration."""
    monkeypatch.setattr(pausing, "PAUSE", 0.0)


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", SOME)
def test_a_resumed_fit_is_the_uninterrupted_one(name):
    part, whole = parts_and_whole(algorithm=ALGORITHMS[name], tol=0)
    assert part.num_iters == 4
    same(fit(X, resume=part, max_iters=9), whole)
    same(fit(X, resume=part, max_iters=9), whole)  # it is not used up


@pytest.mark.quick(3)
@pytest.mark.parametrize(
    "options",
    [
        {"check_every": 3},
        {"stop": "loss", "tol": 1e-3},
        {"stop": "kkt", "check_every": 2},
        {"mask": MASK},
        {"init": START},
        {"algorithm": MU(beta=1.0), "kkt": True},
        {"algorithm": HALS(l1_H=0.1, l2_W=0.2), "X": jnp.ldexp(X, 600)},
        {"X": X.astype(jnp.bfloat16)},
    ],
    ids=["check_every", "loss", "kkt", "mask", "Factors", "KL with kkt", "in a unit", "half precision"],
)
def test_whatever_it_was_told(options):
    part, whole = parts_and_whole(**{"tol": 0, "cut": 5, "total": 11} | options)
    A, mask = options.get("X", X), options.get("mask")
    same(fit(A, resume=part, max_iters=11, mask=mask), whole)
    assert fit(A, resume=part, max_iters=5, mask=mask).num_iters == 5


def test_the_length_of_the_whole_changes_no_bit():
    """Not even where the trace has room for more: its length is part of the program."""
    part, whole = parts_and_whole(algorithm=MU(), cut=500, total=2000)
    assert whole.status is Status.CONVERGED
    assert whole.num_iters > 1024
    same(fit(X, resume=part, max_iters=2000), whole)


def test_pauses_change_no_bit(often):
    seen = []
    watched = fit(X, R, tol=0, max_iters=6, callback=seen.append)
    same(watched, fit(X, R, tol=0, max_iters=6))
    assert [found.num_iters for found in seen] == [1, 2, 3, 4, 5]
    for found in seen:  # each is a fit of its own, that outlives the next piece
        assert found.status is Status.STOPPED
        assert np.isfinite(found.loss)
        same(fit(X, resume=found), watched)
    assert fit(X, R, tol=0, max_iters=0).num_iters == 0


def test_a_callback_and_a_time_limit_end_it(often):
    found = fit(X, R, max_iters=50, callback=lambda found: found.num_iters == 3)
    assert (found.num_iters, found.status) == (3, Status.STOPPED)
    assert "resume=" in repr(found)
    short = fit(X, R, max_iters=50, time_limit=0)
    assert (short.num_iters, short.status) == (1, Status.STOPPED)
    same(fit(X, resume=short), fit(X, R, max_iters=50))


def test_ctrl_c_gives_the_fit_so_far(often):
    def press(found):
        if found.num_iters == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="after 3 iterations") as raised:
        fit(X, R, tol=0, max_iters=9, callback=press)
    assert isinstance(raised.value, Interrupted)
    part = raised.value.fit
    assert (part.num_iters, part.status, raised.value.study) == (3, Status.STOPPED, None)
    same(fit(X, resume=part), fit(X, R, tol=0, max_iters=9))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_twice_interrupts_at_once_and_a_callback_loses_nothing(often, monkeypatch):
    seen = []

    def press(found):
        signal.raise_signal(signal.SIGINT)
        seen.append(found)
        signal.raise_signal(signal.SIGINT)
        seen.append(found)

    with pytest.raises(Interrupted, match="after 1 iterations"):
        fit(X, R, max_iters=9, callback=press)
    assert len(seen) == 1
    monkeypatch.setattr(loops, "_advance_in_place", lambda *given: press(None))
    with pytest.raises(KeyboardInterrupt) as raised:
        fit(X, R, max_iters=9)
    assert not isinstance(raised.value, Interrupted)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_ends_a_fit_within_the_callback_of_another(often):
    inner = []

    def nested(found):
        fit(X, R, max_iters=9, callback=lambda found: (inner.append(found), signal.raise_signal(signal.SIGINT))[0])

    with pytest.raises(Interrupted) as raised:
        fit(X, R, HALS(), max_iters=9, tol=0, callback=nested)
    assert [found.num_iters for found in inner] == [1]
    assert (raised.value.fit.num_iters, raised.value.fit.state.algorithm) == (1, HALS())


def test_ctrl_c_at_the_end_loses_nothing(monkeypatch):
    finish = loops._finish

    def pressed(*given):
        signal.raise_signal(signal.SIGINT)
        return finish(*given)

    monkeypatch.setattr(loops, "_finish", pressed)
    with pytest.raises(Interrupted) as raised:
        fit(X, R, HALS(), max_iters=2)
    assert raised.value.fit.num_iters == 2


def test_a_handler_of_ones_own_stays_and_threads_have_none(often):
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        found = fit(X, R, max_iters=3, tol=0, callback=lambda found: signal.raise_signal(signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)
    assert (heard, found.num_iters) == ([1, 1], 3)
    thread = threading.Thread(target=lambda: heard.append(fit(X, R, max_iters=3, tol=0)))
    thread.start()
    thread.join()
    same(heard[-1], found)


@pytest.mark.slow
def test_a_signal_from_outside_in_the_middle_of_a_program():
    script = Path(__file__).parent / "interrupted_fit.py"
    environment = os.environ | {"PYTHONPATH": str(script.parent.parent)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert 0 < told["interrupted_at"] < told["total"]
    assert (told["status"], told["equal"], told["restored"]) == ("STOPPED", [True, True], True)
    assert told["waited"] < 30  # half a second on an idle machine


def test_a_smaller_tol_goes_on_from_convergence():
    part = fit(X, R, HALS(), tol=1e-3, max_iters=400)
    assert part.status is Status.CONVERGED
    same(fit(X, resume=part, max_iters=500), part._replace(trace=fit(X, R, HALS(), tol=1e-3).trace))
    same(fit(X, resume=part, tol=1e-5), fit(X, R, HALS(), tol=1e-5, max_iters=400))
    traced = jax.jit(lambda tol: fit(X, resume=part, tol=tol))
    assert [int(traced(tol).num_iters) for tol in (1e-3, 1e-5)] == [
        part.num_iters,
        fit(X, resume=part, tol=1e-5).num_iters,
    ]


def test_a_fit_that_was_kept_in_a_file_goes_on(tmp_path):
    own = Own(weight=0.8), Accelerated(Own(weight=0.8))
    for algorithm in (None, MU(beta=1.0, l1_H=0.1), *own):
        part, whole = parts_and_whole(algorithm=algorithm, tol=0)
        jnmf.save(tmp_path / "part", part)
        kept = jnmf.load(tmp_path / "part")
        assert repr(kept.state.algorithm) == repr(part.state.algorithm)
        if algorithm in own:
            with pytest.raises(
                ValueError, match=r"expected algorithm=.*Own\(weight=0.8\)+, which a file does not hold"
            ):
                fit(X, resume=kept)
        same(fit(X, None, algorithm if algorithm in own else None, resume=kept, max_iters=9), whole)


def test_state_is_kept_where_it_can_be_used_or_was_asked_for():
    assert fit(X, R, HALS(), max_iters=2, resumable=False).state is None
    keys = jnp.arange(2)
    assert jax.vmap(lambda key: fit(X, R, HALS(), key=key, max_iters=4))(keys).state is None
    one = lambda key: fit(X, R, HALS(), key=key, tol=0, max_iters=4, resumable=True)
    rest = jax.vmap(lambda part: fit(X, resume=part, max_iters=9))(jax.vmap(one)(keys))
    wanted = jax.vmap(lambda key: fit(X, R, HALS(), key=key, tol=0, max_iters=9))(keys)
    for a, b in zip(jax.tree.leaves(rest), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-12)
    assert jax.jit(lambda found: found.W.sum())(one(0)) > 0  # a Fit is a tree of arrays, whatever it keeps
    alone = fit(X, R, HALS(), tol=0, max_iters=9)
    again = fit(X, resume=jax.jit(one)(0), max_iters=9)
    np.testing.assert_allclose(again.W, alone.W, rtol=1e-12)
    assert jax.jit(lambda part: fit(X, resume=part))(one(0)).num_iters == 4  # it knows its max_iters


OTHER = {
    "a digit": (lambda: {"X": X.at[0, 0].add(1e-13)}, "expected the X and mask of the fit"),
    "the order": (lambda: {"X": X[:, ::-1]}, "expected the X and mask of the fit"),
    "a mask": (lambda: {"mask": MASK}, "expected the X and mask of the fit"),
    "the shape": (lambda: {"X": X[:-1]}, r"expected the X of the fit, \(12, 9\), got \(11, 9\)"),
    "the dtype": (lambda: {"X": X.astype("float32")}, "in the dtype of the fit, float64, got float32"),
    "the algorithm": (lambda: {"algorithm": HALS(inner=2)}, r"expected the algorithm of the fit, HALS\(\)"),
    "a number": (lambda: {"algorithm": HALS(l1_H=0.1)}, r"got HALS\(l1_H=0.1\)"),
    "the rank": (lambda: {"rank": 2}, "expected that of the fit to resume, 3, got 2"),
    "the rule": (lambda: {"stop": "loss"}, "stop: expected that of the fit to resume, 'delta', got 'loss'"),
    "a start": (lambda: {"init": START}, "expected neither init nor key"),
    "a key": (lambda: {"key": 1}, "expected neither init nor key"),
    "fewer": (lambda: {"max_iters": 1}, "expected at least the 2 iterations that were made, got 1"),
}


@pytest.mark.parametrize("name", OTHER)
def test_what_was_another_fit_is_refused(name):
    changed, message = OTHER[name]
    part = fit(X, R, HALS(), max_iters=2)
    with pytest.raises(ValueError, match=message):
        fit(**{"X": X, "resume": part} | changed())


def test_what_cannot_be_resumed_or_watched_says_so():
    with pytest.raises(TypeError, match="expected a Fit, got Factors; factors are a start, init="):
        fit(X, resume=START)
    with pytest.raises(ValueError, match="expected a Fit with its state, got one without"):
        fit(X, resume=fit(X, R, HALS(), max_iters=2, resumable=False))
    with pytest.raises(ValueError, match="expected W and H as the fit found them, got others; init="):
        fit(X, resume=(part := fit(X, R, HALS(), max_iters=2))._replace(W=2 * part.W))
    with pytest.raises(ValueError, match="expected no progress, callback or time_limit inside of jit"):
        jax.jit(lambda X: fit(X, R, time_limit=3.0))(X)
    with pytest.raises(ValueError, match="time_limit: expected a finite number of at least 0, got -1"):
        fit(X, R, time_limit=-1)
    with pytest.warns(UserWarning, match="not finite"):
        ended = fit(X, algorithm=PGD(step_size=1e3), init=START, max_iters=500, tol=1e-12)
    with pytest.warns(UserWarning, match="not finite"):
        same(fit(X, resume=ended), ended)


def test_progress_in_lines(often, capsys, monkeypatch):
    monkeypatch.setattr(display, "EVERY", 0.0)
    found = fit(X, R, HALS(), tol=0, max_iters=4, check_every=2, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("1/4 iterations, at most ")
    loss, delta = found.trace.loss[3], found.trace.delta[3]
    assert lines[-1] == f"4/4 iterations, loss {loss:.6g}, δ {delta:.2g}"
    fit(X, R, MU(beta=1.0), tol=0, max_iters=4, progress=True)  # whose loss comes an iteration late
    assert f"2/4 iterations, loss {fit(X, R, MU(beta=1.0), tol=0, max_iters=4).trace.loss[0]:.6g}, δ" in (
        capsys.readouterr().err
    )


def test_progress_in_a_terminal_is_a_bar(often, capsys, monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("FORCE_COLOR", "1")
    fit(X, R, HALS(), tol=0, max_iters=4, progress=True)
    shown = capsys.readouterr().err
    assert "━" in shown
    assert "4/4" in shown
    assert "δ" in shown


def test_progress_without_rich_is_lines(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setenv("FORCE_COLOR", "1")
    fit(X, R, HALS(), tol=0, max_iters=4, progress=True)
    assert "4/4 iterations, loss" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_the_fingerprint_sees_an_entry_and_the_order_and_not_the_blocks(dtype, monkeypatch):
    A = (1000 * np.random.default_rng(3).random((37, 23))).astype(dtype)
    other = {"entry": A.copy(), "rows": A[::-1], "columns": A[:, ::-1], "shape": A.reshape(23, 37)}
    other["entry"][36, 22] = np.nextafter(A[36, 22], 0) if A.dtype.kind == "f" else A[36, 22] + 1
    found = [int(resuming.fingerprint(jnp.asarray(B))[0]) for B in (A, *other.values())]
    assert len(set(found)) == len(found)
    monkeypatch.setattr(blocks, "NUMBERS", 5 * A.shape[1])
    jax.clear_caches()
    assert int(resuming.fingerprint(jnp.asarray(A))[0]) == found[0]
    for shape in ((70_000, 70_000), (3, 2**31 + 5)):
        assert jax.eval_shape(resuming.fingerprint, jax.ShapeDtypeStruct(shape, dtype)).shape == (1,)


def test_the_sum_over_the_last_tenth_is_exact_in_float32():
    """Beside δ of 20 at first, those of 1e-7 at the end: a plain running sum would have lost them."""
    delta = np.geomspace(20, 1e-7, 400).astype(np.float32)
    add = jax.jit(stopping.with_next)
    sums = jnp.zeros((2, 401), jnp.float32)
    for k, d in enumerate(delta):
        sums = add(sums, k, d)
    last = stopping.sum_between(sums, 360, 400)
    np.testing.assert_allclose(last, math.fsum(delta[360:].astype(float)), rtol=1e-4)
    assert abs(sums[0, 400] - sums[0, 360] - last) > 0.1 * last  # the test would see it
    assert np.isfinite(add(sums, 7, jnp.float32(np.nan))).all()
