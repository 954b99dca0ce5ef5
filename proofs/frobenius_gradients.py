r"""The gradients of the Frobenius loss, and of the objective with penalties.

Source: lab, objective and gradients (where X is called V).

Statement.  With F(W, H) = ½‖X − WH‖²,

$$ \nabla_W F = (WH - X)H^\top = W(HH^\top) - XH^\top, \qquad
   \nabla_H F = W^\top(WH - X) = (W^\top W)H - W^\top X. $$

With the penalties of the objective, l1 ΣH + ½ l2 ‖H‖², the gradient in H is G H − C, where

$$ G = W^\top W + l_2 I, \qquad C = W^\top X - l_1, $$

and the gradient in W is the transpose of the same on Xᵀ ≈ HᵀWᵀ.

Derivation.
1. F is half the sum over i and j of (X_ij − Σ_k W_ik H_kj)². The entry H_ab occurs only in the terms of column j = b,
   and there X_ib − (WH)_ib has the derivative −W_ia. By the chain rule, the 2 of the square cancelling the ½,

   $$ \frac{\partial F}{\partial H_{ab}} = \sum_i W_{ia}\,\bigl((WH)_{ib} - X_{ib}\bigr). $$

2. A sum over i of A_ia B_ib is the entry (a, b) of AᵀB. So ∇_H F = Wᵀ(WH − X).
3. Multiply out: ∇_H F = WᵀWH − WᵀX.
4. A matrix and its transpose have the same entries, so F = ½‖Xᵀ − HᵀWᵀ‖². Here Hᵀ stands where W stood and Wᵀ where H
   stood. Step 2 gives the gradient in Wᵀ as H(HᵀWᵀ − Xᵀ); its transpose, (WH − X)Hᵀ, is the gradient in W.
5. Penalties: ∂/∂H_ab of l1 Σ H is l1, of ½ l2 Σ H² is l2 H_ab. Hence

   $$ W^\top W H - W^\top X + l_1 + l_2 H = (W^\top W + l_2 I)H - (W^\top X - l_1) = G H - C. \quad ∎ $$

What it teaches.  X enters a Frobenius half-step only through G and C: a solver needs nothing else, penalties included.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jnmf import losses
from jnmf.factors import Factors
from jnmf.objective import Objective, gradient, objective
from jnmf.solvers import ridge
from proofs.kernel import Statement, central_difference, chain, exact_chain
from proofs.strategies import problems, real


def entries(grad_W, grad_H):
    """All entries of both gradients: what every link returns."""
    concatenate = jnp.concatenate if isinstance(grad_W, jax.Array) else np.concatenate
    return concatenate([grad_W.ravel(), grad_H.ravel()])


def loss(X, W, H):
    return ((X - W @ H) ** 2).sum() / 2


@jax.jit
def autodiff(X, W, H):
    return entries(*jax.grad(losses.frobenius, argnums=(1, 2))(X, W, H))


def differences(X, W, H):
    grad_W = central_difference(lambda W: loss(X, W, H), W)
    return entries(grad_W, central_difference(lambda H: loss(X, W, H), H))


def entry_by_entry(X, W, H):
    def gradient_in_H(X, W, H):
        R, D = W @ H - X, np.empty_like(H)
        for a, b in np.ndindex(*H.shape):
            D[a, b] = sum(W[i, a] * R[i, b] for i in range(len(W)))
        return D

    return entries(gradient_in_H(X.T, H.T, W.T).T, gradient_in_H(X, W, H))


def through_the_residual(X, W, H):
    R = W @ H - X
    return entries(R @ H.T, W.T @ R)


def through_gram_matrices(X, W, H):
    return entries(W @ (H @ H.T) - X @ H.T, (W.T @ W) @ H - W.T @ X)


@jax.jit
def library(X, W, H):
    return entries(losses.frobenius.grad_W(X, W, H), losses.frobenius.grad_H(X, W, H))


# The same with penalties.


def with_penalties(l1_W, l1_H, l2_W, l2_H):
    return Objective(l1_W=l1_W, l1_H=l1_H, l2_W=l2_W, l2_H=l2_H)


@jax.jit
def penalized_autodiff(X, W, H, *penalties):
    return entries(*jax.grad(lambda factors: objective(X, factors, with_penalties(*penalties)))(Factors(W, H)))


def penalized_differences(X, W, H, l1_W, l1_H, l2_W, l2_H):
    def penalized(W, H):
        return loss(X, W, H) + l1_W * W.sum() + l1_H * H.sum() + (l2_W * (W * W).sum() + l2_H * (H * H).sum()) / 2

    grad_W = central_difference(lambda W: penalized(W, H), W)
    return entries(grad_W, central_difference(lambda H: penalized(W, H), H))


def penalized_terms(X, W, H, l1_W, l1_H, l2_W, l2_H):
    return through_gram_matrices(X, W, H) + entries(l1_W + l2_W * W, l1_H + l2_H * H)


def normal_equations(X, W, H, l1_W, l1_H, l2_W, l2_H):
    unit = np.eye(len(H), dtype=int)  # integers, so that fractions stay exact
    grad_W_transposed = (H @ H.T + l2_W * unit) @ W.T - (H @ X.T - l1_W)
    return entries(grad_W_transposed.T, (W.T @ W + l2_H * unit) @ H - (W.T @ X - l1_H))


@jax.jit
def solver_arguments(X, W, H, l1_W, l1_H, l2_W, l2_H):
    def gradient_in_H(X, W, H, l1, l2):
        G, C = ridge(W.T @ W, l2), W.T @ X - l1
        return G @ H - C

    return entries(gradient_in_H(X.T, H.T, W.T, l1_W, l2_W).T, gradient_in_H(X, W, H, l1_H, l2_H))


@jax.jit
def penalized_library(X, W, H, *penalties):
    return entries(*gradient(X, Factors(W, H), with_penalties(*penalties)))


CONTROLS = {
    "the loss without its ½": lambda X, W, H: 2 * through_gram_matrices(X, W, H),
    "the sign flipped": lambda X, W, H: -through_gram_matrices(X, W, H),
    "the Gram matrices of W and H exchanged": lambda X, W, H: entries(W @ (W.T @ W) - X @ H.T, (H @ H.T) @ H - W.T @ X),
}
PENALIZED_CONTROLS = {
    "½ l2 without its ½": lambda X, W, H, l1_W, l1_H, l2_W, l2_H: normal_equations(
        X, W, H, l1_W, l1_H, 2 * l2_W, 2 * l2_H
    ),
    "l1 with the sign flipped": lambda X, W, H, l1_W, l1_H, l2_W, l2_H: normal_equations(
        X, W, H, -l1_W, -l1_H, l2_W, l2_H
    ),
    "the penalties of W and H exchanged": lambda X, W, H, l1_W, l1_H, l2_W, l2_H: normal_equations(
        X, W, H, l1_H, l1_W, l2_H, l2_W
    ),
}

DERIVATION = (entry_by_entry, through_the_residual, through_gram_matrices)
PENALIZED = (penalized_terms, normal_equations)
INPUTS = problems(X=real, factors=real)
PENALIZED_INPUTS = problems(X=real, factors=real, num_penalties=4)

STATEMENTS = (
    Statement(
        2,
        "∇_W ½‖X − WH‖² = W HHᵀ − X Hᵀ and ∇_H = WᵀW H − WᵀX; with penalties G H − C",
        "lab, objective and gradients",
        (
            chain(INPUTS, (autodiff, *DERIVATION, library), CONTROLS),
            exact_chain(INPUTS, (differences, *DERIVATION), CONTROLS),
            chain(
                PENALIZED_INPUTS,
                (penalized_autodiff, *PENALIZED, solver_arguments, penalized_library),
                PENALIZED_CONTROLS,
            ),
            exact_chain(PENALIZED_INPUTS, (penalized_differences, *PENALIZED), PENALIZED_CONTROLS),
        ),
    ),
)
