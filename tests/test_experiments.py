"""The experiments: the data they read or draw, and a tiny setting of each from the command line to the files."""

import hashlib
import http.server
import json
import threading
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pooch
import pytest
import requests

import jnmf
from experiments import compare, data, sweep_race, williams

# The lab's generator


def test_generated_factors_are_the_published_ones():
    _, W, H = data.generate_dataset_NMF(0.1)
    assert W.shape == (200, 25)
    assert H.shape == (25, 100)
    assert W.sum() == 4075.437635883134
    assert H.sum() == 2024.2711440178525
    assert W.min() >= 0
    assert H.min() >= 0


@pytest.mark.parametrize(
    ("noise_level", "norm", "bound"),
    [(0, 2400.928521543581, 0), (0.1, 2401.0941543332588, 0.0047666), (1, 2406.325297801838, 0.0473253)],
)
def test_generated_matrix_has_the_published_norm_and_rank_25_bound(noise_level, norm, bound):
    V = data.generate_dataset_NMF(noise_level).V
    assert V.shape == (200, 100)
    assert V.min() >= 0
    np.testing.assert_allclose(np.linalg.norm(V), norm, rtol=1e-14)
    np.testing.assert_allclose(compare.svd_error(V, 25), bound, atol=5e-8)


def test_without_noise_the_matrix_is_the_product_and_large_noise_is_clipped():
    V, W, H = data.generate_dataset_NMF(0)
    np.testing.assert_allclose(V, W @ H, rtol=1e-14)
    np.testing.assert_allclose(compare.svd_error(V, 20), 0.0276323, atol=5e-8)
    assert np.mean(data.generate_dataset_NMF(100).V == 0) > 0.3


@pytest.mark.parametrize("noise_level", [-1, np.nan, np.inf])
def test_noise_level_must_be_finite_and_nonnegative(noise_level):
    with pytest.raises(ValueError, match="noise_level: expected a finite number"):
        data.generate_dataset_NMF(noise_level)


# Finding files: a small one stands for nmfdata.txt

CONTENT = b"1 2\n3 4\n" * 1000
NAME = "nmfdata.txt"


@pytest.fixture
def places(tmp_path, monkeypatch):
    """JNMF_DATA and the cache as two empty folders, and no network."""
    given, cache = tmp_path / "given", tmp_path / "cache"
    given.mkdir()
    cache.mkdir()
    monkeypatch.setenv("JNMF_DATA", str(given))
    monkeypatch.setattr(pooch, "os_cache", lambda project: cache)
    monkeypatch.setitem(data.FILES, NAME, data.File(hashlib.sha256(CONTENT).hexdigest(), "https://nowhere.invalid/f"))

    def no_network(*_, **__):
        raise requests.ConnectionError("no network")

    monkeypatch.setattr(pooch, "retrieve", no_network)
    return given, cache


def test_the_given_folder_comes_before_the_cache(places):
    given, cache = places
    for folder in places:
        (folder / NAME).write_bytes(CONTENT)
    assert data.fetch(NAME) == given / NAME
    (given / NAME).unlink()
    assert data.fetch(NAME) == cache / NAME
    assert data.nmfdata().shape == (2000, 2)


def test_without_the_variable_the_cache_is_read(places, monkeypatch):
    monkeypatch.delenv("JNMF_DATA")
    (places[1] / NAME).write_bytes(CONTENT)
    assert data.fetch(NAME) == places[1] / NAME


def test_a_missing_file_says_what_was_tried_and_what_to_do(places):
    with pytest.raises(data.DataMissing) as caught:
        data.fetch(NAME)
    given, cache = places
    for part in (
        NAME,
        str(given),
        str(cache),
        "https://nowhere.invalid/f",
        "no network",
        "Set the environment variable",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("content", [CONTENT[:-7], b"", b"x" + CONTENT[1:]])
def test_a_damaged_file_is_named_with_both_checksums(places, place, content):
    path = places[place] / NAME
    path.write_bytes(content)
    with pytest.raises(data.DataDamaged) as caught:
        data.nmfdata()
    for part in (str(path), hashlib.sha256(content).hexdigest(), hashlib.sha256(CONTENT).hexdigest()):
        assert part in str(caught.value)


@pytest.fixture
def server(tmp_path):
    """The address of a folder served on this machine, which holds `good` and `truncated`."""
    served = tmp_path / "served"
    served.mkdir()
    (served / "good").write_bytes(CONTENT)
    (served / "truncated").write_bytes(CONTENT[:-7])

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("page", ["good", "truncated", "absent"])
def test_download_goes_to_the_cache_and_is_checked(page, server, tmp_path, monkeypatch, capfd):
    cache = tmp_path / "cache"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("JNMF_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: cache)
    monkeypatch.setitem(data.FILES, NAME, data.File(hashlib.sha256(CONTENT).hexdigest(), f"{server}/{page}"))
    if page == "good":
        assert data.fetch(NAME) == cache / NAME
        assert (cache / NAME).read_bytes() == CONTENT
        assert "8.0/8.0 kB" in capfd.readouterr().err
    else:
        with pytest.raises(data.DataMissing, match="does not match" if page == "truncated" else "404"):
            data.fetch(NAME)
        assert not (cache / NAME).exists()


def test_the_real_file_is_the_published_one(nmfdata):
    X = data.nmfdata()
    np.testing.assert_array_equal(X, nmfdata)
    assert X.shape == (150, 105)
    assert np.sum(X < 0) == 5183


# compare


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A tiny comparison through the command line: the folder it wrote and the arrays in it."""
    out = tmp_path_factory.mktemp("compare") / "made" / "here"
    compare.main(["--data", "synthetic", "--rank", "3", "--max-iters", "10", "--out", str(out)])
    with np.load(out / "compare.npz") as archive:
        return out, dict(archive)


def test_compare_writes_its_figures_and_its_arrays_with_the_settings(compared):
    out, arrays = compared
    figures = [f"compare-{name}.{suffix}" for name in ("convergence", "reconstruction") for suffix in ("png", "pdf")]
    assert sorted(path.name for path in out.iterdir()) == sorted(["compare.npz", *figures])
    assert all((out / name).stat().st_size > 5000 for name in figures)
    settings = compare.Settings(**json.loads(str(arrays["settings"])))
    assert (list(settings.data), settings.rank, settings.max_iters) == (["synthetic"], 3, 10)


def test_compare_runs_every_algorithm_and_none_beats_the_bound(compared):
    _, arrays = compared
    assert arrays["synthetic.algorithm"].tolist() == list(compare.ALGORITHMS)
    X, error, curve = (arrays[f"synthetic.{key}"] for key in ("X", "error", "curve"))
    np.testing.assert_array_equal(X, data.generate_dataset_NMF(0.1).V)
    singular_values = np.linalg.svd(X, compute_uv=False)
    bound = np.sqrt(np.sum(singular_values[3:] ** 2)) / np.linalg.norm(X)
    np.testing.assert_allclose(arrays["synthetic.svd_error"], bound, rtol=1e-12)
    assert np.all(error >= bound)
    assert np.all(error < 0.3)
    np.testing.assert_allclose(np.linalg.norm(X - arrays["synthetic.WH"]) / np.linalg.norm(X), error.min(), rtol=1e-12)
    assert curve.shape == (len(compare.ALGORITHMS), 10)
    for i, num_iters in enumerate(arrays["synthetic.num_iters"]):  # the curve ends where the fit does
        assert np.all(np.isfinite(curve[i, :num_iters]))
        assert np.all(np.isnan(curve[i, num_iters:]))
        np.testing.assert_allclose(curve[i, num_iters - 1], error[i], rtol=1e-9)
    assert np.all(arrays["synthetic.kkt"] < 1)
    assert np.all(arrays["synthetic.seconds"] > 0)


def test_compare_starts_all_algorithms_at_the_same_point(compared):
    """The first iterate of an algorithm is that of one step from `init.random` with the seed of the settings."""
    X = compared[1]["synthetic.X"]
    start = jnmf.init.random(0, X, 3)
    for label in ("MU", "MU (KL)", "HALS"):
        (W, H), _ = jnmf.run(X, start, compare.ALGORITHMS[label], num_iters=1)
        first = compared[1]["synthetic.curve"][list(compare.ALGORITHMS).index(label), 0]
        np.testing.assert_allclose(np.linalg.norm(X - W @ H) / np.linalg.norm(X), first, rtol=1e-9)


def test_convergence_figure_has_axes_labels_and_a_legend_entry_per_line(compared):
    figure = compare.plot(compared[1])["convergence"]
    (axes,) = figure.axes
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [*compare.ALGORITHMS, "truncated SVD"]
    assert axes.get_xlabel() == "iteration"
    assert axes.get_ylabel().startswith("relative error")
    assert axes.get_title() == "synthetic, 200 × 100, rank 3"
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == len(axes.lines)
    assert len({line.get_marker() for line in axes.lines}) == len(axes.lines)
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), compared[1]["synthetic.curve"][0])


def test_convergence_figure_keeps_to_the_curves_where_the_bound_is_rounding(compared):
    figure = compare.plot(compared[1] | {"synthetic.svd_error": np.array(1e-16)})["convergence"]
    lowest = np.nanmin(compared[1]["synthetic.curve"])
    assert lowest / 100 < figure.axes[0].get_ylim()[0] < lowest


def test_reconstruction_figure_shows_the_data_the_product_and_the_residual(compared):
    arrays = compared[1]
    figure = compare.plot(arrays)["reconstruction"]
    panels = [axes for axes in figure.axes if axes.images]
    shown = [np.asarray(axes.images[0].get_array()) for axes in panels]
    X, WH = arrays["synthetic.X"], arrays["synthetic.WH"]
    for image, expected in zip(shown, (X, WH, X - WH), strict=True):
        np.testing.assert_array_equal(image, expected)
    limits = [axes.images[0].get_clim() for axes in panels]
    assert limits[0] == limits[1]
    assert limits[2][0] == -limits[2][1]
    assert all((axes.get_xlabel(), axes.get_ylabel()) == ("column", "row") for axes in panels)
    assert len(figure.axes) == 5  # and two colour bars


def test_table_and_answers_give_the_numbers(compared, capsys):
    arrays = compared[1]
    compare.Console(width=100).print(compare.table(arrays, "synthetic"))
    printed = capsys.readouterr().out
    assert "synthetic, 200 × 100, rank 3" in printed
    for label, error in zip(compare.ALGORITHMS, arrays["synthetic.error"], strict=True):
        (line,) = (line for line in printed.splitlines() if line.strip().startswith(f"{label}  "))
        assert f"{error:.6f}" in line
    (line,) = (line for line in printed.splitlines() if "truncated SVD" in line)
    assert f"{arrays['synthetic.svd_error']:.6f}" in line
    assert f"the lowest error is {arrays['synthetic.error'].min():.6f}" in compare.answers(arrays)


def test_algorithms_that_need_nonnegative_data_are_named_with_the_reason(monkeypatch, capsys):
    monkeypatch.setattr(compare, "ALGORITHMS", {"MU": jnmf.MU(), "HALS": jnmf.HALS()})
    X = np.random.default_rng(0).random((12, 9)) - 0.1
    monkeypatch.setattr(data, "nmfdata", lambda: X)
    arrays = compare.compute(compare.Settings(data=("nmfdata",), max_iters=5))
    assert arrays["nmfdata.algorithm"].tolist() == ["HALS"]
    compare.Console(width=100).print(compare.table(arrays, "nmfdata"))
    expected = f"Not run: MU, which need X ≥ 0; {np.sum(X < 0)} of its 108 entries are negative."
    assert expected in capsys.readouterr().out
    compare.plot(arrays)


def test_compare_goes_on_without_the_file_and_says_so(places, compared, monkeypatch, tmp_path, capsys):
    asked = []
    monkeypatch.setattr(compare, "compute", lambda settings, track: asked.append(settings) or compared[1])
    monkeypatch.setattr(compare, "save", lambda out, settings, arrays: [])
    compare.main(["--out", str(tmp_path)])
    assert [settings.data for settings in asked] == [("synthetic",)]
    assert f"{NAME}: not found" in (errors := capsys.readouterr().err)
    assert "Going on without nmfdata, with: synthetic." in errors
    with pytest.raises(SystemExit, match=r"nmfdata\.txt: not found"):
        compare.main(["--data", "nmfdata", "--out", str(tmp_path)])


def test_compare_stops_at_a_damaged_file(places, tmp_path):
    (places[0] / NAME).write_bytes(b"1 2")
    with pytest.raises(SystemExit, match="damaged"):
        compare.main(["--out", str(tmp_path)])


def test_compare_refuses_a_folder_it_cannot_write_before_the_work(monkeypatch, tmp_path):
    monkeypatch.setattr(compare, "compute", lambda *_: pytest.fail("computed"))
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match=r"cannot write to the folder .*file.*--out"):
        compare.main(["--data", "synthetic", "--out", str(tmp_path / "file")])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rank", "0"],
        ["--max-iters", "0"],
        ["--noise-level", "-1"],
        ["--tol", "nan"],
        ["--data", "x"],
        ["--seed", "a"],
    ],
)
def test_command_line_rejects_what_it_cannot_do(arguments, capsys):
    with pytest.raises(SystemExit):
        compare.parse(arguments)
    assert f"argument {arguments[0]}: " in capsys.readouterr().err


def test_command_line_defaults_are_those_of_the_settings():
    assert compare.parse([])[0] == compare.Settings()
    assert compare.parse(["--data", "synthetic", "--rank", "4"])[0] == compare.Settings(data=("synthetic",), rank=4)


def test_the_williams_study_at_a_tiny_setting(monkeypatch, tmp_path):
    """On data with three planted blocks: one call each, and every figure."""
    rng = np.random.default_rng(0)
    blocks = np.kron(np.eye(3), np.ones((4, 3)))
    monkeypatch.setattr(data, "nmfdata", lambda: blocks + 0.05 * rng.standard_normal(blocks.shape))
    found = williams.compute(williams.Settings(ranks=(2, 3), num_restarts=3, num_iters=5, holdouts=2))
    assert (found["sweep"].rmse >= found["svd"][:, None] - 1e-12).all()
    assert found["sweep"].rmse[1].min() < found["baseline"].rmse[1].min()
    text = williams.answers(found)
    assert "cross-validation chooses rank 3" in text
    assert "rows fall into blocks of [4, 4, 4], the columns of [3, 3, 3]" in text
    figures = williams.plot(found)
    williams.save(figures, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2 * len(figures) == 8
    for figure in figures.values():
        plt.close(figure)


def test_the_sweep_race_at_a_tiny_setting(capsys):
    small = {"num_restarts": 2, "num_iters": 3, "num_exact_iters": 1, "loop_restarts": 1, "repeats": 1}
    settings = sweep_race.Settings(ranks=(2, 3), **small)
    result = sweep_race.compute(settings)
    assert set(result["seconds"]) == {"jnmf.sweep, HALS", "scikit-learn, CD", "jnmf.sweep, ANLS", "scipy nnls"}
    assert all(seconds > 0 for seconds in result["seconds"].values())
    # one exact iteration from the same starts: the same factors, so nearly the same error (other restarts in the mean)
    np.testing.assert_allclose(result["rmse"]["jnmf.sweep, ANLS"], result["rmse"]["scipy nnls"], rtol=0.1)
    sweep_race.Console().print(sweep_race.table(result, settings))
    assert "×" in capsys.readouterr().out
