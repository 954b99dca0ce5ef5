"""Several matrices that share a factor, as one: each stays of its kind, and each sum is one over the blocks."""

import operator
from functools import reduce, singledispatch
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jnmf import matrix
from jnmf.matrix.masked import Masked
from jnmf.matrix.scaled import in_unit
from jnmf.matrix.sparse import Sparse
from jnmf.matrix.stored import Completed
from jnmf.matrix.uniform import Uniform
from jnmf.numerics import unit_of
from jnmf.pytree import Pytree, positional, static


class Stacked(Pytree):
    """[X_1 X_2 …], blocks side by side (axis 1) or one above the other (axis 0), arrays or other kinds.

    `jnmf.stacked` makes one. `by_the_weights`: see `matrix.has_own_half_steps`.
    """

    blocks: Any = positional()
    axis: Any = static(1)
    by_the_weights: Any = static(False)

    def of(self, blocks, axis=None) -> "Stacked":
        """Other blocks, stacked alike."""
        axis = self.axis if axis is None else axis
        return Stacked(blocks=tuple(blocks), axis=axis, by_the_weights=self.by_the_weights)

    @property
    def T(self) -> "Stacked":
        return self.of((B.T for B in self.blocks), 1 - self.axis)

    @property
    def lengths(self) -> list[int]:
        return [B.shape[self.axis] for B in self.blocks]

    @property
    def shape(self):
        other = self.blocks[0].shape[1 - self.axis]
        return (sum(self.lengths), other) if self.axis == 0 else (other, sum(self.lengths))

    @property
    def dtype(self):
        return self.blocks[0].dtype

    def cut(self, A) -> list[Any]:
        """The pieces of an array that belong to the blocks."""
        return jnp.split(A, np.cumsum(self.lengths)[:-1].tolist(), self.axis)


def _each(X: Stacked, *factors):
    """Of each block itself and the factors that it has, W (m, r), H (r, n), of each pair."""
    cut = [
        [(W, h) for h in X.cut(H)] if X.axis == 1 else [(w, H) for w in X.cut(W)]  # one of the two is shared
        for W, H in factors
    ]
    return [(B, [pairs[i] for pairs in cut]) for i, B in enumerate(X.blocks)]


def _sum(values) -> Any:
    return reduce(operator.add, values)


def _together(X: Stacked, found, axis: int) -> Any:
    """What was found of the blocks: one beside the other along the axis in which they are stacked, else their sum."""
    return jnp.concatenate(list(found), axis) if X.axis == axis else _sum(found)


@matrix.entries.register
def _(X: Stacked):
    x, m = zip(*map(matrix.entries, X.blocks), strict=True)
    if all(weights is None for weights in m):
        return jnp.concatenate(x, X.axis), None
    m = [jnp.ones_like(a) if weights is None else weights for a, weights in zip(x, m, strict=True)]
    return jnp.concatenate(x, X.axis), jnp.concatenate(m, X.axis)


@matrix.part.register
def _(X: Stacked, start, size, axis):
    """Across the blocks an array: of each block, the part of it that is nearest, put where it is in the whole."""
    if axis != X.axis:
        return X.of(matrix.part(B, start, size, axis) for B in X.blocks)
    whole, first, weighs = [], 0, matrix.is_completed(X)
    for B, length in zip(X.blocks, X.lengths, strict=True):
        width, places = min(size, length), start + jnp.arange(size) - first
        at = jnp.clip(start - first, 0, length - width)
        x, m = matrix.entries(matrix.part(B, at, width, axis))
        inside, from_at = (places >= 0) & (places < length), jnp.clip(places - at, 0, width - 1)
        inside = inside[:, None] if axis == 0 else inside[None, :]
        put = lambda A, i=inside, j=from_at: jnp.where(i, jnp.take(A, j, axis), 0)
        whole.append([put(x), put(jnp.ones_like(x) if m is None else m)])
        first += length
    x, m = (_sum(parts) for parts in zip(*whole, strict=True))
    return Masked(x, m) if weighs else x


@matrix.take.register
def _(X: Stacked, indices, axis):
    of = lambda B, indices: matrix.entries(matrix.take(B, indices, axis))[0]
    if axis != X.axis:
        return jnp.concatenate([of(B, indices) for B in X.blocks], X.axis)
    found, first = [], 0
    for B, length in zip(X.blocks, X.lengths, strict=True):
        inside = (indices >= first) & (indices < first + length)
        inside = inside[:, None] if axis == 0 else inside[None, :]
        found.append(jnp.where(inside, of(B, jnp.clip(indices - first, 0, length - 1)), 0))
        first += length
    return _sum(found)


@matrix.blockwise.register
def _(X: Stacked, f, A, axis, plus):
    """Along the stack block after block, so that f sees each in its kind."""
    if axis != X.axis:
        return matrix.blockwise.dispatch(object)(X, f, A, axis, plus)
    leaves, tree = jax.tree.flatten(A)
    pieces = zip(*map(X.cut, leaves), strict=True) if leaves else [()] * len(X.blocks)
    each = [
        matrix.in_blocks_with_sums(f, B, jax.tree.unflatten(tree, piece), axis, plus)
        for B, piece in zip(X.blocks, pieces, strict=True)
    ]
    found, sums = zip(*each, strict=True)
    return jax.tree.map(lambda *a: jnp.concatenate(a, axis), *found), reduce(plus, sums)


@matrix.product.register
def _(X: Stacked, W, H):
    """Each block completed with its own largest weight c_i; (c − c_i) WᵀW H_i is what is missing to that of all."""
    if not matrix.is_completed(X):
        pieces = [W] * len(X.blocks) if X.axis == 1 else X.cut(W)
        return _together(X, (matrix.product(B, w, None) for B, w in zip(X.blocks, pieces, strict=True)), 1)
    c = matrix.most_weight(X)
    rest = lambda B, w, h: (c - matrix.most_weight(B)) * ((w.T @ w) @ h)
    return _together(X, (matrix.product(B, w, h) + rest(B, w, h) for B, [(w, h)] in _each(X, (W, H))), 1)


matrix.pass_axis.register(Stacked, lambda X: X.axis)

SUMS: tuple[Any, ...] = (matrix.weight, matrix.square, matrix.size)
for _function in SUMS:
    _function.register(Stacked, lambda X, f=_function: _sum(map(f, X.blocks)))


@matrix.most_weight.register
def _(X: Stacked):
    return reduce(jnp.maximum, map(matrix.most_weight, X.blocks))


@matrix.total.register
def _(X: Stacked, f, *factors):
    return _sum(matrix.total(B, f, *pairs) for B, pairs in _each(X, *factors))


@matrix.divergence.register
def _(X: Stacked, loss, W, H):
    return _sum(matrix.divergence(B, loss, *pair) for B, [pair] in _each(X, (W, H)))


@matrix.square_rise.register
def _(X: Stacked, factors, change):
    return _sum(matrix.square_rise(B, *pairs) for B, pairs in _each(X, factors, change))


@matrix.gradient_W.register
def _(X: Stacked, loss, W, H):
    return _together(X, [matrix.gradient_W(B, loss, *pair) for B, [pair] in _each(X, (W, H))], 0)


@matrix.gradient_H.register
def _(X: Stacked, loss, W, H):
    return _together(X, [matrix.gradient_H(B, loss, *pair) for B, [pair] in _each(X, (W, H))], 1)


@matrix.parts_W.register
def _(X: Stacked, loss, W, H) -> Any:
    *parts, values = zip(*(matrix.parts_W(B, loss, *pair) for B, [pair] in _each(X, (W, H))), strict=True)
    return *_parts_together(X, parts, 0, W), _sum(values)


@matrix.parts_H.register
def _(X: Stacked, loss, W, H) -> Any:
    *parts, values, of_W = zip(*(matrix.parts_H(B, loss, *pair) for B, [pair] in _each(X, (W, H))), strict=True)
    return *_parts_together(X, parts, 1, H), _sum(values), _together(X, of_W, 0)


def _parts_together(X: Stacked, parts, axis: int, like) -> Any:
    """The negative and positive parts of all blocks, shaped `like` a factor, and their unit: of a sum, the largest."""
    pieces = X.cut(like) if X.axis == axis else [like] * len(X.blocks)
    in_full = lambda each: [jnp.broadcast_to(a, b.shape) for a, b in zip(each, pieces, strict=True)]
    negative, positive, units = map(in_full, parts)
    if X.axis == axis:
        return tuple(jnp.concatenate(a, axis) for a in (negative, positive, units))
    unit = reduce(jnp.maximum, units)
    return *(_sum(a * (u / unit) for a, u in zip(each, units, strict=True)) for each in (negative, positive)), unit


@matrix.occupied.register
def _(X: Stacked, which=matrix.is_nonzero, *factors) -> Any:
    both = zip(*(matrix.occupied(B, which, *pairs) for B, pairs in _each(X, *factors)), strict=True)
    return tuple(
        jnp.concatenate(each) if X.axis == axis else reduce(jnp.logical_or, each) for axis, each in enumerate(both)
    )


@matrix.extremes.register
def _(X: Stacked):
    least, most = jnp.stack(list(map(matrix.extremes, X.blocks)), axis=1)
    return jnp.stack([jnp.min(least), jnp.max(most)])


@matrix.filled.register
def _(X: Stacked):
    """With weights a block is m x + (1 − m) times the mean of all; a sparse one of one weight stays sparse."""
    if not matrix.is_completed(X):
        return X.of(map(matrix.filled, X.blocks))
    unit = unit_of(jnp.max(jnp.abs(matrix.extremes(X))))
    level, c = unit * (matrix.total(X, lambda x: x / unit) / matrix.weight(X)), matrix.most_weight(X)
    return X.of(_towards(B, 1 / c, level) for B in X.blocks)


@singledispatch
def _towards(X, share, level) -> Any:
    """m x + (1 − m) level, m the weights times `share`."""
    x, m = matrix.entries(X)
    m = share if m is None else share * m
    return m * x + (1 - m) * level


_towards.register(Uniform, lambda X, share, level: _towards(X.X, share * X.weight, level))
_towards.register(Sparse, lambda X, share, level: Completed(X.of_each(lambda x: share * x), (1 - share) * level))


@matrix.mean_size.register
def _(X: Stacked):
    return _sum(matrix.mean_size(B) * (length / sum(X.lengths)) for B, length in zip(X.blocks, X.lengths, strict=True))


@in_unit.register
def _(X: Stacked, root, of_weights=None):
    """Where other blocks have weights, those of a block without them are 1 in their unit, too."""

    def of(B):
        if matrix.is_completed(B):
            return in_unit(B, root) if of_weights is None else in_unit(B, root, of_weights)
        return in_unit(B, root) if of_weights is None else Uniform(in_unit(B, root), of_weights)

    return X.of(map(of, X.blocks))


matrix.is_completed.register(Stacked, lambda X: any(map(matrix.is_completed, X.blocks)))
matrix.has_own_half_steps.register(Stacked, lambda X: X.by_the_weights or any(map(matrix.has_own_half_steps, X.blocks)))
matrix.svd.register(Stacked, lambda X, rank: matrix.svd(matrix.entries(X)[0], rank))
matrix.cast.register(Stacked, lambda X, dtype: X.of(matrix.cast(B, dtype) for B in X.blocks))
matrix.told_by.register(Stacked, lambda X: [array for B in X.blocks for array in matrix.told_by(B)])
