"""What a `Fit` keeps so that it can be gone on with, and how it is taken up again."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jnmf import checks, door, units
from jnmf.matrix import added_up, in_blocks, is_kind, told_by
from jnmf.numerics import in_dtype
from jnmf.pytree import Pytree, static
from jnmf.results import Fit, Status, Unknown, saved
from jnmf.stopping import Progress, Rule, begin, room_for
from jnmf.units import Unit


@saved
class FitState(Pytree):
    """Where a fit is, on X in its unit, and all that it was told, so that nothing need be specified again."""

    progress: Progress  # the state of the algorithm in it is a tuple of its leaves
    algorithm: Any
    tol: Any
    max_iters: int = static(0)  # structure, as the lengths of arrays are: no leaf that jit and vmap would trace
    rule: Rule
    unit: Unit | None
    fingerprint: Any


class Running(NamedTuple):
    """A fit between two pieces: X and the start in their unit, and what the programs are given."""

    X: Any
    algorithm: Any  # as it was given
    in_unit: Any  # the same, with its penalties in the unit
    tol: Any
    max_iters: int
    rule: Rule
    unit: Unit | None
    fingerprint: Any = None

    def keep(self, p: Progress) -> FitState:
        return FitState(
            progress=p._replace(state=tuple(jax.tree.leaves(p.state))),
            algorithm=self.algorithm,
            tol=self.tol,
            max_iters=self.max_iters,
            rule=self.rule,
            unit=self.unit,
            fingerprint=self.fingerprint,
        )


@jax.jit
def fingerprint(X):
    """(number of arrays that X is made of,): of each a number of 32 bits, that an entry or the order changes.

    A sum of floating-point numbers, as ‖X‖², would not show one entry among many. This is Σ u_i v_j b_ij modulo 2³²,
    b the bits of the entries and u, v odd: the same in whatever order, on whatever devices it is added up, and
    another where 32 of the bits are, since an odd number times what is not 0 is not 0; else but for one time in 2³².
    """
    return jnp.stack([_sum_of_bits(a) for a in told_by(X)])


def _sum_of_bits(a):
    if 0 in a.shape:
        return jnp.zeros((), jnp.uint32)
    if not is_kind(a):
        a = a if a.dtype.itemsize >= 4 else a.astype(jnp.float32)
        if a.ndim == 1:
            return _sum_of_line(a)
        a = a.reshape(-1, a.shape[-1] if a.ndim > 1 else 1)

    def of_block(a, u, v):
        def of_rows(a, u):
            bits = lax.bitcast_convert_type(a, jnp.uint32).reshape(a.shape[0], -1)
            return u * jnp.sum(bits * v, axis=1, dtype=jnp.uint32)

        return jnp.sum(in_blocks(of_rows, a, u, axis=0), dtype=jnp.uint32)

    (m, n), words = a.shape, a.dtype.itemsize // 4
    return added_up(a, of_block, _odd(m), _odd(n * words)[None, :])


def _sum_of_line(a):
    """The same of a as one column, whose u is not written down but for a chunk at a time: a may be most of X."""
    width = min(2**16, a.size)

    def add(i, found):
        e = jnp.minimum(i * width, a.size - width)  # a last chunk that would not be whole starts earlier
        bits = lax.bitcast_convert_type(lax.dynamic_slice_in_dim(a, e, width), jnp.uint32).reshape(width, -1)
        fresh = e + jnp.arange(width) >= i * width
        of_entry = _odd(width, e) * jnp.sum(bits * _odd(bits.shape[1])[None, :], axis=1, dtype=jnp.uint32)
        return found + jnp.sum(jnp.where(fresh, of_entry, 0), dtype=jnp.uint32)

    return lax.fori_loop(0, -(-a.size // width), add, jnp.zeros((), jnp.uint32))


def _odd(length: int, first: Any = 0):
    """(length,): odd numbers of 32 bits, in which each bit depends on all of the place (MurmurHash3's finaliser).

    Those of the places from `first` on.
    """
    place = jnp.arange(length, dtype=jnp.uint32) + jnp.asarray(first, jnp.uint32)
    for shift, factor in (16, 0x85EBCA6B), (13, 0xC2B2AE35):
        place = (place ^ (place >> jnp.uint32(shift))) * jnp.uint32(factor)
    return place | jnp.uint32(1)


def running(X, unit, algorithm, tol, max_iters: int, rule: Rule) -> Running:
    in_its_dtype, in_dtype_of_X = in_dtype(X.dtype, algorithm, tol)
    return Running(X, algorithm, units.algorithm(unit, in_its_dtype), in_dtype_of_X, max_iters, rule, unit)


def resumed(entered: door.Entered, fit, rank, algorithm, tol, max_iters, options: dict) -> tuple[Running, Progress]:
    """A fit as it was left, on the same X, to be gone on with under a new `max_iters` and `tol`."""
    kept = _state_of(fit)
    _check_data(entered, fit)
    _check_factors(fit)
    if rank is not None and rank != fit.W.shape[1]:
        raise ValueError(f"rank: expected that of the fit to resume, {fit.W.shape[1]}, got {rank}; leave it out")
    algorithm = _same_algorithm(kept.algorithm, algorithm)
    _check_rule(kept.rule, options)
    p = jax.tree.map(jnp.array, kept.progress)  # memory of its own: the programs write over it
    if tol is None:
        tol = kept.tol
    else:
        goes_on = (p.status == Status.CONVERGED) & (tol < kept.tol)
        p = p._replace(status=jnp.where(goes_on, jnp.array(Status.MAX_ITERS), p.status))

    X = units.matrix(kept.unit, entered.X)
    max_iters = kept.max_iters if max_iters is None else max_iters
    found = running(X, kept.unit, algorithm, tol, max_iters, kept.rule)._replace(fingerprint=fingerprint(X))
    fingerprints = kept.fingerprint, found.fingerprint
    if not checks.is_traced(*fingerprints) and not np.array_equal(*fingerprints):
        raise ValueError("resume: expected the X and mask of the fit, got others; init= starts on them anew")
    made = int(p.num_iters) if not checks.is_traced(p) else 0
    if max_iters < made:
        raise ValueError(f"max_iters: expected at least the {made} iterations that were made, got {max_iters}")
    room = room_for(max_iters)
    like = jax.eval_shape(partial(begin, room=room, rule=kept.rule), X, p.factors, found.in_unit)
    shapes = lambda state: [(jnp.shape(leaf), leaf.dtype) for leaf in jax.tree.leaves(state)]
    if shapes(like.state) != shapes(p.state):
        raise ValueError(f"resume: expected the state of {algorithm!r}, got another; start from the factors, init=")
    state = jax.tree.unflatten(jax.tree.structure(like.state), p.state)
    sums = None if p.sums is None else _of_length(p.sums, room + 1)
    return found, p._replace(state=state, sums=sums, trace=jax.tree.map(lambda a: _of_length(a, room), p.trace))


def _state_of(fit) -> FitState:
    if not isinstance(fit, Fit):
        raise TypeError(f"resume: expected a Fit, got {type(fit).__name__}; factors are a start, init=")
    if fit.state is None:
        raise ValueError(
            "resume: expected a Fit with its state, got one without, as fits are inside of jit and vmap or with "
            "resumable=False; init= starts anew from its factors"
        )
    return fit.state


def _check_data(entered: door.Entered, fit: Fit) -> None:
    shape = (fit.W.shape[0], fit.H.shape[1])
    computed = fit.state.progress.factors.W.dtype
    if entered.X.shape != shape:
        raise ValueError(f"resume: expected the X of the fit, {shape}, got {entered.X.shape}; init= takes its factors")
    if (entered.dtype, entered.X.dtype) != (fit.W.dtype, computed):
        raise ValueError(
            f"resume: expected X in the dtype of the fit, {fit.W.dtype}, got {entered.dtype}; convert X, or start from "
            "the factors, init="
        )


def _check_factors(fit: Fit) -> None:
    """The state goes on whatever W and H are: changed ones would have no effect."""
    same = jax.jit(
        lambda A, B: jnp.all(jnp.abs(A - B.astype(A.dtype)) <= jnp.finfo(A.dtype).tiny)
    )  # which may become 0
    for A, B in zip(fit.factors, units.factors(fit.state.unit, fit.state.progress.factors), strict=True):
        if checks.is_traced(A, B):
            continue
        if A.shape != B.shape or not checks.on_host(partial(same, A, B)):
            raise ValueError("resume: expected W and H as the fit found them, got others; init= starts from them")


def _same_algorithm(kept, given):
    if given is None:
        if isinstance(kept, Unknown):
            raise ValueError(f"resume: expected algorithm={kept!r}, which a file does not hold, got none; pass it")
        return kept
    checks.algorithm(given)
    equal = repr(kept) == repr(given)
    if not isinstance(kept, Unknown):
        leaves = jax.tree.leaves(kept), jax.tree.leaves(given)
        equal = jax.tree.structure(kept) == jax.tree.structure(given)
        equal = equal and (checks.is_traced(*leaves) or all(map(np.array_equal, *leaves)))
    if not equal:
        raise ValueError(f"resume: expected the algorithm of the fit, {kept!r}, got {given!r}; leave it out, or init=")
    return given


def _check_rule(kept: Rule, options: dict) -> None:
    for name, value in options.items():
        before = getattr(kept, name)
        if value != before:
            raise ValueError(
                f"{name}: expected that of the fit to resume, {before!r}, got {value!r}; leave it out, or start anew "
                "from its factors, init="
            )


def _of_length(a, length: int):
    """An array (…, length) that begins like a, and goes on with zeros."""
    missing = max(0, length - a.shape[-1])
    return jnp.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, missing)])[..., :length]
