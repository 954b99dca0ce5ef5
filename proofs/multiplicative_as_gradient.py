r"""Multiplicative updates are gradient descent with a step size of their own for each entry.

Source: problem set, problem 3.

Statement.  With F(H) = ½‖X − W H‖² and the step sizes ε = H ⊘ (WᵀW H), where no entry of WᵀW H is zero,

$$ H - \varepsilon \odot \nabla F(H) \;=\; H \odot (W^\top X) \oslash (W^\top W H). $$

Derivation.
1. ∇F(H) = WᵀW H − WᵀX (statement 2). The gradient step is therefore H + ε ⊙ (WᵀX − WᵀW H).
2. Put in ε and multiply out, entry by entry:

   $$ H_{ij} + \frac{H_{ij}}{(W^\top W H)_{ij}} (W^\top X)_{ij} - \frac{H_{ij}}{(W^\top W H)_{ij}} (W^\top W H)_{ij}. $$

3. In the last term the fraction cancels and leaves H_ij, which cancels the first term. What remains is the
   multiplicative update. ∎

What it teaches.  The update needs no projection because the step size is chosen so that the negative part of the
gradient step cancels exactly. ε_ij is zero where H_ij is: such an entry never moves.
"""

import jax
import jax.numpy as jnp

from jnmf import losses, solvers
from proofs.kernel import Statement, central_difference, chain, exact_chain
from proofs.strategies import positive, problems


def step_size(X, W, H):
    return H / (W.T @ W @ H)


def gradient_step(X, W, H):
    return H - step_size(X, W, H) * jax.grad(losses.frobenius, argnums=2)(*map(jnp.asarray, (X, W, H)))


def exact_gradient_step(X, W, H):
    return H - step_size(X, W, H) * central_difference(lambda H: ((X - W @ H) ** 2).sum() / 2, H)


def with_the_gradient(X, W, H):
    return H + step_size(X, W, H) * (W.T @ X - W.T @ W @ H)


def multiplied_out(X, W, H):
    ε = step_size(X, W, H)
    return H + ε * (W.T @ X) - ε * (W.T @ W @ H)


def cancelled(X, W, H):
    return H * (W.T @ X) / (W.T @ W @ H)


def library(X, W, H):
    return solvers.multiplicative(*map(jnp.asarray, (H, W.T @ W, W.T @ X)))


CONTROLS = {
    "half the step": lambda X, W, H: H + 0.5 * step_size(X, W, H) * (W.T @ X - W.T @ W @ H),
    "the loss without its ½": lambda X, W, H: H + 2 * step_size(X, W, H) * (W.T @ X - W.T @ W @ H),
    "numerator and denominator exchanged": lambda X, W, H: H * (W.T @ W @ H) / (W.T @ X),
}
EXACT_CONTROLS = {
    "the step size of W": lambda X, W, H: H - H / (H @ H.T @ H) * (W.T @ W @ H - W.T @ X),
    "gradient with the sign flipped": lambda X, W, H: H - step_size(X, W, H) * (W.T @ X - W.T @ W @ H),
}

INPUTS = problems(X=positive, factors=positive)

STATEMENTS = (
    Statement(
        17,
        "A multiplicative update is a gradient step with step size H ⊘ (WᵀWH)",
        "problem set, problem 3",
        (
            chain(INPUTS, (gradient_step, with_the_gradient, multiplied_out, cancelled, library), CONTROLS),
            exact_chain(INPUTS, (exact_gradient_step, with_the_gradient, multiplied_out, cancelled), EXACT_CONTROLS),
        ),
    ),
)
