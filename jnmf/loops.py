"""The two loops over iterations: `run`, of fixed length and differentiable, and `fit`, which stops."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jnmf import checks, door, multiplicative, units
from jnmf import init as inits
from jnmf.accelerated import Accelerated
from jnmf.algorithms import HALS
from jnmf.extrapolated import Extrapolated
from jnmf.factors import Factors, relative_change
from jnmf.matrix import filled, occupied
from jnmf.numerics import in_dtype
from jnmf.objective import gradient, objective, projected_gradient_norm
from jnmf.results import Fit, Status, Trace

STOPS = ("delta", "loss", "kkt")
DEFAULT = Extrapolated(Accelerated(HALS()))


def trace(old: Factors, new: Factors, info) -> Trace:
    """What `run` records of an iteration, if nothing else is asked for; no derivative passes through δ and kkt."""
    return Trace(info.loss, relative_change(*lax.stop_gradient((old, new))), lax.stop_gradient(info.kkt))


def run(
    X, factors: Factors, algorithm, *, num_iters: int, record: Callable | None = trace, every: int = 1, mask=None
) -> tuple[Factors, Any]:
    """`num_iters` iterations of `algorithm` from `factors`: a `lax.scan`, for jit, vmap and grad.

    X (m, n), factors W (m, r) and H (r, n), nonnegative -> the factors after the last iteration, in the dtype of X,
    and what was recorded, by default the trace (num_iters,). Nothing is guarded: a divergent run returns what it
    computed. `mask` as in `fit`. Raises for arguments of the wrong shape or kind; whether X suits the algorithm is
    checked by `fit`.

    record: a function (old, new, info) -> any tree of arrays, of the factors before and after an iteration and its
        `jnmf.algorithm.Info` (loss, kkt); they come back with one entry a record, stacked. What of the info it does not
        use is not computed. A function of module level: each new one is a new program. None records nothing.
    every: record every so-manieth iteration, num_iters // every times. The iterations after the last record are made.

    Reverse derivatives (`jax.grad`) pass through every algorithm but `Accelerated` and what is made of it, the default
    of `fit` too: its repeats are a loop of unknown length. Forward ones (`jax.jvp`, `jax.jacfwd`) pass through all.
    """
    entered = door.enter(X, mask)
    checks.algorithm(algorithm)
    checks.count(num_iters, "num_iters", 0)
    checks.count(every, "every", 1)
    if record is not None and not callable(record):
        raise TypeError(f"record: expected a function (old, new, info) or None, got {record!r}")
    start = door.factors(factors, entered.X.shape, name="")
    start, algorithm = in_dtype(entered.X.dtype, start, algorithm)
    unit, start = units.start(units.choose(entered, algorithm), start)
    algorithm = units.algorithm(unit, algorithm)
    of_record = None if record is trace else unit  # a Trace may leave the range: its unit is taken out on the host
    X = units.matrix(unit, entered.X)
    end, recorded = _run(X, start, algorithm, of_record, num_iters=num_iters, record=record, every=every)
    if record is trace:
        recorded = units.trace(unit, recorded, algorithm.loss.degree)
    return Factors(*(A.astype(entered.dtype) for A in units.factors(unit, end))), recorded


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


def last_factors(X, factors: Factors, algorithm, num_iters) -> Factors:
    """The factors after `num_iters` steps (a traced number too): `run` without its costly trace."""
    step = lambda _, state: algorithm.step(X, state)[0]
    return lax.fori_loop(0, num_iters, step, algorithm.init(X, factors)).factors


def fit(
    X,
    rank: int | None = None,
    algorithm=None,
    *,
    init: str | Factors | Callable[..., Factors] = "random",
    key: Any = 0,
    tol: Any = 1e-4,
    stop: str = "delta",
    max_iters: int = 500,
    check_every: int = 1,
    kkt: bool = False,
    mask=None,
) -> Fit:
    """Factorise X ≈ W H, W, H ≥ 0, until the stopping rule holds.

    X: (m, n), real and finite; NumPy, pandas, jax or nested lists. The factors have the dtype of X, integers and
        booleans the default float; half precision is computed in float32 and the factors rounded at the end. What a
        `np.ma.MaskedArray` masks has weight 0, as under a mask.
    rank: r ≥ 1, also above min(m, n). May be left out when `init` is Factors or a Fit.
    algorithm: MU, HALS, ALS, PGD, ANLS, or a combinator on one. Default Extrapolated(Accelerated(HALS())): it descends
        for any X, has no step size to choose, and on the CBCL faces at rank 49 it reaches in 31 iterations the error
        for which HALS(inner=3) needs 140 and HALS() 383; the repeats cost less than the products with X.
    init: "random" (`init.random`), "nndsvd", "nndsvda", "nndsvdar" (`init.nndsvd`), Factors, those of a Fit, or a
        function (key, X, rank) -> Factors, such as those of `warm_start`: cheap iterations first. Its X is in the dtype
        to compute in, at least float32.
        Rows of W and columns of H that belong to empty rows and columns of X start at zero, where they end. MU keeps
        zeros: where W H = 0 at a positive entry, those of the start are raised to a hundredth of the mean of their
        component or less (`multiplicative.lifted`); for β > 1 those of Factors are kept, with a warning.
    key: an int seed of 64 bits or a `jax.random.key`; the same key gives the same bits.
    stop, tol: "delta", the relative change of the scaled factors (`relative_change`) is at most `tol` in the last
        iteration and adds up to at most 10 `tol` in the last tenth of them; "loss", the full objective is the least so
        far, and fell by at most `tol` relative in the second half of the iterations (or by less than its rounding,
        eps·½‖X‖², where it comes from Gram matrices); "kkt", the projected-gradient norm is at most `tol` times that of
        the start. What a slow method has still to go is a multiple of what it did lately, not of its last step: MU
        rests on plateaus for hundreds of iterations. tol=0 never stops.
    max_iters: the most iterations.
    check_every: the trace is recorded and the stopping rule tried once in so many iterations (NaN between).
    kkt: record the projected-gradient norm also where it costs passes over X of its own, as for MU with β ≠ 2: without
        it, it is NaN there, unless stop is "kkt". The loss is then that of `loss.quick`, which the half-steps have in
        hand, to eps of the sums of X and W H; the last entry, as `Fit.loss`, is exact.

    mask: (m, n), booleans or weights in [0, 1]: entry (i, j) counts in the loss with its weight. The values under a
        zero weight, NaN included, change nothing. A row without weight gets a zero row of W, a column a zero column of
        H. MU uses the weights as they are; the others impute M ⊙ X + (1 − M) ⊙ WH before each half-step, which descends
        too, the slower the more is missing.

    A component can die (zero column of W or row of H; l1 penalties do it); a warning says how many did. A fit whose
    factors become non-finite keeps the last finite ones (the start at worst) and has status NONFINITE; so has one whose
    objective is not finite at the end. A warning says what to do. Under jit and vmap nothing is raised or
    warned, and `status` is an array.

    Where powers of X would leave the range of its dtype, a method that `scales` (all but PGD with a given step size)
    runs in another unit of X, a power of two, its penalties in theirs. The loss and the trace of such a fit are those
    of X, in float64, and inf or 0 where they leave that range; under jit they stay in the dtype of X. The status is
    that of the fit in its unit: CONVERGED beside a loss of inf or 0 is meant.

    Raises TypeError or ValueError for arguments outside the above, saying what was expected, what came, what to do.
    """
    entered = door.enter(X, mask)
    algorithm = DEFAULT if algorithm is None else algorithm
    checks.algorithm(algorithm)
    door.domain(entered, algorithm)
    checks.number(tol, "tol")
    checks.choice(stop, "stop", STOPS)
    checks.count(max_iters, "max_iters", 0)
    checks.count(check_every, "check_every", 1)
    if not isinstance(kkt, bool):
        raise ValueError(f"kkt: expected True or False, got {kkt!r}")
    unit, X, start = initial_factors(entered, rank, init, key, algorithm)

    start, in_its_dtype, tol = in_dtype(X.dtype, start, algorithm, tol)
    arguments = X, start, units.algorithm(unit, in_its_dtype), tol
    program = until_stopped if checks.is_traced(arguments) else _fit_in_place
    options = {"stop": stop, "max_iters": max_iters, "check_every": check_every, "kkt": kkt}
    found = program(*arguments, dtype=entered.dtype, **options)
    found = units.fit(unit, found, algorithm.loss.degree)
    if checks.is_traced(found):
        return found._replace(trace=_padded_with_nan(found.trace, found.num_iters, check_every, jnp))
    trace = jax.device_get(found.trace)  # NaN is put in on the host: `jax.debug_nans` is for NaN that was computed
    found = found._replace(num_iters=int(found.num_iters), status=Status(int(found.status)))
    found = found._replace(trace=_padded_with_nan(trace, found.num_iters, check_every, np))
    if found.status == Status.NONFINITE:
        _warn_of_nonfinite(found)
    else:
        _warn_of_dead_components(found.factors, entered.nonzero)
    return found


def initial_factors(entered: door.Entered, rank, init, key, algorithm) -> tuple[units.Unit | None, Any, Factors]:
    """The unit to compute in, and in it X and the start that `init` names, makes or is."""
    given, unit = isinstance(init, tuple | list), units.choose(entered, algorithm)
    X = units.matrix(unit, entered.X)
    if rank is not None:
        rank = checks.rank(rank, X.shape)
    elif not given:
        raise ValueError("rank: expected an integer of at least 1 (it may only be left out when init is Factors)")
    if given or callable(init):
        in_unit = getattr(init, "in_units", False)  # those of `warm_start`; others see X as it is
        start = init if given else init(inits.as_key(key), filled(X if in_unit else entered.X), rank)
        (start,) = in_dtype(X.dtype, door.factors(start, X.shape, rank))
        unit, start = (unit, start) if in_unit else units.start(unit, start)
    else:
        checks.choice(init, "init (or Factors, or a callable)", inits.NAMED)
        start = inits.NAMED[init](inits.as_key(key), filled(X), rank)
    if init != "random":  # which is positive unless X is zero; the parts of a negative X that nndsvd keeps may be none
        door.some_positive(start, entered)
    if not entered.positive:
        start = zero_where_empty(X, start)
    elif init != "random":  # in memory of its own, which `fit` gives away
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
def zero_where_empty(X, factors: Factors) -> Factors:
    """Rows of W and columns of H that belong to empty rows and columns of X are zero at every optimum: start there."""

    rows, columns = occupied(X)
    return Factors(factors.W * rows[:, None], factors.H * columns[None, :])


def _padded_with_nan(trace: Trace, num_iters, check_every: int, numpy) -> Trace:
    """The trace with NaN where nothing was recorded; there the compiled loop leaves 0."""
    if trace.kkt is None:
        trace = trace._replace(kkt=numpy.full_like(trace.loss, numpy.nan))
    index = numpy.arange(trace.loss.shape[0])
    recorded = (index < num_iters) & (index % check_every == check_every - 1)
    return Trace(*(numpy.where(recorded, column, numpy.nan).astype(column.dtype) for column in trace))


class _Progress(NamedTuple):
    state: Any
    factors: Factors  # of the state, or the last ones when the fit has ended
    num_iters: Array
    status: Array
    least: Array  # the least loss so far, for the rule "loss" alone
    trace: Trace


STRUCTURE = ("dtype", "stop", "max_iters", "check_every", "kkt")


def _until_stopped(X, factors, algorithm, tol, *, dtype, stop, max_iters, check_every, kkt) -> Fit:
    """`fit` in the dtype of X; the factors, and the loss of them, in `dtype`."""
    # Where nothing is decided by the loss it may come an iteration late, for nothing, and kkt where it is asked for.
    late = stop == "delta" and check_every == 1 and algorithm.is_late(X)
    first_loss = objective(X, factors, algorithm) if stop == "loss" else jnp.zeros((), X.dtype)
    if stop == "kkt":
        first_kkt = projected_gradient_norm(factors, gradient(X, factors, algorithm))

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

    def unrecorded(_, p):
        return moved(p, algorithm.step(X, p.state)[0])  # what is only recorded is not computed

    def recorded(p):
        state, info = algorithm.step(X, p.state)
        delta = relative_change(p.factors, state.factors)
        if stop == "delta":
            since = 9 * (p.num_iters + 1) // 10
            last_tenth = jnp.sum(jnp.where(jnp.arange(max_iters) >= since, p.trace.delta, 0)) + delta
            small = (delta <= tol) & (last_tenth * check_every <= 10 * tol)
        elif stop == "loss":
            check = (p.num_iters + 1) // 2 // check_every * check_every - 1  # the last one until half of the way
            earlier = jnp.where(check < 0, first_loss, p.trace.loss[jnp.maximum(check, 0)])
            fell = jnp.where(jnp.isfinite(earlier), earlier - info.loss, jnp.inf)  # inf is no measure of a fall
            fell_little = jnp.isfinite(fell) & (fell <= jnp.maximum(tol * earlier, info.rounding))
            small = fell_little & (info.loss <= p.least + info.rounding)  # nor is a rise convergence, or the way back
        else:
            small = info.kkt <= tol * first_kkt
        q = moved(p, state)
        done = q.num_iters > p.num_iters
        put = lambda column, value: column.at[p.num_iters].set(jnp.where(done, value, 0))
        trace = p.trace._replace(delta=put(p.trace.delta, delta))
        if late:  # of the iteration before, also where this one fails
            before = jnp.where(p.num_iters > 0, p.num_iters - 1, max_iters)  # beyond the end nothing is set
            trace = trace._replace(loss=trace.loss.at[before].set(info.start_loss, mode="drop"))
        else:
            trace = trace._replace(loss=put(trace.loss, info.loss))
        if trace.kkt is not None:
            trace = trace._replace(kkt=put(trace.kkt, info.kkt))
        return q._replace(
            status=jnp.where(done & small & info.moved & (tol > 0), Status.CONVERGED, q.status),
            least=jnp.where(done, jnp.minimum(info.loss, p.least), p.least) if stop == "loss" else p.least,
            trace=trace,
        )

    # A round of `check_every` iterations, the last of them recorded. No `cond`: under vmap it would run both branches.
    def unfinished(p):
        return (p.status == Status.MAX_ITERS) & (p.num_iters + check_every <= max_iters)

    def one_round(p):
        return recorded(lax.fori_loop(0, check_every - 1, unrecorded, p) if check_every > 1 else p)

    status, nothing = jnp.array(Status.MAX_ITERS), jnp.zeros(max_iters, X.dtype)
    trace = Trace(nothing, nothing, nothing if kkt or not late else None)
    end = _Progress(algorithm.init(X, factors), factors, jnp.array(0), status, first_loss, trace)
    if max_iters >= check_every:
        end = lax.while_loop(unfinished, one_round, end)
    if max_iters % check_every:
        end = lax.fori_loop(0, max_iters % check_every, unrecorded, end)
    W, H = (A.astype(dtype) for A in end.factors)
    loss = objective(X, Factors(W.astype(X.dtype), H.astype(X.dtype)), algorithm)
    status = jnp.where(jnp.isfinite(loss), end.status, Status.NONFINITE)
    trace = end.trace
    if late and max_iters:
        last = jnp.where(end.num_iters > 0, end.num_iters - 1, max_iters)
        trace = trace._replace(loss=trace.loss.at[last].set(loss, mode="drop"))
    return Fit(W, H, loss, end.num_iters, status, trace)


until_stopped = jax.jit(_until_stopped, static_argnames=STRUCTURE)
# The start is `fit`'s own (`initial_factors`) and gives its memory to the factors.
_fit_in_place = jax.jit(_until_stopped, static_argnames=STRUCTURE, donate_argnames="factors")


def _num_dead(factors: Factors, numpy=np):
    W, H = map(numpy.asarray, factors)
    return numpy.sum(~(numpy.any(W > 0, axis=0) & numpy.any(H > 0, axis=1)))


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
