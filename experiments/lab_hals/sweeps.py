"""Whether more than one sweep over the columns pays."""

import numpy as np

from experiments.lab_hals import REACHED, SWEEPS, Runs, all_runs, verdict
from experiments.study import Arrays, Section, Table
from experiments.words import paragraphs, span


def sections(arrays: Arrays) -> list[Section]:
    every = all_runs(arrays)
    return [Section("Does it pay to sweep more than once?", sweeps(every), tables=(sweep_table(every),))]


def sweeps(every: list[Runs]) -> str:
    return paragraphs(
        *(sweeps_on(runs) for runs in every),
        "The products with V are formed once for a half-step and do not change while the columns are swept, so more "
        "sweeps share them. A sweep over W and H takes 2r²(m + n) operations, the products 4mnr.",
    )


def sweep_costs(runs: Runs) -> dict[str, np.ndarray]:
    """(S,) seconds until each of SWEEPS has the error that all of them reach from the start."""
    level = np.max([np.nanmin(runs.curve[runs.of(label)], axis=1) for label in SWEEPS], axis=0) * (1 + REACHED)
    return {label: runs.reaches(label, level) * runs.seconds[runs.of(label)] for label in SWEEPS}


def sweeps_on(runs: Runs) -> str:
    spent = sweep_costs(runs)
    more = {label: spent[SWEEPS[0]] / spent[label] for label in SWEEPS[1:]}
    told = {"sooner": "yes", "later": "no", "undecided": "not decided by these starts", "never": "no"}
    texts = [
        f"{label}: {told[verdict(ratio)]}, {span(ratio, '.2g')} times as fast as one sweep in time"
        for label, ratio in more.items()
    ]
    return f"On {runs.title}. {'; '.join(texts)}, to the error that all three reach."


def sweep_table(every: list[Runs]) -> Table:
    rows = []
    for runs in every:
        spent = sweep_costs(runs)
        for label in SWEEPS:
            cost = runs.seconds[runs.of(label)] / runs.seconds[runs.of(SWEEPS[0])]
            needed = spent[label] / runs.seconds[runs.of(label)]
            rows.append(
                (runs.name, label, span(needed, ".0f"), span(1e3 * spent[label]), "1" * (label == "HALS") or span(cost))
            )
    columns = ("data", "method", "iterations", "ms", "an iteration, HALS = 1")
    return Table(columns, rows, "To the error that all three reach: the range over the starts.")
