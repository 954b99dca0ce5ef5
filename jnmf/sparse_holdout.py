"""What `cross_validate` holds out of a sparse X: lists of places, drawn on the host.

Of a sparse X as many entries as a fraction of its nonzeros, drawn from all of its entries, zeros in their proportion;
of an X whose stored entries alone count, that fraction of these.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec as P

from jnmf import holdout, matrix, stored_places
from jnmf.matrix.csr import Csr
from jnmf.matrix.held_out import Without
from jnmf.matrix.sharded import Sharded
from jnmf.matrix.sparse import Sparse
from jnmf.matrix.sparse_blocks import SparseBlocks, free_places
from jnmf.matrix.stored import Stored
from jnmf.stored_places import Block, StoredPlaces

ROUNDS = 100  # in which what would leave a row or column without a nonzero is given back, at most


class Places(NamedTuple):
    """What one restart holds out of a sparse X, or S of them: K places, and which of the stored entries they are.

    `entries` are their numbers in the two orders, place by place; the number of all where nothing is stored.
    """

    places: Sparse  # 1 at each
    entries: tuple[Any, Any]


class Entries(NamedTuple):
    """What one restart holds out of the stored entries: their numbers in the two orders."""

    entries: tuple[Any, Any]


def emptied(totals, rows, columns, is_nonzero):
    """Of the held-out entries in random order, one of each line that they leave without a nonzero of its total."""
    given_back = np.zeros(0, int)
    for lines, total in zip((rows, columns), totals, strict=True):
        lost = (np.bincount(lines[is_nonzero], minlength=total.size) == total) & (total > 0)
        lost[lines[given_back]] = False  # that line has one back
        candidates = np.flatnonzero(is_nonzero & lost[lines])
        given_back = np.append(given_back, candidates[np.unique(lines[candidates], return_index=True)[1]])
    return given_back


def _chosen(key, population: int, number: int, told, totals):
    """`number` of the integers below `population`, sorted, and without those that a row or column needs.

    told(integers) -> the rows, the columns and whether they are nonzero. None where too many are needed.
    """
    draw = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    held, kept = _fresh(draw, population, number, np.zeros(0, np.int64)), np.zeros(0, np.int64)
    for _ in range(ROUNDS):
        back = emptied(totals, *told(held))
        if not back.size:
            return np.sort(held)
        held, kept = np.delete(held, back), np.append(kept, held[back])
        if number > population - kept.size:
            return None
        held = np.append(held, _fresh(draw, population, number - held.size, np.append(held, kept)))
    return None


def _fresh(draw, population: int, number: int, taken):
    """`number` different integers below `population`, none of them taken, in random order."""
    if population < 4 * (number + taken.size):
        everyone = draw.permutation(population)
        return everyone[~np.isin(everyone, taken)][:number]
    found = np.zeros(0, np.int64)
    while found.size < number:
        found = np.append(found, draw.integers(population, size=number))
        found = found[np.sort(np.unique(found, return_index=True)[1])]
        found = found[~np.isin(found, taken)]
    return found[:number]


def _places(X: StoredPlaces, keys, share, dtype):
    """Of an X of which every entry counts."""
    (m, n), nonzeros = X.shape, int(X.totals[0].sum(dtype=np.int64))
    number = round(share * nonzeros)
    holdout.check_number(number, share, nonzeros)
    told = lambda flat: (flat // n, flat % n, X.is_nonzero(flat))

    def one(key):
        flat = _chosen(key, m * n, number, told, X.totals)
        if flat is None:
            holdout.refuse_number(number, share, nonzeros)
        return {b: X.within(b, flat)[1] for b in X.blocks}

    return _on_devices(X, [one(key) for key in keys], partial(_places_of_block, dtype=dtype))


def _entries(X: StoredPlaces, keys, share):
    """Of an X of which the stored entries alone count."""
    total = X.num_stored
    number = round(share * total)
    holdout.check_number(number, share, total)

    def one(key):
        numbers = _chosen(key, total, number, X.stored, X.totals)
        if numbers is None:
            holdout.refuse_number(number, share, total)
        return {b: X.numbered(b, numbers)[1] for b in X.blocks}

    def of_block(block: Block, entries, number: int) -> Entries:
        entries = np.pad(entries, (0, number - entries.size), constant_values=block.size)
        return Entries((entries, block.in_columns[entries]))

    return _on_devices(X, [one(key) for key in keys], of_block)


def _on_devices(X: StoredPlaces, each, of_block):
    """What of_block(block, places, number) makes of each restart: `number` places, as many for all blocks."""
    number = X.most(max(places.size for one in each for places in one.values()))
    found = {b: _stacked([of_block(block, one[b], number) for one in each]) for b, block in X.blocks.items()}
    return X.on_devices(found)


def _stacked(each):
    """As one tree, its whole numbers in 32 bits."""
    narrow = lambda a: a.astype(np.int32) if a.dtype == np.int64 else a
    return jax.tree.map(lambda *a: narrow(np.stack(a)), *each)


def _places_of_block(block: Block, flat, number: int, dtype) -> Places:
    """Those at i n + j in a block, in order, and others up to the number, at which `places` has 0 and X changes not."""
    (m, n), fewer = block.shape, number - flat.size
    entries = np.pad(block.at(flat), (0, fewer), constant_values=block.size)
    flat = np.append(flat, free_places(flat, m * n, fewer))
    order = np.argsort(flat, kind="stable")
    rows, columns, entries = *np.divmod(flat[order], n), entries[order]
    ones = (order < number - fewer).astype(dtype)
    by_column = np.lexsort((rows, columns))
    transposed = _csr(ones[by_column], columns[by_column], rows[by_column], n)
    places = Sparse(_csr(ones, rows, columns, m), transposed)
    return Places(places, (entries, block.in_columns[entries[by_column]]))


def _csr(values, rows, columns, num_rows: int) -> Csr:
    return Csr(values, columns, np.searchsorted(rows, np.arange(num_rows + 1)))  # pyright: ignore[reportArgumentType]


holdout.drawn.register(Sparse, lambda X, keys, share: _places(stored_places.of_one(X), keys, share, X.dtype))
holdout.drawn.register(Stored, lambda X, keys, share: _entries(stored_places.of_one(X.X), keys, share))


@holdout.drawn.register
def _(X: Sharded, keys, share):
    """Of a sparse X the same as on one device. Each process draws all places, and keeps those in its blocks."""
    if not isinstance(X.X, SparseBlocks):
        return holdout.drawn.dispatch(object)(X, keys, share)
    of = stored_places.of_blocks(X)
    return _entries(of, keys, share) if isinstance(X.X.blocks, Stored) else _places(of, keys, share, X.dtype)


@holdout.split.register
def _(X: Sparse, own):
    """X without the places, where it is set to 0, and what it has there."""
    with_one_more = (jnp.append(A.values, 0) for A in X)
    there = (
        P._replace(values=values[which])
        for P, values, which in zip(own.places, with_one_more, own.entries, strict=True)
    )
    rest = (A._replace(values=A.values.at[which].set(0, mode="drop")) for A, which in zip(X, own.entries, strict=True))
    return Without(Sparse(*rest), own.places), Stored(Sparse(*there))


@holdout.split.register
def _(X: Stored, own):
    weights = [jnp.ones_like(A.values) for A in X.X] if X.weights is None else X.weights
    held = [
        jnp.zeros_like(m).at[which].set(m[which], mode="drop") for m, which in zip(weights, own.entries, strict=True)
    ]
    rest = [m.at[which].set(0, mode="drop") for m, which in zip(weights, own.entries, strict=True)]
    return X._replace(weights=tuple(rest)), X._replace(weights=tuple(held))


@holdout.split.register
def _(X: Sharded, own):
    """Of a sparse X each device its block. Of what it holds out, what is there for blocks of one size has no weight."""
    if not isinstance(X.X, SparseBlocks):
        return holdout.split.dispatch(object)(X, own)

    def of_device(x, own):
        own = jax.tree.map(lambda a: a[0], own)
        rest, held = holdout.split(matrix.of_device(x), own)
        if isinstance(own, Places):
            held = held._replace(weights=tuple(A.values for A in own.places))
        return jax.tree.map(lambda a: a[None], (rest, held))

    divided = P(X.rows + X.columns)
    of_each = jax.shard_map(of_device, mesh=X.mesh, in_specs=divided, out_specs=divided, check_vma=False)
    rest, held = of_each(X.X, own)
    return X.of(SparseBlocks(rest, axis=X.X.axis)), X.of(SparseBlocks(held, axis=X.X.axis))
