"""What `cross_validate` holds out of a sparse X: lists of places, drawn on the host.

Of a sparse X as many entries as a fraction of its nonzeros, drawn from all of its entries, zeros in their proportion;
of an X whose stored entries alone count, that fraction of these.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnmf import holdout
from jnmf.matrix.csr import Csr
from jnmf.matrix.held_out import Without
from jnmf.matrix.sparse import Sparse
from jnmf.matrix.stored import Stored

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


class _OnHost:
    """The stored entries, their numbers by column, and how many nonzeros there are in each row and column."""

    def __init__(self, A: Csr, shape):
        self.shape = shape
        values, self.columns, starts = map(np.asarray, A)
        self.rows = np.repeat(np.arange(shape[0], dtype=np.int32), np.diff(starts))
        self.is_nonzero, self.size = values != 0, values.size
        by_column = np.lexsort((self.rows, self.columns))
        self.in_columns = np.empty(self.size + 1, int)
        self.in_columns[by_column], self.in_columns[self.size] = np.arange(self.size), self.size
        self.flat = self.rows.astype(np.int64) * shape[1] + self.columns  # in order
        self.totals = [
            np.bincount(lines[self.is_nonzero], minlength=length)
            for lines, length in zip((self.rows, self.columns), shape, strict=True)
        ]

    def stored_at(self, flat):
        """The number of the stored entry at each place i n + j; that of all where there is none."""
        found = np.searchsorted(self.flat, flat)
        there = np.append(self.flat, -1)[found] == flat
        return np.where(there, found, self.size)

    def emptied(self, rows, columns, is_nonzero):
        """Of the held-out entries in random order, one of each line that they leave without a nonzero."""
        given_back = np.zeros(0, int)
        for lines, total in zip((rows, columns), self.totals, strict=True):
            lost = (np.bincount(lines[is_nonzero], minlength=total.size) == total) & (total > 0)
            lost[lines[given_back]] = False  # that line has one back
            candidates = np.flatnonzero(is_nonzero & lost[lines])
            given_back = np.append(given_back, candidates[np.unique(lines[candidates], return_index=True)[1]])
        return given_back


def _chosen(key, population: int, number: int, told, X: _OnHost):
    """`number` of the integers below `population`, sorted, and without those that a row or column needs.

    told(integers) -> the rows, the columns and whether they are nonzero. None where too many are needed.
    """
    draw = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    held, kept = _fresh(draw, population, number, np.zeros(0, np.int64)), np.zeros(0, np.int64)
    for _ in range(ROUNDS):
        back = X.emptied(*told(held))
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


@holdout.drawn.register
def _(X: Sparse, keys, share):
    (m, n), host = X.shape, _OnHost(X.by_row, X.shape)
    nonzeros = int(host.is_nonzero.sum())
    number = round(share * nonzeros)
    holdout.check_number(number, share, nonzeros)

    def told(flat):
        return flat // n, flat % n, np.append(host.is_nonzero, False)[host.stored_at(flat)]

    def one(key) -> Places:
        flat = _chosen(key, m * n, number, told, host)
        if flat is None:
            holdout.refuse_number(number, share, nonzeros)
        by_column = np.lexsort((flat // n, flat % n))
        transposed = (flat % n * m + flat // n)[by_column]
        entries = host.stored_at(flat)
        places = Sparse(_csr(flat, X.shape, X.dtype), _csr(transposed, (n, m), X.dtype))
        return Places(places, (entries, host.in_columns[entries[by_column]]))

    return _stacked(map(one, keys))


def _csr(flat, shape, dtype) -> Csr:
    """1 at each place i n + j, sorted."""
    rows, columns = np.divmod(flat, shape[1])
    starts = np.searchsorted(rows, np.arange(shape[0] + 1))
    return Csr(np.ones(flat.size, dtype), columns, starts)  # pyright: ignore[reportArgumentType]


def _stacked(each):
    """As one tree, its whole numbers in 32 bits."""
    narrow = lambda a: a.astype(np.int32) if a.dtype == np.int64 else a
    return jax.tree.map(lambda *a: jnp.asarray(narrow(np.stack(a))), *each)


@holdout.drawn.register
def _(X: Stored, keys, share):
    host = _OnHost(X.X.by_row, X.shape)
    number = round(share * host.size)
    holdout.check_number(number, share, host.size)
    told = lambda entries: (host.rows[entries], host.columns[entries], host.is_nonzero[entries])

    def one(key) -> Entries:
        entries = _chosen(key, host.size, number, told, host)
        if entries is None:
            holdout.refuse_number(number, share, host.size)
        return Entries((entries, host.in_columns[entries]))

    return _stacked(map(one, keys))


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
    held = [jnp.zeros_like(m).at[which].set(m[which]) for m, which in zip(weights, own.entries, strict=True)]
    rest = [m.at[which].set(0) for m, which in zip(weights, own.entries, strict=True)]
    return X._replace(weights=tuple(rest)), X._replace(weights=tuple(held))
