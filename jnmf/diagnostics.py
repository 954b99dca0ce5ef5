"""How good factors are: `objective` and `kkt_residual`, at the door of what `jnmf.objective` computes."""

import jax
import jax.numpy as jnp
from jax import Array

from jnmf import door
from jnmf.algorithm import Combinator
from jnmf.factors import Factors
from jnmf.matrix import as_read, cast, placed
from jnmf.numerics import in_dtype
from jnmf.objective import Objective, gradient, projected_gradient_norm
from jnmf.objective import objective as of_matrices
from jnmf.terms import together
from jnmf.types import FactorsLike, Mask, MatrixLike


def objective(
    X: MatrixLike, factors: FactorsLike, algorithm: Objective | Combinator | None = None, *, mask: Mask = None
) -> Array:
    """D(X, WH) + l1_W ΣW + l1_H ΣH + ½ l2_W ‖W‖² + ½ l2_H ‖H‖² + terms, a scalar, from the residual itself.

    X (m, n), W (m, r), H (r, n), or a `Fit`; `mask` as in `fit`; algorithm None is the Frobenius loss without
    penalties. In the dtype of the three together, at least float32. W H is never held whole, and without cancellation
    exact fits give 0. Raises TypeError or ValueError for arguments that are not finite matrices of matching shapes.

    >>> W, H = np.ones((6, 1)), np.ones((1, 4))
    >>> float(jnmf.objective(X, (W, H)))
    9.0
    """
    X, *others = _entered(X, factors, algorithm, mask, nonnegative=False)
    return as_read(X, of_matrices(X, *others))


def kkt_residual(
    X: MatrixLike, factors: FactorsLike, algorithm: Objective | Combinator | None = None, *, mask: Mask = None
) -> Array:
    """How far the factors are from the optimality condition of `algorithm`'s objective: ‖∇ᴾ‖, a scalar, 0 at KKT.

    KKT: W ≥ 0, ∇_W ≥ 0, W ⊙ ∇_W = 0, and the same for H. See `projected_gradient_norm`. Arguments and dtype as in
    `objective`.

    >>> W, H = np.kron(np.eye(2), np.ones((3, 1))), np.array([[1.0, 1, 0, 0], [0, 0, 2, 2]])
    >>> float(jnmf.kkt_residual(X, (W, H)))
    0.0
    """
    X, *others = _entered(X, factors, algorithm, mask, nonnegative=True)
    return as_read(X, _kkt_residual(X, *others))


def _entered(X, factors, algorithm, mask, *, nonnegative: bool):
    """What comes in, in one dtype."""
    X = door.enter(X, mask).X
    algorithm = Objective() if algorithm is None else algorithm
    nonnegative = nonnegative and not (together.signed(algorithm.on_W) or together.signed(algorithm.on_H))
    factors = placed(X, door.factors(factors, X.shape, name="", nonnegative=nonnegative))
    together.check_shapes(algorithm, X.shape, factors.W.shape[1])
    dtype = jnp.promote_types(X.dtype, factors.W.dtype)
    return cast(X, dtype), *in_dtype(dtype, factors, algorithm)


@jax.jit  # the blocks of an eager call would be a program each time
def _kkt_residual(X, factors: Factors, algorithm):
    return projected_gradient_norm(factors, gradient(X, factors, algorithm), algorithm)
