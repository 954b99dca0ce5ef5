"""`check_loss`: what a loss promises, entry by entry and of its multiplicative step."""

from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnmf import multiplicative
from jnmf.losses.loss import Loss
from jnmf.numerics import in_dtype
from jnmf.testing import pytrees
from jnmf.testing.promises import far_apart, hold, lists, raised, written
from jnmf.types import DType

STARTS = 30_000  # of which a wrong exponent raises a few


class Pairs(NamedTuple):
    """x and z, two arrays of one shape."""

    x: Any
    z: Any


class Case:
    """A loss in a dtype, and what it says of pairs (x, z)."""

    def __init__(self, loss, dtype):
        self.dtype, self.eps = np.dtype(dtype), float(jnp.finfo(dtype).eps)
        self.slack, (self.loss,) = 300 * self.eps, in_dtype(dtype, loss)
        draw = np.random.default_rng(0)
        z = np.exp(draw.uniform(-3, 3, 200))
        ratio = 10 ** draw.uniform(-6, 1, 200)  # |x − z| / z
        x = z * np.where(np.arange(200) % 2, 1 + ratio, 1 / (1 + ratio))
        self.near = Pairs(*(A.astype(dtype) for A in (x, z)))
        decades = 10.0 ** np.arange(-30, 31, 3)
        x, z = (A.ravel() for A in np.meshgrid(decades, decades))
        far = np.maximum(x, z) / np.minimum(x, z) > 1e36  # the quotient itself would leave the range of float32
        self.wide = Pairs(*(A[~far].astype(dtype) for A in (x, z)))

    def of(self, name, pairs, dtype=None):
        """What the function of this name gives for the pairs."""
        loss, pairs = in_dtype(dtype or self.dtype, self.loss, Pairs(*pairs))
        return np.asarray(_call(loss, pairs, name))

    def size(self, pairs, dtype=None):
        """z ∂d/∂z taken with both parts positive, and d: what the rounding of d and of its terms is measured by."""
        d, positive, negative = (self.of(name, pairs, dtype) for name in ("divergence", "positive", "negative"))
        with np.errstate(over="ignore", invalid="ignore"):
            return abs(d) + pairs.z * (abs(positive) + abs(negative))

    @cached_property
    def zeros(self) -> Pairs:
        """The edges of the domain: (0, 0), (0, z), (x, 0)."""
        return Pairs(*np.array([[0, 0, 0, 0.5, 3], [0, 0.5, 3, 0, 0]], self.dtype))


@jax.jit
def _derivatives(loss, pairs):
    slope = jax.vmap(jax.grad(loss.divergence, 1))(*pairs)
    return slope, jax.vmap(jax.grad(jax.grad(loss.divergence, 1), 1))(*pairs)


_call = jax.jit(lambda loss, pairs, name: getattr(loss, name)(*pairs), static_argnums=2)


def at_worst(pairs, bad, **values) -> str | None:
    """The simplest of the pairs where `bad` is true, with the values there."""
    if not np.any(bad):
        return None
    at = np.flatnonzero(bad)[0]
    told = ", ".join(f"{name} = {A[at]:.9g}" for name, A in values.items())
    return f"{told} at x = {pairs.x[at]:.9g}, z = {pairs.z[at]:.9g}"


def is_traced(case):
    """`divergence`, `negative`, `positive` and `derivative` run under `jit`, entry by entry, in the dtype of x and z.

    Write them in jax.numpy, with jnp.where in place of `if`, and keep numbers Python's or of that dtype.
    """
    for name in ("divergence", "negative", "positive", "derivative"):
        try:
            found = case.of(name, case.near)
        except Exception as error:  # whatever the loss raises
            return f"{name}: {raised(error)}"
        if (found.shape, found.dtype) != (case.near.x.shape, case.dtype):
            return f"{name} gives {found.dtype} {found.shape} for {case.dtype} {case.near.x.shape}"
    return None


def values_are_in_its_domain(case):
    """`check` accepts it, as `fit` asks.

    Raise there only for parameters outside their domain.
    """
    try:
        case.loss.check()
    except ValueError as error:
        return str(error)
    return None


def it_is_nonnegative(case):
    """d ≥ 0, and never NaN, from 1e-30 to 1e30 and at 0.

    Near x = z take the series of d, far from it order the terms so that none leaves the range of the dtype.
    """
    for pairs in (case.near, case.wide, case.zeros):
        d = case.of("divergence", pairs)
        told = at_worst(pairs, ~(d >= -case.slack * np.nan_to_num(case.size(pairs))), d=d)
        if told:
            return told
    return None


def it_vanishes_where_x_is_z(case):
    """d(x, x) = 0, to rounding, also at 0.

    Take off the value at z = x.
    """
    z = np.concatenate([[0], case.near.z]).astype(case.dtype)
    pairs = Pairs(z, z)
    d = case.of("divergence", pairs)
    return at_worst(pairs, ~(np.abs(d) <= case.slack * case.size(pairs)), d=d)


def derivative_is_autodiffs(case):
    """`derivative` is what automatic differentiation makes of `divergence`.

    Derive ∂d/∂z again.
    """
    found, wanted = case.of("derivative", case.near), np.asarray(_derivatives(case.loss, case.near)[0])
    atol = case.slack * case.size(case.near) / case.near.z
    return at_worst(case.near, ~(np.abs(found - wanted) <= atol), derivative=found, automatic=wanted)


def parts_are_nonnegative(case):
    """`positive` and `negative` are at least 0, from 1e-30 to 1e30 and at 0; these and `derivative` are never NaN.

    Split ∂d/∂z so that each part has one sign; jnmf.numerics.divide counts a quotient by 0 as 0.
    """
    for pairs in (case.near, case.wide, case.zeros):
        for name, least in (("negative", 0), ("positive", 0), ("derivative", -np.inf)):
            part = case.of(name, pairs)
            told = at_worst(pairs, ~(part >= least), **{name: part})
            if told:
                return told
    return None


def parts_make_the_derivative(case):
    """positive − negative is `derivative`.

    Split ∂d/∂z itself.
    """
    positive, negative, found = (case.of(name, case.near) for name in ("positive", "negative", "derivative"))
    apart = ~(np.abs(positive - negative - found) <= case.slack * (positive + negative))
    return at_worst(case.near, apart, difference=positive - negative, derivative=found)


def second_derivative_is_autodiffs(case):
    """`second_derivative`, where there is one, is what automatic differentiation makes of `divergence`.

    Derive ∂²d/∂z² again, or leave it out: only `transform` needs it.
    """
    if type(case.loss).second_derivative is Loss.second_derivative:
        return None
    found, wanted = case.of("second_derivative", case.near), np.asarray(_derivatives(case.loss, case.near)[1])
    atol = case.slack * (case.size(case.near) / case.near.z**2 + np.abs(wanted))
    return at_worst(case.near, ~(np.abs(found - wanted) <= atol), second_derivative=found, automatic=wanted)


def it_is_convex(case):
    """A loss that declares `convex` is it in z: ∂²d/∂z² ≥ 0.

    Do not declare it.
    """
    second = np.asarray(_derivatives(case.loss, case.near)[1])
    bent = ~(second >= -case.slack * case.size(case.near) / case.near.z**2)
    return at_worst(case.near, bent, second_derivative=second) if case.loss.convex else None


def it_is_quadratic(case):
    """A loss that declares `quadratic` is ½ (x − z)², for x of any sign.

    Do not declare it: the Frobenius methods look at normal equations in its place.
    """
    pairs = Pairs(case.near.x - 1, case.near.z)
    d, wanted = case.of("divergence", pairs), 0.5 * (pairs.x - pairs.z) ** 2
    apart = ~(np.abs(d - wanted) <= case.slack * (d + pairs.x**2 + pairs.z**2))
    return at_worst(pairs, apart, d=d) if case.loss.quadratic else None


def it_is_finite_at_the_edges(case):
    """d(x, 0) is finite where it declares `finite_at_zero`, d(0, z) unless it declares finite_for_zeros = False.

    Declare what is so.
    """
    d, (x, z) = case.of("divergence", case.zeros), case.zeros
    declared = np.where(x > 0, case.loss.finite_at_zero, np.where(z > 0, case.loss.finite_for_zeros, True))
    return at_worst(case.zeros, declared & ~np.isfinite(d), d=d)


def it_has_its_degree(case):
    """d(c x, c z) = c^degree d(x, z) where it declares a `degree`.

    Do not declare it: where there is a unit, as a count, there is none.
    """
    degree = case.loss.degree
    if degree is None:
        return None
    for c in (0.25, 8.0):
        scaled = Pairs(*(c * A for A in case.near))
        d, wanted = case.of("divergence", scaled), c**degree * case.of("divergence", case.near)
        told = at_worst(scaled, ~(np.abs(d - wanted) <= case.slack * case.size(scaled)), d=d, wanted=wanted)
        if told:
            return told
    return None


def _matrices(case):
    draw = np.random.default_rng(1).uniform
    return [draw(0.1, 3, shape).astype(case.dtype) for shape in ((5, 4), (5, 2), (2, 4))]


def zeros_are_counted_from_the_factors(case):
    """`of_zeros(W, H)` is Σ d(0, z) over all entries of Z = W H, or None.

    Return None.
    """
    _, W, H = _matrices(case)
    found = case.loss.of_zeros(W, H)
    if found is None:
        return None
    Z = (W @ H).ravel()
    wanted = np.sum(case.of("divergence", Pairs(0 * Z, Z)))
    return far_apart(found, wanted, case.slack)


def quick_is_the_value(case):
    """`quick` is d to rounding of the size of x and z, and inf where d is.

    Return self.divergence(x, z).
    """
    for pairs in (case.near, case.zeros):
        d, quick, size = case.of("divergence", pairs), case.of("quick", pairs), case.size(pairs)
        with np.errstate(invalid="ignore"):
            same = (d == quick) | (np.isfinite(d) & (np.abs(d - quick) <= case.slack * size))
        told = at_worst(pairs, ~same, quick=quick, d=d)
        if told:
            return told
    return None


def parts_have_a_unit(case):
    """`parts` gives negative and positive in a unit of each column (axis 0) or row (axis 1), None for ones.

    Return self.negative(x, z), self.positive(x, z), None.
    """
    X, W, H = _matrices(case)
    Z = W @ H
    for axis in (0, 1):
        negative, positive, unit = _parts(case.loss, X, Z, axis)
        unit = np.ones((), case.dtype) if unit is None else np.asarray(unit)
        if unit.ndim and unit.shape != tuple(1 if i == axis else length for i, length in enumerate(X.shape)):
            return f"a unit of shape {unit.shape} for axis {axis} of {X.shape}"
        for name, part in (("negative", negative), ("positive", np.ones_like(X) if positive is None else positive)):
            wanted = case.of(name, Pairs(X, Z))
            apart = far_apart(np.asarray(part) * unit, wanted, 1e3 * case.eps)
            if apart:
                return f"{name} times the unit of axis {axis} has {apart}"
    return None


_parts = jax.jit(lambda loss, x, z, axis: loss.parts(x, z, axis), static_argnums=3)


def single_precision_has_the_range_of_double(case):
    """In float32 d is what it is in float64, to rounding of the size of x and z, where that is in range.

    Order the terms so that none leaves the range of the dtype: a quotient of x and z first, its logarithm apart.
    """
    if case.dtype != np.float32 or not jax.config.values["jax_enable_x64"]:
        return None
    d, double, size = case.of("divergence", case.wide), *_in_double(case)
    inside = (size < 1e37) & (double > 1e-37)
    with np.errstate(invalid="ignore"):
        apart = inside & ~(np.abs(d - double) <= 1e3 * case.eps * size)
    return at_worst(case.wide, apart, d=d, wanted=double)


def _in_double(case):
    return case.of("divergence", case.wide, "float64"), case.size(
        Pairs(*(A.astype(float) for A in case.wide)), "float64"
    )


@jax.jit
def _half_steps(loss, X, W, H, l1, l2):
    """The objective before and after a multiplicative half-step in H, and the size of its terms, of each member."""

    def of_one(X, W, H, l1, l2):
        def objective(H):
            return jnp.sum(loss.divergence(X, W @ H)) + l1 * jnp.sum(H) + 0.5 * l2 * jnp.sum(H * H)

        Z = W @ H
        size = jnp.sum(Z * (loss.positive(X, Z) + loss.negative(X, Z)))
        return objective(H), objective(multiplicative.half_step(X, W, H, loss, l1, l2)), size

    return jax.vmap(of_one)(X, W, H, l1, l2)


def multiplicative_step_descends(case):
    """Its multiplicative half-step never raises the objective: from starts over decades, with l1 and l2 penalties.

    Find the split and the exponent γ for which the step minimises a majoriser: `exponent(ridge)`.
    """
    draw = np.random.default_rng(0)
    spread = draw.integers(1, 5, STARTS)[:, None, None]
    spread = spread if case.dtype == np.float64 else 0.5 * spread
    X, W, H = (np.exp(spread * draw.standard_normal((STARTS, *shape))) for shape in ((4, 1), (4, 2), (2, 1)))
    if case.loss.finite_for_zeros:
        X = np.where(draw.random(X.shape) < 0.1, 0, X)
    weights = np.exp(2 * draw.standard_normal((2, STARTS)))
    for l1, l2 in ((0, 0), (1, 0), (0, 1)):
        arrays = [A.astype(case.dtype) for A in (X, W, H, l1 * weights[0], l2 * weights[1])]
        before, after, size = map(np.asarray, _half_steps(case.loss, *arrays))
        with np.errstate(over="ignore", invalid="ignore"):
            rise = np.where(np.isfinite(before + size), (after - before) / (before + size), 0)
        if not np.all(rise <= 10 * case.slack):
            at = np.argmax(np.nan_to_num(rise, nan=np.inf))
            told = written(**dict(zip(("X", "W", "H"), (A[at] for A in arrays), strict=False)))
            return f"{after[at]:.9g} after {before[at]:.9g} for {told}, l1 = {arrays[3][at]:g}, l2 = {arrays[4][at]:g}"
    return None


OF_THE_TREE = (pytrees.structure_is_comparable,)  # the others hold for every subclass of Loss
OF_THE_LOSS = (
    is_traced,
    values_are_in_its_domain,
    it_is_nonnegative,
    it_vanishes_where_x_is_z,
    derivative_is_autodiffs,
    parts_are_nonnegative,
    parts_make_the_derivative,
    second_derivative_is_autodiffs,
    it_is_convex,
    it_is_quadratic,
    it_is_finite_at_the_edges,
    it_has_its_degree,
    zeros_are_counted_from_the_factors,
    quick_is_the_value,
    parts_have_a_unit,
    single_precision_has_the_range_of_double,
    multiplicative_step_descends,
)


PROMISES = OF_THE_TREE + OF_THE_LOSS


@lists(PROMISES)
def check_loss(loss: Loss, *, dtype: DType | None = None) -> None:
    """Raises AssertionError for the first promise that the loss breaks, with the x and z that break it.

    loss: an instance of a subclass of jnmf.losses.Loss. What it does not declare is not asked.
    dtype: that of x and z, by default the default float; try both.

    The promises:
    """
    if not isinstance(loss, Loss):
        raise TypeError(f"check_loss: expected an instance of a subclass of jnmf.losses.Loss, got {loss!r}")
    dtype = jnp.result_type(float) if dtype is None else jnp.dtype(dtype)
    hold(OF_THE_TREE, loss, loss)
    hold(OF_THE_LOSS, loss, Case(loss, dtype))
