"""The unit in which a fit is computed, where powers of X would leave the range of its dtype.

With X = 2ᵉ X̂, e even, W = 2ᵃ Ŵ and H = 2ᵇ Ĥ, a + b = e, the factors Ŵ, Ĥ of X̂ are found as those of any other matrix:
an algorithm that `scales` does the same whatever the unit, and with powers of two it does it to the bit. X̂ is
`matrix.scaled`, no copy. Penalties have units, and are converted. A loss of degree p and its sums are 2^(e p) times
those of X̂, the norm of the projected gradient 2^(e p − e/2) times at a = b. That of factors with a ≠ b is told at
a = b, too; and since it knows the balance of W and H, `stop="kkt"` may end an iteration earlier or later there.
Weights 2^w M̂ have the unit 2^w: the loss is 2^w times as large, and penalties, of a loss with M̂, 2^−w times.
"""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jnmf import checks
from jnmf.factors import Factors
from jnmf.matrix import extremes, is_completed, most_weight
from jnmf.matrix.scaled import in_unit
from jnmf.results import Fit, Trace, saved
from jnmf.terms import together

if TYPE_CHECKING:
    from jnmf.door import Entered


@saved
class Unit(NamedTuple):
    """The exponents a and b, of X it is 2^(a + b); and that of the weights. Python integers, or traced ones."""

    W: Any
    H: Any
    M: Any = 0

    @property
    def X(self):
        return self.W + self.H

    def of_loss(self, degree):
        """The exponent of a loss Σ m d(x, z) of that degree, and of its sums."""
        return self.X * degree + self.M


def choose(entered: "Entered", algorithm) -> Unit | None:
    """The unit for X and an algorithm that scales; None where X is computed with as it is.

    With the square root of X in W and H, the norm of a gradient of a loss of degree p squares X^(p − ½), of sums over
    both sides: the unit is taken where the largest entry is outside 1/(2 |p| + 2) of the range of exponents, and p
    counts as at least 2. Of a traced X the entries are not known: it always has a unit, 2⁰ inside of that.
    """
    terms = [*together.listed(algorithm.on_W), *together.listed(algorithm.on_H)]
    if not algorithm.scales or algorithm.loss.degree is None or any(term.degree is None for term in terms):
        return None
    enough = jnp.finfo(entered.X.dtype).maxexp // (2 * max(2, math.ceil(abs(algorithm.loss.degree))) + 2)
    M = _of_weights(entered.X, enough)
    if entered.least is None or entered.most is None:
        size = jnp.max(jnp.abs(extremes(lax.stop_gradient(entered.X))))
        half = (jnp.frexp(size)[1] - 1) // 2
        half = jnp.where(jnp.abs(half) > enough // 2, half, 0)
        return Unit(half, half, M)
    size = max(abs(entered.least), abs(entered.most))
    half = int(np.frexp(size)[1] - 1) // 2
    half = half if size and abs(half) > enough // 2 else 0
    return None if half == 0 and not checks.is_traced(M) and M == 0 else Unit(half, half, M)


@jax.jit  # the blocks of an eager call would be a program each time
def _exponent_of_weights(X):
    return jnp.frexp(most_weight(X))[1] - 1


def _of_weights(X, enough: int):
    """The exponent of the largest weight where it is as far from 1 as an X that has a unit, else 0."""
    if not is_completed(X):
        return 0
    exponent = lambda: _exponent_of_weights(lax.stop_gradient(X))
    if checks.is_traced(X):
        M = exponent()
        return jnp.where(jnp.abs(M) > enough, M, 0)
    M = checks.on_host(exponent)
    return M if abs(M) > enough else 0


def matrix(unit: Unit | None, X):
    """X̂, with the weights in their unit."""
    if unit is None:
        return X
    power = lambda exponent: jnp.ldexp(jnp.ones((), X.dtype), exponent)
    of_weights = (power(-unit.M),) if is_completed(X) else ()
    return in_unit(X, power(-(unit.X // 2)), *of_weights)


def start(unit: Unit | None, factors: Factors) -> tuple[Unit | None, Factors]:
    """Ŵ and Ĥ of given factors, and a unit of the same X in which they are equally large."""
    if unit is None:
        return None, factors
    w, h = (jnp.frexp(jnp.max(jnp.abs(A)))[1] for A in lax.stop_gradient(factors))
    a = w + (unit.X - w - h) // 2
    told = (unit.X != 0) & jnp.any(factors.W != 0) & jnp.any(factors.H != 0)  # 2⁰: X as it is, and so the factors
    a = jnp.where(told, a, unit.W)
    unit = Unit(a, unit.X - a, unit.M)
    if not checks.is_traced(unit):
        unit = Unit(*map(int, unit))
    return unit, Factors(jnp.ldexp(factors.W, -unit.W), jnp.ldexp(factors.H, -unit.H))


def algorithm(unit: Unit | None, given):
    """The algorithm with its penalties for Ŵ and Ĥ: l1 ΣW = 2^(e p) (l1 2^(a − e p)) ΣŴ, and l2 with 2a.

    A penalty that leaves the range wins, or is nothing beside the loss: it ends at the square root of the largest
    number, or at 0. A step size η of H, which multiplies WᵀW, becomes 2^(2a) η, that of W 2^(2b) η.
    """
    if unit is None:
        return given
    if hasattr(given, "algorithm"):  # a combinator
        return replace(given, algorithm=algorithm(unit, given.algorithm))
    exponents = {"l1_W": unit.W, "l1_H": unit.H, "l2_W": 2 * unit.W, "l2_H": 2 * unit.H}
    converted: dict[str, Any] = {name: _penalty(given, name, power, unit) for name, power in exponents.items()}
    if given.steps is not None:
        of_H, of_W = given.steps
        powers = 2 * unit.W + unit.M, 2 * unit.H + unit.M
        converted["step_size"] = tuple(
            jnp.ldexp(jnp.asarray(of), p) for of, p in zip((of_H, of_W), powers, strict=True)
        )
    for name, of_factor in (("on_W", unit.W), ("on_H", unit.H)):
        if together.listed(getattr(given, name)):
            converted[name] = tuple(
                _term(term, of_factor, unit.of_loss(given.loss.degree))
                for term in together.listed(getattr(given, name))
            )
    return replace(given, **converted)


def _penalty(given, name, power, unit):
    return _weight(getattr(given, name), power - unit.of_loss(given.loss.degree))


def _weight(weight, exponent):
    weight = jnp.asarray(weight)
    converted = jnp.ldexp(weight, jnp.asarray(jnp.floor(exponent), int))
    return jnp.minimum(converted, jnp.sqrt(jnp.finfo(weight.dtype).max))


def _term(term, of_factor, of_loss):
    """The term of Ĥ, for H = 2^of_factor Ĥ: its lengths in that unit, its weight in that of the loss."""
    in_unit: dict[str, Any] = {
        name: jnp.ldexp(jnp.asarray(getattr(term, name)), -power * of_factor) for name, power in term.lengths.items()
    }
    if hasattr(term, "weight"):
        in_unit["weight"] = _weight(term.weight, term.degree * of_factor - of_loss)
    return replace(term, **in_unit)


def factors(unit: Unit | None, found: Factors) -> Factors:
    """W and H from Ŵ and Ĥ."""
    return found if unit is None else Factors(jnp.ldexp(found.W, unit.W), jnp.ldexp(found.H, unit.H))


def trace(unit: Unit | None, found: Trace, degree) -> Trace:
    if unit is None:
        return found
    loss = times(found.loss, unit.of_loss(degree))
    kkt = None if found.kkt is None else times(found.kkt, unit.of_loss(degree) - unit.X // 2)
    return Trace(loss, found.delta, kkt)


def info(unit: Unit | None, found, degree):
    """What an iteration on X̂ says of itself, for X."""
    if unit is None:
        return found
    power = unit.of_loss(degree)
    start_loss = None if found.start_loss is None else times(found.start_loss, power)
    start_kkt = None if found.start_kkt is None else times(found.start_kkt, power - unit.X // 2)
    return found._replace(
        loss=times(found.loss, power),
        kkt=times(found.kkt, power - unit.X // 2),
        rounding=times(found.rounding, power),
        start_loss=start_loss,
        start_kkt=start_kkt,
    )


def fit(unit: Unit | None, found: Fit, degree) -> Fit:
    """A fit to X from one to X̂."""
    if unit is None:
        return found
    W, H = factors(unit, found.factors)
    return found._replace(
        W=W, H=H, loss=times(found.loss, unit.of_loss(degree)), trace=trace(unit, found.trace, degree)
    )


def times(x, exponent):
    """x · 2^exponent: traced in the dtype of x, else in float64, whose range is wider than that of float32."""
    if checks.is_traced(x, exponent):
        x, whole = jnp.asarray(x), jnp.floor(exponent)
        rest = jnp.exp2(jnp.asarray(exponent - whole, x.dtype))
        return jnp.ldexp(x * rest, whole.astype(int))
    with np.errstate(over="ignore", under="ignore"):
        whole = int(np.floor(exponent))
        return np.ldexp(np.asarray(x, np.float64) * 2.0 ** (exponent - whole), whole)
