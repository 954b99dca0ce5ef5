r"""Kullback–Leibler factorisations keep the row sums and the column sums of X.

Source: Ho and Van Dooren 2008, for stationary points.

Statement 24.  Let X ≥ 0, let W, H be positive, Z = WH, and D(X‖WH) the generalised Kullback–Leibler divergence.

(a) For all such factors, stationary or not, 1ᵀ(H ⊙ ∇_H D) = 1ᵀWH − 1ᵀX and (W ⊙ ∇_W D)1 = WH1 − X1.
(b) After one half-step in H, for any W, the column sums of WH⁺ are those of X: 1ᵀWH⁺ = 1ᵀX. After one in W the row sums
    are: W⁺H1 = X1. (The other sums then need not be.)
(c) At a stationary point (H ⊙ ∇_H D = 0, W ⊙ ∇_W D = 0), row sums and column sums of WH are those of X.

Derivation.
1. ∇_H D = Wᵀ(1 − X ⊘ Z), 1 the matrix of ones (statement 9). Sum the entries of H ⊙ ∇_H D over column j:

   $$ \sum_k H_{kj} \sum_i W_{ik} \Big( 1 - \frac{X_{ij}}{Z_{ij}} \Big)
      = \sum_i \Big( 1 - \frac{X_{ij}}{Z_{ij}} \Big) \sum_k W_{ik} H_{kj}
      = \sum_i \Big( 1 - \frac{X_{ij}}{Z_{ij}} \Big) Z_{ij} = \sum_i Z_{ij} - X_{ij} . $$

   The order of two finite sums was exchanged, and Σ_k W_ik H_kj = Z_ij. This is (a); for W transpose everything.
2. (c) At a stationary point the left sides of (a) are zero.
3. (b) H⁺_kj = H_kj (Wᵀ(X ⊘ Z))_kj / s_k with s_k = Σ_i W_ik. Column j of WH⁺ has the sum
   Σ_i Σ_k W_ik H⁺_kj = Σ_k s_k H⁺_kj, and s_k cancels:

   $$ \sum_k s_k H^+_{kj} = \sum_k H_{kj} \sum_i W_{ik} \frac{X_{ij}}{Z_{ij}}
      = \sum_i \frac{X_{ij}}{Z_{ij}} \sum_k W_{ik} H_{kj} = \sum_i X_{ij} . \ ∎ $$

Zeros.  A zero column of W makes its s_k zero and takes no part; nothing else changes. But where Z_ij = 0 < X_ij the
divergence is infinite, X_ij/Z_ij counts as 0, and X_ij is missing from the sum.

What it teaches.  WH may be read as a table of expected counts with the margins of X: nothing is lost between the parts.
The Frobenius loss has no such property.
"""

import jax
import numpy as np
from hypothesis import strategies as st

from jnmf import losses, multiplicative
from proofs.kernel import Statement, chain, deviation, exact_chain, holds
from proofs.strategies import positive, problems, real, scales, shapes

INPUTS = problems(factors=positive)


def sums(row_sums, column_sums):
    return np.concatenate([np.ravel(row_sums), np.ravel(column_sums)])


# (a)


@jax.jit
def autodiff_gradients(X, W, H):
    return jax.grad(losses.kl, argnums=(1, 2))(X, W, H)


@jax.jit
def library_gradients(X, W, H):
    return losses.kl.grad_W(X, W, H), losses.kl.grad_H(X, W, H)


def weighted_gradients(X, W, H):
    grad_W, grad_H = autodiff_gradients(X, W, H)
    return sums(np.sum(W * grad_W, axis=1), np.sum(H * grad_H, axis=0))


def sums_exchanged(X, W, H):
    residual = (1 - X / (W @ H)) * (W @ H)
    return sums(residual.sum(1), residual.sum(0))


def difference_of_the_sums(X, W, H):
    Z = W @ H
    return sums(Z.sum(1) - X.sum(1), Z.sum(0) - X.sum(0))


def library_weighted_gradients(X, W, H):
    grad_W, grad_H = library_gradients(X, W, H)
    return sums(np.sum(W * grad_W, axis=1), np.sum(H * grad_H, axis=0))


GRADIENT_CONTROLS = {
    "the sums of the gradients without the factors": lambda X, W, H: sums(
        np.sum(library_gradients(X, W, H)[0], axis=1), np.sum(library_gradients(X, W, H)[1], axis=0)
    ),
    "the gradients of the Frobenius loss": lambda X, W, H: sums(
        np.sum(W * losses.frobenius.grad_W(X, W, H), axis=1), np.sum(H * losses.frobenius.grad_H(X, W, H), axis=0)
    ),
}


# (b)


@jax.jit
def library_half_steps(X, W, H):
    """(W⁺, H⁺), each from the same (W, H)."""
    return multiplicative.half_step_W(X, W, H, losses.kl), multiplicative.half_step(X, W, H, losses.kl)


def library_sums_after_the_half_steps(X, W, H):
    W_new, H_new = library_half_steps(X, W, H)
    return sums(np.sum(W_new @ H, axis=1), np.sum(W @ H_new, axis=0))


def sums_after_the_half_steps(X, W, H):
    ratio = X / (W @ H)
    W_new = W * (ratio @ H.T) / H.sum(axis=1)[None, :]
    H_new = H * (W.T @ ratio) / W.sum(axis=0)[:, None]
    return sums((W_new @ H).sum(axis=1), (W @ H_new).sum(axis=0))


def column_sums_cancelled(X, W, H):
    ratio = X / (W @ H)
    return sums((W * (ratio @ H.T)).sum(axis=1), (H * (W.T @ ratio)).sum(axis=0))


def sums_of_the_data(X, W, H):
    return sums(X.sum(axis=1), X.sum(axis=0))


def other_sums(X, W, H):
    """The row sums after the half-step in H, the column sums after the one in W."""
    ratio = X / (W @ H)
    W_new = W * (ratio @ H.T) / H.sum(axis=1)[None, :]
    H_new = H * (W.T @ ratio) / W.sum(axis=0)[:, None]
    return sums((W @ H_new).sum(axis=1), (W_new @ H).sum(axis=0))


def sums_after_the_frobenius_half_steps(X, W, H):
    W_new, H_new = W * (X @ H.T) / (W @ H @ H.T), H * (W.T @ X) / (W.T @ W @ H)
    return sums((W_new @ H).sum(axis=1), (W @ H_new).sum(axis=0))


STEP_CONTROLS = {
    "the sums of the other side": other_sums,
    "after the Frobenius half-steps": sums_after_the_frobenius_half_steps,
}


# (c)


def complement(A):
    """The projection on the orthogonal complement of the columns of A."""
    U = np.linalg.svd(A)[0][:, np.linalg.matrix_rank(A) :]
    return U @ U.T


@st.composite
def stationary(draw):
    """(R, W, H) with WᵀR = 0, RHᵀ = 0 and |R| ≤ ½. For X = Z ⊙ (1 + R) is X ⊘ Z = 1 + R, and both gradients are 0."""
    m, n, r = draw(shapes)
    W, H = draw(positive((m, r))), draw(positive((r, n)))
    R = complement(W) @ draw(real((m, n))) @ complement(H.T)
    return R / max(2 * np.max(np.abs(R)), 1), draw(scales) * W, H


def kl_stationary(R, W, H):
    return W @ H * (1 + R)


def frobenius_stationary(R, W, H):
    return W @ H + np.min(W @ H) * R


def stationary_in_H_only(R, W, H):
    return W @ H * (1 + complement(W) @ (R + 0.1 * np.arange(R.size).reshape(R.shape) / R.size))


def at_a_stationary_point(R, W, H, data=kl_stationary):
    X, Z = data(R, W, H), W @ H
    grad_W, grad_H = library_gradients(X, W, H)
    return {
        "W ⊙ ∇_W = 0": float(np.max(np.abs(grad_W)) / np.max(np.sum(H, axis=1))),
        "H ⊙ ∇_H = 0": float(np.max(np.abs(grad_H)) / np.max(np.sum(W, axis=0))),
        "the row sums": deviation(np.sum(Z, axis=1), np.sum(X, axis=1)),
        "the column sums": deviation(np.sum(Z, axis=0), np.sum(X, axis=0)),
    }


STATIONARY_CONTROLS = {
    "stationary for the Frobenius loss: the row sums": lambda R, W, H: at_a_stationary_point(
        R, W, H, data=frobenius_stationary
    )["the row sums"],
    "stationary for the Frobenius loss: the column sums": lambda R, W, H: at_a_stationary_point(
        R, W, H, data=frobenius_stationary
    )["the column sums"],
    "stationary in H only: the row sums": lambda R, W, H: at_a_stationary_point(R, W, H, data=stationary_in_H_only)[
        "the row sums"
    ],
}

STATEMENTS = (
    Statement(
        24,
        "KL keeps the sums of X: columns after a half-step in H, rows after one in W, both when stationary",
        "Ho and Van Dooren 2008",
        (
            chain(
                INPUTS,
                (weighted_gradients, sums_exchanged, difference_of_the_sums, library_weighted_gradients),
                GRADIENT_CONTROLS,
            ),
            exact_chain(
                INPUTS,
                (sums_after_the_half_steps, column_sums_cancelled, sums_of_the_data),
                {f"exactly: {name}": control for name, control in STEP_CONTROLS.items()},
            ),
            chain(INPUTS, (sums_of_the_data, column_sums_cancelled, library_sums_after_the_half_steps), STEP_CONTROLS),
            holds(stationary(), at_a_stationary_point, STATIONARY_CONTROLS),
        ),
    ),
)
