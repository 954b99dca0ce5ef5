"""The half-step where each entry has a weight: min over H ≥ 0 of ½ Σ M ⊙ (X − WH)² + l1 ΣH + ½ l2 ‖H‖².

Each column x_j of X, with weights m_j, has normal equations of its own,

    G_j = Wᵀ diag(m_j) W + l2·I  (r, r),      c_j = Wᵀ(m_j ⊙ x_j) − l1  (r,),

so that no two columns share a product. `exact` forms them, in s r² multiplications for s entries, and solves them;
`hals` needs only the diagonals of the G_j and the residual, 3 s r in all. Of an X whose stored entries alone count, s
are these, else m n. The other methods impute (`jnmf.algorithm.imputed`).

The weights of a column, and the columns of W, are taken in units, powers of two, in which the largest of each is about
1, and the penalties in theirs: neither weights of any size nor a component that is large in H and small in W leave the
range of their dtype. 2ᵏ M with 2ᵏ l1 and 2ᵏ l2 gives the bits of M. Derived in `proofs.weighted_half_steps`.
"""

import jax.numpy as jnp
from jax import lax

from jnmf import matrix, nonnegative_least_squares
from jnmf.numerics import divide, project_nonnegative, unit_of


def hals(X, W, H, l1, l2, sweeps: int = 1):
    """`sweeps` over the rows of H, each set to its exact minimiser: with R = X − WH of the H so far

        H_k ← [H_k + (W_kᵀ(M ⊙ R) − l1 − l2 H_k) ⊘ ((W_k ⊙ W_k)ᵀM + l2)]₊.

    X (m, n) with weights, W (m, r), H (r, n) -> H (r, n). M ⊙ R is kept, and changes by M ⊙ W_k(H_k⁺ − H_k) after each
    row: no Gram matrix is formed. Ho 2008, "Nonnegative matrix factorization algorithms and applications", chapter 6.
    Where the denominator is 0, the entry has no effect on the fit and stays, as in `solvers.hals`; an l1 makes it 0.
    """

    def columns(E, W, H, l1, l2):
        r, Wt = len(H), W.T
        curvature = E.sums(E.m, W * W).T + l2

        def row(step, carry):
            H, MR = carry
            k = step % r
            W_k = Wt[k][:, None]
            slope = E.sums(MR, W_k)[:, 0] - l1[k] - l2[k] * H[k]
            alone = jnp.where(slope < 0, -jnp.inf, 0)
            new = project_nonnegative(H[k] + jnp.where(curvature[k] > 0, divide(slope, curvature[k]), alone))
            return H.at[k].set(new), MR - E.m * E.at((new - H[k])[:, None], W_k)

        return lax.fori_loop(0, sweeps * r, row, (H, E.m * (E.x - E.at(H.T, W))))[0]

    return _in_units(columns, X, W, H, l1, l2)


def exact(X, W, H, l1, l2, solve=nonnegative_least_squares.exact):
    """Each column of H by `solve`(H, G, C), on its own normal equations: its exact minimiser.

    X (m, n) with weights, W (m, r), H (r, n), where the search starts -> H (r, n).
    """

    def columns(E, W, H, l1, l2):
        column = lambda G, c, h, l2: solve(h[:, None], G + jnp.diag(l2), c[:, None])[:, 0]
        return E.of_grams(column, W, E.sums(E.m * E.x, W) - l1.T, H.T, l2.T).T

    return _in_units(columns, X, W, H, l1, l2)


def _in_units(columns, X, W, H, l1, l2):
    """H by columns(E, W, H, l1, l2) of the columns E, the penalties (r, n): all in their units, see above."""
    of_W = lax.stop_gradient(unit_of(jnp.max(jnp.abs(W), axis=0)))
    to_W, enough = 1 / of_W[:, None], jnp.sqrt(jnp.finfo(W.dtype).max)  # a penalty beyond that wins as well
    in_unit = W / of_W[None, :]

    def each(E, H):
        unit = unit_of(lax.stop_gradient(E).most())
        penalties = (jnp.minimum(penalty / unit[None, :], enough) for penalty in (l1 * to_W, l2 * to_W * to_W))
        return columns(E._replace(m=E.m / E.spread(unit)), in_unit, H, *penalties)

    return matrix.of_columns(X, each, H * of_W[:, None]) * to_W
