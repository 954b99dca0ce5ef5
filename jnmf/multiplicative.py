"""The multiplicative update for a β-divergence: the half-step (X, W, H) -> H that sees X."""

import jax.numpy as jnp

from jnmf.blocks import in_blocks
from jnmf.factors import project_nonnegative
from jnmf.losses import divide, power
from jnmf.masked import Masked, weighted


def half_step(X, W, H, beta: float, l1=0.0, l2=0.0):
    r"""H ⊙ [ Wᵀ(X ⊙ Z^{β−2}) ⊘ (Wᵀ Z^{β−1} + l1 + l2 H) ]^γ with Z = W H.

    X (m, n), W (m, r), H (r, n), all ≥ 0 -> H (r, n), same dtype. It minimises a majoriser of
    D_β(X, WH) + l1 ΣH + ½ l2 ‖H‖² that touches it at H, so the objective never rises, for every β: see `exponent`.
    KL (β = 1, γ = 1) is H ⊙ [Wᵀ(X ⊘ WH)] ⊘ Wᵀ1, Lee and Seung 2001, eq. 5; all β: Févotte and Idier 2011, eq. 4.1;
    with penalties: Tan and Févotte 2013, table 1.

    A `Masked` X weighs the entries under both products. β = 2 takes l1 from the numerator, as `solvers.multiplicative`.
    An entry of H that is 0 stays 0; where the quotient is 0/0, H has no effect on the loss and becomes 0.
    """
    sums = jnp.sum(W, axis=0)[:, None]
    step = lambda X, H: _update(H, X, W @ H, lambda A: W.T @ A, sums, beta, l1, l2)
    return in_blocks(step, X, H, axis=1)


def half_step_W(X, W, H, beta: float, l1=0.0, l2=0.0):
    """half_step(Xᵀ, Hᵀ, Wᵀ)ᵀ, the update of W, without transposing X, which takes as long as a product."""
    sums = jnp.sum(H, axis=1)[None, :]
    step = lambda X, W: _update(W, X, W @ H, lambda A: A @ H.T, sums, beta, l1, l2)
    return in_blocks(step, X, W, axis=0)


def _update(H, X, Z, pulled_back, sums, beta, l1, l2):
    """The formula, for either factor: `pulled_back(A)` is WᵀA or A Hᵀ, `sums` that of a matrix of ones."""
    if beta == 2:
        numerator, denominator = (pulled_back(weighted(f, X, Z)) for f in (lambda x, z: x, lambda x, z: z))
        numerator, l1 = project_nonnegative(numerator - l1), 0  # as solvers.multiplicative has it
    elif beta == 1:
        numerator = pulled_back(weighted(divide, X, Z))
        denominator = pulled_back(X.M) if isinstance(X, Masked) else sums
    else:
        # The powers are taken of Z in units of its largest entry: the quotient is the same, and nothing overflows.
        unit = jnp.max(Z)
        z = divide(Z, unit)
        numerator = pulled_back(weighted(lambda x, z: divide(x, unit) * power(z, beta - 2), X, z))
        denominator = pulled_back(weighted(lambda x, z: power(z, beta - 1), X, z))
        # A penalty can outgrow the loss beyond the range of the dtype (unit → 0, β > 1); it then wins, and is not lost.
        limits = jnp.finfo(Z.dtype)
        unit = jnp.maximum(unit ** (beta - 1), limits.tiny)
        l1, l2 = jnp.minimum(l1 / unit, limits.max), jnp.minimum(l2 / unit, limits.max)
    ratio = divide(numerator, denominator + l1 + l2 * H)
    return H * jnp.where(l2 > 0, power(ratio, exponent(beta, ridge=True)), power(ratio, exponent(beta, ridge=False)))


def exponent(beta: float, ridge: bool) -> float:
    """γ(β), the exponent with which the multiplicative update descends (Févotte and Idier 2011; Tan and Févotte 2013).

    The majoriser holds the ratio u = H⁺/H in the powers u^{β−1} or 1 (from Z^{β−1} or its tangent) and u^{β−2} or 1
    (from X Z^{β−2}), u⁰ (l1) and u¹ (l2). Raising each increasing term to the largest power present keeps it a
    majoriser and leaves one power to solve for: 1/(2−β) below β = 1, 1 up to 2, 1/(β−1) above; with l2 > 0,
    1/(3−β) up to β = 2.
    """
    if beta > 2:
        return 1 / (beta - 1)
    if ridge:
        return 1 / (3 - beta)
    return 1 / (2 - beta) if beta < 1 else 1.0
