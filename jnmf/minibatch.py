"""Mini-batches: H from a stream of rows, each seen once or a few times, with a memory that does not grow.

    state = minibatch.begin(rows, rank)              # rows (b, n): the first of the stream
    for rows in stream:
        state = minibatch.step(state, rows)          # a pure function, to be called with whatever arrives
    W = jnmf.transform(rows, state.H)                # loadings of any rows

`minibatch.fit` is this loop. With W_s the loadings of batch s, best for the H of its time, all that a later H needs to
know of the Frobenius loss is G = Σ W_sᵀW_s (r, r) and C = Σ W_sᵀX_s (r, n): Σ ½‖X_s − W_s H‖² = ½⟨H, G H⟩ − ⟨C, H⟩ + …,
the half-problem of `jnmf.solvers` (Mairal, Bach, Ponce and Sapiro 2010, algorithms 1 and 2). For another β-divergence
the sums are those of its majoriser, touching at the H of the time: Σ A H^… (Lefèvre, Bach and Févotte 2011). Earlier
batches had a worse H, and are forgotten: in the sums after t equal batches that of batch s weighs (s/t)^`forget`.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jnmf import checks, door, loops, matrix, multiplicative, nonnegative_least_squares
from jnmf.accelerated import Accelerated
from jnmf.algorithm import Algorithm, Combinator
from jnmf.algorithms import HALS
from jnmf.factors import Factors
from jnmf.losses import BetaDivergence
from jnmf.numerics import divide, in_dtype, power
from jnmf.results import saved
from jnmf.solvers import ridge
from jnmf.terms import together
from jnmf.transform import updated
from jnmf.types import Init, Integer, Key, MatrixLike, Number

DEFAULT = Accelerated(HALS())
FORGET = 5.0
UPDATES = 100  # of W for a batch, at most, where the loss is not the Frobenius one
SETTLED = 1e-3  # the relative change of W at which they end


@saved
class Batches(NamedTuple):
    """H (r, n), the two sums over the batches so far, and how many rows these had.

    The sums are G (r, r) and C (r, n) for the Frobenius loss, else A and B (r, n) of the two parts (`majorised`).
    """

    H: Array
    sums: tuple[Array, Array]
    num_rows: Array


def begin(
    rows: MatrixLike,
    rank: Integer,
    algorithm: Algorithm | Combinator | None = None,
    *,
    init: Init = "random",
    key: Key = 0,
    num_iters: Integer = 20,
) -> Batches:
    """A state before the first batch: H from `num_iters` iterations on some rows (b, n), those of the first batch, say.

    algorithm: a Frobenius method with a half-step, by default Accelerated(HALS()), or MU with any β; it gives the loss,
        the penalties and the half-step for H. init, key: as in `fit`.

    Raises TypeError or ValueError for another algorithm (Extrapolated and Momentum look back on X), for an l2_H with
    β ≠ 2, for rows that are all zero, and as `fit` does.

    >>> state = jnmf.minibatch.begin(X[::2], 2)
    >>> state.H.shape, float(state.num_rows)
    ((2, 4), 0.0)
    """
    algorithm = _checked(algorithm)
    entered = _entered(rows, algorithm)
    how = {"init": init, "key": key, "max_iters": num_iters, "tol": 0, "resumable": False}
    H = loops.fit(entered.X, rank, algorithm, **how).H
    if not checks.is_traced(H) and not H.any():
        raise ValueError("rows: expected an entry that is not 0 in those with which a state begins, got none")
    other = (rank, rank) if algorithm.loss.quadratic else H.shape
    return Batches(H, (jnp.zeros(other, H.dtype), jnp.zeros(H.shape, H.dtype)), jnp.zeros((), H.dtype))


def step(
    state: Batches, rows: MatrixLike, algorithm: Algorithm | Combinator | None = None, *, forget: Number = FORGET
) -> Batches:
    """The state after one more batch, rows (b, n): W for its rows; its part of the sums; a half-step for H.

    W = argmin D(rows, W H) + penalties, for β ≠ 2 by multiplicative updates until one changes it by 1e-3 relatively, or
    100. The sums before weigh (1 − b/N)^forget, N the rows so far with these; 0 forgets nothing. With all rows in a
    single batch it is a half-step on the whole (`proofs.mini_batches`). Batches of one size share a program. rows:
    dense, a SciPy sparse block, or another kind of matrix, nonnegative for MU.

    >>> state = jnmf.minibatch.begin(X[::2], 2)
    >>> state = jnmf.minibatch.step(state, X[::2])
    >>> float(jnmf.minibatch.step(state, X[1::2]).num_rows)
    6.0
    """
    algorithm = _checked(algorithm)
    checks.number(forget, "forget")
    entered = _entered(rows, algorithm)
    if entered.X.shape[1] != state.H.shape[1]:
        raise ValueError(f"rows: expected {state.H.shape[1]} columns, as before, got shape {entered.X.shape}")
    return matrix.as_read(entered.X, _step(*in_dtype(state.H.dtype, state, algorithm, forget), entered.X))


@jax.jit
def _step(state: Batches, algorithm, forget, X) -> Batches:
    num_rows = state.num_rows + X.shape[0]
    kept = (state.num_rows / num_rows) ** forget
    before = jax.tree.map(lambda total: kept * total, state.sums)
    of_loss = _least_squares if algorithm.loss.quadratic else _divergence
    return Batches(*of_loss(X, state.H, before, algorithm), num_rows)


def _least_squares(X, H, before, algorithm):
    """H and the sums G, C after a batch."""
    HXt = matrix.product(X.T, H.T, None)
    Wt = nonnegative_least_squares.exact(jnp.zeros_like(HXt), ridge(H @ H.T, algorithm.l2_W), HXt - algorithm.l1_W)
    G, C = before[0] + Wt @ Wt.T, before[1] + matrix.product(X, Wt.T, None)
    half_step, _ = algorithm.half_steps(X)
    return half_step(H, G, C, algorithm.l1_H, algorithm.l2_H), (G, C)


def _divergence(X, H, before, algorithm):
    """H and the sums A, B after a batch.

    A column that was empty so far is 0 in H, which no multiplicative step leaves: it is raised once it has an entry.
    For β ≤ 1 the sum B knows that the rows before had none; for β > 1 their part of it is 0, and they are forgotten.
    """
    H = multiplicative.lifted(X, Factors(jnp.ones((X.shape[0], len(H)), H.dtype), H)).H  # whatever W will be
    loss, W = algorithm.loss, updated(X, H, algorithm, SETTLED, UPDATES)
    negative, positive, unit, _, _ = matrix.parts_H(X, loss, W, H)
    return majorised(H, before, unit * negative, unit * positive, loss.beta, algorithm.l1_H)


def majorised(
    H: Array, before: tuple[Any, Any], negative: Array, positive: Array, beta: float, l1: Number = 0.0
) -> tuple[Array, tuple[Array, Array]]:
    """The next H and the sums A, B, from those before and the two parts, Wᵀ(X ⊙ Z^{β−2}) and WᵀZ^{β−1}, of a batch.

    The majoriser of D(X_s, W_s H) that touches it at H_s has in each entry of H the derivative
    P (H/H_s)^u − N (H/H_s)^−v, N and P the parts, u = [β − 1]₊ and v = [2 − β]₊ (`proofs.beta_divergence_descent`).
    The sum over batches is B H^u − A H^−v with A = Σ N H_s^v and B = Σ P H_s^−u, and is 0 at (A/B)^{1/(u + v)}.
    An l1 penalty counts once, with the part P of the last batch. Where B = 0 no row so far has said anything of the
    entry of H, and it stays as it is for rows that will. `proofs.mini_batches`.
    """
    u, v = max(beta - 1, 0.0), max(2 - beta, 0.0)
    A, B = before[0] + negative * power(H, v), before[1] + positive * power(H, -u)
    return jnp.where(B == 0, H, power(divide(A, B + l1 * power(H, -u)), 1 / (u + v))), (A, B)


def fit(
    stream: Iterable[MatrixLike],
    rank: Integer,
    algorithm: Algorithm | Combinator | None = None,
    *,
    forget: Number = FORGET,
    init: Init = "random",
    key: Key = 0,
    num_iters: Integer = 20,
) -> Batches:
    """One pass over a stream of rows: `begin` with the first batch, then a `step` with each, the first one too.

    stream: any iterable of batches (b, n) with the same columns, such as a generator. To continue with another, or the
    same again, call `step` with the state. Arguments, loss and errors are those of `begin` and `step`.

    >>> state = jnmf.minibatch.fit([X[::2], X[1::2]], 2)
    >>> W = jnmf.transform(X, state.H)
    >>> np.allclose(W @ state.H, X, atol=0.01)
    True
    """
    state = None
    for rows in stream:
        if state is None:
            state = begin(rows, rank, algorithm, init=init, key=key, num_iters=num_iters)
        state = step(state, rows, algorithm, forget=forget)
    if state is None:
        raise ValueError("stream: expected at least one batch of rows, got none")
    return state


def _entered(rows, algorithm) -> door.Entered:
    rows = rows.toarray() if hasattr(rows, "toarray") else rows
    entered = door.enter(rows, name="rows")
    if matrix.is_completed(entered.X):
        raise ValueError("rows: expected all entries, got a masked array; minibatch counts each")
    door.domain(entered, algorithm, "rows")
    return entered


def _checked(algorithm):
    algorithm = DEFAULT if algorithm is None else algorithm
    checks.algorithm(algorithm)
    if not hasattr(algorithm, "half_steps"):
        raise ValueError(
            f"minibatch: expected a method with a half-step, as Accelerated(HALS()) or MU(), got {algorithm!r}"
        )
    if together.listed(algorithm.on_W) or together.listed(algorithm.on_H):
        raise ValueError(
            f"minibatch: expected no terms, since W is that of a batch alone, got {algorithm!r}; l1 and l2 may be given"
        )
    if not algorithm.loss.quadratic:
        if not isinstance(algorithm.loss, BetaDivergence):
            raise ValueError(f"minibatch: expected a β-divergence, got {algorithm.loss!r}")
        if not checks.is_traced(algorithm.l2_H) and algorithm.l2_H:
            raise ValueError(
                f"minibatch: expected no l2_H, which has another power of H, got {algorithm!r}; l1_H has none"
            )
    return algorithm
