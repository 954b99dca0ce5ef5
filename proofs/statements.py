"""All statements of the modules beside this one: found, listed, checked on all cores."""

import importlib
import multiprocessing
import os
import pkgutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache

import jax

import proofs
from proofs.kernel import Result, Statement, check

OTHERS = {"kernel", "strategies", "statements", "__main__"}


def modules() -> list:
    names = (m.name for m in pkgutil.iter_modules(proofs.__path__))
    return [importlib.import_module(f"proofs.{name}") for name in names if name not in OTHERS]


@cache
def statements() -> dict[int, Statement]:
    """All statements of the modules beside this one, by number."""
    return {s.number: s for s in sorted((s for module in modules() for s in module.STATEMENTS), key=lambda s: s.number)}


def contents() -> str:
    """The table of contents as Markdown: number, statement, source, module, kinds of evidence."""
    rows = ["| no. | statement | source | file | evidence |", "|---|---|---|---|---|"]
    for module in modules():
        name = module.__name__.removeprefix("proofs.")
        for s in module.STATEMENTS:
            kinds = ", ".join(dict.fromkeys(e.kind for e in s.evidence))
            rows.append(f"| {s.number} | {s.title} | {s.source} | [{name}]({name}.py) | {kinds} |")
    return "\n".join(rows[:2] + sorted(rows[2:], key=lambda row: int(row.split("|")[1])))


def results(numbers: Sequence[int], draws: int) -> Iterator[Result]:
    """The statements checked, in their order. Most of the time is compilation, so each core takes its share of them."""
    workers = min(len(numbers), os.cpu_count() or 1)
    if workers == 1:
        yield from (_result(n, draws) for n in numbers)
    else:  # spawned: JAX's threads do not survive a fork
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            yield from pool.map(_result, numbers, [draws] * len(numbers))


def _result(number: int, draws: int) -> Result:
    jax.config.update("jax_enable_x64", True)
    return check(statements()[number], draws)
