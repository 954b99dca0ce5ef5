r"""Newton's method on H, truncated at zero, is alternating least squares.

Source: problem set, problem 4.

Statement.  Let F(H) = ½‖X − WH‖² with WᵀW invertible, and let vec(H) stack the columns of H. Then

$$ \nabla^2 F = I_n \otimes W^\top W, \qquad
   \bigl[\operatorname{vec} H - (\nabla^2 F)^{-1} \operatorname{vec} \nabla F(H)\bigr]_+
   = \operatorname{vec} \bigl[(W^\top W)^{-1} W^\top X\bigr]_+
   = \operatorname{vec} [W^+ X]_+ \quad\text{for every } H, $$

W⁺ the pseudo-inverse of W.

Derivation.
1. ∇F(H) = WᵀWH − WᵀX (statement 2). Its column b is WᵀW h_b − Wᵀx_b, where h_b and x_b are the columns b of H and X. It
   holds column b of H and no other.
2. So the derivative of column b of the gradient in column d of H is WᵀW if b = d, and 0 if not. With the columns
   stacked, the Hessian is block-diagonal with n equal blocks:

   $$ \nabla^2 F = \begin{pmatrix} W^\top W & & \\ & \ddots & \\ & & W^\top W \end{pmatrix} = I_n \otimes W^\top W . $$

   (With the rows stacked instead, the same numbers are WᵀW ⊗ I_n.)
3. A block-diagonal matrix is inverted block by block: (I_n ⊗ WᵀW)⁻¹ = I_n ⊗ (WᵀW)⁻¹, which the product of the two
   shows. Applied to the stacked columns of a matrix Z, it multiplies each column by (WᵀW)⁻¹: the result is
   vec((WᵀW)⁻¹Z).
4. The Newton step is therefore, as matrices,

   $$ H - (W^\top W)^{-1}(W^\top W H - W^\top X) = H - H + (W^\top W)^{-1} W^\top X = (W^\top W)^{-1} W^\top X . $$

5. (WᵀW)⁻¹Wᵀ is the pseudo-inverse W⁺: it is a left inverse of W, and WW⁺ is symmetric. So the step ends at W⁺X.
6. The truncation replaces negative entries by 0 on both sides: H ← [W⁺X]₊, the projected ALS update. ∎

What it teaches.  F is quadratic, so one Newton step from anywhere ends at the unconstrained minimiser: the old H has no
influence. The truncation is taken in the ordinary distance although the step was taken in that of WᵀW. That is why
projected ALS, unlike a projected gradient step, can raise the loss.
"""

import jax
import numpy as np
from hypothesis import strategies as st

from jnmf import losses, solvers
from proofs.kernel import Statement, central_difference, chain, exact_chain, fractions
from proofs.least_squares_solutions import solve
from proofs.strategies import full_rank, problems, real


def vec(A):
    return A.T.ravel()


def matrix(v, shape):
    return v.reshape(shape[::-1]).T


def columns_stacked(hessian):
    """∂²F/∂H_ab ∂H_cd, an array [a, b, c, d], as a matrix whose rows and columns run as vec(H) does."""
    r, n = hessian.shape[:2]
    return hessian.transpose(1, 0, 3, 2).reshape(r * n, r * n)


def truncated(H):
    return np.maximum(H, 0)


def loss(X, W, H):
    return ((X - W @ H) ** 2).sum() / 2


# The Hessian.


@jax.jit
def hessian_by_autodiff(X, W, H):
    return columns_stacked(jax.hessian(losses.frobenius, argnums=2)(X, W, H))


def hessian_by_differences(X, W, H):
    """F(H + D + E) − F(H + D) − F(H + E) + F(H), which is exact for a quadratic, for all pairs of unit matrices."""
    units = [fractions(matrix(e, H.shape)) for e in np.eye(H.size)]
    once = [loss(X, W, H + E) for E in units]
    hessian = np.empty((H.size, H.size), dtype=object)
    for i, D in enumerate(units):
        for j in range(i + 1):
            hessian[i, j] = hessian[j, i] = loss(X, W, H + D + units[j]) - once[i] - once[j] + loss(X, W, H)
    return hessian


def blocks(X, W, H):
    """WᵀW n times along the diagonal."""
    r, n = H.shape
    hessian = np.zeros((n * r, n * r), dtype=W.dtype)
    for b in range(n):
        hessian[b * r : (b + 1) * r, b * r : (b + 1) * r] = W.T @ W
    return hessian


def kronecker(X, W, H):
    return np.kron(np.eye(H.shape[1], dtype=int), W.T @ W)


@jax.jit
def jacobian_of_the_library_gradient(X, W, H):
    return columns_stacked(jax.jacfwd(lambda H: losses.frobenius.grad_H(X, W, H))(H))


# The step.


@jax.jit
def gradient_by_autodiff(X, W, H):
    return jax.grad(losses.frobenius, argnums=2)(X, W, H)


def newton(X, W, H):
    step = np.linalg.solve(hessian_by_autodiff(X, W, H), vec(gradient_by_autodiff(X, W, H)))
    return truncated(H - matrix(step, H.shape))


def exact_newton(X, W, H):
    gradient = central_difference(lambda H: loss(X, W, H), H)
    return truncated(H - matrix(solve(kronecker(X, W, H), vec(gradient)[:, None])[:, 0], H.shape))


def inverse_block_by_block(X, W, H):
    r, n = H.shape
    inverse = np.kron(np.eye(n, dtype=int), solve(W.T @ W, np.eye(r, dtype=int)))
    return truncated(H - matrix(inverse @ vec(W.T @ W @ H - W.T @ X), H.shape))


def column_by_column(X, W, H):
    return truncated(H - solve(W.T @ W, W.T @ W @ H - W.T @ X))


def cancelled(X, W, H):
    return truncated(solve(W.T @ W, W.T @ X))


def pseudo_inverse(X, W, H):
    return truncated(np.linalg.pinv(W) @ X)


@jax.jit
def library(X, W, H):
    return solvers.least_squares(H, W.T @ W, W.T @ X)


HESSIAN_CONTROLS = {
    "WᵀW ⊗ I: the rows stacked": lambda X, W, H: np.kron(W.T @ W, np.eye(H.shape[1], dtype=int)),
    "the Hessian of ‖X − WH‖²": lambda X, W, H: 2 * kronecker(X, W, H),
    "the Gram matrix of H": lambda X, W, H: np.kron(np.eye(H.shape[1], dtype=int), H @ H.T),
}
STEP_CONTROLS = {
    "the Hessian of ‖X − WH‖²": lambda X, W, H: truncated(H - solve(2 * W.T @ W, W.T @ W @ H - W.T @ X)),
    "the sign flipped": lambda X, W, H: truncated(H + solve(W.T @ W, W.T @ W @ H - W.T @ X)),
    "the rows stacked": lambda X, W, H: truncated(
        H - matrix(solve(kronecker(X, W, H), (W.T @ W @ H - W.T @ X).ravel()[:, None])[:, 0], H.shape)
    ),
    "no truncation": lambda X, W, H: solve(W.T @ W, W.T @ X),
    "the transpose for W⁺": lambda X, W, H: truncated(W.T @ X),
}
EXACT_CONTROLS = {name: STEP_CONTROLS[name] for name in ("the sign flipped", "no truncation")}
STEPS = (inverse_block_by_block, column_by_column, cancelled)

INPUTS = problems(X=real, factors=real)
SMALL = st.tuples(real((3, 3)), real((3, 2)), real((2, 3)))  # the loss is wanted for each pair of entries of H
INVERTIBLE = problems(X=real, factors=full_rank)

STATEMENTS = (
    Statement(
        18,
        "Newton on H truncated at 0 is projected ALS; the Hessian is I ⊗ WᵀW",
        "problem set, problem 4",
        (
            chain(INPUTS, (hessian_by_autodiff, blocks, kronecker, jacobian_of_the_library_gradient), HESSIAN_CONTROLS),
            exact_chain(SMALL, (hessian_by_differences, blocks, kronecker), HESSIAN_CONTROLS),
            chain(INVERTIBLE, (newton, *STEPS, pseudo_inverse, library), STEP_CONTROLS),
            exact_chain(INVERTIBLE, (exact_newton, *STEPS), EXACT_CONTROLS),
        ),
    ),
)
