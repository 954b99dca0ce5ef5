"""Whole studies against loops of single fits, at equal iterations and to an equal error."""

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np

import jnmf
from experiments.race import clock, peers
from experiments.race.case import Case
from experiments.race.contenders import ALGORITHMS
from experiments.race.problem import DATA
from experiments.race.words import best_of_jnmf, judged, label, number, ratio


@dataclass(frozen=True)
class Sweep(Case):
    """Studies of the lab matrix. Their error: the median RMSE over the restarts of a rank, averaged over the ranks."""

    ranks: tuple[int, ...]
    num_restarts: int
    num_iters: int  # of HALS and of coordinate descent
    num_exact_iters: int  # of ANLS and of the loop over SciPy's nnls
    bars: dict[str, float]  # for "equal iterations", "equal error" and "exact"

    shows = "s", "iterations", "compile, s", "RMSE", "ratio"
    means = "RMSE: the median over the restarts, averaged over the ranks. ratio: times as fast as the loop above."
    batched = ("HALS()", "HALS(inner=3)", "Extrapolated(Accelerated(HALS()))", "Extrapolated(HALS(inner=8))")
    loop, exact_loop = "scikit-learn CD", "SciPy nnls"

    def quick(self):
        return replace(self, ranks=self.ranks[:2], num_restarts=2, num_iters=5, num_exact_iters=1)

    def compute(self, dtype, repeats):
        X = np.ascontiguousarray(DATA["lab"](), dtype)
        keys = jax.random.split(jax.random.key(0), self.num_restarts)  # as `sweep` splits its key
        starts = [[tuple(map(np.array, jnmf.init.random(key, X, rank))) for key in keys] for rank in self.ranks]
        error = lambda rmse: float(np.mean(np.median(rmse, axis=1)))

        def looped(name, num_iters):
            fits = ([peers.run(name, X, W, H, num_iters) for W, H in row] for row in starts)
            return error([[np.sqrt(np.mean((X - W @ H) ** 2)) for W, H in row] for row in fits])

        first: dict[tuple[str, int], float] = {}

        def swept(name, num_iters):
            options = {"num_restarts": self.num_restarts, "algorithm": ALGORITHMS[name], "num_iters": num_iters}
            begin = time.perf_counter()
            rmse = jnmf.sweep(X, self.ranks, **options).rmse
            first.setdefault((name, num_iters), time.perf_counter() - begin)  # the first call compiles
            return error(rmse)

        target = looped(self.loop, self.num_iters)
        fewest = {
            name: clock.fewest_iterations(partial(swept, name), target, {self.num_iters: swept(name, self.num_iters)})
            for name in self.batched
        }
        plan = self._plan(fewest)
        runs = {i: partial(looped if line[0] in peers.PEERS else swept, *line[:2]) for i, line in enumerate(plan)}
        for i, (name, count, _, _) in enumerate(plan):
            if name in ALGORITHMS and (name, count) not in first:
                runs[i]()
        seconds, errors = clock.in_turns(runs, repeats, float)
        reference = {name: clock.median(seconds[i]) for i, (name, _, against, _) in enumerate(plan) if not against}
        rows = []
        for i, (name, count, against, bar) in enumerate(plan):
            each = clock.median(seconds[i])
            row = {"contender": name, "missing": None, "iterations": count, "error": errors[i], "against": against}
            row |= {"seconds": each, "all_seconds": seconds[i], "bar": bar}
            row["compile_seconds"] = max(0.0, first[name, count] - each) if name in ALGORITHMS else None
            row["ratio"] = reference[against] / each if against else None
            rows.append(row)
        notes = [
            f"jnmf.sweep with {name} has a higher error than the loop of {self.loop} after as many iterations."
            for name, count in fewest.items()
            if count is None
        ]
        return {"shape": list(X.shape), "rows": rows, "verdicts": self._verdicts(rows), "notes": notes}

    def _plan(self, fewest: dict[str, int | None]) -> list[tuple[str, int, str | None, str | None]]:
        """Contender, iterations, the loop it is measured against, the bar."""
        return [
            (self.loop, self.num_iters, None, None),
            ("HALS()", self.num_iters, self.loop, "equal iterations"),
            *((name, count, self.loop, "equal error") for name, count in fewest.items() if count is not None),
            (self.exact_loop, self.num_exact_iters, None, None),
            ("ANLS()", self.num_exact_iters, self.exact_loop, "exact"),
        ]

    def _verdicts(self, rows: list[dict[str, Any]]) -> list[dict]:
        verdicts = []
        for bar, reach in self.bars.items():
            best = best_of_jnmf([row for row in rows if row["bar"] == bar], "ratio")
            what = f"{label(best)}, {bar}, times as fast as a loop of {best['against']}" if best else bar
            verdicts.append(judged(best, "ratio", what, reach, "×"))
        return verdicts

    @classmethod
    def question(cls, settings):
        ranks = settings["ranks"]
        return f"{settings['num_restarts']} restarts × ranks {min(ranks)} to {max(ranks)}"

    @classmethod
    def cells(cls, settings, row):
        compiled, error = number(row["compile_seconds"], 2), number(row["error"], 5)
        return [number(row["seconds"]), number(row["iterations"]), compiled, error, ratio(row)]
