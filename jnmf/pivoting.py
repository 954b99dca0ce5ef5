"""Block principal pivoting: exact nonnegative least squares in Gram form, batched over right-hand sides.

For one column of min_{h ≥ 0} ½⟨h, G h⟩ − ⟨c, h⟩ and a passive set F, let h_F = G_FF⁻¹ c_F and h = 0 elsewhere. It is
the solution when h ≥ 0 and y = G h − c ≥ 0 (KKT). Block principal pivoting moves all indices that break this to the
other side at once; when that stops helping, the last of them alone (Murty's rule, which cannot cycle).
Kim and Park 2011, section 4; Portugal, Júdice and Vicente 1994.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.scipy.linalg import cho_factor, cho_solve

from jnmf.factors import project_nonnegative

FULL_EXCHANGES = 3  # how often the whole set may be exchanged without progress (Kim and Park 2011, algorithm 1)
BLOCK_NUMBERS = 2**22  # each column needs its own r × r system; a block of columns holds at most this many numbers


def search(start, G, C):
    """The minimiser of ½⟨H, G H⟩ − ⟨C, H⟩ over H ≥ 0; G (r, r) with diagonal 1 (or 0), C (r, n), start (r, n) ≥ 0."""
    return _in_blocks(lambda start, C: _pivot(start > 0, G, C), start, C)


def solve_passive(G, F, C):
    """H (r, n) with G_FF h_F = c_F in each column and h = 0 off that column's passive set F (r, n).

    A ridge of the size of rounding keeps the Cholesky factor of a singular G finite; the refinement step takes it out
    again wherever G determines the solution. G has a diagonal of about 1; the map is linear in C.
    """
    return _in_blocks(lambda F, C: _solve_passive(G, F, C), F, C)


@partial(jax.vmap, in_axes=(None, 1, 1), out_axes=1)
def _solve_passive(G, F, c):
    ridge = 4 * G.shape[0] * jnp.finfo(G.dtype).eps
    G_FF = jnp.where(F[:, None] & F[None, :], G, 0)
    factor = cho_factor(G_FF + jnp.diag(jnp.where(F, ridge, 1).astype(G.dtype)), lower=True)
    c_F = jnp.where(F, c, 0)
    h = cho_solve(factor, c_F)
    return jnp.where(F, h + cho_solve(factor, c_F - G_FF @ h), 0)


def _in_blocks(f, *columns):
    """f on blocks of columns."""
    r, n = columns[0].shape
    block = max(1, BLOCK_NUMBERS // r**2)
    if n <= block:
        return f(*columns)
    return lax.map(lambda one: f(*(c[:, None] for c in one))[:, 0], tuple(c.T for c in columns), batch_size=block).T


class _Search(NamedTuple):
    F: Array  # (r, n) passive set
    H: Array  # (r, n) the solution on it
    infeasible: Array  # (r, n) the indices on the wrong side
    fewest: Array  # (n,) the least number of them so far
    exchanges: Array  # (n,) full exchanges left without progress
    iteration: Array


def _pivot(F, G, C):
    r, n = C.shape
    eps = jnp.finfo(C.dtype).eps

    def solution(F):
        H = _solve_passive(G, F, C)
        slack = 10 * eps * (jnp.max(jnp.abs(C), axis=0) + jnp.sum(jnp.abs(H), axis=0))[None, :]
        return H, jnp.where(F, H < -slack, G @ H - C < -slack)

    def unfinished(s):
        # Murty's rule ends after finitely many steps in exact arithmetic; the bound guards against rounding.
        return jnp.any(s.infeasible) & (s.iteration < 10 * r + 20)

    def exchange(s):
        number = jnp.sum(s.infeasible, axis=0)
        exchanges = jnp.where(number < s.fewest, FULL_EXCHANGES, s.exchanges - 1)
        last = r - 1 - jnp.argmax(s.infeasible[::-1], axis=0)
        only_last = s.infeasible & (jnp.arange(r)[:, None] == last[None, :])
        F = s.F ^ jnp.where((exchanges >= 0)[None, :], s.infeasible, only_last)
        H, infeasible = solution(F)
        return _Search(F, H, infeasible, jnp.minimum(number, s.fewest), exchanges, s.iteration + 1)

    H, infeasible = solution(F)
    counts = jnp.full(n, r + 1), jnp.full(n, FULL_EXCHANGES)
    found = lax.while_loop(unfinished, exchange, _Search(F, H, infeasible, *counts, jnp.array(0)))
    return project_nonnegative(found.H)
