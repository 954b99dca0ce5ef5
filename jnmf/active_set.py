"""Nonnegative least squares by an active set that moves with a step length: slower than pivoting, but it cannot fail.

For one column of min_{h ≥ 0} ½‖M h − q‖² − ⟨p, h⟩ a passive set F of independent columns is kept, with a feasible h on
it. If the minimiser z on F is positive, h moves there, and the index outside F that promises the largest fall enters;
if no slope is negative, h is the solution. If z is not positive, h moves towards it until its first entry is 0, and
that index leaves. Each move lowers the objective, so no F comes back (`proofs.active_set_termination`). Lawson and
Hanson 1974, chapter 23; Bro and De Jong 1997 for the start from a given F.

The columns of M in F are orthogonalised by Householder reflections, so that M itself counts and not its square: the
other columns are seen by the parts of them that are orthogonal to those in F.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import custom_vmap
from jax.scipy.linalg import solve_triangular


class Point(NamedTuple):
    """The minimiser on a passive set: what stands there, and what is seen from there."""

    h: Array  # (r,)
    order: Array  # (r,) the indices, those of F first, in the order in which they came
    size: Array  # |F|
    value: Array  # the objective, less ½‖q‖²
    fall: Array  # (r,) √2 times the root of what each index outside F promises; 0 where that is rounding


class State(NamedTuple):
    best: Point  # the lowest so far: finite from the first minimiser that is positive
    h: Array  # (r,) ≥ 0, on the passive set that is tried
    order: Array
    size: Array
    entering: Array  # the index that came last
    refused: Array  # (r,) bool: what had promised more than it held, since `best`
    rounds: Array
    done: Array


def column(M, q, p, F):
    """(h, whether it is the solution) for M (k, r) with columns of norm 1 (or 0), q (k,), p (r,), and F (r,) to start."""
    r = M.shape[1]
    nothing = Point(jnp.zeros(r, M.dtype), jnp.arange(r), jnp.array(0), jnp.array(jnp.inf, M.dtype), jnp.zeros(r, M.dtype))
    start = State(nothing, nothing.h, partition(F, jnp.arange(r)), jnp.sum(F), jnp.array(r), jnp.zeros(r, bool), jnp.array(0), jnp.array(False))
    finite = jnp.all(jnp.isfinite(q)) & jnp.all(jnp.isfinite(p))
    unfinished = lambda s: ~s.done & (s.rounds < 10 * r + 20) & finite
    end = lax.while_loop(unfinished, lambda s: _round(M, q, p, s), start)
    return end.best.h, end.done


def partition(chosen, order):
    """`order` with the chosen places first, both parts as they were."""
    index, before = jnp.arange(len(order)), jnp.cumsum(chosen)
    place = jnp.where(chosen, before - 1, before[-1] + index - before)
    return jnp.zeros_like(order).at[place].set(order, unique_indices=True)


def _round(M, q, p, s: State):
    r = M.shape[1]
    passive = jnp.arange(r) < s.size
    z, dependent, value, fall = _minimiser(M[:, s.order], q, p[s.order], passive)
    h = s.h[s.order]

    blocking = passive & ((z <= 0) | dependent)
    arrived = ~jnp.any(blocking)

    # Arrived: the lowest point so far is kept, and the next index enters there.
    at = lambda values: jnp.zeros_like(values).at[s.order].set(values, unique_indices=True)
    lower = arrived & (value < s.best.value)
    best = _where(lower, Point(at(z), s.order, s.size, value, at(fall)), s.best)
    refused = jnp.where(lower, False, s.refused | (jnp.arange(r) == s.entering))
    promising = jnp.where(refused, 0, best.fall)
    entering = jnp.argmax(promising)
    entered = partition((jnp.arange(r) < best.size) | (best.order == entering), best.order)
    next_one = State(best, best.h, entered, best.size + 1, entering, refused, s.rounds + 1, promising[entering] == 0)

    # Not arrived: towards z until the first entry is 0.
    step = jnp.min(jnp.where(blocking & (h > 0), h / jnp.where(blocking & (h > 0), h - z, 1), jnp.where(blocking, 0, 1)))
    moved = h + step * (z - h)
    stays = passive & ~(blocking & (moved <= 4 * jnp.finfo(h.dtype).eps * h))
    shorter = s._replace(
        h=at(jnp.where(stays, jnp.maximum(moved, 0), 0)),
        order=partition(stays, s.order),
        size=jnp.sum(stays),
        rounds=s.rounds + 1,
    )
    return _where(arrived, next_one, shorter)


def _where(condition, a, b):
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), a, b)


def _minimiser(M, q, p, passive):
    """z on the passive columns, which come first, and what the others promise. All in this order."""
    r, eps = M.shape[1], jnp.finfo(M.dtype).eps
    tiny = 4 * r * eps
    T = jnp.linalg.qr(jnp.concatenate([M, q[:, None]], axis=1), mode="r")  # Qᵀ [M | q]
    T = jnp.pad(T, ((0, max(0, r - len(T))), (0, 0)))
    T, q = T[:, :r], T[:, r]
    rest = jnp.arange(len(T)) >= jnp.sum(passive)  # the rows orthogonal to the passive columns
    dependent = passive & (jnp.abs(jnp.diag(T)) <= tiny)
    R = jnp.where((passive & ~dependent)[:, None] & passive[None, :], T[:r], jnp.eye(r, dtype=T.dtype))
    w = solve_triangular(R, jnp.where(passive, p, 0), trans=1)
    g = jnp.where(passive, q[:r], 0) + w
    z = jnp.where(passive, solve_triangular(R, g), 0)
    away = jnp.where(rest[:, None], T, 0)
    slope = T[:r].T @ w - p - away.T @ q
    distance = jnp.linalg.norm(away, axis=0)
    rounding = 10 * eps * (jnp.linalg.norm(q) + jnp.linalg.norm(w) + jnp.max(jnp.abs(p)))
    promising = ~passive & (distance > tiny) & (slope < -rounding)
    return z, dependent, -0.5 * jnp.vdot(g, g), jnp.where(promising, -slope / jnp.where(promising, distance, 1), 0)


@custom_vmap
def finish(todo, H, M, Q, P):
    """H with the columns in `todo` solved: B problems min ½‖M h − q‖² − ⟨p, h⟩, each with n columns.

    todo (B, n), H (B, r, n) ≥ 0 where each search starts, M (B, k, r), Q (B, k, n), P (B, r, n) -> H (B, r, n). What
    reached the bound on the rounds is NaN. The columns to do are taken in blocks: where there are none, nothing is done.
    """
    B, r, n = H.shape
    N, width = B * n, min(64, B * n)
    rows = lambda A: A.swapaxes(1, 2).reshape(N, A.shape[1])
    order = partition(todo.reshape(N), jnp.arange(N))
    h, q, p = (rows(A) for A in (H, Q, P))

    def one_block(at, found):
        place = at * width
        mine = order[jnp.minimum(place + jnp.arange(width), N - 1)]
        own_M = M[0] if B == 1 else M[mine // n]
        h_new, done = jax.vmap(column, in_axes=(None if B == 1 else 0, 0, 0, 0))(own_M, q[mine], p[mine], h[mine] > 0)
        return lax.dynamic_update_slice_in_dim(found, jnp.where(done[:, None], h_new, jnp.nan), place, 0)

    num_blocks = -(-jnp.sum(todo) // width)
    found = lax.fori_loop(0, num_blocks, one_block, jnp.zeros((N + -N % width, r), H.dtype))
    place = jnp.cumsum(todo.reshape(N)) - 1
    h = jnp.where(todo.reshape(N, 1), found[jnp.maximum(place, 0)], h)
    return h.reshape(B, n, r).swapaxes(1, 2)


@finish.def_vmap
def _all_members(axis_size, batched, *arguments):
    wide = lambda A, is_batched: A if is_batched else jnp.broadcast_to(A, (axis_size, *A.shape))
    merged = [wide(A, b).reshape(-1, *A.shape[2 if b else 1 :]) for A, b in zip(arguments, batched, strict=True)]
    H = wide(arguments[1], batched[1])
    return finish(*merged).reshape(H.shape), True
