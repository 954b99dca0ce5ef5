"""How a fit ended, and what it gives back."""

from enum import IntEnum
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jax import Array

from jnmf.factors import Factors
from jnmf.labels import Names
from jnmf.pytree import Pytree, static

Kind = TypeVar("Kind", bound=type)
SAVED: dict[str, type] = {Factors.__name__: Factors}


def saved(kind: Kind) -> Kind:
    """A NamedTuple that `jnmf.save` may write."""
    SAVED[kind.__name__] = kind
    return kind


@saved
class Trace(NamedTuple):
    """One entry per iteration, of the factors that it returned: the full objective, δ, the KKT residual.

    kkt is NaN where it was not asked for and would have cost passes over X (`fit`, `kkt=True`).
    """

    loss: Array
    delta: Array
    kkt: Any


class Status(IntEnum):
    """How a fit ended: by its rule, at the most iterations, where factors or objective were not finite, or on request.

    STOPPED is a fit that Ctrl-C, `callback` or `time_limit` ended, or a member of a study that was not reached.
    """

    CONVERGED = 0
    MAX_ITERS = 1
    NONFINITE = 2
    STOPPED = 3

    @property
    def advice(self) -> str:
        """What it means, and what to do next."""
        return ADVICE[self]


ADVICE = {
    Status.CONVERGED: "the stopping rule holds; a smaller tol goes further, other keys show other minima",
    Status.MAX_ITERS: "the rule does not hold yet: raise max_iters, fit(X, resume=this, max_iters=…) continues",
    Status.NONFINITE: "factors or objective left the range: try a smaller step size, another init, other units of X",
    Status.STOPPED: "ended before the rule held: go on with fit(X, resume=this)",
}


@saved
class Fit(NamedTuple):
    """The factors, the full objective from the residual itself, and how it went.

    trace: NaN after the last iteration.
    state: what `fit(X, resume=…)` goes on from (`jnmf.resuming`), a few times W and H; None where it was not kept.
    names: what the rows and columns of X are called, where X was a DataFrame or an AnnData; structure under jit.

    >>> fit = jnmf.fit(X, 2, max_iters=3, tol=0)
    >>> fit.factors.W.shape, int(fit.num_iters), fit.status.name
    ((6, 2), 3, 'MAX_ITERS')
    >>> int(jnmf.fit(X, resume=fit, max_iters=5).num_iters)
    5
    """

    W: Array
    H: Array
    loss: Array
    num_iters: Array
    status: Any
    trace: Trace
    state: Any = None
    names: Names | None = None

    @property
    def factors(self) -> Factors:
        return Factors(self.W, self.H)

    def __repr__(self) -> str:
        """Five lines; of a batch, or of a fit inside of jit, its shapes."""
        W, H = (f"{name} {A.dtype}{tuple(A.shape)}" for name, A in zip("WH", self.factors, strict=True))
        if not isinstance(self.status, Status):
            return f"Fit({W}, {H}, of a batch or traced)"
        loss = np.asarray(self.trace.loss, float)
        delta = np.asarray(self.trace.delta, float)
        fell, moved = (a[np.isfinite(a)] for a in (loss, delta))
        way = f", from {fell[0]:.6g} after the first" if fell.size else ""
        return (
            f"Fit of X {(self.W.shape[0], self.H.shape[1])} by {self.H.shape[0]} components\n"
            f"  {W}, {H}\n"
            f"  loss {float(self.loss):.6g}{way}\n"
            f"  {self.status.name} after {int(self.num_iters)} iterations"
            f"{f', the last of which moved the factors by {moved[-1]:.2g}' if moved.size else ''}\n"
            f"  {self.status.advice}"
        )


class Unknown(Pytree):
    """An algorithm of your own, as `load` gives it back: its repr, which is all that a file holds of it."""

    name: str = static("")

    def __repr__(self) -> str:
        return self.name


SCORES = ("rmse", "loss")  # by which held-out entries are predicted


def means(scores):
    """(R,): of each row of scores (R, S) the mean of those that are not NaN; NaN where there is none."""
    counted = ~np.isnan(scores)
    total = np.sum(scores, axis=1, where=counted)
    return np.divide(total, counted.sum(axis=1), out=np.full(len(scores), np.nan), where=counted.any(axis=1))


def best_restart(loss, status, rmse) -> int:
    """The index of the least loss, those of diverged members last; by the RMSE where losses are 0 or inf alike.

    That has the unit of X, and stays in the range that squares leave.
    """
    least = (np.nan_to_num(number, nan=np.inf) for number in (rmse, loss))
    return int(np.lexsort((*least, np.asarray(status) == Status.NONFINITE))[0])


def rmses(sweep: Any):
    """The RMSE of each restart, (R, S); the losses again where only these are known."""
    return getattr(sweep, "rmse", sweep.loss)
