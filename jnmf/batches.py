"""Many fits as a few array programs: the members of a study, in batches of ranks that share a program."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import Mesh, PartitionSpec
from jax.tree_util import Partial

from jnmf import checkpoint, checks, display, door, loops, losses, units
from jnmf import init as inits
from jnmf.factors import Factors
from jnmf.matrix import as_read, divergence, everywhere, filled, is_completed, is_spread, mean_size, size, weight
from jnmf.numerics import in_dtype
from jnmf.objective import objective
from jnmf.pausing import Interrupted
from jnmf.pytree import Pytree
from jnmf.results import Status, saved
from jnmf.stopping import Rule, until_stopped
from jnmf.terms import together

WORKING_MEMORY = 2**29  # bytes that the members of one batch may take, when `batch_size` is left open
CACHE = 2**21  # bytes of factors and products that a CPU iterates on at a time; twice as fast as a whole batch


def checked(X, mask, ranks, algorithm, num_restarts):
    """X behind the door, the ranks and the algorithm of a study, or an error."""
    entered = door.enter(X, mask)
    ranks = checks.ranks(ranks, entered.X.shape)
    algorithm = loops.DEFAULT if algorithm is None else algorithm
    checks.algorithm(algorithm)
    door.domain(entered, algorithm)
    checks.count(num_restarts, "num_restarts", 1)
    return entered, ranks, algorithm


def stopping(num_iters, tol, max_iters) -> dict[str, Any]:
    """When the members of a study stop; what is None of the last two has its default."""
    tol, max_iters = loops.TOL if tol is None else tol, loops.MAX_ITERS if max_iters is None else max_iters
    checks.number(tol, "tol")
    checks.count(max_iters, "max_iters", 0)
    return {"num_iters": num_iters, "tol": tol, "max_iters": max_iters}


class Watch(NamedTuple):
    """Who looks on between two batches of a study: see `sweep`."""

    progress: bool = False
    callback: Callable[[Any], Any] | None = None  # of what `so_far` makes of the members there are
    checkpoint: Any = None  # a folder
    told: Any = None  # what the study is, by name, for the folder to compare; of what is drawn for it, the keys
    so_far: Any = None  # {(rank, restart): Member} -> the result, in which some may be missing


class Study(NamedTuple):
    """What the members of a study see of X, and what is recorded of their factors; two functions of module level.

    `own` is what a restart has to itself, its entry of a tree of arrays, or None.
    """

    view: Callable[[Any, Any], Any]  # (X, own) -> the X that the member fits
    scores: Callable[[Any, Any, Factors, Any], Any]  # (X, own, factors, algorithm) -> scalars
    degree: Callable[[Any], Any]  # algorithm -> the power of X that the scores go with


def members(entered: door.Entered, own, study: Study, ranks, keys, algorithm, init, stop, batch_size, watch: Watch):
    """{(rank, restart): Member}, one restart a key, computed in batches of one rank bucket.

    `own` None, or a tree of arrays with one entry a restart. Without the members that were not reached, where the
    callback of `watch` has ended it. Ctrl-C raises `Interrupted` with what there is.
    """
    if batch_size is not None:
        checks.count(batch_size, "batch_size", 1)
    for rank in ranks:
        together.check_shapes(algorithm, entered.X.shape, int(rank))
    X, unit, jobs = entered.X, units.choose(entered, algorithm), []
    for bucket in buckets(ranks):
        pairs = [(rank, restart) for rank in bucket for restart in range(len(keys))]
        size = min(batch_size or automatic_batch_size(X, own is None, algorithm, bucket[-1]), len(pairs))
        num_devices = min(_devices(X), size)
        parts = -(-size // (num_devices * members_at_a_time(X, bucket[-1])))
        at_a_time = -(-size // (num_devices * parts))
        jobs += [(bucket[-1], at_a_time, parts, num_devices, batch) for batch in batched(pairs, size)]

    X = units.matrix(unit, X)
    start = _single_starts(entered, unit, own, study, ranks, keys, init, algorithm, batch_size)
    told = {"ranks": list(ranks), "keys": keys, "algorithm": algorithm, "init": init} | stop
    found, jobs = _kept(X, told, watch, jobs)

    def keep(batch, of_starts, fits) -> bool:
        """Whether to end here."""
        fits = as_read(X, jax.device_get(fits))  # slices of many shapes: on the host they are not programs
        of_batch = (jax.tree.map(lambda column, i=i: column[i], fits) for i in range(len(batch)))
        each = [_in_the_units_of_X(unit, one, algorithm, study) for unit, one in zip(of_starts, of_batch, strict=False)]
        found.update(zip(batch, each, strict=True))
        if watch.checkpoint is not None:
            checkpoint.keep(watch.checkpoint, batch, each)
        show(len(found), f", the last of rank {batch[-1][0]}")
        return watch.callback is not None and bool(watch.callback(watch.so_far(found)))

    def dispatched(job):
        width, at_a_time, parts, num_devices, batch = job
        missing = at_a_time * parts * num_devices - len(batch)
        padded = batch + batch[-1:] * missing  # all batches have one size: one program
        restarts = np.array([restart for _, restart in padded])
        each = jax.tree.map(lambda a, restarts=restarts: a[restarts], own)
        of_starts, starts = zip(*(start(*pair) for pair in padded), strict=True)
        starts = _padded(list(starts), width)
        starts, in_its_dtype, tol = in_dtype(X.dtype, starts, algorithm, stop["tol"])
        widened = starts, units.algorithm(unit, in_its_dtype), tol
        fits = _batch(X, *widened, stop["num_iters"], stop["max_iters"], each, study, at_a_time, num_devices)
        return batch, of_starts, fits

    with display.progress(watch.progress, len(ranks) * len(keys), "fits", len(found)) as show:
        running = []  # the devices compute a batch while the host prepares the next one
        try:
            for job in jobs:
                running.append(dispatched(job))
                if len(running) > 1 and keep(*running.pop(0)):
                    return found
            for batch in running:
                keep(*batch)
        except KeyboardInterrupt as pressed:
            of_all = f"{len(found)} of {len(ranks) * len(keys)} fits"
            study_so_far = watch.so_far(found) if found else None
            raise Interrupted(f"interrupted after {of_all}, which are its .study", study=study_so_far) from pressed
    return found


def _kept(X, told, watch: Watch, jobs):
    """What the folder of `watch` holds of a study, and the jobs that are left."""
    if watch.checkpoint is None:
        return {}, jobs
    found = checkpoint.opened(watch.checkpoint, X, watch.told | told)
    left = [(*how, [pair for pair in batch if pair not in found]) for *how, batch in jobs]
    return found, [job for job in left if job[-1]]


def with_all(found: dict, ranks, num_restarts: int, shape) -> dict:
    """The members found, and for those that were not reached NaN, with status STOPPED."""
    like, (m, n) = next(iter(found.values())), shape
    nan = lambda *shape: np.full(shape, np.nan, like.factors.W.dtype)

    def blank(rank):
        scores, counts = jax.tree.map(lambda _: nan(), like.scores), (np.array(0), np.array(Status.STOPPED))
        return Member(Factors(nan(m, rank), nan(rank, n)), nan(), scores, *counts)  # pyright: ignore[reportArgumentType]

    return {(r, s): found.get((r, s)) or blank(r) for r in ranks for s in range(num_restarts)}


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


def automatic_batch_size(X, shared: bool, algorithm, rank: int) -> int:
    m, n = X.shape
    numbers = 8 * (m + n) * rank
    if not shared or not algorithm.loss.quadratic or is_completed(X):
        numbers += (6 if shared else 12) * size(X)  # a mask of its own is made anew, twice
    return max(1, WORKING_MEMORY // (numbers * X.dtype.itemsize))


def _devices(X) -> int:
    """Among how many the members are divided: an X that is spread over devices takes all of them for each member."""
    return 1 if is_spread(X) else jax.local_device_count()


def members_at_a_time(X, rank: int) -> int:
    """How many members a CPU should iterate on together; other devices take the whole batch."""
    if jax.default_backend() != "cpu":
        return 2**30
    return max(1, CACHE // (2 * sum(X.shape) * rank * X.dtype.itemsize))


@saved
class Member(NamedTuple):
    factors: Factors
    loss: Array
    scores: Any
    num_iters: Array
    status: Array


@partial(jax.jit, static_argnames=("num_iters", "max_iters", "study", "at_a_time", "num_devices"))
def _batch(
    X,
    starts: Factors,
    algorithm,
    tol,
    num_iters: int | None,
    max_iters: int,
    own,
    study: Study,
    at_a_time: int,
    num_devices: int,
) -> Member:
    """All members of a batch, starts W (B, m, r), H (B, r, n), and what each has to itself.

    Each device takes its part of them, `at_a_time` as one array program, one such group after the other.
    """

    def member(shared, each):
        (X, algorithm, tol), (own, start) = shared, each
        A = study.view(X, own)
        start = loops.feasible(loops.zero_where_empty(A, start, algorithm), algorithm)
        fitted = _fitted(A, start, algorithm, tol, num_iters, max_iters)
        return fitted._replace(scores=study.scores(X, own, fitted.factors, algorithm))

    return everywhere(X, _of_each(member, (X, algorithm, tol), (own, starts), at_a_time, num_devices))


def _of_each(f, shared, each, at_a_time: int | None, num_devices: int):
    """f(shared, one) for each one: `at_a_time` as one array program, and every device its part of them."""
    on_one_device = lambda shared, each: lax.map(partial(f, shared), each, batch_size=at_a_time)
    if num_devices == 1:
        return on_one_device(shared, each)
    everywhere, divided = PartitionSpec(), PartitionSpec("members")
    return jax.shard_map(
        on_one_device,
        mesh=Mesh(np.array(jax.local_devices()[:num_devices]), "members"),
        in_specs=(everywhere, divided),
        out_specs=divided,
        check_vma=False,  # no member needs anything of another
    )(shared, each)


def _fitted(X, start, algorithm, tol, num_iters: int | None, max_iters: int) -> Member:
    if num_iters is None:
        fit = until_stopped(X, start, algorithm, tol, max_iters, Rule())
        return Member(fit.factors, fit.loss, None, fit.num_iters, fit.status)
    factors = loops.last_factors(X, start, algorithm, num_iters)
    loss = objective(X, factors, algorithm)
    finite = jnp.isfinite(loss) & jnp.all(jnp.isfinite(factors.W)) & jnp.all(jnp.isfinite(factors.H))
    return Member(factors, loss, None, jnp.array(num_iters), jnp.where(finite, Status.MAX_ITERS, Status.NONFINITE))


def rmse(X, factors: Factors):
    """sqrt(Σ M (X − WH)² / Σ M), the root mean square of the residual over the entries that count."""
    return jnp.sqrt(2 * mean_loss(X, factors, losses.frobenius))


def mean_loss(X, factors: Factors, loss):
    """Σ M d(x, z) / Σ M: the mean of d over the entries that count."""
    return divergence(X, loss, *factors) / weight(X)


def _in_the_units_of_X(unit, member: Member, algorithm, study: Study) -> Member:
    """A member from one of X in its unit, on the host."""
    if unit is None:
        return member
    (W, H), power = member.factors, unit.of_loss(algorithm.loss.degree)
    return member._replace(
        factors=Factors(np.ldexp(W, unit.W), np.ldexp(H, unit.H)),  # pyright: ignore[reportArgumentType]
        loss=units.times(member.loss, power),
        scores=jax.tree.map(lambda score: units.times(score, unit.X * study.degree(algorithm)), member.scores),
    )


def _single_starts(entered: door.Entered, unit, own, study: Study, ranks, keys, init, algorithm, batch_size):
    """(rank, restart) -> the unit of that member and its start (W, H), as NumPy arrays."""
    if init != "random":
        return _starts_of_init(entered, unit, own, study, keys, init, algorithm, batch_size)
    # The start of a rank is the first components of that of a larger one: one draw serves all ranks.
    X = units.matrix(unit, entered.X)
    draw = jax.vmap(lambda key: inits.uniform(key, X.shape, max(ranks), X.dtype))
    (W, H), means = jax.device_get((draw(keys), _mean_sizes(X, own, study)))

    def start(rank, restart):
        of_W, of_H = inits.balanced(means[0 if own is None else restart], np, W.dtype.type(rank))
        return unit, Factors(2 * of_W * W[restart, :, :rank], 2 * of_H * H[restart, :rank])

    return start


def _starts_of_init(entered: door.Entered, unit, own, study: Study, keys, init, algorithm, batch_size):
    """`_single_starts` by an init: the restarts of a rank together where it may be traced, else one by one."""
    extremes = entered.least, entered.most
    own_of = lambda restarts: jax.tree.map(lambda a: a[restarts], own)

    def alone(rank, restart):
        found = _start(entered.X, own_of(restart), keys[restart], algorithm, init, unit, extremes, study, rank)
        return unit, jax.device_get(everywhere(entered.X, found))

    if not callable(init) or not inits.is_traceable(init):
        return alone
    init = init if isinstance(init, Pytree) else Partial(init)
    num_devices = min(_devices(entered.X), len(keys))
    restarts = np.minimum(np.arange(-(-len(keys) // num_devices) * num_devices), len(keys) - 1)

    @lru_cache(maxsize=1)  # a batch asks for one rank after the other
    def together(rank):
        size = batch_size or automatic_batch_size(entered.X, own is None, algorithm, rank)
        several = None if jax.default_backend() == "cpu" else min(size, len(restarts) // num_devices)
        shared = {"unit": unit, "extremes": extremes, "study": study, "rank": rank}
        how = shared | {"at_a_time": several, "num_devices": num_devices}
        return jax.device_get(_starts(entered.X, own_of(restarts), keys[restarts], algorithm, init, **how))

    def start(rank, restart):
        (W, H), doubtful = together(rank)
        return alone(rank, restart) if doubtful[restart] else (unit, Factors(W[restart], H[restart]))

    return start


@partial(jax.jit, static_argnames=("unit", "extremes", "study", "rank", "at_a_time", "num_devices"))
def _starts(
    X, own, keys, algorithm, init, unit, extremes, study: Study, rank: int, at_a_time: int | None, num_devices: int
):
    """W (k, m, r), H (k, r, n) from k keys in one program, and which of them `fit` may refuse or warn of.

    On a CPU one after the other, which takes the time of `vmap` and two thirds of its compilation.
    """

    def one(shared, each):
        (X, algorithm, init), (own, key) = shared, each
        start = _start(X, own, key, algorithm, init, unit, extremes, study, rank)
        W, H = start
        good = jnp.all(jnp.isfinite(W) & (W >= 0)) & jnp.all(jnp.isfinite(H) & (H >= 0))
        good &= jnp.any((jnp.max(W, axis=0) > 0) & (jnp.max(H, axis=1) > 0))
        return start, ~good

    return everywhere(X, _of_each(one, (X, algorithm, init), (own, keys), at_a_time, num_devices))


def _start(X, own, key, algorithm, init, unit, extremes, study: Study, rank: int) -> Factors:
    """The start of one member in the unit of its batch, which is that of the penalties."""
    least, most = extremes if own is None else (min(extremes[0], 0.0), max(extremes[1], 0.0))  # what is left out is 0
    entered = door.Entered(study.view(X, own), X.dtype, least, most)
    of_start, _, (W, H) = loops.initial_factors(entered, rank, init, key, algorithm)
    if unit is None or of_start is None:
        return Factors(W, H)
    return Factors(jnp.ldexp(W, of_start.W - unit.W), jnp.ldexp(H, of_start.H - unit.H))


@partial(jax.jit, static_argnames="study")
def _mean_sizes(X, own, study: Study):
    """The mean of |X| as each restart sees it, one after the other; a single one where all see the same."""
    one = lambda own: mean_size(filled(study.view(X, own)))
    return everywhere(X, one(None)[None] if own is None else lax.map(one, own))


def _padded(starts: list[Any], width: int) -> Factors:
    """The starts W (m, r), H (r, n), each of its own rank, as W (B, m, width), H (B, width, n) with zero components."""
    (m, _), (_, n), dtype = starts[0][0].shape, starts[0][1].shape, starts[0][0].dtype
    W, H = np.zeros((len(starts), m, width), dtype), np.zeros((len(starts), width, n), dtype)
    for i, (Wi, Hi) in enumerate(starts):
        W[i, :, : Wi.shape[1]], H[i, : len(Hi)] = Wi, Hi
    return Factors(*jax.device_put((W, H)))  # `jnp.asarray` is a program, which would wait for the batch before
