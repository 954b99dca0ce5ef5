"""How good factors are: `kkt_residual`, at the door of what `jnmf.objective` computes."""

import jax

from jnmf import door
from jnmf.factors import Factors
from jnmf.objective import Objective, gradient, projected_gradient_norm


def kkt_residual(X, factors: Factors, algorithm=None, *, mask=None):
    """How far the factors are from the optimality condition of `algorithm`'s objective: ‖∇ᴾ‖, a scalar, 0 at KKT.

    KKT: W ≥ 0, ∇_W ≥ 0, W ⊙ ∇_W = 0, and the same for H. See `projected_gradient_norm`. X (m, n), W (m, r), H (r, n);
    algorithm None is the Frobenius loss without penalties.
    """
    X = door.masked(X, mask)
    factors = door.factors(factors, X.shape, None)
    return _kkt_residual(X, factors, algorithm or Objective())


@jax.jit  # the blocks of an eager call would be a program each time
def _kkt_residual(X, factors: Factors, algorithm):
    return projected_gradient_norm(factors, gradient(X, factors, algorithm))
