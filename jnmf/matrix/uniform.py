"""A matrix whose entries all count with one weight more: what a block of several matrices may be."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from jnmf import matrix
from jnmf.matrix.scaled import in_unit


class Uniform(NamedTuple):
    """X (m, n), an array or another kind, each entry of which counts `weight` ≥ 0 times as much as in X."""

    X: Any
    weight: Any

    @property
    def T(self) -> "Uniform":
        return Uniform(self.X.T, self.weight)

    @property
    def shape(self):
        return self.X.shape

    @property
    def dtype(self):
        return self.X.dtype


def _times(weight, value):
    return jnp.where(weight > 0, weight * value, 0)


# Sums of m times something; so is the completed product, since c is `weight` times as large, too.
SUMS: tuple[Any, ...] = (
    *(matrix.product, matrix.weight, matrix.most_weight, matrix.total, matrix.square, matrix.square_rise),
    *(matrix.divergence, matrix.gradient_W, matrix.gradient_H),
)
for _sum in SUMS:
    _sum.register(Uniform, lambda X, *of, f=_sum: _times(X.weight, f(X.X, *of)))


def _parts(f: Any, X: Uniform, *of) -> Any:
    negative, positive, unit, *sums = f(X.X, *of)
    return _times(X.weight, negative), _times(X.weight, positive), unit, *(_times(X.weight, a) for a in sums)


matrix.parts_W.register(Uniform, lambda X, *of: _parts(matrix.parts_W, X, *of))
matrix.parts_H.register(Uniform, lambda X, *of: _parts(matrix.parts_H, X, *of))


@matrix.entries.register
def _(X: Uniform):
    x, m = matrix.entries(X.X)
    return x, X.weight * (jnp.ones_like(x) if m is None else m)


@matrix.occupied.register
def _(X: Uniform, *of):
    rows, columns = matrix.occupied(X.X, *of)
    return rows & (X.weight > 0), columns & (X.weight > 0)


matrix.part.register(Uniform, lambda X, *place: Uniform(matrix.part(X.X, *place), X.weight))
matrix.pass_axis.register(Uniform, lambda X: matrix.pass_axis(X.X))
matrix.extremes.register(Uniform, lambda X: jnp.where(X.weight > 0, matrix.extremes(X.X), 0))
matrix.is_completed.register(Uniform, lambda X: True)
matrix.has_own_half_steps.register(Uniform, lambda X: matrix.has_own_half_steps(X.X))
matrix.filled.register(Uniform, lambda X: matrix.filled(X.X))
matrix.size.register(Uniform, lambda X: matrix.size(X.X))
matrix.cast.register(Uniform, lambda X, dtype: Uniform(matrix.cast(X.X, dtype), jnp.asarray(X.weight, dtype)))
in_unit.register(Uniform, lambda X, root, of_weights=1.0: Uniform(in_unit(X.X, root), of_weights * X.weight))
