"""How much sooner HALS comes to the lowest errors of the others."""

from typing import NamedTuple

import numpy as np

from experiments.lab_hals import ASKED, REACHED, REFERENCE, SWEEPS, Runs, all_runs, verdict
from experiments.study import Arrays, Section, Table
from experiments.words import listed, paragraphs, span


def sections(arrays: Arrays) -> list[Section]:
    every = all_runs(arrays)
    tables = tuple(speed_table(runs) for runs in every)
    return [Section("How much sooner is HALS there?", how_much(every), tables=tables)]


class SpeedUp(NamedTuple):
    """How much sooner the reference comes to the lowest error of another method, from each start; NaN where never."""

    label: str
    level: np.ndarray  # (S,)
    own: np.ndarray  # (S,) iterations of the other
    reference: np.ndarray  # (S,) iterations of the reference
    in_iterations: np.ndarray  # (S,)
    in_time: np.ndarray  # (S,)


def speed_up(runs: Runs, label: str) -> SpeedUp:
    """Of the reference over another method."""
    level = np.nanmin(runs.curve[runs.of(label)], axis=1) * (1 + REACHED)
    own, reference = (runs.reaches(name, level) for name in (label, REFERENCE))
    ratio = own / reference
    costs = runs.seconds[runs.of(label)] / runs.seconds[runs.of(REFERENCE)]
    return SpeedUp(label, level, own, reference, ratio, ratio * costs)


def how_much(every: list[Runs]) -> str:
    return paragraphs(
        *(how_much_on(runs) for runs in every),
        f"Counted is, for each start, when a method comes to its own lowest error, and when {REFERENCE} comes to that "
        "same error, in iterations and in time (iterations times the time of one). “Sooner” is said where it is so "
        "from every start.",
    )


def how_much_on(runs: Runs) -> str:
    ups = [speed_up(runs, label) for label in ASKED]
    of_kind = lambda kind: [up for up in ups if verdict(up.in_time) == kind]
    told = []
    for kind in ("sooner", "later"):
        if found := of_kind(kind):
            factors = listed(
                f"{up.label} ({span(up.in_time if kind == 'sooner' else 1 / up.in_time, '.2g')} times in time, "
                f"{span(up.in_iterations, '.2g')} times in iterations)"
                for up in found
            )
            told.append(f"{REFERENCE} is {kind} at the lowest error of {factors}")
    if found := of_kind("undecided"):
        told.append(f"whether it is sooner than {listed(up.label for up in found)} the starts do not decide")
    if found := of_kind("never"):
        told.append(f"it does not come as low as {listed(up.label for up in found)}")
    return f"On {runs.title}: {'; '.join(told)}."


def speed_table(runs: Runs) -> Table:
    rows = []
    for label in (label for label in runs.labels if label not in SWEEPS):
        up = speed_up(runs, label)
        reached = bool(np.all(np.isfinite(up.reference)))
        rows.append(
            (
                label,
                span(up.level, ".4f"),
                span(up.own, ".0f"),
                span(up.reference, ".0f") if reached else "not from every start",
                f"{span(up.in_iterations, '.2g')} ×" if reached else "",
                f"{span(up.in_time, '.2g')} ×" if reached else "",
            )
        )
    columns = (
        *("method", "its lowest error", "its iterations", f"iterations of {REFERENCE}"),
        *("sooner in iterations", "sooner in time"),
    )
    return Table(columns, rows, f"On {runs.title}: the ranges over the starts; below 1 × is later.")
