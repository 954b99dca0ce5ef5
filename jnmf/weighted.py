"""The half-step where each entry has a weight: min over H ≥ 0 of ½ Σ M ⊙ (X − WH)² + l1 ΣH + ½ l2 ‖H‖².

Each column x_j of X, with weights m_j, has normal equations of its own,

    G_j = Wᵀ diag(m_j) W + l2·I  (r, r),      c_j = Wᵀ(m_j ⊙ x_j) − l1  (r,),

so that no two columns share a product. `exact` forms them, in m n r² multiplications, and solves them; `hals` needs
only the diagonals of the G_j and the residual, 3 m n r in all. The other methods impute (`jnmf.algorithm.imputed`).

The weights of a column, and the columns of W, are taken in units, powers of two, in which the largest of each is about
1, and the penalties in theirs: neither weights of any size nor a component that is large in H and small in W leave the
range of their dtype. 2ᵏ M with 2ᵏ l1 and 2ᵏ l2 gives the bits of M. Derived in `proofs.weighted_half_steps`.
"""

import jax.numpy as jnp
from jax import lax

from jnmf import matrix, nonnegative_least_squares
from jnmf.numerics import divide, project_nonnegative, unit_of

NUMBERS = 2**22  # of the normal equations that are formed at a time


def hals(X, W, H, l1, l2, sweeps: int = 1):
    """`sweeps` over the rows of H, each set to its exact minimiser: with R = X − WH of the H so far

        H_k ← [H_k + (W_kᵀ(M ⊙ R) − l1 − l2 H_k) ⊘ ((W_k ⊙ W_k)ᵀM + l2)]₊.

    X (m, n) with weights, W (m, r), H (r, n) -> H (r, n). M ⊙ R is kept, and changes by M ⊙ W_k(H_k⁺ − H_k) after each
    row: no Gram matrix is formed. Ho 2008, "Nonnegative matrix factorization algorithms and applications", chapter 6.
    Where the denominator is 0, the entry has no effect on the fit and stays, as in `solvers.hals`; an l1 makes it 0.
    """

    def columns(x, m, W, H, l1, l2):
        r, Wt = len(H), W.T
        curvature = (W * W).T @ m + l2

        def row(step, carry):
            H, MR = carry
            k = step % r
            slope = MR @ Wt[k] - l1[k] - l2[k] * H[k]
            alone = jnp.where(slope < 0, -jnp.inf, 0)
            new = project_nonnegative(H[k] + jnp.where(curvature[k] > 0, divide(slope, curvature[k]), alone))
            return H.at[k].set(new), MR - m * ((new - H[k])[:, None] * Wt[k][None, :])

        m = m.T  # the rows of (n, m): what is summed lies side by side, else this takes 20 times as long
        MR = m * (x.T - H.T @ Wt)
        return lax.fori_loop(0, sweeps * r, row, (H, MR))[0]

    return _in_units(columns, X, W, H, l1, l2)


def exact(X, W, H, l1, l2, solve=nonnegative_least_squares.exact):
    """Each column of H by `solve`(H, G, C), on its own normal equations: its exact minimiser.

    X (m, n) with weights, W (m, r), H (r, n), where the search starts -> H (r, n).
    """

    def column(W, x, m, h, l1, l2):
        G = (W * m[:, None]).T @ W + jnp.diag(l2)
        return solve(h[:, None], G, (W.T @ (m * x) - l1)[:, None])[:, 0]

    def columns(x, m, W, H, l1, l2):
        at_a_time = max(1, NUMBERS // (W.size + len(H) ** 2))
        return lax.map(lambda one: column(W, *one), (x.T, m.T, H.T, l1.T, l2.T), batch_size=at_a_time).T

    return _in_units(columns, X, W, H, l1, l2)


def _in_units(columns, X, W, H, l1, l2):
    """H by columns(x, m, W, H, l1, l2) of blocks of columns, the penalties (r, n): all in their units, see above."""
    of_W = lax.stop_gradient(unit_of(jnp.max(jnp.abs(W), axis=0)))
    to_W, enough = 1 / of_W[:, None], jnp.sqrt(jnp.finfo(W.dtype).max)  # a penalty beyond that wins as well
    in_unit = W / of_W[None, :]

    def block(X, H):
        x, m = matrix.entries(X)
        m = jnp.ones_like(x) if m is None else m
        unit = lax.stop_gradient(unit_of(jnp.max(m, axis=0)))[None, :]
        penalties = (jnp.minimum(penalty / unit, enough) for penalty in (l1 * to_W, l2 * to_W * to_W))
        return columns(x, m / unit, in_unit, H, *penalties)

    return matrix.in_blocks(block, X, H * of_W[:, None], axis=1) * to_W
