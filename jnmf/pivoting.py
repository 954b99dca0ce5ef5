"""Block principal pivoting: exact nonnegative least squares in Gram form, batched over right-hand sides.

For one column of min_{h ≥ 0} ½⟨h, G h⟩ − ⟨c, h⟩ and a passive set F, let h_F = G_FF⁻¹ c_F and h = 0 elsewhere. It is
the solution when h ≥ 0 and y = G h − c ≥ 0 (KKT). Block principal pivoting moves all indices that break this to the
other side at once; when that stops helping, the last of them alone (Murty's rule, which cannot cycle).
J. Kim and Park 2011, section 4; Portugal, Júdice and Vicente 1994.

Most columns have the right passive set after one or two exchanges, a few take many. So each round works on the columns
that are not done, in blocks, and under `vmap` on those of all members together. Up to rank 16 the systems of a block
are eliminated side by side; above, each is solved by Cholesky, on F or on its complement.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import custom_vmap
from jax.scipy.linalg import cho_solve

from jnmf import solvers
from jnmf.numerics import project_nonnegative

FULL_EXCHANGES = 3  # how often the whole set may be exchanged without progress (J. Kim and Park 2011, algorithm 1)
ELIMINATE_UP_TO = 16  # the rank up to which a loop over all columns of a block is faster than LAPACK for each
SWEEPS = 8  # of HALS before the search, where a system is expensive to solve


def search(start, G, C):
    """(H, solved): the minimiser of ½⟨H, G H⟩ − ⟨C, H⟩ over H ≥ 0, and in which columns (n,) H is it.

    G (r, r) with diagonal 1 (or 0), C (r, n), start (r, n) ≥ 0. A column is solved when KKT holds up to rounding. Where
    G is singular or nearly so, the exchanges may run in a circle, or end at a system that was not solved.

    Sweeps of HALS come first: they leave a quarter fewer systems to solve (CBCL, rank 49), and cost less than those.
    """
    if not _eliminates(len(G)):
        start = lax.fori_loop(0, SWEEPS, lambda _, H: solvers.hals(H, G, C), start)
    H, solved = _search(start[None] > 0, G[None], C[None])
    return project_nonnegative(H[0]), solved[0]


def solve_passive(G, F, C):
    """H (r, n) with G_FF h_F = c_F in each column and h = 0 off that column's passive set F (r, n).

    A ridge of the size of rounding keeps the Cholesky factor of a singular G finite; the refinement step takes it out
    again wherever G determines the solution. G has a diagonal of about 1; the map is linear in C.
    """
    r, n = C.shape
    block = width(_block(r), n)
    blocks = lambda A: jnp.pad(A.T, ((0, -n % block), (0, 0))).reshape(-1, block, r)
    solve = jax.vmap(lambda F, c: _solve_passive(G, F, c))
    on_F = lambda A: jnp.where(F, A, 0)

    # Whole blocks: with a remainder beside them XLA runs two batched Cholesky at once, which lock each other on a CPU.
    def solution(_, C):
        return lax.map(lambda block: solve(*block), (blocks(F), blocks(C))).reshape(-1, r)[:n].T

    # Its transpose is itself; JAX before 0.10 cannot make that of a loop over what it is linear in.
    return lax.custom_linear_solve(lambda H: jnp.where(F, G @ on_F(H), H), on_F(C), solution, symmetric=True)


def _solve_passive(G, F, c):
    G_FF = jnp.where(F[:, None] & F[None, :], G, 0)
    factor = _cholesky(G_FF, F)
    c_F = jnp.where(F, c, 0)
    h = cho_solve(factor, c_F)
    return jnp.where(F, h + cho_solve(factor, c_F - G_FF @ h), 0)


def _eliminates(r: int) -> bool:
    return r <= ELIMINATE_UP_TO or solvers.side_by_side()  # where batches of Cholesky would lock each other


def eliminate(A):
    """G⁻¹C (r, k, …) of A = [G | C] (r, r + k, …) by Gaussian elimination, along any axes that follow the first two.

    G is positive semidefinite with a diagonal of about 1, so no pivots are searched. A pivot at rounding level belongs
    to a column that depends on those before it: its unknown is set to 0.
    """
    r = A.shape[0]
    tiny = 4 * r * jnp.finfo(A.dtype).eps
    index = jnp.arange(r).reshape(-1, *[1] * (A.ndim - 2))

    def forward(k, A):
        pivot = A[k, k][None]
        dependent = pivot <= tiny
        row = A[k] / jnp.where(dependent, 1, pivot)
        below = jnp.where(index < k, 0, A[:, k] - (index == k))
        return A - jnp.where(dependent, index == k, below)[:, None] * row[None]

    U = lax.fori_loop(0, r, forward, A)

    def backward(i, Y):
        k = r - 1 - i
        return Y - jnp.where(index < k, U[:, k], 0)[:, None] * Y[k][None]

    return lax.fori_loop(0, r, backward, U[:, r:])


def _solve_each(G, V, F, c):
    """h (N, r) with G_FF h_F = c_F and h = 0 elsewhere, and G h, for F (N, r), c (N, r).

    G and V = G⁻¹, each (r, r) or one a row (N, r, r); V None stands for elimination.
    """
    if V is None:
        h = _eliminated(G, F, c)
        return h, _times(G, h)
    of_G = 0 if G.ndim == 3 else None
    h = jax.vmap(solve_on_smaller_side, in_axes=(of_G, of_G, 0, 0))(G, V, F, c)
    Gh = _times(G, h)

    def anew():
        h = jax.vmap(_solve_passive, in_axes=(of_G, 0, 0))(G, F, c)
        return h, _times(G, h)

    solved = jnp.all(jnp.where(F, jnp.abs(c - Gh) <= _slack(h, c), True))
    return lax.cond(solved, lambda: (h, Gh), anew)


def _times(G, h):
    """G h for each row of h (N, r)."""
    return h @ G if G.ndim == 2 else jnp.einsum("nij,nj->ni", G, h)


def _eliminated(G, F, c):
    G, F, c = jnp.atleast_3d(jnp.moveaxis(G, 0, -1) if G.ndim == 3 else G), F.T, c.T  # columns side by side
    unit = jnp.eye(len(F), dtype=G.dtype)[:, :, None]
    system = jnp.where(F[:, None] & F[None, :], G, unit)
    return eliminate(jnp.concatenate([system, jnp.where(F, c, 0)[:, None]], axis=1))[:, 0].T


def solve_on_smaller_side(G, V, F, c):
    """h of one column from V = G⁻¹, by a system of the size of F or of its complement A, whichever is the smaller.

    h = u − V_:A z with u = V c, the solution on all indices, and V_AA z = u_A, the multipliers of h_A = 0 (derived in
    `proofs.passive_set_by_the_inverse`). So one system M_SS z = b_S is left, with M = G, b = c, S = F or M = V, b = u,
    S = A, of at most r/2 unknowns: an eighth of the work. A G of bad condition costs V digits and u the same ones
    again: hence the refinement, and a look at the residual where this is called.
    """
    r = len(F)
    complement = jnp.sum(F) > r // 2
    S = F ^ complement
    place = jnp.cumsum(S) - 1
    member = jnp.sum(place[None, :] < jnp.arange(r // 2)[:, None], axis=1)  # of S at each place; r where there is none
    used = member < r
    M = jnp.stack([G, V])[complement.astype(int), member[:, None], member[None, :]]
    factor = _cholesky(jnp.where(used[:, None] & used[None, :], M, 0), used)

    def solution(c):  # 0 off F
        u = V @ c
        b = jnp.where(used, jnp.where(complement, u, c)[member], 0)
        z = jnp.where(S, cho_solve(factor, b)[place], 0)
        return jnp.where(F, jnp.where(complement, u - V @ z, z), 0)

    on_F = lambda c: jnp.where(F, c, 0)
    h = solution(on_F(c))
    return h + solution(on_F(c - G @ h))


def _cholesky(G_FF, F):
    """The factor, for `cho_solve`, of G_FF with a ridge, and with 1 on the diagonal outside F."""
    ridged = G_FF + jnp.diag(jnp.where(F, _ridge(G_FF), 1).astype(G_FF.dtype))
    return lax.linalg.cholesky(ridged, symmetrize_input=False), True  # symmetrizing would take a tenth of the time


def _inverse(G):
    r = len(G)
    return cho_solve(_cholesky(G, jnp.ones(r, bool)), jnp.eye(r, dtype=G.dtype))


def cholesky_factor(G):
    """L, lower triangular, and the ridge with L Lᵀ = G + ridge·I: of the size of rounding, so that L is finite."""
    factor = solvers.one_by_one(lambda G: _cholesky(G, jnp.ones(len(G), bool))[0])
    return jnp.tril(factor(G)), _ridge(G)


def _ridge(G):
    return 4 * len(G) * jnp.finfo(G.dtype).eps


def width(most: int, n: int) -> int:
    """How many of n columns go at a time: a power of two where that is enough for all.

    Of kernels that are the same XLA compiles one: so the half-steps for W and H, in one program, seldom need their own.
    """
    return min(most, 1 << (n - 1).bit_length())


def _block(r: int) -> int:
    """How many columns to solve at a time: each has its own r × r system, and the last block is partly idle."""
    return max(16, min(128, 2**14 // r**2) if _eliminates(r) else 2**16 // r**2)


class _Columns(NamedTuple):
    """The state of the search, one row for each column c of C (all members, one after the other)."""

    F: Array  # (N, r) the passive set that is tried next
    h: Array  # (N, r) the solution on the last one
    fewest: Array  # (N,) the least number of indices on the wrong side so far; −1: it ended at a system not solved
    exchanges: Array  # (N,) full exchanges left without progress
    place: Array  # (N,) the number of the column


@custom_vmap
def _search(F, G, C):
    """F (B, r, n), G (B, r, r), C (B, r, n) -> for B independent problems H (B, r, n), and what is solved (B, n)."""
    B, r, n = C.shape
    N = B * n
    block = width(_block(r), N)
    rows = lambda A, total: jnp.pad(A.swapaxes(1, 2).reshape(N, r), ((0, total - N), (0, 0)))
    c, V = rows(C, N), None if _eliminates(r) else jax.vmap(_inverse)(G)

    def one_block(at, s):
        mine = jax.tree.map(lambda a: lax.dynamic_slice_in_dim(a, at * block, block), s)
        i = jnp.minimum(mine.place, N - 1)
        own_G, own_V = jax.tree.map(lambda A: A[0] if B == 1 else A[i // n], (G, V))
        h, Gh = _solve_each(own_G, own_V, mine.F, c[i])
        mine = _exchanged(mine, h, Gh, c[i])
        return jax.tree.map(lambda a, new: lax.dynamic_update_slice_in_dim(a, new, at * block, 0), s, mine)

    def one_round(carry):
        s, number = carry
        # Those that are left come first, so that blocks are slices: scattering rows is slow on a CPU.
        todo = s.fewest > 0
        order = first(todo)
        s = jax.tree.map(lambda a: a[order], s)
        return lax.fori_loop(0, -(-jnp.sum(todo) // block), one_block, s), number + 1

    def unfinished(carry):
        return jnp.any(carry[0].fewest > 0) & (carry[1] < r + 20)  # what needs more is left to the active set

    total = N + -N % block
    place = jnp.arange(total)
    s = _Columns(
        rows(F, total),
        jnp.zeros((total, r), C.dtype),
        jnp.where(place < N, r + 1, 0),
        jnp.full(total, FULL_EXCHANGES),
        place,
    )
    s, _ = lax.while_loop(unfinished, one_round, (s, jnp.array(0)))
    back = inverse_permutation(s.place)[:N]
    return s.h[back].reshape(B, n, r).swapaxes(1, 2), (s.fewest[back] == 0).reshape(B, n)


def first(chosen):
    """The indices of the chosen, then those of the others, each in order.

    Sorted numbers alone: `argsort` takes five times as long, and a running sum is four times as much to compile.
    """
    n = len(chosen)
    index = jnp.arange(n, dtype=jnp.int32)
    return jnp.sort(jnp.where(chosen, index - n, index)) % n


def inverse_permutation(permutation):
    index = jnp.arange(len(permutation))
    return index.at[permutation].set(index, unique_indices=True, mode="promise_in_bounds")


@_search.def_vmap
def _all_members(axis_size, batched, F, G, C):
    """More members: one search over the columns of all of them."""
    wide = lambda A, is_batched: A if is_batched else jnp.broadcast_to(A, (axis_size, *A.shape))
    F, G, C = map(wide, (F, G, C), batched)
    merged = (A.reshape(-1, *A.shape[2:]) for A in (F, G, C))
    H, solved = _search(*merged)
    return (H.reshape(C.shape), solved.reshape(*C.shape[:2], -1)), (True, True)


def _exchanged(s, h, Gh, c):
    """The state with the solutions h on the passive sets, and the sets to try next.

    The indices that break h ≥ 0 or y = G h − c ≥ 0 change sides: all of them, or, when that has stopped helping, the
    last.
    """
    slack, y = _slack(h, c), Gh - c
    infeasible = jnp.where(s.F, h < -slack, y < -slack)
    satisfied = jnp.all(~s.F | (jnp.abs(y) <= slack), axis=1)
    number = jnp.sum(infeasible, axis=1)
    exchanges = jnp.where(number < s.fewest, FULL_EXCHANGES, s.exchanges - 1)
    fewest = jnp.where((number > 0) | satisfied, jnp.minimum(number, s.fewest), -1)
    index = jnp.arange(s.F.shape[1])[None, :]
    last = jnp.max(jnp.where(infeasible, index, 0), axis=1)
    moves = infeasible & (index >= jnp.where(exchanges >= 0, 0, last)[:, None])
    return _Columns(s.F ^ moves, h, fewest, exchanges, s.place)


def _slack(h, c):
    """How far G h may be from c by rounding in each entry, for rows h and c, where the diagonal of G is 1.

    A penalty can make an entry of c as negative as you like, and must not blur the others.
    """
    of_row = jnp.max(project_nonnegative(c), axis=1) + jnp.sum(jnp.abs(h), axis=1)
    return 10 * jnp.finfo(c.dtype).eps * (jnp.abs(c) + of_row[:, None])
