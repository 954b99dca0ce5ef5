"""The algorithms. A step updates H, then W from the new H by the same half-step on Xᵀ ≈ HᵀWᵀ.

`beta`, `inner` and `solver` are structure; the penalties of `jnmf.algorithm` are numbers.
"""

import numbers
from dataclasses import replace
from typing import Any, ClassVar, Literal

from jax import Array, lax

from jnmf import checks, losses, multiplicative, nonnegative_least_squares, solvers, weighted
from jnmf.algorithm import Frobenius, alternate, gram_state, residual_info
from jnmf.factors import Factors
from jnmf.matrix import by_columns, is_completed
from jnmf.objective import penalty, projected_gradient_norm, with_penalty
from jnmf.pytree import static
from jnmf.solvers import ridge
from jnmf.types import Matrix, Number


class MU(Frobenius):
    """Multiplicative updates for the β-divergence (2 Frobenius, 1 KL, 0 Itakura–Saito, any real number), or any loss.

    beta: default 2. loss: instead of beta, a `jnmf.losses.Loss` such as losses.NegativeBinomial(alpha=2.0).

    Factors that start positive stay nonnegative with no projection; an entry at 0 stays there. The objective never
    rises. Lee and Seung 2001 (β = 2 and 1); Févotte and Idier 2011 (all β). For β = 2: `solvers.multiplicative` on the
    normal equations; else, and with a mask, `multiplicative.half_step`, which forms W H; the loss is an extra pass.
    Penalties stand in the denominator, so that entries fall towards zero and reach it only in the limit.
    X must be nonnegative; for β ≤ 0 its zeros must fill whole rows or columns, where the loss is finite.

    >>> jnmf.fit(X, 2, jnmf.MU(beta=1.0), max_iters=50).H.shape
    (2, 4)
    >>> jnmf.MU(loss=jnmf.losses.NegativeBinomial(alpha=2.0))
    MU(loss=NegativeBinomial(alpha=2.0))
    """

    beta: float | None = static(None)
    loss: Any = None
    nonnegative_data: ClassVar[bool] = True
    nonnegative_gram: ClassVar[bool] = True
    keeps_zeros: ClassVar[bool] = True
    descends: ClassVar[bool] = True
    separable: ClassVar[bool] = True
    scales: ClassVar[bool] = True
    entrywise: ClassVar[bool] = True

    def __post_init__(self):
        loss = losses.BetaDivergence(beta=2.0 if self.beta is None else self.beta) if self.loss is None else self.loss
        if not isinstance(loss, losses.Loss):
            raise TypeError(f"MU(loss=…): expected a Loss such as losses.kl or losses.NegativeBinomial(), got {loss!r}")
        beta = loss.beta if isinstance(loss, losses.BetaDivergence) else None
        if self.beta is not None and not (isinstance(self.beta, numbers.Real) and self.beta == beta):
            raise ValueError(
                f"MU(beta=…, loss=…): expected one of the two, got beta={self.beta!r} and loss={loss!r}; where "
                "dataclasses.replace gives one of them, give None for the other"
            )
        object.__setattr__(self, "loss", loss)
        object.__setattr__(self, "beta", beta)

    @property
    def implied(self) -> tuple[str]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return ("beta",) if self.beta is None else ("loss",)

    def solve(self, H, G, C):
        return solvers.multiplicative(H, G, C)

    def half_step(self, H, G, C, l1, l2):
        return solvers.multiplicative(H, ridge(G, l2), C, l1)

    def init(self, X, factors):
        return gram_state(X, factors) if self.uses_normal_equations(X) else factors

    def uses_normal_equations(self, X: Matrix) -> bool:
        return self.loss.quadratic and not is_completed(X)

    def is_late(self, X):
        return not self.uses_normal_equations(X)

    def step(self, X, state, start: Factors | None = None):
        if self.uses_normal_equations(X):
            return alternate(X, state, self, start)
        ahead = state if start is None else start
        penalties = self.l1_H, self.l2_H, self.on_H
        H, value, gradient = multiplicative.half_step_and_start(X, state.W, ahead.H, self.loss, *penalties)
        W = multiplicative.half_step_W(X, ahead.W, H, self.loss, self.l1_W, self.l2_W, self.on_W)
        if ahead is not state:  # its loss takes a product of its own
            _, value, gradient = multiplicative.half_step_and_start(X, state.W, state.H, self.loss)
        kkt = projected_gradient_norm(state, with_penalty(gradient, state, self), self)
        info = residual_info(X, Factors(W, H), self)
        info = info._replace(start_loss=value + penalty(state, self), start_kkt=kkt)
        return Factors(W, H), info


class HALS(Frobenius):
    """Hierarchical alternating least squares: each row of H, then each column of W, to its exact minimiser.

    `inner` sweeps over the rows share one product with X (accelerated HALS, Gillis and Glineur 2012a). The objective
    never rises. Cichocki, Zdunek and Amari 2007. A component whose row of H becomes zero keeps its column of W and can
    come back; when both are zero it is dead and stays so, and `fit` warns about it.

    >>> jnmf.fit(X, 2, jnmf.HALS(inner=3, l1_H=0.01)).status.name
    'CONVERGED'
    """

    inner: int = static(1)
    descends: ClassVar[bool] = True
    separable: ClassVar[bool] = True
    scales: ClassVar[bool] = True
    entrywise: ClassVar[bool] = True

    def __post_init__(self):
        checks.count(self.inner, "HALS(inner=…)", 1)
        object.__setattr__(self, "inner", int(self.inner))

    def solve(self, H, G, C, **within: Any):
        return lax.fori_loop(0, self.inner, lambda _, H: solvers.hals(H, G, C, **within), H)

    def weighted_half_step(self, X: Matrix, W: Array, H: Array, l1: Number, l2: Number) -> Array:
        return weighted.hals(X, W, H, l1, l2, self.inner)


class ALS(Frobenius):
    """Projected alternating least squares, W ← [(X Hᵀ − l1_W)(H Hᵀ + l2_W I)⁻¹]₊ and its twin for H.

    With the penalties this is the regularised rule [(X Hᵀ − α Φ_W)(H Hᵀ)⁻¹]₊, where Φ_W is the derivative of the
    penalty: for ½ l2 ‖W‖² it is linear in W and moves into the inverse; for l1 ΣW it is a matrix of ones. A
    rank-deficient Gram gets its pseudo-inverse. Fast per iteration, but the projection is not a minimiser: the
    objective can rise, and need not converge. Paatero and Tapper 1994; Berry et al. 2007.

    >>> jnmf.fit(X, 2, jnmf.ALS(l2_W=0.01, l2_H=0.01)).H.shape
    (2, 4)
    """

    separable: ClassVar[bool] = True
    scales: ClassVar[bool] = True
    definite: ClassVar[bool] = True
    entrywise: ClassVar[bool] = True
    projects: ClassVar[bool] = True

    def solve(self, H, G, C, **within: Any):
        return solvers.least_squares(H, G, C, **within)


class PGD(Frobenius):
    """Projected gradient steps, alternating between the blocks: [H − η ∇_H]₊.

    `step_size` None: η = 1/‖Gram‖₂ for each block, and the objective never rises. A number: that η for both blocks,
    divergent when it is too large (above 2/‖Gram‖₂); a pair: the η of H and that of W. "backtracking": Armijo's rule
    from 1/max Gram_kk. Lin 2007.

    >>> jnmf.fit(X, 2, jnmf.PGD(step_size="backtracking"), max_iters=50).H.shape
    (2, 4)
    """

    step_size: Number | tuple[Number, Number] | Literal["backtracking"] | solvers.Backtracking | None = None
    scales: ClassVar[bool] = True
    entrywise: ClassVar[bool] = True
    projects: ClassVar[bool] = True

    @property
    def descends(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.step_size is None or isinstance(self.step_size, solvers.Backtracking)

    @property
    def separable(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return not isinstance(self.step_size, solvers.Backtracking)  # one step size for all, by all

    @property
    def steps(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        return None if self.descends else self.step_size if isinstance(self.step_size, tuple) else (self.step_size,) * 2

    def __post_init__(self):
        if isinstance(self.step_size, str):
            if self.step_size != "backtracking":
                raise ValueError(f'PGD(step_size=…): expected None, a number or "backtracking", got {self.step_size!r}')
            object.__setattr__(self, "step_size", solvers.BACKTRACKING)

    def solve(self, H, G, C, **within: Any):
        step_size: Any = self.step_size  # of a name `__post_init__` has made what it means
        return solvers.projected_gradient(H, G, C, step_size, **within)

    def half_steps(self, X):
        if self.steps is None:
            return super().half_steps(X)
        of_H, of_W = (replace(self, step_size=step_size).half_step for step_size in self.steps)
        return self.with_terms(by_columns(X, of_H, 1), by_columns(X, of_W, 0))


class ANLS(Frobenius):
    """Alternating nonnegative least squares: each factor to its exact minimiser with the other fixed.

    `solver` "pivoting" (block principal pivoting, exact) or "projected_gradient" (accelerated, jaxopt, to rounding
    level). Pivoting is the default, since it was faster on every shape measured (8 to 43 times, see docs/speed.md).
    What either leaves unsolved, for instance where components are nearly the same, an active set finishes. The
    objective never rises, and every limit point is stationary. J. Kim and Park 2008; J. Kim and Park 2011.

    >>> jnmf.fit(X, 2, jnmf.ANLS()).status.name
    'CONVERGED'
    """

    solver: str = static("pivoting")
    descends: ClassVar[bool] = True
    separable: ClassVar[bool] = True
    scales: ClassVar[bool] = True
    exact: ClassVar[bool] = True
    definite: ClassVar[bool] = True

    def __post_init__(self):
        if self.solver not in nonnegative_least_squares.METHODS:
            known = ", ".join(map(repr, nonnegative_least_squares.METHODS))
            raise ValueError(f"ANLS(solver=…): expected one of {known}, got {self.solver!r}")

    def solve(self, H, G, C):
        return nonnegative_least_squares.exact(H, G, C, self.solver)

    def weighted_half_step(self, X: Matrix, W: Array, H: Array, l1: Number, l2: Number) -> Array:
        return weighted.exact(X, W, H, l1, l2, self.solve)
