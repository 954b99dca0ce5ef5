"""The two loops over iterations: `run`, of fixed length and differentiable, and `fit`, which stops."""

import math
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jnmf import checks, display, door, multiplicative, pausing, resuming, stopping, units
from jnmf import init as inits
from jnmf.accelerated import Accelerated
from jnmf.algorithm import Algorithm, Combinator, Info
from jnmf.algorithms import HALS
from jnmf.extrapolated import Extrapolated
from jnmf.factors import Factors, relative_change
from jnmf.matrix import as_array, as_read, occupied, placed
from jnmf.numerics import in_dtype
from jnmf.pausing import Interrupted, Pieces
from jnmf.results import Fit, Status, Trace
from jnmf.resuming import Running
from jnmf.stopping import Progress, Rule
from jnmf.terms import together
from jnmf.types import FactorsLike, Init, Integer, Key, Mask, Matrix, MatrixLike, Number

TOL, MAX_ITERS = 1e-4, 500
DEFAULT = Extrapolated(Accelerated(HALS()))


def trace(old: Factors, new: Factors, info: Info) -> Trace:
    """What `run` records of an iteration, if nothing else is asked for; no derivative passes through δ and kkt."""
    return Trace(info.loss, relative_change(*lax.stop_gradient((old, new))), lax.stop_gradient(info.kkt))


def run(
    X: MatrixLike,
    factors: FactorsLike,
    algorithm: Algorithm | Combinator,
    *,
    num_iters: Integer,
    record: Callable[[Factors, Factors, Info], Any] | None = trace,
    every: Integer = 1,
    mask: Mask = None,
) -> tuple[Factors, Any]:
    """`num_iters` iterations of `algorithm` from `factors`: a `lax.scan`, for jit, vmap and grad.

    X (m, n), factors W (m, r) and H (r, n), nonnegative -> the factors after the last iteration, in the dtype of X,
    and what was recorded, by default the trace (num_iters,). Nothing is guarded: a divergent run returns what it
    computed. `mask` as in `fit`. Raises for arguments of the wrong shape or kind; whether X suits the algorithm is
    checked by `fit`.

    record: a function (old, new, info) -> any tree of arrays, of the factors before and after an iteration and its
        `jnmf.algorithm.Info` (loss, kkt); they come back stacked, with one entry per record. What of the info it does
        not use is not computed. Define it at module level: each new one is a new program. None records nothing.
    every: record every `every`-th iteration, num_iters // every times. The iterations after the last record are made.

    Reverse derivatives (`jax.grad`) pass through every algorithm but `Accelerated` and what is made of it, the default
    of `fit` too: its repeats are a loop of unknown length. Forward ones (`jax.jvp`, `jax.jacfwd`) pass through all.

    >>> factors, trace = jnmf.run(X, jnmf.init.random(0, X, 2), jnmf.HALS(), num_iters=20)
    >>> factors.H.shape, trace.loss.shape
    ((2, 4), (20,))
    """
    entered = door.enter(X, mask)
    checks.algorithm(algorithm)
    checks.count(num_iters, "num_iters", 0)
    checks.count(every, "every", 1)
    if record is not None and not callable(record):
        raise TypeError(f"record: expected a function (old, new, info) or None, got {record!r}")
    start = placed(entered.X, door.factors(factors, entered.X.shape, name=""))
    together.check_shapes(algorithm, entered.X.shape, start.W.shape[1])
    start, algorithm = in_dtype(entered.X.dtype, start, algorithm)
    unit, start = units.start(units.choose(entered, algorithm), start)
    algorithm = units.algorithm(unit, algorithm)
    start = feasible(start, algorithm)
    of_record = None if record is trace else unit  # a Trace may leave the range: its unit is taken out on the host
    X = units.matrix(unit, entered.X)
    end, recorded = _run(X, start, algorithm, of_record, num_iters=num_iters, record=record, every=every)
    if record is trace:
        recorded = units.trace(unit, recorded, algorithm.loss.degree)
    end = Factors(*(A.astype(entered.dtype) for A in units.factors(unit, end)))
    return as_read(X, (end, recorded))


@partial(jax.jit, static_argnames=("num_iters", "record", "every"))
def _run(X, factors, algorithm, unit, *, num_iters, record, every):
    def plain(_, state):
        return algorithm.step(X, state)[0]

    def recorded(state, _):
        old = lax.fori_loop(0, every - 1, plain, state) if every > 1 else state
        new, info = algorithm.step(X, old)
        if record is None:
            return new, None
        before, after = (units.factors(unit, state.factors) for state in (old, new))
        return new, record(before, after, units.info(unit, info, algorithm.loss.degree))

    state, records = lax.scan(recorded, algorithm.init(X, factors), length=num_iters // every)
    if num_iters % every:
        state = lax.fori_loop(0, num_iters % every, plain, state)
    return state.factors, records


def last_factors(X: Matrix, factors: Factors, algorithm: Any, num_iters: Any) -> Factors:
    """The factors after `num_iters` steps (a traced number too): `run` without its costly trace."""
    step = lambda _, state: algorithm.step(X, state)[0]
    return lax.fori_loop(0, num_iters, step, algorithm.init(X, factors)).factors


def fit(
    X: MatrixLike,
    rank: Integer | None = None,
    algorithm: Algorithm | Combinator | None = None,
    *,
    init: Init = "random",
    key: Key = 0,
    tol: Number | None = None,
    stop: Literal["delta", "loss", "kkt"] | None = None,
    max_iters: Integer | None = None,
    check_every: Integer | None = None,
    kkt: bool | None = None,
    mask: Mask = None,
    progress: bool = False,
    callback: Callable[[Fit], Any] | None = None,
    time_limit: float | None = None,
    resume: Fit | None = None,
    resumable: bool | None = None,
) -> Fit:
    """Factorise X ≈ W H, W, H ≥ 0, until the stopping rule holds.

    X: (m, n), real and finite; NumPy, pandas, AnnData, jax or nested lists. The factors have the dtype of X, integers
        and booleans the default float; half precision is computed in float32 and the factors rounded at the end. What
        a `np.ma.MaskedArray` masks has weight 0, as under a mask.
    rank: r ≥ 1, also above min(m, n). May be left out when `init` is Factors or a Fit.
    algorithm: MU, HALS, ALS, PGD, ANLS, or a combinator on one. Default Extrapolated(Accelerated(HALS())): it descends
        for any X, has no step size to choose, and on the CBCL faces at rank 49 it reaches in 31 iterations the error
        for which HALS(inner=3) needs 140 and HALS() 383; the repeats cost less than the products with X.
    init: "random" (`init.random`), "nndsvd", "nndsvda", "nndsvdar" (`init.nndsvd`), "spa" (`init.spa`), Factors, those
        of a Fit, or a function (key, X, rank) -> Factors, such as those of `warm_start`: cheap iterations first. Its X
        has the dtype of the computation, at least float32.
        Rows of W and columns of H that belong to empty rows and columns of X start and end at zero. MU keeps
        zeros: where W H = 0 at a positive entry, those of the start are raised to a hundredth of the mean of their
        component or less (`multiplicative.lifted`); for β > 1 those of Factors are kept, with a warning.
    key: an int seed of 64 bits or a `jax.random.key`; the same key gives the same bits.
    stop, tol: default "delta" and 1e-4. "delta", the relative change of the scaled factors (`relative_change`) is at
        most `tol` in the last iteration and adds up to at most 10 `tol` in the last tenth of them; "loss", the full
        objective is the least so far, and fell by at most `tol` relative in the second half of the iterations (or by
        less than its rounding, eps·½‖X‖², where it comes from Gram matrices); "kkt", the projected-gradient norm is at
        most `tol` times that of the start. How far a slow method still has to go is a multiple of how far it went
        lately, not of its last step: MU rests on plateaus for hundreds of iterations. tol=0 never stops.
    max_iters: the maximum number of iterations, default 500.
    check_every: every how many iterations the trace is recorded (NaN between) and the stopping rule tried, default 1.
    kkt: record the projected-gradient norm even where it costs an extra product with X, as for MU with β ≠ 2: otherwise
        it is NaN there, unless stop is "kkt". The loss there is that of `loss.quick`, which the half-steps have in
        hand, to eps of the sums of X and W H; the last entry, as `Fit.loss`, is exact.

    mask: (m, n), booleans or weights ≥ 0 of any size, such as 1/σ² of measured errors: entry (i, j) counts in the loss
        with its weight. The values under a zero weight, NaN included, change nothing. A row with no weight gets a zero
        row of W, a column a zero column of H. Weights and penalties times c give the same fit, with the loss c
        times as large. MU uses the weights as they are. The others impute M/c ⊙ X + (1 − M/c) ⊙ WH before each
        half-step, c the largest weight; that descends, the slower the less of a row or column counts. Where that is
        less than an eighth of c, HALS, ANLS and combinators of them use the weights directly (`jnmf.weighted`).

    progress: show iterations, loss, δ and the time left to max_iters, in a bar (with rich) or, with no terminal, text.
    callback: a function of the `Fit` so far, called about twice a second between two iterations; where it returns True,
        the fit ends. `callback=lambda found: jnmf.save("found.npz", found)` saves a long fit as it goes.
    time_limit: end after this many seconds, compilation and start included, but not before one iteration.
        These two end with status STOPPED. So does Ctrl-C, which raises `jnmf.Interrupted`, whose `.fit` is where the
        fit is, within half a second or one iteration; before the first, and pressed twice, it interrupts at once. None
        of these works under jit and vmap, where a fit is one program, nor with several processes, where none pauses.
    resume: a Fit to the same X and mask, to be continued: the same bits, trace and counts as if it had not stopped, the
        momentum of its algorithm included. max_iters counts all iterations; it and tol may change, the rest is as it
        was and is left out: rank, algorithm (except one of your own after `jnmf.load`), stop, check_every, kkt. A fit
        that has converged continues with a smaller tol. Another X, mask, algorithm or dtype is refused; on those,
        `init=that_fit` starts from its factors.
    resumable: whether the Fit keeps the state that this needs, a few times W and H. By default it does, outside of jit
        and vmap.

    A component can die (zero column of W or row of H; l1 penalties can cause it); a warning says how many did. A fit
    whose factors become non-finite keeps the last finite ones (the start at worst) and has status NONFINITE; so has one
    whose objective is not finite at the end. A warning says what to do. Under jit and vmap nothing is raised or warned,
    and `status` is an array.

    Where powers of X would leave the range of its dtype, a method that `scales` runs in another unit of X, a power of
    two, its penalties and step sizes in theirs; a loss without a degree has a unit, and refuses such an X. The loss and
    the trace of such a fit are those of X, in float64, and inf or 0 where they leave that range; under jit they stay in
    the dtype of X. The status is that of the fit in its unit: CONVERGED with a loss of inf or 0 is intended.

    Raises TypeError or ValueError for other arguments, saying what was expected, what was passed and what to do.

    >>> fit = jnmf.fit(X, 2)
    >>> fit.W.shape, fit.H.shape, fit.status.name
    ((6, 2), (2, 4), 'CONVERGED')
    >>> np.allclose(fit.W @ fit.H, X, atol=0.01)
    True
    """
    begun = time.monotonic()
    entered = door.enter(X, mask)
    options = {"stop": stop, "check_every": check_every, "kkt": kkt}
    options = {name: value for name, value in options.items() if value is not None}
    if tol is not None:
        checks.number(tol, "tol")
    if max_iters is not None:
        checks.count(max_iters, "max_iters", 0)
        max_iters = int(max_iters)
    if time_limit is not None:
        checks.number(time_limit, "time_limit")
    if resume is None:
        algorithm = DEFAULT if algorithm is None else algorithm
        checks.algorithm(algorithm)
        door.domain(entered, algorithm)
        rule = Rule(**options)
        unit, in_its_unit, start = initial_factors(entered, rank, init, key, algorithm)
        (start,) = in_dtype(in_its_unit.dtype, start)
        tol, max_iters = TOL if tol is None else tol, MAX_ITERS if max_iters is None else max_iters
        running = resuming.running(in_its_unit, unit, algorithm, tol, max_iters, rule)
        p: Any = feasible(start, running.in_unit)
    else:
        if init != "random" or not isinstance(key, int) or key != 0:
            raise ValueError("resume: expected neither init nor key beside it; init= starts anew from a fit's factors")
        running, p = resuming.resumed(entered, resume, rank, algorithm, tol, max_iters, options)
    X, _, in_unit, tol, max_iters, rule = running[:6]
    traced = checks.is_traced(X, p, in_unit, tol)
    if traced and (progress or callback is not None or time_limit is not None):
        raise ValueError("fit: expected no progress, callback or time_limit inside of jit and vmap, where none can be")
    keep = not traced if resumable is None else resumable
    if resume is None:
        begin = _begin_traced if traced else _begin_in_place
        p, fingerprint = begin(X, p, in_unit, stopping.room_for(max_iters), rule, keep)
        running = running._replace(fingerprint=fingerprint)
    if traced:
        found = _found(running, _advance_traced(X, p, in_unit, tol, max_iters, rule), entered.dtype, keep, jnp)
        return found._replace(names=entered.names)

    so_far = lambda p: _found(running, p, entered.dtype, keep, np)._replace(names=entered.names)
    deadline = math.inf if time_limit is None else begun + time_limit
    done = 0 if resume is None else int(p.num_iters)
    pieces = Pieces(deadline, _seconds_at_most(running.X.shape, p.factors.H.shape[0]), done)
    with pausing.noted_interrupts() as pressed:  # also while the end is computed
        found = so_far(_watched(running, p, progress, callback, pieces, so_far, pressed))
    try:
        as_read(X, found, _without_state(found))
    except KeyboardInterrupt:  # it came while a block was read
        pressed, found = True, _without_state(found)
    if pressed:
        raise Interrupted(f"interrupted after {found.num_iters} iterations; the fit so far is its .fit", fit=found)
    if found.status == Status.NONFINITE:
        _warn_of_nonfinite(found)
    else:
        _warn_of_dead_components(found.factors, entered.nonzero)
    return found


def _without_state(found: Fit) -> Fit:
    """What there is of a fit that ended as X could not be read, with the last loss recorded: that of its end is NaN."""
    losses = found.trace.loss[np.isfinite(found.trace.loss)]
    last = losses[-1] if losses.size else found.loss
    return found._replace(loss=last, status=Status.STOPPED, state=None)


def _seconds_at_most(shape, rank: int) -> float:
    """What an iteration of any method takes at 100 million operations a second, with room for its loops."""
    m, n = shape
    return 1e-8 * (m * n * (4.0 * rank + 100) + 10.0 * (m + n) * rank**3)


def _watched(running: Running, p: Progress, progress: bool, callback, pieces: Pieces, so_far, pressed) -> Progress:
    """p at its end, with pauses, in which is shown and asked what there is to show and to ask."""
    X, _, in_unit, tol, max_iters, rule = running[:6]
    advance = lambda p, end: _advance_in_place(X, p, in_unit, tol, end, rule)
    with display.progress(progress, max_iters, "iterations", pieces.done) as show:

        def look(p):
            if progress:
                show(int(p.num_iters), _said(running, p))
            return callback is not None and callback(so_far(jax.tree.map(jnp.copy, p)))

        p = pausing.in_pieces(advance, p, max_iters, look, pieces, pressed)
        if progress:
            show(int(p.num_iters), _said(running, p))
    return p


def _said(running: Running, p: Progress) -> str:
    """Of the last iteration that was recorded, the loss and δ."""
    last = int(p.num_iters) // running.rule.check_every * running.rule.check_every - 1
    late = stopping.is_late(running.X, running.algorithm, running.rule)
    if last < late:
        return ""
    trace = units.trace(running.unit, jax.device_get(p.trace), running.algorithm.loss.degree)
    return f", loss {trace.loss[last - late]:.6g}, δ {trace.delta[last]:.2g}"


def _found(running: Running, p: Progress, dtype, keep: bool, numpy) -> Fit:
    """The Fit of where the iterations are, in the units of X; with NumPy, its parts on the host."""
    found = _finish(running.X, p, running.in_unit, running.tol, dtype, running.rule)
    found = units.fit(running.unit, found, running.algorithm.loss.degree)
    if numpy is np:  # NaN is put in on the host: `jax.debug_nans` is for NaN that was computed
        num_iters, status, trace = jax.device_get((found.num_iters, found.status, found.trace))  # waits once
        if status == Status.MAX_ITERS and num_iters < running.max_iters:
            status = Status.STOPPED
        found = found._replace(num_iters=int(num_iters), status=Status(int(status)), trace=trace)
    trace = jax.tree.map(lambda column: column[: running.max_iters], found.trace)
    trace = _padded_with_nan(trace, found.num_iters, running.rule.check_every, numpy)
    return found._replace(trace=trace, state=running.keep(p) if keep else None)


def initial_factors(entered: door.Entered, rank, init, key, algorithm) -> tuple[units.Unit | None, Any, Factors]:
    """The unit to compute in, and in it X and the start that `init` names, makes or is."""
    given, unit = isinstance(init, tuple | list), units.choose(entered, algorithm)
    X = units.matrix(unit, entered.X)
    if rank is not None:
        rank = checks.rank(rank, X.shape)
        together.check_shapes(algorithm, X.shape, rank)
    elif not given:
        raise ValueError(
            "rank: expected an integer of at least 1, got none; only where init is Factors it may be left out"
        )
    if given or callable(init):
        in_unit = getattr(init, "in_units", False)  # those of `warm_start`; others see X as it is
        seen = inits.whole(X) if in_unit else as_array(inits.whole(entered.X))
        start = init if given else as_read(X, init(inits.as_key(key), seen, rank))
        nonnegative = not (together.signed(algorithm.on_W) or together.signed(algorithm.on_H))
        (start,) = in_dtype(X.dtype, placed(X, door.factors(start, X.shape, rank, nonnegative=nonnegative)))
        together.check_shapes(algorithm, X.shape, start.W.shape[1])
        unit, start = (unit, start) if in_unit else units.start(unit, start)
    else:
        checks.choice(init, "init (or Factors, or a callable)", inits.NAMED)
        start = as_read(X, inits.NAMED[init](inits.as_key(key), X, rank))
    if init != "random":  # which is positive unless X is zero; the parts of a negative X that nndsvd keeps may be none
        door.some_positive(start, entered)
    if not entered.positive:
        start = zero_where_empty(X, start, algorithm)
    if init != "random":  # in memory of its own, which `fit` gives away
        start = jax.tree.map(jnp.copy, start)
    if algorithm.keeps_zeros and init != "random":
        start = _movable(X, start, algorithm, given)
    return unit, X, start


def _movable(X, start: Factors, algorithm, given: bool) -> Factors:
    """A start that a method which keeps zeros can leave. Zeros that are given are meant, if their loss is finite."""
    if not algorithm.loss.finite_at_zero or not given:
        start = multiplicative.lifted(X, start)
    rows, _ = multiplicative.stuck(X, start)
    if not checks.is_traced(rows) and checks.on_host(lambda: jnp.any(rows)):
        warnings.warn(
            "init: W H is 0 at positive entries of X, and multiplicative updates keep it so; "
            "use a start without zeros, such as init='random', or HALS",
            stacklevel=4,
        )
    return start


@jax.jit
def zero_where_empty(X, factors: Factors, algorithm) -> Factors:
    """Rows of W and columns of H that belong to empty rows and columns of X are zero at every optimum: start there.

    A factor with terms is left as it is: they may say otherwise.
    """
    rows, columns = occupied(X)
    W, H = factors
    return Factors(
        W if together.penalties(algorithm.on_W) else W * rows[:, None],
        H if together.penalties(algorithm.on_H) else H * columns[None, :],
    )


def feasible(start: Factors, algorithm) -> Factors:
    """The start, where the constraints among the terms let it be."""
    W, H = start
    if together.constraint(algorithm.on_W) is not None:
        W = together.feasible(together.transposed(algorithm.on_W), W.T).T
    return Factors(W, together.feasible(algorithm.on_H, H))


def _padded_with_nan(trace: Trace, num_iters, check_every: int, numpy) -> Trace:
    """The trace with NaN where nothing was recorded; there the compiled loop leaves 0."""
    if trace.kkt is None:
        trace = trace._replace(kkt=numpy.full_like(trace.loss, numpy.nan))
    index = numpy.arange(trace.loss.shape[0])
    recorded = (index < num_iters) & (index % check_every == check_every - 1)
    return Trace(*(numpy.where(recorded, column, numpy.nan).astype(column.dtype) for column in trace))


def _begin(X, factors, algorithm, room: int, rule: Rule, keep: bool):
    return stopping.begin(X, factors, algorithm, room, rule), resuming.fingerprint(X) if keep else None


# The start is `fit`'s own (`initial_factors`), and each piece of a fit gives its memory to the next; not under vmap.
_begin_in_place = jax.jit(_begin, static_argnames=("room", "rule", "keep"), donate_argnames="factors")
_advance_in_place = jax.jit(stopping.advance, static_argnames="rule", donate_argnames="p")
_finish = jax.jit(stopping.finish, static_argnames=("dtype", "rule"))
_begin_traced = jax.jit(_begin, static_argnames=("room", "rule", "keep"))
_advance_traced = jax.jit(stopping.advance, static_argnames="rule")


def _num_dead(factors: Factors, numpy=np):
    W, H = map(numpy.asarray, factors)
    return numpy.sum(~(numpy.any(W != 0, axis=0) & numpy.any(H != 0, axis=1)))


def _warn_of_nonfinite(found: Fit) -> None:
    what = "the factors are the last finite ones" if np.isfinite(found.loss) else f"the objective is {found.loss:g}"
    warnings.warn(
        f"the fit is not finite after {found.num_iters} iterations ({what}): try a smaller step size, a start without "
        "zeros such as init='random' for beta ≤ 1, a penalty on both factors where one alone has it (there "
        "is no minimiser, the other factor grows), or X in other units, if its squares leave the range of its dtype",
        stacklevel=3,
    )


def _warn_of_dead_components(factors: Factors, nonzero: bool | None) -> None:
    here = factors.W.is_fully_addressable and factors.H.is_fully_addressable  # then NumPy needs no program
    dead = int(_num_dead(factors) if here else jax.jit(_num_dead, static_argnames="numpy")(factors, numpy=jnp))
    if dead and nonzero:
        warnings.warn(
            f"{dead} of {factors.H.shape[0]} components are dead (a zero column of W or row of H): "
            "lower the l1 penalty or the rank, or try another key",
            stacklevel=3,
        )
