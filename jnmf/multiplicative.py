"""The multiplicative update for a β-divergence: the half-step (X, W, H) -> H that sees X, and starts it can leave."""

import jax
import jax.numpy as jnp

from jnmf.blocks import in_blocks
from jnmf.factors import Factors
from jnmf.masked import Masked, weighted
from jnmf.numerics import divide, power


def half_step(X, W, H, beta: float, l1=0.0, l2=0.0):
    r"""H ⊙ [ Wᵀ(X ⊙ Z^{β−2}) ⊘ (Wᵀ Z^{β−1} + l1 + l2 H) ]^γ with Z = W H.

    X (m, n), W (m, r), H (r, n), all ≥ 0 -> H (r, n), same dtype. It minimises a majoriser of
    D_β(X, WH) + l1 ΣH + ½ l2 ‖H‖² that touches it at H, so the objective never rises, for every β: see `exponent`.
    KL (β = 1, γ = 1) is H ⊙ [Wᵀ(X ⊘ WH)] ⊘ Wᵀ1, Lee and Seung 2001, eq. 5; all β: Févotte and Idier 2011, eq. 4.1;
    with penalties: Tan and Févotte 2013, table 1.

    A `Masked` X weighs the entries under both products. An entry of H that is 0 stays 0; where the quotient is 0/0, H
    has no effect on the loss and becomes 0.
    """
    scale = jnp.max(W, axis=0)
    W_in_units = divide(W, scale[None, :])
    pulled_back = lambda A: W_in_units.T @ A
    sums = jnp.sum(W_in_units, axis=0)[:, None]
    step = lambda X, H: _update(H, X, W @ H, pulled_back, sums, scale[:, None], 0, beta, l1, l2)
    return in_blocks(step, X, H, axis=1)


def half_step_W(X, W, H, beta: float, l1=0.0, l2=0.0):
    """half_step(Xᵀ, Hᵀ, Wᵀ)ᵀ, the update of W, without transposing X, which takes as long as a product."""
    scale = jnp.max(H, axis=1)
    H_in_units = divide(H, scale[:, None])
    pulled_back = lambda A: A @ H_in_units.T
    sums = jnp.sum(H_in_units, axis=1)[None, :]
    step = lambda X, W: _update(W, X, W @ H, pulled_back, sums, scale[None, :], 1, beta, l1, l2)
    return in_blocks(step, X, W, axis=0)


def _update(H, X, Z, pulled_back, sums, scale, axis, beta, l1, l2):
    """The formula, for either factor: `pulled_back(A)` is WᵀA or A Hᵀ, `sums` that of a matrix of ones.

    The other factor is in units `scale`, one a component, so that its largest entries are 1. The quotient is the mean
    of X ⊘ Z with the weights Z^{β−1}, whose units do not matter either: each column of Z (row, for W) has its own.
    """
    if beta == 1:
        numerator = pulled_back(weighted(divide, X, Z))
        denominator = pulled_back(X.M) if isinstance(X, Masked) else sums
    else:
        weights, unit = _weights(Z, axis, beta - 1)
        numerator = pulled_back(weighted(lambda x, z, w: divide(x, z) * w, X, Z, weights))
        denominator = pulled_back(weighted(lambda _, w: w, X, weights))
        scale = scale * unit
    # A penalty can outgrow the loss beyond the range of the dtype; it then wins, and is not lost.
    limits = jnp.finfo(Z.dtype)
    penalty = jnp.minimum((l1 + l2 * H) / jnp.clip(scale, limits.tiny, limits.max), limits.max)
    ratio = divide(numerator, denominator + penalty)
    return H * jnp.where(l2 > 0, power(ratio, exponent(beta, ridge=True)), power(ratio, exponent(beta, ridge=False)))


def _weights(Z, axis, exponent):
    """Z^exponent and its units, one a column (axis 0) or row (axis 1): powers of the middle of the range of Z there.

    So the weights of up to 30 decades of Z are in the range of float32 for Z^{−2} to Z². What lies outside saturates, a
    quarter of the range being left for the sums and for X ⊘ Z.
    """
    limits = jnp.finfo(Z.dtype)
    low = jnp.min(jnp.where(Z > 0, Z, limits.max), axis=axis, keepdims=True)
    high = jnp.max(Z, axis=axis, keepdims=True)
    middle = jnp.where(high > 0, jnp.sqrt(low) * jnp.sqrt(high), 1)
    largest = float(limits.max) ** 0.75
    weights = jnp.where(Z > 0, jnp.clip(power(Z / middle, exponent), 1 / largest, largest), 0)
    return weights, jnp.clip(power(middle, exponent), limits.tiny, limits.max)


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


@jax.jit
def stuck(X, factors: Factors):
    """The rows (m, 1) and columns (1, n), booleans, with an entry x > 0 that counts where W H is 0.

    There W_ik H_kj = 0 for all k, and a multiplicative update leaves every zero as it is: no number of them makes the
    entry positive. For β ≤ 1 the loss is infinite, and stays so.
    """
    W, H = factors

    def missed(X, Z, axis):
        entries = weighted(lambda x, z: (x > 0) & (z == 0), X, Z) > 0
        return jnp.any(entries, axis=axis, keepdims=True)

    rows = in_blocks(lambda XW, _: missed(XW[0], XW[1] @ H, 1), (X, W), jnp.zeros((len(W), 1), bool), axis=0)
    columns = in_blocks(lambda XH, _: missed(XH[0], W @ XH[1], 0), (X, H), jnp.zeros((1, H.shape[1]), bool), axis=1)
    return rows, columns


@jax.jit
def lifted(X, factors: Factors) -> Factors:
    """The factors, the zeros in their `stuck` rows and columns raised to 1/100 of the mean of their component.

    All else stays, other zeros too. So does a component that is zero in W or in H. The k-th component is raised by 1/k
    of that: raised alike, components that are alike but for an exchange would remain so in all iterations.
    """
    rows, columns = stuck(X, factors)
    share = 0.01 / jnp.arange(1, factors.H.shape[0] + 1, dtype=factors.H.dtype)
    level_W, level_H = share * jnp.mean(factors.W, axis=0), share * jnp.mean(factors.H, axis=1)
    W = jnp.where(rows, jnp.maximum(factors.W, level_W[None, :]), factors.W)
    H = jnp.where(columns, jnp.maximum(factors.H, level_H[:, None]), factors.H)
    return Factors(W, H)
