"""Choosing the rank by held-out entries."""

import warnings
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from jnmf import checks, sparse_holdout  # noqa: F401 (it registers what a sparse X holds out)
from jnmf import init as inits
from jnmf.algorithm import Algorithm, Combinator
from jnmf.batches import Study, Watch, checked, mean_loss, members, rmse, stopping, with_all
from jnmf.holdout import drawn, fraction, split
from jnmf.results import SCORES, Status, means, saved
from jnmf.types import Integer, Key, Mask, MatrixLike, Number, Path, Ranks


@saved
class CrossValidation(NamedTuple):
    """R ranks × S hold-outs: the score (R, S) of the entries that were fitted, `train`, and that were held out, `test`.

    score: "rmse", the root mean square of X − WH, or "loss", the mean of the algorithm's d(x, z); see `cross_validate`.
    diverged (R,): how many restarts of each rank became non-finite. Their scores are NaN, and the means leave them
    out.
    `rank` is that of the lowest mean test score; `rank_1se` is the lowest rank whose mean is within one standard error.
    """

    ranks: np.ndarray
    train: np.ndarray
    test: np.ndarray
    score: str
    diverged: np.ndarray
    rank: int
    rank_1se: int


def cross_validate(
    X: MatrixLike,
    ranks: Ranks,
    *,
    num_restarts: int,
    holdout: Number = 0.1,
    score: Literal["rmse", "loss"] | None = None,
    algorithm: Algorithm | Combinator | None = None,
    key: Key = 0,
    tol: Number = 1e-4,
    max_iters: Integer = 500,
    mask: Mask = None,
    batch_size: int | None = None,
    progress: bool = False,
    callback: Callable[[CrossValidation], Any] | None = None,
    checkpoint: Path | None = None,
) -> CrossValidation:
    """Fit every rank `num_restarts` times, each without a random fraction `holdout` of the entries; predict those.

    Speckled hold-out: the entries are left out one by one, wherever they are, a uniformly random set of round(holdout ·
    number of entries that count). A row or column without a fitted nonzero entry would be predicted as 0: so where the
    set takes all that a row or column has, it gives back the last of them for another entry. Entries that are alone
    in their row or column are never held out; in an X without zeros and mask, every entry is as likely as any
    other. Restart s has one hold-out and one key for all ranks, so that ranks are compared on the same entries. The
    training error falls with the rank; that of what was held out rises again once the components fit noise. Wold 1978;
    Owen and Perry 2009; A. H. Williams, exercises on nonnegative matrix factorisation.

    score: "rmse", sqrt(Σ M (x − z)² / Σ M) over the entries held out (or fitted), z = (WH)_ij, M the weights; or
        "loss", Σ M d(x, z) / Σ M with the β-divergence d that the algorithm lowers, without penalties. By default it is
        "rmse" for β = 2, whose d is ½(x − z)², and otherwise "loss". For β ≤ 1 that is inf where a positive entry is
        predicted as 0; a warning says at which ranks, and these are not chosen.
    holdout: in (0, 1), and small enough to leave a nonzero entry of each row and column that has one. Of a sparse X it
        is the fraction of its nonzeros: as many entries are drawn from all, zeros in their proportion, as a list.
    mask: entries without weight are neither fitted nor tested; with "stored" the stored entries of a sparse X are, and
        `holdout` is the fraction of these.
    ranks, algorithm, key, tol, max_iters, batch_size, progress, callback, checkpoint: as in `sweep`. The masks are made
        within the batch: a member takes about 8 (m + n) r + 12 m n numbers, whatever the number of restarts. Where it
        ends early, the scores that were not reached are NaN, and the rank is chosen among the others (0: there are
        none yet).

    A restart that diverged does not count. Raises as `sweep` does, for a hold-out that is not in (0, 1), is empty or
    too large, and where no rank has a finite mean test score.

    >>> found = jnmf.cross_validate(X, [1, 2], num_restarts=3, max_iters=50)
    >>> found.test.shape, found.score
    ((2, 3), 'rmse')
    """
    entered, ranks, algorithm = checked(X, mask, ranks, algorithm, num_restarts)
    if score is None:
        score = "rmse" if algorithm.loss.quadratic else "loss"
    checks.choice(score, "score", SCORES)
    mask_key, start_key = jax.random.split(inits.as_key(key))
    mask_keys, holdout = jax.random.split(mask_key, num_restarts), fraction(holdout)
    held_out = drawn(entered.X, mask_keys, holdout)
    starts = jax.random.split(start_key, num_restarts)
    study, stop = STUDIES[score], stopping(None, tol, max_iters)
    tables = lambda found: _tables(with_all(found, ranks, num_restarts, entered.X.shape), ranks, num_restarts)

    def so_far(found):
        train, test, diverged = tables(found)
        chosen = choose(ranks, test) if np.isfinite(means(test)).any() else (0, 0)
        return CrossValidation(np.array(ranks), train, test, score, diverged, *chosen)

    told = {"call": f"cross_validate, {score}", "holdout": holdout, "keys of the hold-outs": mask_keys}
    watch = Watch(progress, callback, checkpoint, told, so_far)
    found = members(entered, held_out, study, ranks, starts, algorithm, "random", stop, batch_size, watch)
    train, test, diverged = tables(found)
    _warn_of_infinite(ranks, test)
    return CrossValidation(np.array(ranks), train, test, score, diverged, *choose(ranks, test))


def _tables(found: dict, ranks, num_restarts: int):
    """The scores of both parts (R, S), NaN for members that diverged or were not reached; how many diverged (R,)."""
    table = lambda of: np.array([[of(found[r, s]) for s in range(num_restarts)] for r in ranks])
    diverged = table(lambda member: member.status == Status.NONFINITE)
    train, test = (np.where(diverged, np.nan, table(lambda member, i=i: member.scores[i])) for i in (0, 1))
    return train, test, diverged.sum(axis=1)


def _study(score, degree) -> Study:
    """Fits see what is not held out; both parts are scored."""
    both = lambda X, own, factors, algorithm: tuple(score(part, factors, algorithm) for part in split(X, own))
    return Study(lambda X, own: split(X, own)[0], both, degree)


def _loss(X, factors, algorithm):
    return mean_loss(X, factors, algorithm.loss)


STUDIES = {
    "rmse": _study(lambda X, factors, _: rmse(X, factors), degree=lambda algorithm: 1),
    "loss": _study(_loss, degree=lambda algorithm: algorithm.loss.degree),
}


def _warn_of_infinite(ranks, test) -> None:
    infinite = np.isinf(test).sum(axis=1)
    if infinite.any():
        told = ", ".join(f"{n} at rank {r}" for r, n in zip(ranks, infinite, strict=True) if n)
        warnings.warn(
            f"the test loss is infinite for some of {test.shape[1]} restarts ({told}): a positive entry that was held "
            'out is predicted as 0; use score="rmse" or a smaller holdout',
            stacklevel=3,
        )


def choose(ranks, test) -> tuple[int, int]:
    """The rank of least mean test score, and the least rank within one standard error of it (Hastie et al. 2009, 7.10).

    test (R, S), NaN where a restart does not count. Raises ValueError where no rank has a finite mean.
    """
    ranks, counted = np.asarray(ranks), ~np.isnan(test)
    test = test / max(np.max(test, where=np.isfinite(test), initial=0), np.finfo(float).tiny)  # squares stay in range
    mean = means(test)
    if not np.isfinite(mean).any():
        raise ValueError(
            "cross_validate: expected a rank with a finite mean test score, got none; try another algorithm, a smaller "
            'step size, or score="rmse" where a loss is infinite'
        )
    best = int(np.nanargmin(mean))
    restarts = counted[best].sum()
    deviation = np.std(test[best][counted[best]], ddof=1) if restarts > 1 else 0.0
    near = mean <= mean[best] + deviation / np.sqrt(restarts)
    return int(ranks[best]), int(ranks[near].min())
