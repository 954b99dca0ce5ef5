"""Contenders on one matrix: the time to a loss, or that of an iteration."""

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.sparse import issparse

from experiments.race import clock, figure
from experiments.race.case import Case
from experiments.race.clock import median
from experiments.race.contenders import Ready, needs_array, prepare, warm_up
from experiments.race.problem import LOSSES, problem
from experiments.race.words import best_of_jnmf, judged, label, number, ratio
from experiments.words import listed


class Judge(NamedTuple):
    """What decides, in words that are filled in with the settings, and with `who` for the best of jnmf."""

    question: str
    verdict: str
    ratio: str
    columns: tuple[str, ...]


EACH = "ms / iteration", "compile, s"
JUDGES = {
    "target": Judge(
        "time to the loss of {reference} after {num_iters} iterations",
        "{who}, times as fast as {reference} to its loss after {num_iters} iterations",
        "times as fast as {reference} to the target",
        ("s to target", "iterations", *EACH, "loss", "ratio"),
    ),
    "iteration": Judge(
        "time of one iteration",
        "an iteration of {who}, times as fast as one of {reference} in its fastest setting",
        "an iteration, times as fast as one of {reference} in its fastest setting",
        (*EACH, "loss", "ratio"),
    ),
    "floor": Judge(
        "time of one iteration against its two products with X alone",
        "an iteration of {who}, in times of the two products alone",
        "an iteration, in times of one of {reference}",
        (*EACH, "ratio"),
    ),
}


class Bar(NamedTuple):
    """How many times as fast as the reference the best of `who` is to be; with "floor" at most as slow."""

    who: tuple[str, ...]
    float64: float
    float32: float


@dataclass(frozen=True)
class Race(Case):
    """`data` names one of `problem.DATA`, or is the shape (m, n) of a generated matrix.

    judge: "target", the time to the loss that the reference reaches after `num_iters` iterations; "iteration", the time
        of one iteration, against the fastest of the contenders whose names begin with the reference's: the same package
        in other settings; "floor", the same, against a reference that is less work.
    """

    data: str | tuple[int, int]
    rank: int
    contenders: tuple[str, ...]
    reference: str
    num_iters: int
    judge: Literal["target", "iteration", "floor"] = "target"
    loss: Literal["frobenius", "kl"] = "frobenius"
    bars: tuple[Bar, ...] = ()

    length = "seconds_per_iteration", "seconds per iteration"

    def quick(self):
        shape = self.data if isinstance(self.data, str) else (self.data[0] // 10, self.data[1] // 10)
        return replace(self, data=shape, num_iters=max(2, self.num_iters // 20))

    def compute(self, dtype, repeats):
        X, W, H = problem(self.data, self.rank, dtype)
        loss = partial(LOSSES[self.loss], X)
        contenders, absent = prepare(self.contenders, X, W, H)

        counts = {}
        for name, contender in contenders.items():
            every = clock.checkpoints(self.num_iters)
            counts[name] = every if name == self.reference else clock.affordable(contender.call, every)
        series = {(name, count): partial(contenders[name].call, count) for name in counts for count in counts[name]}
        warm_up(contenders, series)
        seconds, losses = clock.in_turns(series, repeats, loss)

        rows = []
        for name in self.contenders:
            row: dict[str, Any] = {"contender": name, "missing": absent.get(name)}
            if name in contenders:
                mine = [(name, count) for count in counts[name]]
                medians = [median(seconds[key]) for key in mine]
                row |= {
                    "iterations": counts[name],
                    "seconds": medians,
                    "all_seconds": [seconds[key] for key in mine],
                    "losses": [losses[key] for key in mine],
                    "compile_seconds": contenders[name].compile_seconds,
                    "seconds_per_iteration": clock.per_iteration(counts[name], medians),
                }
            rows.append(row)
        found = {"shape": list(X.shape), "rows": rows, "notes": self.on_sparse(X, contenders)}
        if self.reference not in contenders:
            found["notes"].append(f"No ratios: the reference, {self.reference}, is missing.")
        elif self.judge == "target":
            found["target"] = losses[self.reference, self.num_iters]
            self._race_to(found["target"], contenders, rows, loss, repeats)
        else:
            self.compare_iterations(rows)
        return found | {"verdicts": self.verdicts(rows, dtype)}

    @staticmethod
    def on_sparse(X, contenders: Iterable[str]) -> list[str]:
        """Who had a sparse X as it is, and who as an array."""
        if not issparse(X):
            return []
        as_it_is = listed(label({"contender": name}) for name in contenders if not needs_array(name))
        as_array = listed(name for name in contenders if needs_array(name))
        return [
            f"X is sparse, {X.nnz / math.prod(X.shape):.2%} of it stored. In compressed rows: {as_it_is}. As an array "
            f"that was made before the clock started: {as_array}."
        ]

    def _race_to(self, target: float, contenders: dict[str, Ready], rows: list[dict], loss, repeats: int) -> None:
        """Put into the rows the time of the shortest run that reaches the target, and how much faster that is."""
        runs: dict[tuple[str, int], Callable] = {}
        for row in rows:
            name = row["contender"]
            if name in contenders:
                loss_after = lambda count, call=contenders[name].call: loss(call(count))
                row["target_iterations"] = count = self._iterations_to(target, row, loss_after)
                if count is not None:
                    runs[name, count] = partial(contenders[name].call, count)
        warm_up(contenders, runs)
        seconds, _ = clock.in_turns(runs, repeats)
        reference = median(seconds[self.reference, self.num_iters])
        for row in rows:
            times = seconds.get((row["contender"], row.get("target_iterations")))
            if times:
                row |= {
                    "target_seconds": median(times),
                    "all_target_seconds": times,
                    "ratio": reference / median(times),
                }

    def _iterations_to(self, target: float, row: dict, loss_after) -> int | None:
        if row["contender"] == self.reference:
            return self.num_iters
        known = dict(zip(row["iterations"], row["losses"], strict=True))
        twice = 2 * self.num_iters  # one that comes less far an iteration may still be faster
        if min(known.values()) > target and self.num_iters in known and 2 * row["seconds"][-1] <= clock.LIMIT:
            known[twice] = loss_after(twice)
        return clock.fewest_iterations(loss_after, target, known)

    def compare_iterations(self, rows: list[dict]) -> None:
        """Put into the rows how an iteration compares with one of the reference, in the fastest of its settings."""
        each = {row["contender"]: row["seconds_per_iteration"] for row in rows if not row["missing"]}
        reference = min(seconds for name, seconds in each.items() if name.startswith(self.reference))
        for row in rows:
            if not row["missing"]:
                faster = reference / each[row["contender"]]
                row["ratio"] = 1 / faster if self.judge == "floor" else faster

    def verdicts(self, rows: list[dict], dtype: str) -> list[dict]:
        return [self._verdict(rows, bar, getattr(bar, dtype)) for bar in self.bars]

    def _verdict(self, rows: list[dict], bar: Bar, reach: float) -> dict:
        at_most = self.judge == "floor"
        best = best_of_jnmf([row for row in rows if row["contender"] in bar.who], "ratio", lowest=at_most)
        what = JUDGES[self.judge].verdict.format(who=label(best), **asdict(self))
        verdict = judged(best, "ratio", what, reach, "×", at_most)
        if any(row["contender"] == self.reference and row["missing"] for row in rows):
            verdict["reached"] = None  # nobody knows
        return verdict

    @classmethod
    def question(cls, settings):
        return JUDGES[settings["judge"]].question.format(**settings)

    @classmethod
    def columns(cls, settings):
        return JUDGES[settings["judge"]].columns

    @classmethod
    def cells(cls, settings, row):
        shown = {
            "s to target": number(row.get("target_seconds")),
            "iterations": number(row.get("target_iterations")),
            "ms / iteration": number(1e3 * row["seconds_per_iteration"]),
            "compile, s": number(row["compile_seconds"], 2),
            "loss": f"{row['losses'][-1]:.6g} after {row['iterations'][-1]}",
            "ratio": ratio(row),
        }
        return [shown[column] for column in JUDGES[settings["judge"]].columns]

    @classmethod
    def caption(cls, result):
        text = "ms / iteration: without what a run does once. compile: in no other column. "
        if "target" in result:
            text = f"s to target: the shortest run that reaches the loss {result['target']:.6g}. {text}"
        return f"{text}ratio: {JUDGES[result['settings']['judge']].ratio.format(**result['settings'])}."

    @classmethod
    def draw(cls, axes, rows, result):
        """With a target the loss above the lowest that anyone found, against seconds."""
        if result["settings"]["judge"] != "target":
            return super().draw(axes, rows, result)
        best = min(loss for row in rows for loss in row["losses"] if math.isfinite(loss))
        for i, row in enumerate(rows):
            above = np.array(row["losses"]) - best
            axes.plot(row["seconds"], np.where(above > 0, above, np.nan), **figure.line_style(i, row))
        if result.get("target", best) > best:
            axes.axhline(result["target"] - best, color="0.5", linewidth=1, label="target")
        kind = "KL divergence" if result["settings"]["loss"] == "kl" else "relative error"
        axes.set(xscale="log", yscale="log", xlabel="seconds", ylabel=f"{kind} above the lowest, {best:.6g}")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
        return None
