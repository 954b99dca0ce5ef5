"""The command line: each case in each dtype, computed, kept and shown."""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from experiments import data, study
from experiments.race import machine, page
from experiments.race.case import Case
from experiments.race.cases import CASES

BUSY = 0.05  # of the time of the cores, by other programs: more than this is said


def compute(name: str, case: Case, dtype: str, repeats: int) -> dict[str, Any]:
    """All that is known of a case in one dtype, as JSON takes it."""
    load, busy, begin = os.getloadavg(), machine.cpu_seconds_of_others(), time.perf_counter()
    found = case.compute(dtype, repeats)
    seconds = time.perf_counter() - begin
    cores = machine.available_cores()
    others = (machine.cpu_seconds_of_others() - busy) / (cores * seconds)
    notes = [f"{row['contender']} is missing: {row['missing']}" for row in found["rows"] if row["missing"]]
    notes += found.pop("notes", [])
    if others > BUSY:
        notes.append(
            f"The machine was not idle: other programs took {100 * others:.0f} % of the time of {cores} cores. "
            "Times, and to a lesser degree ratios, are not to be trusted."
        )
    made = {"case": name, "kind": type(case).__name__, "dtype": dtype, "repeats": repeats, "settings": asdict(case)}
    made |= {"seconds": seconds, "load": {"before": load, "after": os.getloadavg()}, "others": others}
    return study.plain(made | found | {"notes": notes, "machine": machine.described()})


def case_name(text: str) -> str:
    if text not in CASES:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(CASES)}, got {text!r}")
    return text


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {text!r}")
    return int(text)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.race", description="Time jnmf beside other packages.")
    parser.add_argument("cases", metavar="CASE", nargs="*", type=case_name, help=f"default all: {', '.join(CASES)}")
    precisions = ("float64", "float32")
    parser.add_argument("--dtype", nargs="+", choices=precisions, default=precisions, help="default: both")
    parser.add_argument("--repeats", type=positive, help="default 3, with --quick 1")
    parser.add_argument("--threads", type=positive, default=machine.available_cores(), help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="little work, only to see that it runs")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    jax.config.update("jax_enable_x64", True)
    options.out.mkdir(parents=True, exist_ok=True)
    repeats = options.repeats or (1 if options.quick else 3)
    console, failed = Console(width=None if sys.stdout.isatty() else 120), False
    for name in options.cases or CASES:
        for dtype in options.dtype:
            case = CASES[name].quick() if options.quick else CASES[name]
            console.print(f"[bold]{name}[/], {dtype}", highlight=False)
            jax.clear_caches()  # the programs of a whole race take more memory maps than a process may have
            try:
                result = compute(name, case, dtype, repeats)
            except (data.DataMissing, data.DataDamaged) as error:
                print(f"{name}: {error}", file=sys.stderr)
                failed = True
                continue
            if options.quick:
                result["notes"].append("A quick run, only to see that it runs: its numbers mean nothing.")
            path = options.out / f"race-{name}-{dtype}.json"
            path.write_text(json.dumps(result, indent=1, ensure_ascii=False), encoding="utf-8")
            study.save_figures("race", {f"{name}-{dtype}": page.figure(result)}, options.out)
            page.write_fragment(options.out)
            page.show(result, console)
    return 1 if failed else 0
