"""Kinds of matrix that exist nowhere else, and the table of all: a new one is a line of it."""

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jax import Array
from support import problem

import jnmf
from jnmf import matrix, streamed
from jnmf.matrix import masked
from jnmf.matrix.held_out import Plus, Without
from jnmf.matrix.low_rank import LowRank
from jnmf.matrix.masked import Masked
from jnmf.matrix.rescaled import Rescaled
from jnmf.matrix.scaled import Scaled
from jnmf.matrix.stacked import Stacked
from jnmf.matrix.stored import Completed, FewStored
from jnmf.matrix.uniform import Uniform


class Sum(NamedTuple):
    """A + B."""

    A: Array
    B: Array
    shape = property(lambda self: self.A.shape)
    dtype = property(lambda self: self.A.dtype)
    T = property(lambda self: Sum(self.A.T, self.B.T))


matrix.entries.register(Sum, lambda X: (X.A + X.B, None))
matrix.part.register(Sum, lambda X, *place: Sum(*(matrix.part(A, *place) for A in X)))
matrix.product.register(Sum, lambda X, W, H: W.T @ X.A + W.T @ X.B)


@jax.tree_util.register_dataclass
@dataclass
class Coordinates:
    """The entries that are not 0, with their places: whole numbers, among the leaves."""

    values: Array
    rows: Array
    columns: Array
    shape: tuple = field(metadata={"static": True})
    dtype = property(lambda self: self.values.dtype)
    T = property(lambda self: Coordinates(self.values, self.columns, self.rows, self.shape[::-1]))


class Weighted(NamedTuple):
    """A with weights of its own."""

    A: Array
    M: Array
    shape = property(lambda self: self.A.shape)
    dtype = property(lambda self: self.A.dtype)
    T = property(lambda self: Weighted(self.A.T, self.M.T))


def densely(X):
    return jnp.zeros(X.shape, X.dtype).at[X.rows, X.columns].add(X.values)


matrix.entries.register(Coordinates, lambda X: (densely(X), None))
matrix.part.register(Coordinates, lambda X, *place: matrix.part(densely(X), *place))
matrix.product.register(
    Coordinates, lambda X, W, H: (W.T * 0 @ densely(X)).at[:, X.columns].add(W[X.rows].T * X.values[None, :])
)
matrix.entries.register(Weighted, lambda X: (X.A, X.M))
matrix.part.register(Weighted, lambda X, *place: Weighted(*(matrix.part(A, *place) for A in X)))
matrix.product.register(Weighted, lambda X, W, H: W.T @ (X.M * X.A + (jnp.max(X.M) - X.M) * (W @ H)))
matrix.is_completed.register(Weighted, lambda X: True)

X, START = problem()
HALF = jnp.asarray(np.random.default_rng(0).random(X.shape)) * X
MASK = jnp.asarray(np.random.default_rng(1).random(X.shape) < 0.8)
WEIGHTS = 3 * MASK * jnp.asarray(np.random.default_rng(4).random(X.shape))
LEFT, RIGHT = np.random.default_rng(2).uniform(0.1, 1, (12, 4)), np.random.default_rng(3).uniform(0.1, 1, (4, 9))
GAPS = jnp.asarray(X.at[2].set(0).at[:, 3].set(0))

FEW = GAPS * jnp.asarray(np.random.default_rng(5).random(X.shape) < 0.3)
SPARSE = jnmf.sparse(np.asarray(FEW))
IN_BOTH_ORDERS = (
    WEIGHTS[SPARSE.by_row.rows, SPARSE.by_row.columns],
    WEIGHTS[SPARSE.by_column.columns, SPARSE.by_column.rows],
)

ROWS, COLUMNS = jnp.linspace(0, 2, 12), jnp.linspace(0.5, 3, 9)

OUT = np.asarray(np.random.default_rng(6).random(X.shape) < 0.2, float)
FREE = np.argwhere(OUT == 0)[::5].T  # where a 0 is stored beside them, as in blocks of one size
PLACES = scipy.sparse.coo_array((np.append(OUT[OUT > 0], 0 * FREE[0]), np.hstack([OUT.nonzero(), FREE])), OUT.shape)

# What is read is compiled anew in every run; the others are like one of those that stay.
RESCALED = "rescaled", "rescaled, weighted"
SLOW = (
    "sparse, float32",
    "stored, float32",
    "streamed",
    "streamed, transposed",
    "plus",
    "completed",
    "low rank, signed",
    "masked, by the weights",
    "masked",
    "rescaled, weighted",
)
SLOW = ("streamed", "streamed, transposed", "plus", "completed", "low rank, signed", "masked, by the weights", "masked")
SLOW += ("uniform", "stacked", "stacked, weighted", "stacked, transposed")

KINDS = {  # an example, and its entries
    "sum": (Sum(HALF, X - HALF), X),
    "coordinates": (Coordinates(GAPS.ravel(), *map(jnp.asarray, np.indices(X.shape).reshape(2, -1)), X.shape), GAPS),
    "weighted": (Weighted(GAPS, WEIGHTS), Masked(GAPS, WEIGHTS)),
    "low rank": (LowRank(jnp.asarray(LEFT), jnp.asarray(RIGHT)), jnp.asarray(LEFT @ RIGHT)),
    "low rank, signed": (LowRank(jnp.asarray(LEFT - 0.5), jnp.asarray(RIGHT)), jnp.asarray((LEFT - 0.5) @ RIGHT)),
    "sparse": (SPARSE, FEW),
    "stored": (FewStored(SPARSE, IN_BOTH_ORDERS), Masked(FEW, WEIGHTS * (FEW != 0))),
    "without": (
        Without(jnmf.sparse(np.asarray(FEW) * (1 - OUT)), jnmf.sparse(PLACES.tocsr())),
        Masked(FEW * (1 - OUT), jnp.asarray(1 - OUT)),
    ),
    "sparse, float32": (jnmf.sparse(np.asarray(FEW, "float32")), FEW.astype("float32")),
    "stored, float32": (
        FewStored(jnmf.sparse(np.asarray(FEW, "float32"))),
        Masked(FEW.astype("float32"), jnp.asarray(FEW != 0, "float32")),
    ),
    "plus": (Plus(SPARSE, jnmf.sparse(OUT)), FEW + OUT),
    "completed": (Completed(SPARSE, jnp.asarray(0.3)), FEW + 0.3),
    "masked": (Masked(GAPS, WEIGHTS), Weighted(GAPS, WEIGHTS)),
    "masked, by the weights": (masked.Weighted(GAPS, WEIGHTS), Masked(GAPS, WEIGHTS)),
    "masked twice": (Masked(Masked(X, WEIGHTS), WEIGHTS[::-1]), Masked(X, WEIGHTS * WEIGHTS[::-1])),
    "streamed": (streamed(np.asarray(GAPS), block=5), GAPS),
    "streamed, transposed": (streamed(np.asarray(GAPS), block=5).T, GAPS.T),
    "rescaled": (Rescaled(HALF, ROWS, COLUMNS), ROWS[:, None] * HALF * COLUMNS[None, :]),
    "rescaled, weighted": (
        Rescaled(Weighted(GAPS, WEIGHTS), ROWS, COLUMNS),
        Masked(ROWS[:, None] * GAPS * COLUMNS[None, :], WEIGHTS),
    ),
    "scaled": (Scaled(X, jnp.asarray(2.0, X.dtype)), 4 * X),
    "scaled, weighted": (Scaled(Weighted(X, WEIGHTS), jnp.asarray(2.0, X.dtype)), Masked(4 * X, WEIGHTS)),
    "uniform": (Uniform(SPARSE, jnp.asarray(2.5)), Masked(FEW, jnp.full(X.shape, 2.5))),
    "stacked": (Stacked(blocks=(GAPS, SPARSE)), jnp.hstack([GAPS, FEW])),
    "stacked, weighted": (
        jnmf.stacked([GAPS, SPARSE, X], weights=[0.5, 2.0, 1.0], masks=[None, None, MASK]),
        Masked(
            jnp.hstack([GAPS, FEW, X * MASK]), jnp.hstack([0.5 * jnp.ones(X.shape), 2 * jnp.ones(X.shape), 1.0 * MASK])
        ),
    ),
    "stacked, transposed": (
        jnmf.stacked([GAPS, SPARSE], weights=[0.5, 2.0]).T,
        Masked(jnp.hstack([GAPS, FEW]).T, jnp.hstack([0.5 * jnp.ones(X.shape), 2 * jnp.ones(X.shape)]).T),
    ),
}
