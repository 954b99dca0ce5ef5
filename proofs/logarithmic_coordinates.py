r"""Positive factors as exponentials: the two multiplicative algorithms as fixed-point iterations.

Source: lecture, multiplicative updates from W = e^ξ, H = e^ζ.

Statement 8.  Let $W = e^{\xi}$ and $H = e^{\zeta}$, entry by entry, and $f(\xi, \zeta) = \tfrac12 \|X - W H\|^2$. Then

$$ \frac{\partial f}{\partial \xi} = -W \odot (X H^\top) + W \odot (W H H^\top), \qquad
   \frac{\partial f}{\partial \zeta} = -H \odot (W^\top X) + H \odot (W^\top W H). $$

With W frozen, ∂f/∂ζ = 0 is the equation H ⊙ (WᵀWH) = H ⊙ (WᵀX). It holds H three times. Freeze two of them, the one
inside WᵀWH and the one on the right, at the current iterate, and solve for the third:

$$ H^+ \odot (W^\top W H) = H \odot (W^\top X) \quad\Longleftrightarrow\quad
   H^+ = H \odot (W^\top X) \oslash (W^\top W H), $$

the multiplicative update. One step does not make ∂f/∂ζ zero; but H⁺ = H exactly where ∂f/∂ζ = 0. For W the same, with H
frozen: W⁺ = W ⊙ (XHᵀ) ⊘ (WHHᵀ).

Derivation.
1. Chain rule. f depends on ζ_kj only through H_kj = e^{ζ_kj}, and dH_kj/dζ_kj = e^{ζ_kj} = H_kj. Hence
   ∂f/∂ζ_kj = (∂f/∂H_kj) · H_kj, that is ∂f/∂ζ = H ⊙ ∇_H f.
2. Put in ∇_H f = WᵀWH − WᵀX (statement 2) and multiply out. This is the second formula. The first is the second for
   Xᵀ ≈ HᵀWᵀ, transposed.
3. Where no entry of WᵀWH is zero, divide ∂f/∂ζ by it, entry by entry:

   $$ (\partial f/\partial\zeta) \oslash (W^\top W H) = -H \odot (W^\top X) \oslash (W^\top W H) + H = H - H^+. $$

   So H⁺ = H − (∂f/∂ζ) ⊘ (WᵀWH): the update moves the entry H_kj exactly if the derivative in ζ_kj is not zero. ∎

Statement 9.  The same for the entropy divergence $f = \sum_{ij} X_{ij} \log (X_{ij}/Z_{ij}) - X_{ij} + Z_{ij}$, where
Z = WH and 1 is the matrix of ones, of the shape of X:

$$ \frac{\partial f}{\partial \zeta} = -H \odot (W^\top (X \oslash Z)) + H \odot (W^\top 1), \qquad
   H^+ = H \odot (W^\top (X \oslash Z)) \oslash (W^\top 1), $$

and ∂f/∂ξ = −W ⊙ ((X ⊘ Z)Hᵀ) + W ⊙ (1Hᵀ) gives W⁺ = W ⊙ ((X ⊘ Z)Hᵀ) ⊘ (1Hᵀ). Here the frozen parts are the factor before
the bracket and Z.

Derivation.
1. ∂f/∂ζ = H ⊙ ∇_H f as above. Nothing in that step used which loss it was.
2. The derivative of x log(x/z) − x + z = x log x − x log z − x + z in z is −x/z + 1. Since Z_ij = Σ_k W_ik H_kj, the
   derivative of Z_ij in H_kj is W_ik, so ∂f/∂H_kj = Σ_i W_ik (1 − X_ij/Z_ij), that is ∇_H f = Wᵀ1 − Wᵀ(X ⊘ Z).
3. Multiply by H and divide by Wᵀ1, whose entry (k, j) is the sum of column k of W:
   (∂f/∂ζ) ⊘ (Wᵀ1) = H − H⁺, by the same two lines as in step 3 above. ∎

What it teaches.  In the coordinates ξ, ζ there is no constraint left, and the update needs no projection: it
multiplies. In exchange an entry that is 0 (ζ = −∞) can never leave.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jnmf import losses, multiplicative, solvers
from proofs.kernel import Statement, central_difference, chain, deviation, exact_chain, holds
from proofs.strategies import positive, problems

INPUTS = problems(factors=positive)
NONZERO = problems(X=positive, factors=positive)  # the update of a zero is zero: no scale to compare it with


def both(for_W, for_H):
    """A pair of matrices as one vector, so that a link is the formula for W together with its twin for H."""
    return np.concatenate([np.ravel(for_W), np.ravel(for_H)])


@partial(jax.jit, static_argnums=0)
def gradients(loss, X, W, H):
    return jax.grad(loss, argnums=(1, 2))(X, W, H)


@partial(jax.jit, static_argnums=0)
def derivatives_in_the_exponents(loss, X, W, H):
    """(∂f/∂ξ, ∂f/∂ζ) by autodiff through the exponential."""
    return jax.grad(lambda ξ, ζ: loss(X, jnp.exp(ξ), jnp.exp(ζ)), argnums=(0, 1))(jnp.log(W), jnp.log(H))


frobenius_update = jax.jit(solvers.multiplicative)
entropy_update = jax.jit(partial(multiplicative.half_step, loss=losses.kl))


# Statement 8: ½‖X − WH‖².


def autodiff_in_the_exponents(X, W, H):
    return both(*derivatives_in_the_exponents(losses.frobenius, X, W, H))


def chain_rule(X, W, H):
    grad_W, grad_H = gradients(losses.frobenius, X, W, H)
    return both(W * grad_W, H * grad_H)


def exact_chain_rule(X, W, H):
    def in_W(W):
        return ((X - W @ H) ** 2).sum() / 2

    def in_H(H):
        return ((X - W @ H) ** 2).sum() / 2

    return both(W * central_difference(in_W, W), H * central_difference(in_H, H))


def multiplied_out(X, W, H):
    return both(-W * (X @ H.T) + W * (W @ H @ H.T), -H * (W.T @ X) + H * (W.T @ W @ H))


def library_gradient(X, W, H):
    return both(W * losses.frobenius.grad_W(X, W, H), H * losses.frobenius.grad_H(X, W, H))


def step_from_the_derivative(X, W, H):
    in_ξ, in_ζ = derivatives_in_the_exponents(losses.frobenius, X, W, H)
    return both(W - in_ξ / (W @ H @ H.T), H - in_ζ / (W.T @ W @ H))


def solved_for_the_free_factor(X, W, H):
    return both(W * (X @ H.T) / (W @ H @ H.T), H * (W.T @ X) / (W.T @ W @ H))


def library_update(X, W, H):
    return both(frobenius_update(W.T, H @ H.T, H @ X.T).T, frobenius_update(H, W.T @ W, W.T @ X))


def frozen_equation(X, W, H):
    H_new = np.asarray(frobenius_update(H, W.T @ W, W.T @ X))
    return {"H⁺ ⊙ (WᵀWH) = H ⊙ (WᵀX)": deviation(H_new * (W.T @ W @ H), H * (W.T @ X))}


def unfrozen_equation(X, W, H):
    H_new = np.asarray(frobenius_update(H, W.T @ W, W.T @ X))
    return deviation(H_new * (W.T @ W @ H_new), H_new * (W.T @ X))


GRADIENT_CONTROLS = {
    "the derivative in W and H instead": lambda X, W, H: both((W @ H - X) @ H.T, W.T @ (W @ H - X)),
    "the signs exchanged": lambda X, W, H: -multiplied_out(X, W, H),
    "the Gram matrices exchanged": lambda X, W, H: both(
        -W * (X @ H.T) + W * (W @ W.T @ W), -H * (W.T @ X) + H * (H @ H.T @ H)
    ),
    "X Hᵀ without the factor W": lambda X, W, H: both(-(X @ H.T) + W * (W @ H @ H.T), -(W.T @ X) + H * (W.T @ W @ H)),
}
EXACT_CONTROLS = {
    "the loss without its ½": lambda X, W, H: 2 * multiplied_out(X, W, H),
    "the first term alone": lambda X, W, H: both(-W * (X @ H.T), -H * (W.T @ X)),
}
UPDATE_CONTROLS = {
    "the quotient without the factor before it": lambda X, W, H: both(
        (X @ H.T) / (W @ H @ H.T), (W.T @ X) / (W.T @ W @ H)
    ),
    "the step in ζ itself, e^(ζ − ∂f/∂ζ)": lambda X, W, H: both(
        W * np.exp(W * (X @ H.T - W @ H @ H.T)), H * np.exp(H * (W.T @ X - W.T @ W @ H))
    ),
}


# Statement 9: the entropy divergence.


def entropy_autodiff_in_the_exponents(X, W, H):
    return both(*derivatives_in_the_exponents(losses.kl, X, W, H))


def entropy_chain_rule(X, W, H):
    grad_W, grad_H = gradients(losses.kl, X, W, H)
    return both(W * grad_W, H * grad_H)


def entropy_multiplied_out(X, W, H):
    one, ratio = np.ones(X.shape), X / (W @ H)
    return both(-W * (ratio @ H.T) + W * (one @ H.T), -H * (W.T @ ratio) + H * (W.T @ one))


def entropy_library_gradient(X, W, H):
    return both(W * losses.kl.grad_W(X, W, H), H * losses.kl.grad_H(X, W, H))


def entropy_step_from_the_derivative(X, W, H):
    one = np.ones(X.shape)
    in_ξ, in_ζ = derivatives_in_the_exponents(losses.kl, X, W, H)
    return both(W - in_ξ / (one @ H.T), H - in_ζ / (W.T @ one))


def entropy_solved_for_the_free_factor(X, W, H):
    one, ratio = np.ones(X.shape), X / (W @ H)
    return both(W * (ratio @ H.T) / (one @ H.T), H * (W.T @ ratio) / (W.T @ one))


def entropy_library_update(X, W, H):
    return both(entropy_update(X.T, H.T, W.T).T, entropy_update(X, W, H))


ENTROPY_GRADIENT_CONTROLS = {
    "Z ⊘ X in place of X ⊘ Z": lambda X, W, H: both(
        W * ((1 - W @ H / (X + 1)) @ H.T), H * (W.T @ (1 - W @ H / (X + 1)))
    ),
    "the entropy without −X + Z": lambda X, W, H: both(-W * ((X / (W @ H)) @ H.T), -H * (W.T @ (X / (W @ H)))),
}
ENTROPY_UPDATE_CONTROLS = {
    "the Frobenius update": solved_for_the_free_factor,
    "divided by the sums of the other side": lambda X, W, H: both(
        W * ((X / (W @ H)) @ H.T) / W.sum(1, keepdims=True), H * (W.T @ (X / (W @ H))) / H.sum(0, keepdims=True)
    ),
}

STATEMENTS = (
    Statement(
        8,
        "With W = e^ξ, H = e^ζ: stationary points of ½‖X − WH‖² by the multiplicative fixed-point iteration",
        "lecture, multiplicative updates in exponential coordinates",
        (
            chain(INPUTS, (autodiff_in_the_exponents, chain_rule, multiplied_out, library_gradient), GRADIENT_CONTROLS),
            exact_chain(INPUTS, (exact_chain_rule, multiplied_out), EXACT_CONTROLS),
            chain(NONZERO, (step_from_the_derivative, solved_for_the_free_factor, library_update), UPDATE_CONTROLS),
            holds(INPUTS, frozen_equation, {"nothing frozen: one step as the solution": unfrozen_equation}),
        ),
    ),
    Statement(
        9,
        "The same for the entropy (KL) divergence: the second multiplicative algorithm",
        "lecture, the second algorithm (entropy)",
        (
            chain(
                INPUTS,
                (
                    entropy_autodiff_in_the_exponents,
                    entropy_chain_rule,
                    entropy_multiplied_out,
                    entropy_library_gradient,
                ),
                ENTROPY_GRADIENT_CONTROLS,
            ),
            chain(
                NONZERO,
                (
                    entropy_step_from_the_derivative,
                    entropy_solved_for_the_free_factor,
                    entropy_library_update,
                ),
                ENTROPY_UPDATE_CONTROLS,
            ),
        ),
    ),
)
