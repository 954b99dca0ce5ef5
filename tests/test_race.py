"""The race: the adapters start where they are told, the numbers in the table are those that were measured."""

import json
import os
import re
import sys

import numpy as np
import pytest

import jnmf
from experiments import peers, race


def draw(dtype="float64", seed=0):
    """X (14, 11) = a product of rank 3, its factors, and another start."""
    draw = np.random.default_rng(seed)
    shapes = ((14, 3), (3, 11), (14, 3), (3, 11))
    W_true, H_true, W, H = (draw.uniform(0.1, 1, shape).astype(dtype) for shape in shapes)
    return W_true @ H_true, (W_true, H_true), (W, H)


# The adapters


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Matrices this small are slower on two."""
    peers.use_threads(1)


FACTORISING = [name for name in peers.PEERS if name != "NumPy products"]


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


def test_an_adapter_starts_from_the_given_factors(peer):
    """Factors that fit exactly stay; from others one iteration lowers the error."""
    if peer not in FACTORISING:
        pytest.skip("no factorisation")
    X, exact, other = draw()
    loss = race.kl_divergence if "KL" in peer else race.relative_error
    assert loss(X, peers.run(peer, X, *exact, 1)) < 1e-6
    assert loss(X, peers.run(peer, X, *other, 1)) < loss(X, other)


def test_more_iterations_go_on_where_fewer_ended(peer):
    """No adapter stops early: its curve goes on falling, far below where a stopping rule would end it."""
    if peer not in FACTORISING:
        pytest.skip("no factorisation")
    X, _, start = draw()
    loss = race.kl_divergence if "KL" in peer else race.relative_error
    errors = [loss(X, peers.run(peer, X, *start, count)) for count in (5, 20, 50)]
    assert errors[0] > errors[1] > errors[2]


def test_the_products_are_those_of_numpy_and_of_jax():
    """Both floors do the same work: two products an iteration, each of the one before."""
    X, _, (W, H) = draw()
    for found, expected in zip(
        race.ready(race.PRODUCTS, X, W, H).call(3), peers.run("NumPy products", X, W, H, 3), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_peer_that_is_not_installed_or_fails_is_missing_with_the_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorly.decomposition", None)
    assert "not installed (pip install tensorly): " in (peers.missing("TensorLy HALS") or "")
    monkeypatch.setitem(peers.PEERS, "broken", peers.Peer(broken, "broken"))
    assert peers.missing("broken") == "fails: ValueError: out of order"
    assert peers.missing("scikit-learn CD") is None


def broken(X, W, H, num_iters):
    raise ValueError("out of order")


# The parts of the harness


def test_the_losses_are_those_of_the_library():
    X, _, (W, H) = draw()
    X[0, 0] = 0
    norm = np.linalg.norm(X)
    np.testing.assert_allclose(race.relative_error(X, (W, H)), np.linalg.norm(X - W @ H) / norm, rtol=1e-12)
    np.testing.assert_allclose(race.kl_divergence(X, (W, H)), jnmf.losses.kl(X, W, H), rtol=1e-12)
    tall = np.repeat(X, 100, axis=0)  # more rows than a block
    np.testing.assert_allclose(
        race.relative_error(tall, (np.repeat(W, 100, axis=0), H)), race.relative_error(X, (W, H))
    )


def test_runs_are_in_turns_and_the_order_is_reversed(monkeypatch):
    monkeypatch.setattr(race, "PAUSE", 0)
    order = []
    runs = {name: lambda name=name: order.append(name) or name * 2 for name in "abc"}
    seconds, seen = race.in_turns(runs, 3, str.upper)
    assert "".join(order) == "abccbaabc"
    assert seen == {"a": "AA", "b": "BB", "c": "CC"}
    assert all(len(times) == 3 and min(times) >= 0 for times in seconds.values())


@pytest.mark.parametrize("needed", [1, 2, 7, 30, 100])
def test_the_fewest_iterations_are_found(needed):
    tried = []
    loss = lambda count: tried.append(count) or 1 / count
    known = {count: 1 / count for count in (3, 25, 100)}
    assert race.fewest_iterations(loss, 1 / needed, known) == needed
    assert len(tried) <= 7


def test_a_target_that_no_known_run_reaches_is_not_reached():
    assert race.fewest_iterations(lambda count: 1 / count, 1 / 101, {3: 1 / 3, 100: 1 / 100}) is None


def test_the_time_of_an_iteration_leaves_out_what_is_done_once():
    assert race.per_iteration([2, 10], [5 + 2 * 3, 5 + 10 * 3]) == 3
    assert race.per_iteration([4], [12]) == 3
    assert race.per_iteration([1, 4], [13, 12]) == 3  # noise: never zero or negative


def test_runs_that_would_take_too_long_are_left_out(monkeypatch):
    monkeypatch.setattr(race, "elapsed", lambda call: 1.0)
    assert race.affordable(int, [1, 5, 20, 40]) == [1, 5, 20]
    assert race.affordable(int, [50, 100]) == [50]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets the peak be reset")
def test_the_peak_of_memory_sees_what_was_held_and_given_back():
    before = race.peak_memory(reset=True)
    np.ones(5 * 2**20)  # 40 MiB
    assert 38 * 2**20 <= race.peak_memory() - before < 60 * 2**20
    assert race.peak_memory(reset=True) - before < 20 * 2**20


def test_the_process_starts_again_with_its_threads_set(monkeypatch):
    started = []
    monkeypatch.setattr(os, "environ", {key: value for key, value in os.environ.items() if key != race.PINNED})
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: started.append(len(cores)), raising=False)
    monkeypatch.setattr(os, "execv", lambda path, arguments: started.append(arguments))
    race.pin(1)
    assert started == [1, [sys.executable, *sys.orig_argv[1:]]]
    assert all(os.environ[variable] == "1" for variable in race.THREAD_VARIABLES)
    monkeypatch.setattr(peers, "use_threads", started.append)
    race.pin(1)  # in the new process
    assert started[2:] == [1]


@pytest.mark.parametrize("name", race.CASES)
def test_a_case_names_what_there_is(name):
    for case in (race.CASES[name], race.quick(race.CASES[name])):
        known = {*race.ALGORITHMS, *peers.PEERS, race.FIT, race.FIT_NUMPY, *race.WARM, *race.WARM_KL, race.PRODUCTS}
        assert set(getattr(case, "contenders", ())) <= known
        if isinstance(case, race.Race):
            assert case.reference in case.contenders
            assert case.data in race.DATA or isinstance(case.data, tuple)


@pytest.mark.parametrize("arguments", [["nowhere"], ["--repeats", "0"], ["--dtype", "float16"], ["--threads", "a"]])
def test_the_command_line_rejects_what_it_cannot_do(arguments):
    with pytest.raises(SystemExit):
        race.parse(arguments)


# A race, from the command line to the files


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The folder and the result of a race on a small matrix, with one peer that fails."""
    out = tmp_path_factory.mktemp("race") / "made" / "here"
    contenders = ("HALS(inner=3)", race.CD, "scikit-learn MU", "broken")
    case = race.Race((30, 20), 3, contenders, race.CD, 32, bars={"float64": 2.5})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(race, "CASES", {"tiny": case})
        patch.setattr(race, "PAUSE", 0)
        patch.setitem(peers.PEERS, "broken", peers.Peer(broken, "broken"))
        assert race.main(["tiny", "--dtype", "float64", "--repeats", "3", "--out", str(out)]) == 0
    return out, json.loads((out / "race-tiny-float64.json").read_text(encoding="utf-8"))


def test_a_race_writes_its_numbers_its_figure_and_its_part_of_the_page(tiny):
    out, result = tiny
    names = [f"race-tiny-float64.{kind}" for kind in ("json", "pdf", "png")]
    assert sorted(path.name for path in out.iterdir()) == sorted([*names, "race.html"])
    assert result["machine"]["versions"]["jnmf"]
    assert result["machine"]["cores_used"] >= 1
    assert len(result["load"]["before"]) == len(result["load"]["after"]) == 3
    page = (out / "race.html").read_text(encoding="utf-8")
    assert page.startswith("<section>")
    assert page.rstrip().endswith("</section>")
    assert "data:image/png;base64," in page
    assert "https" not in page


def test_the_ratios_are_those_of_the_medians(tiny):
    rows = {row["contender"]: row for row in tiny[1]["rows"]}
    reference = np.median(rows[race.CD]["all_target_seconds"])
    for name in ("HALS(inner=3)", race.CD):
        row = rows[name]
        assert len(row["all_target_seconds"]) == 3
        assert row["target_seconds"] == np.median(row["all_target_seconds"])
        np.testing.assert_allclose(row["ratio"], reference / row["target_seconds"], rtol=1e-12)
        assert row["seconds"] == [np.median(times) for times in row["all_seconds"]]
        each = race.per_iteration(row["iterations"], row["seconds"])
        np.testing.assert_allclose(row["seconds_per_iteration"], each, rtol=1e-12)
    assert rows[race.CD]["ratio"] == 1
    (verdict,) = tiny[1]["verdicts"]
    assert verdict["found"] == rows["HALS(inner=3)"]["ratio"]
    assert verdict["reached"] == (verdict["found"] >= 2.5)


def test_the_target_is_the_loss_of_the_reference_and_the_fewest_iterations_reach_it(tiny):
    rows = {row["contender"]: row for row in tiny[1]["rows"]}
    X, W, H = race.problem((30, 20), 3, "float64")
    loss = lambda name, count: race.relative_error(X, race.ready(name, X, W, H).call(count))
    target = tiny[1]["target"]
    np.testing.assert_allclose(target, loss(race.CD, 32), rtol=1e-12)
    assert rows[race.CD]["target_iterations"] == 32
    count = rows["HALS(inner=3)"]["target_iterations"]
    assert loss("HALS(inner=3)", count) <= target < loss("HALS(inner=3)", count - 1)
    assert rows["scikit-learn MU"]["target_iterations"] is None  # slower by far; said, not left out
    assert "ratio" not in rows["scikit-learn MU"]


def test_a_missing_peer_is_in_the_table_and_on_the_page_with_its_reason(tiny):
    out, result = tiny
    (row,) = (row for row in race.table(result).rows if row[0] == "broken")
    assert row[1] == "missing"
    assert "broken is missing: fails: ValueError: out of order" in result["notes"]
    assert "broken is missing: fails: ValueError: out of order" in (out / "race.html").read_text(encoding="utf-8")


def test_the_table_shows_the_ratio_beside_its_bar(tiny):
    shown = race.table(tiny[1])
    assert shown.columns[-2:] == ("ratio", "bar")
    rows = {row[0]: dict(zip(shown.columns, row, strict=True)) for row in shown.rows}
    found = {row["contender"]: row for row in tiny[1]["rows"]}
    assert rows["jnmf HALS(inner=3)"]["bar"] == "≥ 2.5×"
    assert rows["jnmf HALS(inner=3)"]["ratio"] == f"{race.number(found['HALS(inner=3)']['ratio'])}×"
    assert rows[race.CD]["bar"] == ""
    (text,) = map(race.verdict_text, tiny[1]["verdicts"])
    assert ("NOT reached" in text) == (found["HALS(inner=3)"]["ratio"] < 2.5)


def test_the_figure_has_a_line_for_each_that_took_part_and_one_for_the_target(tiny):
    (axes,) = race.figure(tiny[1]).axes
    labels = [line.get_label() for line in axes.lines]
    assert labels == ["jnmf HALS(inner=3)", race.CD, "scikit-learn MU", "target"]
    assert axes.get_xlabel() == "seconds"
    assert re.match("relative error above the lowest", axes.get_ylabel())
    hals = tiny[1]["rows"][0]
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), hals["seconds"])


def test_an_iteration_is_compared_with_the_fastest_setting_of_the_reference():
    each = {"HALS()": 0.5, "a peer": 4.0, "a peer, one thread": 2.0, "another": 1.0}
    rows = [{"contender": name, "missing": None, "seconds_per_iteration": seconds} for name, seconds in each.items()]
    case = race.Race((14, 11), 3, tuple(each), "a peer", 2, "iteration")
    race.compare_iterations(case, rows)
    assert [row["ratio"] for row in rows] == [4, 0.5, 1, 2]
    race.compare_iterations(race.replace(case, judge="floor"), rows)
    assert [row["ratio"] for row in rows] == [0.25, 2, 1, 0.5]


def test_when_nobody_of_jnmf_reaches_the_target_the_bar_is_not_reached():
    rows = [{"contender": "HALS()", "missing": None}, {"contender": race.CD, "missing": None, "ratio": 1.0}]
    case = race.Race((14, 11), 3, ("HALS()", race.CD), race.CD, 2, bars={"float64": 12})
    (verdict,) = race.race_verdicts(case, rows, "float64")
    assert verdict["reached"] is False
    assert "never, bar ≥ 12×: NOT reached" in race.verdict_text(verdict)


def test_without_its_reference_a_race_gives_no_ratio_and_says_why(monkeypatch):
    monkeypatch.setattr(race, "PAUSE", 0)
    monkeypatch.setitem(peers.PEERS, "broken", peers.Peer(broken, "broken"))
    case = race.Race((14, 11), 3, ("HALS()", "broken"), "broken", 2, "iteration", bars={"float64": 5})
    result = race.compute("none", case, "float64", 1)
    assert any("No ratios: the reference, broken, is missing." in note for note in result["notes"])
    assert result["verdicts"][0]["reached"] is None
    assert race.verdict_text(result["verdicts"][0]).startswith("Not judged")
    race.figure(result)
    race.table(result)


def test_a_busy_machine_is_said(monkeypatch):
    seconds = iter([0.0, 1e6])
    monkeypatch.setattr(race, "_cpu_seconds_of_others", lambda: next(seconds))
    monkeypatch.setitem(race.COMPUTE, race.Memory, lambda *_: {"rows": [], "verdicts": [], "shape": [1, 1]})
    result = race.compute("none", race.CASES["memory"], "float64", 1)
    assert any("was not idle" in note for note in result["notes"])


# The other kinds of case


def test_the_sweep_at_a_tiny_setting(monkeypatch):
    monkeypatch.setattr(race, "PAUSE", 0)
    monkeypatch.setattr(race, "FAST", ("HALS(inner=3)",))
    bars = {"equal iterations": 6, "equal error": 15, "exact": 30}
    result = race.compute("sweep", race.Sweep((3,), 2, 1, 1, bars), "float64", 1)
    rows = {(row["contender"], row["bar"]): row for row in result["rows"]}
    ours, theirs = rows["ANLS()", "exact"], rows["SciPy nnls", None]
    np.testing.assert_allclose(ours["error"], theirs["error"], rtol=1e-6)  # one exact iteration from the same starts
    np.testing.assert_allclose(ours["ratio"], theirs["seconds"] / ours["seconds"], rtol=1e-12)
    loop = rows[race.CD, None]
    assert rows["HALS(inner=3)", "equal error"]["error"] <= loop["error"]
    assert rows["HALS(inner=3)", "equal error"]["iterations"] == 1
    np.testing.assert_allclose(rows["HALS()", "equal iterations"]["error"], loop["error"], rtol=0.1)
    assert [verdict["bar"] for verdict in result["verdicts"]] == [6, 15, 30]
    assert all(verdict["found"] > 0 for verdict in result["verdicts"])
    assert [row[-1] for row in race.table(result).rows] == ["", "≥ 6×", "≥ 15×", "", "≥ 30×"]
    race.figure(result)


def test_scaling_fits_an_exponent(monkeypatch):
    monkeypatch.setattr(race, "PAUSE", 0)
    result = race.compute("scaling", race.Scaling((6, 12), 2, (race.PRODUCTS, "HALS()"), 1.1), "float64", 1)
    for row in result["rows"]:
        assert row["sizes"] == [72, 288]
        small, large = row["seconds_per_iteration"]
        np.testing.assert_allclose(row["exponent"], np.log(large / small) / np.log(4), rtol=1e-6)
    race.table(result)
    race.figure(result)


def test_memory_is_judged_by_the_most_that_jnmf_takes_of_a_jax_array(monkeypatch):
    taken = {"HALS()": 8e4, race.FIT: 2e5, race.FIT_NUMPY: 9e5, race.CD: 1e5}
    monkeypatch.setattr(race, "child", lambda program, _: next(n for k, n in taken.items() if f"({k!r}," in program))
    result = race.compute("memory", race.Memory((100, 1000), 2, tuple(taken), 20), "float64", 1)
    assert [row["percent"] for row in result["rows"]] == [10, 25, 112.5, 12.5]
    (verdict,) = result["verdicts"]
    assert (verdict["found"], verdict["reached"]) == (25, False)
    assert dict(zip(taken, (row[-1] for row in race.table(result).rows), strict=True))[race.FIT] == "≤ 20 % of X"


def test_first_calls_are_judged_by_their_sum_and_a_failing_one_is_missing(monkeypatch):
    def child(program, environment=None):
        if "torchnmf" in program:
            raise race.subprocess.CalledProcessError(1, "python", stderr="Traceback\nModuleNotFoundError: no torch\n")
        return {"import": 1.0, "fit": 0.25 if environment else 2.5}

    monkeypatch.setattr(race, "PAUSE", 0)
    monkeypatch.setattr(race, "child", child)
    result = race.compute("first-call", race.CASES["first-call"], "float64", 3)
    rows = {row["contender"]: row for row in result["rows"]}
    assert rows["torchnmf NMF"]["missing"] == "ModuleNotFoundError: no torch"
    assert [verdict["found"] for verdict in result["verdicts"]] == [3.5, 1.25]
    assert [verdict["reached"] for verdict in result["verdicts"]] == [False, True]
    assert len(rows["jnmf.fit, with cache"]["all_seconds"]) == 3


@pytest.mark.parametrize("name", ["jnmf.fit", "scikit-learn NMF"])
def test_the_program_of_a_first_call_runs_and_prints_its_seconds(name, tmp_path, capsys):
    np.save(tmp_path / "X.npy", np.random.default_rng(0).random((8, 6)))
    exec(race.first_call_program(name, tmp_path / "X.npy", 2), {})
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert min(printed["import"], printed["fit"]) > 0


def test_a_child_has_its_environment_and_gives_back_json():
    program = "import json, os; print('first'); print(json.dumps(os.environ['RACE_TEST']))"
    assert race.child(program, {"RACE_TEST": "here"}) == "here"
