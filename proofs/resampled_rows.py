r"""A sample that is drawn w times is one in another scale.

Source: Efron 1979, "Bootstrap methods: another look at the jackknife", for the weights; the scales are derived here.

Statement.  Let d have degree p ≠ 0, d(cx, cz) = cᵖ d(x, z) for c > 0, as the β-divergence has p = β. Let X^w have row i
of X w_i times, w_i whole numbers, and let row i of W belong to each copy. Then

$$ D(X^w, W^w H) = \sum_i w_i \sum_j d(x_{ij}, (WH)_{ij}) = D(S X, S W H), \qquad S = \operatorname{diag}(w_i^{1/p}), $$

so that for p > 0 the best H for X^w is the best H for S X: W and S W run through the same nonnegative matrices.

Derivation.
1. Each copy of row i adds Σ_j d(x_ij, (WH)_ij) to D, and there are w_i of them: the first equality.
2. With s = w^{1/p}, d(s x, s z) = sᵖ d(x, z) = w d(x, z), entry by entry: the second.
3. For p > 0 a row with w = 0 has s = 0 and d(0, 0) = 0: it is not there. A copy of its own for each of the w rows of W
   could not do better, since all copies of x_i have the same minimiser. W ↦ S W maps W ≥ 0 onto the rows of
   nonnegative matrices where w > 0, and the others count nowhere: the minima over W, as functions of H, are equal. ∎

What it teaches.  A resample needs m numbers beside X: (S X) Hᵀ and Wᵀ(S X) are products with X itself. An l2 penalty
on W, for p = 2, and an l1 penalty, for p = 1, are of degree p, too: w ½l2 ‖W_i‖² = ½l2 ‖√w W_i‖². Others are not.
"""

import jax
import numpy as np
from hypothesis import strategies as st

from jnmf import losses, matrix
from jnmf.matrix.rescaled import rescaled
from proofs.kernel import Statement, chain
from proofs.strategies import positive

BETAS = (0.5, 1.0, 1.5, 2.0, 3.0)


@st.composite
def resamples(draw):
    """X, W, H > 0, how often each row is drawn, and β."""
    m, n, r = 4, 3, 2
    times = np.array(draw(st.lists(st.integers(0, 3), min_size=m, max_size=m)))
    return draw(positive((m, n))), draw(positive((m, r))), draw(positive((r, n))), times, draw(st.sampled_from(BETAS))


def of_all_copies(X, W, H, times, beta):
    """Each row of X and of W is there as often as it was drawn."""
    X, W = np.repeat(X, times, axis=0), np.repeat(W, times, axis=0)
    return np.sum(losses.BetaDivergence(beta=beta).divergence(X, W @ H))


def weighted(X, W, H, times, beta):
    return np.sum(times[:, None] * losses.BetaDivergence(beta=beta).divergence(X, W @ H))


def in_scales(X, W, H, times, beta, exponent=lambda beta: 1 / beta):
    s = times[:, None] ** exponent(beta)
    return np.sum(losses.BetaDivergence(beta=beta).divergence(s * X, s * W @ H))


@jax.jit
def _library(X, W, H, s, loss):
    return matrix.divergence(rescaled(X, s, np.ones(X.shape[1])), loss, s[:, None] * W, H)


def library(X, W, H, times, beta):
    return _library(X, W, H, times ** (1 / beta), losses.BetaDivergence(beta=beta))


STATEMENTS = (
    Statement(
        37,
        "A sample that is drawn w times is one times w to the power 1/β",
        "Efron 1979, for the weights",
        (
            chain(
                resamples(),
                (of_all_copies, weighted, in_scales, library),
                {
                    "the weight itself as a scale": lambda *args: in_scales(*args, exponent=lambda beta: 1.0),
                    "its root whatever β": lambda *args: in_scales(*args, exponent=lambda beta: 0.5),
                },
            ),
        ),
    ),
)
