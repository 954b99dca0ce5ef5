r"""With weights, each column has normal equations of its own, and HALS needs of them the residual and the diagonal.

Source: Ho 2008, "Nonnegative matrix factorization algorithms and applications", chapter 6, weighted rank-one residues.

Statement.  Let F(H) = ½ Σ M_ij (X − WH)_ij² + l1 ΣH + ½ l2 ‖H‖² with M_ij ≥ 0. Write x, m, h for column j of X, M, H,
W_k for column k of W, R = X − WH. Then

$$ \nabla F_{:j} = G_j h - c_j, \qquad G_j = W^\top \operatorname{diag}(m)\, W + l_2 I, \qquad
   c_j = W^\top (m \odot x) - l_1, $$

and where (W_k ⊙ W_k)ᵀm + l2 > 0, the minimiser of F over the entry H_kj ≥ 0, all others kept, is

$$ H_{kj} \leftarrow \left[ H_{kj} + \frac{(W_k^\top (M \odot R))_j - l_1 - l_2 H_{kj}}
   {((W_k \odot W_k)^\top M)_j + l_2} \right]_+ . $$

Derivation.
1. The entries of H in column j occur in column j of WH alone, so F is a sum over the columns, and of one it is
   f(h) = ½ Σ_i m_i (x_i − Σ_k W_ik h_k)² + l1 Σ_k h_k + ½ l2 Σ_k h_k².
2. ∂f/∂h_k = −Σ_i W_ik m_i (x_i − (Wh)_i) + l1 + l2 h_k. Multiplied out it is
   Σ_l (Σ_i W_ik m_i W_il) h_l + l2 h_k − Σ_i W_ik m_i x_i + l1 = (G_j h − c_j)_k: the normal equations.
3. ∂²f/∂h_k² = Σ_i m_i W_ik² + l2 = (G_j)_kk, the denominator. In h_k alone f is a parabola of curvature a,
   with slope −s at h_k, s the numerator by step 2. Its vertex is at h_k + s/a.
4. For a > 0 it rises with the distance from the vertex: the nearest point of h_k ≥ 0 is [h_k + s/a]₊. The columns do
   not meet, so the entries of the row H_k may be set together.
5. After H_k has moved by Δ, R = X − WH is R − W_k Δ, so M ⊙ R falls by M ⊙ (W_k Δ): the next row sees it so.
6. Every sum over i has the factor m_i. So if M is 0 off a set S of places, all of them, and M ⊙ R, are sums over S and
   numbers on S. ∎

What it teaches.  Weights cost a Gram matrix for each column, m n r² in all, or, for a sweep of HALS, none: 3 m n r.
If only the entries of S count, the number of these stands in the place of m n.
Where all weights of a column are multiplied by c, so are G_j and c_j but for the penalties: with penalties times c
nothing changes. Where they are all 0 and there is no penalty, nothing moves.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jnmf import weighted
from jnmf.factors import Factors
from jnmf.matrix.masked import Weighted
from jnmf.matrix.stored import FewStored
from jnmf.numerics import unit_of
from jnmf.objective import Objective, objective
from proofs.hals_row_update import vertex
from proofs.kernel import Statement, chain, exact_chain, holds
from proofs.sparse_sums import places, sparse
from proofs.strategies import nonnegative, problems


@st.composite
def weighted_problems(draw):
    """X, the weights, W, H, l1 and l2: weights from 0 to 1024 that repeat, and zero rows and columns of them."""
    X, W, H, l1, l2 = draw(problems(num_penalties=2))
    return X, draw(nonnegative(X.shape)) * draw(st.sampled_from((1, 512))), W, H, l1, l2


# The gradient, and the normal equations


@jax.jit
def autodiff(X, M, W, H, l1, l2):
    return jax.grad(lambda H: objective(Weighted(X, M), Factors(W, H), Objective(l1_H=l1, l2_H=l2)))(H)


def from_the_residual(X, M, W, H, l1, l2):
    return -W.T @ (M * (X - W @ H)) + l1 + l2 * H


def normal_equations(X, M, W, H, l1, l2, gram=lambda W, m: (W * m[:, None]).T @ W):
    eye = np.eye(len(H), dtype=int)
    columns = zip(X.T, M.T, H.T, strict=True)
    return np.array([(gram(W, m) + l2 * eye) @ h - (W.T @ (m * x) - l1) for x, m, h in columns]).T


@jax.jit
def library_normal_equations(X, M, W, H, l1, l2):
    """G h − c of what `weighted.exact` gives to its solver, in the units of W and M."""
    found = weighted.exact(Weighted(X, M), W, H, l1, l2, lambda h, G, c: G @ h - c)
    of_W, of_M = (unit_of(jnp.max(A, axis=0)) for A in (W, M))
    return found * (of_W * of_W)[:, None] * of_M[None, :]


# The sweep


def sweep(entry):
    """The link that sets each row in turn, an entry of it to entry(k, x, m, W, h, l1, l2)."""

    def link(X, M, W, H, l1, l2):
        H = H.copy()
        for k, j in np.ndindex(H.shape):
            H[k, j] = entry(k, X[:, j], M[:, j], W, H[:, j], l1, l2)
        return H

    link.__name__ = entry.__name__
    return link


def column_cost(x, m, W, h, l1, l2):
    return (m * (x - W @ h) ** 2).sum() / 2 + l1 * h.sum() + l2 * (h * h).sum() / 2


@sweep
def parabola_through_three_points(k, x, m, W, h, l1, l2):
    """The values of F at 0, 1 and 2 determine the parabola in an entry: no derivative, no formula."""
    values, changed = [], h.copy()
    for value in range(3):
        changed[k] = value
        values.append(column_cost(x, m, W, changed, l1, l2))
    curvature = values[2] - 2 * values[1] + values[0]
    return vertex(curvature, curvature / 2 - (values[1] - values[0]), h[k])


@sweep
def row_from_normal_equations(k, x, m, W, h, l1, l2):
    G, c = (W * m[:, None]).T @ W + l2 * np.eye(len(h), dtype=int), W.T @ (m * x) - l1
    return vertex(G[k, k], G[k, k] * h[k] + c[k] - G[k] @ h, h[k])


@sweep
def row_from_the_residual(k, x, m, W, h, l1, l2):
    a = (W[:, k] * W[:, k]) @ m + l2
    return vertex(a, a * h[k] + W[:, k] @ (m * (x - W @ h)) - l1 - l2 * h[k], h[k])


@sweep
def without_weights_below(k, x, m, W, h, l1, l2):
    a = W[:, k] @ W[:, k] + l2
    return vertex(a, a * h[k] + W[:, k] @ (m * (x - W @ h)) - l1 - l2 * h[k], h[k])


@sweep
def weights_squared(k, x, m, W, h, l1, l2):
    a = (W[:, k] * W[:, k]) @ m + l2
    return vertex(a, a * h[k] + W[:, k] @ (m * m * (x - W @ h)) - l1 - l2 * h[k], h[k])


@jax.jit
def library_sweep(X, M, W, H, l1, l2):
    return weighted.hals(Weighted(X, M), W, H, l1, l2)


def old_residual(X, M, W, H, l1, l2):
    """All rows from the residual of the old H."""
    a, s = (W * W).T @ M + l2, W.T @ (M * (X - W @ H)) - l1 - l2 * H
    new = [vertex(a[index], a[index] * H[index] + s[index], H[index]) for index in np.ndindex(H.shape)]
    return np.array(new).reshape(H.shape)


# Where only the entries of S count


def stored(X, M) -> FewStored:
    return FewStored(sparse(X), tuple(A.values for A in sparse(M)))


def with_no_weight_off_S(f):
    def link(X, M, *rest):
        return f(X, M * places(X.shape), *rest)

    link.__name__ = f.__name__
    return link


@jax.jit
def library_sweep_of_stored(X, M, W, H, l1, l2):
    return weighted.hals(stored(X, M), W, H, l1, l2)


@jax.jit
def library_normal_equations_of_stored(X, M, W, H, l1, l2):
    found = weighted.exact(stored(X, M), W, H, l1, l2, lambda h, G, c: G @ h - c)
    of_W, of_M = (unit_of(jnp.max(A, axis=0)) for A in (W, jnp.where(places(X.shape), M, 0)))
    return found * (of_W * of_W)[:, None] * of_M[None, :]


def zeros_counted(f):
    """With X as if it were 0 off S."""
    return lambda X, M, *rest: f(X * places(X.shape), M, *rest)


# The exact half-step


@jax.jit
def solved(X, M, W, H, l1, l2):
    return weighted.exact(Weighted(X, M), W, H, l1, l2)


def optimality(X, M, W, H, l1, l2, solution: Any = solved):
    """KKT of the weighted problem at what `weighted.exact` returns."""
    h = np.asarray(solution(X, M, W, H, l1, l2))
    slope = from_the_residual(X, M, W, h, l1, l2)
    size = np.max(W.T @ (M * (X + W @ h)) + l1 + l2 * h) + 1
    return {
        "no entry is negative": np.max(-h, initial=0),
        "no entry would rather be larger": np.max(-slope, initial=0) / size,
        "no positive entry would rather be smaller": np.max(np.where(h > 0, slope, 0), initial=0) / size,
    }


def without_weights(*args):
    return max(optimality(*args, solution=lambda X, M, *rest: solved(X, 0 * M + 1, *rest)).values())


INPUTS = weighted_problems()
CONTROLS = {
    "the denominator without weights": without_weights_below,
    "weights squared above": weights_squared,
    "all rows from the old residual": old_residual,
}

STATEMENTS = (
    Statement(
        36,
        "A weighted HALS sweep is the exact coordinate minimiser, and each column has normal equations of its own",
        "Ho 2008, chapter 6",
        (
            chain(
                INPUTS,
                (autodiff, from_the_residual, normal_equations, library_normal_equations),
                {
                    "one Gram matrix for all": lambda *args: normal_equations(*args, gram=lambda W, m: W.T @ W),
                    "l1 with the sign flipped": lambda X, M, W, H, l1, l2: normal_equations(X, M, W, H, -l1, l2),
                },
            ),
            chain(
                INPUTS,
                (parabola_through_three_points, row_from_normal_equations, row_from_the_residual, library_sweep),
                CONTROLS,
            ),
            exact_chain(
                INPUTS, (parabola_through_three_points, row_from_normal_equations, row_from_the_residual), CONTROLS
            ),
            chain(
                INPUTS,
                (with_no_weight_off_S(normal_equations), library_normal_equations_of_stored),
                {"what is not stored counts as 0": zeros_counted(normal_equations)},
            ),
            chain(
                INPUTS,
                (with_no_weight_off_S(row_from_the_residual), library_sweep_of_stored),
                {"what is not stored counts as 0": zeros_counted(row_from_the_residual)},
            ),
            holds(INPUTS, optimality, {"without weights": without_weights}),
        ),
    ),
)
