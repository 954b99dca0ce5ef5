"""Nonnegative least squares by an active set that moves with a step length: slower than pivoting, but it ends.

For one column of min_{h ≥ 0} ½‖M h − q‖² − ⟨p, h⟩ there is a passive set F of independent columns of M, and an h ≥ 0
that is 0 off F. Let z be the minimiser on F alone. If z > 0, h moves there, and the index outside F that promises the
largest fall enters F; where none has a negative slope, z is the solution. Else h moves towards z until its first entry
is 0, and that index leaves F. The values at the minimisers fall strictly, so that no F comes back
(`proofs.active_set_termination`): Lawson and Hanson 1974, chapter 23; the linear term as in Bro and De Jong 1997.

The columns are orthogonalised, those of F first. So M itself counts, and not its square as in Gram form: what an index
promises is seen from the parts of its column and of q that are orthogonal to F, and what is dependent shows.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.custom_batching import custom_vmap
from jax.scipy.linalg import solve_triangular

from jnmf import pivoting, solvers
from jnmf.numerics import unit_of

NEVER = np.int32(2**31 - 1)
MOST_ROUNDS = lambda r: 10 * r + 20  # a guard: 2 r are many


class Point(NamedTuple):
    """A positive minimiser on a passive set, and what is seen from it."""

    h: Array  # (r,)
    since: Array  # (r,) the round in which each index entered F; NEVER off F
    value: Array  # the objective, less ½‖q‖²
    fall: Array  # (r,) the root of twice the fall that each index promises; 0 where it promises none


class State(NamedTuple):
    best: Point  # the lowest so far
    h: Array  # (r,) ≥ 0, 0 off the set that is tried
    since: Array  # (r,) of that set
    entered: Array  # the index that entered last
    refused: Array  # (r,) those that have been tried from `best` and led no lower: rounding
    done: Array


def block(M, q, p, F):
    """(h, whether it is the solution) of N problems: M (N, k, r), its columns about 1, q (N, k), p and F (N, r).

    From F, with h = 0: what is not positive in z leaves F at once, until the rest is. M may also be one (k, r) for all.
    """
    r = F.shape[1]
    largest = jnp.max(jnp.abs(jnp.concatenate([q, p], axis=1)), axis=1)
    unit = unit_of(largest)[:, None]
    one_round = jax.vmap(_round, in_axes=(0 if M.ndim == 3 else None, 0, 0, None, 0))

    zero, none, no = jnp.zeros_like(p), jnp.full(F.shape, NEVER), F[:, 0] & False
    best = Point(zero, none, jnp.full(len(p), jnp.inf, p.dtype), zero)
    start = State(best, zero, jnp.where(F, 0, NEVER), jnp.zeros(len(p), int), F & False, no)
    unfinished = lambda carry: jnp.any(~carry[1].done) & (carry[0] <= MOST_ROUNDS(r))
    go_on = lambda carry: (carry[0] + 1, one_round(M, q / unit, p / unit, *carry))
    _, end = lax.while_loop(unfinished, go_on, (jnp.array(1, NEVER.dtype), start))
    return unit * end.best.h, end.done & jnp.isfinite(end.best.value) & jnp.isfinite(largest)


def _round(M, q, p, number, s: State):
    index = jnp.arange(len(p))
    F = s.since < NEVER
    z, independent, value, fall = _minimiser(M, q, p, s.since)
    blocking = F & ~((z > 0) & independent)
    arrived = ~jnp.any(blocking)

    lower = arrived & (value < s.best.value)
    best = jax.tree.map(lambda new, old: jnp.where(lower, new, old), Point(z, s.since, value, fall), s.best)
    refused = ~lower & (s.refused | arrived & (index == s.entered))
    fall = jnp.where(refused, 0, best.fall)
    entering = jnp.argmax(fall)
    enters = jnp.where((index == entering) & (fall > 0), number, best.since)

    falling = blocking & (s.h > z)
    lengths = jnp.where(falling, s.h / jnp.where(falling, s.h - z, 1), jnp.where(blocking, 0, 1))
    first = jnp.min(lengths)
    stays = F & ~(blocking & (lengths <= first))
    moved = jnp.where(stays, jnp.maximum(s.h + first * (z - s.h), 0), 0)
    return State(
        best,
        jnp.where(arrived, best.h, moved),
        jnp.where(arrived, enters, jnp.where(stays, s.since, NEVER)),
        jnp.where(arrived, entering, s.entered),
        refused,
        arrived & (jnp.max(fall) == 0),
    )


def _minimiser(M, q, p, since):
    """On F: z, which columns are independent of those before them, the value, and the fall that the others promise."""
    r, eps = M.shape[1], jnp.finfo(M.dtype).eps
    index, tiny = jnp.arange(r), 4 * r * eps
    tie = (since[None, :] == since[:, None]) & (index[None, :] < index[:, None])
    earlier = (since[None, :] < since[:, None]) | tie
    place = jnp.sum(earlier, axis=1)
    order = jnp.sum(jnp.where(place[None, :] == index[:, None], index[None, :], 0), axis=1)
    size = jnp.sum(since < NEVER)

    triangle = solvers.one_by_one(lambda A: jnp.linalg.qr(A, mode="r"))
    by_triangle = solvers.one_by_one(lambda R, b: solve_triangular(R, b))
    by_transposed = solvers.one_by_one(lambda R, b: solve_triangular(R, b, trans=1))
    M, p = jnp.split(jnp.concatenate([M, p[None]])[:, order], [len(M)])
    T, p = triangle(jnp.concatenate([M, q[:, None]], axis=1)), p[0]
    T = jnp.pad(T, ((0, max(0, r - len(T))), (0, 0)))
    orthogonal = (jnp.arange(len(T)) >= size)[:, None]
    away = jnp.where(orthogonal, T, 0)
    lengths = jnp.sqrt(jnp.sum(away * away, axis=0))
    T, q = T[:, :r], T[:, r]  # Qᵀ M and Qᵀ q: the rows of F, then those orthogonal to F
    passive = index < size
    independent = jnp.sum(jnp.where(index[:, None] == index[None, :], jnp.abs(T[:r]), 0), axis=0) > tiny
    used = passive & independent
    R = jnp.where(used[:, None] & passive[None, :], T[:r], jnp.eye(r, dtype=T.dtype))
    w = jnp.where(used, by_transposed(R, jnp.where(used, p, 0)), 0)
    b = w + jnp.where(used, q[:r], 0)
    z = jnp.where(used, by_triangle(R, b), 0)

    slope = T[:r].T @ w - p - away[:, :r].T @ q
    distance = lengths[:r]
    # A column that is nearly dependent promises much by a small slope: only the part of q that is left rounds it.
    residual = lengths[r] + distance * jnp.linalg.norm(q)
    rounding = 10 * eps * (residual + jnp.linalg.norm(w) + jnp.max(p, initial=0) + jnp.abs(p))
    falls = ~passive & (distance > tiny) & (slope < -rounding)
    fall = jnp.where(falls, -slope / jnp.where(falls, distance, 1), 0)
    z, independent, fall = jnp.stack([z, independent, fall])[:, place]
    return z, independent > 0, -0.5 * jnp.vdot(b, b), fall


@custom_vmap
def finish(todo, H, M, Q, P):
    """H (B, r, n) with the columns todo (B, n) solved, where F = {h > 0} is the start: B problems of n columns each.

    M (B, k, r), Q (B, k, n), P (B, r, n). A column that is not done after `MOST_ROUNDS` becomes NaN.
    """
    return lax.cond(jnp.any(todo), _finish, lambda *arguments: arguments[1], todo, H, M, Q, P)


def _finish(todo, H, M, Q, P):
    B, r, n = H.shape
    N = B * n
    width = pivoting.width(64, N)
    rows = lambda A: A.swapaxes(1, 2).reshape(N, A.shape[1])
    h, q, p = (rows(A) for A in (H, Q, P))
    order = pivoting.first(todo.reshape(N))

    def one_block(at, found):
        mine = order[jnp.minimum(at * width + jnp.arange(width), N - 1)]
        own = M[0] if B == 1 else M[mine // n]
        new, done = block(own, q[mine], p[mine], h[mine] > 0)
        return lax.dynamic_update_slice_in_dim(found, jnp.where(done[:, None], new, jnp.nan), at * width, 0)

    found = jnp.zeros((N + -N % width, r), H.dtype)
    found = lax.fori_loop(0, -(-jnp.sum(todo) // width), one_block, found)[pivoting.inverse_permutation(order)]
    return jnp.where(todo.reshape(N, 1), found, h).reshape(B, n, r).swapaxes(1, 2)


@finish.def_vmap
def _all_members(axis_size, batched, *arguments):
    wide = lambda A, is_batched: A if is_batched else jnp.broadcast_to(A, (axis_size, *A.shape))
    todo, H, *others = map(wide, arguments, batched)
    return finish(*(A.reshape(-1, *A.shape[2:]) for A in (todo, H, *others))).reshape(H.shape), True
