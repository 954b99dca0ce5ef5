"""Rows that are seen once, batch by batch: what H is worth after one pass, and how long the pass takes."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sklearn.decomposition

import jnmf
from experiments.race import clock, problem
from experiments.race.case import Case
from experiments.race.words import judged, number, ratio

OURS, THEIRS = "jnmf.minibatch.fit", "scikit-learn MiniBatchNMF"
ALGORITHM = {"frobenius": None, "kl": jnmf.MU(beta=1.0)}


@dataclass(frozen=True)
class Stream(Case):
    """The columns of X as rows, each package with its own start and defaults. The loss is that of H with the best W.

    The bars: how many times as fast, and the largest loss in times of scikit-learn's.
    """

    data: str
    rank: int
    rows: int  # of a batch
    loss: str = "frobenius"
    bars: tuple[float, float] = (1, 1)

    asks = "one pass over batches of {rows} rows of {data} at rank {rank}, {loss}"
    shows = "s", "first call, s", "loss", "ratio"
    means = "loss: of H and the W that is best for it, over all rows. ratio: times as fast as scikit-learn."

    def quick(self):
        return replace(self, data="lab", rank=3, rows=40)

    def compute(self, dtype, repeats):
        X = np.ascontiguousarray(problem.DATA[self.data]().T, dtype)
        batches = [X[i : i + self.rows] for i in range(0, len(X), self.rows)]
        algorithm = ALGORITHM[self.loss]

        def theirs():
            beta: Any = {"frobenius": "frobenius", "kl": "kullback-leibler"}[self.loss]
            components: Any = self.rank
            model = sklearn.decomposition.MiniBatchNMF(components, batch_size=self.rows, beta_loss=beta, random_state=0)
            for rows in batches:
                model.partial_fit(rows)
            return model.components_

        ours = lambda: np.asarray(jnmf.minibatch.fit(batches, self.rank, algorithm).H)

        def loss_of(H):
            H = H.astype(dtype)
            return problem.LOSSES[self.loss](X, (jnmf.transform(X, H, algorithm), H))

        runs = {OURS: ours, THEIRS: theirs}
        first = {name: clock.elapsed(run) for name, run in runs.items()}
        seconds, losses = clock.in_turns(runs, repeats, loss_of)
        rows = [
            {
                "contender": name,
                "missing": None,
                "seconds": clock.median(seconds[name]),
                "all_seconds": seconds[name],
                "first": first[name],
                "loss": losses[name],
            }
            for name in runs
        ]
        for row in rows:
            row["ratio"] = rows[1]["seconds"] / row["seconds"]
            row["of_theirs"] = row["loss"] / rows[1]["loss"]
        fast, near = self.bars
        verdicts = [
            judged(rows[0], "of_theirs", f"loss of {OURS} in times of that of {THEIRS}", near, "", at_most=True),
            judged(rows[0], "ratio", f"{OURS}, times as fast as {THEIRS}", fast, "×"),
        ]
        return {"shape": list(X.shape), "rows": rows, "verdicts": verdicts}

    @classmethod
    def cells(cls, settings, row):
        return [number(row["seconds"]), number(row["first"], 2), number(row["loss"], 5), ratio(row)]
