"""`nnls(A, B)`: nonnegative least squares with an A of any rank, from A itself where its Gram matrix is not enough."""

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.scipy.linalg import cho_solve

from jnmf import active_set, checks, door, pivoting
from jnmf.numerics import divide, in_dtype, project_nonnegative, unit_of
from jnmf.types import MatrixLike


def nnls(A: MatrixLike, B: MatrixLike) -> Array:
    """argmin_{Z ≥ 0} ½‖A Z − B‖², for every column of B at once.

    A (m, r), B (m, k) -> Z (r, k), in the dtype of the two together. A may have any rank; where there are many
    minimisers, one of them is returned. Block principal pivoting on the normal equations (J. Kim and Park 2011), and,
    for the columns where these are not proved to be enough, an active set on a QR factor of A (Lawson and Hanson
    1974). So ½‖A z − b‖² is above its minimum, at z*, by at most some (r eps)·½‖b‖² + ‖b‖ δ + ½δ² with
    δ = r eps Σ_k ‖a_k‖ z*_k: slopes are known to a rounding of ‖a_k‖ ‖b‖. A column that could not be solved is NaN, and
    an eager call warns. jit and vmap apply, and the derivative in A and B (forward and reverse) is that of the implicit
    function theorem on the active set.

    Raises TypeError or ValueError for arguments that are not finite matrices of matching heights.

    >>> Z = jnmf.nnls([[1.0, 0.0], [1.0, 1.0]], [[2.0], [1.0]])
    >>> np.allclose(Z, [[1.5], [0.0]])
    True
    """
    (left, of_A, *_), (right, of_B, *_) = door.matrix(A, "A"), door.matrix(B, "B")
    if left.shape[0] != right.shape[0]:
        raise ValueError(f"nnls(A, B): A and B need the same number of rows, got A {left.shape} and B {right.shape}")
    Z = _nnls(*in_dtype(jnp.promote_types(left.dtype, right.dtype), left, right))
    checks.warn_of_unsolved(Z, "nnls", "column")
    return Z.astype(jnp.promote_types(of_A, of_B))


@jax.jit
def _nnls(A, B):
    # Columns of about 1, by powers of two, so that no square leaves the range of the dtype.
    of_A, of_B = (lax.stop_gradient(unit_of(jnp.max(jnp.abs(M), axis=0))) for M in (A, B))
    A, B = A / of_A[None, :], B / of_B[None, :]
    d = lax.stop_gradient(divide(1, jnp.linalg.norm(A, axis=0)))
    Z = _unit_columns(A * d[None, :], B)
    return d[:, None] * Z * (of_B[None, :] / of_A[:, None])


@jax.custom_jvp
def _unit_columns(A, B):
    G, C = A.T @ A, A.T @ B
    Z, solved = pivoting.search(project_nonnegative(C), G, C)
    # G holds the squares of A's singular values, and the solution through it loses twice the digits. One correction
    # from the residual of A itself brings them back (corrected semi-normal equations; Björck 1987). Along a null
    # direction of A it would be rounding divided by rounding: it is kept in the columns where it lowers the residual.
    residual = B - A @ Z
    slope = A.T @ residual
    corrected = jnp.where(Z > 0, project_nonnegative(Z + pivoting.solve_passive(G, Z > 0, slope)), 0)
    length = lambda residual: jnp.linalg.norm(residual, axis=0, keepdims=True)
    lower = length(B - A @ corrected) <= length(residual)
    found = jnp.where(lower, corrected, Z)

    todo = ~(solved & _is_lowest(G, Z, -slope, length(B)[0]))

    def rotated():
        Q, R = jnp.linalg.qr(A)
        return R, Q.T @ B  # ‖R z − Qᵀb‖ is ‖A z − b‖ but for the part of b that no z reaches

    nothing = lambda: jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(rotated))
    R, QtB = lax.cond(jnp.any(todo), rotated, nothing)
    return active_set.finish(todo[None], found[None], R[None], QtB[None], jnp.zeros_like(C)[None])[0]


def _is_lowest(G, Z, Y, length):
    """Whether ½‖A z − b‖² is proved to be within 100 eps·‖b‖² of its minimum, from y = Aᵀ(A z − b), for each column.

    At any other point it is yᵀd + ½‖A d‖² away, d ≥ −z. So it falls by at most Σ min over d_i ≥ −z_i of
    y_i d_i + ½ λ d_i², with λ the least eigenvalue of G. Where G ≥ 0 a solution has ‖z*‖ ≤ ‖A z*‖ ≤ ‖b‖ and it falls by
    at most ⟨y, z⟩ − ⟨y, z*⟩.
    """
    down, up = project_nonnegative(-Y), project_nonnegative(Y)
    enough = 100 * jnp.finfo(G.dtype).eps * length**2
    bounded = (jnp.linalg.norm(down, axis=0) * length + jnp.sum(up * Z, axis=0) <= enough) & (jnp.min(G) >= 0)

    def strongly():
        factor, ridge = pivoting.cholesky_factor(G)
        inverse = cho_solve((factor, True), jnp.eye(len(G), dtype=G.dtype))
        least = 1 / jnp.trace(inverse) - 2 * ridge
        quadratic = jnp.where(least > 0, 0.5 * Y * Y / jnp.where(least > 0, least, 1), jnp.inf)
        quadratic = jnp.where(Y == 0, 0, quadratic)
        fall = jnp.sum(jnp.where(Y > 0, jnp.minimum(up * Z, quadratic), quadratic), axis=0)
        return bounded | (fall <= enough)

    return lax.cond(jnp.all(bounded), lambda: bounded, strongly)


@_unit_columns.defjvp
def _unit_columns_jvp(primals, tangents):
    A, B = primals
    dA, dB = tangents
    Z = _unit_columns(A, B)
    return Z, pivoting.solve_passive(A.T @ A, Z > 0, dA.T @ (B - A @ Z) + A.T @ (dB - dA @ Z))
