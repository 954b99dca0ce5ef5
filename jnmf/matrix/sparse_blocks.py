"""A sparse matrix whose rows are divided among devices, in one process or in many: each has a `Sparse` of its own rows.

Or, where the stored entries alone count, a `Stored`.

It is what a `Sharded` holds, which says what is computed of a block and what is sent: factors and r × r matrices. Of
the entries no value is ever sent; where they are is, once, for what `cross_validate` holds out (`jnmf.stored_places`).
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.multihost_utils import process_allgather
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jnmf import matrix
from jnmf.matrix.scaled import in_unit
from jnmf.matrix.sparse import Sparse, from_csr
from jnmf.pytree import Pytree, positional, static
from jnmf.sparse_formats import LARGEST


class SparseBlocks(Pytree):
    """X (m, n) in blocks of as many rows each, or (axis 1) columns: of a `Sparse` each, the arrays with a first axis.

    Devices hold arrays of one size: a block that stores fewer entries than another one stores zeros beside its own, at
    places that are free, and so is a `Sparse` like any other. Those zeros are −0, and no other entry is: of a `Stored`,
    they have weight 0.
    """

    blocks: Any = positional(kw_only=False)  # Sparse, Stored or Without, or what an init sees: Completed or Plus
    axis: Any = static(0)

    @property
    def T(self) -> "SparseBlocks":
        return SparseBlocks(self.blocks.T, axis=1 - self.axis)

    @property
    def number(self) -> int:
        return self.sparse.by_row.starts.shape[0]

    @property
    def sparse(self) -> Sparse:
        """The entries of the blocks alone."""
        return self.blocks if isinstance(self.blocks, Sparse) else self.blocks[0]

    @property
    def shape(self):
        of_block = [A.starts.shape[1] - 1 for A in self.sparse]
        of_block[self.axis] *= self.number
        return tuple(of_block)

    @property
    def dtype(self):
        return self.blocks.dtype

    def __repr__(self) -> str:
        return f"SparseBlocks {self.shape} in {self.number}, {self.dtype}"


def by_rows(A, dtype, put, sharding) -> tuple[SparseBlocks, Mesh, tuple[str, ...]]:
    """The rows of a SciPy csr_array, in order, each place once, on the devices of this process; those of others follow.

    Returns X, its mesh with automatic axes, and those that divide the rows.

    A mesh brings the processes of its devices, each of which calls this. `put` as in `from_csr`. Raises ValueError, in
    all processes, where the rows are not as many for each device, or the columns or the dtype are not the same.
    """
    names, mesh = _axes_of_rows(sharding), Mesh(sharding.mesh.devices, sharding.mesh.axis_names)  # which are automatic
    number, divided = math.prod(mesh.shape[name] for name in names), NamedSharding(mesh, P(names))
    devices = divided.addressable_devices_indices_map((number,))
    of_device = {device: index[0].start or 0 for device, index in devices.items()}  # pyright: ignore
    own = sorted(set(of_device.values()))
    length, rest = divmod(A.shape[0], len(own))
    with np.errstate(over="ignore"):  # what leaves the range is found by the look
        A = A.astype(dtype, copy=False)  # before −0 is given its meaning: less than the dtype holds may become it
    pieces = [A[i * length : (i + 1) * length] for i in range(len(own) if not rest else 0)]
    told = [length, rest, len(own), A.shape[1], jnp.dtype(dtype).itemsize, max((B.nnz for B in pieces), default=0)]
    told = np.atleast_2d(told)
    if len({device.process_index for device in mesh.devices.flat}) > 1:
        told = process_allgather(told.astype(np.int32), tiled=True)
    _check_alike(told)
    most = int(np.max(told[:, -1]))
    if most > LARGEST:
        raise ValueError(f"X: expected fewer than 2**31 stored entries on each device, got {most}; take more devices")
    found = []
    for device, block in of_device.items():
        with jax.default_device(device):
            one = from_csr(_with_zeros(pieces[own.index(block)], most), dtype, put)
            found.append(jax.tree.map(lambda a, device=device: jax.device_put(a[None], device), one))
    whole = lambda *a: jax.make_array_from_single_device_arrays((number, *a[0].shape[1:]), divided, list(a))
    return SparseBlocks(jax.tree.map(whole, *found)), mesh, names


def _axes_of_rows(sharding) -> tuple[str, ...]:
    if isinstance(sharding, NamedSharding):
        rows, *others = (*sharding.spec, None)[:2]
        names = rows if isinstance(rows, tuple) else (rows,) if rows else ()
        if names and others == [None]:
            return names
    raise ValueError(
        "sharding: expected a NamedSharding that divides the rows of a sparse X, and no columns, as "
        f'NamedSharding(mesh, PartitionSpec("rows", None)), got {sharding!r}'
    )


def _check_alike(told) -> None:
    """told: of each process what it was given."""
    length, rest, own, *same = told[:, :-1].T
    if rest.any():
        m = length * own + rest
        raise ValueError(
            f"X: expected rows that divide by the devices, got {_listed(m)} on {_listed(own)}; X.resize(…) adds empty "
            "rows to a matrix of SciPy"
        )
    for values, what in zip((length, *same), ("rows for each device", "columns", "bytes of a number"), strict=True):
        if len(set(values)) > 1:
            raise ValueError(f"X: expected as many {what} in all processes, got {_listed(values)}")


def _listed(numbers) -> str:
    return ", ".join(map(str, numbers))


def _with_zeros(A, number: int):
    """A csr_array that stores `number` entries: −0 at places that are free, evenly; what is −0 in A becomes 0."""
    (m, n), missing, values = A.shape, number - A.nnz, A.data + A.dtype.type(0)
    if not missing:
        return type(A)((values, A.indices, A.indptr), shape=A.shape)
    stored = np.repeat(np.arange(m, dtype=np.int64), np.diff(A.indptr)) * n + A.indices
    places = np.append(stored, free_places(stored, m * n, missing))
    order = np.argsort(places, kind="stable")
    places, values = places[order], np.append(values, np.full(missing, -0.0, A.dtype))[order]
    return type(A)((values, places % n, np.searchsorted(places, np.arange(m + 1) * n)), shape=A.shape)


def free_places(taken, size: int, number: int):
    """`number` of the places below `size` that are not taken, evenly; `taken` is in order."""
    chosen = np.arange(number) * ((size - taken.size) // max(number, 1))  # of the free places, in their order
    return chosen + np.searchsorted(taken - np.arange(taken.size), chosen, side="right")


def is_added(values):
    """Which entries of a block are those zeros: by their bits, since a device may take the least numbers for 0."""
    bits = jnp.dtype(f"int{8 * values.dtype.itemsize}")
    return values.view(bits) == jnp.iinfo(bits).min


matrix.divided.register(SparseBlocks, lambda X, rows, columns: jax.tree.map(lambda _: P(rows + columns), X))
matrix.of_device.register(SparseBlocks, lambda X: jax.tree.map(lambda a: a[0], X.blocks))


@matrix.exchanged.register
def _(X: SparseBlocks, pad, sharding):
    of = ("rows", "columns")[X.axis]
    raise TypeError(
        f"X: expected a sparse matrix whose {of} are not divided, since these are needed whole, got one over devices; "
        'for singular values it needs at least as many rows as columns, init="random" needs none'
    )


@matrix.entries.register
def _(X: SparseBlocks):
    """For small ones: an array, on all devices."""
    found = jax.vmap(matrix.entries)(X.blocks)
    x, m = (a if a is None else jnp.moveaxis(a, 0, X.axis).reshape(X.shape) for a in found)
    return x, m


@matrix.told_by.register
def _(X: SparseBlocks):
    """The blocks side by side in the axis that is divided."""
    return [a if X.axis == 0 else a.T for a in matrix.told_by(X.blocks)]


@matrix.weight.register
def _(X: SparseBlocks):
    return matrix.weight(X.blocks) if matrix.is_completed(X) else float(X.shape[0]) * X.shape[1]


@matrix.filled.register
def _(X: SparseBlocks):
    """What does not count is the mean of what does, in all blocks."""
    return SparseBlocks(matrix.filled(X.blocks), axis=X.axis) if matrix.is_completed(X) else X


matrix.in_memory.register(SparseBlocks, lambda X: False)
matrix.is_completed.register(SparseBlocks, lambda X: matrix.is_completed(X.blocks))
matrix.size.register(SparseBlocks, lambda X: X.sparse.by_row.values.size)
in_unit.register(SparseBlocks, lambda X, *powers: SparseBlocks(in_unit(X.blocks, *powers), axis=X.axis))
