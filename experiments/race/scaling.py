"""Seconds per iteration as the matrix grows."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from experiments.race import figure
from experiments.race.case import Case
from experiments.race.contenders import PRODUCTS
from experiments.race.one_matrix import Race
from experiments.race.words import best_of_jnmf, judged, label, number


@dataclass(frozen=True)
class Scaling(Case):
    """On m × 2m matrices. The bar is the exponent p of (m n)ᵖ, fitted to the longest series."""

    rows: tuple[int, ...]
    rank: int
    contenders: tuple[str, ...]
    bar: float

    asks = "seconds per iteration as the matrix grows"
    shows = "ms / iteration, smallest", "largest", "exponent"
    means = "exponent: p of (m n)ᵖ."
    size = "up to {} × {}"

    def quick(self):
        return replace(self, rows=self.rows[:3])

    def compute(self, dtype, repeats):
        sizes = [(m, 2 * m) for m in self.rows]
        rows: dict[str, dict[str, Any]] = {name: {"contender": name, "missing": None} for name in self.contenders}
        for m, n in sizes:
            num_iters = int(np.clip(5e7 / (m * n), 20, 400))
            found = Race((m, n), self.rank, self.contenders, PRODUCTS, num_iters, "floor").compute(dtype, repeats)
            for row in found["rows"]:
                if row["missing"]:
                    rows[row["contender"]]["missing"] = row["missing"]
                else:
                    rows[row["contender"]].setdefault("sizes", []).append(m * n)
                    rows[row["contender"]].setdefault("seconds_per_iteration", []).append(row["seconds_per_iteration"])
        for row in rows.values():
            if not row["missing"]:
                row["exponent"] = float(np.polyfit(np.log(row["sizes"]), np.log(row["seconds_per_iteration"]), 1)[0])
        worst = best_of_jnmf(list(rows.values()), "exponent")
        what = f"seconds per iteration of {label(worst)} grow as (m n)ᵖ, p"
        return {
            "shape": list(sizes[-1]),
            "rows": list(rows.values()),
            "verdicts": [judged(worst, "exponent", what, self.bar, "", at_most=True)],
        }

    @classmethod
    def cells(cls, settings, row):
        ends = (row["seconds_per_iteration"][i] for i in (0, -1))
        return [*(number(1e3 * seconds) for seconds in ends), number(row["exponent"])]

    @classmethod
    def draw(cls, axes, rows, result):
        for i, row in enumerate(rows):
            axes.plot(row["sizes"], row["seconds_per_iteration"], **figure.line_style(i, row))
        sizes = np.array(rows[0]["sizes"])
        linear = rows[0]["seconds_per_iteration"][-1] * sizes / sizes[-1]
        axes.plot(sizes, linear, color="0.5", linewidth=1, linestyle=":", label="linear in m n")
        axes.set(xscale="log", yscale="log", xlabel="entries of X, m n", ylabel="seconds per iteration")
        axes.legend(fontsize=8)
