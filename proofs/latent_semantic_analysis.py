r"""Probabilistic latent semantic analysis is nonnegative matrix factorisation with the KL divergence.

Source: problem set, problem 6; Gaussier and Goutte 2005.

Statement.  Let P ≥ 0 be counts divided by their total, so that ΣP = 1.

(a) If W diag(σ) H has the columns of W, the rows of H and σ summing to one, then the generalised KL divergence and the
negative log-likelihood differ by a number that does not depend on (W, σ, H):

$$ D_{KL}(P, W \operatorname{diag}(\sigma) H)
   = -\sum_{ij} P_{ij} \log\,(W \operatorname{diag}(\sigma) H)_{ij} + \sum_{ij} P_{ij} \log P_{ij}. $$

(b) Every product W H ≥ 0 has this form: with a_k = Σ_i W_ik, b_k = Σ_j H_kj and σ_k = a_k b_k,

$$ W H = \bigl(W \operatorname{diag}(a)^{-1}\bigr) \operatorname{diag}(\sigma)
         \bigl(\operatorname{diag}(b)^{-1} H\bigr), \qquad \textstyle\sum_k \sigma_k = \sum_{ij} (W H)_{ij}, $$

where components with a_k = 0 or b_k = 0 get σ_k = 0.

(c) Let W H > 0 and no a_k be 0. After a multiplicative KL update of H, the product has the column sums of X, and after
one of W its row sums: from then on σ sums to ΣX, which is one for X = P.

Derivation.
1. (a) Let Z = W diag(σ) H. Then Σ_ij Z_ij = Σ_k (Σ_i W_ik) σ_k (Σ_j H_kj) = Σ_k σ_k = 1.
2. By its definition, D_KL(P, Z) = Σ (P log(P/Z) − P + Z). Where P_ij = 0, the term is Z_ij: P log P counts as 0. Split
   the logarithm of the quotient, and add up the rest:

   $$ D_{KL}(P, Z) = \sum P \log P - \sum P \log Z - \sum P + \sum Z . $$

   The last two sums are −1 + 1 = 0. What remains is the statement; Σ P log P holds P alone.
3. (b) The entry (i, j) of the right side is Σ_k (W_ik/a_k)(a_k b_k)(H_kj/b_k) = Σ_k W_ik H_kj, because a_k and b_k
   cancel. If a_k = 0, the entries of column k of W, which are not negative, are all 0, and so is component k of W H: it
   may be left out, which σ_k = 0 does. The same for b_k.
4. The columns of W diag(a)⁻¹ sum to a_k/a_k = 1, the rows of diag(b)⁻¹H to 1. By the sums of step 1, ΣW H = Σσ.
5. (c) The update is H⁺_kj = H_kj (Σ_i W_ik X_ij/Z_ij)/a_k with Z = W H (Lee and Seung 2001, eq. 5). Column j of W H⁺
   sums to

   $$ \sum_k a_k H^+_{kj} = \sum_k H_{kj} \sum_i W_{ik} \frac{X_{ij}}{Z_{ij}}
      = \sum_i \frac{X_{ij}}{Z_{ij}} \sum_k W_{ik} H_{kj} = \sum_i X_{ij} , $$

   because the last sum over k is Z_ij. The update of W is the same on Xᵀ ≈ HᵀWᵀ, whose columns are the rows of X. ∎

What it teaches.  A KL-NMF of a table of counts is a mixture model: fit it as a factorisation, and read the columns of
W, the weights σ and the rows of H as P(i | k), P(k) and P(j | k).
"""

import math
from collections.abc import Callable

import jax
import numpy as np

from jnmf import losses, multiplicative
from jnmf.factors import Factors, probabilities
from proofs.kernel import Statement, chain, deviation, exact_chain, holds
from proofs.strategies import nonnegative, positive, problems


def normalized(W, H):
    """W, σ, H by the formulas of (b), for factors without zero components, σ summing to one."""
    a, b = W.sum(axis=0), H.sum(axis=1)
    return W / a, a * b / (a * b).sum(), H / b[:, None]


def mixture(W, H):
    W, sigma, H = normalized(W, H)
    return W * sigma @ H


# (a) The links return the negative log-likelihood, which is far from 0.


def log_likelihood(X, W, H):
    P, Z = X / X.sum(), mixture(W, H)
    return -math.fsum(p * math.log(z) for p, z in zip(P.flat, Z.flat, strict=True))


def entropy_term(P):
    return sum(p * math.log(p) for p in P.flat if p > 0)


def divergence_split(X, W, H):
    P, Z = X / X.sum(), mixture(W, H)
    terms = (p * math.log(p / z) - p + z if p > 0 else z for p, z in zip(P.flat, Z.flat, strict=True))
    return sum(terms) - entropy_term(P)


@jax.jit
def divergence(P, W, H, total):
    W, sigma, H = probabilities(Factors(W, H))
    return losses.kl(P, W, (total * sigma / sigma.sum())[:, None] * H)


def library_divergence(X, W, H, total=1, sign=1):
    P = X / X.sum()
    return divergence(P, W, H, total) - sign * entropy_term(P)


# (b)


def product(X, W, H):
    return W @ H


def component_by_component(X, W, H):
    return sum(np.outer(W[:, k], H[k]) for k in range(len(H)) if W[:, k].any() and H[k].any()) + 0 * X


def scales_taken_out(X, W, H, weight=lambda a, b: a * b):
    total = 0 * X
    for w, h in zip(W.T, H, strict=True):
        if w.any() and h.any():
            a, b = w.sum(), h.sum()
            total = total + weight(a, b) * np.outer(w / a, h / b)
    return total


normalize = jax.jit(lambda W, H: probabilities(Factors(W, H)))


def library(W, H):
    return jax.tree.map(np.asarray, normalize(W, H))


def library_product(X, W, H):
    W, sigma, H = library(W, H)
    return W * sigma @ H


def sums(X, W, H, form: Callable = library):
    form = form(W, H)
    alive = W.any(axis=0).astype(float), H.any(axis=1).astype(float)
    return {
        "the columns of W sum to one": deviation(form.W.sum(axis=0), alive[0]),
        "the rows of H sum to one": deviation(form.H.sum(axis=1), alive[1]),
        "dead components have no weight": deviation(np.sign(form.sigma), alive[0] * alive[1]),
        "Σ sigma = Σ WH": deviation(form.sigma.sum(), (W @ H).sum()),
    }


# (c)


def column_sums(X, W, H):
    return X.sum(axis=0)


def column_sums_of_the_update(X, W, H):
    ratio = X / (W @ H)
    return W.sum(axis=0) @ (H * (W.T @ ratio) / W.sum(axis=0)[:, None])


@jax.jit
def library_update(X, W, H):
    return (W @ multiplicative.half_step(X, W, H, losses.kl)).sum(axis=0)


def one_sided(W, H):
    """The normalisation of W alone."""
    return library(W, H)._replace(sigma=W.sum(axis=0), H=H)


def of_length_one(W, H):
    """Euclidean lengths for sums."""
    form = library(W, H)
    lengths = np.linalg.norm(form.W, axis=0)
    return form._replace(W=form.W / np.where(lengths > 0, lengths, 1), sigma=form.sigma * lengths)


LIKELIHOOD_CONTROLS = {
    "σ sums to two": lambda *args: library_divergence(*args, total=2),
    "the constant with the sign flipped": lambda *args: library_divergence(*args, sign=-1),
    "no constant": lambda *args: library_divergence(*args, sign=0),
}
PRODUCT_CONTROLS = {
    "the weights of W alone": lambda *args: scales_taken_out(*args, weight=lambda a, b: a),
    "the sum of the weights": lambda *args: scales_taken_out(*args, weight=lambda a, b: a + b),
}
SUM_CONTROLS = {
    "only W normalised": lambda *args: max(sums(*args, form=one_sided).values()),
    "columns of W of length one": lambda *args: max(sums(*args, form=of_length_one).values()),
}
UPDATE_CONTROLS = {
    "the Frobenius update": lambda X, W, H: (W @ (H * (W.T @ X) / (W.T @ W @ H))).sum(axis=0),
    "not divided by Σ_i W_ik": lambda X, W, H: (W @ (H * (W.T @ (X / (W @ H))))).sum(axis=0),
}

COUNTS = problems(X=nonnegative, factors=positive).filter(lambda problem: problem[0].any())
INPUTS = problems(X=positive, factors=nonnegative)
POSITIVE = problems(X=nonnegative, factors=positive)
DERIVATION = (product, component_by_component, scales_taken_out)

STATEMENTS = (
    Statement(
        20,
        "pLSA is KL-NMF: −log-likelihood = D_KL − Σ P log P; W H = W diag(σ) H without loss",
        "problem set, problem 6",
        (
            chain(COUNTS, (log_likelihood, divergence_split, library_divergence), LIKELIHOOD_CONTROLS),
            chain(INPUTS, (*DERIVATION, library_product), PRODUCT_CONTROLS),
            exact_chain(INPUTS, DERIVATION, PRODUCT_CONTROLS),
            holds(INPUTS, sums, SUM_CONTROLS),
            chain(POSITIVE, (column_sums, column_sums_of_the_update, library_update), UPDATE_CONTROLS),
        ),
    ),
)
