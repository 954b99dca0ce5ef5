"""What X is: the functions through which everything else sees it.

A *kind* of matrix has `shape`, `dtype` and `T`, is a pytree, and registers here what is not the same for it as for an
array, which is the case that the bodies are written for (`functools.singledispatch`; a tracer is an array):

    entries(X) -> (x, m)        the entries and their weights as arrays, of a block that is small enough
    part(X, start, size, axis)  a block of rows (axis 0) or columns (axis 1), of the same kind
    product(X, W, H)            WᵀX, the one product that the Frobenius methods need
    is_completed(X)             whether that product depends on W H, since entries have weights

With these four a kind works everywhere. The rest is written in terms of them, in blocks, so that neither W H nor the
entries are ever held whole; a kind for which there is a shorter way registers that too:

    weight(X), total(X, f, …), square(X)        Σ m, Σ m f(x, z, …), Σ m x²
    most_weight(X), has_own_half_steps(X)       the largest m; whether half-steps do better than to complete
    of_columns(X, f, H)                         such a half-step, f of the entries by column
    divergence, gradient_W, gradient_H          Σ m d(x, z) and its gradients, of a loss
    square_rise(X, (W, H), change)              by how much ½ Σ m (x − z)² rises
    parts_W, parts_H                            what a multiplicative step is made of
    occupied(X), extremes(X)                    the rows and columns that are not empty; the least and largest entry
    filled(X), mean_size(X), svd(X, rank), take(…)    what an init sees, and a sample of it: by itself an array
    tails(X, ranks)                             what the singular values leave beyond each rank
    cast(X, dtype), size(X), told_by(X)         X in another dtype; how many numbers it is made of, and which
    pass_axis(X)                                whether one pass in blocks takes whole rows or whole columns
    products, gradients                         what is made of X twice in a row, from one reading where X is read
    in_memory, expect_reading, as_read          whether X can be held as an array; what went wrong while it was read

One that is not in one place (`sharded`) says besides what is done where: `by_columns`, `added_up`,
`is_spread`, `everywhere`, `placed`, `gathered`, `as_array`; and one that it may hold, whose arrays are not divided as X
is, `divided`, `of_device`, `exchanged`.

The other files here are kinds. No file beside them asks what X is, but `jnmf.door`.
"""

import math
from collections.abc import Callable
from functools import partial, singledispatch
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jnmf.matrix.blocks import blocks_of
from jnmf.matrix.columns import Columns
from jnmf.numerics import divide, unit_of
from jnmf.types import HalfStep, Integer, Matrix


@singledispatch
def entries(X: Matrix) -> tuple[Any, Any]:
    """The entries x and the weights m of X, a block that is small enough to be an array; m None where all are 1."""
    return X, None


def is_kind(X: Any) -> bool:
    """Whether X is a kind of matrix, and not an array."""
    return entries.dispatch(type(X)) is not entries.dispatch(object)


@singledispatch
def part(X: Matrix, start: Integer | Array, size: int, axis: int) -> Any:
    """`size` rows (axis 0) or columns (axis 1) of X from `start` on."""
    return lax.dynamic_slice_in_dim(X, start, size, axis)


@singledispatch
def take(X: Matrix, indices: ArrayLike, axis: int) -> Any:
    """The rows (axis 0) or columns (axis 1) of X with these numbers."""
    return jnp.take(X, indices, axis)


@singledispatch
def product(X: Matrix, W: Array, H: Array | None) -> Array:
    """WᵀX (r, n). Where entries have weights, Wᵀ(M ⊙ X + (c − M) ⊙ WH), c the largest: `is_completed` says so."""
    return W.T @ X


@singledispatch
def is_completed(X: Matrix) -> bool:
    """Whether `product` depends on H: then Gram matrices do not give the loss, and no product outlives the factors."""
    return False


@singledispatch
def has_own_half_steps(X: Matrix) -> bool:
    """Whether a method that has a half-step for weights should use it, where X `is_completed`."""
    return False


@singledispatch
def products(
    X: Matrix, Wt: Array, H: Array, update: Callable[[Array, Array], Array], separable: bool
) -> tuple[Array, Array, Array]:
    """H Xᵀ (r, m), the Wᵀ (r, m) that `update`(Wᵀ, H Xᵀ) makes of it, and that times X, (r, n): an iteration's two.

    `separable`: the update takes each column of Wᵀ by itself. Then an X that is read need be read only once: a block
    of rows gives its part of H Xᵀ, of the new Wᵀ, and of the sum Wᵀ X (`proofs.block_sums`).
    """
    HXt = product(X.T, H.T, Wt)
    Wt = update(Wt, HXt)
    return HXt, Wt, product(X, Wt.T, H)


summed: Any = partial(jax.tree.map, jnp.add)


def in_blocks(f: Callable[..., Any], X: Matrix, A: Any, axis: int) -> Any:
    """f(X, A) for an f that takes each row (axis 0) or column (axis 1) of X, and of the arrays in A, by itself.

    f returns arrays with as many rows (columns); X is handed to it in blocks, and A with it.
    """
    return in_blocks_with_sums(lambda X, A, _: (f(X, A), ()), X, A, axis)[0]


def in_blocks_with_sums(f: Callable[..., Any], X: Matrix, A: Any, axis: int, plus: Callable[..., Any] = summed) -> Any:
    """As `in_blocks`, for f(X, A, fresh) -> (arrays, sums over the rows (columns) that are `fresh`, a boolean each).

    `plus` puts the sums of two blocks together; zeros are nothing to it.
    """
    return blockwise(X, f, A, axis, plus)


@singledispatch
def blockwise(X: Matrix, f: Callable[..., Any], A: Any, axis: int, plus: Callable[..., Any]) -> Any:
    """`in_blocks_with_sums`, which says how large the blocks of an X are."""
    size, width = X.shape[axis], blocks_of(X.shape, axis)
    if size <= width:
        return f(X, A, jnp.ones(size, bool))
    return block_by_block(f, X, A, axis, plus, width)


@singledispatch
def pass_axis(X: Matrix) -> int | None:
    """Along which axis a pass in blocks of whole rows (0) or whole columns (1) costs no more than to see X once.

    None where neither can be had so.
    """
    return 1


def block_by_block(f: Callable[..., Any], X: Matrix, A: Any, axis: int, plus: Callable[..., Any], width: int) -> Any:
    """`in_blocks_with_sums` in blocks of `width` rows (columns)."""
    size = X.shape[axis]

    def block(start, i):
        of_A = jax.tree.map(lambda B: lax.dynamic_slice_in_dim(B, start, width, axis), A)
        return f(part(X, start, width, axis), of_A, start + jnp.arange(width) >= i * width)

    def one_block(i, found):
        # A last block that would not be whole starts earlier. What two blocks share is the same again.
        start = jnp.minimum(i * width, size - width)
        new, more = block(start, i)
        put = lambda whole, new: lax.dynamic_update_slice_in_dim(whole, new, start, axis)
        return jax.tree.map(put, found[0], new), plus(found[1], more)

    def whole(of_block):
        return jnp.zeros((*of_block.shape[:axis], size, *of_block.shape[axis + 1 :]), of_block.dtype)

    found, sums = jax.eval_shape(block, 0, 0)
    nothing = jax.tree.map(whole, found), jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), sums)
    return lax.fori_loop(0, -(-size // width), one_block, nothing)


@singledispatch
def of_columns(X: Matrix, f: Callable[..., Any], H: Array) -> Any:
    """f(E, H) for an f that takes each column of X, and of H, by itself: E are the `Columns` of X or of a block."""

    def block(X, H):
        x, m = entries(X)
        return f(Columns(x.T, jnp.ones_like(x.T) if m is None else m.T), H)

    return in_blocks(block, X, H, axis=1)


@singledispatch
def by_columns(X: Matrix, half_step: HalfStep, axis: int) -> HalfStep:
    """The half-step (H, G, C, …) -> H, which takes each column of H and C by itself, for the columns (axis 1) of X.

    For axis 0 that for Wᵀ, whose columns are the rows of X. Where X is spread over devices each takes its share.
    """
    return half_step


@singledispatch
def added_up(X: Matrix, f: Callable[..., Any], of_rows: Any, of_columns: Any) -> Any:
    """f(X, of_rows, of_columns), for an f that is a sum over the entries of X: `of_rows` are arrays (m, …) or (m,), a
    row for each row of X, `of_columns` are (…, n)."""
    return f(X, of_rows, of_columns)


@singledispatch
def is_spread(X: Matrix) -> bool:
    """Whether X is divided among several devices, so that one product with it is work for all of them."""
    return False


def expect_one_device(X: Matrix, expected: str) -> None:
    if is_spread(X):
        raise TypeError(f"{expected} on one device, got one that is spread over several; pass np.asarray of it")


@singledispatch
def divided(X: Matrix, rows: Any, columns: Any) -> Any:
    """How the arrays of X are divided among devices, where X is along these axes: those of two sides as X is."""
    return jax.tree.map(lambda a: jax.P(rows, columns) if jnp.ndim(a) == 2 else jax.P(), X)


@singledispatch
def of_device(X: Matrix) -> Any:
    """The block of a device, of what it has of the arrays of X."""
    return X


@singledispatch
def exchanged(X: Matrix, pad: Any, sharding: Any) -> Any:
    """X with `pad` zero rows or columns more, in other blocks: the devices exchange theirs."""
    move = lambda a: lax.with_sharding_constraint(jnp.pad(a, pad), sharding) if jnp.ndim(a) == 2 else a
    return jax.tree.map(move, X)


@singledispatch
def everywhere(X: Matrix, tree: Any) -> Any:
    """Arrays that were computed from X, so that every process can read them."""
    return tree


@singledispatch
def placed(X: Matrix, factors: Any) -> Any:
    """Factors where X needs them."""
    return factors


@singledispatch
def gathered(X: Matrix, A: Array, axis: int) -> Array:
    """W (m, r) for axis 0, H (r, n) for axis 1, with the rows (columns) that a block of X meets where that block is."""
    return A


@singledispatch
def as_array(X: Matrix) -> Any:
    """X as a function that knows of no kinds sees it: an array, if it is one."""
    return X


def weighted(X: Matrix, f: Callable[..., Array], *Z: Array) -> Array:
    """m f(x, z, …) of the entries of X, and 0 where the weight is 0."""
    x, m = entries(X)
    return f(x, *Z) if m is None else jnp.where(m > 0, m * f(x, *Z), 0)


@singledispatch
def weight(X: Matrix) -> Any:
    """Σ m, without weights the number of entries."""
    if entries(part(X, 0, 1, 0))[1] is None:
        return float(math.prod(X.shape))  # a whole number need not fit 32 bits
    return total(X, jnp.ones_like)


@singledispatch
def most_weight(X: Matrix) -> Any:
    """The largest m, without weights 1."""
    if entries(part(X, 0, 1, 0))[1] is None:
        return 1.0
    most = lambda X, _: jnp.max(entries(X)[1], axis=1)
    return jnp.max(in_blocks(most, X, (), axis=0))


@singledispatch
def total(X: Matrix, f: Callable[..., Array], *factors: tuple[Array, Array]) -> Array:
    """Σ m f(x, z, …), a scalar, where z = (W H)_ij of each of the factors: the entries of X in blocks of rows."""

    def of_rows(X, all_W):
        return jnp.sum(weighted(X, f, *(W @ H for W, (_, H) in zip(all_W, factors, strict=True))), axis=1)

    return jnp.sum(in_blocks(of_rows, X, [W for W, _ in factors], axis=0))


@singledispatch
def square(X: Matrix) -> Array:
    """Σ m x², ‖X‖² where all weights are 1."""
    return total(X, lambda x: x * x)


@singledispatch
def divergence(X: Matrix, loss: Any, W: Array, H: Array) -> Array:
    """Σ m d(x, z), a scalar. Nothing cancels: an exact fit gives 0."""
    return total(X, loss.divergence, (W, H))


@singledispatch
def square_rise(X: Matrix, factors: tuple[Array, Array], change: tuple[Array, Array]) -> Array:
    """Σ m (z + ½ Δz − x) Δz, by which ½ Σ m (x − z)² rises when Z rises by ΔZ, that of two factors."""
    return total(X, lambda x, z, dz: (z + 0.5 * dz - x) * dz, factors, change)


@singledispatch
def gradient_W(X: Matrix, loss: Any, W: Array, H: Array) -> Array:
    """D′(X, Z) Hᵀ (m, r), with D′ = m ∂d/∂z at each entry."""
    return in_blocks(lambda X, W: weighted(X, loss.derivative, W @ H) @ H.T, X, W, axis=0)


@singledispatch
def gradient_H(X: Matrix, loss: Any, W: Array, H: Array) -> Array:
    """Wᵀ D′(X, Z) (r, n)."""
    return in_blocks(lambda X, H: W.T @ weighted(X, loss.derivative, W @ H), X, H, axis=1)


@singledispatch
def gradients(X: Matrix, loss: Any, W: Array, H: Array) -> tuple[Array, Array]:
    """`gradient_W` and `gradient_H`."""
    return gradient_W(X, loss, W, H), gradient_H(X, loss, W, H)


@singledispatch
def parts_H(X: Matrix, loss: Any, W: Array, H: Array) -> tuple[Any, Any, Any, Any, Any]:
    """Wᵀ N, Wᵀ P and a unit: ∂D/∂H is P's less N's times the unit, which broadcasts to (r, n); Σ m d; and ∂D/∂W (m, r).

    N and P ≥ 0 are the two parts of m ∂d/∂z at each entry, `loss.parts`, d is `loss.quick`, and ∂D/∂W is (P − N) Hᵀ, to
    eps of the two sums: what is not used of the five is not computed.
    """
    of_ones, of_zeros = jnp.sum(W, axis=0)[:, None], _of_zeros(X, loss, W, H)

    def columns(X, H, fresh):
        parts = negative, positive, unit, _ = _parts(X, loss, W @ H, 0, of_zeros is not None)
        counted = jnp.where(fresh[None, :], H if unit is None else unit * H, 0)
        if positive is None:  # of ones: it needs no array
            of_W = jnp.sum(counted, axis=1)[None, :] - negative @ counted.T
        else:
            of_W = (positive - negative) @ counted.T
        return _pulled_back(parts, lambda A: W.T @ A), of_W

    found, of_W = in_blocks_with_sums(columns, X, H, axis=1)
    return *_completed(found, of_ones, of_zeros), of_W


@singledispatch
def parts_W(X: Matrix, loss: Any, W: Array, H: Array) -> tuple[Any, Any, Any, Any]:
    """N Hᵀ, P Hᵀ, a unit and Σ m d: `parts_H` of Xᵀ ≈ HᵀWᵀ, transposed, since to transpose X takes a product's time."""
    of_ones, of_zeros = jnp.sum(H, axis=1)[None, :], _of_zeros(X, loss, W, H)
    rows = lambda X, W: _pulled_back(_parts(X, loss, W @ H, 1, of_zeros is not None), lambda A: A @ H.T)
    return _completed(in_blocks(rows, X, W, axis=0), of_ones, of_zeros)


def _of_zeros(X, loss, W, H):
    """Σ d(0, z) where each entry counts in full and the loss tells it from the factors alone, else None."""
    return loss.of_zeros(W, H) if entries(part(X, 0, 1, 0))[1] is None else None


def _parts(X, loss, Z, axis, beyond_zeros):
    """The two parts, the unit, and Σ m d along the axis; None for a positive part, or a unit, of ones."""
    x, m = entries(X)
    negative, positive, unit = loss.parts(x, Z, axis)
    quick = lambda x, z: loss.quick(x, z, beyond_zeros)
    value = jnp.sum(weighted(X, quick, Z), axis=axis, keepdims=True)
    if m is not None:
        negative, positive = (jnp.where(m > 0, m * part, 0) for part in (negative, 1 if positive is None else positive))
    return negative, positive, unit, value


def _pulled_back(parts, product):
    negative, positive, unit, value = parts
    return product(negative), None if positive is None else product(positive), unit, value


def _completed(found, of_ones, of_zeros):
    negative, positive, unit, value = found
    value = jnp.sum(value) if of_zeros is None else jnp.sum(value) + of_zeros
    return negative, of_ones if positive is None else positive, 1 if unit is None else unit, value


def is_nonzero(x: Array) -> Array:
    return x != 0


@singledispatch
def occupied(X: Matrix, which: Callable[..., Array] = is_nonzero, *factors: tuple[Array, Array]) -> tuple[Array, Array]:
    """Booleans (m,), (n,): the rows and the columns with an entry that counts for which `which`(x, z, …) is true.

    z as in `total`. Of an x that is 0 it has to be false.
    """
    W, H = [W for W, _ in factors], [H for _, H in factors]

    def some(X, W, _):
        found = weighted(X, which, *(A @ B for A, B in zip(W, H, strict=True))) > 0
        return jnp.any(found, axis=1), jnp.any(found, axis=0)

    return in_blocks_with_sums(some, X, W, axis=0)


@singledispatch
def extremes(X: Matrix) -> Array:
    """The least and the largest entry of a kind, where one that does not count is 0; NaN where one is NaN."""

    def rows(X, _):
        x, m = entries(X)
        x = x if m is None else jnp.where(m > 0, x, 0)
        return jnp.stack([jnp.min(x, axis=1), jnp.max(x, axis=1)], axis=1)

    found = in_blocks(rows, X, (), axis=0)
    return jnp.stack([jnp.min(found[:, 0]), jnp.max(found[:, 1])])


@singledispatch
def size(X: Matrix) -> int:
    """How many numbers X is made of, to which the work of a product with it is in proportion."""
    return math.prod(X.shape)


@singledispatch
def filled(X: Matrix) -> Matrix:
    """X as an init sees it: an array, or a kind with the functions below; completed by the mean where m is not full."""
    x, m = entries(X)
    if m is None:
        return x
    m = m / jnp.max(m)
    unit = unit_of(jnp.max(jnp.abs(m * x)))  # the sum may leave the range of the dtype
    return m * x + (1 - m) * (unit * (jnp.sum(m * (x / unit)) / jnp.sum(m)))


@singledispatch
def cast(X: Matrix, dtype: Any) -> Matrix:
    """X with the leaves that are floating in another dtype, an array or the same kind."""
    convert = lambda leaf: jnp.asarray(leaf, dtype) if jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.floating) else leaf
    return jax.tree.map(convert, X)


@singledispatch
def told_by(X: Matrix) -> list[Any]:
    """Arrays that tell X from another of its kind: all that it is made of, or those of which the others follow."""
    return jax.tree.leaves(X)


@singledispatch
def mean_size(X: Matrix) -> Array:
    """The mean of |x|, a scalar, whose sum may leave the range of the dtype."""
    unit = unit_of(jnp.maximum(jnp.max(X), -jnp.min(X)))
    return unit * jnp.mean(jnp.abs(X / unit))


@singledispatch
def svd(X: Matrix, rank: int) -> tuple[Array, Array, Array]:
    """The first k = min(rank, m, n) singular triplets: U (m, k), σ (k,) falling, Vᵀ (k, n)."""
    U, sigma, Vt = jnp.linalg.svd(X, full_matrices=False)
    return U[:, :rank], sigma[:rank], Vt[:rank]


@singledispatch
def tails(X: Matrix, ranks: np.ndarray) -> Array:
    """√Σ_{k>r} σ_k² for each rank r ≤ min(m, n), (R,): summed from the smallest up, relative to the largest."""
    sigma = jnp.linalg.svd(entries(X)[0], compute_uv=False)
    squares = divide(sigma, sigma[0]) ** 2
    return sigma[0] * jnp.sqrt(jnp.append(jnp.cumsum(squares[::-1])[::-1], 0)[ranks])


@singledispatch
def in_memory(X: Matrix) -> bool:
    """Whether the entries of X can be had as an array; if not, they are seen in blocks alone."""
    return True


def expect_in_memory(X: Matrix, expected: str) -> None:
    if not in_memory(X):
        raise TypeError(
            f"{expected} in the memory of one device, got one that is read in blocks, or is sparse and over several; "
            "pass rows that fit, or a matrix of SciPy"
        )


@singledispatch
def expect_reading(X: Matrix) -> None:
    """Forget what went wrong before, as in a compiled function, where nothing is raised."""


@singledispatch
def as_read(X: Matrix, found: Any, fit: Any = None) -> Any:
    """`found`, computed from X; raises what went wrong while X was read for it, with the fit so far if there is one."""
    return found
