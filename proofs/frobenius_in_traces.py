r"""The Frobenius loss in traces: what of X and of the factors it depends on.

Source: lab, objective and gradients (where X is called V).

Statement.

$$ \tfrac12\|X - WH\|^2 \;=\; \tfrac12 \operatorname{tr} X^\top X - \operatorname{tr} H^\top W^\top X
   + \tfrac12 \operatorname{tr} H^\top W^\top W H. $$

Derivation.
1. Let R = X − WH. The diagonal entry j of RᵀR is Σ_i R_ij R_ij: the squares of column j, summed. The trace adds up the
   columns, so the sum of all squares is ‖R‖² = tr RᵀR.
2. Rᵀ = Xᵀ − HᵀWᵀ, since a transpose reverses a product. Multiply out; the trace of a sum is the sum of the traces:

   $$ \operatorname{tr} R^\top R = \operatorname{tr} X^\top X - \operatorname{tr} X^\top W H
      - \operatorname{tr} H^\top W^\top X + \operatorname{tr} H^\top W^\top W H. $$

3. XᵀWH is the transpose of HᵀWᵀX. A square matrix and its transpose have the same diagonal, hence the same trace: the
   two middle terms are equal. Together they are −2 tr HᵀWᵀX, and half of everything is the statement. ∎

What the library runs.  Write ⟨A, B⟩ = Σ_ij A_ij B_ij.
4. tr AB = Σ_ij A_ij B_ji = tr BA: a factor may go round from the front to the back. So
   tr HᵀWᵀX = tr WᵀXHᵀ = ⟨HXᵀ, Wᵀ⟩, and tr HᵀWᵀWH = tr (WᵀW)(HHᵀ) = ⟨WᵀW, HHᵀ⟩, as WᵀW and HHᵀ are symmetric.

   $$ \tfrac12\|X - WH\|^2 = \tfrac12\|X\|^2 - \langle HX^\top, W^\top\rangle
      + \tfrac12\langle W^\top W, HH^\top\rangle. $$

What it teaches.  ½‖X‖² is a constant. Of X the rest needs only HXᵀ, which a Frobenius method has in hand: the loss of
the factors costs no further pass over X.
"""

import jax
import numpy as np

from jnmf import losses
from jnmf.algorithm import Frobenius
from jnmf.factors import Factors
from proofs.kernel import Statement, chain, exact_chain
from proofs.strategies import problems, real


def sum_of_squares(X, W, H):
    squares = [(X[i, j] - sum(W[i, k] * H[k, j] for k in range(len(H)))) ** 2 for i, j in np.ndindex(*X.shape)]
    return sum(squares) / 2


def trace_of_the_residual(X, W, H):
    R = X - W @ H
    return np.trace(R.T @ R) / 2


def four_traces(X, W, H):
    mixed = np.trace(X.T @ W @ H) + np.trace(H.T @ W.T @ X)
    return (np.trace(X.T @ X) - mixed + np.trace(H.T @ W.T @ W @ H)) / 2


def three_traces(X, W, H):
    return np.trace(X.T @ X) / 2 - np.trace(H.T @ W.T @ X) + np.trace(H.T @ W.T @ W @ H) / 2


def in_gram_matrices(X, W, H):
    return (X * X).sum() / 2 - ((H @ X.T) * W.T).sum() + ((W.T @ W) * (H @ H.T)).sum() / 2


class Idle(Frobenius):
    """A method whose half-steps do nothing, so that a step records the loss of the factors it is given."""

    def solve(self, H, G, C):
        return H


@jax.jit
def recorded_by_a_step(X, W, H):
    return Idle().step(X, Idle().init(X, Factors(W, H)))[1].loss


@jax.jit
def library(X, W, H):
    return losses.frobenius(X, W, H)


CONTROLS = {
    "the mixed term halved": lambda X, W, H: three_traces(X, W, H) + np.trace(H.T @ W.T @ X) / 2,
    "the mixed term added": lambda X, W, H: three_traces(X, W, H) + 2 * np.trace(H.T @ W.T @ X),
    "the last term without its ½": lambda X, W, H: three_traces(X, W, H) + np.trace(H.T @ W.T @ W @ H) / 2,
    "the Gram matrix of H for that of W": lambda X, W, H: (
        three_traces(X, W, H) + (np.trace(H.T @ H @ H.T @ H) - np.trace(H.T @ W.T @ W @ H)) / 2
    ),
    "the trace of a product as a product of traces": lambda X, W, H: (
        np.trace(X.T @ X) / 2 - np.trace(H.T @ W.T @ X) + np.trace(W.T @ W) * np.trace(H @ H.T) / 2
    ),
}

DERIVATION = (sum_of_squares, trace_of_the_residual, four_traces, three_traces, in_gram_matrices)
INPUTS = problems(X=real, factors=real)

STATEMENTS = (
    Statement(
        1,
        "½‖X − WH‖² = ½ tr XᵀX − tr HᵀWᵀX + ½ tr HᵀWᵀWH",
        "lab, objective and gradients",
        (
            chain(INPUTS, (*DERIVATION, recorded_by_a_step, library), CONTROLS),
            exact_chain(INPUTS, DERIVATION, CONTROLS),
        ),
    ),
)
