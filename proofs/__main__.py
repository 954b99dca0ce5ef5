"""Check the statements and print what was found: `python -m proofs [NUMBER …] [--draws N]`."""

import argparse
import sys
import time

from rich.console import Console
from rich.table import Table

from proofs.kernel import Result
from proofs.statements import contents, results, statements


def table(checked: dict[int, Result]) -> Table:
    columns = (
        "no.",
        "statement",
        "source",
        "kind",
        "links",
        "draws",
        "worst deviation",
        "controls rejected",
        "verdict",
    )
    shown = Table(*columns)
    for number, r in checked.items():
        s = statements()[number]
        kinds = ", ".join(dict.fromkeys(e.kind for e in s.evidence))
        controls = f"{len(r.rejected)} of {len(r.rejected) + len(r.accepted)}"
        worst = f"{max(r.worst.values(), default=0):.1e}"
        verdict = "holds" if r.passed else "FAILS"
        shown.add_row(
            str(s.number), s.title, s.source, kinds, str(len(r.worst)), str(r.draws), worst, controls, verdict
        )
    return shown


def details(number: int, r: Result) -> str:
    s = statements()[number]
    lines = [f"{number}. {s.title} ({s.source})", ""]
    lines += [f"  {value:8.1e}  {link}" for link, value in r.worst.items()]
    lines += [f"  rejected  {name}" for name in r.rejected] + [f"  ACCEPTED  {name}" for name in r.accepted]
    return "\n".join(lines + ([f"\nbroken link: {r.failure}"] if r.failure else []))


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m proofs", description="Check the statements; the exit code is 1 if one fails."
    )
    parser.add_argument(
        "numbers",
        metavar="NUMBER",
        type=int,
        nargs="*",
        help="statements to check, with the deviation of each link (default: all)",
    )
    parser.add_argument(
        "--draws", type=int, default=20, help="inputs drawn for each piece of evidence (default: %(default)s)"
    )
    parser.add_argument(
        "--contents", action="store_true", help="print the table of contents of proofs/README.md and stop"
    )
    options = parser.parse_args(arguments)
    if options.draws < 1:
        parser.error(f"--draws: expected at least 1, got {options.draws}")
    if options.contents:
        print(contents())
        return 0
    known = statements()
    unknown = [n for n in options.numbers if n not in known]
    if unknown:
        parser.error(f"no statement {unknown[0]}; there are {', '.join(map(str, known))}")

    console = Console() if sys.stdout.isatty() else Console(width=180)
    numbers = list(dict.fromkeys(options.numbers)) or list(known)
    start, checked = time.perf_counter(), {}
    with console.status("") as status:
        for number, result in zip(numbers, results(numbers, options.draws), strict=True):
            checked[number] = result
            status.update(f"{len(checked)} of {len(numbers)} statements checked")
    if not options.numbers:
        console.print(table(checked))
    for number, result in checked.items():
        if options.numbers or not result.passed:
            console.print(details(number, result), markup=False, highlight=False, soft_wrap=True)
    held = sum(r.passed for r in checked.values())
    console.print(f"{held} of {len(checked)} statements hold, in {time.perf_counter() - start:.0f} s")
    return 0 if held == len(checked) else 1


if __name__ == "__main__":
    sys.exit(main())
