"""`check_algorithm`: what an algorithm promises, by being one and by what it declares.

One program, `observe`, makes some iterations and looks at the last of them; the promises compare what it saw.
"""

import dataclasses
import itertools
import math
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from scipy import optimize

from jnmf import checks, units
from jnmf.algorithm import Algorithm, Combinator, Frobenius, Info
from jnmf.factors import Factors, relative_change
from jnmf.matrix import weighted
from jnmf.matrix.low_rank import LowRank
from jnmf.matrix.masked import Masked, Weighted
from jnmf.numerics import in_dtype
from jnmf.objective import gradient, objective, projected_gradient_norm
from jnmf.testing import pytrees
from jnmf.testing.promises import far_apart, hold, hold_for_all, lists, raised, written
from jnmf.types import DType

M, N, R = 6, 5, 3  # the one shape: another one is another program
PENALTIES = {"l1_W": 0.1, "l1_H": 0.2, "l2_W": 0.3, "l2_H": 0.4}


class Problem(NamedTuple):
    """X (m, n), where to start, the weights of a mask, and how many iterations of which objective are made."""

    X: Any
    W: Any
    H: Any
    M: Any
    penalised: bool = False
    num_iters: int = 1

    def __str__(self):
        arrays = written(**{name: getattr(self, name) for name in "XWHM"})
        return f"{arrays}, penalties: {PENALTIES if self.penalised else 'none'}"


class Observed(NamedTuple):
    """The factors of `init`, those before and after the last iteration, its Info, and what is true of them.

    objective, size (3,): of the factors before, with the new H, and after; and the sizes of the sums, whose rounding is
    that of the objective. kkt, slope (3,): of H alone with the new H, of both after; and the sizes of their sums.
    """

    init: Factors
    old: Factors
    new: Factors
    info: Info
    objective: Array
    size: Array
    kkt_H: Array
    kkt: Array
    slope: Array


@jax.jit
def observe(X, factors: Factors, algorithm, most) -> Observed:
    """At most `most` iterations; fewer when the factors no longer move."""
    start = algorithm.init(X, factors)
    nothing = jax.tree.map(lambda of: jnp.zeros(of.shape, of.dtype), jax.eval_shape(algorithm.step, X, start)[1])

    def goes_on(carry):
        k, old, state, info = carry
        # Not δ = 0, which in float32 also holds where the squares of all entries vanish, on the way to 0.
        still = jnp.all(old.W == state.factors.W) & jnp.all(old.H == state.factors.H)
        settled = jnp.asarray(info.moved, bool) & still
        return (k == 0) | (k < most) & ~settled

    def once(carry):
        k, _, state, _ = carry
        new, info = algorithm.step(X, state)
        return k + 1, Factors(*state.factors), new, info

    old = Factors(*start.factors)
    _, old, state, info = lax.while_loop(goes_on, once, (0, old, start, nothing))
    new = Factors(*state.factors)
    points = jax.tree.map(lambda *A: jnp.stack(A), old, Factors(old.W, new.H), new)
    value, size, kkt_H, kkt, slope = jax.vmap(partial(_truth, X, algorithm))(points)
    return Observed(Factors(*start.factors), old, new, info, value, size, kkt_H, kkt, slope)


def _truth(X, algorithm, factors: Factors):
    gradients = gradient(X, factors, algorithm)
    W, H = map(jnp.abs, factors)
    parts = weighted(X, lambda x, z: abs(algorithm.loss.positive(x, z)) + abs(algorithm.loss.negative(x, z)), W @ H)
    of_W = parts @ H.T + algorithm.l1_W + algorithm.l2_W * W
    of_H = W.T @ parts + algorithm.l1_H + algorithm.l2_H * H
    value = objective(X, factors, algorithm)
    return (
        value,
        value + jnp.vdot(of_W, W) + jnp.vdot(of_H, H),
        projected_gradient_norm(factors, gradients._replace(W=jnp.zeros_like(W)), algorithm),
        projected_gradient_norm(factors, gradients, algorithm),
        jnp.hypot(jnp.linalg.norm(of_W), jnp.linalg.norm(of_H)),
    )


def with_penalties(algorithm, **penalties):
    """The algorithm, or what a combinator wraps, with these penalties."""
    if hasattr(algorithm, "algorithm"):
        return dataclasses.replace(algorithm, algorithm=with_penalties(algorithm.algorithm, **penalties))
    return dataclasses.replace(algorithm, **penalties)


class Case:
    """An algorithm on a problem. What is observed is computed when a promise asks, and once."""

    def __init__(self, algorithm, problem: Problem, dtype):
        self.dtype, self.problem, self.eps = np.dtype(dtype), problem, float(jnp.finfo(dtype).eps)
        self.slack, self.loose = 300 * self.eps, self.eps**0.5
        (self.algorithm,) = in_dtype(dtype, with_penalties(algorithm, **PENALTIES) if problem.penalised else algorithm)
        self.X, *start, self.M = (np.asarray(A, dtype) for A in problem[:4])
        self.start: Any = Factors(*start)  # pyright: ignore[reportArgumentType]

    def run(self, X, factors, most: int = 1, algorithm=None) -> Observed:
        return jax.device_get(observe(X, Factors(*factors), self.algorithm if algorithm is None else algorithm, most))

    @cached_property
    def seen(self) -> Observed:
        return self.run(self.X, self.start, self.problem.num_iters)

    @cached_property
    def alternates(self) -> bool:
        """Whether H and W are updated in turn by one and the same half-step."""
        half_steps = self.algorithm.half_steps(self.X) if isinstance(self.algorithm, Frobenius) else (None, 0)
        return half_steps[0] == half_steps[1]

    def of_kind(self, M, factors: Any, most: int = 1, algorithm=None) -> Observed:
        """X as a weighted matrix of low rank; if the half-steps are alike Xᵀ ≈ HᵀWᵀ, so that this is tried as well.

        Where the method has a half-step for weights it is this one that is tried.
        """
        if self.alternates:
            X, M, factors = self.X.T, M.T, (factors[1].T, factors[0].T)
        else:
            X = self.X
        kind = Weighted if getattr(self.algorithm, "weighted_half_step", None) else Masked
        A = LowRank(jnp.asarray(X), jnp.eye(X.shape[1], dtype=self.dtype))
        return self.run(kind(A, M), factors, most, algorithm)

    @cached_property
    def masked(self) -> Observed:
        return self.of_kind(self.M, self.start, self.problem.num_iters)


# Of the class: nothing is computed.


def is_traced(case):
    """`init` and `step` run under `jit`, and a step returns (state, Info).

    Write them in jax.numpy, with jnp.where, lax.cond and lax.while_loop in place of `if` and `while` on values; no
    float(…), no NumPy.
    """
    try:
        _, (_, info) = _shapes(case)
    except Exception as error:  # whatever the method raises
        return raised(error)
    return None if isinstance(info, Info) else f"{type(info).__name__} in place of Info"


def _shapes(case):
    init, step = (lambda a, *args: a.init(*args)), (lambda a, *args: a.step(*args))
    state = jax.eval_shape(init, case.algorithm, case.X, case.start)
    return state, jax.eval_shape(step, case.algorithm, case.X, state)


def state_keeps_its_form(case):
    """A state has the same structure, shapes and dtypes after a step as before, and loss and kkt are scalars.

    Give every array of the first state the dtype of X; in a step jnp.asarray(…, X.dtype) and weak Python numbers keep
    it.
    """
    state, (new, info) = _shapes(case)
    if jax.tree.structure(state) != jax.tree.structure(new):
        return f"{jax.tree.structure(new)} after {jax.tree.structure(state)}"
    for before, after in zip(*map(jax.tree.leaves, (state, new)), strict=True):
        if (before.shape, before.dtype) != (after.shape, after.dtype):
            return f"{after.dtype} {after.shape} after {before.dtype} {before.shape}"
    scalars = {name: getattr(info, name) for name in ("loss", "kkt", "start_loss", "start_kkt")}
    odd = {name: of for name, of in scalars.items() if of is not None and (of.shape, of.dtype) != ((), case.dtype)}
    return f"of Info {odd}" if odd else None


def state_has_factors(case):
    """A state has `.factors`, W (m, r) and H (r, n) in the dtype of X; those of `init` are the given ones.

    Give the class of the state a property `factors` that returns Factors(W, H); Factors themselves are a state.
    """

    def both(a, X, start):
        state = a.init(X, start)
        return [getattr(of, "factors", None) for of in (state, a.step(X, state)[0])]

    for factors in jax.eval_shape(both, case.algorithm, case.X, case.start):
        if not isinstance(factors, Factors):
            return f"{type(factors).__name__} in place of Factors"
        if [(A.shape, A.dtype) for A in factors] != [(A.shape, A.dtype) for A in case.start]:
            return f"W {factors.W.dtype} {factors.W.shape} and H {factors.H.dtype} {factors.H.shape}"
    for name, found, given in zip("WH", case.seen.init, case.start, strict=True):
        if not np.array_equal(found, given):
            return f"{name} of init is {written(**{name: found})}"
    return None


# Of every problem that is drawn.


def factors_are_finite(case):
    """From finite factors a step leads to finite factors.

    Guard quotients, as with jnmf.numerics.divide: zero rows, zero columns and equal components occur.
    """
    return next((written(**{n: A}) for n, A in zip("WH", case.seen.new, strict=True) if not np.isfinite(A).all()), None)


def factors_are_nonnegative(case):
    """The factors that a step returns are nonnegative.

    End with jnmf.project_nonnegative(H).
    """
    return next((f"{written(**{n: A})}" for n, A in zip("WH", case.seen.new, strict=True) if (A < 0).any()), None)


def loss_is_the_objective(case):
    """The loss of Info is the objective of the factors that the step returns, to `rounding`, penalties included.

    Take it from jnmf.algorithm.residual_info(X, factors, self), or gram_info with the products of these factors.
    """
    return _wrong_loss(case, case.seen)


def _wrong_loss(case, seen):
    atol = 64 * float(seen.info.rounding)
    return far_apart(seen.info.loss, seen.objective[2], case.slack, atol)


def rounding_is_told(case):
    """Where the fit is exact, too, the loss of Info is off by no more than its `rounding` says.

    Give finfo(dtype).eps · ½‖X‖² with a loss from Gram matrices, as gram_info does, which cancels near an exact fit.
    """
    start = Factors(case.start.W / 3, case.start.H)  # no longer numbers whose sums are exact
    X = start.W @ start.H
    if not case.algorithm.loss.finite_for_zeros and not X.all():
        return None
    return _wrong_loss(case, case.run(X, start))


def kkt_is_the_projected_gradient(case):
    """The kkt of Info is the norm of the projected gradient at the factors that the step returns.

    Take it from jnmf.algorithm.residual_info(X, factors, self), or gram_info with the products of these factors.
    """
    return _wrong_kkt(case, case.seen)


def _wrong_kkt(case, seen):
    return far_apart(seen.info.kkt, seen.kkt[2], 0.0, case.slack * seen.slope[2])


def start_is_told_by_what_is_late(case):
    """`Info.start_loss` and `start_kkt`, which a method that `is_late` gives, are of the factors before the step.

    Give the objective and the norm of the projected gradient where the step starts, or let is_late(X) be False.
    """
    info, seen = case.seen.info, case.seen
    if info.start_loss is None or info.start_kkt is None:
        return "None from a method that is late" if case.algorithm.is_late(case.X) else None
    wrong = far_apart(info.start_loss, seen.objective[0], case.slack, case.slack * _finite(seen.size[0]))
    return wrong or far_apart(info.start_kkt, seen.kkt[0], 0.0, case.slack * seen.slope[0])


def what_has_not_moved_is_as_it_was(case):
    """Where `Info.moved` is False the factors are the old ones.

    Return moved=False only from a step that is dropped.
    """
    if np.all(case.seen.info.moved):
        return None
    pairs = zip("WH", case.seen.old, case.seen.new, strict=True)
    return next((written(**{f"old_{n}": A, f"new_{n}": B}) for n, A, B in pairs if not np.array_equal(A, B)), None)


def zero_components_stay_zero(case):
    """A component that is zero in W and in H stays zero, since `sweep` pads with them.

    Multiply by what was there, or guard the component, as jnmf.solvers.least_squares does.
    """
    W, H = (A.copy() for A in case.start)
    W[:, 1], H[1] = 0, 0
    new = case.run(case.X, (W, H), case.problem.num_iters).new
    return written(W_1=new.W[:, 1], H_1=new.H[1]) if new.W[:, 1].any() or new.H[1].any() else None


def zeros_are_kept(case):
    """A method that declares `keeps_zeros` leaves an entry at 0 where it is.

    Do not declare it.
    """
    if not case.algorithm.keeps_zeros:
        return None
    woken = [(A == 0) & (B != 0) for A, B in zip(case.seen.old, case.seen.new, strict=True)]
    return f"{sum(map(np.sum, woken))} entries that were 0 are not" if any(map(np.any, woken)) else None


def objective_does_not_rise(case):
    """A method that declares `descends` never raises the objective: from any start, by none of its half-steps.

    Do not declare it, or correct the step size.
    """
    if not _declares(case, "descends"):
        return None
    risen = _risen(case, case.seen)
    if risen or not case.algorithm.loss.quadratic:
        return risen
    near = np.stack([optimize.nnls(case.start.W, x)[0] for x in case.X.T], axis=1).astype(case.dtype)  # l1, l2 left out
    risen = _risen(case, case.run(case.X, (case.start.W, near)))
    return risen and f"from the least squares solution {written(H=near)} {risen}"


def objective_does_not_rise_from_signed_gram_matrices(case):
    """It descends, too, where entries of G and C are negative, unless it declares `nonnegative_gram`.

    Declare nonnegative_gram: ClassVar[bool] = True, then Extrapolated refuses the method.
    """
    a = case.algorithm
    if not (_declares(case, "descends") and hasattr(a, "half_steps") and a.loss.quadratic and not a.nonnegative_gram):
        return None
    seen = case.run(case.X, (case.start.W - 1, case.start.H))
    return _risen(case, seen, of_W=False)


def _risen(case, seen, of_W=True):
    names = ("the start", "the half-step in H", "the half-step in W")
    ends = (0, 1, 2)[: 2 + of_W] if hasattr(case.algorithm, "half_steps") else (0, 2)
    for i, j in itertools.pairwise(ends):
        if not seen.objective[j] <= seen.objective[i] + case.slack * _finite(seen.size[i]):
            return f"{seen.objective[j]:.17g} after {names[j]}, {seen.objective[i]:.17g} before"
    return None


def _finite(size):
    return size if np.isfinite(size) else 0.0


def _declares(case, name):
    return getattr(case.algorithm, name, False)


def half_steps_are_exact(case):
    """A method that declares `exact` ends its half-step in H at a minimiser, which another one leaves as it is.

    Do not declare it.
    """
    if not _declares(case, "exact"):
        return None
    once = case.run(case.X, case.start)
    if not once.kkt_H[1] <= case.slack * once.slope[1]:
        return f"the projected gradient of H is {once.kkt_H[1]:.3g} after a half-step in it"
    again = case.run(case.X, (case.start.W, once.new.H))
    return far_apart(again.new.H, once.new.H, case.loose, case.loose * np.max(once.new.H))


def info_is_right_under_a_mask(case):
    """All this holds for other kinds of matrices, weights included: there, too, Info is right.

    Look at X only through jnmf.matrix; where is_completed(X), Gram matrices do not give the loss: use residual_info.
    """
    try:
        return _wrong_loss(case, case.masked) or _wrong_kkt(case, case.masked)
    except Exception as error:  # whatever the method raises where X is no array
        return raised(error)


def objective_does_not_rise_under_a_mask(case):
    """And the objective does not rise there, if the method declares `descends`.

    Look at X only through jnmf.matrix, and form the product anew wherever a half-step starts: it depends on W H.
    """
    return _risen(case, case.masked) if _declares(case, "descends") else None


# Of one positive problem, where rounding does not grow.


def without_jit_it_is_the_same(case):
    """Without `jit` it gives the same.

    Keep everything that a step depends on in the state: no random numbers of NumPy, no globals, no clock.
    """
    state = case.algorithm.init(jnp.asarray(case.X), Factors(*map(jnp.asarray, case.start)))
    state, info = case.algorithm.step(jnp.asarray(case.X), state)
    jitted = case.run(case.X, case.start)
    return _differ(case, state.factors, jitted.new) or far_apart(info.loss, jitted.info.loss, case.loose)


def _differ(case, found, wanted):
    for name, A, B in zip("WH", found, wanted, strict=True):
        apart = far_apart(A, B, case.loose, case.loose * np.max(np.abs(B)))
        if apart:
            return f"{name} has {apart}"
    return None


@jax.jit
def _observe_batch(X, factors, algorithm, most):
    return jax.vmap(observe, in_axes=(0, 0, 0, None))(X, factors, algorithm, most).new


def _batch(case):
    """Two members, other problems and other numbers, of rank r − 1; and the same one by one, with a zero component."""
    (other,) = in_dtype(case.dtype, with_penalties(case.algorithm, **PENALTIES))
    members = [(case.X, case.start, case.algorithm), (case.X[::-1] + 1, case.start, other)]
    less = [(X, Factors(f.W[:, :-1], f.H[:-1]), a) for X, f, a in members]
    batch = _observe_batch(*jax.tree.map(lambda *A: jnp.stack(A), *less), 2)
    return less, [Factors(W, H) for W, H in zip(*jax.device_get(batch), strict=True)]


def _padded(case, X, factors, algorithm, at=R - 1):
    """From factors of rank r − 1 with a zero component put in: without it, what it gives for the others."""
    W, H = np.insert(factors.W, at, 0, axis=1), np.insert(factors.H, at, 0, axis=0)
    new = case.run(X, (W, H), 2, algorithm).new
    return Factors(np.delete(new.W, at, axis=1), np.delete(new.H, at, axis=0))


def under_vmap_it_is_a_loop(case):
    """Under `vmap`, over problems and over its own numbers, each member is what it is by itself.

    Write no loop that ends for all members when it ends for one, and no Python `if` on values.
    """
    members, batch = _batch(case)
    for (X, factors, a), found in zip(members, batch, strict=True):
        if _differ(case, found, _padded(case, X, factors, a)):  # this, or a zero component
            apart = _differ(case, found, case.run(X, factors, 2, a).new)
            if apart:
                return apart
    return None


def zero_components_change_nothing(case):
    """A zero component changes nothing for the others, wherever it stands.

    Count the components that are not zero, as Accelerated does, where their number matters.
    """
    X, factors, a = _batch(case)[0][0]
    last = _padded(case, X, factors, a)
    apart = _differ(case, _padded(case, X, factors, a, at=0), last)
    if apart:
        return f"with one in the first place {apart}"
    apart = _differ(case, last, case.run(X, factors, 2, a).new) if _differ(case, last, _batch(case)[1][0]) else None
    return f"with one in the last place {apart}" if apart else None


def rows_and_columns_have_no_order(case):
    """Rows and columns in another order give W and H in that order.

    Sums over rows and columns may not depend on their places. (Components may be taken in turn, as HALS does.)
    """
    rows, columns = np.arange(M)[::-1], np.roll(np.arange(N), 2)
    plain = case.run(case.X, case.start, 3).new
    moved = case.run(case.X[rows][:, columns], (case.start.W[rows], case.start.H[:, columns]), 3).new
    return _differ(case, moved, (plain.W[rows], plain.H[:, columns]))


def half_steps_are_transposes(case):
    """With one half-step for both, the W of a step on X is the H of a step on Xᵀ ≈ HᵀWᵀ from there; X of any kind.

    Use half_step for H and for Wᵀ, or give both in half_steps; look at X only through jnmf.matrix.
    """
    if case.alternates:
        once = case.run(case.X, case.start).new
        a = case.algorithm
        swapped = with_penalties(a, l1_W=a.l1_H, l1_H=a.l1_W, l2_W=a.l2_H, l2_H=a.l2_W)
        twin = case.of_kind(np.ones_like(case.X), Factors(case.start.W, once.H), algorithm=swapped).new
        return far_apart(twin.H, once.W.T, case.loose, case.loose * np.max(once.W))
    ones = case.of_kind(np.ones_like(case.X), case.start, 2).new
    return _differ(case, ones, case.run(case.X, case.start, 2).new)


def units_do_not_matter(case):
    """A method that declares `scales` finds 2ᵃ W and 2ᵇ H for 2ᵃ⁺ᵇ X, with the penalties in their units.

    Give every ε and step size the scale of what it is added to; or do not declare it.
    """
    a = case.algorithm
    if not _declares(case, "scales") or a.loss.degree is None:
        return None
    half = (
        jnp.finfo(case.dtype).maxexp // (2 * max(2, math.ceil(abs(a.loss.degree))) + 2) // 2
    )  # beyond, see jnmf.units
    for up in ((half, half), (-half, -half), (4, -10)):
        unit = units.Unit(*(-power for power in up))
        W, H = (np.ldexp(A, power) for A, power in zip(case.start, up, strict=True))
        exact = float(sum(up) * a.loss.degree).is_integer()  # or penalties in the unit are no powers of two times these
        b = a if exact else with_penalties(a, **dict.fromkeys(PENALTIES, np.zeros((), case.dtype)))
        plain = case.run(case.X, case.start, 3, b).new
        found = case.run(np.ldexp(case.X, sum(up)), (W, H), 3, units.algorithm(unit, b)).new
        apart = _differ(case, [np.ldexp(A, -power) for A, power in zip(found, up, strict=True)], plain)
        if apart:
            return f"with 2^{up[0]} W and 2^{up[1]} H {apart}, back in the unit of X"
    return None


def where_it_rests_kkt_holds(case):
    """Where a method that declares `descends` comes to rest, from a positive start, the KKT conditions hold.

    Let each half-step move every entry whose gradient asks for it. An early stop, or a step in some of the
    components alone, descends and ends at a point that is no minimum.
    """
    if not _declares(case, "descends"):
        return None
    first, early, late = (case.run(case.X, case.start, most) for most in (1, 300, 1000))
    rests = relative_change(early.new, late.new) <= 1000 * case.eps  # not slow, as one step alone may be
    if not rests:
        return None
    # What is halved time and again stays at the least number of the dtype: it is 0.
    small = case.eps * np.sqrt(np.max(np.abs(case.X)))
    kkt = _kkt(case.X, case.algorithm, Factors(*(jnp.where(A > small, A, 0) for A in late.new)))
    if not kkt <= max(1e-3 * first.kkt[0], case.loose * late.slope[2]):
        return f"kkt {kkt:.3g} where nothing moves, {first.kkt[0]:.3g} at the start"
    return None


@jax.jit
def _kkt(X, algorithm, factors: Factors):
    return projected_gradient_norm(factors, gradient(X, factors, algorithm), algorithm)


OF_THE_TREE = (*pytrees.PROMISES, pytrees.new_numbers_are_no_new_programs)
OF_THE_CLASS = (
    is_traced,
    state_keeps_its_form,
    state_has_factors,
)
OF_EVERY_PROBLEM = (
    factors_are_finite,
    factors_are_nonnegative,
    loss_is_the_objective,
    rounding_is_told,
    kkt_is_the_projected_gradient,
    start_is_told_by_what_is_late,
    what_has_not_moved_is_as_it_was,
    zero_components_stay_zero,
    zeros_are_kept,
    objective_does_not_rise,
    objective_does_not_rise_from_signed_gram_matrices,
    half_steps_are_exact,
    info_is_right_under_a_mask,
    objective_does_not_rise_under_a_mask,
)
OF_ONE_PROBLEM = (
    where_it_rests_kkt_holds,
    rows_and_columns_have_no_order,
    half_steps_are_transposes,
    units_do_not_matter,
    zero_components_change_nothing,
    under_vmap_it_is_a_loop,
    without_jit_it_is_the_same,
)


PROMISES = OF_THE_TREE + OF_THE_CLASS + OF_EVERY_PROBLEM + OF_ONE_PROBLEM


@lists(PROMISES)
def check_algorithm(algorithm: Algorithm | Combinator, *, dtype: DType | None = None, num_examples: int = 25) -> None:
    """Raises AssertionError for the first promise that the algorithm breaks, with the input that breaks it.

    algorithm: an instance, as Mine(weight=0.7), or a combinator on one. What it does not declare is not asked.
    dtype: that of X, the factors and the numbers, by default the default float; try both.
    num_examples: how many problems are drawn, by hypothesis, which has to be installed. They have zero and equal
        rows, columns and components, near and far starts, penalties, and signs where X may have them.

    The promises:
    """
    checks.algorithm(algorithm)
    hold(OF_THE_TREE, algorithm, algorithm)
    dtype = jnp.result_type(float) if dtype is None else jnp.dtype(dtype)
    one = positive_problem()
    case = Case(algorithm, one, dtype)

    def holds(problem):
        hold(
            OF_EVERY_PROBLEM,
            algorithm,
            Case(algorithm, problem, dtype),
            given=f"{problem}, iterations: {problem.num_iters}",
        )

    hold(OF_THE_CLASS, algorithm, case)
    hold_for_all(partial(_problems, algorithm), holds, num_examples)
    hold(OF_ONE_PROBLEM, algorithm, case, given=str(one))


def positive_problem() -> Problem:
    """X near rank r, and a start: all positive."""
    draw = np.random.default_rng(0).uniform
    W, H, noise = draw(0.1, 1, (M, R)), draw(0.1, 1, (R, N)), draw(0.1, 1, (M, N))
    return Problem(W @ H + 0.1 * noise, draw(0.1, 1, (M, R)), draw(0.1, 1, (R, N)), np.ones((M, N)), penalised=True)


def _problems(algorithm):
    from hypothesis import strategies as st

    from jnmf.testing.strategies import nonnegative, real

    X = nonnegative((M, N))
    if algorithm.loss.quadratic and not algorithm.nonnegative_data:
        X = st.one_of(X, real((M, N)))
    if not algorithm.loss.finite_for_zeros:
        X = X.map(lambda X: X + 0.125)
    weights = nonnegative((M, N))
    return st.builds(
        Problem, X, nonnegative((M, R)), nonnegative((R, N)), weights, st.booleans(), st.sampled_from((1, 3))
    )
