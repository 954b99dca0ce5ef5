"""Choosing the rank by held-out entries."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnmf import init as inits
from jnmf.masked import Masked
from jnmf.sweep import checked, members


class CrossValidation(NamedTuple):
    """R ranks × S hold-outs: RMSE (R, S) of the entries that were fitted and of those that were held out.

    `rank` has the least mean test RMSE; `rank_1se` is the least rank whose mean is within one standard error of it.
    """

    ranks: np.ndarray
    train_rmse: np.ndarray
    test_rmse: np.ndarray
    rank: int
    rank_1se: int


def cross_validate(
    X,
    ranks,
    *,
    num_restarts: int,
    holdout: float = 0.1,
    algorithm=None,
    key: Any = 0,
    tol: Any = 1e-4,
    max_iters: int = 500,
    mask=None,
    batch_size: int | None = None,
    progress: bool = False,
) -> CrossValidation:
    """Fit every rank `num_restarts` times, each without a random fraction `holdout` of the entries, and predict them.

    Speckled hold-out: the entries are left out one by one, wherever they are, so that every row and column keeps
    most of its entries; a row left out whole could not be predicted at all. Restart s has one mask and one key
    for all ranks, so that ranks are compared on the same entries. Training error falls with the rank; the error of
    what was held out rises again once the components fit noise. Wold 1978; Owen and Perry 2009; A. H. Williams,
    exercises on nonnegative matrix factorisation.

    ranks, algorithm, key, tol, max_iters, batch_size, progress: as in `sweep`. holdout: in (0, 1). mask: entries
    without weight are neither fitted nor tested. Raises as `sweep` does, and for a hold-out outside (0, 1) or empty.
    """
    X, ranks, algorithm = checked(X, mask, ranks, algorithm, num_restarts, tol, max_iters)
    if not isinstance(holdout, float) or not 0 < holdout < 1:
        raise ValueError(f"holdout: expected a fraction between 0 and 1, got {holdout!r}")
    X, weights = X if isinstance(X, Masked) else (X, jnp.ones_like(X))
    mask_key, start_key = jax.random.split(inits.as_key(key))
    test = _holdouts(mask_key, weights, holdout, num_restarts)
    stop = {"num_iters": None, "tol": tol, "max_iters": max_iters}
    starts, restarts = jax.random.split(start_key, num_restarts), range(num_restarts)
    train = weights[None] - test
    found = members(X, train, ranks, starts, algorithm, "random", stop, batch_size, progress)

    residual = jax.jit(lambda M, W, H: jnp.sqrt(jnp.sum(M * (X - W @ H) ** 2) / jnp.sum(M)))
    error = lambda masks: np.array([[residual(masks[s], *found[r, s].factors) for s in restarts] for r in ranks])
    test_rmse = error(test)
    rank, rank_1se = choose(ranks, test_rmse)
    return CrossValidation(np.array(ranks), error(train), test_rmse, rank, rank_1se)


def _holdouts(key, weights, holdout: float, num_restarts: int):
    """(S, m, n): the weights of the entries held out, round(holdout · number of entries that count) in each."""
    count = int(jnp.sum(weights > 0))
    number = round(holdout * count)
    if not 0 < number < count:
        raise ValueError(
            f"holdout: expected to hold out some of {count} entries, not {number}; choose another fraction"
        )

    def one(key):
        draw = jnp.where(weights > 0, jax.random.uniform(key, weights.shape), 2)
        threshold = jnp.sort(draw, axis=None)[number - 1]
        return jnp.where(draw <= threshold, weights, 0)

    return jax.vmap(one)(jax.random.split(key, num_restarts))


def choose(ranks, test_rmse) -> tuple[int, int]:
    """The rank of least mean test error, and the least rank within one standard error of it (Hastie 2009, 7.10)."""
    ranks, mean = np.asarray(ranks), test_rmse.mean(axis=1)
    best = int(np.nanargmin(mean))
    restarts = test_rmse.shape[1]
    standard_error = test_rmse[best].std(ddof=1) / np.sqrt(restarts) if restarts > 1 else 0.0
    return int(ranks[best]), int(ranks[mean <= mean[best] + standard_error].min())
