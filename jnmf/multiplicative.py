"""The multiplicative update for any loss: the half-step (X, W, H) -> H that sees X, and starts it can leave."""

import jax
import jax.numpy as jnp

from jnmf import matrix
from jnmf.factors import Factors
from jnmf.numerics import divide, power, unit_of


def half_step(X, W, H, loss, l1=0.0, l2=0.0):
    r"""H ⊙ [ Wᵀ negative(X, Z) ⊘ (Wᵀ positive(X, Z) + l1 + l2 H) ]^γ with Z = W H and γ = loss.exponent.

    X (m, n), W (m, r), H (r, n), all ≥ 0 -> H (r, n), same dtype. It minimises a majoriser of D(X, WH) + l1 ΣH +
    ½ l2 ‖H‖² that touches it at H, so the objective never rises. For the β-divergence the parts are X ⊙ Z^{β−2} and
    Z^{β−1}; KL (β = 1, γ = 1) is H ⊙ [Wᵀ(X ⊘ WH)] ⊘ Wᵀ1, Lee and Seung 2001, eq. 5; all β: Févotte and Idier 2011,
    eq. 4.1; with penalties: Tan and Févotte 2013, table 1.

    A `Masked` X weighs the entries under both products. An entry of H that is 0 stays 0; where the quotient is 0/0, H
    has no effect on the loss and becomes 0.
    """
    return half_step_and_start(X, W, H, loss, l1, l2)[0]


def half_step_and_start(X, W, H, loss, l1=0.0, l2=0.0):
    """`half_step`, and of the W, H that it starts from D(X, WH), to eps of the sums of X and W H, and its gradient.

    The gradient is the difference of the two parts, to eps of their sums. What is not used is not computed.
    """
    scale = unit_of(jnp.max(W, axis=0))[:, None]  # in which the largest entries of each component of W are about 1
    negative, positive, unit, value, of_W = matrix.parts_H(X, loss, W / scale.T, scale * H)
    gradient = Factors(of_W / scale.T, (positive - negative) * (unit * scale))
    return _moved(H, negative, positive, unit * scale, loss, l1, l2), value, gradient


def half_step_W(X, W, H, loss, l1=0.0, l2=0.0):
    """half_step(Xᵀ, Hᵀ, Wᵀ)ᵀ, the update of W, without transposing X."""
    scale = unit_of(jnp.max(H, axis=1))[None, :]
    negative, positive, unit, _ = matrix.parts_W(X, loss, scale * W, H / scale.T)
    return _moved(W, negative, positive, unit * scale, loss, l1, l2)


def _moved(H, negative, positive, unit, loss, l1, l2):
    """The formula, for either factor, from the two parts in a unit."""
    # A penalty can outgrow the loss beyond the range of the dtype; it then wins, and is not lost.
    limits = jnp.finfo(H.dtype)
    penalty = jnp.minimum((l1 + l2 * H) / jnp.clip(unit, limits.tiny, limits.max), limits.max)
    ratio = divide(negative, positive + penalty)
    exponents = loss.exponent(ridge=False), loss.exponent(ridge=True)
    if exponents[0] == exponents[1]:
        return H * power(ratio, exponents[0])
    return H * jnp.where(l2 > 0, power(ratio, exponents[1]), power(ratio, exponents[0]))


@jax.jit
def stuck(X, factors: Factors):
    """The rows (m, 1) and columns (1, n), booleans, with an entry x > 0 that counts where W H is 0.

    There W_ik H_kj = 0 for all k, and a multiplicative update leaves every zero as it is: no number of them makes the
    entry positive. Where d(x, 0) is infinite the loss is, and stays so.
    """
    rows, columns = matrix.occupied(X, lambda x, z: (x > 0) & (z == 0), factors)
    return rows[:, None], columns[None, :]


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
