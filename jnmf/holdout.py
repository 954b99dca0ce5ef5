"""Which entries a restart of `cross_validate` holds out, and X without them and of them alone.

A kind of matrix whose entries are never written down as an array registers `drawn` and `split`, as `matrix.held_out`.
"""

import numbers
from functools import partial, singledispatch
from typing import Any, NamedTuple, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jnmf.matrix import entries, everywhere, expect_in_memory
from jnmf.matrix.masked import weighted_by
from jnmf.matrix.stacked import Stacked
from jnmf.matrix.uniform import Uniform

NEVER = 2**32 - 1  # the draw of an entry that is not held out


def fraction(holdout) -> float:
    """A hold-out between 0 and 1, or an error."""
    if isinstance(holdout, bool) or not isinstance(holdout, numbers.Real) or not 0 < float(holdout) < 1:
        raise ValueError(f"holdout: expected a fraction between 0 and 1, got {holdout!r}")
    return float(holdout)


def check_number(number: int, holdout: float, counts) -> None:
    if number == 0:
        raise ValueError(
            f"holdout: expected to hold out some of {counts} entries, got {holdout!r}; choose a larger one"
        )


def refuse_number(number: int, holdout: float, counts) -> NoReturn:
    raise ValueError(
        f"holdout: expected to leave a nonzero entry of each row and column, got {holdout!r}, {number} of {counts} "
        "entries; choose a smaller one"
    )


class HeldOut(NamedTuple):
    """Which entries one restart holds out, or S of them: those whose draw from `key` is at most `last`."""

    key: Array
    last: Array


def _counted(X):
    """The entries (m, n), and which of them count."""
    x, m = entries(X)
    return x, jnp.ones(X.shape, bool) if m is None else m > 0


def _draws(key, X):
    """(m, n), whole numbers of 32 bits: the entries with the least are held out first, those with NEVER never.

    The nonzero entry of the largest draw of each row stays, and that of each column in which none stays yet: a hold-out
    differs from one without this only where it takes all nonzero entries of a row or column.
    """
    draw = jnp.minimum(jax.random.bits(key, X.shape, jnp.uint32), np.uint32(NEVER - 1))
    x, counts = _counted(X)
    nonzero = counts & (x != 0)
    last = lambda axis: nonzero & (draw == jnp.max(jnp.where(nonzero, draw, 0), axis=axis, keepdims=True))
    of_rows = last(1)
    stays = of_rows | (last(0) & ~jnp.any(of_rows, axis=0, keepdims=True))
    return jnp.where(counts & ~stays, draw, np.uint32(NEVER))


@singledispatch
def drawn(X, keys, holdout: float) -> Any:
    """For each key, the hold-out of round(holdout · number of entries that count) entries, up to ties of the draws."""
    expect_in_memory(X, "cross_validate: expected an X")
    counts = np.asarray(_row_counts(X)).sum(dtype=np.int64)  # in 64 bits
    number = round(holdout * int(counts))
    check_number(number, holdout, counts)
    last = last_draws(keys, X, number)
    if np.any(np.asarray(last) == NEVER):
        refuse_number(number, holdout, counts)
    return HeldOut(keys, last)


@jax.jit
def _row_counts(X):
    return everywhere(X, jnp.sum(_counted(X)[1], axis=1))


@partial(jax.jit, static_argnames="number")
def last_draws(keys, X, number: int):
    """(S,): of each key the `number`-th smallest draw, bit by bit: the largest t with fewer draws below it."""

    def one(key):
        draw = _draws(key, X)

        def add_bit(i, t):
            higher = t | (jnp.uint32(1) << (31 - i).astype(jnp.uint32))
            return jnp.where(jnp.sum(draw < higher, dtype=jnp.uint32) < np.uint32(number), higher, t)

        return lax.fori_loop(0, 32, add_bit, jnp.uint32(0))

    return lax.map(one, keys)  # one after the other: there is one set of draws at a time


@singledispatch
def split(X, own) -> tuple[Any, Any]:
    """X with the weights of the entries that a restart fits, and with those of the ones that it holds out."""
    held_out = _draws(own.key, X) <= own.last
    return weighted_by(X, (~held_out).astype(X.dtype)), weighted_by(X, held_out.astype(X.dtype))


@drawn.register
def _(X: Stacked, keys, holdout):
    """Of each block by itself, the same share of all."""
    of_block = lambda i: jax.vmap(lambda key: jax.random.fold_in(key, i))(keys)
    return tuple(drawn(B, of_block(i), holdout) for i, B in enumerate(X.blocks))


@split.register
def _(X: Stacked, own):
    fitted, held_out = zip(*map(split, X.blocks, own), strict=True)
    return X.of(fitted), X.of(held_out)


@split.register
def _(X: Uniform, own):
    fitted, held_out = split(X.X, own)
    return Uniform(fitted, X.weight), Uniform(held_out, X.weight)


drawn.register(Uniform, lambda X, *of: drawn(X.X, *of))
