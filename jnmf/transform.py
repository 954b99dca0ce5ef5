"""W for new rows with H fixed: the half-problem in W, solved to the end, and its derivative."""

import jax
import jax.numpy as jnp
from jax import lax

from jnmf import checks, multiplicative, nonnegative_least_squares, pivoting
from jnmf.algorithms import HALS, ridge
from jnmf.factors import Factors
from jnmf.losses import divide, for_beta, power
from jnmf.masked import Masked, weighted
from jnmf.objective import relative_change

UPDATES = 1000  # at most
POLISH = 5  # Newton steps after the multiplicative updates; each is kept only in the rows where it helps


def transform(X_new, H, algorithm=None, *, mask=None):
    """argmin_{W ≥ 0} D(X_new, W H) + l1_W ΣW + ½ l2_W ‖W‖²: the loadings of new rows on known components.

    X_new (m, n), H (r, n) ≥ 0 -> W (m, r), in the dtype of X_new. `algorithm` gives the loss and the penalties, those
    of the fit (default: Frobenius, none). Frobenius: exact, by block principal pivoting, whichever the algorithm was.
    Other β: multiplicative updates, then Newton steps on the active set; the minimiser for β in [1, 2], a local one
    else. `mask` (m, n) as in `fit`; a row without weight has zero loadings. Differentiable in X_new, H and the
    penalties, forward and in reverse, by the implicit function theorem on the active set.

    Raises TypeError or ValueError for arguments that are not matrices with the same number of columns.
    """
    X, H = checks.masked(X_new, mask, "X_new"), checks.matrix(H, "H")
    algorithm = HALS() if algorithm is None else algorithm
    checks.algorithm(algorithm)
    checks.domain(X, algorithm, "X_new")
    if X.shape[1] != H.shape[1]:
        hint = "did you pass Hᵀ?" if X.shape[1] == H.shape[0] else "both have one column for each feature"
        raise ValueError(f"transform: expected X_new (m, n) and H (r, n), got {X.shape} and {H.shape}; {hint}")
    checks.nonnegative(H, "H")
    dtype = checks.compute_dtype(X.dtype)
    arguments = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), (X, H, algorithm))
    W = _least_squares(*arguments) if algorithm.beta == 2 else _divergence(*arguments)
    return W.astype(X.dtype)


@jax.jit
def _least_squares(X, H, algorithm):
    def solve(G, C):
        return nonnegative_least_squares.exact(jnp.zeros_like(C), ridge(G, algorithm.l2_W), C - algorithm.l1_W)

    if isinstance(X, Masked):  # each row has a Gram matrix of its own
        row = lambda one: solve((H * one.M[None, :]) @ H.T, (H @ (one.M * one.X))[:, None])[:, 0]
        return lax.map(row, X, batch_size=max(1, 2**22 // H.size))
    return solve(H @ H.T, H @ X.T).T


@jax.jit
def _divergence(X, H, algorithm):
    W = lax.stop_gradient(_search(*lax.stop_gradient((X, H, algorithm))))
    # The Newton step from the solution is zero, and its derivative that of the implicit function theorem:
    # −K_FF⁻¹ ∂∇_F with K = ∇² and F the free set.
    step = _newton(X, W, H, algorithm) - W
    return W + step - lax.stop_gradient(step)


def _search(X, H, algorithm):
    def update(carry):
        W, _, k = carry
        new = multiplicative.half_step(X.T, H.T, W.T, algorithm.beta, algorithm.l1_W, algorithm.l2_W).T
        return new, relative_change(Factors(W, H), Factors(new, H)), k + 1

    def unfinished(carry):
        return (carry[1] > 10 * jnp.finfo(X.dtype).eps) & (carry[2] < UPDATES)

    rows = jnp.sum(weighted(lambda x, _: x, X, None), axis=1, keepdims=True)
    level = divide(rows, jnp.sum(H))
    start = level * jnp.where(jnp.sum(H, axis=1) > 0, 1, 0).astype(X.dtype)[None, :]
    W, _, _ = lax.while_loop(unfinished, update, (start, jnp.array(jnp.inf, X.dtype), jnp.array(0)))

    def objective(W):
        D = weighted(for_beta(algorithm.beta).divergence, X, W @ H)
        return jnp.sum(D, axis=1) + algorithm.l1_W * jnp.sum(W, axis=1) + 0.5 * algorithm.l2_W * jnp.sum(W * W, axis=1)

    def polish(_, W):
        new = _newton(X, W, H, algorithm)
        lower = objective(new) <= objective(W) * (1 + 10 * jnp.finfo(X.dtype).eps)
        return jnp.where(lower[:, None], new, W)

    return lax.fori_loop(0, POLISH, polish, W)


def _newton(X, W, H, algorithm):
    """One Newton step for each row w on its free set F = {w > ∇/K_kk}; 0 elsewhere. Blocks of rows bound the memory."""
    beta = algorithm.beta
    derivative = for_beta(beta).derivative

    def second_derivative(x, z):
        return (beta - 1) * power(z, beta - 2) - (beta - 2) * x * power(z, beta - 3)

    def row(x, w):
        z = w @ H
        gradient = H @ weighted(derivative, x, z) + algorithm.l1_W + algorithm.l2_W * w
        curvature = lax.stop_gradient(weighted(second_derivative, x, z))
        K = ridge((H * curvature[None, :]) @ H.T, lax.stop_gradient(algorithm.l2_W))
        diagonal = lax.stop_gradient(jnp.diag(K))
        d = jnp.where(diagonal > 0, lax.rsqrt(diagonal), 0)
        free = lax.stop_gradient(w > divide(gradient, diagonal))
        K = lax.stop_gradient(K)
        step = d * pivoting.solve_passive(d[:, None] * K * d[None, :], free[:, None], (d * gradient)[:, None])[:, 0]
        return jnp.where(free, jnp.maximum(w - step, 0), 0)

    r, n = H.shape
    return lax.map(lambda one: row(*one), (X, W), batch_size=max(1, 2**22 // (r * n)))
