"""The race: the adapters start where they are told, the numbers in the table are those that were measured."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
from scipy import sparse

import jnmf
from experiments.race import cases, clock, command, contenders, first_call, machine, page, peers, problem, words
from experiments.race.cases import CASES, CD
from experiments.race.contenders import FIT, FIT_NUMPY, PRODUCTS
from experiments.race.memory import Memory
from experiments.race.one_matrix import Bar, Race
from experiments.race.problem import kl_divergence, relative_error
from experiments.race.scaling import Scaling
from experiments.race.stream import OURS, THEIRS, Stream
from experiments.race.sweep import Sweep


@pytest.fixture(scope="module", autouse=True)
def quick():
    """No pause before a run, and one thread: matrices this small are slower on two."""
    peers.use_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "PAUSE", 0)
        yield


@pytest.fixture
def race():
    """Computes a case in float64, in one repeat, and shows it: (result, its rows by contender, those of the table)."""

    def computed(case, name="none", repeats=1):
        result = command.compute(name, case, "float64", repeats)
        page.figure(result)
        return result, by_name(result), page.table(result).rows

    return computed


@pytest.fixture
def broken(monkeypatch):
    monkeypatch.setitem(peers.PEERS, "broken", peers.Peer(fails, "broken", ()))


def fails(X, W, H, num_iters):
    raise ValueError("out of order")


def by_name(result):
    return {row["contender"]: row for row in result["rows"]}


def draw(dtype="float64"):
    """X (14, 11) = a product of rank 3, its factors, and another start."""
    shapes, generator = ((14, 3), (3, 11)) * 2, np.random.default_rng(0)
    W_true, H_true, W, H = (generator.uniform(0.1, 1, shape).astype(dtype) for shape in shapes)
    return W_true @ H_true, (W_true, H_true), (W, H)


# The adapters


@pytest.fixture(params=peers.PEERS)
def peer(request):
    """Each peer that is installed and works."""
    reason = peers.missing(request.param)
    if reason:
        pytest.skip(f"{request.param}: {reason}")
    return request.param


def test_an_adapter_returns_nonnegative_factors_and_leaves_its_arguments_alone(peer, dtype):
    X, _, start = draw(dtype)
    before = X.copy(), *(A.copy() for A in start)
    W, H = peers.run(peer, X, *start, 2)
    assert (W.shape, H.shape) == (start[0].shape, start[1].shape)
    assert min(W.min(), H.min()) >= 0
    assert {W.dtype, H.dtype} == {np.dtype("float64" if peer.startswith("nimfa") else dtype)}
    for kept, now in zip(before, (X, *start), strict=True):
        np.testing.assert_array_equal(now, kept)


def test_an_adapter_starts_from_the_given_factors_and_goes_on_where_fewer_iterations_ended(peer):
    """Factors that fit exactly stay; from others the error falls at once, and far below where a rule would end it."""
    if peer in peers.lineup("products"):
        pytest.skip("no factorisation")
    loss = kl_divergence if peer in peers.lineup("kl") else relative_error
    X, exact, other = draw()
    assert loss(X, peers.run(peer, X, *exact, 1)) < 1e-6
    errors = [loss(X, other), *(loss(X, peers.run(peer, X, *other, count)) for count in (1, 5, 20, 50))]
    assert (np.diff(errors) < 0).all()


def test_the_products_are_those_of_numpy_and_of_jax():
    """Both floors do the same work: two products an iteration, each of the one before."""
    X, _, start = draw()
    found, expected = contenders.ready(PRODUCTS, X, *start).call(3), peers.run("NumPy products", X, *start, 3)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("peer", [name for name, entry in peers.PEERS.items() if entry.takes_sparse])
def test_a_peer_that_takes_a_sparse_matrix_does_with_it_what_it_does_with_the_array(peer):
    X, _, start = draw()
    X *= X > np.median(X)
    of_sparse, of_array = (peers.run(peer, A, *start, 3) for A in (sparse.csr_array(X), X))
    for ours, theirs in zip(of_sparse, of_array, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.usefixtures("broken")
def test_a_peer_that_is_not_installed_or_fails_is_missing_with_the_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorly.decomposition", None)
    assert "not installed (pip install tensorly): " in (peers.missing("TensorLy HALS") or "")
    assert peers.missing("broken") == "fails: ValueError: out of order"
    assert peers.missing(CD) is None


def test_another_peer_is_one_entry(monkeypatch, race):
    monkeypatch.setattr(peers, "PEERS", dict(peers.PEERS))

    @peers.peer("MU by hand", install="a-package", lineups=("frobenius", "memory"))
    def by_hand(X, W, H, num_iters):
        for _ in range(num_iters):
            H = H * (W.T @ X) / (W.T @ W @ H)
            W = W * (X @ H.T) / (W @ H @ H.T)
        return W, H

    guide = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = guide.split("## Another peer")[1].split("```python\n")[1].split("```")[0]  # one that is there
    assert shown in Path(peers.__file__).read_text(encoding="utf-8")
    joined = {name for name, case in cases.table().items() if "MU by hand" in getattr(case, "contenders", ())}
    assert joined == {"cbcl", "mnist-81", "mnist-9", "lab", "tall", "classic4", "memory"}
    assert "a-package" in peers.packages()
    case = Race((14, 11), 3, ("HALS()", *peers.lineup("memory")), CD, 4)
    _, rows, table = race(case)
    assert rows["MU by hand"]["losses"][-1] < rows["MU by hand"]["losses"][0]
    assert "MU by hand" in [row[0] for row in table]


# The parts of the harness


def test_the_losses_are_those_of_the_library():
    X, _, (W, H) = draw()
    X[0, 0] = 0
    norm = np.linalg.norm(X)
    np.testing.assert_allclose(relative_error(X, (W, H)), np.linalg.norm(X - W @ H) / norm, rtol=1e-12)
    np.testing.assert_allclose(kl_divergence(X, (W, H)), jnmf.losses.kl(X, W, H), rtol=1e-12)
    for loss in (relative_error, kl_divergence):
        np.testing.assert_allclose(loss(sparse.csr_array(X), (W, H)), loss(X, (W, H)), rtol=1e-14)
    tall, tall_W = (np.repeat(A, 100, axis=0) for A in (X, W))  # more rows than a block
    np.testing.assert_allclose(relative_error(tall, (tall_W, H)), relative_error(X, (W, H)))


def test_runs_are_in_turns_and_the_order_is_reversed():
    order = []
    runs = {name: lambda name=name: order.append(name) or name * 2 for name in "abc"}
    seconds, seen = clock.in_turns(runs, 3, str.upper)
    assert "".join(order) == "abccbaabc"
    assert seen == {"a": "AA", "b": "BB", "c": "CC"}
    assert all(len(times) == 3 and min(times) >= 0 for times in seconds.values())


def test_the_fewest_iterations_are_found_and_none_where_no_known_run_reaches_the_target():
    for needed in (1, 2, 7, 30, 100, 101):
        tried = []
        loss = lambda count, tried=tried: tried.append(count) or 1 / count
        known = {count: 1 / count for count in (3, 25, 100)}
        assert clock.fewest_iterations(loss, 1 / needed, known) == (needed if needed <= 100 else None)
        assert len(tried) <= 7


def test_an_iteration_is_timed_without_what_is_done_once_and_long_runs_are_left_out(monkeypatch):
    assert clock.per_iteration([2, 10], [5 + 2 * 3, 5 + 10 * 3]) == 3
    assert clock.per_iteration([4], [12]) == 3
    assert clock.per_iteration([1, 4], [13, 12]) == 3  # noise: never zero or negative
    monkeypatch.setattr(clock, "elapsed", lambda call: 1.0)
    assert clock.affordable(int, [1, 5, 20, 40]) == [1, 5, 20]
    assert clock.affordable(int, [50, 100]) == [50]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets the peak be reset")
def test_the_peak_of_memory_sees_what_was_held_and_given_back():
    """In a process of its own: in this one others give memory back meanwhile."""
    code = """
import numpy as np
from experiments.race import machine
before = machine.peak_memory(reset=True)
np.ones(5 * 2**20)  # 40 MiB
print(machine.peak_memory() - before, machine.peak_memory(reset=True) - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    risen, left = map(int, done.stdout.split())
    assert 38 * 2**20 <= risen < 60 * 2**20
    assert left < 20 * 2**20


def test_the_process_starts_again_with_its_threads_set(monkeypatch):
    started = []
    monkeypatch.setattr(os, "environ", {key: value for key, value in os.environ.items() if key != machine.PINNED})
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: started.append(len(cores)), raising=False)
    monkeypatch.setattr(os, "execv", lambda path, arguments: started.append(arguments))
    machine.pin(1)
    assert started == [1, [sys.executable, *sys.orig_argv[1:]]]
    assert all(os.environ[variable] == "1" for variable in machine.THREAD_VARIABLES)
    monkeypatch.setattr(peers, "use_threads", started.append)
    machine.pin(1)  # in the new process
    assert started[2:] == [1]


def test_a_case_names_what_there_is():
    known = {*contenders.ALGORITHMS, *contenders.OTHERS, *peers.PEERS}
    for case in [*CASES.values(), *(case.quick() for case in CASES.values())]:
        assert set(getattr(case, "contenders", ())) <= known
        if isinstance(case, Race):
            assert case.reference in case.contenders
            assert {name for bar in case.bars for name in bar.who} <= set(case.contenders)
            assert case.data in problem.DATA or isinstance(case.data, tuple)


def test_the_command_line_rejects_what_it_cannot_do():
    for arguments in (["nowhere"], ["--repeats", "0"], ["--dtype", "float16"], ["--threads", "a"]):
        with pytest.raises(SystemExit):
            command.parse(arguments)


# A race, from the command line to the files

NAMES = "HALS(inner=3)", CD, "scikit-learn MU", "broken"
HALS = NAMES[0]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The folder and the result of a race on a small matrix, with one peer that fails."""
    out = tmp_path_factory.mktemp("race") / "made" / "here"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CASES, "tiny", Race((30, 20), 3, NAMES, CD, 32, bars=(Bar((HALS,), 2.5, 2.5),)))
        patch.setitem(peers.PEERS, "broken", peers.Peer(fails, "broken", ()))
        assert command.main(["tiny", "--dtype", "float64", "--repeats", "3", "--out", str(out)]) == 0
    return out, json.loads((out / "race-tiny-float64.json").read_text(encoding="utf-8"))


def test_a_race_writes_its_numbers_its_figure_and_its_part_of_the_page(tiny):
    out, result = tiny
    names = [f"race-tiny-float64.{kind}" for kind in ("json", "pdf", "png")]
    assert sorted(path.name for path in out.iterdir()) == sorted([*names, "race.html"])
    assert result["machine"]["versions"]["jnmf"]
    assert result["machine"]["cores_used"] >= 1
    assert len(result["load"]["before"]) == len(result["load"]["after"]) == 3
    fragment = (out / "race.html").read_text(encoding="utf-8")
    assert fragment.startswith("<section>")
    assert fragment.rstrip().endswith("</section>")
    assert "data:image/png;base64," in fragment
    assert "https" not in fragment
    reason = "broken is missing: fails: ValueError: out of order"
    assert reason in result["notes"]
    assert reason in fragment


def test_the_ratios_are_those_of_the_medians(tiny):
    rows = by_name(tiny[1])
    reference = np.median(rows[CD]["all_target_seconds"])
    for row in (rows[HALS], rows[CD]):
        assert len(row["all_target_seconds"]) == 3
        assert row["target_seconds"] == np.median(row["all_target_seconds"])
        np.testing.assert_allclose(row["ratio"], reference / row["target_seconds"], rtol=1e-12)
        assert row["seconds"] == [np.median(times) for times in row["all_seconds"]]
        each = clock.per_iteration(row["iterations"], row["seconds"])
        np.testing.assert_allclose(row["seconds_per_iteration"], each, rtol=1e-12)
    assert rows[CD]["ratio"] == 1
    (verdict,) = tiny[1]["verdicts"]
    assert verdict["found"] == rows[HALS]["ratio"]
    assert verdict["reached"] == (verdict["found"] >= 2.5)


def test_the_target_is_the_loss_of_the_reference_and_the_fewest_iterations_reach_it(tiny):
    rows, target, (X, *start) = by_name(tiny[1]), tiny[1]["target"], problem.problem((30, 20), 3, "float64")
    loss = lambda name, count: relative_error(X, contenders.ready(name, X, *start).call(count))
    np.testing.assert_allclose(target, loss(CD, 32), rtol=1e-12)
    assert rows[CD]["target_iterations"] == 32
    count = rows[HALS]["target_iterations"]
    assert loss(HALS, count) <= target < loss(HALS, count - 1)
    assert rows["scikit-learn MU"]["target_iterations"] is None  # slower by far; said, not left out
    assert "ratio" not in rows["scikit-learn MU"]


def test_the_table_and_the_figure_have_the_numbers_the_bar_the_target_and_who_is_missing(tiny):
    shown, found = page.table(tiny[1]), by_name(tiny[1])
    assert shown.columns[-2:] == ("ratio", "bar")
    rows = {row[0]: dict(zip(shown.columns, row, strict=True)) for row in shown.rows}
    assert rows[f"jnmf {HALS}"]["bar"] == "≥ 2.5×"
    assert rows[f"jnmf {HALS}"]["ratio"] == f"{words.number(found[HALS]['ratio'])}×"
    assert rows[CD]["bar"] == ""
    assert list(rows["broken"].values())[1] == "missing"
    (text,) = map(words.verdict_text, tiny[1]["verdicts"])
    assert ("NOT reached" in text) == (found[HALS]["ratio"] < 2.5)
    (axes,) = page.figure(tiny[1]).axes
    assert [line.get_label() for line in axes.lines] == [f"jnmf {HALS}", CD, "scikit-learn MU", "target"]
    assert axes.get_xlabel() == "seconds"
    assert axes.get_ylabel().startswith("relative error above the lowest")
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), tiny[1]["rows"][0]["seconds"])


def test_an_iteration_is_compared_with_the_fastest_setting_of_the_reference_and_the_best_is_judged():
    each = {"HALS()": 0.5, "a peer": 4.0, "a peer, one thread": 2.0, "another": 1.0}
    rows = [{"contender": name, "missing": None, "seconds_per_iteration": seconds} for name, seconds in each.items()]
    case = Race((14, 11), 3, tuple(each), "a peer", 2, "iteration")
    case.compare_iterations(rows)
    assert [row["ratio"] for row in rows] == [4, 0.5, 1, 2]
    replace(case, judge="floor").compare_iterations(rows)
    assert [row["ratio"] for row in rows] == [0.25, 2, 1, 0.5]
    del rows[0]["ratio"]  # nobody of jnmf came to the target
    (verdict,) = replace(case, judge="target", bars=(Bar(("HALS()",), 12, 3),)).verdicts(rows, "float64")
    assert verdict["reached"] is False
    assert "never, bar ≥ 12×: NOT reached" in words.verdict_text(verdict)


@pytest.mark.slow
def test_a_sparse_matrix_stays_one_but_for_those_that_need_an_array(monkeypatch, race):
    """The numbers are those of the race on its array, and the page says who had what."""
    X, given = draw()[0], []
    X *= X > np.median(X)

    def products(X, W, H, num_iters):
        given.append(type(X))
        return peers.numpy_products(X, W, H, num_iters)

    monkeypatch.setitem(peers.PEERS, "array only", peers.Peer(products, "", ()))
    monkeypatch.setitem(peers.PEERS, "either", peers.Peer(products, "", (), takes_sparse=True))
    names, losses = ("HALS()", FIT, CD, "array only"), []
    for A in (sparse.csr_array(X), X):
        monkeypatch.setitem(problem.DATA, "few", lambda A=A: A)
        result, rows, _ = race(Race("few", 3, (*names, "either"), CD, 4))
        losses.append([rows[name]["losses"][-1] for name in names])
        said = [note for note in result["notes"] if note.startswith("X is sparse, 50.00% of it stored")]
        if A is X:
            assert not said
            continue
        before = "As an array that was made before the clock started"
        assert said[0].endswith(f"jnmf HALS(), {FIT}, {CD} and either. {before}: array only.")
        assert set(given) == {np.ndarray, sparse.csr_array}
        assert said[0] in page.sentences(result)
    np.testing.assert_allclose(*losses, rtol=1e-9)


@pytest.mark.usefixtures("broken")
def test_without_its_reference_a_race_gives_no_ratio_and_says_why(race):
    result, *_ = race(Race((14, 11), 3, ("HALS()", "broken"), "broken", 2, "iteration", bars=(Bar(("HALS()",), 5, 5),)))
    assert any("No ratios: the reference, broken, is missing." in note for note in result["notes"])
    assert result["verdicts"][0]["reached"] is None
    assert words.verdict_text(result["verdicts"][0]).startswith("Not judged")


def test_a_busy_machine_is_said(monkeypatch):
    seconds = iter([0.0, 1e6])
    monkeypatch.setattr(machine, "cpu_seconds_of_others", partial(next, seconds))
    monkeypatch.setattr(Memory, "compute", lambda *_: {"rows": [], "verdicts": [], "shape": [1, 1]})
    result = command.compute("none", CASES["memory"], "float64", 1)
    assert any("was not idle" in note for note in result["notes"])


# The other kinds of case


@pytest.mark.slow
def test_the_sweep_at_a_tiny_setting(monkeypatch, race):
    monkeypatch.setattr(Sweep, "batched", (HALS,))
    bars = {"equal iterations": 6, "equal error": 15, "exact": 30}
    result, _, shown = race(Sweep((3,), 2, 1, 1, bars))
    rows = {(row["contender"], row["bar"]): row for row in result["rows"]}
    ours, theirs = rows["ANLS()", "exact"], rows["SciPy nnls", None]
    np.testing.assert_allclose(ours["error"], theirs["error"], rtol=1e-6)  # one exact iteration from the same starts
    np.testing.assert_allclose(ours["ratio"], theirs["seconds"] / ours["seconds"], rtol=1e-12)
    loop = rows[CD, None]
    assert rows[HALS, "equal error"]["error"] <= loop["error"]
    assert rows[HALS, "equal error"]["iterations"] == 1
    np.testing.assert_allclose(rows["HALS()", "equal iterations"]["error"], loop["error"], rtol=0.1)
    assert [verdict["bar"] for verdict in result["verdicts"]] == [6, 12, 30]
    assert all(verdict["found"] > 0 for verdict in result["verdicts"])
    assert [row[-1] for row in shown] == ["", "≥ 6×", "≥ 12×", "", "≥ 30×"]


@pytest.mark.slow
def test_a_stream_is_judged_by_its_time_and_by_the_loss_of_H_with_the_best_W(monkeypatch, race):
    A = np.random.default_rng(0).random((5, 3)) @ np.random.default_rng(1).random((3, 60))
    monkeypatch.setitem(problem.DATA, "lab", lambda: A)
    result, rows, shown = race(Stream("lab", 2, 20))
    H = jnmf.minibatch.fit([A.T[i : i + 20] for i in range(0, 60, 20)], 2).H
    W = np.array([scipy.optimize.nnls(np.asarray(H).T, row)[0] for row in A.T])
    np.testing.assert_allclose(rows[OURS]["loss"], np.linalg.norm(A.T - W @ H) / np.linalg.norm(A), rtol=1e-6)
    loss, fast = result["verdicts"]
    assert loss["found"] == rows[OURS]["loss"] / rows[THEIRS]["loss"]
    assert fast["found"] == rows[OURS]["ratio"] == rows[THEIRS]["seconds"] / rows[OURS]["seconds"]
    assert [row[-1] for row in shown] == ["≥ 1×", ""]


def test_scaling_fits_an_exponent(race):
    _, rows, _ = race(Scaling((6, 12), 2, (PRODUCTS, "HALS()"), 1.1))
    for row in rows.values():
        assert row["sizes"] == [72, 288]
        small, large = row["seconds_per_iteration"]
        np.testing.assert_allclose(row["exponent"], np.log(large / small) / np.log(4), rtol=1e-6)


def test_memory_is_judged_by_the_most_that_jnmf_takes_of_a_jax_array(monkeypatch, race, capsys):
    taken = {"HALS()": 8e4, FIT: 2e5, FIT_NUMPY: 9e5, CD: 1e5}
    programs = []

    def child(program, environment):
        programs.append(program)
        return next(taken[name] for name in taken if f"({name!r}," in program)

    monkeypatch.setattr(machine, "child", child)
    result, rows, shown = race(Memory((100, 1000), 2, tuple(taken), 20))
    assert [row["percent"] for row in rows.values()] == [10, 25, 112.5, 12.5]
    (verdict,) = result["verdicts"]
    assert (verdict["found"], verdict["reached"]) == (25, False)
    assert dict(zip(taken, (row[-1] for row in shown), strict=True))[FIT] == "≤ 20 % of X"
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    exec(programs[0], {})  # in a process of its own as here
    assert int(capsys.readouterr().out) >= 0


def test_first_calls_are_judged_by_their_sum_and_a_failing_one_is_missing(monkeypatch, race, tmp_path, capsys):
    def child(program, environment=None):
        if "torchnmf" in program:
            raise subprocess.CalledProcessError(1, "python", stderr="Traceback\nModuleNotFoundError: no torch\n")
        return {"import": 1.0, "fit": 0.25 if environment else 2.5}

    monkeypatch.setattr(machine, "child", child)
    result, rows, _ = race(CASES["first-call"], repeats=3)
    assert rows["torchnmf NMF"]["missing"] == "ModuleNotFoundError: no torch"
    assert [verdict["found"] for verdict in result["verdicts"]] == [3.5, 1.25]
    assert [verdict["reached"] for verdict in result["verdicts"]] == [False, True]
    assert len(rows["jnmf.fit, with cache"]["all_seconds"]) == 3
    np.save(tmp_path / "X.npy", np.random.default_rng(0).random((8, 6)))
    for name in ("jnmf.fit", "scikit-learn NMF"):
        exec(first_call.program(name, tmp_path / "X.npy", 2), {})
        printed = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert min(printed["import"], printed["fit"]) > 0


def test_a_child_has_its_environment_and_gives_back_json():
    program = "import json, os; print('first'); print(json.dumps(os.environ['RACE_TEST']))"
    assert machine.child(program, {"RACE_TEST": "here"}) == "here"
