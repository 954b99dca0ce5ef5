"""The command `jnmf`: what it reads, writes and says, called as a function, and once as it is installed."""

import argparse
import csv
import errno
import gzip
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import jax
import numpy as np
import pytest
import scipy.io
import scipy.sparse

import jnmf
from jnmf import pausing
from jnmf_cli import arguments, fit, page, rank, reading
from jnmf_cli.errors import Refused
from jnmf_cli.main import main

ROOT = Path(__file__).parent.parent
X = np.random.default_rng(0).poisson(np.random.default_rng(1).gamma(1, 2, (12, 3)) @ np.eye(3, 6, 1) + 0.7) + 0.0
X[0, 0] = 1
ROWS, COLUMNS = [f"s{i}" for i in range(12)], ["gene, A", "gene B", "ç", "<b>", "$x$", "f"]
QUICK = ("--rank", "3", "--max-iters", "3")  # which compile the same programs


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch, request):
    jax.devices()  # `jnmf rank` takes all cores where JAX does not run yet
    monkeypatch.chdir(tmp_path)
    if "with_pictures" not in request.fixturenames:
        monkeypatch.setattr(fit, "as_page", lambda *_: "")
        monkeypatch.setattr(rank, "as_page", lambda *_: "")
    for name, A, rows, columns in (("counts", X, ROWS, COLUMNS), ("new", X[:4, ::-1], "abcd", COLUMNS[::-1])):
        with open(f"{name}.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["sample", *columns], *([row, *x] for row, x in zip(rows, A, strict=True))])


@pytest.fixture
def with_pictures():
    """They take half a second each."""


@pytest.fixture
def call(capsys):
    def call(*argv):
        code = main([str(argument) for argument in argv])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def read(*argv, **written):
    for name, content in written.items():
        Path(name.replace("_", ".")).write_bytes(content if isinstance(content, bytes) else content.encode())
    name = next(iter(written), "counts_csv").replace("_", ".")
    return reading.read(arguments.parser().parse_args(["fit", name, *argv, "--rank", "1", "--out", "out"]))


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file, delimiter="\t" if str(path).endswith("tsv") else ",")
    return head[1:], [row[0] for row in rows], np.array([row[1:] for row in rows], float)


# What it reads

TEXTS = {  # file: (content, options, columns, rows)
    "names of both": ("id,a,b\nx,1,2\ny,3,4\n", "", "ab", "xy"),
    "as pandas writes numbers": (",a,b\n0,1,2\n1,3,4\n", "", "ab", "01"),
    "as R writes it": ("a,b\nx,1,2\ny,3,4\n", "", "ab", "xy"),
    "columns alone": ("a,b\n1,2\n3,4\n", "", "ab", None),
    "no names": ("1,2\n3,4\n", "", None, None),
    "rows alone": ("x,1,2\ny,3,4\n", "--no-header", None, "xy"),
    "years": ("id,1,2\nx,1,2\ny,3,4\n", "--header", "12", "xy"),
    "years and a number": ("1,2\n1,2\n3,4\n", "--header", "12", None),
    "rows of numbers": ("7,1,2\n8,3,4\n", "--index", None, "78"),
    "byte order mark, quotes, blank lines": ('\ufeffid,"a","b"\n\n"x",1,2\r\ny,3,4\n\n', "", "ab", "xy"),
    "semicolons": ("id;a;b\nx;1;2\ny;3;4\n", "--separator ;", "ab", "xy"),
    "tabs": ("id\ta\tb\nx\t1\t2\ny\t3\t4\n", "--separator tab", "ab", "xy"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_names_are_found_in_a_table_of_text(name):
    content, options, columns, rows = TEXTS[name]
    data = read(*options.split(), x_csv=content)
    assert (data.columns, data.rows) == (columns and list(columns), rows and list(rows))
    np.testing.assert_array_equal(data.X, [[1, 2], [3, 4]])
    assert data.X.dtype == np.float64
    turned = read(*options.split(), "--transpose", x_csv=content)
    np.testing.assert_array_equal(turned.X, data.X.T)
    assert (turned.rows, turned.columns) == (data.columns, data.rows)


HUGE = "%%MatrixMarket matrix coordinate real general\n2000000000 2000000000 1\n1 1 5\n"
REFUSED = {  # (file, content, options, what is said)
    "empty": ("x.csv", "", "", "got an empty file"),
    "names alone": ("x.csv", "a,b\n", "", "expected rows of numbers under the names in line 1, got none"),
    "short line": ("x.csv", "a,b\n1,2\n3\n", "", "line 3: expected 2 fields as in line 1, got 1"),
    "long line": ("x.csv", "1,2\n3,4,5\n", "--no-header", "line 2: expected 2 fields"),
    "text": ("x.csv", "i,a\nx,1\ny,two\n", "", r"line 3, column 'a': expected a number, got 'two'"),
    "thousands": ("x.csv", "i,a\nx,1_000\n", "", "expected a number, got '1_000'"),
    "decimal comma": ("x.tsv", "i\ta\nx\t1,5\n", "", "got '1,5'; write decimals with a point"),
    "another separator": ("x.csv", "a;b\n1;2\n", "", "with ';' in it; say --separator ';'"),
    "a name that is a number": ("x.csv", "id,1,2\nx,1,2\n", "", "names of columns, or numbers of X\\? say --header"),
    "an empty corner": ("x.csv", ",5,7\n1,2,3\n", "", "say --header or --no-header"),
    "numbered rows": ("x.csv", "id,a\n1,5\n2,5\n3,6\n", "", "only counts the rows.* say --index or --no-index"),
    "names by surprise": ("x.csv", "id,a\n1,5\nX,5\n", "", "'id': expected a number, got 'X'.*say --index"),
    "Latin 1": ("x.csv", "é,b\n1,2\n".encode("latin-1"), "", "expected text in UTF-8, got byte 0xe9"),
    "an open quote": ("x.csv", 'a,"b\n1,2\n', "", "line 2: expected fields between ',', but"),
    "missing": (
        "x.csv",
        "i,a,b\nx,1,\ny,NA,2\n",
        "",
        "2 missing ones, the first at row 'x', column 'b'; say",
    ),
    "infinite": ("x.csv", "a,b\n1,inf\n", "--missing", "finite numbers in the range of float64, got 1 others"),
    "beyond float32": (
        "x.csv",
        "a,b\n1,1e40\n",
        "--float32",
        "of float32, got 1 others, the first at row 1, column",
    ),
    "all missing": ("x.csv", "i,a\nx,NA\n", "--missing", "all entries are missing"),
    "stored": ("x.csv", "1,2\n", "--stored", "--stored is for a sparse file"),
    "half a gzip": ("x.csv.gz", gzip.compress(b"1,2\n" * 99)[:-9], "", "expected a whole gzip file"),
    "no gzip": ("x.csv.gz", b"1,2\n", "", "x.csv.gz: not a gzip"),
    "ending": ("x.xlsx", "", "", r"expected a file that ends in csv, tsv .* got .xlsx"),
    "no npy": ("x.npy", b"1,2", "", "expected a whole npy file of numbers, but"),
    "no mtx": ("x.mtx", "1 2\n", "", "expected a whole mtx file of numbers, but"),
    "beyond the memory": ("x.mtx", HUGE, "", "rank: expected one whose factors fit the memory"),
    "no npz": ("x.npz", b"PK\x03\x04", "", "expected a whole npz file of numbers, but"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_refused_in_one_line(name, call):
    path, content, options, said = REFUSED[name]
    Path(path).write_bytes(content if isinstance(content, bytes) else content.encode())
    code, out, err = call("fit", path, *options.split(), *QUICK, "--out", "out")
    assert (code, out) == (1, "")
    assert re.fullmatch(rf"jnmf: error: .*{said}.*\n", err), err
    assert not Path("out").exists()


def test_a_pickle_is_not_read(call):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, ("exploded",)

    np.save("x.npy", np.array([[Bomb()]], object), allow_pickle=True)
    np.savez("x.npz", X=np.array([[Bomb()]], object), allow_pickle=True)
    for path in ("x.npy", "x.npz"):
        assert call("fit", path, "--key", "X", *QUICK, "--out", "out")[0] == 1
    assert not Path("exploded").exists()


def test_matrices_of_all_kinds_are_read():
    A = scipy.sparse.csr_array(X)
    np.save("x.npy", X.astype(np.float32))
    np.savez("two.npz", X=X, Y=X[:2])
    scipy.sparse.save_npz("sparse.npz", A.tocsc())
    scipy.io.mmwrite("x.mtx", A)
    Path("x.mtx.gz").write_bytes(gzip.compress(Path("x.mtx").read_bytes()))
    Path("c.csv.gz").write_bytes(gzip.compress(Path("counts.csv").read_bytes()))
    Path("rows.txt").write_text("\n".join(f"{row}\tmore" for row in ROWS))

    def data(name, *argv):
        return reading.read(arguments.parser().parse_args(["fit", name, *argv, "--rank", "1", "--out", "out"]))

    assert data("x.npy").X.dtype == np.float32
    assert data("x.npy", "--float64").X.dtype == np.float64
    assert data("two.npz", "--key", "Y").X.shape == (2, 6)
    with pytest.raises(Refused, match="expected --key with one of X, Y, got none"):
        data("two.npz")
    np.testing.assert_array_equal(data("c.csv.gz").X, X)
    for name in ("sparse.npz", "x.mtx", "x.mtx.gz"):
        found = data(name, "--stored", "--row-names", "rows.txt")
        assert (found.is_sparse, found.mask, found.rows, found.X.dtype) == (True, "stored", ROWS, np.float64)
        np.testing.assert_array_equal(found.X.toarray(), X)
        with pytest.raises(Refused, match="--missing is for a dense file"):
            data(name, "--missing")
    with pytest.raises(Refused, match="a name for each column of the file, 6 lines, got 12"):
        data("x.npy", "--column-names", "rows.txt")
    for bad, said in ((X[0], "at least one row and one column, got shape"), (X + 1j, "expected real numbers")):
        np.save("bad.npy", bad)
        with pytest.raises(Refused, match=said):
            data("bad.npy")


def test_an_anndata_is_read_where_the_package_is_there(monkeypatch):
    Path("x.h5ad").touch()
    monkeypatch.setitem(sys.modules, "anndata", None)
    with pytest.raises(Refused, match="h5ad files need anndata; run pip install anndata"):
        read(x_h5ad="")
    parts = {"X": scipy.sparse.csr_array(X), "layers": {"raw": X}, "obs_names": ROWS, "var_names": COLUMNS}
    package = argparse.Namespace(read_h5ad=lambda path: argparse.Namespace(**parts))
    monkeypatch.setitem(sys.modules, "anndata", package)
    assert (read(x_h5ad="").is_sparse, read(x_h5ad="").columns) == (True, COLUMNS)
    np.testing.assert_array_equal(read("--key", "raw", x_h5ad="").X, X)


# What it writes


def test_a_fit_is_that_of_the_library_in_tables_a_file_and_a_page(call, with_pictures, monkeypatch):
    code, out, err = call("fit", "counts.csv", *QUICK, "--out", "a/b")
    assert (code, out.splitlines()[1]) == (0, "W.csv, H.csv, fit.npz, index.html in a/b")
    assert "12 samples × 6 features, named, float64" in err
    assert sorted(os.listdir("a/b")) == ["H.csv", "W.csv", "fit.npz", "index.html"]
    expected = jnmf.fit(X, 3, max_iters=3)
    for name, names, values in (
        ("W", ["component 1", "component 2", "component 3"], expected.W),
        ("H", COLUMNS, expected.H),
    ):
        found = table(f"a/b/{name}.csv")
        assert found[0] == names
        np.testing.assert_array_equal(found[2], values)
    assert table("a/b/W.csv")[1] == ROWS
    html = Path("a/b/index.html").read_text(encoding="utf-8")
    assert html.count("data:image/png;base64,") == 4
    assert not re.search(r"<script|<b>|(src|href)=\"(?!data:)", html)
    assert jnmf.frames(jnmf.load("a/b/fit.npz")).H.columns.tolist() == COLUMNS

    shown = call("show", "a/b/fit.npz", "--top", "1")[1].splitlines()
    assert shown[0] == "a/b/fit.npz: a fit of 12 samples × 6 features by 3 components, float64"
    assert shown[1:3] == [
        "algorithm Extrapolated(Accelerated(HALS()))",
        f"loss {expected.loss:.6g} (frobenius) after 3 iterations, {fit.SAYS['MAX_ITERS']}",
    ]
    best = COLUMNS[np.argmax(expected.H[1])]
    assert shown[4].startswith(f"component 2: {best} 0.")

    monkeypatch.setattr(fit, "as_page", lambda *_: "")
    code, out, err = call("fit", "counts.csv", *QUICK, "--out", "a/b")
    assert (code, err.count("\n")) == (1, 1)
    assert "expected a folder without W.csv; choose another --out, --resume to go on, or --force" in err
    assert call("fit", "counts.csv", *QUICK, "--out", "a/b", "--force", "--quiet") == (0, "", "")


def test_going_on_gives_the_bits_of_a_fit_that_did_not_stop(call, monkeypatch):
    monkeypatch.setattr(pausing, "PAUSE", 0.0)
    presses = iter([False, False, True])

    def press_ctrl_c(found):
        if next(presses, False):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fit, "_keeper", lambda folder, path: press_ctrl_c)
        code, out, err = call("fit", "counts.csv", "--rank", "3", "--restarts", "2", "--out", "out", "--tol", "0")
    assert code == 130
    assert "interrupted: the same command with --resume goes on" in out
    assert jnmf.load("out/fit.npz").num_iters == 3
    assert {"W.csv", "index.html", "checkpoint"} <= set(os.listdir("out"))
    again = ("fit", "counts.csv", "--rank", "3", "--out", "out", "--resume", "--tol", "0", "--max-iters")
    assert call(*again, "5", "--restarts", "2")[0] == 0
    both = [jnmf.fit(X, 3, key=seed, tol=0, max_iters=5) for seed in (0, 1)]
    best = min(both, key=lambda found: found.loss)
    np.testing.assert_array_equal(jnmf.load("out/fit.npz").W, best.W)
    assert not Path("out/checkpoint").exists()
    assert call(*again, "7")[0] == 0  # that has ended goes on, too
    assert jnmf.load("out/fit.npz").num_iters == 7
    for argv, said in (
        ((*again[:3], "2", *again[4:], "9"), "fit.npz: expected --rank 3 to go on from it, got 2"),
        ((*again, "6"), "expected --max-iters of at least the 7 that were made, got 6"),
        ((*again, "9", "--loss", "kl"), "out: holds a fit of other data or settings; choose another --out"),
        ((again[0], "new.csv", *again[2:], "9"), "out: holds a fit of other data or settings; choose another --out"),
    ):
        code, _, err = call(*argv)
        assert code == 1
        assert said in err


def test_no_file_is_half_written_on_a_full_disk(call, monkeypatch):
    real = os.fsync

    def full(descriptor):
        if ".part" in (name := os.readlink(f"/proc/self/fd/{descriptor}")) and "/W.csv" in name:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    code, out, err = call("fit", "counts.csv", *QUICK, "--out", "out", "--quiet")
    assert (code, out, err) == (1, "", "jnmf: error: out/W.csv: no space left on device\n")
    assert sorted(os.listdir("out")) == ["checkpoint", "fit.npz"]
    assert jnmf.load("out/fit.npz").num_iters == 3


def test_what_cannot_be_written_is_told_before_the_work(call, monkeypatch):
    monkeypatch.setattr(jnmf, "fit", None)
    code, _, err = call("fit", "counts.csv", *QUICK, "--out", "counts.csv/out")
    assert (code, err) == (1, "jnmf: error: counts.csv/out: not a directory\n")
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    assert call("fit", "counts.csv", *QUICK, "--out", "out")[2] == "jnmf: error: out: permission denied\n"


def test_new_samples_go_by_the_names_of_the_features(call):
    assert call("fit", "counts.csv", *QUICK, "--out", "parts", "--quiet")[0] == 0
    H = jnmf.load("parts/fit.npz").H
    code, _, err = call("transform", "new.csv", "--fit", "parts/fit.npz", "--out", "W.tsv")
    assert code == 0
    assert "columns taken by their names" in err
    _, rows, W = table("W.tsv")
    assert rows == list("abcd")
    np.testing.assert_allclose(W, jnmf.transform(X[:4], H), rtol=1e-9, atol=1e-12)
    assert call("transform", "new.csv", "--fit", "parts/fit.npz", "--out", "W.tsv")[0] == 1  # it is there
    Path("less.csv").write_text("id,gene B,f\nx,1,2\n")
    for argv, said in (
        (("less.csv",), "a column for each of the 6 features of the fit, got none for 4, the first 'gene, A'"),
        (("new.csv", "--transpose"), "the first 'gene, A'"),
        (("counts.csv", "--fit", "counts.csv"), "counts.csv: expected a file that jnmf wrote"),
    ):
        code, _, err = call("transform", "--fit", "parts/fit.npz", "--out", "W2.csv", *argv)
        assert code == 1
        assert re.fullmatch(rf"jnmf: error: .*{re.escape(said)}.*\n", err), err
    assert not Path("W2.csv").exists()


def test_a_study_is_gone_on_with(call, monkeypatch, with_pictures):
    argv = (
        "rank",
        "counts.csv",
        "--ranks",
        "2:3",
        "--restarts",
        "2",
        "--holdouts",
        "2",
        "--max-iters",
        "3",
        "--out",
        "r",
    )

    def interrupted(*_, **__):
        raise jnmf.Interrupted("interrupted")

    with monkeypatch.context() as patch:
        patch.setattr(jnmf, "cross_validate", interrupted)
        code, out, err = call(*argv)
    assert (code, out) == (130, "")
    assert "interrupted: ranks.csv and study.npz in r hold what is done; --resume goes on" in err
    assert sorted(os.listdir("r")) == ["checkpoint", "ranks.csv", "study.npz"]
    assert "expected a folder without ranks.csv" in call(*argv)[2]
    code, out, _ = call(*argv, "--resume")
    assert code == 0
    assert "predicts held-out entries best" in out
    assert sorted(os.listdir("r")) == ["consensus.npz", "cross_validation.npz", "index.html", "ranks.csv", "study.npz"]
    columns, ranks, values = table("r/ranks.csv")
    study, cv = jnmf.load("r/study.npz"), jnmf.load("r/cross_validation.npz")
    assert ranks == ["2", "3"]
    np.testing.assert_array_equal(values[:, columns.index("least loss")], study.loss.min(axis=1))
    np.testing.assert_allclose(values[:, columns.index("test score")], cv.test.mean(axis=1), rtol=1e-12)
    assert jnmf.load("r/consensus.npz").matrices.shape == (2, 12, 12)  # of samples, which are rows
    assert Path("r/index.html").read_text(encoding="utf-8").count("data:image/png") == 4
    for name, lines in (("study", 3), ("cross_validation", 4), ("consensus", 3)):
        assert call("show", f"r/{name}.npz")[1].count("\n") == lines


# What it says


def examples():
    texts = (arguments.FIT, arguments.RANK, arguments.TRANSFORM, arguments.SHOW, arguments.ABOUT)
    for text in texts:
        yield [shlex.split(re.split(r"\s{2,}", line.strip())[0])[1:] for line in re.findall(r"^ +jnmf .*", text, re.M)]


@pytest.mark.quick(2)
@pytest.mark.parametrize("lines", list(examples()), ids=("fit", "rank", "transform", "show", "jnmf"))
def test_every_example_of_the_help_runs(lines, call, monkeypatch):
    assert lines
    quick = {"fit": ("--max-iters", "3"), "rank": ("--max-iters", "3", "--holdouts", "2")}
    for line in lines:
        code, _, err = call(*line, *quick.get(line[0], ()))
        assert code == 0, err


@pytest.mark.parametrize("command", [(), ("fit",), ("rank",), ("transform",), ("show",)])
def test_help_names_every_option_and_the_exit_codes(command, call):
    code, out, _ = call(*command, "--help")
    assert code == 0
    assert "130 interrupted by Ctrl-C" in out
    assert max(map(len, out.splitlines())) <= 120


USAGE = {
    "--rank 0": "expected an integer of at least 1, got '0'",
    "--rank two": "got 'two'",
    "--rank 2 --loss euclid": "expected frobenius, kl, is or a number, got 'euclid'",
    "--rank 2 --loss nan": "got 'nan'",
    "--rank 2 --tol -1": "expected a number of at least 0, got '-1'",
    "--rank 2 --algorithm svd": "invalid choice: 'svd'",
    "--rank 2 --separator ab": "expected one character, tab or space",
    "--rank 2 --float32 --float64": "not allowed with",
    "": "required: --rank",
}


@pytest.mark.parametrize("options", USAGE)
def test_a_wrong_command_line_ends_with_code_2(options, call):
    code, _, err = call("fit", "counts.csv", "--out", "out", *options.split())
    assert code == 2
    assert USAGE[options] in err
    assert not Path("out").exists()


def test_ranks_are_a_range_with_its_end_or_a_list():
    ranks = lambda text: arguments.parser().parse_args(["rank", "x", "--out", "o", "--ranks", text]).ranks
    assert (ranks("2:5"), ranks("2:8:3"), ranks("7"), ranks("2,4,8")) == ([2, 3, 4, 5], [2, 5, 8], [7], [2, 4, 8])
    for wrong in ("5:2", "2,2", "a:b", "1:2:3:4", "0:2"):
        with pytest.raises(SystemExit):
            ranks(wrong)


def test_what_the_loss_asks_of_the_numbers(call):
    Path("signed.csv").write_text("id,a,b\nx,1,-2\ny,3,0\n")
    for argv, said in (
        (("--loss", "kl"), r"\(--loss kl\) expect numbers of at least 0, got 1 negative .* row 'x', column 'b'; set"),
        (("--loss", "is", "--algorithm", "hals"), "--algorithm hals lowers --loss frobenius alone"),
        (("--algorithm", "mu"), "expect numbers of at least 0"),
    ):
        code, _, err = call("fit", "signed.csv", *QUICK, *argv, "--out", "out")
        assert code == 1
        assert re.fullmatch(rf"jnmf: error: .*{said}.*\n", err), err
    code, _, err = call("fit", "counts.csv", *QUICK, "--loss", "is", "--out", "out")
    assert code == 1
    assert f"got {(X == 0).sum()} zeros outside of empty rows and columns; use --loss kl" in err
    assert not Path("out").exists()


def test_a_warning_of_the_library_is_one_line(call):
    code, _, err = call("fit", "counts.csv", *QUICK, "--l1-h", "1e6", "--out", "out", "--quiet")
    assert code == 0
    assert re.fullmatch(r"jnmf: warning: 3 of 3 components are dead .*\n", err), err


def test_ctrl_c_before_the_first_iteration_and_a_full_memory(call, monkeypatch):
    for error, code, said in (
        (KeyboardInterrupt(), 130, "interrupted before there was anything to keep"),
        (MemoryError(), 1, "the memory does not suffice"),
        (ImportError("No module named 'x'"), 1, "No module named 'x'; run pip install 'jnmf[cli]'"),
    ):
        monkeypatch.setattr(reading, "read", lambda options, error=error: (_ for _ in ()).throw(error))
        found, _, err = call("fit", "counts.csv", *QUICK, "--out", "out")
        assert found == code
        assert said in err


def test_names_cannot_write_to_the_terminal(call):
    Path("x.csv").write_text("id,\x1b[31mred,<script>\nx,1,-2\ny,3,0\n")
    _, _, err = call("fit", "x.csv", *QUICK, "--loss", "kl", "--out", "out")
    assert "\x1b" not in err
    Path("x.csv").write_text("id,\x1b[31mred,<script>\nx,1,2\ny,3,0\n")
    assert call("fit", "x.csv", *QUICK, "--out", "out")[0] == 0
    assert "\x1b" not in call("show", "out/fit.npz")[1]
    for html in (
        page.page("<script>", []),
        page.facts({"<script>": "<script>"}),
        page.table(["<script>"], [["<script>"]]),
    ):
        assert "<script>" not in html


def test_the_installed_command():
    """Its entry point in a process of its own; and the help does not wait for JAX."""
    module, function = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["jnmf"].split(":")
    code = f"""
import sys, time
from {module} import {function}
sys.argv[0] = "jnmf"
code = {function}()
print(code, time.process_time(), sorted({{"jax", "numpy", "scipy"}} & set(sys.modules)))
"""
    run = lambda *argv: subprocess.run(
        [sys.executable, *argv], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False
    )
    done = run("-c", code, "--help")
    code, seconds, heavy = done.stdout.splitlines()[-1].split(" ", 2)
    assert (code, heavy) == ("0", "[]")
    assert float(seconds) < 0.5
    done = run("-m", "jnmf", "fit", "no.csv", "--rank", "2", "--out", "out")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "jnmf: error: no.csv: no such file or directory\n")


@pytest.mark.slow
def test_a_sparse_file_stays_sparse_and_a_mask_leaves_out(call):
    scipy.io.mmwrite("x.mtx", scipy.sparse.coo_array(X))
    assert call("fit", "x.mtx", *QUICK, "--loss", "kl", "--out", "sparse")[0] == 0
    expected = jnmf.fit(X, 3, jnmf.Momentum(jnmf.MU(beta=1.0)), max_iters=3)
    np.testing.assert_allclose(jnmf.load("sparse/fit.npz").W, expected.W, rtol=1e-9)
    assert call("fit", "x.mtx", *QUICK, "--stored", "--out", "stored")[0] == 0
    stored = jnmf.fit(X, 3, mask=X > 0, max_iters=3)
    np.testing.assert_allclose(jnmf.load("stored/fit.npz").W, stored.W, rtol=1e-7)
    text = Path("counts.csv").read_text(encoding="utf-8").replace(f"s0,{X[0, 0]}", "s0,NA")
    Path("counts.csv").write_text(text, encoding="utf-8")
    assert call("fit", "counts.csv", *QUICK, "--missing", "--out", "missing")[0] == 0
    mask = np.ones(X.shape, bool)
    mask[0, 0] = False
    np.testing.assert_allclose(jnmf.load("missing/fit.npz").W, jnmf.fit(X, 3, mask=mask, max_iters=3).W, rtol=1e-9)
