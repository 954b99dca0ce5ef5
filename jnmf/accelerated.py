"""`Accelerated`: a half-step repeated while it is cheap beside the products with X that it shares."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jax import lax

from jnmf.algorithm import (
    OWN,
    Combinator,
    Frobenius,
    GramState,
    Info,
    advice,
    alternate,
    each_its_share,
    gram_state,
    wrapped,
)
from jnmf.factors import Factors
from jnmf.pytree import positional, static
from jnmf.types import HalfStep, Matrix, Number


class Accelerated(Combinator):
    """Repeat each half-step while it is cheap compared with the products with X that it shares, and still helps.

    algorithm: HALS(), MU(), PGD(): a Frobenius method that descends, and whose half-step does not reach the minimiser.
        Forming G and C of a dense X costs ρ = m (n + r) / (n r) half-steps in H (and n (m + r) / (m r) in W): there are
        at most 1 + effort·ρ of them, for every X of that shape. They end when one moves the factor by at most `tol`
        times what the first did.

    Gillis and Glineur 2012a, algorithm 4, with counts of operations instead of times, so that the result does not
    depend on the clock. r is the number of components whose column of W or row of H is not zero. The objective descends
    as with `algorithm`. It has no reverse-mode derivative.

    Raises ValueError for a method that does not declare that it descends, or declares that it is exact.

    >>> jnmf.fit(X, 2, jnmf.Accelerated(jnmf.HALS())).status.name
    'CONVERGED'
    """

    algorithm: Any = positional(kw_only=False)
    effort: float = static(0.5)
    tol: Number = 0.1

    def __post_init__(self):
        inner = self.algorithm
        wrapped(inner, Accelerated)
        if not isinstance(inner, Frobenius):
            inside = [] if isinstance(inner, Accelerated) else [lambda: Accelerated(inner.algorithm)]
            hint = advice(*(lambda make=make: replace(inner, algorithm=make()) for make in inside))
            raise ValueError(f"Accelerated(…): expected a Frobenius method such as HALS(), got {inner!r}; {hint}")
        if not inner.loss.quadratic:
            hint = f"write Momentum({inner!r})" if inner.nonnegative_gram and inner.loss.convex else "use it as it is"
            raise ValueError(f"Accelerated(…): expected normal equations, as for beta=2, got {inner!r}; {hint}")
        if not inner.descends:
            raise ValueError(
                f"Accelerated(…): expected a method whose half-step never raises the objective, which {inner!r} does "
                f"not declare: repeating it may do harm; use HALS(), MU() or PGD(); {OWN}"
            )
        if inner.exact:
            raise ValueError(f"Accelerated(…): {inner!r} is exact, to repeat it changes nothing; use it as it is")

    descends = property(lambda self: self.algorithm.descends)
    nonnegative_gram = property(lambda self: self.algorithm.nonnegative_gram)
    separable = False  # the repeats end for all rows of W together
    weighted_half_step = property(lambda self: self.algorithm.weighted_half_step)  # which costs what is shared: once

    def init(self, X: Matrix, factors: Factors) -> GramState | Factors:
        return gram_state(X, factors)

    def step(self, X: Matrix, state: Any) -> tuple[Any, Info]:
        return alternate(X, state, self)

    def half_steps(self, X: Matrix) -> tuple[HalfStep, HalfStep]:
        m, n = X.shape
        of_H, of_W = each_its_share(X, self.algorithm)
        return self.algorithm.with_terms(self._repeated(of_H, m, n), self._repeated(of_W, n, m))

    def _repeated(self, once_more, m: int, n: int):
        """The half-step for a factor (r, n) whose G and C are formed from m rows; the pairs of terms stay for all."""

        def half_step(H, G, C, l1, l2, **within):
            # Before the ridge is added: a component that is zero, or is there for the padding alone, does not count.
            alive = (jnp.diag(G) > 0) | jnp.any(H != 0, axis=1)
            r = jnp.maximum(jnp.sum(alive), 1).astype(H.dtype)
            repeats = self.effort * (m / r + m / n)  # in floating point: n r may be beyond the integers

            def once(carry):
                H, k, _, first_move = carry
                new = once_more(H, G, C, l1, l2, **within)
                move = jnp.linalg.norm(new - H)
                return new, k + 1, move, jnp.where(k == 0, move, first_move)

            def helps(carry):
                _, k, move, first_move = carry
                return (k == 0) | ((k <= repeats) & (move > self.tol * first_move))

            none = jnp.zeros((), H.dtype)
            return lax.while_loop(helps, once, (H, 0, none, none))[0]

        return half_step
