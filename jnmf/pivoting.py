"""Block principal pivoting: exact nonnegative least squares in Gram form, batched over right-hand sides.

For one column of min_{h ≥ 0} ½⟨h, G h⟩ − ⟨c, h⟩ and a passive set F, let h_F = G_FF⁻¹ c_F and h = 0 elsewhere. It is
the solution when h ≥ 0 and y = G h − c ≥ 0 (KKT). Block principal pivoting moves all indices that break this to the
other side at once; when that stops helping, the last of them alone (Murty's rule, which cannot cycle).
Kim and Park 2011, section 4; Portugal, Júdice and Vicente 1994.

Most columns have the right passive set after one or two exchanges, a few take many. So each round works on the columns
that are not done, in blocks, and under `vmap` on those of all members together.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import custom_vmap
from jax.scipy.linalg import cho_factor, cho_solve

from jnmf.factors import project_nonnegative

FULL_EXCHANGES = 3  # how often the whole set may be exchanged without progress (Kim and Park 2011, algorithm 1)
BLOCK_NUMBERS = 2**14  # each column needs its own r × r system; a block of columns holds about this many numbers


def search(start, G, C):
    """The minimiser of ½⟨H, G H⟩ − ⟨C, H⟩ over H ≥ 0; G (r, r) with diagonal 1 (or 0), C (r, n), start (r, n) ≥ 0."""
    return project_nonnegative(_search(start[None] > 0, G[None], C[None])[0])


def solve_passive(G, F, C):
    """H (r, n) with G_FF h_F = c_F in each column and h = 0 off that column's passive set F (r, n).

    A ridge of the size of rounding keeps the Cholesky factor of a singular G finite; the refinement step takes it out
    again wherever G determines the solution. G has a diagonal of about 1; the map is linear in C.
    """
    r, n = C.shape
    width = min(_block(r), n)
    blocks = lambda A: jnp.pad(A.T, ((0, -n % width), (0, 0))).reshape(-1, width, r)
    solve = jax.vmap(lambda F, c: _solve_passive(G, F, c))
    # Whole blocks: with a remainder beside them XLA runs two batched Cholesky at once, which lock each other on a CPU.
    return lax.map(lambda block: solve(*block), (blocks(F), blocks(C))).reshape(-1, r)[:n].T


def _solve_passive(G, F, c):
    G_FF = jnp.where(F[:, None] & F[None, :], G, 0)
    factor = cho_factor(_ridged(G_FF, F), lower=True)
    c_F = jnp.where(F, c, 0)
    h = cho_solve(factor, c_F)
    return jnp.where(F, h + cho_solve(factor, c_F - G_FF @ h), 0)


def _ridged(G_FF, F):
    ridge = 4 * len(F) * jnp.finfo(G_FF.dtype).eps
    return G_FF + jnp.diag(jnp.where(F, ridge, 1).astype(G_FF.dtype))


def _block(r: int) -> int:
    return max(16, BLOCK_NUMBERS // r**2)


class _Columns(NamedTuple):
    """The state of the search, one row for each column c of C (all members, one after the other)."""

    F: Array  # (N, r) passive set
    h: Array  # (N, r) the solution on it
    infeasible: Array  # (N, r) the indices on the wrong side
    fewest: Array  # (N,) the least number of them so far
    exchanges: Array  # (N,) full exchanges left without progress


@custom_vmap
def _search(F, G, C):
    """F (B, r, n), G (B, r, r), C (B, r, n) -> the solutions (B, r, n) of B independent problems."""
    B, r, n = C.shape
    N, block = B * n, min(_block(r), B * n)
    padding = -N % block
    rows = lambda A: jnp.pad(A.swapaxes(1, 2).reshape(N, r), ((0, padding), (0, 0)))
    F, c = rows(F), rows(C)
    gram = lambda member: G[0] if B == 1 else G[member]

    def one_block(at, carry):
        s, place = carry
        mine, i = jax.tree.map(lambda a: lax.dynamic_slice_in_dim(a, at * block, block), (s, place))
        mine, g = _exchanged(mine), jnp.minimum(i, N - 1) // n
        h = jax.vmap(lambda g, F, c: _solve_passive(gram(g), F, c))(g, mine.F, c[i])
        mine = _judged(mine, h, jax.vmap(lambda g, h: gram(g) @ h)(g, h), c[i])
        return jax.tree.map(lambda a, new: lax.dynamic_update_slice_in_dim(a, new, at * block, 0), s, mine), place

    def one_round(carry):
        s, place, todo, number = carry
        # Those that are left come first. Sorting and slicing, since scattering is slow on a CPU.
        order = jnp.argsort(~todo, stable=True)
        s, place = jax.tree.map(lambda a: a[order], (s, place))
        num_blocks = -(-jnp.sum(todo) // block)
        s, _ = lax.fori_loop(0, num_blocks, one_block, (s, place))
        return s, place, jnp.any(s.infeasible, axis=1), number + 1

    def unfinished(carry):
        # Murty's rule ends after finitely many steps in exact arithmetic; the bound guards against rounding.
        return jnp.any(carry[2]) & (carry[3] < 10 * r + 20)

    total = N + padding
    start = _Columns(F, jnp.zeros_like(c), jnp.zeros_like(F), jnp.full(total, r + 1), jnp.full(total, FULL_EXCHANGES))
    start, todo = _all_passive(start, rows, G, C, c)
    todo = todo & (jnp.arange(total) < N)
    s, place, _, _ = lax.while_loop(unfinished, one_round, (start, jnp.arange(total), todo, jnp.array(0)))
    return s.h[jnp.argsort(place)][:N].reshape(B, n, r).swapaxes(1, 2)


@_search.def_vmap
def _all_members(axis_size, batched, F, G, C):
    """More members: one search over the columns of all of them."""
    wide = lambda A, is_batched: A if is_batched else jnp.broadcast_to(A, (axis_size, *A.shape))
    F, G, C = map(wide, (F, G, C), batched)
    merged = (A.reshape(-1, *A.shape[2:]) for A in (F, G, C))
    return _search(*merged).reshape(C.shape), True


def _all_passive(s, rows, G, C, c):
    """Columns whose passive set is everything share one Cholesky factor. All others are left to do."""
    r = G.shape[-1]
    everything = jnp.ones(r, bool)

    def solution(G, C):
        factor = cho_factor(_ridged(G, everything), lower=True)
        H = cho_solve(factor, C)
        return H + cho_solve(factor, C - G @ H)

    H = jax.vmap(solution)(G, C)
    judged = _judged(s, rows(H), rows(G @ H), c)
    full = jnp.all(s.F, axis=1)
    s = jax.tree.map(lambda new, old: jnp.where(full.reshape(-1, *[1] * (new.ndim - 1)), new, old), judged, s)
    return s, ~full | jnp.any(s.infeasible, axis=1)


def _judged(s, h, Gh, c):
    """The state with the solutions h on the passive sets, and the indices that break h ≥ 0 or y = G h − c ≥ 0."""
    eps = jnp.finfo(c.dtype).eps
    slack = 10 * eps * (jnp.max(jnp.abs(c), axis=1) + jnp.sum(jnp.abs(h), axis=1))[:, None]
    infeasible = jnp.where(s.F, h < -slack, Gh - c < -slack)
    number = jnp.sum(infeasible, axis=1)
    exchanges = jnp.where(number < s.fewest, FULL_EXCHANGES, s.exchanges - 1)
    return _Columns(s.F, h, infeasible, jnp.minimum(number, s.fewest), exchanges)


def _exchanged(s):
    """All infeasible indices on the other side, or, when that has stopped helping, the last of them."""
    r = s.F.shape[1]
    last = r - 1 - jnp.argmax(s.infeasible[:, ::-1], axis=1)
    only_last = s.infeasible & (jnp.arange(r)[None, :] == last[:, None])
    return s._replace(F=s.F ^ jnp.where((s.exchanges >= 0)[:, None], s.infeasible, only_last))
