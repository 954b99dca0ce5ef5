"""The studies as a user meets them: the command line, the page, what is kept, what goes wrong; and the first study."""

import json
from types import SimpleNamespace

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.optimize
from every_study import *

import jnmf
from experiments import __main__ as command
from experiments import data, page, record
from experiments import study as studies
from experiments import williams as study

DRAWN = ()  # the command line draws all
IMPOSSIBLE = [({"rank": 9}, r"rank: expected one of the ranks \(2, 3, 4\), got 9")]
best = lambda a: a["fits.rmse"].min(axis=1)
FACTS = {
    "no NMF is below the SVD": lambda a: a["fits.rmse"] >= a.svd[:, None] - 1e-12,
    "shuffled data are fitted worse": lambda a: best(a)[1] < a["shuffled.rmse"][1].min(),
}
at = lambda *factors: lambda a: {"fits.rmse": a.svd[:, None] * np.array(factors)}
alike = lambda *scores: np.array([np.full((3, 3), score) for score in scores])
column = lambda *values: np.tile(np.array(values)[:, None], 3)
falling = lambda last: {"fits.rmse": column(0.5, 0.2, 0.199), "shuffled.rmse": column(0.9, 0.8, last)}
held_out = lambda *last: {"held_out.test": np.array([[0.5, 0.5, 0.5], [0.2, 0.21, 0.2], last])}
MIXED = np.random.default_rng(0).permutation(300) % 3
WORDS = [
    ("how many components", {}, "Cross-validation says 3"),
    ("6. ", {}, "(rows) fall into clusters of 4, 4, 4 and the genes (columns) of 3, 3, 3"),
    ("1 to 3.", {}, lambda a: f"{best(a)[0]:.4f} at r = 2"),
    ("negative", {}, lambda a: f"{np.sum(a.X < 0)} of 108 entries"),
    ("4. ", {}, "below the line: 0", lambda a: f"{best(a)[1] / a.svd[1] - 1:.2%} above that of the truncated SVD"),
    (
        *("4. ", at(1.01, 1.011, 1.015)),
        "^Unfavourable, by more than the starts differ: at r = 3 the RMSE of the best of 3 NMFs",
        "and the worst NMF 0.50% above the best, half of them at most 0.10%. ",
        "within the spread of the starts at no r.",
    ),
    (
        *("4. ", at(1.01, 1.011, 1.05)),
        "^Unfavourable, but within the spread of the starts: at r = 3 the RMSE of the best of 3 NMFs",
        "and the worst NMF 3.96% above the best, half of them at most 0.10%, so that an unlucky start costs",
        "within the spread of the starts at r = 2, 3, 4.",
    ),
    ("4. ", at(1, 1, 1), "^Neither: at r = 3"),
    ("4. ", at(1.01), "^Unfavourable: at r = 3 the RMSE of the NMF is 1.00%"),
    (
        *("5. ", {"similarity.U_pairs": alike(0.9, 0.5, 0.7), "similarity.V_pairs": alike(0.9, 0.8, 0.6)}),
        *("0.500 for U at r = 3 and 0.600 for V at r = 4", "above 0.99 at no r"),
    ),
    ("1 to 3.", at(1.1, 1.1001, 1.1002), "^No: at r = 3 3 of 3"),
    ("1 to 3.", at(1.1, 1.1, 1.3), "^Yes, for some starts: at r = 3 2 of 3", "Of the other 1, "),
    ("1 to 3.", at(1.1, 1.2, 1.3), "^Yes: at r = 3 1 of 3"),
    ("1 to 3.", falling(0.7), "nothing that noise would not give"),
    ("1 to 3.", falling(0.7999), "more than noise would give"),
    ("6. ", {}, "^The raw order shows most of it already"),
    ("6. ", {"row_clusters": MIXED, "column_clusters": MIXED}, "^Yes. The raw order"),
    ("negative", lambda a: {"X": a.U @ a.V.T - 0.1}, "they can be noise"),
    (
        *("negative", lambda a: {"X": np.where(np.arange(a.X.size).reshape(a.X.shape) % 50 == 0, -9, a.X)}),
        "larger than what is left",
    ),
    ("how many components", held_out(0.3, 0.31, 0.3), "it rises again"),
    ("how many components", held_out(0.2, 0.21, 0.9), "no sure rise"),
]


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
    assert plt.get_fignums() == []
    return out


@pytest.fixture(scope="module")
def arrays(ran):
    return Arrays(studies.read(ran / "williams.npz").arrays)


def test_a_study_leaves_its_arrays_figures_and_a_self_contained_page(ran, sections):
    kept = studies.read(ran / "williams.npz")
    assert kept is not None
    assert kept.made["settings"] == json.loads(json.dumps(vars(study.TINY)))
    assert kept.made["seconds"] > 0
    assert {"jnmf", "jax", "numpy", "Python"} <= set(kept.made["versions"])
    figures = {f for section in sections for f in section.figures}
    assert figures == {"scree", "similarity", "cross_validation", "heatmaps"}
    images = {f"williams-{f}.{kind}" for f in figures for kind in ("png", "pdf")}
    assert {path.name for path in ran.iterdir()} == {"index.html", "williams.html", "williams.npz", *images}
    text = (ran / "index.html").read_text()
    assert text.count("<img ") == text.count("data:image/png;base64,") == len(figures)
    assert 'src="http' not in text
    for section in sections:
        assert page._text(section.question) in text
        assert page._text(section.answer.split("\n\n")[0]) in text
    assert "num_restarts = 3" in text


def test_the_first_study_updates_u_before_v(arrays):
    """Its best pair is that of the exercise's two lines, written out with SciPy, from the same start."""
    columns = lambda A, B: np.stack([scipy.optimize.nnls(A, b)[0] for b in B.T], axis=1)
    keys, X = jax.random.split(jax.random.key(0), study.TINY.num_restarts), arrays["X"]
    V = np.asarray(jnmf.init.random(keys[int(np.argmin(arrays["fits.rmse"][1]))], X.T, 3).W)
    for _ in range(study.TINY.num_iters):
        U = columns(V, X.T).T
        V = columns(U, X).T
    near(arrays["U"], U, atol=1e-8)
    near(arrays["V"], V, atol=1e-8)


def test_the_mean_similarity_is_without_a_start_and_itself():
    pairs = np.array([[[1, 0.2, 0.4], [0.2, 1, 0.6], [0.4, 0.6, 1]]])
    near(study.mean_pairs(pairs), [0.4])
    assert np.isnan(study.mean_pairs(pairs[:, :1, :1])).all()


# The record of what the studies say at the sources' own sizes: from kept arrays alone, in whole sentences.


def test_the_record_has_the_first_sentence_of_every_answer(ran, sections):
    records = record.records_in(ran)
    text = record.render(records)
    for section in sections:
        assert f"- *{section.question}* {' '.join(section.answer.split()[:8])}" in text
    assert text.count("\n- *") == len(sections)
    assert f"`python -m experiments williams`, {records['williams'].made['seconds']:.0f} s" in text
    assert "num_restarts = 3" in text
    assert "Not among them: lab_synthetic, lab_mnist" in text
    assert str(ran) not in text


def test_settings_of_the_source_are_told_as_such(ran):
    kept = record.records_in(ran)["williams"]
    full = studies.Record(kept.arrays, kept.made | {"settings": studies.plain(vars(study.FULL))})
    assert "`python -m experiments williams --full`" in record.chapter("williams", full)


@pytest.mark.parametrize("place", [".", "williams"])
def test_a_study_is_found_in_the_folder_or_in_one_of_its_own(ran, tmp_path, place):
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "williams.npz").write_bytes((ran / "williams.npz").read_bytes())
    assert list(record.records_in(tmp_path)) == ["williams"]


def test_the_first_sentences_are_whole_and_as_many_as_fit():
    answer = "Yes: 0.5 of it. Brunet et al. Look here.\n\nA third, by 1.5. (An aside.) The end."
    assert record.first_sentences(answer, 10) == "Yes: 0.5 of it."
    assert record.first_sentences(answer, 45) == "Yes: 0.5 of it. Brunet et al. Look here."
    assert record.first_sentences(answer, 200) == " ".join(answer.split())
    assert record.first_sentences("No. It is so. Signs. A component has a sign.", 25) == "No. It is so."


def test_an_empty_folder_says_what_to_run(tmp_path):
    with pytest.raises(SystemExit, match="python -m experiments all --full"):
        record.main(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [({}, "draws its data"), ({"notes": []}, "those of the source"), ({"notes": ["They stand in."]}, "They stand in.")],
)
def test_it_says_what_the_data_were(arrays, told):
    assert told in record.where_from(arrays)


# The command line.


def test_a_finished_study_is_not_run_again(ran, monkeypatch, capsys):
    def compute(settings, progress):
        raise AssertionError("it ran")

    before = studies.read(ran / "williams.npz").made
    monkeypatch.setattr(study, "compute", compute)
    assert command.main(["williams", "--tiny", "--out", str(ran)]) == 0
    assert studies.read(ran / "williams.npz").made == before
    for arguments in (["--tiny", "--fresh"], ["--tiny", "--seed", "1"], []):
        with pytest.raises(AssertionError, match="it ran"):
            command.main(["williams", *arguments, "--out", str(ran)])
    monkeypatch.setattr(studies, "fingerprint", lambda name: "the code has changed")
    with pytest.raises(AssertionError, match="it ran"):
        command.main(["williams", "--tiny", "--out", str(ran)])
    capsys.readouterr()


def test_an_interrupted_run_keeps_what_was_finished(monkeypatch, tmp_path, capsys):
    def study_of(compute):
        return SimpleNamespace(
            TITLE="t", SOURCE="s", Settings=study.Settings, TINY=study.TINY, FULL=study.FULL,
            compute=compute, plot=lambda arrays: {}, sections=lambda arrays: [], __file__=study.__file__,
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
    monkeypatch.setattr(studies, "NAMES", tuple(modules))
    monkeypatch.setattr(page, "NAMES", tuple(modules))
    for module in (studies, page):
        monkeypatch.setattr(module, "load", modules.__getitem__)
    assert command.main(["all", "--out", str(tmp_path)]) == 130
    shown = capsys.readouterr()
    assert "b: no such file, and what to do" in shown.err
    assert "interrupted in c; finished studies are kept" in shown.out
    assert {p.name for p in tmp_path.iterdir()} == {"a.npz", "a.html", "index.html"}
    assert '<h2 id="a">' in (tmp_path / "index.html").read_text()


def test_a_file_that_is_not_a_study_is_no_obstacle(tmp_path):
    path = tmp_path / "williams.npz"
    assert studies.read(path) is None
    path.write_bytes(b"PK broken")
    assert studies.read(path) is None
    np.savez(path, x=np.ones(2))
    assert studies.read(path) is None


def test_what_ran_on_a_stand_in_says_so_and_runs_again(monkeypatch, tmp_path):
    def missing():
        raise data.DataMissing("nmfdata.txt: not found")

    computed = []
    compute = study.compute
    monkeypatch.setattr(data, "williams_matrix", missing)
    monkeypatch.setattr(data, "signed_rank_3", planted_blocks)
    monkeypatch.setattr(study, "compute", lambda *a: computed.append(1) or compute(*a))
    for _ in range(2):
        kept = studies.perform("williams", study.TINY, tmp_path)
    assert len(computed) == 2
    assert "nmfdata.txt: not found" in str(kept.arrays["notes"][0])


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
    for name in studies.NAMES:
        assert name in shown
        module = studies.load(name)
        for size in ("FULL", "TINY"):
            assert isinstance(getattr(module, size), module.Settings)
        options = vars(command.parser().parse_args([name]))
        assert options == {"names": [name], "out": command.Path("results"), "fresh": False, "size": None}
    every = command.parser().parse_args(["all"]).names
    assert every[0] == studies.FIRST
    assert [name for name in studies.NAMES if name != studies.FIRST] == every[1:]
    parsed = vars(command.parser().parse_args(["williams", "--ranks", "2", "5", "--seed", "3"]))
    assert (parsed["ranks"], parsed["seed"]) == ((2, 5), 3)
