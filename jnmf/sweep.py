"""All ranks × all restarts of a study as a few array programs."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnmf import checks
from jnmf import init as inits
from jnmf.algorithm import Algorithm, Combinator
from jnmf.batches import Study, Watch, checked, members, rmse, stopping, with_all
from jnmf.factors import Factors
from jnmf.results import Status, best_restart, saved
from jnmf.types import Init, Integer, Key, Mask, MatrixLike, Number, Path, Ranks


@saved
class Sweep(NamedTuple):
    """R ranks × S restarts: the ranks (R,), and of each member, (R, S), the loss, RMSE, iterations and status.

    `members` holds for each rank the factors of all its restarts, W (S, m, r) and H (S, r, n), not padded, in the dtype
    of X; for half precision the loss and RMSE are those of the factors before they are rounded to it.
    """

    ranks: np.ndarray
    loss: np.ndarray
    rmse: np.ndarray
    num_iters: np.ndarray
    status: np.ndarray
    members: tuple[Factors, ...]

    def factors(self, rank: int, restart: int) -> Factors:
        """The factors of one member, W (m, r), H (r, n)."""
        W, H = self.members[self._index(rank)]
        if not 0 <= restart < W.shape[0]:
            raise ValueError(f"restart: expected an integer from 0 to {W.shape[0] - 1}, got {restart!r}")
        return Factors(W[restart], H[restart])

    def best(self, rank: int) -> Factors:
        """The factors with the lowest loss among the restarts of a rank that stayed finite (of all, if none did)."""
        i = self._index(rank)
        return self.factors(rank, best_restart(self.loss[i], self.status[i], self.rmse[i]))

    def _index(self, rank: int) -> int:
        found = np.flatnonzero(self.ranks == rank)
        if not found.size:
            raise ValueError(f"rank: expected one of {', '.join(map(str, self.ranks))}, got {rank!r}")
        return int(found[0])


def sweep(
    X: MatrixLike,
    ranks: Ranks,
    *,
    num_restarts: int,
    algorithm: Algorithm | Combinator | None = None,
    init: Init = "random",
    key: Key = 0,
    num_iters: Integer | None = None,
    tol: Number | None = None,
    max_iters: Integer | None = None,
    mask: Mask = None,
    batch_size: int | None = None,
    progress: bool = False,
    callback: Callable[[Sweep], Any] | None = None,
    checkpoint: Path | None = None,
) -> Sweep:
    """Fit every rank from `num_restarts` starts.

    ranks: different integers ≥ 1, in any order, which the result keeps; above min(m, n) they need a random init.
    num_iters: this many iterations for each (`run`); if left out, each stops by itself, as `fit` does with `tol` (1e-4)
        and `max_iters` (500), which may not be given together with it.
    X, algorithm, mask: as in `fit`. Restart s is the fit with key=jax.random.split(jax.random.key(key), S)[s],
        for every rank; it equals that single fit up to rounding, since a member that has converged is frozen.
    init: as in `fit`; one that is not random ("nndsvd", "nndsvda", "spa", Factors) is for a single restart. What
        `warm_start` or `jax.jit` made, as `jax.jit(mine, static_argnums=2)`, is one program for all restarts of a rank;
        another function is called for each member, and may use NumPy.
    batch_size: how many members are computed at a time. A member takes about 8 (m + n) r numbers, for β ≠ 2 or with a
        mask 6 m n more; left out, a batch takes about 512 MiB. All local devices share it: on a CPU, a device for each
        core, `jax.config.update("jax_num_cpu_devices", os.cpu_count())` before anything else, keeps all cores busy.
    progress: show how many fits are done after each batch: a bar in a terminal (with rich), else text.
    callback: a function of the Sweep so far, called after each batch; where it returns True, the study ends. What was
        not reached is NaN there, with status STOPPED. Ctrl-C raises `jnmf.Interrupted`, whose `.study` is this.
    checkpoint: a folder, made if need be, where each batch leaves a file when it is done: the same call again resumes
        from them. The files appear whole or not at all and hold no pickle. Another X or other settings are refused (of
        an init that is a function of your own only the name is compared).

    The default algorithm is that of `fit`. `Accelerated` repeats in a batch as often as the member that repeats most;
    for small X `Extrapolated(HALS(inner=8))` takes 0.6 of the time to the same error (docs/speed.md).

    Ranks share programs: they are padded with zero components, which every algorithm keeps at zero, to the largest
    rank of their bucket. A bucket holds ranks up to 1.3 times its lowest, so little work is wasted, and twenty
    ranks compile half a dozen programs. Raises as `fit` does, for ranks that are empty, below 1 or repeated, and for
    options that would have no effect. Warns of members that are not finite.

    >>> sweep = jnmf.sweep(X, [1, 2], num_restarts=3, max_iters=50)
    >>> sweep.loss.shape, sweep.best(2).W.shape
    ((2, 3), (6, 2))
    """
    entered, ranks, algorithm = checked(X, mask, ranks, algorithm, num_restarts)
    if num_iters is not None:
        checks.count(num_iters, "num_iters", 0)
        if tol is not None or max_iters is not None:
            raise ValueError(
                f"num_iters: expected None with tol or max_iters, got {num_iters}; "
                "a fixed number of iterations has no stopping rule, leave out one or the other"
            )
    name = init if isinstance(init, str) else "Factors" if isinstance(init, tuple | list) else "a function"
    if num_restarts > 1 and name in ("nndsvd", "nndsvda", "spa", "Factors"):
        raise ValueError(
            f"init: {name} starts every restart at the same point, expected num_restarts=1, got {num_restarts}; "
            'use "random" or "nndsvdar"'
        )
    keys = jax.random.split(inits.as_key(key), num_restarts)
    stop = stopping(num_iters, tol, max_iters)
    so_far = lambda fits: _collect(
        with_all(fits, ranks, num_restarts, entered.X.shape), ranks, num_restarts, entered.dtype
    )
    watch = Watch(progress, callback, checkpoint, {"call": "sweep"}, so_far)
    found = so_far(members(entered, None, SWEEP, ranks, keys, algorithm, init, stop, batch_size, watch))
    nonfinite = int(np.sum(found.status == Status.NONFINITE))
    if nonfinite:
        warnings.warn(
            f"{nonfinite} of {found.status.size} fits are not finite, see `status`: try a smaller step size, another "
            "init, or X in other units, if its squares leave the range of its dtype",
            stacklevel=2,
        )
    return found


SWEEP = Study(lambda X, _: X, lambda X, own, factors, algorithm: rmse(X, factors), degree=lambda algorithm: 1)


def _collect(found: dict, ranks, num_restarts: int, dtype) -> Sweep:
    def table(name):
        return np.array([[getattr(found[r, s], name) for s in range(num_restarts)] for r in ranks])

    def stacked(r):
        each = [found[r, s].factors for s in range(num_restarts)]
        return Factors(
            jnp.asarray(np.stack([f.W[:, :r] for f in each]), dtype),
            jnp.asarray(np.stack([f.H[:r] for f in each]), dtype),
        )

    factors = tuple(stacked(r) for r in ranks)
    return Sweep(np.array(ranks), table("loss"), table("scores"), table("num_iters"), table("status"), factors)
