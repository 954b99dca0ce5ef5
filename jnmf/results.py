"""How a fit ended, and what it gives back."""

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from jax import Array

from jnmf.factors import Factors


class Trace(NamedTuple):
    """One entry an iteration, of the factors that iteration returned: the full objective, δ, the KKT residual.

    kkt is NaN where it was not asked for and would have cost passes over X (`fit`, `kkt=True`).
    """

    loss: Array
    delta: Array
    kkt: Any


class Status(IntEnum):
    """How a fit ended: by its rule; at the most iterations; or where factors or objective stopped being finite."""

    CONVERGED = 0
    MAX_ITERS = 1
    NONFINITE = 2


class Fit(NamedTuple):
    """The factors, the full objective from the residual itself, and how it went. The trace is NaN after the last."""

    W: Array
    H: Array
    loss: Array
    num_iters: Array
    status: Any
    trace: Trace

    @property
    def factors(self) -> Factors:
        return Factors(self.W, self.H)


SCORES = ("rmse", "loss")  # by which held-out entries are predicted


def means(scores):
    """(R,): of each row of scores (R, S) the mean of those that are not NaN; NaN where there is none."""
    counted = ~np.isnan(scores)
    total = np.sum(scores, axis=1, where=counted)
    return np.divide(total, counted.sum(axis=1), out=np.full(len(scores), np.nan), where=counted.any(axis=1))
