"""Who takes part: jnmf as its users call it, its bare steps, the peers; each ready at the same start."""

import time
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from scipy.sparse import issparse

import jnmf
from experiments.race import clock, peers
from experiments.race.warm import WARM, WARM_KL
from jnmf.loops import last_factors

ALGORITHMS = {  # `jnmf.fit` with this algorithm
    "HALS()": jnmf.HALS(),
    "HALS(inner=3)": jnmf.HALS(inner=3),
    "Extrapolated(HALS(inner=8))": jnmf.Extrapolated(jnmf.HALS(inner=8)),
    "Extrapolated(Accelerated(HALS()))": jnmf.Extrapolated(jnmf.Accelerated(jnmf.HALS())),
    "ANLS()": jnmf.ANLS(),
    'ANLS(solver="projected_gradient")': jnmf.ANLS(solver="projected_gradient"),
    "MU(beta=1.0)": jnmf.MU(beta=1.0),
    "Momentum(MU(beta=1.0))": jnmf.Momentum(jnmf.MU(beta=1.0)),
}
FIT, FIT_NUMPY = "jnmf.fit", "jnmf.fit, NumPy X"  # the default algorithm
STEPS, PRODUCTS = "jnmf HALS(), steps alone", "JAX products"  # no calls of a user: bare compiled loops
OTHERS = (FIT, FIT_NUMPY, STEPS, PRODUCTS, *WARM, *WARM_KL)  # of jnmf, beside its algorithms


class Ready(NamedTuple):
    """call(num_iters) -> factors, from the start, finished when it returns; what was compiled before is not in it."""

    call: Callable[[int], Any]
    compile_seconds: float | None = None
    program_per_count: bool = False  # whether each new number of iterations compiles


def is_jnmf(name: str) -> bool:
    return name in ALGORITHMS or name.startswith("jnmf")


def needs_array(name: str) -> bool:
    """Whether a sparse X is made an array for this contender."""
    return name in peers.PEERS and not peers.PEERS[name].takes_sparse


def ready(name: str, X, W, H) -> Ready:
    """A contender with X, as its user has it, and the start at hand, compiled if it is jnmf's."""
    if name in peers.PEERS:
        return Ready(lambda num_iters: peers.run(name, X, W, H, num_iters))
    start = jnmf.Factors(jnp.asarray(W), jnp.asarray(H))
    if name not in (STEPS, PRODUCTS):
        return _fit(name, X, start)
    inputs = [jnmf.sparse(X) if issparse(X) else jnp.asarray(X), start, jnp.asarray(1)]
    begin = time.perf_counter()
    compiled = (_steps if name == STEPS else _products).lower(*inputs).compile()
    seconds = time.perf_counter() - begin

    def call(num_iters):
        inputs[2] = jnp.asarray(num_iters)
        return jax.block_until_ready(compiled(*inputs))

    return Ready(call, seconds)


@jax.jit
def _steps(X, factors, num_iters):
    """The factors after `num_iters` steps of HALS. That number is an argument, so that one program serves all."""
    return last_factors(X, factors, jnmf.HALS(), num_iters)


@jax.jit
def _products(X, factors, num_iters):
    """The two products of an iteration and nothing else; each is of the one before, scaled, so that all are needed."""
    scaled = lambda A: A / jnp.max(A)

    def products(_, pair):
        H = scaled(pair[0] @ X)
        return scaled(H @ X.T), H

    Wt, H = lax.fori_loop(0, num_iters, products, (factors.W.T, factors.H))
    return jnmf.Factors(Wt.T, H)


def _fit(name: str, X, start) -> Ready:
    """`jnmf.fit` as a user calls it: all is left at its default but for the start, and when to stop."""
    kl = "Momentum(MU(beta=1.0))" if name in WARM_KL else name
    warm = (WARM | WARM_KL).get(name, lambda start, num_iters: (start, num_iters))

    def call(num_iters):
        init, last = warm(start, num_iters)
        fit = jnmf.fit(X, len(start.H), ALGORITHMS.get(kl), init=init, tol=0, max_iters=last)
        return jax.block_until_ready(fit).factors

    first, second = clock.elapsed(partial(call, 1)), clock.elapsed(partial(call, 1))
    return Ready(call, max(0.0, first - second), program_per_count=True)


def prepare(names: Iterable[str], X, W, H) -> tuple[dict[str, Ready], dict[str, str]]:
    """The contenders that can take part, each run once, and why the others cannot.

    Of a sparse X those that need it have an array.
    """
    found: dict[str, Ready] = {}
    absent: dict[str, str] = {}
    dense = cache(lambda: X.toarray())  # one for all that need it
    for name in names:
        reason = peers.missing(name, X.dtype) if name in peers.PEERS else None
        if reason:
            absent[name] = reason
            continue
        contender = ready(name, dense() if issparse(X) and needs_array(name) else X, W, H)
        try:
            contender.call(1)
        except Exception as error:
            if name not in peers.PEERS:
                raise
            absent[name] = f"fails on this matrix: {type(error).__name__}: {error}"
            continue
        found[name] = contender
    return found, absent


def warm_up(contenders: dict[str, Ready], runs: dict[tuple[str, int], Callable[[], Any]]) -> None:
    """Compile what compiles for each number of iterations."""
    for (name, _), call in runs.items():
        if contenders[name].program_per_count:
            call()
