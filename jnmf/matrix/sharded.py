"""A matrix in blocks over several devices, in one process or in many: each holds its block of X, and no other.

What is a sum over entries of X is that sum over each block, added up over the devices: `matrix` says what is computed
of a block, this file what is sent. With the devices in a grid, block (i, j) of X meets the rows i of W and the columns
j of H. WᵀX is the sum over i of the products of the blocks; what is summed is left divided among the devices of column
j (reduce-scatter), each of which improves its share of the columns of H, and these are exchanged before the next
product (all-gather). So factors and r × r matrices are all that is sent, as in MPI-FAUN: Kannan, Ballard and Park 2018.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jnmf import matrix
from jnmf.checks import is_traced
from jnmf.matrix.leading import of_triangle, triangle
from jnmf.matrix.masked import Masked, Weighted, weighted_by
from jnmf.matrix.scaled import in_unit
from jnmf.pytree import Pytree, positional, static

LONGEST_SIDE = 2**13  # the shorter side of X up to which its singular values are computed


class Sharded(Pytree):
    """X (m, n), an array or a kind that is made of such arrays, of which each device of a mesh holds a block.

    rows, columns: the axes of the mesh that divide the rows, and those that divide the columns of X. Other axes hold
    copies. A kind whose arrays are not divided as X is registers `matrix.divided`, `of_device`, `exchanged`.
    """

    X: Any = positional(kw_only=False)
    mesh: Any = static(None)
    rows: Any = static(())
    columns: Any = static(())

    @property
    def T(self) -> "Sharded":
        return Sharded(self.X.T, mesh=self.mesh, rows=self.columns, columns=self.rows)

    @property
    def shape(self):
        return self.X.shape

    @property
    def dtype(self):
        return self.X.dtype

    def of(self, X, **axes) -> "Sharded":
        """Another matrix in the same blocks."""
        return Sharded(X, **({"mesh": self.mesh, "rows": self.rows, "columns": self.columns} | axes))


def spread(X, like: jax.Array) -> Sharded:
    """An X that is in blocks as an array is."""
    sharding: Any = like.sharding
    both = (*sharding.spec, None, None)[:2]
    rows, columns = (names if isinstance(names, tuple) else () if names is None else (names,) for names in both)
    return Sharded(X, mesh=sharding.mesh, rows=rows, columns=columns)


def automatic(A: jax.Array) -> jax.Array:
    """A, with the axes of its mesh automatic: where they are explicit, JAX asks of each product how to divide it."""
    sharding: Any = A.sharding
    mesh = sharding.mesh
    if all(kind == jax.sharding.AxisType.Auto for kind in mesh.axis_types):
        return A
    return jax.device_put(A, NamedSharding(Mesh(mesh.devices, mesh.axis_names), sharding.spec))


def is_divided(A) -> bool:
    """Whether A is an array of which the devices of a mesh have different parts."""
    if not isinstance(A, jax.Array) or is_traced(A) or not isinstance(A.sharding, NamedSharding):
        return False
    return not A.sharding.is_fully_replicated


def _number(X: Sharded, names) -> int:
    """Of devices along these axes."""
    return math.prod(X.mesh.shape[name] for name in names)


def _on_each(X: Sharded, f, given, found):
    """f(block of X, …) on each device; `given` and `found`: how the other arguments and the results are divided."""
    of_block = lambda x, *arguments: f(matrix.of_device(x), *arguments)
    specs = matrix.divided(X.X, X.rows, X.columns), *given
    call = jax.shard_map(of_block, mesh=X.mesh, in_specs=specs, out_specs=found, check_vma=False)
    return lambda *arguments: call(X.X, *arguments)


def _added(a, X: Sharded, over, axis: int):
    """Σ a over the devices along `over`, each of which keeps its share along `axis` where that can be divided."""
    if not over:
        return a
    if a.shape[axis] % _number(X, over):
        return lax.psum(a, over)
    return lax.psum_scatter(a, over, scatter_dimension=axis, tiled=True)


def _shares(X: Sharded, axis: int) -> P:
    """How the rows (axis 0) or columns (axis 1) of what was `_added` are divided."""
    own, other = (X.rows, X.columns)[:: 1 if axis == 0 else -1]
    names = own if X.shape[axis] % _number(X, own + other) else own + other
    return P(names, None) if axis == 0 else P(None, names)


@matrix.entries.register
def _(X: Sharded):
    return matrix.entries(X.X)


@matrix.product.register
def _(X: Sharded, W, H):
    """A block with weights imputes up to its largest one, and what is missing of the largest of all is added."""
    H = H if matrix.is_completed(X) else None

    def of_block(x, W, H):
        WtX = matrix.product(x, W, H)
        if H is not None:
            here = matrix.most_weight(x)
            WtX = WtX + (lax.pmax(here, X.rows + X.columns) - here) * ((W.T @ W) @ H)
        return _added(WtX, X, X.rows, 1)

    return _on_each(X, of_block, (P(X.rows), P(None, X.columns)), _shares(X, 1))(W, H)


@matrix.most_weight.register
def _(X: Sharded):
    if not matrix.is_completed(X):
        return 1.0
    return _on_each(X, lambda x: lax.pmax(matrix.most_weight(x), X.rows + X.columns), (), P())()


@matrix.by_columns.register
def _(X: Sharded, half_step, axis):
    """Every device takes its share of the columns. Where there is no equal one, zero columns are added, and the devices
    that share a block of columns exchange what they found at once."""
    own, other = (X.rows, X.columns)[:: 1 if axis == 0 else -1]
    number = _number(X, other)
    of_each_column = lambda penalty: jnp.ndim(penalty) == 2 and penalty.shape[1] > 1

    def of_share(H, G, C, *penalties):
        n = H.shape[1]
        width = -(-n // number)

        def mine(A):
            A = jnp.pad(A, ((0, 0), (0, width * number - n)))
            return lax.dynamic_slice_in_dim(A, lax.axis_index(other) * width, width, axis=1)

        penalties = (mine(penalty) if of_each_column(penalty) else penalty for penalty in penalties)
        found = half_step(mine(H), G, mine(C), *penalties)
        return lax.all_gather(found, other, axis=1, tiled=True)[:, :n]

    is_equal = X.shape[axis] % _number(X, own + other) == 0
    f, share = (half_step, P(None, own + other)) if is_equal else (of_share, P(None, own))

    def divided(H, G, C, *penalties, **within):
        if within:  # a constraint may know which column is which
            return half_step(H, G, C, *penalties, **within)
        specs = (share, P(), share, *(share if of_each_column(penalty) else P() for penalty in penalties))
        call = jax.shard_map(f, mesh=X.mesh, in_specs=specs, out_specs=share, check_vma=False)
        return call(H, G, C, *penalties)

    return divided


@matrix.added_up.register
def _(X: Sharded, f, of_rows, of_columns):
    of_block = lambda *arguments: lax.psum(f(*arguments), X.rows + X.columns)
    return _on_each(X, of_block, (P(X.rows), P(None, X.columns)), P())(of_rows, of_columns)


def _total(X: Sharded, f, *factors):
    W, H = [W for W, _ in factors], [H for _, H in factors]
    return matrix.added_up(X, lambda x, W, H: f(x, *zip(W, H, strict=True)), W, H)


matrix.total.register(Sharded, lambda X, f, *factors: _total(X, lambda x, *Z: matrix.total(x, f, *Z), *factors))
matrix.square.register(Sharded, lambda X: _total(X, matrix.square))
matrix.divergence.register(
    Sharded, lambda X, loss, W, H: _total(X, lambda x, Z: matrix.divergence(x, loss, *Z), (W, H))
)
matrix.square_rise.register(Sharded, lambda X, *factors: _total(X, matrix.square_rise, *factors))


@matrix.gradient_W.register
def _(X: Sharded, loss, W, H):
    of_block = lambda x, W, H: _added(matrix.gradient_W(x, loss, W, H), X, X.columns, 0)
    return _on_each(X, of_block, (P(X.rows), P(None, X.columns)), _shares(X, 0))(W, H)


@matrix.gradient_H.register
def _(X: Sharded, loss, W, H):
    of_block = lambda x, W, H: _added(matrix.gradient_H(x, loss, W, H), X, X.rows, 1)
    return _on_each(X, of_block, (P(X.rows), P(None, X.columns)), _shares(X, 1))(W, H)


@matrix.parts_H.register
def _(X: Sharded, loss, W, H):
    """Each block has a unit of its own for a column: the largest is that of all."""
    one = jnp.ones((1, 1), X.dtype)
    of_ones = loss.parts(one, one, 0)[1] is None and not matrix.is_completed(X)

    def of_block(x, W, H):
        negative, positive, unit, value, of_W = matrix.parts_H(x, loss, W, H)
        unit = jnp.broadcast_to(jnp.asarray(unit, x.dtype), (1, x.shape[1]))
        largest = lax.pmax(unit, X.rows) if X.rows else unit
        negative, positive = negative * (unit / largest), positive if of_ones else positive * (unit / largest)
        positive = lax.psum(positive, X.rows) if of_ones else _added(positive, X, X.rows, 1)
        value = lax.psum(value, X.rows + X.columns)
        return _added(negative, X, X.rows, 1), positive, largest, value, _added(of_W, X, X.columns, 0)

    shares, line = _shares(X, 1), P(None, X.columns)
    found = shares, P() if of_ones else shares, line, P(), _shares(X, 0)
    return _on_each(X, of_block, (P(X.rows), line), found)(W, H)


@matrix.parts_W.register
def _(X: Sharded, loss, W, H):
    one = jnp.ones((1, 1), X.dtype)
    of_ones = loss.parts(one, one, 1)[1] is None and not matrix.is_completed(X)

    def of_block(x, W, H):
        negative, positive, unit, value = matrix.parts_W(x, loss, W, H)
        unit = jnp.broadcast_to(jnp.asarray(unit, x.dtype), (x.shape[0], 1))
        largest = lax.pmax(unit, X.columns) if X.columns else unit
        negative, positive = negative * (unit / largest), positive if of_ones else positive * (unit / largest)
        positive = lax.psum(positive, X.columns) if of_ones else _added(positive, X, X.columns, 0)
        return _added(negative, X, X.columns, 0), positive, largest, lax.psum(value, X.rows + X.columns)

    shares = _shares(X, 0)
    found = shares, P() if of_ones else shares, P(X.rows), P()
    return _on_each(X, of_block, (P(X.rows), P(None, X.columns)), found)(W, H)


@matrix.occupied.register
def _(X: Sharded, which=matrix.is_nonzero, *factors):
    def of_block(x, W, H):
        rows, columns = matrix.occupied(x, which, *zip(W, H, strict=True))
        return lax.psum(rows.astype(int), X.columns) > 0, lax.psum(columns.astype(int), X.rows) > 0

    W, H = [W for W, _ in factors], [H for _, H in factors]
    return _on_each(X, of_block, (P(X.rows), P(None, X.columns)), (P(X.rows), P(X.columns)))(W, H)


@matrix.extremes.register
def _(X: Sharded):
    """The least of several devices is without the NaN of one: it goes as inf."""

    def of_block(x):
        least, most = matrix.extremes(x)
        bad = jnp.isnan(least + most) & ~(jnp.isinf(least) | jnp.isinf(most))
        names = X.rows + X.columns
        bad = lax.pmax(bad.astype(int), names) > 0
        nan = jnp.array(jnp.nan, x.dtype)
        return jnp.where(bad, nan, jnp.stack([lax.pmin(least, names), lax.pmax(most, names)]))

    return _on_each(X, of_block, (), P())()


@matrix.take.register
def _(X: Sharded, indices, axis):
    """As arrays, from the devices that have them; what is taken is whole along the axis."""
    names = (X.rows, X.columns)[axis]

    def of_block(x, indices):
        length = x.shape[axis]
        place = indices - lax.axis_index(names) * length if names else indices
        here = jnp.expand_dims((place >= 0) & (place < length), 1 - axis)
        found = matrix.entries(matrix.take(x, jnp.clip(place, 0, length - 1), axis))
        found = [jnp.where(here, a, 0) for a in found if a is not None]
        return lax.psum(found, names) if names else found

    like = X.of(None, **{("rows", "columns")[axis]: ()})
    taken = _on_each(X, of_block, (P(),), P(like.rows, like.columns))(indices)
    kind = Weighted if matrix.has_own_half_steps(X) else Masked
    return like.of(taken[0] if len(taken) == 1 else kind(*taken))


matrix.part.register(Sharded, lambda X, start, size, axis: matrix.take(X, start + jnp.arange(size), axis))


def _whole(X: Sharded, axis: int) -> Sharded:
    """X with whole rows (axis 0) or columns (axis 1), divided among all devices, zero ones added to be as many for
    each: where X was divided along both, its blocks are exchanged once."""
    own, other = (X.rows, X.columns)[:: 1 if axis == 0 else -1]
    if not other:
        return X
    missing = -X.shape[axis] % _number(X, own + other)
    pad = [(0, missing), (0, 0)][:: 1 if axis == 0 else -1]
    whole = {"rows": own + other, "columns": ()} if axis == 0 else {"rows": (), "columns": own + other}
    return X.of(matrix.exchanged(X.X, pad, NamedSharding(X.mesh, P(whole["rows"], whole["columns"]))), **whole)


@matrix.blockwise.register
def _(X: Sharded, f, A, axis, plus):
    """The rows (columns) of every device, block by block."""
    length, X = X.shape[axis], _whole(X, axis)
    missing = X.shape[axis] - length
    spec = P(X.rows) if axis == 0 else P(None, X.columns)
    pad = lambda a: jnp.pad(a, [(0, missing if i == axis else 0) for i in range(a.ndim)]) if missing else a

    def of_block(x, A):
        found, sums = matrix.blockwise(x, f, A, axis, plus)
        return found, jax.tree.map(lambda a: lax.psum(a, X.rows + X.columns), sums)

    found, sums = _on_each(X, of_block, (spec,), (spec, P()))(jax.tree.map(pad, A))
    return jax.tree.map(lambda a: lax.slice_in_dim(a, 0, length, axis=axis), found) if missing else found, sums


@matrix.pass_axis.register
def _(X: Sharded):
    """That in which the blocks are whole."""
    return 1 if not X.rows else None if X.columns else 0


@matrix.everywhere.register
def _(X: Sharded, tree):
    return jax.tree.map(lambda a: lax.with_sharding_constraint(a, NamedSharding(X.mesh, P())), tree)


@matrix.placed.register
def _(X: Sharded, factors):
    put = lambda A, spec: jax.device_put(A, NamedSharding(X.mesh, spec))
    return type(factors)(put(factors.W, P(X.rows)), put(factors.H, P(None, X.columns)))


@matrix.gathered.register
def _(X: Sharded, A, axis):
    return lax.with_sharding_constraint(A, NamedSharding(X.mesh, P(X.rows) if axis == 0 else P(None, X.columns)))


@matrix.svd.register
def _(X: Sharded, rank):
    """Of the triangles of QR factorisations of the blocks of rows, put together; X V = U diag(σ) is factorised so, too.

    Demmel, Grigori, Hoemmen and Langou 2012 (TSQR).
    """
    if X.shape[0] < X.shape[1]:
        U, sigma, Vt = matrix.svd(X.T, rank)
        return Vt.T, sigma, U.T
    (m, _), X = X.shape, _whole(_checked(X), 0)

    def of_block(x):
        _, sigma, Vt = jnp.linalg.svd(lax.all_gather(triangle(x), X.rows, tiled=True), full_matrices=False)
        Q, R = jnp.linalg.qr(matrix.product(x.T, Vt[:rank].T, None).T)
        U = of_triangle(lax.all_gather(R, X.rows, tiled=True))
        return Q @ lax.dynamic_slice_in_dim(U, lax.axis_index(X.rows) * len(R), len(R)), sigma[:rank], Vt[:rank]

    U, sigma, Vt = _on_each(X, of_block, (), (P(X.rows), P(), P()))()
    return U[:m], sigma, Vt


def _checked(X: Sharded) -> Sharded:
    if min(X.shape) > LONGEST_SIDE:
        raise ValueError(
            f"expected an X of at most {LONGEST_SIDE} rows or columns for its singular values where it is spread over "
            f'devices, got {X.shape}; use init="random" or warm_start.sketched()'
        )
    return X


@matrix.tails.register
def _(X: Sharded, ranks):
    if X.shape[0] < X.shape[1]:
        return matrix.tails(X.T, ranks)
    X = _whole(_checked(X), 0)

    of_block = lambda x: matrix.tails(lax.all_gather(triangle(x), X.rows, tiled=True), ranks)
    return _on_each(X, of_block, (), P())()


@matrix.mean_size.register
def _(X: Sharded):
    """Of blocks of one size."""
    return _on_each(X, lambda x: lax.pmean(matrix.mean_size(x), X.rows + X.columns), (), P())()


@matrix.filled.register
def _(X: Sharded):
    return X.of(matrix.filled(X.X))


matrix.weight.register(Sharded, lambda X: matrix.weight(X.X))
matrix.is_completed.register(Sharded, lambda X: matrix.is_completed(X.X))
matrix.has_own_half_steps.register(Sharded, lambda X: matrix.has_own_half_steps(X.X))
matrix.is_spread.register(Sharded, lambda X: True)
matrix.cast.register(Sharded, lambda X, dtype: X.of(matrix.cast(X.X, dtype)))
matrix.told_by.register(Sharded, lambda X: [X.of(a) if jnp.ndim(a) == 2 else a for a in matrix.told_by(X.X)])
matrix.as_array.register(Sharded, lambda X: X if matrix.is_kind(X.X) else X.X)
matrix.in_memory.register(Sharded, lambda X: matrix.in_memory(X.X))
matrix.size.register(Sharded, lambda X: matrix.size(X.X))
in_unit.register(Sharded, lambda X, *powers: X.of(in_unit(X.X, *powers)))
weighted_by.register(Sharded, lambda X, *of: X.of(weighted_by(X.X, *of)))
