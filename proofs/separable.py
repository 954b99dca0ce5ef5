r"""Separable X: the successive projection algorithm finds the columns that span the others.

Source: Araújo et al. 2001; the bound is theorem 3 of Gillis and Vavasis 2014.

Statement 38.  Let X = W [I H'] Π, W (m, r) of rank r, the columns of H' ≥ 0 of sum at most 1, Π a permutation. The
algorithm starts with R = X and takes r times the column j of R of largest norm, u = r_j, R ← (I − u uᵀ / uᵀu) R.

(a) After k steps the columns of R are the residuals of the least squares fits of those of X on the k taken.

(b) It takes the columns of W, up to their order: with H from nonnegative least squares on them, X = W H.

(c) If each column of X has any scale, (b) is true after it is divided by its sum (W ≥ 0).

(d) Q X with orthogonal Q gives the same columns; so does X D, D > 0 diagonal, where columns are divided by their sums.

(e) With noise N, ‖n_j‖ ≤ ε < σ min(1/(2√(r−1)), 1/4) / (1 + 80 K²/σ²), σ the least singular value of W and K its
    largest column norm, each column of W is within ε (1 + 80 K²/σ²) of a column that is taken.

Derivation.
1. One step: (I − u uᵀ/uᵀu) is the orthogonal projection beside u. The next u is a column of R, orthogonal to those
   before, and the product of the projections is the one beside their span, that of the columns taken. This is (a).
2. Let P be that projection after k < r steps, each of which took a column of W. P w = 0 for those taken, and P w ≠ 0
   for the others, W having rank r. A column of X is x = Σ h_k w_k with h ≥ 0, Σ h_k ≤ 1, and
   ‖P x‖ ≤ Σ h_k ‖P w_k‖ ≤ max_k ‖P w_k‖.
3. Equality in the second needs Σ h_k = 1 and h_k = 0 but for the longest P w_k, in the first that these be parallel
   where h_k > 0. Two that are parallel and equally long differ by 0, a combination of columns of W that P takes to 0:
   W would not have rank r. So one h_k is 1, and x is w_k: the step takes one of W. By induction this is (b).
4. With 1ᵀx_j = Σ_k (1ᵀw_k) h_kj, x_j / 1ᵀx_j = Σ_k (w_k / 1ᵀw_k) θ_kj, and θ_kj = (1ᵀw_k) h_kj / 1ᵀx_j ≥ 0 have sum 1,
   whatever the scale of x_j. A column of W has θ = e_k. This is (b) for the w_k / 1ᵀw_k: (c).
5. Norms and inner products are those of Q X: R becomes Q R. A scale of x_j cancels in x_j / 1ᵀx_j. This is (d).
6. (e) is tried on drawn instances, not derived here. ∎

What it teaches.  It is the QR factorisation with column pivoting, stopped after r columns. How much noise it
takes depends on the least singular value of W, by its square: endmembers that are alike take little.
"""

import jax.numpy as jnp
import numpy as np
import scipy.linalg
from hypothesis import strategies as st

import jnmf
from jnmf import init
from proofs.kernel import Statement, chain, excess, holds

M, N, R = 6, 11, 3


def drawn(seed: int):
    """W (m, r) ≥ 0, H (r, n) = [I H'] Π, the numbers of the columns of W in X, and a generator for more."""
    rng = np.random.default_rng(seed)
    W = rng.random((M, R)) + np.eye(M, R)
    mixed = rng.dirichlet(np.ones(R), N - R).T * rng.uniform(0.5, 1, N - R)
    order = rng.permutation(N)
    return W, np.hstack([np.eye(R), mixed])[:, order], np.argsort(order)[:R], rng


SEEDS = st.tuples(st.integers(0, 10**6))


def taken(X, normalize=False) -> list[int]:
    return np.asarray(init.spa_columns(X, R, normalize=normalize)).tolist()


def steps(X, project=True, choose=np.argmax):
    """What is left of X after r steps, and the columns taken."""
    A, numbers = np.array(X), []
    for _ in range(R):
        numbers.append(int(choose((A * A).sum(axis=0))))
        u = A[:, numbers[-1]]
        A = A - np.outer(u, u @ A) / (u @ u) if project else np.where(np.arange(N) == numbers[-1], 0, A)
    return A, numbers


# (a)


def noisy(seed):
    W, H, _, rng = drawn(seed)
    return W @ H + 0.3 * rng.random((M, N))


def projected(seed):
    return steps(noisy(seed))[0]


def residual_of_least_squares(seed):
    X = noisy(seed)
    A = X[:, steps(X)[1]]
    return X - A @ np.linalg.lstsq(A, X, rcond=None)[0]


def of_pivoted_qr(seed):
    X = noisy(seed)
    return beside(X[:, scipy.linalg.qr(X, pivoting=True)[-1][:R]], X)


def of_the_library(seed):
    X = noisy(seed)
    return beside(X[:, taken(X)], X)


def beside(A, X):
    """What of X is orthogonal to the columns of A."""
    Q = np.linalg.qr(A)[0]
    return X - Q @ (Q.T @ X)


# (b)


def separable(seed):
    W, H, _, _ = drawn(seed)
    return W @ H


def from_the_known_columns(seed):
    X, (_, _, known, _) = separable(seed), drawn(seed)
    return X[:, known] @ jnmf.nnls(X[:, known], X)


def library_start(seed):
    W, H = init.spa(0, jnp.asarray(separable(seed)), R)
    return np.asarray(W @ H)


# (b) to (e): the columns


def differ(found, known) -> float:
    return float(sorted(found) != sorted(np.asarray(known).tolist()))


def columns_are_found(seed):
    W, H, known, rng = drawn(seed)
    scaled = W @ H * 10.0 ** rng.uniform(-3, 3, N)
    Q = np.linalg.qr(rng.normal(size=(M, M)))[0]
    X = noisy(seed)
    return {
        "the columns of W are taken": differ(taken(W @ H), known),
        "whatever their scale": differ(taken(scaled, normalize=True), known),
        "of Q X the same in that order": float(taken(Q @ X) != taken(X)),
        "of X D the same in that order": float(taken(X * rng.uniform(0.1, 9, N), True) != taken(X, True)),
    }


def without_a_projection(seed):
    W, H, known, _ = drawn(seed)
    return differ(steps(W @ H, project=False)[1], known)


def the_second_longest(seed):
    W, H, known, _ = drawn(seed)
    return differ(steps(W @ H, choose=lambda squares: np.argsort(squares)[-2])[1], known)


def scaled_and_not_divided(seed):
    W, H, known, rng = drawn(seed)
    return differ(taken(W @ H * 10.0 ** rng.uniform(-3, 3, N)), known)


def with_noise(seed, share=1.0, numbers=taken):
    """How far the columns of W are from those taken, beyond `share` of the bound, with noise just below its limit."""
    W, H, _, rng = drawn(seed)
    sigma, K = np.linalg.svd(W, compute_uv=False)[-1], np.linalg.norm(W, axis=0).max()
    factor = 1 + 80 * K**2 / sigma**2
    epsilon = 0.999 * sigma * min(1 / (2 * np.sqrt(R - 1)), 1 / 4) / factor
    noise = rng.normal(size=(M, N))
    X = W @ H + epsilon * noise / np.linalg.norm(noise, axis=0)
    away = np.linalg.norm(W[:, :, None] - X[:, None, numbers(X)], axis=0).min(axis=1)
    return {"each column of W is near to one taken": excess(share * epsilon * factor, away.max())}


STATEMENTS = (
    Statement(
        38,
        "Successive projection takes the columns that span a separable X, and ones near to them with noise",
        "Araújo et al. 2001; Gillis and Vavasis 2014, theorem 3",
        (
            chain(
                SEEDS,
                (projected, residual_of_least_squares, of_pivoted_qr, of_the_library),
                {"beside the first r columns": lambda seed: beside(noisy(seed)[:, :R], noisy(seed))},
            ),
            chain(
                SEEDS,
                (separable, from_the_known_columns, library_start),
                {"H' of the columns without scale": lambda seed: separable(seed) / separable(seed).sum(axis=0)},
            ),
            holds(
                SEEDS,
                columns_are_found,
                {
                    "the longest, without a projection": without_a_projection,
                    "the second longest": the_second_longest,
                    "any scale, not divided by it": scaled_and_not_divided,
                },
            ),
            holds(
                SEEDS,
                with_noise,
                {
                    "within a thousandth of the bound": lambda seed: max(with_noise(seed, share=1e-3).values()),
                    "any columns": lambda seed: max(with_noise(seed, numbers=lambda X: [0, 1, 2]).values()),
                },
            ),
        ),
    ),
)
