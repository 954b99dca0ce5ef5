"""What is not a penalty: where the factor must lie. At most one on a factor; without one it is H ≥ 0."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from jnmf.numerics import project_nonnegative
from jnmf.pytree import positional
from jnmf.terms.term import Term, check_numbers, check_rows, check_scalar
from jnmf.types import AnyArray, Number


class Constraint(Term):
    """A convex set in which H must lie: its value is 0 there. A subclass has `project`, and says how it may be kept."""

    nonnegative_gram: ClassVar[bool] = True
    quadratic: ClassVar[bool] = True
    degree: ClassVar[int | None] = 0
    entrywise: ClassVar[bool] = True  # an interval for each entry: the nearest point is found entry by entry
    signed: ClassVar[bool] = False  # negative entries are allowed

    def value(self, H):
        return jnp.zeros((), H.dtype)

    def pair(self, H):
        return jnp.zeros(len(H), H.dtype), 0.0

    def project(self, H: AnyArray, k: Any = None) -> Array:
        """The nearest point of the set to H (r, n); with k, to a row (n,) that is the k-th."""
        raise NotImplementedError(f"{type(self).__name__} needs project(self, H, k=None) -> H")

    def slope(self, H: AnyArray, gradient: AnyArray) -> Array:
        """The projected gradient: 0 where H cannot move down it."""
        raise NotImplementedError(f"{type(self).__name__} needs slope(self, H, gradient)")


class Known(Constraint):
    """H_k = A_k for the rows of A (k ≤ r, n), the first components; or, with a mask, H = A where the mask is true.

    On W, A (m, k) has columns. Known components are taken out of the half-problem: the rest is found from the rows and
    columns G₂₂ and C₂ − G₂₁A of the normal equations, by the method's solver as it is. MU keeps them as they are: its
    majoriser is a sum over entries. Single entries are known by a mask: by methods that take one entry at a time or
    project (HALS, PGD, MU, ALS).

    mask: booleans of the shape of the factor, A of that shape too; entries where it is false are found.

    >>> jnmf.terms.Known(np.ones((1, 3))).project(jnp.zeros((2, 3))).tolist()
    [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    """

    A: Any = positional()
    mask: Any = None
    lengths: ClassVar[Any] = {"A": 1}

    def __post_init__(self):
        if self.mask is not None:  # a number, as all leaves of an algorithm are
            object.__setattr__(self, "mask", jnp.asarray(self.mask, jnp.float32))

    @property
    def T(self) -> "Known":
        transposed = lambda A: None if A is None else jnp.swapaxes(A, -1, -2)
        return Known(transposed(self.A), mask=transposed(self.mask))

    def project(self, H, k=None):
        free = project_nonnegative(H)
        if self.mask is None:
            return free.at[: len(self.A)].set(self.A) if k is None else self.A[k] if k < len(self.A) else free
        known, A = (self.mask, self.A) if k is None else (self.mask[k], jnp.asarray(self.A)[k])
        return jnp.where(known != 0, A, free)

    def slope(self, H, gradient):
        if self.mask is None:
            k = len(self.A)
            return jnp.concatenate([jnp.zeros_like(gradient[:k]), nonnegative_slope(H, gradient)[k:]])
        return jnp.where(self.mask != 0, 0, nonnegative_slope(H, gradient))

    def check(self, r, n):
        check_numbers(self, "A")
        if self.mask is None:
            check_rows(self, self.A, r, n)
        elif jnp.shape(self.A) != (r, n) or jnp.shape(self.mask) != (r, n):
            got = f"A {jnp.shape(self.A)} and mask {jnp.shape(self.mask)}"
            raise ValueError(f"Known(A, mask=…): expected both in the shape of the factor, {(r, n)} as H, got {got}")


class Free(Constraint):
    """No sign: semi-NMF, X ≈ W H with one factor of any sign, for X of any sign. Ding, Li and Jordan 2010.

    HALS takes the exact minimiser of each row without the projection; ALS, all rows at once.

    >>> jnmf.terms.Free().project(jnp.array([[-1.0, 2.0]])).tolist()
    [[-1.0, 2.0]]
    """

    signed: ClassVar[bool] = True

    def project(self, H, k=None):
        return H

    def slope(self, H, gradient):
        return gradient


class Simplex(Constraint):
    """H ≥ 0 with Σ_k H_kj = s in every column, s = 1 by default: for projected gradient, the nearest such H.

    The nearest point is [H_j − τ]₊ with the τ of the right sum, found from the sorted entries (Held, Wolfe and Crowder
    1974). `SumToOne` is the penalty, which every method takes. A component that is zero in all columns stays so.

    >>> jnmf.terms.Simplex().project(jnp.array([[2.0], [1.5]])).tolist()
    [[0.75], [0.25]]
    """

    total: Number = 1.0
    entrywise: ClassVar[bool] = False
    lengths: ClassVar[Any] = {"total": 1}

    def project(self, H, k=None):
        counts = jnp.arange(1, len(H) + 1, dtype=H.dtype)[:, None]
        live = jnp.any(H != 0, axis=1, keepdims=True)
        falling = -jnp.sort(jnp.where(live, -H, jnp.inf), axis=0)
        level = (jnp.cumsum(falling, axis=0) - self.total) / counts
        last = jnp.maximum(jnp.sum(falling > level, axis=0, keepdims=True) - 1, 0)
        return jnp.where(live, project_nonnegative(H - jnp.take_along_axis(level, last, axis=0)), 0)

    def slope(self, H, gradient):
        """The nearest to −gradient of all directions with Σ_k d_k = 0 and d_k ≥ 0 where H_kj = 0, turned round.

        d = −gradient − τ, cut off at 0 where H is: with the entries where it is not first, then the others from the
        steepest on, the first so many of which take part, as in `project`.
        """
        zero = jnp.finfo(H.dtype).eps * self.total >= H
        down = jnp.where(jnp.any(H != 0, axis=1, keepdims=True), -gradient, -jnp.finfo(H.dtype).max)
        order = jnp.argsort(jnp.where(zero, -down, -jnp.inf), axis=0)
        falling = jnp.take_along_axis(down, order, axis=0)
        counts = jnp.arange(1, len(H) + 1, dtype=H.dtype)[:, None]
        level = jnp.cumsum(falling, axis=0) / counts
        takes_part = ~jnp.take_along_axis(zero, order, axis=0) | (falling > level)
        last = jnp.sum(jnp.cumprod(takes_part, axis=0), axis=0, keepdims=True) - 1
        d = down - jnp.take_along_axis(level, last, axis=0)
        return -jnp.where(zero, project_nonnegative(d), d)

    def check(self, r, n):
        check_scalar(self, "total")


def nonnegative_slope(H, gradient):
    """The gradient, without its positive entries where H is 0: below eps times the largest of its component."""
    zero = jnp.finfo(H.dtype).eps * jnp.max(H, axis=1, keepdims=True) >= H
    return jnp.where(zero, jnp.minimum(gradient, 0), gradient)
