r"""Imputing the missing entries from the fit is a majoriser: masked problems can use every unmasked method.

Source: the EM view of weighted low-rank approximation, Srebro and Jaakkola 2003, section 3.

Statement 26.  Let M_ij ∈ [0, 1] be weights, F(H) = ½ Σ M_ij (X − W H)_ij², and for a fixed H̄ let
X̂ = M ⊙ X + (1 − M) ⊙ W H̄, the data with what is missing put in from the fit. Then, up to a constant in H,

$$ Q(H) = \tfrac12 \| \hat X - W H \|^2 + F(\bar H) - \tfrac12 \| \hat X - W \bar H \|^2 $$

lies above F, touches it at H̄ and has the same gradient there. So a half-step that lowers ½‖X̂ − WH‖² lowers F.
Weights of any size are c M with c the largest and such an M: c Q lies above c F, and c Wᵀ X̂ is
Wᵀ((c M) ⊙ X + (c − c M) ⊙ W H̄), beside c WᵀW the product that the library forms.

Derivation.  Everything separates over the entries: write x, m, z = (WH)_ij, z̄ = (WH̄)_ij for one of them.
1. x̂ − z̄ = m x + (1 − m) z̄ − z̄ = m (x − z̄).
2. x̂ − z = (x̂ − z̄) − (z − z̄) = m (x − z̄) − (z − z̄). Its half square is
   ½ m² (x − z̄)² − m (x − z̄)(z − z̄) + ½ (z − z̄)².
3. In Q the first term is taken away by −½ (x̂ − z̄)², by step 1, and ½ m (x − z̄)² is added. So Q's entry is
   ½ m (x − z̄)² − m (x − z̄)(z − z̄) + ½ (z − z̄)².
4. F's entry is ½ m (x − z)² = ½ m ((x − z̄) − (z − z̄))² = ½ m (x − z̄)² − m (x − z̄)(z − z̄) + ½ m (z − z̄)².
5. The difference, step 3 less step 4, is ½ (1 − m)(z − z̄)², which is ≥ 0 since m ≤ 1, and 0 with zero slope at z = z̄. ∎

What it teaches.  The step is as short as the weights are small: where m = 0 the majoriser holds z at z̄. With much
missing, many steps are needed; multiplicative updates, which weigh the entries themselves, do not have this.
"""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jnmf import losses, solvers
from jnmf.matrix import product
from jnmf.matrix.masked import Masked
from proofs.kernel import Statement, bound, chain, exact_chain
from proofs.strategies import nonnegative, positive


def inputs(weights):
    """New H, old H, X, W and the weights, sixteenths up to 1."""
    H, X, W = positive((2, 4)), nonnegative((5, 4)), positive((5, 2))
    return st.tuples(H, H, X, W, weights((5, 4)).map(half))


def half(M):
    return M / 2


INPUTS = inputs(nonnegative)
ANY_WEIGHTS = INPUTS.map(lambda args: (*args[:4], 20 * args[4]))
SOME_WEIGHT = inputs(positive)  # where nothing has weight, the loss is 0 and its size no measure of rounding


def loss(H, X, W, M):
    return losses.frobenius(Masked(jnp.asarray(X), jnp.asarray(M)), W, H)


def imputed(old, X, W, M):
    return M * X + (1 - M) * (W @ old)


def majoriser(new, old, X, W, M):
    surrogate = losses.frobenius(imputed(old, X, W, M), W, new) - losses.frobenius(imputed(old, X, W, M), W, old)
    return surrogate + loss(old, X, W, M)


# The difference Q − F, entry by entry


def difference(new, old, X, W, M):
    return np.asarray(majoriser(new, old, X, W, M) - loss(new, X, W, M)) + scale(new, old, X, W, M)


def written_out(new, old, X, W, M):
    return np.sum((1 - M) * (W @ new - W @ old) ** 2) / 2 + scale(new, old, X, W, M)


def scale(new, old, X, W, M):
    """Added on both sides: the difference is small beside the losses that it is the difference of."""
    return np.sum(X**2) + np.sum((W @ new) ** 2) + np.sum((W @ old) ** 2)


def exact_difference(new, old, X, W, M):
    A = M * X + (1 - M) * (W @ old)
    Q = ((A - W @ new) ** 2).sum() / 2 - ((A - W @ old) ** 2).sum() / 2 + (M * (X - W @ old) ** 2).sum() / 2
    return Q - (M * (X - W @ new) ** 2).sum() / 2


def exactly_written_out(new, old, X, W, M):
    return ((1 - M) * (W @ new - W @ old) ** 2).sum() / 2


# The gradient, and the product that the library makes of it


def largest(M):
    return np.max(M)


def gradient(new, old, X, W, M):
    return jax.grad(loss)(jnp.asarray(old), X, W, M) - largest(M) * W.T @ W @ old


def from_the_imputed(new, old, X, W, M):
    c = largest(M) or 1  # without any weight, nothing is left
    return -largest(M) * W.T @ imputed(old, X, W, M / c)


def library(new, old, X, W, M):
    return -product(Masked(X, M), W, old)


def update(old, X, W, M):
    """A half-step of the library on the imputed data; it lowers Q, and minimises it only in the limit."""
    H, G, C = (jnp.asarray(a) for a in (old, W.T @ W, W.T @ imputed(old, X, W, M)))
    return jax.lax.fori_loop(0, 2000, lambda _, H: solvers.hals(H, G, C), H)


WRONG = lambda new, old, X, W, M: losses.frobenius(M * X, W, new) - losses.frobenius(M * X, W, old) + loss(old, X, W, M)

STATEMENTS = (
    Statement(
        26,
        "Imputing missing entries from the fit majorises the weighted loss: masked half-steps descend",
        "Srebro and Jaakkola 2003, section 3",
        (
            bound(
                SOME_WEIGHT,
                loss,
                majoriser,
                update,
                {
                    "zeros imputed": (WRONG, update),
                    "no step": (majoriser, lambda old, X, W, M: old),
                },
            ),
            chain(
                INPUTS,
                (difference, written_out),
                {"M for 1 − M": lambda new, old, X, W, M: written_out(new, old, X, W, 1 - M)},
            ),
            exact_chain(
                INPUTS,
                (exact_difference, exactly_written_out),
                {"weights squared": lambda new, old, X, W, M: exactly_written_out(new, old, X, W, M * M)},
            ),
            chain(
                ANY_WEIGHTS,
                (gradient, from_the_imputed, library),
                {
                    "imputed from the data": lambda new, old, X, W, M: -W.T @ X,
                    "weights taken as at most 1": lambda new, old, X, W, M: -W.T @ imputed(old, X, W, M),
                },
            ),
        ),
    ),
)
