"""What a loss is: d(x, z) of an entry x of X and z of Z = W H, and what is asked of it."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jnmf import matrix
from jnmf.pytree import Pytree
from jnmf.types import AnyArray, DType, Matrix


class Loss(Pytree):
    """D(X, WH) = Σ d(x, z). A loss is its `divergence`, the two parts of its derivative, and an exponent.

    With ∂d/∂z = positive(x, z) − negative(x, z), both parts ≥ 0, the multiplicative half-step is

        H ⊙ [ Wᵀ negative(X, Z) ⊘ (Wᵀ positive(X, Z) + l1 + l2 H) ]^γ,      γ = `exponent`.

    The same split and γ must make it descend: that is what a new loss has to prove (`proofs.beta_divergence_descent`,
    `proofs.negative_binomial_descent`). By the chain rule ∇_W D = D′(X, Z) Hᵀ and ∇_H D = Wᵀ D′(X, Z), with
    D′_ij = ∂d/∂z (x_ij, z_ij): `grad_W` and `grad_H`. Real-valued fields are leaves, those marked `static` structure.

    What a loss says of itself, by default as little as can be:
    """

    convex: ClassVar[Any] = False  # d(x, ·) is convex
    quadratic: ClassVar[Any] = False  # d = ½ (x − z)², x of any sign: the normal equations tell all
    finite_at_zero: ClassVar[Any] = False  # d(x, 0) is finite for x > 0
    finite_for_zeros: ClassVar[Any] = True  # d(0, z) is finite for z > 0
    degree: ClassVar[Any] = None  # d(c x, c z) = c^degree d(x, z); None where there is no such number

    def divergence(self, x: AnyArray, z: AnyArray) -> Array:
        """d(x, z), entry by entry; d(0, 0) = 0."""
        raise NotImplementedError

    def negative(self, x: AnyArray, z: AnyArray) -> Array:
        """The part of −∂d/∂z that pulls z up, ≥ 0; a quotient by z = 0 counts as 0."""
        raise NotImplementedError

    def positive(self, x: AnyArray, z: AnyArray) -> Array:
        """The part of ∂d/∂z that pulls z down, ≥ 0."""
        raise NotImplementedError

    def exponent(self, ridge: bool) -> float:
        """γ, with which the half-step descends; `ridge`: for an objective with l2 > 0."""
        raise NotImplementedError

    def derivative(self, x: AnyArray, z: AnyArray) -> Array:
        """∂d/∂z. A loss whose parts cancel near x = z has a better formula."""
        return self.positive(x, z) - self.negative(x, z)

    def second_derivative(self, x: AnyArray, z: AnyArray) -> Array:
        """∂²d/∂z², for Newton's method in `transform`."""
        raise NotImplementedError(f"transform needs {type(self).__name__}.second_derivative(x, z), ∂²d/∂z²")

    def check(self) -> None:
        """Raises ValueError where a parameter has a value outside its domain; called by `fit` and others."""

    def range(self, dtype: DType) -> tuple[float, float]:
        """Between which the largest entry of X has to be in this dtype; asked of a loss without a degree.

        Such a loss has a unit, and X is not computed with in another one. Here d goes with x at most, and is told from
        0 while it is eps of that; sums of 1/eps entries stay in the range of the dtype.
        """
        limits = jnp.finfo(dtype)
        return float(limits.tiny) / float(limits.eps), float(limits.eps) * float(limits.max)

    def parts(self, x: AnyArray, z: AnyArray, axis: int) -> tuple[Array, Array | None, Array | None]:
        """negative(x, z), positive(x, z) and a unit in which both are: of each column (axis 0) or row (axis 1) of z.

        None for a positive part, or a unit, that is 1 everywhere. The quotient of the two does not depend on units; a
        loss whose parts can leave the range of the dtype where the quotient does not chooses them.
        """
        return self.negative(x, z), self.positive(x, z), None

    def quick(self, x: AnyArray, z: AnyArray, beyond_zeros: bool = False) -> Array:
        """d(x, z) for a trace, to eps of the size of x and z: near x = z it may cancel.

        `beyond_zeros`: d(x, z) − d(0, z), asked for where `of_zeros` tells the sum of the rest.
        """
        return self.divergence(x, z) - self.divergence(jnp.zeros_like(x), z) if beyond_zeros else self.divergence(x, z)

    def of_zeros(self, W: Array, H: Array) -> Array | None:
        """Σ d(0, z) over all entries of Z = W H, from the factors alone; None where only Z itself tells."""
        return

    def __call__(self, X: Matrix, W: ArrayLike, H: ArrayLike) -> Array:
        return matrix.divergence(X, self, W, H)

    def grad_W(self, X: Matrix, W: ArrayLike, H: ArrayLike) -> Array:
        return matrix.gradient_W(X, self, W, H)

    def grad_H(self, X: Matrix, W: ArrayLike, H: ArrayLike) -> Array:
        return matrix.gradient_H(X, self, W, H)


def total_of(W, H):
    """Σ W H = (Wᵀ1)ᵀ(H 1)."""
    return jnp.vdot(jnp.sum(W, axis=0), jnp.sum(H, axis=1))
