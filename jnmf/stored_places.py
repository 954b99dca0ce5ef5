"""Where a sparse X stores entries, on the host: a process knows it of its own blocks, and of the others what it asks.

What they tell each other are whole numbers, and no entry: how many nonzeros each row and each column has; of places
whether there is a nonzero; and of X whose stored entries alone count how many of them each row has in each block, and
where those with given numbers are. One process tells nothing.
"""

from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.multihost_utils import process_allgather
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from jnmf.matrix.csr import Csr
from jnmf.matrix.sharded import Sharded
from jnmf.matrix.sparse import Sparse
from jnmf.matrix.sparse_blocks import is_added


class Block:
    """The stored entries of a block (m, n) of X by row: their places i n + j in it, and their numbers by column.

    `counts` are the numbers of those that were not added for blocks of one size.
    """

    def __init__(self, A: Csr, shape, has_added: bool):
        values, self.columns, starts = map(np.asarray, A)
        self.shape, self.size = shape, values.size
        self.rows = np.repeat(np.arange(shape[0], dtype=np.int32), np.diff(starts))
        self.is_nonzero = values != 0
        by_column = np.lexsort((self.rows, self.columns))
        self.in_columns = np.empty(self.size + 1, int)
        self.in_columns[by_column], self.in_columns[self.size] = np.arange(self.size), self.size
        self.flat = self.rows.astype(np.int64) * shape[1] + self.columns  # in order
        self.counts = np.flatnonzero(~is_added(values)) if has_added else np.arange(self.size)

    def at(self, flat):
        """The number of the stored entry at each place; that of all where there is none."""
        return _where(self.flat, flat)


def _where(ordered, values):
    """Where each of the values is in an array in order; its length for those that are not."""
    found = np.searchsorted(ordered, values)
    return np.where(np.append(ordered, -1)[found] == values, found, ordered.size)


class StoredPlaces:
    """The blocks of X (m, n), `number` along an axis, which this process has, and those of them that it answers for.

    on_devices({block: tree of arrays (S, …)}) -> one tree, divided as X is.
    """

    def __init__(self, blocks: dict[int, Block], own, shape, on_devices, *, axis=0, number=1, is_apart=False):
        self.blocks, self.own, self.shape, self.on_devices = blocks, own, shape, on_devices
        self.axis, self.number, self.is_apart = axis, number, is_apart
        self.block_shape = tuple(length // (number if i == axis else 1) for i, length in enumerate(shape))

    def added_up(self, a):
        """Σ a over the processes, for whole numbers of 32 bits."""
        return process_allgather(a.astype(np.int32)).sum(axis=0) if self.is_apart else a

    def most(self, number: int) -> int:
        """The largest of the numbers of the processes."""
        return int(process_allgather(np.int32(number)).max()) if self.is_apart else number

    def _first(self, block: int):
        """The row and the column of X in which a block begins."""
        return [block * length if i == self.axis else 0 for i, length in enumerate(self.block_shape)]

    @cached_property
    def totals(self):
        """How many nonzeros there are in each row (m,) and in each column (n,)."""
        found = [np.zeros(length, int) for length in self.shape]
        for b in self.own:
            block = self.blocks[b]
            for lines, total, first, length in zip(
                (block.rows, block.columns), found, self._first(b), self.block_shape, strict=True
            ):
                total[first : first + length] += np.bincount(lines[block.is_nonzero], minlength=length)
        return np.split(self.added_up(np.concatenate(found)), [self.shape[0]])

    def within(self, b: int, flat):
        """Which of the places i n + j of X are in a block, and where they are there."""
        places = np.divmod(flat, self.shape[1])
        here = places[self.axis] // self.block_shape[self.axis] == b
        i, j = (lines[here] - first for lines, first in zip(places, self._first(b), strict=True))
        return here, i * self.block_shape[1] + j

    def is_nonzero(self, flat):
        """Whether X is nonzero at each of the places i n + j."""
        found = np.zeros(flat.size, bool)
        for b in self.own:
            here, places = self.within(b, flat)
            found[here] = np.append(self.blocks[b].is_nonzero, False)[self.blocks[b].at(places)]
        return self.added_up(found) > 0

    @cached_property
    def _stored(self):
        """How many entries each row of each block stores, those that were added left out: (number, rows of a block)."""
        counts = np.zeros((self.number, self.block_shape[0]), int)
        for b in self.own:
            block = self.blocks[b]
            counts[b] = np.bincount(block.rows[block.counts], minlength=self.block_shape[0])
        return self.added_up(counts)

    @property
    def num_stored(self) -> int:
        return int(self._stored.sum(dtype=np.int64))

    @cached_property
    def _numbers(self):
        """Of each block: which of all stored entries, in the order of the rows of X, those that count in it are."""
        counts = self._stored.astype(np.int64)
        by_row = counts if self.axis == 0 else counts.T  # the order in which they are numbered
        before = np.cumsum(by_row).reshape(by_row.shape) - by_row
        before = before if self.axis == 0 else before.T
        found = {}
        for b, block in self.blocks.items():
            rows = block.rows[block.counts]
            found[b] = before[b][rows] + np.arange(rows.size) - (np.cumsum(counts[b]) - counts[b])[rows]
        return found

    def numbered(self, b: int, numbers):
        """Which of the stored entries with these numbers are in a block, and which of its entries they are."""
        found = _where(self._numbers[b], numbers)
        here = found < self.blocks[b].counts.size
        return here, self.blocks[b].counts[found[here]]

    def stored(self, numbers):
        """The rows and the columns of stored entries, and whether they are nonzero."""
        found = np.zeros((3, numbers.size), int)
        for b in self.own:
            block, (first_row, first_column) = self.blocks[b], self._first(b)
            here, entries = self.numbered(b, numbers)
            found[:, here] = (
                first_row + block.rows[entries],
                first_column + block.columns[entries],
                block.is_nonzero[entries],
            )
        rows, columns, is_nonzero = self.added_up(found)
        return rows, columns, is_nonzero > 0


def of_one(X: Sparse) -> StoredPlaces:
    on_device = lambda of_blocks: jax.tree.map(jnp.asarray, of_blocks[0])
    return StoredPlaces({0: Block(X.by_row, X.shape, False)}, [0], X.shape, on_device)


def of_blocks(X: Sharded) -> StoredPlaces:
    """Of a `SparseBlocks`. Where devices hold copies of a block, the process of one of them answers for it."""
    first = lambda shard: shard.index[0].start or 0
    shards = [leaf.addressable_shards for leaf in X.X.sparse.by_row]
    arrays = {first(of_one[0]): Csr(*(shard.data[0] for shard in of_one)) for of_one in zip(*shards, strict=True)}
    number, names = X.X.number, X.rows + X.columns
    shape = tuple(length // (number if i == X.X.axis else 1) for i, length in enumerate(X.shape))
    divided = NamedSharding(X.mesh, P(None, names))

    def on_devices(of_blocks):
        def whole(*each):
            of: dict[int, Any] = dict(zip(of_blocks, each, strict=True))
            mine = lambda index: of[index[1].start or 0][:, None]
            return jax.make_array_from_callback((len(each[0]), number, *each[0].shape[1:]), divided, mine)

        return jax.tree.map(whole, *of_blocks.values())

    return StoredPlaces(
        {b: Block(A, shape, True) for b, A in arrays.items()},
        sorted({first(shard) for shard in shards[0] if shard.replica_id == 0}),
        X.shape,
        on_devices,
        axis=X.X.axis,
        number=number,
        is_apart=len({device.process_index for device in X.mesh.devices.flat}) > 1,
    )
