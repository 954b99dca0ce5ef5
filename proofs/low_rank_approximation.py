r"""The truncated singular value decomposition: the bound below every factorisation, and principal component analysis.

Sources: lecture, truncated SVD as the best approximation; report, low-rank approximation and PCA.

The singular value decomposition is taken as known: X (m, n) = Σ_k σ_k u_k v_kᵀ with σ₁ ≥ σ₂ ≥ … ≥ 0, orthonormal
u₁, …, u_m and orthonormal v₁, …, v_n; σ_k counts as 0 for k > min(m, n). All norms are Frobenius norms: ‖A‖² is the sum
of the squares of the entries, which is tr(AᵀA). X_r = Σ_{k ≤ r} σ_k u_k v_kᵀ is the truncated SVD.

Statement 12 (Eckart and Young).  For all W (m, r), H (r, n), nonnegative or not,

$$ \|X - W H\|^2 \;\ge\; \sum_{k > r} \sigma_k^2 = \|X - X_r\|^2 . $$

So no nonnegative factorisation of rank r comes below the truncated SVD of rank r.

Derivation.
For r ≥ m the right side is 0 and there is nothing to show. Let r < m.
1. Let the columns of Q (m, r) be orthonormal and span a space that contains the columns of W (Gram–Schmidt; if it finds
   fewer than r directions, add any). Every column of WH lies in that space, so QQᵀWH = WH.
2. Split X − WH = (X − QQᵀX) + (QQᵀX − WH). Each column of the second part is Q times a vector, and
   Qᵀ(X − QQᵀX) = QᵀX − QᵀX = 0, because QᵀQ = I. So the two parts are orthogonal, and by Pythagoras
   ‖X − WH‖² = ‖X − QQᵀX‖² + ‖QQᵀX − WH‖² ≥ ‖X − QQᵀX‖².
3. In the same way X = QQᵀX + (X − QQᵀX) gives ‖X − QQᵀX‖² = ‖X‖² − ‖QQᵀX‖² = ‖X‖² − ‖QᵀX‖².
   The last step: ‖QA‖² = tr(AᵀQᵀQA) = ‖A‖².
4. QᵀX = Σ_k σ_k (Qᵀu_k) v_kᵀ. The v_k are orthonormal, so ‖QᵀX‖² = Σ_k σ_k² p_k with p_k = ‖Qᵀu_k‖². In particular
   (take Q = I) ‖X‖² = Σ_k σ_k², and (take Q = (u₁, …, u_r)) ‖X − X_r‖² = Σ_{k > r} σ_k².
5. The weights: 0 ≤ p_k ≤ 1, because Qᵀu_k holds the coordinates of a projection of the unit vector u_k; and
   Σ_k p_k = ‖Qᵀ(u₁, …, u_m)‖² = ‖Qᵀ‖² = r, because an orthogonal matrix changes no norm.
6. Weights that are at most 1 and sum to r capture most if they sit on the r largest σ_k²:

   $$ \sum_{k \le r} \sigma_k^2 - \sum_k \sigma_k^2 p_k
      = \sum_{k \le r} \sigma_k^2 (1 - p_k) - \sum_{k > r} \sigma_k^2 p_k
      \ge \sigma_r^2 \Big( \sum_{k \le r} (1 - p_k) - \sum_{k > r} p_k \Big) = \sigma_r^2 (r - r) = 0, $$

   since σ_k² ≥ σ_r² in the first sum and σ_k² ≤ σ_r² in the second.
7. Together: ‖X − WH‖² ≥ ‖X‖² − ‖QᵀX‖² ≥ Σ_k σ_k² − Σ_{k ≤ r} σ_k² = Σ_{k > r} σ_k². ∎

Statement 21.  Let the rows of X be points. PCA of the uncentred points looks for orthonormal directions V (n, r) that
capture most of their squared length, Σ_i ‖Vᵀx_i‖² = ‖XV‖². These are the r leading eigenvectors of XᵀX, which are
v₁, …, v_r; with the scores XV, the approximation XVVᵀ is the truncated SVD X_r. So low-rank approximation in the
Frobenius norm *is* uncentred PCA, and an SVD of X computes it: scores XV_r = U_r diag(σ), directions V_r.

Derivation.
1. Step 3 above for Xᵀ in place of X and V in place of Q: ‖X − XVVᵀ‖² = ‖X‖² − ‖XV‖². To capture most is to leave least.
2. Steps 4 to 6 for Xᵀ: ‖XV‖² ≤ Σ_{k ≤ r} σ_k², with equality for V = V_r = (v₁, …, v_r).
3. XᵀX = Σ_kl σ_k σ_l v_k (u_kᵀu_l) v_lᵀ = Σ_k σ_k² v_k v_kᵀ, because the u_k are orthonormal. So XᵀX v_k = σ_k² v_k:
   the v_k are its eigenvectors, sorted by eigenvalue.
4. X v_k = Σ_l σ_l u_l (v_lᵀv_k) = σ_k u_k: the scores are XV_r = U_r diag(σ), and XV_rV_rᵀ = X_r.
5. The usual PCA first subtracts the mean μ of the points: it looks for the best *affine* space, X ≈ 1cᵀ + SVᵀ. With
   P = I − VVᵀ its error is Σ_i ‖P(x_i − c)‖² = Σ_i ‖Px_i − Pc‖², which is least where Pc is the mean of the Px_i, so
   for c = μ. All approximations of rank r are of this kind (offset 0), and all of this kind have rank at most r + 1. So
   its error lies between those of X_{r+1} and X_r: it is another approximation.
6. Rank 1 and X ≥ 0: |Xv| ≤ X|v| entry by entry, where |·| takes the absolute value of each entry. So |v₁| captures at
   least as much as v₁, and v₁ ≥ 0 may be chosen; then u₁ = Xv₁/σ₁ ≥ 0 (if X ≠ 0). Thus X₁ is itself nonnegative, and
   the best NMF of rank 1 is uncentred PCA. From rank 2 on the principal directions have signs, unless no two of them
   share a coordinate: if v₁, v₂ ≥ 0, then 0 = v₁ᵀv₂ is a sum of terms ≥ 0, and so each of them is 0. ∎
"""

import jax
import numpy as np
from hypothesis import strategies as st

from jnmf import losses, solvers
from proofs.kernel import Statement, chain, deviation, excess, holds
from proofs.strategies import nonnegative, positive, problems, real, shapes

INPUTS = problems(X=real, factors=real, scale=True)


def squared(A):
    return float(np.sum(A * A))


half_step = jax.jit(solvers.multiplicative)


def fitted(X, W, H, num_iters):
    """The factors after `num_iters` iterations of the library's multiplicative algorithm."""
    for _ in range(num_iters):
        H = np.asarray(half_step(H, W.T @ W, W.T @ X))
        W = np.asarray(half_step(W.T, H @ H.T, H @ X.T)).T
    return W, H


# Statement 12. A link returns (captured, left over), whose sum is ‖X‖²: one of the two is never small against rounding.


def orthonormal(W):
    """Q (m, r) with orthonormal columns, whose span contains the columns of W."""
    return np.linalg.qr(W)[0]


def best_in_the_span(X, W, H):
    Q = orthonormal(W)
    fit = Q @ np.linalg.lstsq(Q, X, rcond=None)[0]
    return np.array([squared(fit), squared(X - fit)])


def projection(X, W, H):
    Q = orthonormal(W)
    return np.array([squared(Q @ Q.T @ X), squared(X - Q @ Q.T @ X)])


def pythagoras(X, W, H):
    captured = squared(orthonormal(W).T @ X)
    return np.array([captured, squared(X) - captured])


def spectrum(X):
    """(u₁, …, u_m) and σ₁², …, σ_m²."""
    U, sigma, _ = np.linalg.svd(X)
    return U, np.pad(sigma, (0, len(U) - len(sigma))) ** 2


def weights(X, W):
    return np.sum((orthonormal(W).T @ spectrum(X)[0]) ** 2, axis=0)


def weighted_singular_values(X, W, H):
    p, square = weights(X, W), spectrum(X)[1]
    return np.array([np.sum(square * p), np.sum(square * (1 - p))])


def library(X, W, H):
    Q = orthonormal(W)
    left = 2 * float(losses.frobenius(X, Q, Q.T @ X))
    return np.array([squared(X) - left, left])


SPLIT_CONTROLS = {
    "W itself in place of Q": lambda X, W, H: np.array([squared(W.T @ X), squared(X) - squared(W.T @ X)]),
    "singular values not squared": lambda X, W, H: np.array(
        [np.sum(np.sqrt(spectrum(X)[1]) * weights(X, W)), np.sum(np.sqrt(spectrum(X)[1]) * (1 - weights(X, W)))]
    ),
    "the loss without its ½": lambda X, W, H: library(X, W, H) * [1, 2],
}


def truncated(X, rank):
    U, sigma, Vt = np.linalg.svd(X, full_matrices=False)
    return (U[:, :rank] * sigma[:rank]) @ Vt[:rank]


def tail(X, rank):
    """Σ_{k > rank} σ_k²."""
    return np.sum(spectrum(X)[1][rank:])


def bound_below(X, W, H, below=tail):
    rank, total, p = W.shape[1], squared(X), weights(X, W)
    loss = {"as drawn": losses.frobenius(X, W, H), "fitted": losses.frobenius(X, *fitted(X, W, H, 10))}
    best = squared(X - truncated(X, rank))
    return {f"the bound is below: {name}": excess(2 * value, below(X, rank), total) for name, value in loss.items()} | {
        "0 ≤ p ≤ 1": max(excess(p, 0), excess(1, p)),
        "Σ p = r": deviation(np.sum(p), rank),
        "p captures at most the r largest": excess(total - below(X, rank), np.sum(spectrum(X)[1] * p), total),
        "attained by the truncated SVD": max(excess(best, below(X, rank), total), excess(below(X, rank), best, total)),
    }


def worst_bound(below):
    return lambda X, W, H: max(bound_below(X, W, H, below).values())


BOUND_CONTROLS = {
    "the tail from σ_r on": worst_bound(lambda X, rank: tail(X, rank - 1)),
    "the tail of the centred matrix": worst_bound(lambda X, rank: tail(X - X.mean(0), rank)),
    "Σ σ_k, not squared": worst_bound(lambda X, rank: np.sum(np.sqrt(spectrum(X)[1][rank:]))),
}


# Statement 21


@st.composite
def separated(draw):
    """(X, r) with singular values 1, ½, ¼, …, so that the leading directions are unique; one of three scales."""
    m, n, r = draw(shapes)
    U, V = np.linalg.qr(draw(real((m, m))))[0], np.linalg.qr(draw(real((n, n))))[0]
    k = min(m, n)
    return draw(st.sampled_from((1.0, 1e-6, 1e6))) * (U[:, :k] * 0.5 ** np.arange(k)) @ V[:, :k].T, r


def alternating_least_squares(X, rank):
    """The minimiser of ‖X − WH‖² over all W, H by brute force: each in turn to its minimiser, from a generic start."""
    W = X @ np.random.default_rng(0).standard_normal((X.shape[1], rank))
    H = np.zeros((rank, X.shape[1]))
    for _ in range(40):
        H = np.linalg.lstsq(W, X, rcond=None)[0]
        W = np.linalg.lstsq(H.T, X.T, rcond=None)[0].T
    return W @ H


def directions(X, rank):
    """The leading eigenvectors of XᵀX (n, r)."""
    return np.linalg.eigh(X.T @ X)[1][:, ::-1][:, :rank]


def projection_on_the_directions(X, rank):
    V = directions(X, rank)
    return X @ V @ V.T


def centred(X, rank):
    mean = X.mean(0)
    return mean + projection_on_the_directions(X - mean, rank)


PCA_CONTROLS = {
    "the points centred first": centred,
    "the smallest eigenvalues": lambda X, rank: X @ np.linalg.eigh(X.T @ X)[1][:, :rank] @ directions(X, rank).T,
    "one component fewer": lambda X, rank: projection_on_the_directions(X, rank - 1),
}


def leading_eigenvalues(X, W, H):
    eigenvalues = np.linalg.eigvalsh(X.T @ X)[::-1]
    return np.array([np.sum(eigenvalues[: W.shape[1]]), np.sum(eigenvalues[W.shape[1] :])])


def squared_scores(X, W, H):
    captured = squared(X @ directions(X, W.shape[1]))
    return np.array([captured, squared(X) - captured])


def squared_singular_values(X, W, H):
    rank = W.shape[1]
    return np.array([np.sum(spectrum(X)[1][:rank]), tail(X, rank)])


def library_loss_of_the_scores(X, W, H):
    V = directions(X, W.shape[1])
    left = 2 * float(losses.frobenius(X, X @ V, V.T))
    return np.array([squared(X) - left, left])


ENERGY_CONTROLS = {
    "eigenvalues of the covariance": lambda X, W, H: leading_eigenvalues(X - X.mean(0), W, H),
    "the loss without its ½, for PCA": lambda X, W, H: library_loss_of_the_scores(X, W, H) * [1, 2],
}


def between_the_ranks(X, W, H, lower=1):
    rank, total = W.shape[1], squared(X)
    error = squared(X - centred(X, rank))
    gradients = gradient(X, X @ directions(X, rank), directions(X, rank).T)
    return {
        "the error of centred PCA is at least that of rank r + 1": excess(error, tail(X, rank + lower), total),
        "the error of centred PCA is at most that of rank r": excess(tail(X, rank), error, total),
        "PCA is stationary, in H": float(np.max(np.abs(gradients[1]))) / (total or 1),
        "PCA is stationary, in W": float(np.max(np.abs(gradients[0]))) / (np.sqrt(total) or 1),
    }


gradient = jax.jit(jax.grad(losses.frobenius, argnums=(1, 2)))

BETWEEN_CONTROLS = {
    "at least that of rank r": lambda X, W, H: max(between_the_ranks(X, W, H, lower=0).values()),
    "at most that of rank r + 1": lambda X, W, H: excess(
        tail(X, W.shape[1] + 1), squared(X - centred(X, W.shape[1])), squared(X)
    ),
}


def away_from_zero(problem):
    """X + 1: its second singular value is less than half of the first, so that 30 iterations are enough."""
    X, W, H = problem
    return X + 1, W, H


def leading_component(X, W, H):
    return projection_on_the_directions(X, 1)


def truncated_to_one(X, W, H):
    return truncated(X, 1)


def library_of_rank_one(X, W, H):
    W, H = fitted(X, W[:, :1], H[:1], 30)
    return W @ H


RANK_ONE_CONTROLS = {
    "centred PCA of rank 1": lambda X, W, H: centred(X, 1),
    "PCA of rank 2": lambda X, W, H: projection_on_the_directions(X, 2),
}


STATEMENTS = (
    Statement(
        12,
        "Truncated SVD bounds every factorisation of the same rank from below (Eckart–Young)",
        "lecture, truncated SVD as the best approximation",
        (
            chain(
                INPUTS,
                (best_in_the_span, projection, pythagoras, weighted_singular_values, library),
                SPLIT_CONTROLS,
            ),
            holds(problems(X=nonnegative), bound_below, BOUND_CONTROLS, kind="bound"),
        ),
    ),
    Statement(
        21,
        "Low-rank approximation in the Frobenius norm is PCA of the uncentred data, by the SVD",
        "report, low-rank approximation and PCA",
        (
            chain(separated(), (alternating_least_squares, projection_on_the_directions, truncated), PCA_CONTROLS),
            chain(
                INPUTS,
                (leading_eigenvalues, squared_scores, squared_singular_values, library_loss_of_the_scores),
                ENERGY_CONTROLS,
            ),
            holds(INPUTS, between_the_ranks, BETWEEN_CONTROLS),
            chain(
                problems(X=positive, factors=positive).map(away_from_zero),
                (leading_component, truncated_to_one, library_of_rank_one),
                RANK_ONE_CONTROLS,
            ),
        ),
    ),
)
