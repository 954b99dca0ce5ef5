"""Iterations until a rule holds, as three pure functions: `begin`, `advance` to some iteration, `finish`.

`advance` goes on from wherever the last one ended, with the same bits however often it is called: `fit` pauses in
between, to be watched, stopped and gone on with. `until_stopped` is the three in a row, for a batch.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from jnmf import checks
from jnmf.factors import Factors, relative_change
from jnmf.objective import gradient, objective, projected_gradient_norm
from jnmf.pytree import Pytree, static
from jnmf.results import Fit, Status, Trace, saved

STOPS = ("delta", "loss", "kkt")


@saved
class Rule(Pytree):
    """When a fit stops, and what is recorded until then: see `fit`. Structure: another rule is another program."""

    stop: str = static("delta")
    check_every: int = static(1)
    kkt: bool = static(False)

    def __post_init__(self):
        checks.choice(self.stop, "stop", STOPS)
        checks.count(self.check_every, "check_every", 1)
        if not isinstance(self.kkt, bool):
            raise ValueError(f"kkt: expected True or False, got {self.kkt!r}")


@saved
class Progress(NamedTuple):
    """How far a fit is. As a status, MAX_ITERS is that of one that has not stopped."""

    state: Any
    factors: Factors  # of the state, or the last ones when the fit has ended
    num_iters: Array
    status: Array
    first: Array  # at the start, what the rule compares with: the loss, the norm, 0 for "delta"
    least: Array  # the least loss so far, for the rule "loss" alone
    sums: Any  # (2, room + 1): of the first k records of δ, and what rounding took (`with_next`); for "delta" alone
    trace: Trace  # (room,): 0 where nothing was recorded


def room_for(max_iters: int) -> int:
    """How long the trace of a program is, so that another `max_iters` is mostly no other program."""
    return max(512, 1 << (max_iters - 1).bit_length())


def is_late(X, algorithm, rule: Rule) -> bool:
    """Where nothing is decided by the loss, it may come an iteration late, at no cost, and so may kkt."""
    return rule.stop != "loss" and rule.check_every == 1 and algorithm.is_late(X)


def begin(X, factors: Factors, algorithm, room: int, rule: Rule) -> Progress:
    """At the start; nothing has been recorded. `room`: how many iterations the trace has room for."""
    first = jnp.zeros((), X.dtype)
    if rule.stop == "loss":
        first = objective(X, factors, algorithm)
    elif rule.stop == "kkt":
        first = projected_gradient_norm(factors, gradient(X, factors, algorithm), algorithm)
    nothing = jnp.zeros(room, X.dtype)
    with_kkt = rule.kkt or rule.stop == "kkt" or not is_late(X, algorithm, rule)
    trace = Trace(nothing, nothing, nothing if with_kkt else None)
    sums = jnp.zeros((2, room + 1), X.dtype) if rule.stop == "delta" else None
    state, running = algorithm.init(X, factors), jnp.array(Status.MAX_ITERS)
    return Progress(state, factors, jnp.array(0), running, first, first, sums, trace)


def advance(X, p: Progress, algorithm, tol, end, rule: Rule) -> Progress:
    """p after iteration `end`, which may be traced, or where it stopped before."""
    late = is_late(X, algorithm, rule)
    decided_late = late and rule.stop == "kkt"

    def moved(p, state):
        """p at the new state; one that is not finite ends the fit, and an ended fit keeps its factors."""
        new = state.factors
        finite = jnp.all(jnp.isfinite(new.W)) & jnp.all(jnp.isfinite(new.H))
        running = p.status == Status.MAX_ITERS
        return p._replace(
            state=state,
            factors=Factors(*(jnp.where(running & finite, a, b) for a, b in zip(new, p.factors, strict=True))),
            num_iters=p.num_iters + (running & finite),
            status=jnp.where(running & ~finite, Status.NONFINITE, p.status),
        )

    def unrecorded(p):
        return moved(p, algorithm.step(X, p.state)[0])  # what is only recorded is not computed

    def recorded(p):
        state, info = algorithm.step(X, p.state)
        if decided_late:  # it was the iteration before that the rule holds for: it stands
            ended = (p.num_iters > 0) & (tol > 0) & (info.start_kkt <= tol * p.first)
            p = p._replace(status=jnp.where(ended, Status.CONVERGED, p.status))
            state = jax.tree.map(partial(jnp.where, ended), p.state, state)
        delta = relative_change(p.factors, state.factors)
        sums = None if p.sums is None else with_next(p.sums, p.num_iters // rule.check_every, delta)
        q = moved(p, state)
        done = q.num_iters > p.num_iters
        small = False if decided_late else holds(p._replace(sums=sums), delta, info, tol, rule)
        put = lambda column, value: column.at[p.num_iters].set(jnp.where(done, value, 0))
        trace = p.trace._replace(delta=put(p.trace.delta, delta))
        if late:  # of the iteration before, also where this one fails
            trace = with_last(trace, p.num_iters, info.start_loss, info.start_kkt)
        else:
            trace = trace._replace(loss=put(trace.loss, info.loss), kkt=put(trace.kkt, info.kkt))
        return q._replace(
            status=jnp.where(done & small & info.moved & (tol > 0), Status.CONVERGED, q.status),
            least=jnp.where(done, jnp.minimum(info.loss, p.least), p.least) if rule.stop == "loss" else p.least,
            sums=sums,
            trace=trace,
        )

    def unfinished(p):
        return (p.status == Status.MAX_ITERS) & (p.num_iters < end)

    def between_records(p):
        return unfinished(p) & ((p.num_iters + 1) % rule.check_every != 0)

    def one_round(p):
        """`check_every` iterations, the last of them recorded; fewer where one has begun before, or `end` is nearer."""
        if rule.check_every == 1:
            return recorded(p)
        p = lax.while_loop(between_records, unrecorded, p)
        return lax.cond(unfinished(p), recorded, lambda p: p, p)

    return lax.while_loop(unfinished, one_round, p)


def holds(p: Progress, delta, info, tol, rule: Rule):
    """Whether the rule says that the iteration after p was the last one needed."""
    if rule.stop == "kkt":
        return info.kkt <= tol * p.first
    if rule.stop == "delta":
        now, before_last_tenth = p.num_iters + 1, 9 * (p.num_iters + 1) // 10
        of_last_tenth = sum_between(p.sums, before_last_tenth // rule.check_every, now // rule.check_every)
        return (delta <= tol) & (of_last_tenth * rule.check_every <= 10 * tol)
    half = (p.num_iters + 1) // 2 // rule.check_every * rule.check_every - 1  # the last record until half of the way
    earlier = jnp.where(half < 0, p.first, p.trace.loss[jnp.maximum(half, 0)])
    fell = jnp.where(jnp.isfinite(earlier), earlier - info.loss, jnp.inf)  # inf is no measure of a fall
    fell_little = jnp.isfinite(fell) & (fell <= jnp.maximum(tol * earlier, info.rounding))
    return fell_little & (info.loss <= p.least + info.rounding)  # nor is a rise convergence, or the way back


def with_next(sums, k, delta):
    """Sums with that of k + 1 terms, as sum and rounding error (Knuth 1969, 4.2.2): differences of two are exact.

    A sum over the last tenth itself would be compiled in other ways for other lengths, and all around it to other bits.
    """
    delta = jnp.where(delta < 1 / jnp.finfo(delta.dtype).eps, delta, 1 / jnp.finfo(delta.dtype).eps)  # NaN too
    total, error = sums[:, k]
    new = total + delta
    rest = new - total
    error += (total - (new - rest)) + (delta - rest)
    return sums.at[:, k + 1].set(jnp.stack([new, error]))


def sum_between(sums, j, k):
    """The sum of the terms from the j-th to the k-th, without that, counted from 0."""
    since, until = sums[:, j], sums[:, k]
    return (until[0] - since[0]) + (until[1] - since[1])


def with_last(trace: Trace, num_iters, loss, kkt) -> Trace:
    """The trace with loss and kkt of iteration `num_iters`; there are none for the start."""
    last = jnp.where(num_iters > 0, num_iters - 1, len(trace.loss))  # beyond the end nothing is set
    put = lambda column, value: None if column is None else column.at[last].set(value, mode="drop")
    return trace._replace(loss=put(trace.loss, loss), kkt=put(trace.kkt, kkt))


def finish(X, p: Progress, algorithm, tol, dtype, rule: Rule) -> Fit:
    """What was found, the factors and the loss of them in `dtype`."""
    W, H = (A.astype(dtype) for A in p.factors)
    loss = objective(X, Factors(W.astype(X.dtype), H.astype(X.dtype)), algorithm)
    status, trace = p.status, p.trace
    if is_late(X, algorithm, rule):
        kkt = None
        if trace.kkt is not None:
            kkt = projected_gradient_norm(p.factors, gradient(X, p.factors, algorithm), algorithm)
        trace = with_last(trace, p.num_iters, loss, kkt)
        if rule.stop == "kkt":
            ended = (status == Status.MAX_ITERS) & (p.num_iters > 0) & (tol > 0) & (kkt <= tol * p.first)
            status = jnp.where(ended, Status.CONVERGED, status)
    status = jnp.where(jnp.isfinite(loss), status, Status.NONFINITE)
    return Fit(W, H, loss, p.num_iters, status, trace)


def until_stopped(X, factors: Factors, algorithm, tol, max_iters: int, rule: Rule) -> Fit:
    """All in a row, in the dtype of X."""
    p = begin(X, factors, algorithm, max(max_iters, 1), rule)
    return finish(X, advance(X, p, algorithm, tol, max_iters, rule), algorithm, tol, X.dtype, rule)
