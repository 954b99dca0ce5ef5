"""The kernel: what a statement is, and how it is checked.

A statement is evidence of one or more kinds, each over drawn inputs:

- `chain`: functions of the same inputs that agree, neighbour by neighbour. The first link is autodiff or brute force,
  the last is the function that the library runs; a failure names the pair that parts.
- `bound`: a majoriser lies above the loss, touches it at the point it was made for, and the update minimises it.
- `holds`: a property, given as deviations that must vanish (iff, descent, existence).

Each carries `controls`: wrong variants that the same check must reject on at least one input. An `exact_chain` is
evaluated in rational arithmetic, where the deviation must be 0.

A deviation is max |a − b| relative to the larger of max |a|, max |b|, so that it has no units; the tolerance is a few
thousand roundings of float64, and no statement may widen it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

TOLERANCE = 1e-11

Inputs = tuple
Deviations = Mapping[str, float]


@dataclass(frozen=True)
class Evidence:
    """`deviations(*inputs)` has one entry a link, each at most the tolerance; each control must exceed it somewhere."""

    kind: str
    inputs: SearchStrategy
    deviations: Callable[..., Deviations]
    controls: Mapping[str, Callable[..., float]]
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class Statement:
    number: int
    title: str
    source: str
    evidence: tuple[Evidence, ...]


@dataclass
class Result:
    """What a check found: the worst deviation of each link, the controls that were rejected, the first failure."""

    draws: int = 0
    worst: dict[str, float] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    failure: str = ""

    @property
    def passed(self) -> bool:
        return not self.failure and not self.accepted


def deviation(a, b) -> float:
    """max |a − b| / max(|a|, |b|): 0 for equal arrays, inf where the shapes differ or only one is finite."""
    a, b = (x.astype(float) if x.dtype == bool else x for x in (np.asarray(a), np.asarray(b)))
    if a.shape != b.shape:
        return float("inf")
    if a.dtype == object or b.dtype == object:  # fractions
        return float(max((abs(x - y) for x, y in zip(a.flat, b.flat, strict=True)), default=0))
    with np.errstate(invalid="ignore"):
        scale = max(float(np.max(np.abs(a), initial=0)), float(np.max(np.abs(b), initial=0)))
        gap = float(np.max(np.abs(a - b), initial=0))
    if not np.isfinite(gap):
        return 0.0 if np.array_equal(a, b) else float("inf")
    return gap / scale if scale else 0.0


def excess(larger, smaller, scale=None) -> float:
    """How far `smaller` lies above `larger`, relative to `scale` (default: the larger size): the deviation of ≤."""
    larger, smaller = np.asarray(larger, float), np.asarray(smaller, float)
    if scale is None:
        scale = max(float(np.max(np.abs(larger), initial=0)), float(np.max(np.abs(smaller), initial=0)))
    gap = float(np.max(smaller - larger, initial=0))
    if np.isnan(gap):
        return float("inf")
    if gap <= 0:
        return 0.0
    return gap / float(scale) if scale else float("inf")


def chain(inputs, links, controls) -> Evidence:
    """Neighbours in `links` agree; a control, put beside the last link, does not. A link is named by its function."""

    def deviations(*args):
        values = [link(*args) for link in links]
        return {
            f"{f.__name__} = {g.__name__}": deviation(a, b)
            for (f, a), (g, b) in pairwise(zip(links, values, strict=True))
        }

    return Evidence(
        "chain", inputs, deviations, {k: lambda *a, f=f: deviation(f(*a), links[-1](*a)) for k, f in controls.items()}
    )


def exact_chain(inputs, links, controls) -> Evidence:
    """`chain` on fractions: the links use only +, −, ·, /, @, .T and sums, and must agree exactly."""
    evidence = chain(inputs.map(lambda args: tuple(fractions(a) for a in args)), links, controls)
    return Evidence("exact chain", evidence.inputs, evidence.deviations, evidence.controls, tolerance=0.0)


def bound(inputs, loss, majoriser, update, controls, perturb=(0.5, 0.9, 1.1, 2.0)) -> Evidence:
    """majoriser(new, old, *data) ≥ loss(new, *data), equal at new = old, and update(old, *data) minimises it in new.

    `inputs` draws (new, old, *data), nonnegative. That the update is the minimiser is tried against every drawn `new`
    and against the update with each entry by itself multiplied by the factors of `perturb`: the majoriser is
    separable, so entry by entry is enough. `controls` are wrong triples {name: (majoriser, update)}.
    """

    def deviations(new, old, *data, majoriser=majoriser, update=update):
        best = np.asarray(update(old, *data))
        at_best, touching = float(majoriser(best, old, *data)), float(loss(old, *data))
        scale = max(abs(touching), abs(float(loss(new, *data))), abs(at_best))
        return {
            "majoriser ≥ loss": excess(majoriser(new, old, *data), loss(new, *data), scale),
            "equal where they touch": deviation(majoriser(old, old, *data), touching),
            "the update minimises it": max(
                excess(float(majoriser(other, old, *data)), at_best, scale)
                for other in (new, *_neighbours(best, perturb))
            ),
        }

    wrong = {
        name: lambda *args, m=m, u=u: max(deviations(*args, majoriser=m, update=u).values())
        for name, (m, u) in controls.items()
    }
    return Evidence("bound", inputs, deviations, wrong)


def _neighbours(A, factors):
    for index in np.ndindex(A.shape):
        for factor in factors:
            B = A.copy()
            B[index] *= factor
            yield B


def holds(inputs, deviations, controls, kind="property") -> Evidence:
    """`deviations(*inputs)` -> {what: how far it is from holding}; `controls` -> {name: wrong deviation function}."""
    return Evidence(kind, inputs, deviations, controls)


def fractions(A) -> Any:
    """An array of exact fractions with the values of A."""
    return np.vectorize(Fraction, otypes=[object])(np.asarray(A, float)) if np.ndim(A) else Fraction(float(A))


def central_difference(f, A):
    """The gradient of the quadratic f at A, exact: (f(A + E) − f(A − E)) / 2 for each unit matrix E."""
    gradient = np.empty(A.shape, dtype=object)
    for index in np.ndindex(A.shape):
        E = fractions(np.zeros(A.shape))
        E[index] = Fraction(1)
        gradient[index] = (f(A + E) - f(A - E)) / 2
    return gradient


class _Broken(AssertionError):
    pass


def check(statement: Statement, draws: int = 20) -> Result:
    """Check all evidence of a statement on `draws` inputs each, the same ones every time."""
    result = Result()
    options = settings(
        max_examples=draws,
        derandomize=True,
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
    for evidence in statement.evidence:
        _check_links(evidence, options, result)
        for name, control in evidence.controls.items():
            found = _rejects(control, evidence, options)
            (result.rejected if found else result.accepted).append(name)
    return result


def _check_links(evidence, options, result):
    @options
    @given(evidence.inputs)
    def every_input(args):
        result.draws += 1
        for name, value in evidence.deviations(*args).items():
            link = f"{name} ({evidence.kind})"
            value = float("inf") if np.isnan(value) else float(value)
            result.worst[link] = max(value, result.worst.get(link, 0.0))
            if value > evidence.tolerance:
                shown = "\n".join(f"  {np.array2string(np.asarray(a), threshold=200)}" for a in args)
                raise _Broken(f"{link}: deviation {value:.3g} > {evidence.tolerance:g} at\n{shown}")

    try:
        every_input()
    except _Broken as broken:
        result.failure = result.failure or str(broken)


class _Rejected(Exception):
    pass


def _rejects(control, evidence, options) -> bool:
    @settings(options, phases=[Phase.generate])
    @given(evidence.inputs)
    def some_input(args):
        value = control(*args)
        if np.isnan(value) or value > evidence.tolerance:
            raise _Rejected

    try:
        some_input()
    except _Rejected:
        return True
    return False
