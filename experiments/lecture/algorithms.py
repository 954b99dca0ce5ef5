"""The lecture's three algorithms as printed: their updates, the scaling, δ and the loop."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

import jnmf
from jnmf import Factors, losses, nonnegative_least_squares, solvers
from jnmf.numerics import divide
from jnmf.types import Norm


def least_squares(X, W, H):
    """argmin ‖X − WH‖ over H ≥ 0."""
    return nonnegative_least_squares.exact(H, W.T @ W, W.T @ X)


def update_I(X, W, H):
    """(WᵀX) ./ (WᵀXᶜ) .* H with Xᶜ = WH."""
    return solvers.multiplicative(H, W.T @ W, W.T @ X)


def update_II_H(X, W, H):
    """(Σ_i X_iν/Xᶜ_iν W_iμ) H_μν: without a denominator, since the columns of W sum to 1."""
    return (W.T @ divide(X, W @ H)) * H


def update_II_W(X, W, H):
    """(1/Σ_j H_νj)(Σ_j X_μj/Xᶜ_μj H_νj) W_μν."""
    return divide(divide(X, W @ H) @ H.T, jnp.sum(H, axis=1)[None, :]) * W


class Method(NamedTuple):
    name: str
    update_H: Callable[..., Array]  # (X, W, H) -> H
    update_W: Callable[..., Array]  # (X, W, H) -> W
    norm: Norm  # what the columns of W are scaled to, as `jnmf.normalize` calls it
    loss: Callable[..., Array]  # what it lowers
    from_W: bool  # H is found from W alone: there is no H⁰, and no δ before t > 0


def transposed(update):
    return lambda X, W, H: update(X.T, H.T, W.T).T


METHODS = (
    Method("ANLS", least_squares, transposed(least_squares), "max", losses.frobenius, True),
    Method("algorithm I", update_I, transposed(update_I), "max", losses.frobenius, False),
    Method("algorithm II", update_II_H, update_II_W, "l1", losses.kl, False),
)
NAMES = tuple(method.name for method in METHODS)
ANLS, ONE, TWO = range(3)


class Run(NamedTuple):
    """The pair after the last scaling, the H that goes with this W, and the history, NaN after the last iteration."""

    factors: Factors
    compensated_H: Array
    num_iters: Array
    delta: Array  # ∞ where the lecture computes none
    loss: Array  # before each scaling


@partial(jax.jit, static_argnames=("method", "max_iters"))
def alternate(X, start: Factors, method: int, compensate, tol, max_iters: int) -> Run:
    """The lecture's algorithm: H from W, W from this H, the columns of W scaled, while δ > tol and t < max_iters.

    X (m, n), start W (m, k), H (k, n); the columns of W⁰ are scaled first. 0/0 is read as 0. The lecture leaves H as
    it is when W is scaled; with `compensate` its rows are multiplied by what the columns were divided by.
    """
    _, update_H, update_W, norm, loss, from_W = METHODS[method]

    def iterate(run):
        W, H = run.factors
        H = update_H(X, W, H)
        W = update_W(X, W, H)
        scaled = jnmf.normalize(Factors(W, H), norm)
        new = Factors(scaled.W, jnp.where(compensate, scaled.H, H))
        t = run.num_iters
        delta = jnp.where(from_W & (t == 0), jnp.inf, relative_changes(run.factors, new))
        return Run(new, scaled.H, t + 1, run.delta.at[t].set(delta), run.loss.at[t].set(loss(X, *scaled)))

    def unfinished(run):
        last = jnp.where(run.num_iters > 0, run.delta[run.num_iters - 1], jnp.inf)
        return (last > tol) & (run.num_iters < max_iters)

    nan = jnp.full(max_iters, jnp.nan, X.dtype)
    start = Factors(jnmf.normalize(start, norm).W, start.H)
    return lax.while_loop(unfinished, iterate, Run(start, start.H, jnp.array(0), nan, nan))


def relative_changes(old: Factors, new: Factors):
    """The lecture's δ = ‖W⁺ − W‖/‖W‖ + ‖H⁺ − H‖/‖H‖. `jnmf.relative_change` has H compensated."""
    norm = jnp.linalg.norm
    return sum(divide(norm(b - a), norm(a)) for a, b in zip(old, new, strict=True))
