"""`check_matrix`: each function of `jnmf.matrix` on a kind of matrix against the formula on its entries."""

from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from jnmf import matrix
from jnmf.algorithms import HALS, MU, PGD
from jnmf.factors import Factors
from jnmf.loops import fit, run
from jnmf.losses import BetaDivergence, NegativeBinomial, frobenius, kl
from jnmf.matrix import blocks
from jnmf.matrix.masked import Masked
from jnmf.testing import pytrees
from jnmf.testing.promises import far_apart, hold, lists, raised
from jnmf.types import Matrix

RANK = 2


class Case:
    """A kind of matrix, its entries x and weights m as arrays, factors of two ranks, and the losses that X allows."""

    def __init__(self, X, dense=None):
        self.X, self.given = X, dense
        (self.x, self.m), self.weighs = _entries(X), matrix.entries(X)[1] is not None
        self.eps = float(jnp.finfo(self.x.dtype).eps)
        draw = lambda *shape: np.random.default_rng(shape).uniform(0.1, 1, shape).astype(self.x.dtype)
        (m, n), scale = self.x.shape, self.x.dtype.type(max(np.sqrt(np.mean(np.abs(self.x))), 1e-3))
        self.W, self.H = scale * draw(m, RANK), scale * draw(RANK, n)
        self.other = Factors(scale * draw(m, RANK + 1), scale * draw(RANK + 1, n))
        any_sign = self.x.size and self.x.min() < 0
        self.losses = (frobenius,) if any_sign else (frobenius, kl, BetaDivergence(beta=1.5), NegativeBinomial())

    @property
    def Z(self):
        return self.W @ self.H

    def close(self, found, wanted) -> str | None:
        """Where two trees are apart, by more than rounding of their largest entry."""
        found, wanted = (jax.tree.leaves(tree) for tree in (found, wanted))
        for a, b in zip(found, wanted, strict=True):
            apart = far_apart(a, b, 0.0, 1e4 * self.eps * np.max(np.abs(np.asarray(b, float)), initial=0))
            if apart:
                return apart
        return None


def like(promise, call, formula):
    """The promise that a call, of a kind and a case, gives what the formula gives of the entries in the case."""

    def is_like(case):
        return case.close(call(case.X, case), formula(case))

    is_like.__doc__ = f"{promise}\n\nRegister it for the kind in jnmf.matrix, or leave it to what is written there."
    return is_like


def is_registered(X):
    """It has `shape`, `dtype` and `entries(X)`, which is (x, m): two arrays of that shape, m None for weights of 1.

    Register jnmf.matrix.entries for the kind, and give it `shape` and `dtype`.
    """
    if not matrix.is_kind(X):
        return f"no function `entries` for {type(X).__name__}"
    x, m = matrix.entries(X)
    if x.shape != tuple(X.shape) or x.dtype != X.dtype:
        return f"x {x.dtype} {x.shape} of X {X.dtype} {tuple(X.shape)}"
    return None if m is None or m.shape == x.shape else f"m {m.shape} of X {tuple(X.shape)}"


def has_entries(case):
    """The entries are finite, or those of `dense` if that is given, and the weights finite and at least 0.

    See to what `entries` gives.
    """
    x, m = case.x, case.m
    if not ((m >= 0) & (m < np.inf)).all():
        return f"weights from {m.min():g} to {m.max():g}"
    if not np.isfinite(x).all():
        return "entries that are not finite"
    return None if case.given is None else case.close((x, m), _entries(case.given))


def is_transposed(case):
    """X.T is the transpose, of the same kind, and X.T.T is X.

    Give the kind a property T.
    """
    T = case.X.T
    if not matrix.is_kind(T) or tuple(T.shape) != case.x.shape[::-1] or np.dtype(T.dtype) != case.x.dtype:
        return f"a {type(T).__name__} of shape {tuple(T.shape)}"
    back = _entries(T.T)
    return case.close(_entries(T), (case.x.T, case.m.T)) or case.close(back, (case.x, case.m))


def _entries(X):
    x, m = matrix.entries(X)
    return np.asarray(x), np.ones_like(x) if m is None else np.asarray(m)


def has_parts(case):
    """`part(X, start, size, axis)` is a block of rows (axis 0) or columns (axis 1), a kind or an array; start traced.

    Register jnmf.matrix.part, with lax.dynamic_slice_in_dim or matrix.part of the arrays in it, no Python slices.
    """
    for axis, length in enumerate(case.x.shape):
        size = max(1, length - 2)
        for start in (0, length - size):
            block = np.arange(start, start + size)
            found = _part(case.X, start, size, axis)
            if tuple(found.shape) != np.take(case.x, block, axis).shape:
                return f"shape {tuple(found.shape)} for {size} from {start} of axis {axis} of {case.x.shape}"
            apart = case.close(_entries(found), [np.take(A, block, axis) for A in (case.x, case.m)])
            if apart:
                return f"{apart} in {size} from {start} of axis {axis}"
    return None


def _part(X, start, size, axis):
    return jax.jit(lambda X, start: matrix.part(X, start, size, axis))(X, start)


def is_taken(case):
    """`take(X, indices, axis)` of what an init sees, `filled(X)`, has the rows or columns with these numbers.

    Register jnmf.matrix.take for the kind, or jnmf.matrix.filled so that it is an array.
    """
    filled = matrix.filled(case.X)
    for axis in (0, 1):
        indices = np.array([case.x.shape[axis] - 1, 0])
        found = _entries(matrix.take(filled, jnp.asarray(indices), axis))[0]
        apart = case.close(found, np.take(_entries(filled)[0], indices, axis))
        if apart:
            return f"{apart} for {indices} of axis {axis}"
    return None


def is_completed_as_declared(case):
    """`is_completed(X)` is True where an entry has another weight than 1, and False if `product` does not look at H.

    Register jnmf.matrix.is_completed, and in `product` complete X from W H: Wᵀ(m x + (c − m) W H), c the largest m.
    """
    told = matrix.is_completed(case.X)
    if not isinstance(told, bool):
        return f"{told!r} in place of True or False"
    if matrix.has_own_half_steps(case.X) and not told:
        return "False with half-steps for weights"
    return "False with weights other than 1" if not told and (case.m != 1).any() else None


def is_filled(case):
    """`filled(X)` is an array or a kind without weights, m x + (1 − m) · the weighted mean, the largest m being 1.

    Register jnmf.matrix.filled only for a kind that has no weights.
    """
    x, m = matrix.entries(matrix.filled(case.X))
    if m is not None:
        return "a matrix with weights"
    m = case.m / np.max(case.m)
    return case.close(x, m * case.x + (1 - m) * np.sum(m * case.x) / np.sum(m))


def has_singular_values(case):
    """`svd(X, rank)` of `filled(X)` is U, σ, Vᵀ: orthonormal, σ ≥ 0 falling, X = U diag(σ) Vᵀ; and `rank` of these.

    Register jnmf.matrix.svd for the kind, or jnmf.matrix.filled so that it is an array.
    """
    filled = matrix.filled(case.X)
    U, sigma, Vt = map(np.asarray, matrix.svd(filled, min(case.x.shape)))
    if (np.diff(sigma) > 0).any() or (sigma < 0).any():
        return f"σ = {sigma}"
    eye = np.eye(len(sigma))
    apart = case.close((U * sigma @ Vt, U.T @ U, Vt @ Vt.T), (_entries(filled)[0], eye, eye))
    U, first, Vt = map(np.asarray, matrix.svd(filled, RANK))
    return apart or case.close((first, np.sum(U * (_entries(filled)[0] @ Vt.T), axis=0)), (sigma[:RANK], sigma[:RANK]))


def has_tails(case):
    """`tails(X, ranks)` are √Σ_{k>r} σ_k² for each rank r, of X without weights.

    Register jnmf.matrix.tails for the kind where it cannot be an array.
    """
    if case.weighs:
        return None
    squares = np.linalg.svd(np.asarray(case.x, float), compute_uv=False) ** 2
    ranks = np.arange(len(squares) + 1)
    return case.close(matrix.tails(case.X, ranks), np.array([np.sqrt(np.sum(squares[r:])) for r in ranks]))


def is_cast(case):
    """`cast(X, dtype)` has the entries in that dtype, rounded, and is then of that dtype.

    Register jnmf.matrix.cast where another dtype is more than the leaves that are floating in it.
    """
    for dtype in ("float32", jnp.result_type(float)):
        found = matrix.cast(case.X, dtype)
        if np.dtype(found.dtype) != dtype or matrix.entries(found)[0].dtype != dtype:
            return f"{found.dtype} in place of {dtype}"
        rounding = 1e4 * max(case.eps, float(np.finfo(dtype).eps))
        for name, A, B in zip(("x", "m"), _entries(found), (case.x, case.m), strict=True):
            apart = far_apart(A, B, 0.0, rounding * np.max(np.abs(B), initial=0))
            if apart:
                return f"{name} with {apart} in {dtype}"
    return None


def is_the_same_in_blocks(case):
    """In blocks of rows and columns, as a large X is looked at, divergence and gradients are the same.

    See to `part`: `start` is traced, `size` is not.
    """
    call = lambda: [f(case.X, case.losses[-1], case.W, case.H) for f in CALLS]
    try:
        with mock.patch.object(blocks, "NUMBERS", 2 * max(case.x.shape)):
            found = call()
    except Exception as error:  # whatever the kind raises
        return raised(error)
    return case.close(found, call())


CALLS = matrix.divergence, matrix.gradient_W, matrix.gradient_H


def is_jitted_and_batched(case):
    """Under `jit` and `vmap`, of the leaves of X and of the factors, the functions give the same.

    Keep structure static and arrays as leaves, and look at shapes of single members alone.
    """

    def all_of(X, W, H):
        loss = case.losses[-1]
        parts = matrix.parts_H(X, loss, W, H)[:4]
        return matrix.product(X, W, H), matrix.square(X), [f(X, loss, W, H) for f in CALLS], parts[:2]

    members = [(case.X, A, B) for A, B in ((case.W, case.H), (2 * case.W, case.H + 1))]
    batch = jax.tree.map(lambda *A: jnp.stack([jnp.asarray(a) for a in A]), *members)
    try:
        found = jax.jit(jax.vmap(all_of))(*batch)
    except Exception as error:  # whatever the kind raises
        return raised(error)
    return case.close(found, jax.tree.map(lambda *A: np.stack(A), *(all_of(*member) for member in members)))


def is_fitted_as_its_entries(case):
    """`fit` by HALS, with weights by PGD, and `run` by KL updates, do with X what they do with its entries.

    If all else holds: see to dtypes, and to what is a leaf.
    """
    scale = np.max(np.abs(case.x), initial=0) or 1
    start = Factors(case.W, case.H)
    dense = Masked(jnp.asarray(case.x), jnp.asarray(case.m)) if case.weighs else jnp.asarray(case.x)
    algorithm = PGD() if case.weighs else HALS()  # HALS may impute in the one, and go by the weights in the other
    fits = [fit(A, init=start, algorithm=algorithm, max_iters=3, tol=0) for A in (case.X, dense)]
    found, wanted = ((f.W, f.H, f.loss / scale, f.trace.loss / scale) for f in fits)
    apart = _nearly(case, found, wanted)
    if apart or len(case.losses) == 1:
        return apart and f"by {algorithm!r} {apart}"
    apart = _nearly(case, *(run(A, start, MU(beta=1.0), num_iters=2) for A in (case.X, dense)))
    return apart and f"by MU(beta=1.0) {apart}"


def _nearly(case, found, wanted):
    for a, b in zip(*map(jax.tree.leaves, (found, wanted)), strict=True):
        b = np.asarray(b, float)
        apart = far_apart(a, b, case.eps**0.5, case.eps**0.5 * np.max(np.abs(b), initial=0))
        if apart:
            return apart
    return None


OF_X = (*pytrees.PROMISES, is_registered)
OF_ITS_FUNCTIONS = (
    has_entries,
    is_transposed,
    has_parts,
    is_completed_as_declared,
    like(
        "product(X, W, H) = Wᵀ(m x + (c − m) W H), c the largest m, and that of X.T is its twin.",
        lambda X, c: (matrix.product(X, c.W, c.H), matrix.product(X.T, c.H.T, c.W.T)),
        lambda c: (c.W.T @ _completed(c), c.H @ _completed(c).T),
    ),
    like("weight(X) = Σ m.", lambda X, c: matrix.weight(X), lambda c: np.sum(c.m)),
    like("most_weight(X) is the largest m.", lambda X, c: matrix.most_weight(X), lambda c: np.max(c.m)),
    like(
        "of_columns(X, f, H) gives f the entries and weights of each column, as `matrix.columns.Columns` has them.",
        lambda X, c: matrix.of_columns(X, lambda E, H: E.sums(E.m * (E.x - E.at(H.T, c.W)), c.W).T, jnp.asarray(c.H)),
        lambda c: c.W.T @ (c.m * (c.x - c.Z)),
    ),
    like("square(X) = Σ m x².", lambda X, c: matrix.square(X), lambda c: np.sum(c.m * c.x**2)),
    like(
        "total(X, f, factors, …) = Σ m f(x, z, …).",
        lambda X, c: matrix.total(X, lambda x, z, y: x * z - y, (c.W, c.H), c.other),
        lambda c: np.sum(c.m * (c.x * c.Z - c.other.W @ c.other.H)),
    ),
    like(
        "divergence(X, loss, W, H) = Σ m d(x, z), for each loss.",
        lambda X, c: [matrix.divergence(X, loss, c.W, c.H) for loss in c.losses],
        lambda c: [np.sum(_weighted(c, loss.divergence)) for loss in c.losses],
    ),
    like(
        "square_rise(X, (W, H), change) = Σ m (z + ½ Δz − x) Δz, ΔZ the product of the two in `change`.",
        lambda X, c: matrix.square_rise(X, (c.W, c.H), c.other),
        lambda c: 0.5 * (np.sum(c.m * (c.x - c.Z - c.other.W @ c.other.H) ** 2) - np.sum(c.m * (c.x - c.Z) ** 2)),
    ),
    like(
        "gradient_W(X, loss, W, H) = D′ Hᵀ with D′ = m ∂d/∂z.",
        lambda X, c: [matrix.gradient_W(X, loss, c.W, c.H) for loss in c.losses],
        lambda c: [_gradients(c, loss)[0] for loss in c.losses],
    ),
    like(
        "gradient_H(X, loss, W, H) = Wᵀ D′.",
        lambda X, c: [matrix.gradient_H(X, loss, c.W, c.H) for loss in c.losses],
        lambda c: [_gradients(c, loss)[1] for loss in c.losses],
    ),
    like(
        "gradients(X, loss, W, H) are both of them.",
        lambda X, c: [matrix.gradients(X, loss, c.W, c.H) for loss in c.losses],
        lambda c: [_gradients(c, loss) for loss in c.losses],
    ),
    like(
        "parts_W(X, loss, W, H) are (m negative) Hᵀ, (m positive) Hᵀ, their unit, and Σ m d.",
        lambda X, c: [_in_their_unit(matrix.parts_W(X, loss, c.W, c.H)) for loss in c.losses],
        lambda c: [
            (_weighted(c, loss.negative) @ c.H.T, _weighted(c, loss.positive) @ c.H.T, np.sum(_weighted(c, loss.quick)))
            for loss in c.losses
        ],
    ),
    like(
        "parts_H(X, loss, W, H) are Wᵀ(m negative), Wᵀ(m positive), their unit, Σ m d, and D′ Hᵀ.",
        lambda X, c: [_in_their_unit(matrix.parts_H(X, loss, c.W, c.H)) for loss in c.losses],
        lambda c: [
            (
                c.W.T @ _weighted(c, loss.negative),
                c.W.T @ _weighted(c, loss.positive),
                np.sum(_weighted(c, loss.quick)),
                _gradients(c, loss)[0],
            )
            for loss in c.losses
        ],
    ),
    like(
        "occupied(X): the rows and the columns with an entry other than 0 that counts.",
        lambda X, c: matrix.occupied(X),
        lambda c: [np.any(c.m * c.x != 0, axis=axis) for axis in (1, 0)],
    ),
    like(
        "occupied(X, which, factors, …): those with an entry that counts for which `which`(x, z, …) is true.",
        lambda X, c: matrix.occupied(X, lambda x, z: x > z, (c.W, c.H)),
        lambda c: [np.any((c.m > 0) & (c.x > c.Z), axis=axis) for axis in (1, 0)],
    ),
    like(
        "extremes(X): the least and the largest entry, where one that does not count is 0.",
        lambda X, c: matrix.extremes(X),
        lambda c: np.array([f(np.where(c.m > 0, c.x, 0)) for f in (np.min, np.max)]),
    ),
    is_filled,
    is_taken,
    like(
        "mean_size of filled(X) is the mean of |x|.",
        lambda X, c: matrix.mean_size(matrix.filled(X)),
        lambda c: np.mean(np.abs(_entries(matrix.filled(c.X))[0])),
    ),
    has_singular_values,
    has_tails,
    is_cast,
    is_the_same_in_blocks,
    is_jitted_and_batched,
    is_fitted_as_its_entries,
)


def _completed(case):
    return case.m * case.x + (np.max(case.m) - case.m) * case.Z


def _weighted(case, f):
    return np.where(case.m > 0, case.m * np.asarray(f(jnp.asarray(case.x), jnp.asarray(case.Z))), 0)


def _gradients(case, loss):
    slopes = _weighted(case, loss.derivative)
    return slopes @ case.H.T, case.W.T @ slopes


def _in_their_unit(parts):
    negative, positive, unit, *others = parts
    return negative * unit, positive * unit * jnp.ones_like(negative), *others


PROMISES = OF_X + OF_ITS_FUNCTIONS


@lists(PROMISES)
def check_matrix(X: Matrix, dense: Any = None) -> None:
    """Raises AssertionError for the first function of `jnmf.matrix` that is wrong for a kind of matrix.

    X: an example of the kind, small (each side at least 3) and floating, its entries as different as they can be: a
        zero row and column, values of both signs if the kind has them, weights from 0 to above 1 if it has those.
    dense: what its entries are, an array or Masked(array, weights); without it `entries(X)` is believed.

    The promises:
    """
    name = f"{type(X).__name__} {getattr(X, 'shape', '')}"
    hold(OF_X, name, X)
    hold(OF_ITS_FUNCTIONS, name, Case(X, dense))
