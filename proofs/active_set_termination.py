r"""An active set that moves with a step length ends, at a minimiser.

Source: Lawson and Hanson 1974, chapter 23; Bro and De Jong 1997.

Statement.  Let q(h) = ½⟨h, G h⟩ − ⟨c, h⟩ with G symmetric positive definite. Start from F = ∅ and h = 0, and repeat:

- *Arrived.* h is the minimiser of q over the vectors that are 0 off F, and h > 0 on F. If y = G h − c ≥ 0, stop. Else
  an index t with y_t < 0 enters F.
- *On the way.* Let z be the minimiser on F. If z > 0 on F, set h = z: arrived. Else move to h + α(z − h) with the
  largest α ≤ 1 for which it is ≥ 0; what has become 0 by it leaves F. Again.

This stops after finitely many moves, at the minimiser of q over h ≥ 0. Each index that enters lowers q.

Derivation.
1. On F the gradient of q at z is 0, so with d = h − z, which is 0 off F,

   $$ q(h) - q(z) = \tfrac12 \langle d, G d \rangle, \qquad
      q(h + \alpha(z - h)) - q(z) = (1 - \alpha)^2\,\tfrac12 \langle d, G d \rangle . $$

   So a move by 0 ≤ α ≤ 1 does not raise q, and lowers it if α > 0 and h ≠ z.
2. When t has entered, z_t > 0. At the arrived h, y is 0 on the old F and h_t = 0, so ⟨y, z − h⟩ = y_t z_t. As y_t ≠ 0,
   and the gradient at z is 0 in t, z ≠ h; so by step 1 q(z) < q(h), while q(z) − q(h) = y_t z_t + ½⟨d, G d⟩ with
   ⟨d, G d⟩ > 0. So y_t z_t < 0, and z_t > 0.
3. Hence the first move after an entry has α > 0: the old indices have h_i > 0, and t, whose h_t is 0, rises. By step 1
   it lowers q. The later ones do not raise it. Each takes an index from F, so after at most |F| of them h arrives.
4. So q is strictly lower from one arrival to the next. An arrived h is determined by F, hence no F is arrived at twice,
   and there are at most 2^r of them.
5. It stops only where h ≥ 0, y = 0 on F and y ≥ 0 off it: KKT, and h is the minimiser (statement 7). ∎

What it teaches.  Descent alone makes it end: nothing else has to be assumed, and rounding cannot undo it, if an arrival
counts only where its value is lower than that of the last. Exchanging many indices at once is faster and needs
no feasible h, but has no such value to go by. A start from another F is the same from its first arrival on.
"""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jnmf import active_set
from proofs.kernel import Statement, chain, exact_chain, excess, fractions, holds
from proofs.least_squares_solutions import solve
from proofs.nnls_optimality import brute_force
from proofs.strategies import positive, real


def on_passive_set(G, c, F):
    z = 0 * c
    z[F] = solve(G[np.ix_(F, F)], c[F, None])[:, 0]
    return z


def moves(G, c, length=min, enters=np.argmin):
    """The points at which one column arrives; at most 3·2^r moves."""
    F, h, arrivals = [], 0 * c, []
    for _ in range(3 * 2 ** len(c)):
        z = on_passive_set(G, c, F) if F else 0 * c
        if all(z[i] > 0 for i in F):
            h = z
            arrivals.append(h)
            y = G @ h - c
            off = [i for i in range(len(c)) if i not in F]
            if not off or min(y[off]) >= 0:
                break
            F = [*F, off[int(enters(y[off]))]]
        else:
            blocking = [i for i in F if z[i] <= 0]
            ratios = {i: h[i] / (h[i] - z[i]) if h[i] > z[i] else 0 * h[i] for i in blocking}
            step = length(ratios.values())
            h = h + step * (z - h)
            F = [i for i in F if i not in blocking or ratios[i] > step]
            h[[i for i in range(len(c)) if i not in F]] *= 0
    return arrivals


def by_brute_force(A, B):
    return brute_force(A.T @ A, A.T @ B)


def by_moves(A, B, **variant):
    exact = A if A.dtype == object else fractions(A)
    right = B if B.dtype == object else fractions(B)
    ends = [moves(exact.T @ exact, c, **variant)[-1] for c in (exact.T @ right).T]
    return np.stack(ends, axis=1).astype(B.dtype)


@jax.jit
def library(A, B):
    """With A itself, from F = ∅."""
    unit = jnp.linalg.norm(A, axis=0)
    h, done = active_set.block(
        A / unit[None, :], B.T, jnp.zeros((B.shape[1], A.shape[1])), jnp.zeros((3, A.shape[1]), bool)
    )
    return jnp.where(done[:, None], h, jnp.nan).T / unit[:, None]


@jax.jit
def library_in_gram_form(A, B):
    """With a triangular factor of AᵀA and the linear term AᵀB, from F = all."""
    unit = jnp.linalg.norm(A, axis=0)
    A = A / unit[None, :]
    M = jnp.linalg.cholesky(A.T @ A).T
    everything = jnp.ones((3, A.shape[1]), bool)
    h, done = active_set.block(M, jnp.zeros((B.shape[1], len(M))), (A.T @ B).T, everything)
    return jnp.where(done[:, None], h, jnp.nan).T / unit[:, None]


def descent(A, B, **variant):
    """q falls strictly from one arrival to the next, and every arrival is ≥ 0."""
    rises, negative = 0.0, 0.0
    A = fractions(A)
    for b in fractions(B).T:
        points = moves(A.T @ A, A.T @ b, **variant)
        values = [((A @ h - b) ** 2).sum() / 2 for h in points]
        stalls = [float(new - old) for old, new in pairwise(values) if new >= old]
        rises = max([rises, *(1 + rise for rise in stalls)])
        negative = max(negative, *(excess(h.astype(float), 0) for h in points))
    return {"each arrival is strictly lower": rises, "every arrival is feasible": negative}


FIRST_NOT = {
    "no step at all": {"length": lambda ratios: 0 * min(ratios)},
    "an index with a positive slope": {"enters": np.argmax},
}
CONTROLS = {name: lambda *a, v=v: by_moves(*a, **v) for name, v in FIRST_NOT.items()}
DESCENT_CONTROLS = {
    "an index with a positive slope": lambda *a: max(descent(*a, enters=np.argmax).values()),
}
# Columns at acute angles, so that indices block the way.
ACUTE = positive((5, 4)).map(lambda A: A + np.eye(5, 4) / 2).filter(lambda A: np.linalg.cond(A) < 100)
INPUTS = st.tuples(ACUTE, real((5, 3)))

STATEMENTS = (
    Statement(
        29,
        "An active set with a step length falls from one arrival to the next, and ends at the minimiser",
        "Lawson and Hanson 1974",
        (
            exact_chain(INPUTS, (by_brute_force, by_moves), CONTROLS),
            chain(INPUTS, (by_brute_force, by_moves, library, library_in_gram_form), CONTROLS),
            holds(INPUTS, descent, DESCENT_CONTROLS),
        ),
    ),
)
