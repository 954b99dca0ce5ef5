"""What a `Fit` keeps so that it can be gone on with, and how it is taken up again."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnmf import checks, door, units
from jnmf.matrix import product, square, weight
from jnmf.numerics import in_dtype
from jnmf.results import Fit, Status, Unknown, saved
from jnmf.stopping import Progress, Rule, begin, room_for
from jnmf.units import Unit


@saved
class FitState(NamedTuple):
    """Where a fit is, on X in its unit, and all that it was told, so that nothing has to be said again."""

    progress: Progress  # the state of the algorithm in it is a tuple of its leaves
    algorithm: Any
    tol: Any
    max_iters: int
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
        leaves = tuple(jax.tree.leaves(p.state))
        given = self.algorithm, self.tol, self.max_iters, self.rule, self.unit, self.fingerprint
        return FitState(p._replace(state=leaves), *given)


@jax.jit
def fingerprint(X):
    """(3,): ‖X‖², Σ M and uᵀ X v with u and v all different: another X, also one in another order, has another."""
    u, v = (_all_different(length, X.dtype) for length in X.shape)
    mixed = product(X, u[:, None], jnp.zeros((1, X.shape[1]), X.dtype))[0] @ v
    return jnp.stack([square(X), jnp.asarray(weight(X), X.dtype), mixed])


def _all_different(length: int, dtype):
    """(length,): numbers from ½ to 1½, as a golden section spreads them."""
    return 0.5 + jnp.arange(length, dtype=jnp.uint32) * jnp.uint32(2654435769) * jnp.asarray(2.0**-32, dtype)


def running(X, unit, algorithm, tol, max_iters: int, rule: Rule) -> Running:
    in_its_dtype, in_dtype_of_X = in_dtype(X.dtype, algorithm, tol)
    return Running(X, algorithm, units.algorithm(unit, in_its_dtype), in_dtype_of_X, max_iters, rule, unit)


def resumed(entered: door.Entered, fit, rank, algorithm, tol, max_iters, options: dict) -> tuple[Running, Progress]:
    """A fit as it was left, on the same X, to be gone on with under a new `max_iters` and `tol`."""
    kept = _state_of(fit)
    _check_data(entered, fit)
    if rank is not None and rank != fit.W.shape[1]:
        raise ValueError(f"rank: expected that of the fit to resume, {fit.W.shape[1]}, got {rank}; leave it out")
    algorithm = _same_algorithm(kept.algorithm, algorithm)
    _check_rule(kept.rule, options)
    p = jax.tree.map(jnp.array, kept.progress)  # memory of its own: the programs write over it
    if tol is None:
        tol = kept.tol
    elif not checks.is_traced(tol, kept.tol, p.status) and p.status == Status.CONVERGED and tol < kept.tol:
        p = p._replace(status=jnp.array(Status.MAX_ITERS))

    X = units.matrix(kept.unit, entered.X)
    max_iters = kept.max_iters if max_iters is None else max_iters
    found = running(X, kept.unit, algorithm, tol, max_iters, kept.rule)._replace(fingerprint=fingerprint(X))
    if not checks.is_traced(kept.fingerprint, found.fingerprint):
        other = differing(kept.fingerprint, found.fingerprint, X.shape[0] * X.shape[1])
        if other:
            raise ValueError(
                f"resume: expected the X and mask of the fit, got others ({other}); init= starts on them anew"
            )
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


def differing(before, now, size: int) -> str | None:
    """What tells two fingerprints apart, beyond the order of summation on another machine; None if nothing does."""
    before, now, eps = np.asarray(before), np.asarray(now), np.finfo(np.asarray(now).dtype).eps
    rounding = 0, 0, eps * np.sqrt(now[0] * size)  # of the third, whose terms may cancel
    for name, a, b, noise in zip(
        ("‖X‖²", "the sum of weights", "the order of entries"), before, now, rounding, strict=True
    ):
        if not abs(a - b) <= np.sqrt(eps) * abs(a) + noise:
            return f"{name} differs, {b:.9g} for {a:.9g}"
    return None


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
