"""The algorithms: each a frozen dataclass that is a pytree, with three pure methods.

    init(X, factors) -> state         step(X, state) -> (state, info)         factors(state) -> Factors

A step updates H, then W from the new H by the same half-step on Xᵀ ≈ HᵀWᵀ. Real-valued hyperparameters are leaves: a
new value does not recompile, and `vmap` over an algorithm runs a path of them. `beta`, `inner` and `solver` are
structure. The penalties are those of the objective

    D(X, WH) + l1_W ΣW + l1_H ΣH + ½ l2_W ‖W‖² + ½ l2_H ‖H‖²,

with no scaling by m, n or r.
"""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from jnmf import multiplicative, nonnegative_least_squares, solvers
from jnmf.factors import Factors
from jnmf.masked import Masked, product, square
from jnmf.objective import (
    Objective,
    gradient,
    objective,
    penalty,
    projected_gradient_norm,
    pytree,
    static,
    with_penalty,
)


class Info(NamedTuple):
    """What is recorded of an iteration: the objective and the projected-gradient norm of the factors it returns.

    `moved` is False where the iteration was dropped and the factors are the old ones: no sign of convergence.
    """

    loss: Array
    kkt: Array
    moved: Array | bool = True


class GramState(NamedTuple):
    """Wᵀ and H, and what the next half-step needs of X: WᵀX. ½‖X‖² is what the loss needs.

    Wᵀ (r, m) and not W: the solvers work on rows, and a batch of such states is multiplied with X as one matrix.
    """

    Wt: Array
    H: Array
    WtX: Array
    half_square: Array


@pytree
class Frobenius(Objective):
    """Alternating half-steps on the normal equations. A method is its solver (H, G, C) -> H.

    One iteration forms two products with X: H Xᵀ for W, and WᵀX for the next H. The loss and both gradients of the new
    factors follow from them:  ½‖X‖² − ⟨H Xᵀ, Wᵀ⟩ + ½⟨WᵀW, HHᵀ⟩. Near an exact fit the terms cancel: below eps·½‖X‖²
    this loss is rounding.
    """

    nonnegative_data: ClassVar[bool] = False  # whether X itself must be nonnegative

    def solve(self, H, G, C):
        raise NotImplementedError

    def init(self, X, factors):
        W, H = factors
        return GramState(W.T, H, product(X, W, H), 0.5 * square(X))

    def step(self, X, state):
        return alternate(X, state, self)

    def solvers(self, shape):
        """The solver for H and the one for Wᵀ, for X of this shape."""
        return self.solve, self.solve

    def factors(self, state):
        return Factors(state.Wt.T, state.H)


def alternate(X, state: GramState, algorithm):
    """One iteration: H, then W from the new H, each by the algorithm's solver on its normal equations."""
    Wt, H, WtX, half_square = state
    solve_H, solve_W = algorithm.solvers(X.shape)
    H = solve_H(H, ridge(Wt @ Wt.T, algorithm.l2_H), WtX - algorithm.l1_H)
    HXt, HHt = product(X.T, H.T, Wt), H @ H.T
    Wt = solve_W(Wt, ridge(HHt, algorithm.l2_W), HXt - algorithm.l1_W)
    factors = Factors(Wt.T, H)
    WtX, WtW = product(X, *factors), Wt @ Wt.T
    new = GramState(Wt, H, WtX, half_square)
    if isinstance(X, Masked):  # HXt was imputed from the W before
        return new, residual_info(X, factors, algorithm)
    loss = half_square - jnp.vdot(HXt, Wt) + 0.5 * jnp.vdot(WtW, HHt)
    gradients = with_penalty(Factors((HHt @ Wt - HXt).T, WtW @ H - WtX), factors, algorithm)
    info = Info(jnp.maximum(loss, 0) + penalty(factors, algorithm), projected_gradient_norm(factors, gradients))
    return new, info


def residual_info(X, factors, algorithm) -> Info:
    """`Info` from W H itself."""
    return Info(objective(X, factors, algorithm), projected_gradient_norm(factors, gradient(X, factors, algorithm)))


def ridge(G, l2):
    """G + l2·I."""
    return G + l2 * jnp.eye(G.shape[0], dtype=G.dtype)


@pytree
class MU(Frobenius):
    """Multiplicative updates for the β-divergence: 2 Frobenius, 1 KL, 0 Itakura–Saito, any real number.

    Factors that start positive stay nonnegative with no projection; an entry at 0 stays there. The objective never
    rises. Lee and Seung 2001 (β = 2 and 1); Févotte and Idier 2011 (all β). For β = 2: `solvers.multiplicative` on the
    normal equations; else, and with a mask, `multiplicative.half_step`, which forms W H; the loss is an extra pass.
    For β = 2 an l1 penalty is taken from the numerator, which makes exact zeros; for other β it is in the denominator.
    X must be nonnegative; for β ≤ 0 its zeros must fill whole rows or columns, where the loss is finite.
    """

    beta: float = static(2.0)
    nonnegative_data: ClassVar[bool] = True

    def solve(self, H, G, C):
        return solvers.multiplicative(H, G, C)

    def init(self, X, factors):
        return super().init(X, factors) if self.uses_normal_equations(X) else factors

    def factors(self, state):
        return state if isinstance(state, Factors) else super().factors(state)

    def uses_normal_equations(self, X):
        return self.beta == 2 and not isinstance(X, Masked)

    def step(self, X, state):
        if self.uses_normal_equations(X):
            return super().step(X, state)
        W, H = state
        H = multiplicative.half_step(X, W, H, self.beta, self.l1_H, self.l2_H)
        W = multiplicative.half_step_W(X, W, H, self.beta, self.l1_W, self.l2_W)
        return Factors(W, H), residual_info(X, Factors(W, H), self)


@pytree
class HALS(Frobenius):
    """Hierarchical alternating least squares: each row of H, then each column of W, to its exact minimiser.

    `inner` sweeps over the rows share one product with X (accelerated HALS, Gillis and Glineur 2012). The objective
    never rises. Cichocki, Zdunek and Amari 2007. A component whose row of H becomes zero keeps its column of W and can
    come back; when both are zero it is dead and stays so, and `fit` warns about it.
    """

    inner: int = static(1)

    def __post_init__(self):
        if not isinstance(self.inner, int) or self.inner < 1:
            raise ValueError(f"HALS(inner=…): expected an integer of at least 1, got {self.inner!r}")

    def solve(self, H, G, C):
        return lax.fori_loop(0, self.inner, lambda _, H: solvers.hals(H, G, C), H)


@pytree
class ALS(Frobenius):
    """Projected alternating least squares, W ← [(X Hᵀ − l1_W)(H Hᵀ + l2_W I)⁻¹]₊ and its twin for H.

    With the penalties this is the regularised rule [(X Hᵀ − α Φ_W)(H Hᵀ)⁻¹]₊, where Φ_W is the derivative of the
    penalty: for ½ l2 ‖W‖² it is linear in W and moves into the inverse; for l1 ΣW it is a matrix of ones. A
    rank-deficient Gram gets its pseudo-inverse. Fast per iteration, but the projection is not a minimiser: the
    objective can rise, and need not converge. Paatero and Tapper 1994; Berry et al. 2007.
    """

    def solve(self, H, G, C):
        return solvers.least_squares(H, G, C)


@pytree
class PGD(Frobenius):
    """Projected gradient steps, alternating between the blocks: [H − η ∇_H]₊.

    `step_size` None: η = 1/‖Gram‖₂ for each block, and the objective never rises. A number: that η for both blocks,
    divergent when it is too large (above 2/‖Gram‖₂). "backtracking": Armijo's rule from 1/max Gram_kk. Lin 2007.
    """

    step_size: Any = None

    def __post_init__(self):
        if isinstance(self.step_size, str):
            if self.step_size != "backtracking":
                raise ValueError(f'PGD(step_size=…): expected None, a number or "backtracking", got {self.step_size!r}')
            object.__setattr__(self, "step_size", solvers.BACKTRACKING)

    def solve(self, H, G, C):
        return solvers.projected_gradient(H, G, C, self.step_size)


@pytree
class ANLS(Frobenius):
    """Alternating nonnegative least squares: each factor to its exact minimiser with the other fixed.

    `solver` "pivoting" (block principal pivoting, exact) or "projected_gradient" (accelerated, jaxopt, to rounding
    level). Pivoting is the default since it was the faster on every shape measured (7 to 43 times, see
    docs/speed.md). The objective never rises, and every limit point is stationary. Kim and Park 2008, 2011.
    """

    solver: str = static("pivoting")

    def __post_init__(self):
        if self.solver not in nonnegative_least_squares.METHODS:
            known = ", ".join(map(repr, nonnegative_least_squares.METHODS))
            raise ValueError(f"ANLS(solver=…): expected one of {known}, got {self.solver!r}")

    def solve(self, H, G, C):
        return nonnegative_least_squares.exact(H, G, C, self.solver)
