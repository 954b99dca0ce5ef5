"""The studies as a user meets them: the command line, the page, what is kept, what goes wrong; and the first study."""

import json
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from experiments import __main__ as command
from experiments import data, page, study, williams


def planted_blocks():
    """Three blocks in the rows and in the columns, with noise of both signs."""
    blocks = np.kron(np.eye(3), np.ones((4, 3)))
    return data.Matrix(blocks + 0.05 * np.random.default_rng(0).standard_normal(blocks.shape), "")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The first study at its tiny setting, from the command line: the folder that it wrote."""
    out = tmp_path_factory.mktemp("results") / "made" / "here"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "williams_matrix", planted_blocks)
        assert command.main(["williams", "--tiny", "--out", str(out)]) == 0
    return out


def test_a_study_leaves_its_arrays_figures_and_a_self_contained_page(ran):
    record = study.read(ran / "williams.npz")
    assert record is not None
    assert record.made["settings"] == json.loads(json.dumps(vars(williams.TINY)))
    assert record.made["seconds"] > 0
    assert {"jnmf", "jax", "numpy", "Python"} <= set(record.made["versions"])
    figures = {f for section in williams.sections(record.arrays) for f in section.figures}
    assert figures == {"scree", "similarity", "cross_validation", "heatmaps"}
    images = {f"williams-{f}.{kind}" for f in figures for kind in ("png", "pdf")}
    assert {path.name for path in ran.iterdir()} == {"index.html", "williams.html", "williams.npz", *images}
    text = (ran / "index.html").read_text()
    assert text.count("<img ") == text.count("data:image/png;base64,") == len(figures)
    assert 'src="http' not in text
    for section in williams.sections(record.arrays):
        assert page._text(section.question) in text
        assert page._text(section.answer.split("\n\n")[0]) in text
    assert "num_restarts = 3" in text
    assert plt.get_fignums() == []


def test_the_first_study_answers_its_questions(ran):
    arrays = study.read(ran / "williams.npz").arrays
    assert (arrays["fits.rmse"] >= arrays["svd"][:, None] - 1e-12).all()
    best = arrays["fits.rmse"].min(axis=1)
    assert best[1] < arrays["shuffled.rmse"][1].min()
    answers = {section.question: section.answer for section in williams.sections(arrays)}
    assert "error is least at rank 3" in answers["How many components, then?"]
    assert "rows form blocks of 4, 4, 4 and the columns of 3, 3, 3" in str(answers)
    assert f"{best[0]:.4f} at rank 2" in answers["How does the error fall with the rank?"]
    assert f"{np.sum(arrays['X'] < 0)} of 108 entries" in str(answers)
    assert "restarts below the line: 0" in str(answers)


def test_a_finished_study_is_not_run_again(ran, monkeypatch, capsys):
    def compute(settings, progress):
        raise AssertionError("it ran")

    before = study.read(ran / "williams.npz").made
    monkeypatch.setattr(williams, "compute", compute)
    assert command.main(["williams", "--tiny", "--out", str(ran)]) == 0
    assert study.read(ran / "williams.npz").made == before
    for arguments in (["--tiny", "--fresh"], ["--tiny", "--seed", "1"], []):
        with pytest.raises(AssertionError, match="it ran"):
            command.main(["williams", *arguments, "--out", str(ran)])
    monkeypatch.setattr(study, "fingerprint", lambda name: "the code has changed")
    with pytest.raises(AssertionError, match="it ran"):
        command.main(["williams", "--tiny", "--out", str(ran)])
    capsys.readouterr()


def test_an_interrupted_run_keeps_what_was_finished(monkeypatch, tmp_path, capsys):
    def study_of(compute):
        return SimpleNamespace(
            TITLE="t", SOURCE="s", Settings=williams.Settings, TINY=williams.TINY, FULL=williams.FULL,
            compute=compute, plot=lambda arrays: {}, sections=lambda arrays: [], __file__=williams.__file__,
        )  # fmt: skip

    def interrupt(settings, progress):
        raise KeyboardInterrupt

    def missing(settings, progress):
        raise data.DataMissing("no such file, and what to do")

    modules = {
        "a": study_of(lambda settings, progress: {"x": np.ones(2)}),
        "b": study_of(missing),
        "c": study_of(interrupt),
    }
    monkeypatch.setattr(study, "NAMES", tuple(modules))
    monkeypatch.setattr(page, "NAMES", tuple(modules))
    for module in (study, page):
        monkeypatch.setattr(module, "load", modules.__getitem__)
    assert command.main(["all", "--out", str(tmp_path)]) == 130
    shown = capsys.readouterr()
    assert "b: no such file, and what to do" in shown.err
    assert "interrupted in c; finished studies are kept" in shown.out
    assert {p.name for p in tmp_path.iterdir()} == {"a.npz", "a.html", "index.html"}
    assert '<h2 id="a">' in (tmp_path / "index.html").read_text()


def test_a_file_that_is_not_a_study_is_no_obstacle(tmp_path):
    path = tmp_path / "williams.npz"
    assert study.read(path) is None
    path.write_bytes(b"PK broken")
    assert study.read(path) is None
    np.savez(path, x=np.ones(2))
    assert study.read(path) is None


def test_what_ran_on_a_stand_in_says_so_and_runs_again(monkeypatch, tmp_path):
    def missing():
        raise data.DataMissing("nmfdata.txt: not found")

    computed = []
    compute = williams.compute
    monkeypatch.setattr(data, "williams_matrix", missing)
    monkeypatch.setattr(data, "signed_rank_3", planted_blocks)
    monkeypatch.setattr(williams, "compute", lambda *a: computed.append(1) or compute(*a))
    for _ in range(2):
        record = study.perform("williams", williams.TINY, tmp_path)
    assert len(computed) == 2
    assert "nmfdata.txt: not found" in str(record.arrays["notes"][0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "invalid choice: 'nothing'"),
        (["williams", "--rank", "x"], "argument --rank: invalid int value"),
        (["williams", "--depth", "3"], "unrecognized arguments: --depth"),
        (["williams", "--tiny", "--full"], "not allowed with argument"),
        (["all", "--rank", "3"], "unrecognized arguments: --rank"),
    ],
)
def test_a_command_line_that_means_nothing_is_refused(arguments, message, capsys):
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert message in capsys.readouterr().err


def test_a_setting_out_of_range_is_an_error_in_words(tmp_path, capsys):
    assert command.main(["williams", "--tiny", "--rank", "9", "--out", str(tmp_path)]) == 1
    assert "williams: rank: expected one of the ranks (2, 3, 4), got 9" in capsys.readouterr().err


def test_an_unwritable_folder_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="cannot write to the folder"):
        command.main(["williams", "--tiny", "--out", str(tmp_path / "file")])


def test_the_list_and_the_settings_of_every_study(capsys):
    assert command.main([]) == 0
    shown = capsys.readouterr().out
    for name in study.NAMES:
        assert name in shown
        module = study.load(name)
        for size in ("FULL", "TINY"):
            assert isinstance(getattr(module, size), module.Settings)
        options = vars(command.parser().parse_args([name]))
        assert options == {"names": [name], "out": command.Path("results"), "fresh": False, "size": None}
    parsed = vars(command.parser().parse_args(["williams", "--ranks", "2", "5", "--seed", "3"]))
    assert (parsed["ranks"], parsed["seed"]) == ((2, 5), 3)
