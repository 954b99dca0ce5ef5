r"""The derivative of nonnegative least squares is that of the linear equations on the active set.

Source: implicit function theorem; J. Kim and Park 2011 for the solution.

Statement.  Let h minimise ½⟨h, G h⟩ − ⟨c, h⟩ over h ≥ 0, with G symmetric positive definite and y = G h − c. Let
F = {k : h_k > 0}, and y_k > 0 for every k outside F (strict complementarity). Then h is differentiable in (G, c), and

$$ dh_F = G_{FF}^{-1}\,(dc - dG\,h)_F, \qquad dh_k = 0 \text{ for } k \notin F. $$

For min ‖A z − b‖ over z ≥ 0, where G = AᵀA and c = Aᵀb, this is

$$ dz_F = G_{FF}^{-1}\,\bigl(dA^\top (b - A z) + A^\top (db - dA\, z)\bigr)_F. $$

In reverse, a cotangent h̄ is pulled back to c̄_F = G_FF⁻¹ h̄_F, c̄ = 0 outside F, and Ḡ = −c̄ hᵀ, symmetrised.

Derivation.
1. As the objective is strictly convex, its only minimiser is the only point that satisfies KKT: h ≥ 0, y ≥ 0 and
   h_k y_k = 0 for each k. On F, where h > 0, that gives y_F = 0:

   $$ (G h - c)_F = G_{FF} h_F - c_F = 0, \quad\text{as } h = 0 \text{ outside } F;
      \qquad\text{so } h_F = G_{FF}^{-1} c_F. $$

2. Change (G, c) a little, keep F, and let h_F solve the changed equation, with h = 0 outside F. The solution of a
   linear system depends continuously on it, so h_F stays positive and y stays positive outside F if the change is small
   enough: both are finitely many strict inequalities. Then KKT holds, so this h is the new minimiser. (If y_k = 0 for
   some k outside F, h_k may become positive on one side only, and there is no derivative.)
3. So G_FF h_F = c_F holds for all data nearby, and may be differentiated. By the product rule

   $$ dG_{FF}\,h_F + G_{FF}\,dh_F = dc_F . $$

   dG_FF h_F = (dG h)_F, because h = 0 outside F. Solve for dh_F.
4. At fixed G, step 1 is linear in c: a central difference that stays on F gives its derivative without error.
5. For A and b: dG = dAᵀA + AᵀdA and dc = dAᵀb + Aᵀdb. Put in, and collect the terms with dAᵀ and those with Aᵀ:

   $$ dc - dG\,z = dA^\top b + A^\top db - dA^\top A z - A^\top dA\,z = dA^\top (b - A z) + A^\top (db - dA\,z). $$

6. In reverse: h̄ᵀdh = h̄_Fᵀ G_FF⁻¹ (dc − dG h)_F = c̄ᵀ dc − c̄ᵀ dG h with the c̄ stated, since G_FF is symmetric. And
   c̄ᵀ dG h = Σ_kl c̄_k h_l dG_kl: the factor of dG_kl is −c̄_k h_l. Only symmetric dG keep G symmetric, and for them
   only the symmetric part of Ḡ matters. ∎

What it teaches.  No derivative of the search is needed, whatever its steps were: only its answer, and one more linear
system of the size of the passive set.
"""

from functools import partial
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jnmf import nnls
from jnmf.nonnegative_least_squares import exact
from proofs.kernel import Statement, chain
from proofs.strategies import full_rank, positive, real

SIXTH_ORDER = {1: 45 / 60, 2: -9 / 60, 3: 1 / 60}  # the central difference Σ_k w_k (f(kt) − f(−kt)) / t
SECOND_ORDER = {1: 1 / 2}


@st.composite
def least_squares_problems(draw, m, r, k):
    """(A, B) whose solution H and multiplier Y are drawn, so that neither is near 0 where it is not 0."""
    A, R = draw(full_rank((m, r))), draw(real((m, k)))
    F = draw(arrays(bool, (r, k), fill=st.nothing()))
    H, Y = np.where(F, draw(positive((r, k))) + 1, 0), np.where(F, 0, 64 * draw(positive((r, k))))
    G = A.T @ A
    return A, A @ H - A @ np.linalg.solve(G, Y) + R - A @ np.linalg.solve(G, A.T @ R)


@st.composite
def quadratics(draw, m, r, k):
    A, B = draw(least_squares_problems(m, r, k))
    return A.T @ A, A.T @ B


def all_supports(G, C):
    """The minimiser, column by column the best of the solutions on all supports that are nonnegative."""
    best, lowest = np.zeros(C.shape), np.zeros(C.shape[1])
    for size in range(1, len(G) + 1):
        for F in map(list, combinations(range(len(G)), size)):
            H = np.zeros(C.shape)
            H[F] = np.linalg.solve(G[np.ix_(F, F)], C[F])
            value = (H * (G @ H / 2 - C)).sum(axis=0)
            better = (H >= 0).all(axis=0) & (value < lowest)
            best[:, better], lowest[better] = H[:, better], value[better]
    return best


def units(shape):
    return np.eye(int(np.prod(shape))).reshape(-1, *shape)


def symmetric_units(shape):
    """The directions in which a symmetric matrix can move: E + Eᵀ for each unit matrix E."""
    return units(shape) + units(shape).transpose(0, 2, 1)


def difference(f, direction, t, weights):
    return sum(w * (f(k * t * direction) - f(-k * t * direction)) for k, w in weights.items()) / t


def derivatives(of_G, of_C):
    """What a link returns: a row for each direction, the derivative of H in it."""
    return np.stack([np.ravel(dH) for dH in (*of_G, *of_C)])


# In G and C. `formula` is step 3, `reverse` step 6.


def finite_differences(G, C):
    return derivatives(
        [difference(lambda E: all_supports(G + E, C), D, 1 / 16, SIXTH_ORDER) for D in symmetric_units(G.shape)],
        [difference(lambda E: all_supports(G, C + E), D, 1 / 8, SECOND_ORDER) for D in units(C.shape)],
    )


def on_the_passive_set(G, H, right_side):
    """G_FF⁻¹ of the right side on F, 0 elsewhere, in each column."""
    solution = np.zeros(H.shape)
    for j in range(H.shape[1]):
        F = np.flatnonzero(H[:, j] > 0)
        solution[F, j] = np.linalg.solve(G[np.ix_(F, F)], right_side[F, j])
    return solution


def formula(G, C, solve=on_the_passive_set, sign=-1):
    H = all_supports(G, C)
    return derivatives(
        [solve(G, H, sign * D @ H) for D in symmetric_units(G.shape)], [solve(G, H, D) for D in units(C.shape)]
    )


def reverse(G, C):
    H = all_supports(G, C)
    cotangents = np.stack([on_the_passive_set(G, H, D) for D in units(C.shape)])
    return directions_first(along_symmetric(-cotangents @ H.T), cotangents)


def along_symmetric(gradients):
    """⟨Ḡ, E + Eᵀ⟩ for each unit matrix E."""
    return gradients + np.swapaxes(gradients, 1, 2)


def directions_first(*gradients):
    """The gradients of the entries of H, one entry after the other, in the order of `derivatives`."""
    return np.concatenate([np.reshape(g, (len(g), -1)).T for g in gradients])


def both_modes(f, directions):
    """Forward and reverse: jax.jvp in each direction, with f evaluated once, and its transpose, which is jax.vjp."""

    @jax.jit
    def modes(A, B):
        value, push = jax.linearize(f, A, B)
        dA, dB = directions[0](A.shape), directions[1](B.shape)
        dA, dB = (
            np.concatenate([dA, np.zeros((len(dB), *A.shape))]),
            np.concatenate([np.zeros((len(dA), *B.shape)), dB]),
        )
        return jax.vmap(push)(dA, dB), jax.vmap(jax.linear_transpose(push, A, B))(units(value.shape))

    return modes


@partial(both_modes, directions=(symmetric_units, units))
def library(G, C):
    return exact(jnp.zeros_like(C), G, C)


def library_jvp(G, C):
    forward = library(G, C)[0]
    return np.reshape(forward, (len(forward), -1))


def library_vjp(G, C):
    of_G, of_C = map(np.asarray, library(G, C)[1])
    return directions_first(along_symmetric(of_G), of_C)


# In A and B.


def finite_differences_in_A_and_B(A, B):
    solution = lambda A, B: all_supports(A.T @ A, A.T @ B)
    return derivatives(
        [difference(lambda E: solution(A + E, B), D, 1 / 64, SIXTH_ORDER) for D in units(A.shape)],
        [difference(lambda E: solution(A, B + E), D, 1 / 8, SECOND_ORDER) for D in units(B.shape)],
    )


def formula_in_A_and_B(A, B, residual=1, sign=-1):
    G, H = A.T @ A, all_supports(A.T @ A, A.T @ B)
    R = residual * (B - A @ H)
    return derivatives(
        [on_the_passive_set(G, H, D.T @ R + sign * A.T @ (D @ H)) for D in units(A.shape)],
        [on_the_passive_set(G, H, A.T @ D) for D in units(B.shape)],
    )


library_in_A_and_B = both_modes(nnls, directions=(units, units))


def nnls_jvp(A, B):
    forward = library_in_A_and_B(A, B)[0]
    return np.reshape(forward, (len(forward), -1))


def nnls_vjp(A, B):
    return directions_first(*library_in_A_and_B(A, B)[1])


CONTROLS = {
    "dG h with the sign flipped": lambda G, C: formula(G, C, sign=1),
    "no dG": lambda G, C: formula(G, C, sign=0),
    "no active set": lambda G, C: formula(G, C, solve=lambda G, H, right: np.linalg.solve(G, right)),
    "(G⁻¹)_FF for (G_FF)⁻¹": lambda G, C: formula(
        G, C, solve=lambda G, H, right: np.where(H > 0, np.linalg.solve(G, np.where(H > 0, right, 0)), 0)
    ),
}
CONTROLS_IN_A_AND_B = {
    "no residual": lambda A, B: formula_in_A_and_B(A, B, residual=0),
    "dA z with the sign flipped": lambda A, B: formula_in_A_and_B(A, B, sign=1),
}

STATEMENTS = (
    Statement(
        25,
        "The derivative of NNLS is G_FF⁻¹(dc − dG h)_F on the passive set F, 0 elsewhere",
        "implicit function theorem",
        (
            chain(quadratics(4, 3, 2), (finite_differences, formula, reverse, library_jvp, library_vjp), CONTROLS),
            chain(
                least_squares_problems(4, 3, 2),
                (finite_differences_in_A_and_B, formula_in_A_and_B, nnls_jvp, nnls_vjp),
                CONTROLS_IN_A_AND_B,
            ),
        ),
    ),
)
