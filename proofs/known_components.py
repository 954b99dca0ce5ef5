r"""Known components leave the half-problem of the rest; known entries are kept by what goes entry by entry.

Source: Smaragdis, Raj and Shashanka 2007 (known components beside ones to be found); statements 4 and 11.

Statement 41.  Let the first rows of H be A, H = [A; Z], and W = [U, V] accordingly. Then, up to a constant in Z,

$$ \tfrac12 \langle H, G H \rangle - \langle C, H \rangle
   = \tfrac12 \langle Z, G_{22} Z \rangle - \langle C_2 - G_{21} A, Z \rangle : $$

the half-problem of Z for X − UA and V, with the same penalties. And let single entries of H be known, the others ≥ 0:
(a) the exact minimiser of a row, with all other rows kept, is that of HALS with the known entries put in;
(b) a multiplicative update, the known entries then put back, does not raise the objective; an exact half-step, put
    back in this way, can.

Derivation.
1. ⟨H, GH⟩ = ⟨A, G₁₁A⟩ + ⟨A, G₁₂Z⟩ + ⟨Z, G₂₁A⟩ + ⟨Z, G₂₂Z⟩. G is symmetric: the two in the middle are equal. With
   ⟨C, H⟩ = ⟨C₁, A⟩ + ⟨C₂, Z⟩, what holds Z is the right side.
2. G₂₂ = VᵀV + l2 I, G₂₁ = VᵀU, since the ridge is on the diagonal, and C₂ = VᵀX − l1. So C₂ − G₂₁A = Vᵀ(X − UA) − l1.
3. (a) In a row all else of which is kept, the objective is a sum of parabolas of one entry each (statement 4, step 2).
   Where an entry is known, its parabola has one point to choose; the others are minimised as they were.
4. (b) The majoriser of statement 11 or 23 is a sum of functions of one entry each too, for all entries at once: with
   the known ones at their values, its minimiser over the others is the same. Let H′ have the known entries. Then the
   objective at H⁺ ≤ Q(H⁺, H′) ≤ Q(H′, H′), which is the objective at H′.
5. The quadratic of an exact half-step couples the entries of a column. The best of the others depends on the known
   ones, and the best of all is of no use when some are put back. ∎

What it teaches.  Known rows cost nothing: any solver takes the smaller half-problem. Known entries are a question of
whether the step takes its entries one at a time.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jnmf import HALS, MU, losses, multiplicative, terms
from jnmf.terms import together
from proofs.hals_row_update import cost
from proofs.hals_row_update import normal_equations as sweep
from proofs.kernel import Statement, chain, exact_chain, excess, holds
from proofs.strategies import nonnegative, penalties, positive

M, N, R, K = 4, 5, 3, 1
ROWS = st.tuples(*map(nonnegative, ((M, N), (M, R), (R - K, N), (K, N))), penalties, penalties)
MASKS = nonnegative((R, N)).map(lambda A: (A > 1).astype(float))
ENTRIES = st.tuples(*map(nonnegative, ((M, N), (M, R), (R, N), (R, N))), MASKS, penalties, penalties)
POSITIVE = st.tuples(*map(positive, ((M, N), (M, R), (R, N), (R, N))), MASKS)


# Known components: the value less that at Z = 0


def of_the_whole(X, W, Z, A, l1, l2):
    value = lambda Z: cost(X, W, np.vstack([A, Z]), l1, l2)
    return np.asarray(value(Z) - value(0 * Z))


def of_what_is_left(X, W, Z, A, l1, l2):
    left = X - W[:, :K] @ A
    return np.asarray(cost(left, W[:, K:], Z, l1, l2) - (left**2).sum() / 2)


def of_the_reduced_pair(X, W, Z, A, l1, l2, taken_out=1, ridge=1):
    G, C = W.T @ W + ridge * l2 * np.eye(R, dtype=int), W.T @ X - l1
    C = C[K:] - taken_out * G[K:, :K] @ A
    return np.asarray((Z * (G[K:, K:] @ Z)).sum() / 2 - (C * Z).sum())


def sweep_of_what_is_left(X, W, Z, A, l1, l2):
    return np.vstack([A, sweep(X - W[:, :K] @ A, W[:, K:], Z, l1, l2)])


@jax.jit
def library(X, W, Z, A, l1, l2):
    half_step = HALS(on_H=terms.Known(A)).half_steps(X)[0]
    return half_step(jnp.concatenate([A, Z]), W.T @ W, W.T @ X, l1, l2)


def put_back(X, W, Z, A, l1, l2):
    """A sweep over all rows, and then A."""
    return np.vstack([A, sweep(X, W, np.vstack([A, Z]), l1, l2)[K:]])


# Known entries


def inside(H, A, known):
    return np.where(known != 0, A, H)


def entry_by_entry(X, W, H, A, known, l1, l2):
    """Each row from a whole sweep of statement 4 that starts with it, its known entries then put in."""
    H = inside(H, A, known)
    for k in range(R):
        order = np.roll(np.arange(R), -k)
        H[k] = inside(sweep(X, W[:, order], H[order], l1, l2)[0], A[k], known[k])
    return H


@jax.jit
def library_of_entries(X, W, H, A, known, l1, l2):
    H = jnp.where(known != 0, A, H)
    return HALS(on_H=terms.Known(A, mask=known)).half_steps(X)[0](H, W.T @ W, W.T @ X, l1, l2)


def minimality(X, W, H, A, known, l1, l2, update: Any = library_of_entries):
    """After each row: no other value of an entry that is not known has a lower objective, and the known are there."""
    new, state, worst = np.asarray(update(X, W, H, A, known, l1, l2)), inside(H, A, known), 0.0
    for k in range(R):
        state[k] = new[k]
        lowest = cost(X, W, state, l1, l2)
        for j in np.flatnonzero(known[k] == 0):
            candidate = state.copy()
            for value in np.arange(0, 3, 0.25):
                candidate[k, j] = value
                worst = max(worst, excess(cost(X, W, candidate, l1, l2), lowest))
    return {"no candidate is lower": worst, "known": np.max(abs(new - A) * known), "≥ 0": excess(new, 0)}


def swept_and_put_back(X, W, H, A, known, l1, l2):
    return inside(sweep(X, W, H, l1, l2), A, known)


def worst_of_put_back(*inputs):
    return max(minimality(*inputs, update=swept_and_put_back).values())


@jax.jit
def steps(X, W, H, A, known):
    """From near the minimiser, once of MU for KL, once of MU, and many sweeps without A, the known entries put back."""
    kept, G, C = terms.Known(A, mask=known), W.T @ W, W.T @ X
    many = lambda H, *on: HALS(inner=30, on_H=on).half_steps(X)[0](H, G, C, 0.0, 0.0)
    H = many(jnp.where(known != 0, A, H), kept)
    by_kl = multiplicative.half_step(X, W, H, losses.kl, on=kept)
    by_mu = MU(on_H=kept).half_steps(X)[0](H, G, C, 0.0, 0.0)
    exact = together.project(kept, many(H))
    of = lambda loss, *all_H: [loss(X, W, H) for H in all_H]
    return jnp.array([of(losses.kl, H, by_kl), of(losses.frobenius, H, by_mu), of(losses.frobenius, H, exact)])


def descent(*inputs):
    of_kl, of_mu, _ = np.asarray(steps(*inputs))
    return {"KL": excess(*of_kl), "½‖X − WH‖²": excess(*of_mu)}


STATEMENTS = (
    Statement(
        41,
        "Known components leave the half-problem G₂₂, C₂ − G₂₁A of the rest; known entries stay in steps by entry",
        "Smaragdis, Raj and Shashanka 2007; statements 4 and 11",
        (
            exact_chain(
                ROWS,
                (of_the_whole, of_what_is_left, of_the_reduced_pair),
                {
                    "their product left in C": lambda *args: of_the_reduced_pair(*args, taken_out=0),
                    "taken out with the sign flipped": lambda *args: of_the_reduced_pair(*args, taken_out=-1),
                },
            ),
            chain(ROWS, (sweep_of_what_is_left, library), {"all rows first": put_back}),
            chain(
                ENTRIES,
                (entry_by_entry, library_of_entries),
                {"put back after the sweep": swept_and_put_back},
            ),
            holds(ENTRIES, minimality, {"put back after the sweep": worst_of_put_back}),
            holds(
                POSITIVE,
                descent,
                {"an exact half-step, put back": lambda *inputs: excess(*np.asarray(steps(*inputs))[2])},
                kind="descent",
            ),
        ),
    ),
)
