"""All ranks × all restarts of a study as a few array programs."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import Mesh, PartitionSpec

from jnmf import checks, loops
from jnmf import init as inits
from jnmf.factors import Factors
from jnmf.loops import Status
from jnmf.masked import Masked, filled
from jnmf.objective import Objective, objective

WORKING_MEMORY = 2**29  # bytes that the members of one batch may take, when `batch_size` is left open
CACHE = 2**21  # bytes of factors and products that a CPU iterates on at a time; twice as fast as a whole batch


class Sweep(NamedTuple):
    """R ranks × S restarts: the ranks (R,), and of each member, (R, S), the loss, RMSE, iterations and status.

    `members` holds for each rank the factors of all its restarts, W (S, m, r) and H (S, r, n), not padded.
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
        """The factors of least loss among the restarts of a rank that stayed finite (of all, if none did)."""
        i = self._index(rank)
        return self.factors(rank, best_restart(self.loss[i], self.status[i]))

    def _index(self, rank: int) -> int:
        found = np.flatnonzero(self.ranks == rank)
        if not found.size:
            raise ValueError(f"rank: expected one of {', '.join(map(str, self.ranks))}, got {rank!r}")
        return int(found[0])


def best_restart(loss, status) -> int:
    """The index of the least loss, those of diverged members last."""
    return int(np.lexsort((np.nan_to_num(loss, nan=np.inf), status == Status.NONFINITE))[0])


def sweep(
    X,
    ranks,
    *,
    num_restarts: int,
    algorithm=None,
    init="random",
    key: Any = 0,
    num_iters: int | None = None,
    tol: Any = 1e-4,
    max_iters: int = 500,
    mask=None,
    batch_size: int | None = None,
    progress: bool = False,
) -> Sweep:
    """Fit every rank from `num_restarts` starts.

    ranks: different integers ≥ 1, in any order, which the result keeps; above min(m, n) they need a random init.
    num_iters: that many iterations for each (`run`); left out, each stops by itself (`fit` with `tol`, `max_iters`).
    X, algorithm, init, mask: as in `fit`. Restart s is the fit with key=jax.random.split(jax.random.key(key), S)[s],
        for every rank; it equals that single fit up to rounding, since a member that has converged is frozen.
    batch_size: how many members are computed at a time. A member takes about 8 (m + n) r numbers, for β ≠ 2 or with a
        mask 6 m n more; left out, a batch takes about 512 MiB. All local devices share it: on a CPU, a device for each
        core, `jax.config.update("jax_num_cpu_devices", os.cpu_count())` before anything else, keeps all cores busy.
    progress: show a bar over the batches (needs rich).

    The default algorithm is that of `fit`. `Accelerated` repeats in a batch as often as the member that repeats most;
    for small X `Extrapolated(HALS(inner=8))` takes 0.6 of the time to the same error (docs/speed.md).

    Ranks share programs: they are padded with zero components, which every algorithm keeps at zero, to the largest
    rank of their bucket. A bucket holds ranks up to 1.3 times its least, so little is computed for nothing, and twenty
    ranks compile half a dozen programs. Raises as `fit` does, and for ranks that are empty, below 1 or repeated.
    """
    X, ranks, algorithm = checked(X, mask, ranks, algorithm, num_restarts, tol, max_iters)
    if num_iters is not None:
        checks.count(num_iters, "num_iters", 0)
    if batch_size is not None:
        checks.count(batch_size, "batch_size", 1)
    keys = jax.random.split(inits.as_key(key), num_restarts)
    stop = {"num_iters": num_iters, "tol": tol, "max_iters": max_iters}
    found = members(X, None, ranks, keys, algorithm, init, stop, batch_size, progress)
    return _collect(found, ranks, num_restarts)


def checked(X, mask, ranks, algorithm, num_restarts, tol, max_iters):
    """X (masked if there is a mask), the ranks and the algorithm of a study, or an error."""
    X, ranks = checks.masked(X, mask), checks.ranks(ranks)
    algorithm = loops.DEFAULT if algorithm is None else algorithm
    checks.algorithm(algorithm)
    checks.domain(X, algorithm)
    checks.count(num_restarts, "num_restarts", 1)
    checks.number(tol, "tol")
    checks.count(max_iters, "max_iters", 0)
    return X, ranks, algorithm


def members(X, masks, ranks, keys, algorithm, init, stop, batch_size, progress) -> "dict[tuple[int, int], Member]":
    """The members (rank, restart), one restart a key, computed in batches of one rank bucket.

    `masks` None, or (S, m, n): restart s has the weights masks[s], X then without a mask.
    """
    jobs = []
    for bucket in buckets(ranks):
        pairs = [(rank, restart) for rank in bucket for restart in range(len(keys))]
        size = min(batch_size or automatic_batch_size(X, masks is not None, algorithm, bucket[-1]), len(pairs))
        num_devices = min(jax.local_device_count(), size)
        parts = -(-size // (num_devices * members_at_a_time(X, bucket[-1])))
        at_a_time = -(-size // (num_devices * parts))
        jobs += [(bucket[-1], at_a_time, parts, num_devices, batch) for batch in batched(pairs, size)]

    start, found = _single_starts(X, masks, ranks, keys, init), {}

    def keep(batch, fits):
        fits = jax.device_get(fits)  # slices of many shapes: on the host they are not programs
        for i, (rank, restart) in enumerate(batch):
            found[rank, restart] = Member(
                Factors(fits.factors.W[i], fits.factors.H[i]), *(column[i] for column in fits[1:])
            )

    running = []  # the devices compute a batch while the host prepares the next one
    for width, at_a_time, parts, num_devices, batch in _tracked(jobs, progress):
        missing = at_a_time * parts * num_devices - len(batch)
        padded = batch + batch[-1:] * missing  # all batches have one size: one program
        own = None if masks is None else masks[np.array([restart for _, restart in padded])]
        starts = _padded([start(*pair) for pair in padded], width)
        fits = _batch(*_widened(X, own, starts, algorithm, stop), at_a_time, num_devices)
        running.append((batch, fits))
        if len(running) > 1:
            keep(*running.pop(0))
    keep(*running[0])
    return found


def buckets(ranks) -> list[list[int]]:
    """The ranks in increasing order, in groups whose largest is at most 1.3 times its least (or one more than it)."""
    groups: list[list[int]] = []
    for rank in sorted(int(r) for r in ranks):
        if groups and rank <= max(groups[-1][0] + 1, 1.3 * groups[-1][0]):
            groups[-1].append(rank)
        else:
            groups.append([rank])
    return groups


def batched(items: list, size: int) -> list[list]:
    return [items[i : i + size] for i in range(0, len(items), size)]


def automatic_batch_size(X, masks: bool, algorithm, rank: int) -> int:
    m, n = X.shape
    numbers = 8 * (m + n) * rank
    if algorithm.beta != 2 or masks or isinstance(X, Masked):
        numbers += 6 * m * n
    return max(1, WORKING_MEMORY // (numbers * checks.compute_dtype(X.dtype).itemsize))


def members_at_a_time(X, rank: int) -> int:
    """How many members a CPU should iterate on together; other devices take the whole batch."""
    if jax.default_backend() != "cpu":
        return 2**30
    return max(1, CACHE // (2 * sum(X.shape) * rank * checks.compute_dtype(X.dtype).itemsize))


class Member(NamedTuple):
    factors: Factors
    loss: Array
    rmse: Array
    num_iters: Array
    status: Array


def _widened(X, masks, starts, algorithm, stop):
    """The arguments of `_batch`, in the dtype to compute in."""
    dtype = checks.compute_dtype(X.dtype)
    arrays = jax.tree.map(lambda a: jnp.asarray(a, dtype), (X, masks, starts, algorithm, stop["tol"]))
    return *arrays, stop["num_iters"], stop["max_iters"]


@partial(jax.jit, static_argnames=("num_iters", "max_iters", "at_a_time", "num_devices"))
def _batch(
    X, masks, starts: Factors, algorithm, tol, num_iters: int | None, max_iters: int, at_a_time: int, num_devices: int
) -> Member:
    """All members of a batch, starts W (B, m, r), H (B, r, n); `masks` (B, m, n) gives each its own weights.

    Each device takes its part of them, `at_a_time` as one array program, one such group after the other.
    """

    def on_one_device(X, masks, starts, algorithm, tol):
        def member(own):
            mask, start = own
            A = X if mask is None else Masked(X, mask)
            return _fitted(A, loops.zero_where_empty(A, start), algorithm, tol, num_iters, max_iters)

        return lax.map(member, (masks, starts), batch_size=at_a_time)

    if num_devices == 1:
        return on_one_device(X, masks, starts, algorithm, tol)
    everywhere, divided = PartitionSpec(), PartitionSpec("members")
    return jax.shard_map(
        on_one_device,
        mesh=Mesh(np.array(jax.local_devices()[:num_devices]), "members"),
        in_specs=(everywhere, divided, divided, everywhere, everywhere),
        out_specs=divided,
        check_vma=False,  # no member needs anything of another
    )(X, masks, starts, algorithm, tol)


def _fitted(X, start, algorithm, tol, num_iters: int | None, max_iters: int) -> Member:
    if num_iters is None:
        fit = loops._fit(X, start, algorithm, tol, dtype=X.dtype, stop="delta", max_iters=max_iters, check_every=1)
        factors, taken, status = fit.factors, fit.num_iters, fit.status
    else:
        factors = loops.last_factors(X, start, algorithm, num_iters)
        finite = jnp.all(jnp.isfinite(factors.W)) & jnp.all(jnp.isfinite(factors.H))
        taken, status = jnp.array(num_iters), jnp.where(finite, Status.MAX_ITERS, Status.NONFINITE)
    return Member(factors, objective(X, factors, algorithm), rmse(X, factors), taken, status)


def rmse(X, factors: Factors):
    """sqrt(Σ M (X − WH)² / Σ M), the root mean square of the residual over the entries that count."""
    weight = jnp.sum(X.M) if isinstance(X, Masked) else X.size
    return jnp.sqrt(2 * objective(X, factors, Objective()) / weight)


def _single_starts(X, masks, ranks, keys, init):
    """(rank, restart) -> (W, H), the start of that member, as NumPy arrays."""
    if init != "random":
        return lambda rank, restart: jax.device_get(loops.initial_factors(X, rank, init, keys[restart]))
    # The start of a rank is the first components of that of a larger one: one draw serves all ranks.
    draw = jax.vmap(lambda key: inits.uniform(key, X.shape, max(ranks), checks.compute_dtype(X.dtype)))
    means = jax.vmap(lambda mask: _mean_size(Masked(X, mask)))(masks) if masks is not None else [_mean_size(X)]
    (W, H), means = jax.device_get((draw(keys), means))

    def start(rank, restart):
        s = 2 * np.sqrt(means[restart if masks is not None else 0] / rank).astype(W.dtype)
        return s * W[restart, :, :rank], s * H[restart, :rank]

    return start


@jax.jit
def _mean_size(X):
    return jnp.mean(jnp.abs(filled(X)))


def _padded(starts: list[Any], width: int) -> Factors:
    """The starts W (m, r), H (r, n), each of its own rank, as W (B, m, width), H (B, width, n) with zero components."""
    (m, _), (_, n), dtype = starts[0][0].shape, starts[0][1].shape, starts[0][0].dtype
    W, H = np.zeros((len(starts), m, width), dtype), np.zeros((len(starts), width, n), dtype)
    for i, (Wi, Hi) in enumerate(starts):
        W[i, :, : Wi.shape[1]], H[i, : len(Hi)] = Wi, Hi
    return Factors(jnp.asarray(W), jnp.asarray(H))


def _collect(found: dict, ranks, num_restarts: int) -> Sweep:
    def table(name):
        return np.array([[getattr(found[r, s], name) for s in range(num_restarts)] for r in ranks])

    def stacked(r):
        each = [found[r, s].factors for s in range(num_restarts)]
        return Factors(
            jnp.asarray(np.stack([f.W[:, :r] for f in each])), jnp.asarray(np.stack([f.H[:r] for f in each]))
        )

    factors = tuple(stacked(r) for r in ranks)
    return Sweep(np.array(ranks), table("loss"), table("rmse"), table("num_iters"), table("status"), factors)


def _tracked(jobs, progress: bool):
    if not progress:
        return jobs
    try:
        from rich.progress import track
    except ImportError as missing:
        raise ImportError("progress=True needs rich: pip install 'jnmf[experiments]'") from missing
    return track(jobs, "batches")
