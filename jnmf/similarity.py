"""How similar the components of two fits are: columns paired by the best assignment, and the mean cosine of the pairs.

The factors of X ≈ W H are unique at most up to the order and the scale of the components, so two fits can only be
compared when both are taken out: unit columns take out the scale, the matching the order.
A. H. Williams, exercises on nonnegative matrix factorisation ("similarity score").
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jnmf import door
from jnmf.factors import Factors, unit_columns
from jnmf.numerics import compute_dtype, in_dtype
from jnmf.results import Status, best_restart, rmses, saved
from jnmf.types import HasMembers, MatrixLike


def match(U: MatrixLike, V: MatrixLike) -> Array:
    """The assignment p that pairs column p[k] of V with column k of U, so that the sum of the cosines is largest.

    U (m, r), V (m, q) -> p (r,), integers, all different. For q = r it is a permutation, and `V[:, p]` is V in the
    order of U. For q < r, r − q columns of U are left without a partner, and p is −1 there; for q > r, q − r of V are
    (`pairing` tells which). Exact, by the Hungarian algorithm; between equally good assignments the choice is
    arbitrary. jit and vmap apply.

    Raises TypeError or ValueError for arguments that are not finite matrices with the same number of rows.

    >>> jnmf.match(np.eye(3), np.eye(3)[:, [2, 0, 1]]).tolist()
    [1, 2, 0]
    """
    U, V, _ = _matrices(U, V)
    return _match(_cosines(U, V))


class Pairing(NamedTuple):
    """Of r columns that were found and q that are known: match (r,), cosine (r,), unmatched (max(q − r, 0),)."""

    match: Array
    cosine: Array
    unmatched: Array


def pairing(found: MatrixLike, known: MatrixLike) -> Pairing:
    """Which of the known components each of the found ones is, how close it is, and which known ones were not found.

    found (m, r), known (m, q): components in columns (of the rows of H, pass `H.T`) -> match (r,), the column of
    `known` for each of `found`, or −1 (`match`); cosine (r,), that of each pair, 0 where there is none, in the dtype of
    the two together; unmatched, the columns of `known` without a partner, in order. An assignment pairs as many as it
    can, however dissimilar: the cosine says whether a pair is a match. jit and vmap apply.

    Raises as `match` does.

    >>> known = np.array([[1, 0, 0], [1, 0, 2], [0, 3, 0]])
    >>> found = jnmf.pairing(known[:, [2, 1]], known)
    >>> found.match.tolist(), found.unmatched.tolist()
    ([2, 1], [0])
    """
    U, V, dtype = _matrices(found, known)
    cosines = _cosines(U, V)
    p, q = _match(cosines), V.shape[1]
    is_taken = jnp.any(p[:, None] == jnp.arange(q)[None, :], axis=0)
    unmatched = jnp.argsort(is_taken, stable=True)[: max(q - U.shape[1], 0)]
    return Pairing(p, _paired(cosines, p).astype(dtype), unmatched)


def similarity(U: MatrixLike, V: MatrixLike) -> Array:
    """The mean over k of the cosine between column k of U and column p[k] of V, for the best assignment p (`match`).

    U (m, r), V (m, q) -> a scalar, in the dtype of the two together: at most 1, and for nonnegative factors at least 0.
    A dead component matches nothing: the cosine with a zero column is 0, even of two zero columns. For q ≠ r, what
    has no partner counts as 0, too: it is the sum over max(r, q), as if zero columns made up the number. To rounding,
    the score is 1 if and only if no column is zero and those of V are those of U up to their order and positive scales.
    For the rows of H pass `H.T`. jit and vmap apply, and derivatives where one assignment is the best.

    Raises as `match` does.

    >>> round(float(jnmf.similarity(np.eye(3), 2 * np.eye(3)[:, ::-1])), 3)
    1.0
    """
    U, V, dtype = _matrices(U, V)
    cosines = _cosines(U, V)
    return (_sum(cosines, _match(cosines)) / max(cosines.shape)).astype(dtype)


def _matrices(U, V):
    """U and V in the dtype to compute in, and the dtype of the two together."""
    (U, of_U, *_), (V, of_V, *_) = door.matrix(U, "U"), door.matrix(V, "V")
    if len(U) != len(V):
        hint = "; components are columns, did you pass H for H.T?" if U.shape[1] == V.shape[1] else ""
        raise ValueError(f"expected U (m, r) and V (m, q), got U {U.shape} and V {V.shape}{hint}")
    return *in_dtype(jnp.promote_types(U.dtype, V.dtype), U, V), jnp.promote_types(of_U, of_V)


@jax.jit
def _cosines(U, V):
    """(r, q): the cosine of column k of U and column l of V at (k, l)."""
    U, V = unit_columns(U), unit_columns(V)
    return _clipped(jnp.matmul(U.T, V, precision="highest"))  # the digits of 1 − cos tell two good fits apart


def _clipped(cosines):
    """Without what rounding adds beyond ±1. The derivative passes: that of a cosine is near 0 there by itself."""
    return cosines + lax.stop_gradient(jnp.clip(cosines, -1, 1) - cosines)


@jax.jit
def _match(cosines):
    from optax.assignment import hungarian_algorithm  # only what matches components needs it

    rows, columns = hungarian_algorithm(-lax.stop_gradient(cosines))
    return jnp.full(len(cosines), -1, columns.dtype).at[rows].set(columns)


def _paired(cosines, p):
    """(r,): the cosine of each pair, 0 where there is none."""
    return jnp.where(p >= 0, jnp.take_along_axis(cosines, jnp.maximum(p, 0)[:, None], axis=1)[:, 0], 0)


@jax.jit
def _sum(cosines, p):
    return jnp.sum(_paired(cosines, p))


@saved
class SweepSimilarity(NamedTuple):
    """Of R ranks with S restarts each: how alike the columns of W, and the rows of H, of the restarts are.

    ranks (R,); the scores to the restart with the lowest loss, W_to_best and H_to_best (R, S); the scores of all pairs,
    W_pairs and H_pairs (R, S, S). NaN where a restart diverged.
    """

    ranks: np.ndarray
    W_to_best: Array
    H_to_best: Array
    W_pairs: Array
    H_pairs: Array


def sweep_similarity(sweep: HasMembers) -> SweepSimilarity:
    """The similarity score between the restarts of each rank of a sweep, for W by columns and for H by rows.

    sweep: `ranks` (R,), `loss` (R, S), `status` (R, S) and `members`, one Factors a rank, W (S, m, r) and H (S, r, n),
    nonnegative -> SweepSimilarity, in the dtype of the members. Scores near 1 say that the data determine the parts:
    where they fall from one rank to the next, the rank is above what the data support. The best restart has score 1 to
    itself unless a component is dead; chance alone gives W and H positive scores, higher the fewer rows they have.
    A. H. Williams, exercises on nonnegative matrix factorisation ("similarity score").

    Raises ValueError for a sweep without ranks or restarts, and where all restarts of a rank diverged.

    >>> found = jnmf.sweep_similarity(jnmf.sweep(X, [1, 2], num_restarts=3, max_iters=50))
    >>> found.H_pairs.shape, round(float(found.H_pairs.min()), 2)
    ((2, 3, 3), 1.0)
    """
    ranks, finite, (W, H) = stack(sweep)
    best = np.array([best_restart(*of_rank) for of_rank in zip(sweep.loss, sweep.status, rmses(sweep), strict=True)])
    return SweepSimilarity(ranks, *_sweep_scores(W, H, ranks, finite, best))


@jax.jit
def _sweep_scores(W, H, ranks, finite, best):
    # All ranks are padded with zero components to the largest, so that they share one program. A padded component has
    # cosine 0 with every other, and the cosines of nonnegative columns are at least 0. So a permutation of the padded
    # components pairs some of the real ones, its sum is that of these pairs, and pairing up the real ones that are left
    # cannot lower it: the largest sum is that of the real components alone. The mean divides it by the real rank.
    cosines = jnp.stack((_pair_cosines(W), _pair_cosines(H.swapaxes(2, 3))))
    flat = cosines.reshape(-1, *cosines.shape[-2:])
    scores = jax.vmap(lambda c: _sum(c, _match(c)))(flat).reshape(cosines.shape[:-2])
    scores = scores / ranks.astype(scores.dtype)[None, :, None, None]
    pairs = finite[:, :, None] & finite[:, None, :]
    scores = jnp.where(pairs[None], scores, jnp.nan).astype(W.dtype)
    return *scores[:, jnp.arange(len(best)), best], *scores


def _pair_cosines(A):
    """A (R, S, m, r) -> (R, S, S, r, r): for each rank, the cosines of each restart with each other."""
    A = jax.vmap(jax.vmap(unit_columns))(A.astype(compute_dtype(A.dtype)))
    return _clipped(jnp.einsum("asmk,atml->astkl", A, A, precision="highest"))


class Stacked(NamedTuple):
    """The members of a sweep as two arrays, padded with zero components: W (R, S, m, r_max), H (R, S, r_max, n).

    `finite` (R, S) says which restarts did not diverge; the others are zero.
    """

    ranks: np.ndarray
    finite: np.ndarray
    factors: Factors


def stack(sweep: Any) -> Stacked:
    """What a function of a whole sweep computes with. Raises for no ranks, no restarts, and a rank that failed."""
    ranks, loss = np.asarray(sweep.ranks), np.asarray(sweep.loss)
    if ranks.size == 0:
        raise ValueError("sweep: expected at least one rank, got none; pass ranks such as (1, 2, 3) to sweep")
    if loss.ndim != 2 or loss.shape[1] == 0:
        raise ValueError(
            f"sweep: expected at least one restart of each rank, got losses of shape {loss.shape}; "
            "pass num_restarts ≥ 1 to sweep"
        )
    # A loss of inf beside a finite status is one that left the range.
    finite = ~np.isnan(loss) & (np.asarray(sweep.status) != Status.NONFINITE)
    for rank, some in zip(ranks, finite.any(axis=1), strict=True):
        if not some:
            raise ValueError(
                f"sweep: expected a finite restart of each rank, got none of {loss.shape[1]} at rank {rank}; "
                "leave that rank out, or try another algorithm, a smaller step size or another init"
            )
    pads = ranks.max() - ranks

    def padded(i, A, axis):
        return np.pad(np.where(finite[i][:, None, None], A, 0), [(0, pads[i] * (axis == k)) for k in range(3)])

    W = np.stack([padded(i, f.W, 2) for i, f in enumerate(sweep.members)])
    H = np.stack([padded(i, f.H, 1) for i, f in enumerate(sweep.members)])
    return Stacked(ranks, finite, Factors(jnp.asarray(W), jnp.asarray(H)))
