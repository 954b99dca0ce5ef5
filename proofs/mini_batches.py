r"""Mini-batches: what is kept of the batches before is enough for the next H; one batch of all is the full step.

Source: Mairal, Bach, Ponce and Sapiro 2010; Lefèvre, Bach and Févotte 2011.

Statement 35.  Let W_s be the loadings of batch X_s, fixed once they are found, and ρ_s ≥ 0 its weight.
(a) For the Frobenius loss Σ ρ_s ½‖X_s − W_s H‖² = ½⟨H, G H⟩ − ⟨C, H⟩ + ½ Σ ρ_s ‖X_s‖², with G = Σ ρ_s W_sᵀW_s and
    C = Σ ρ_s W_sᵀX_s. With a single batch the step is the half-step in H on the whole X.
(b) For a β-divergence let Q_s be the majoriser of D(X_s, W_s H) of statement 23, made at H_s. Σ Q_s lies above the
    sum of the divergences and is least at H = (A/B)^{1/(u+v)}, with A = Σ N_s H_s^v, B = Σ P_s H_s^−u, N_s and P_s the
    two parts of the gradient at H_s, u = [β − 1]₊, v = [2 − β]₊. With a single batch that is the multiplicative update.

Derivation.
1. (a) ½‖X_s − W_s H‖² = ½⟨H, W_sᵀW_s H⟩ − ⟨W_sᵀX_s, H⟩ + ½‖X_s‖² (statement 1). H is the same for all s, so that
   the sum takes G and C out. ∎
2. (b) Each Q_s lies above its divergence, so does the sum. By statement 23, entry by entry,
   ∂Q_s/∂H = P_s (H/H_s)^u − N_s (H/H_s)^−v, where u and −v are the powers of the increasing and the decreasing term.
3. The sum is B H^u − A H^−v: the powers of H_s go into the sums, those of H before them. u + v ≥ 1 > 0, so it rises
   from below 0 to above, and is 0 at H^{u+v} = A/B. ∎
4. With a single batch A/B = (N/P) H_s^{u+v}, and H = H_s (N/P)^{1/(u+v)} with 1/(u+v) = γ(β) of statement 23. ∎

What it teaches.  The memory is that of G and C, or of two matrices like H, however long the stream. What is not known
any more is that W_s would be another for the new H: the surrogate touches the loss where all H_s agree.
"""

import jax.numpy as jnp
import numpy as np
import scipy.optimize
from hypothesis import strategies as st

from jnmf import HALS, MU, losses, minibatch, multiplicative, solvers
from jnmf.transform import updated
from proofs.beta_divergence_descent import ABOVE, BELOW, BETWEEN, coefficients, majoriser, objective
from proofs.kernel import Statement, chain, exact_chain, excess, holds
from proofs.strategies import full_rank, nonnegative, positive

M, N, R = 5, 4, 2
ONE_BATCH = st.tuples(nonnegative((M, N)), full_rank((R, N)).map(np.abs))
TWO_BATCHES = st.tuples(*(nonnegative(shape) for shape in ((M, N), (3, N), (M, R), (3, R), (R, N))), positive((1, 2)))
BETAS = st.sampled_from(BELOW + BETWEEN + ABOVE)


# (a)


def summed(X1, X2, W1, W2, H, weights):
    return sum(w * ((X - W @ H) ** 2).sum() / 2 for w, X, W in zip(weights[0], (X1, X2), (W1, W2), strict=True))


def from_the_sums(X1, X2, W1, W2, H, weights, G_of=lambda W: W.T @ W):
    pairs = list(zip(weights[0], (X1, X2), (W1, W2), strict=True))
    G, C = sum(w * G_of(W) for w, X, W in pairs), sum(w * (W.T @ X) for w, X, W in pairs)
    return (H * (G @ H)).sum() / 2 - (C * H).sum() + sum(w * (X * X).sum() for w, X, W in pairs) / 2


def state(H, sums):
    return minibatch.Batches(H, sums, jnp.zeros(()))


def full_step(X, H):
    W = np.array([scipy.optimize.nnls(H.T, row)[0] for row in X])
    return solvers.hals(H, W.T @ W, W.T @ X)


def library_of_least_squares(X, H):
    return minibatch.step(state(H, (np.zeros((R, R)), np.zeros(H.shape))), X, HALS()).H


# (b)


@st.composite
def one_batch(draw):
    return draw(positive((M, N))), draw(positive((R, N))), draw(BETAS)


@st.composite
def two_batches(draw):
    """(new, H_1, H_2, X_1, X_2, W_1, W_2, β)"""
    shapes = ((R, N),) * 3 + ((M, N),) * 2 + ((M, R),) * 2
    return *(draw(positive(shape)) for shape in shapes), draw(BETAS)


def full_update(X, H, beta):
    loss = losses.BetaDivergence(beta=beta)
    W = updated(X, H, MU(beta=beta), minibatch.SETTLED, minibatch.UPDATES)
    return multiplicative.half_step(X, W, H, loss)


def library_of_a_batch(X, H, beta):
    if beta == 2:  # the Frobenius loss has its own sums
        W = updated(X, H, MU(beta=beta), minibatch.SETTLED, minibatch.UPDATES)
        return minibatch.majorised(H, (0, 0), W.T @ X, W.T @ (W @ H), beta)[0]
    nothing = np.zeros(H.shape)
    return minibatch.step(state(H, (nothing, nothing)), X, MU(beta=beta)).H


def sum_of_majorisers(H, H1, H2, X1, X2, W1, W2, beta):
    return majoriser(H, H1, X1, W1, beta, 0.0, 0.0) + majoriser(H, H2, X2, W2, beta, 0.0, 0.0)


def library_of_two(H1, H2, X1, X2, W1, W2, beta):
    sums = 0.0, 0.0
    for H, X, W in ((H1, X1, W1), (H2, X2, W2)):
        P, negative = coefficients(H, X, W, beta, 0.0, 0.0)
        found, sums = minibatch.majorised(H, sums, negative, P, beta)
    return np.asarray(found)


def without_the_first(H1, H2, X1, X2, W1, W2, beta):
    P, negative = coefficients(H2, X2, W2, beta, 0.0, 0.0)
    return np.asarray(minibatch.majorised(H2, (0, 0), negative, P, beta)[0])


def parts_added_as_they_are(H1, H2, X1, X2, W1, W2, beta):
    """As if both had been made at H_2."""
    (P1, N1), (P2, N2) = (coefficients(*of, beta, 0.0, 0.0) for of in ((H1, X1, W1), (H2, X2, W2)))
    return np.asarray(minibatch.majorised(H2, (0, 0), N1 + N2, P1 + P2, beta)[0])


def is_the_minimiser(new, *data, update=library_of_two):
    _, _, X1, X2, W1, W2, beta = data
    best = update(*data)
    divergences = objective(new, X1, W1, beta, 0.0, 0.0) + objective(new, X2, W2, beta, 0.0, 0.0)
    at_new, least = sum_of_majorisers(new, *data), sum_of_majorisers(best, *data)
    nearby = [
        best * np.where(np.arange(best.size).reshape(best.shape) == k, c, 1) for k in range(3) for c in (0.9, 1.1)
    ]
    return {
        "the sum of the majorisers ≥ that of the divergences": excess(at_new, divergences),
        "least at (A/B)^{1/(u+v)}": max(
            excess(sum_of_majorisers(H, *data), least, abs(at_new) + abs(least)) for H in (new, *nearby)
        ),
    }


STATEMENTS = (
    Statement(
        35,
        "A mini-batch step minimises what the batches before and this one leave; one batch of all is the full step",
        "Mairal, Bach, Ponce and Sapiro 2010; Lefèvre, Bach and Févotte 2011",
        (
            exact_chain(
                TWO_BATCHES,
                (summed, from_the_sums),
                {"G of the last batch": lambda X1, X2, W1, W2, H, w: from_the_sums(X1, X2, 0 * W1, W2, H, w)},
            ),
            chain(
                ONE_BATCH,
                (full_step, library_of_least_squares),
                {"H is not moved": lambda X, H: H},
            ),
            chain(
                one_batch(),
                (full_update, library_of_a_batch),
                {"without the root": lambda X, H, beta: full_update(X, H, beta) ** 2 / H},
            ),
            holds(
                two_batches(),
                is_the_minimiser,
                {
                    "the first batch forgotten": lambda *inputs: max(
                        is_the_minimiser(*inputs, update=without_the_first).values()
                    ),
                    "parts added without the powers of H": lambda *inputs: max(
                        is_the_minimiser(*inputs, update=parts_added_as_they_are).values()
                    ),
                },
            ),
        ),
    ),
)
