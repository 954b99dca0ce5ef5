"""What `jnmf` takes on its command line, and its help. Nothing is imported here that takes time."""

import argparse
from pathlib import Path

ABOUT = """\
Nonnegative matrix factorisation, X ≈ W H with W, H ≥ 0: the parts that a table is made of.

  jnmf fit counts.csv --rank 3 --out parts       W.csv, H.csv and a page of pictures, parts/index.html
  jnmf show parts/fit.npz                        what was found, in a few lines
"""
CODES = "exit codes: 0 done, 1 input that cannot be used, 2 a wrong command line, 130 interrupted by Ctrl-C"

DATA = """\
The file: csv, tsv (tab, txt), each also with .gz, npy, npz, mtx, mtx.gz, h5ad. npz and mtx may be sparse, and stay so.
Rows are samples and columns features; --transpose where the table is the other way round. In a table of text the first
line holds names where a field of it (but the first) is no number, and so does the first column where its first field
under the names is none, or where its name is empty, as pandas and R write it. Where that would be a guess the command
says so and asks for --header or --no-header, --index or --no-index.
Precision: that of the file for npy, npz and h5ad, float64 for text, integers and mtx, unless --float32 or --float64.
"""
FIT = """\
Writes into DIR: W.csv (samples × components) and H.csv (components × features) with names, or .tsv where the file is
one, fit.npz, which jnmf show, jnmf transform and --resume read, and index.html, a page of pictures in one file.
Ctrl-C writes the fit so far, and --resume goes on from it, as from what is kept every half minute.

example:
  jnmf fit counts.csv --rank 3 --loss kl --out parts
"""
RANK = """\
Fits each rank from many starts, and with a tenth of the entries held out. Writes into DIR: ranks.csv, a line a rank,
study.npz, cross_validation.npz, consensus.npz, and index.html with the scree, the similarity of the starts, the
cross-validation and the consensus matrices of the samples. Killed or interrupted, --resume goes on.

example:
  jnmf rank counts.csv --ranks 2:3 --restarts 3 --out ranks
"""
TRANSFORM = """\
Loadings W of new samples on the components of a fit, by its loss and penalties. Columns are found by their names where
both files have them, in any order, and others are left out; else there must be as many, in the same order.

example:
  jnmf fit counts.csv --rank 3 --out parts
  jnmf transform new.csv --fit parts/fit.npz --out new_W.csv
"""
SHOW = """\
What a file of jnmf holds: of a fit the algorithm, the loss, how it ended and the top features of each component.

example:
  jnmf fit counts.csv --rank 3 --out parts
  jnmf show parts/fit.npz --top 3
"""
LOSSES = {"frobenius": 2.0, "kl": 1.0, "is": 0.0}
ALGORITHMS = ("default", "hals", "mu", "anls", "als", "pgd")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="jnmf", description=ABOUT, epilog=CODES, formatter_class=_AsWritten)
    made.add_argument("--version", action="store_true", help="print the version and end")
    commands = made.add_subparsers(dest="command", metavar="COMMAND")
    for name, about, text, add in (
        ("fit", "factorise a table at one rank", FIT, _add_fit),
        ("rank", "which rank? many starts, cross-validation, consensus", RANK, _add_rank),
        ("transform", "new samples on the components of a fit", TRANSFORM, _add_transform),
        ("show", "what a file of jnmf holds", SHOW, _add_show),
    ):
        epilog = f"{text if name == 'show' else f'{DATA}{chr(10)}{text}'}\n{CODES}"
        add(commands.add_parser(name, help=about, description=about, epilog=epilog, formatter_class=_AsWritten))
    return made


class _AsWritten(argparse.RawDescriptionHelpFormatter):
    """Descriptions keep their lines."""


def _add_fit(add) -> None:
    _add_data(add)
    add.add_argument("--rank", type=_count, required=True, metavar="R", help="how many components")
    add.add_argument(
        "--restarts", "--n-init", type=_count, default=1, metavar="N", dest="restarts",
        help="starts, with the seeds SEED, SEED + 1, …; the fit of least loss is kept (default 1)",
    )  # fmt: skip
    _add_method(add)
    _add_out(add, "fit.npz")


def _add_rank(add) -> None:
    _add_data(add)
    add.add_argument(
        "--ranks", type=_ranks, required=True, metavar="A:B", help="2:15 is 2, 3, …, 15; 2:20:3 every third; or 2,4,8"
    )
    add.add_argument("--restarts", "--n-init", type=_count, default=20, metavar="N", help="starts a rank (default 20)")
    add.add_argument(
        "--holdouts", type=_count_or_none, default=5, metavar="N",
        help="how many random hold-outs cross-validation takes (default 5; 0: no cross-validation)",
    )  # fmt: skip
    _add_method(add)
    _add_out(add, "study.npz")


def _add_transform(add) -> None:
    _add_data(add)
    add.add_argument("--fit", type=Path, required=True, metavar="FIT", help="fit.npz, as jnmf fit writes it")
    add.add_argument("--out", type=Path, required=True, metavar="FILE", help="the table to write: .csv, .tsv or .npy")
    add.add_argument("--force", action="store_true", help="replace FILE if it is there")
    _add_quiet(add)


def _add_show(add) -> None:
    add.add_argument("file", type=Path, metavar="FILE", help="fit.npz, study.npz, …, as jnmf writes them")
    add.add_argument("--top", type=_count, default=10, metavar="N", help="how many features a component (default 10)")


def _add_data(add) -> None:
    add.add_argument("file", type=Path, metavar="FILE", help="the table or matrix X, see below")
    data = add.add_argument_group("how FILE is read")
    data.add_argument("--header", action=argparse.BooleanOptionalAction, help="the first line holds names, or does not")
    data.add_argument(
        "--index", action=argparse.BooleanOptionalAction, help="the first column holds names, or does not"
    )
    data.add_argument(
        "--separator", type=_separator, metavar="C", help="between the fields: a character, or tab (csv: a comma)"
    )
    data.add_argument("--row-names", type=Path, metavar="NAMES", help="a file of text, a name a line")
    data.add_argument("--column-names", type=Path, metavar="NAMES", help="the same for the columns")
    data.add_argument("--key", metavar="NAME", help="which array of an npz file, which layer of an h5ad file")
    data.add_argument("--transpose", action="store_true", help="FILE has samples in columns and features in rows")
    data.add_argument(
        "--missing", action="store_true", help="empty fields, NA and NaN are missing and do not count (else an error)"
    )
    data.add_argument(
        "--stored", action="store_true", help="of a sparse FILE only what is stored counts, the rest is missing, not 0"
    )
    precision = data.add_mutually_exclusive_group()
    for name in ("float32", "float64"):
        precision.add_argument(
            f"--{name}", dest="precision", action="store_const", const=name, help=f"compute in {name}"
        )


def _add_method(add) -> None:
    method = add.add_argument_group("how it is fitted")
    method.add_argument(
        "--loss", type=_loss, default=LOSSES["frobenius"], metavar="LOSS",
        help="frobenius (default), kl for counts, is, or β of the β-divergence (2, 1 and 0 are these)",
    )  # fmt: skip
    method.add_argument(
        "--algorithm", choices=ALGORITHMS, default="default",
        help="default: the fastest for the loss (extrapolated HALS; for others multiplicative updates with momentum)",
    )  # fmt: skip
    method.add_argument("--seed", type=int, default=0, metavar="SEED", help="of the random start (default 0)")
    method.add_argument("--tol", type=_penalty, metavar="T", help="stop where the factors move by less (default 1e-4)")
    method.add_argument("--max-iters", type=_count, metavar="N", help="the most iterations (default 500)")
    for name, what in (("l1", "λ ΣA: zeros"), ("l2", "½ λ ΣA²: small entries")):
        for factor in "wh":
            text = f"adds {what.replace('A', factor.upper())} (default 0)"
            method.add_argument(f"--{name}-{factor}", type=_penalty, default=0.0, metavar="λ", help=text)


def _add_out(add, result: str) -> None:
    add.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write, made if need be")
    add.add_argument("--resume", action="store_true", help="go on from what an earlier call left in DIR")
    add.add_argument("--force", action="store_true", help=f"replace {result} and what is beside it in DIR")
    _add_quiet(add)


def _add_quiet(add) -> None:
    add.add_argument("--quiet", action="store_true", help="no progress and no summary")


def _count(text: str, least: int = 1) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"expected an integer of at least {least}, got {text!r}")
    return value


def _count_or_none(text: str) -> int:
    return _count(text, 0)


def _penalty(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of at least 0, got {text!r}")
    return value


def _loss(text: str) -> float:
    try:
        value = LOSSES[text.lower()] if text.lower() in LOSSES else float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise argparse.ArgumentTypeError(f"expected {', '.join(LOSSES)} or a number, got {text!r}")
    return value


def _ranks(text: str) -> list[int]:
    """2:5 -> [2, 3, 4, 5], with its end; 2:8:3 -> [2, 5, 8]; 2,4,8 -> [2, 4, 8]."""
    parts = text.split(":")
    if len(parts) > 3:
        raise argparse.ArgumentTypeError(f"expected A:B, A:B:STEP or a list as 2,4,8, got {text!r}")
    if len(parts) == 1:
        ranks = [_count(part) for part in text.split(",")]
    else:
        first, last, *step = map(_count, parts)
        ranks = list(range(first, last + 1, *step))
    if not ranks or len(set(ranks)) < len(ranks):
        raise argparse.ArgumentTypeError(f"expected ranks in increasing order, each once, got {text!r}")
    return ranks


def _separator(text: str) -> str:
    text = {"tab": "\t", "\\t": "\t", "space": " "}.get(text, text)
    if len(text) != 1 or text in '"\r\n':
        raise argparse.ArgumentTypeError(f"expected one character, tab or space, got {text!r}")
    return text
