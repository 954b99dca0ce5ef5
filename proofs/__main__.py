"""Check the statements and print what was found: `python -m proofs [NUMBER …] [--draws N]`."""

import argparse
import importlib
import pkgutil
import sys
import time

import jax
from rich.console import Console
from rich.table import Table

import proofs
from proofs.kernel import Result, Statement, check

KERNEL = {"kernel", "strategies", "__main__"}


def modules() -> list:
    names = (m.name for m in pkgutil.iter_modules(proofs.__path__))
    return [importlib.import_module(f"proofs.{name}") for name in names if name not in KERNEL]


def statements() -> list[Statement]:
    """All statements of the modules beside this one, by number."""
    return sorted((s for module in modules() for s in module.STATEMENTS), key=lambda s: s.number)


def contents() -> str:
    """The table of contents as Markdown: number, statement, source, module, kinds of evidence."""
    rows = ["| no. | statement | source | file | evidence |", "|---|---|---|---|---|"]
    for module in modules():
        name = module.__name__.removeprefix("proofs.")
        for s in module.STATEMENTS:
            kinds = ", ".join(dict.fromkeys(e.kind for e in s.evidence))
            rows.append(f"| {s.number} | {s.title} | {s.source} | [{name}]({name}.py) | {kinds} |")
    return "\n".join(rows[:2] + sorted(rows[2:], key=lambda row: int(row.split("|")[1])))


def table(results: list[Result]) -> Table:
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
    for r in results:
        s = r.statement
        kinds = ", ".join(dict.fromkeys(e.kind for e in s.evidence))
        controls = f"{len(r.rejected)} of {len(r.rejected) + len(r.accepted)}"
        worst = f"{max(r.worst.values(), default=0):.1e}"
        verdict = "holds" if r.passed else "FAILS"
        shown.add_row(
            str(s.number), s.title, s.source, kinds, str(len(r.worst)), str(r.draws), worst, controls, verdict
        )
    return shown


def details(r: Result) -> str:
    lines = [f"{r.statement.number}. {r.statement.title} ({r.statement.source})", ""]
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
    known = {s.number: s for s in statements()}
    unknown = [n for n in options.numbers if n not in known]
    if unknown:
        parser.error(f"no statement {unknown[0]}; there are {', '.join(map(str, known))}")

    jax.config.update("jax_enable_x64", True)
    console = Console() if sys.stdout.isatty() else Console(width=180)
    start, results = time.perf_counter(), []
    chosen = options.numbers or list(known)
    with console.status("") as status:
        for number in chosen:
            status.update(f"statement {number}: {known[number].title}")
            results.append(check(known[number], options.draws))
    if options.numbers:
        for result in results:
            console.print(details(result), markup=False, highlight=False, soft_wrap=True)
    else:
        console.print(table(results))
        for result in results:
            if not result.passed:
                console.print(details(result), markup=False, highlight=False, soft_wrap=True)
    held = sum(r.passed for r in results)
    console.print(f"{held} of {len(results)} statements hold, in {time.perf_counter() - start:.0f} s")
    return 0 if held == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
