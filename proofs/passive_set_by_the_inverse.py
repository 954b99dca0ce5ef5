r"""The solution on a passive set, from the inverse of G and a system of the size of the complement.

Source: Lagrange multipliers; the inverse of a principal submatrix.

Statement.  Let G be symmetric positive definite, V = G⁻¹, c a vector, F a set of indices and A its complement. The one
h with h_A = 0 and (G h)_F = c_F, which has h_F = G_FF⁻¹ c_F, is

$$ h = u - V_{:A}\,z, \qquad u = V c, \qquad V_{AA}\,z = u_A . $$

Derivation.
1. Only the entries in A of c − G h may differ from 0. Call them z, and let E be the columns of the identity that belong
   to A. Then

   $$ G h = c - E z, \qquad h_A = E^\top h = 0 : $$

   the conditions for a minimum of ½⟨h, G h⟩ − ⟨c, h⟩ with h_A = 0, with the multipliers z.
2. Multiply by V:  h = V c − V E z = u − V_:A z.
3. Take the entries in A:  0 = h_A = u_A − V_AA z. As a principal submatrix of the positive definite V, V_AA can be
   inverted, so this determines z, and with it h. ∎

What it teaches.  A system of |F| unknowns can be exchanged for one of |A|, in which each index that is held at 0 takes
its own part out of u. The smaller of the two has at most r/2 unknowns. The price: V_AA can be as badly conditioned as
G, and u holds the digits that G has lost already.
"""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jnmf import pivoting
from proofs.kernel import Statement, chain, exact_chain
from proofs.least_squares_solutions import solve
from proofs.strategies import full_rank, positive


@st.composite
def systems(draw, m, r):
    """(G, c, F); F may hold all. It is not empty and c has no zeros, so that h is not 0."""
    A = draw(full_rank((m, r)))
    return A.T @ A, draw(positive((r, 1))), draw(arrays(bool, r, fill=st.nothing()).filter(np.any))


def on_the_passive_set(G, c, F):
    F = np.flatnonzero(F)
    h = 0 * c
    h[F] = solve(G[np.ix_(F, F)], c[F])
    return h


def with_multipliers(G, c, F):
    """Step 1: G h + E z = c and Eᵀh = 0, one system of r + |A| unknowns."""
    E = np.eye(len(G), dtype=int)[:, ~F.astype(bool)]
    corner = np.zeros((E.shape[1], E.shape[1]), dtype=int)
    saddle = np.block([[G, E], [E.T, corner]])
    return solve(saddle, np.vstack([c, np.zeros((E.shape[1], 1), dtype=int)]))[: len(G)]


def by_the_inverse(G, c, F, of=None):
    """Step 3. `of` is the matrix whose part on A is solved with."""
    V, A = solve(G, np.eye(len(G), dtype=int)), np.flatnonzero(~F.astype(bool))
    u = V @ c
    return u - V[:, A] @ solve((V if of is None else of)[np.ix_(A, A)], u[A])


@jax.jit
def library(G, c, F):
    d = 1 / jnp.sqrt(jnp.diag(G))  # it is given a diagonal of 1
    G = d[:, None] * G * d[None, :]
    return d[:, None] * pivoting.solve_on_smaller_side(G, jnp.linalg.inv(G), F, d * c[:, 0])[:, None]


def without_constraint(G, c, F):
    return solve(G, c)


def cut(G, c, F):
    return solve(G, c) * F.astype(int)[:, None]


CONTROLS = {
    "no constraint": without_constraint,
    "G_AA in the place of V_AA": lambda G, c, F: by_the_inverse(G, c, F, of=G),
    "u with zeros on A": cut,
}
LINKS = (on_the_passive_set, with_multipliers, by_the_inverse)

STATEMENTS = (
    Statement(
        27,
        "h_F = G_FF⁻¹c_F, 0 on the complement A, is u − V_:A z with V = G⁻¹, u = V c, V_AA z = u_A",
        "Lagrange multipliers",
        (
            chain(systems(7, 5), (*LINKS, library), CONTROLS),
            exact_chain(systems(7, 5), LINKS, CONTROLS),
        ),
    ),
)
