r"""Symmetric NMF by a coupling of W and H is NMF of X + αI with a ridge: it needs no term of both factors.

Source: Kuang, Yun and Park 2015, section 4.2 (SymNMF by alternating nonnegative least squares).

Statement 42.  Let X be (n, n), W (n, r), H (r, n), α ≥ 0. Then

$$ \tfrac12 \|X - WH\|^2 + \tfrac12 \alpha \|W - H^\top\|^2
   = \tfrac12 \|(X + \alpha I) - WH\|^2 + \tfrac12 \alpha \|W\|^2 + \tfrac12 \alpha \|H\|^2
     - \alpha \operatorname{tr} X - \tfrac12 \alpha^2 n . $$

So the penalised form of min ½‖X − HᵀH‖² over H ≥ 0 is the NMF of X + αI with l2_W = l2_H = α, up to a constant, for
every method and with the half-problem of the source. Whatever does not raise it from a symmetric start W₀ = H₀ᵀ has

$$ \|W - H^\top\|^2 \le \frac1\alpha \|X - H_0^\top H_0\|^2 . $$

Derivation.
1. ‖(X − WH) + αI‖² = ‖X − WH‖² + 2α tr(X − WH) + α² n, since ⟨A, I⟩ = tr A and ‖I‖² = n.
2. ‖W − Hᵀ‖² = ‖W‖² + ‖H‖² − 2 tr(WH), since ⟨W, Hᵀ⟩ = tr(WH).
3. Half of 1 has −α tr(WH) in it, and so has ½α times 2: they are the same but for α tr X + ½ α² n. ∎
4. The half-problem in H: the source stacks √α I beneath W and √α Wᵀ beneath X. By statement 39 with A = Wᵀ, its normal
   equations have G = WᵀW + αI and C = WᵀX + αWᵀ = Wᵀ(X + αI): those of X + αI with the ridge α.
5. At the start the left side is ½‖X − H₀ᵀH₀‖². Later it is at most that, and so is its part ½α‖W − Hᵀ‖². ∎

What it teaches.  A coupling of the factors that is bilinear, ⟨W, Hᵀ⟩, lives in X. W and Hᵀ agree as α grows, and where
they agree the ridge is no shrinkage, since the coupling is 0 there. X + αI must be formed: of a sparse X it has n more
entries.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from jnmf import HALS, Factors, objective
from jnmf.loops import run
from proofs.kernel import Statement, chain, exact_chain, excess, holds
from proofs.strategies import nonnegative, positive, real

N, R = 5, 2
ALPHA = positive((1, 1)).map(lambda A: A[0, 0])
INPUTS = st.tuples(real((N, N)), nonnegative((N, R)), nonnegative((R, N)), ALPHA)
NEAR = st.tuples(nonnegative((N, N)).map(lambda A: (A + A.T) / 8), positive((R, N)), ALPHA)


def penalised(X, W, H, alpha):
    return np.asarray(((X - W @ H) ** 2).sum() / 2 + alpha * ((W - H.T) ** 2).sum() / 2)


def multiplied_out(X, W, H, alpha):
    fit, product = ((X - W @ H) ** 2).sum() / 2, np.trace(W @ H)
    return np.asarray(fit + alpha * ((W * W).sum() + (H * H).sum()) / 2 - alpha * product)


def shifted(X, W, H, alpha, trace=1, ridge=1, square=1):
    B = X + alpha * np.eye(N, dtype=int)
    of_factors = ridge * alpha * ((W * W).sum() + (H * H).sum()) / 2
    return np.asarray(
        ((B - W @ H) ** 2).sum() / 2 + of_factors - trace * alpha * np.trace(X) - square * alpha**2 * N / 2
    )


@jax.jit
def program(X, W, H, alpha):
    """The objective and a half-step in H of the library, both of X + αI with the ridge."""
    algorithm = HALS(l2_W=alpha, l2_H=alpha)
    B = X + alpha * jnp.eye(N)
    step = HALS.half_step(algorithm, H, W.T @ W, W.T @ B, 0.0, alpha)
    return objective(B, Factors(W, H), algorithm), step


def library(X, W, H, alpha):
    value, step = program(X, W, H, alpha)
    return np.append(step, value - alpha * np.trace(X) - alpha**2 * N / 2)


def of_the_source(X, W, H, alpha, beneath_X=lambda W: W.T):
    """A sweep over the rows of the stacked half-problem, each to its minimiser (statement 4), and the objective."""
    A, B = np.vstack([W, alpha**0.5 * np.eye(R)]), np.vstack([X, alpha**0.5 * beneath_X(W)])
    G, C, new = A.T @ A, A.T @ B, H.copy()
    for k in range(R):
        new[k] = np.maximum(new[k] + (C[k] - G[k] @ new) / G[k, k], 0)
    return np.append(new, penalised(X, W, H, alpha))


fits = jax.jit(lambda B, H, l2: run(B, Factors(H.T, H), HALS(l2_W=l2, l2_H=l2), num_iters=10)[0])


def agreement(E, H, alpha, shift=1):
    """Ten iterations from a symmetric start near X, for α and for weights that grow: what they must not exceed."""
    X, found = H.T @ H + E, {}
    for weight in (alpha, 10 * alpha, 1000 * alpha):
        W, new = fits(X + shift * weight * np.eye(N), H, weight)
        start, size = penalised(X, H.T, H, weight), np.sum(X * X)
        found[f"the penalised objective, {weight / alpha:g} α"] = excess(start, penalised(X, W, new, weight), size)
        found[f"‖W − Hᵀ‖², {weight / alpha:g} α"] = excess(2 * start / weight, np.sum((W - new.T) ** 2), size)
    return found


STATEMENTS = (
    Statement(
        42,
        "Symmetric NMF by a coupling ½α‖W − Hᵀ‖² is NMF of X + αI with the ridge α, and W → Hᵀ as α grows",
        "Kuang, Yun and Park 2015",
        (
            exact_chain(
                INPUTS,
                (penalised, multiplied_out, shifted),
                {
                    "without the trace": partial(shifted, trace=0),
                    "the ridge without its ½": partial(shifted, ridge=2),
                    "without α² n": partial(shifted, square=0),
                },
            ),
            chain(
                INPUTS,
                (of_the_source, library),
                {
                    "nothing of W beneath X": partial(of_the_source, beneath_X=lambda W: 0 * W.T),
                    "twice α": lambda X, W, H, alpha: of_the_source(X, W, H, 2 * alpha),
                },
            ),
            holds(
                NEAR,
                agreement,
                {
                    "the ridge without the shift": lambda *inputs: max(agreement(*inputs, shift=0).values()),
                    "the shift with the sign flipped": lambda *inputs: max(agreement(*inputs, shift=-1).values()),
                },
            ),
        ),
    ),
)
