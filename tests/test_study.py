"""The studies as a user meets them: the command line, the page, what is kept, what goes wrong; and the first study."""

import json
from types import SimpleNamespace

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.optimize

import jnmf
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
    answers = [section.answer for section in williams.sections(arrays)]
    assert "Cross-validation says 3" in answers[4]
    assert "(rows) fall into clusters of 4, 4, 4 and the genes (columns) of 3, 3, 3" in answers[3]
    assert f"{best[0]:.4f} at r = 2" in answers[0]
    assert f"{np.sum(arrays['X'] < 0)} of 108 entries" in answers[5]
    assert "below the line: 0" in answers[1]
    assert f"{best[1] / arrays['svd'][1] - 1:.2%} above that of the truncated SVD" in answers[1]


def test_the_first_study_updates_u_before_v(ran):
    """Its best pair is that of the exercise's two lines, written out with SciPy, from the same start."""
    arrays = study.read(ran / "williams.npz").arrays
    X, best = arrays["X"], int(np.argmin(arrays["fits.rmse"][1]))
    columns = lambda A, B: np.stack([scipy.optimize.nnls(A, b)[0] for b in B.T], axis=1)
    key = jax.random.split(jax.random.key(0), williams.TINY.num_restarts)[best]
    V = np.asarray(jnmf.init.random(key, X.T, 3).W)
    for _ in range(williams.TINY.num_iters):
        U = columns(V, X.T).T
        V = columns(U, X).T
    np.testing.assert_allclose(arrays["U"], U, atol=1e-8)
    np.testing.assert_allclose(arrays["V"], V, atol=1e-8)


def test_the_mean_similarity_is_without_a_start_and_itself():
    pairs = np.array([[[1, 0.2, 0.4], [0.2, 1, 0.6], [0.4, 0.6, 1]]])
    np.testing.assert_allclose(williams.mean_pairs(pairs), [0.4])
    assert np.isnan(williams.mean_pairs(pairs[:, :1, :1])).all()


def test_the_words_of_the_first_study_follow_the_numbers(ran):
    arrays = study.read(ran / "williams.npz").arrays
    svd = arrays["svd"][:, None]
    at = lambda *factors: arrays | {"fits.rmse": svd * np.array(factors)}
    beyond, within = (williams.svd.against_svd(at(1.01, 1.011, worst)) for worst in (1.015, 1.05))
    assert beyond.startswith("Unfavourable, by more than the starts differ: at r = 3 the RMSE of the best of 3 NMFs")
    assert "and the worst NMF 0.50% above the best, half of them at most 0.10%. " in beyond
    assert "within the spread of the starts at no r." in beyond
    assert within.startswith(
        "Unfavourable, but within the spread of the starts: at r = 3 the RMSE of the best of 3 NMFs"
    )
    assert (
        "and the worst NMF 3.96% above the best, half of them at most 0.10%, so that an unlucky start costs" in within
    )
    assert "within the spread of the starts at r = 2, 3, 4." in within
    assert williams.svd.against_svd(at(1, 1, 1)).startswith("Neither: at r = 3")
    alone = arrays | {"fits.rmse": 1.01 * svd}
    assert williams.svd.against_svd(alone).startswith("Unfavourable: at r = 3 the RMSE of the NMF is 1.00%")
    alike = lambda *scores: np.array([np.full((3, 3), score) for score in scores])
    words = williams.similarity.agreement(
        arrays | {"similarity.U_pairs": alike(0.9, 0.5, 0.7), "similarity.V_pairs": alike(0.9, 0.8, 0.6)}
    )
    assert "0.500 for U at r = 3 and 0.600 for V at r = 4" in words
    assert "above 0.99 at no r" in words
    assert williams.scree.sensitivity(at(1.1, 1.1001, 1.1002)).startswith("No: at r = 3 3 of 3")
    some = williams.scree.sensitivity(at(1.1, 1.1, 1.3))
    assert some.startswith("Yes, for some starts: at r = 3 2 of 3")
    assert "Of the other 1, " in some
    assert williams.scree.sensitivity(at(1.1, 1.2, 1.3)).startswith("Yes: at r = 3 1 of 3")

    falls = {"fits.rmse": np.array([[0.5], [0.2], [0.199]]), "shuffled.rmse": np.array([[0.9], [0.8], [0.7]])}
    assert "nothing that noise would not give" in williams.scree.falls(arrays | falls)
    falls["shuffled.rmse"] = np.array([[0.9], [0.8], [0.7999]])
    assert "more than noise would give" in williams.scree.falls(arrays | falls)

    assert williams.heatmaps.blocks(arrays).startswith("The raw order shows most of it already")
    mixed = np.random.default_rng(0).permutation(300) % 3
    assert williams.heatmaps.blocks(arrays | {"row_clusters": mixed, "column_clusters": mixed}).startswith(
        "Yes. The raw order"
    )

    assert "they can be noise" in williams.signs.negative_entries(arrays | {"X": arrays["U"] @ arrays["V"].T - 0.1})
    X = np.where(np.arange(arrays["X"].size).reshape(arrays["X"].shape) % 50 == 0, -9, arrays["X"])
    assert "larger than what is left" in williams.signs.negative_entries(arrays | {"X": X})
    test = np.array([[0.5, 0.5, 0.5], [0.2, 0.21, 0.2], [0.3, 0.31, 0.3]])
    assert "it rises again" in williams.held_out.chosen(arrays | {"held_out.test": test})
    test = np.array([[0.5, 0.5, 0.5], [0.2, 0.21, 0.2], [0.2, 0.21, 0.9]])
    assert "no sure rise" in williams.held_out.chosen(arrays | {"held_out.test": test})


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
    every = command.parser().parse_args(["all"]).names
    assert every[0] == study.FIRST
    assert [name for name in study.NAMES if name != study.FIRST] == every[1:]
    parsed = vars(command.parser().parse_args(["williams", "--ranks", "2", "5", "--seed", "3"]))
    assert (parsed["ranks"], parsed["seed"]) == ((2, 5), 3)
