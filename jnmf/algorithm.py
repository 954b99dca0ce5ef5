"""What an algorithm is, and what the Frobenius methods share: a method of your own is a subclass of `Frobenius`.

An algorithm is an objective and a way to lower it, a frozen dataclass that is a pytree: real-valued hyperparameters are
leaves (a new value does not recompile, `vmap` over an algorithm runs a path of them), fields marked `static` structure.

    init(X, factors) -> state         step(X, state) -> (state, info)         state.factors

The penalties are those of the objective

    D(X, WH) + l1_W ΣW + l1_H ΣH + ½ l2_W ‖W‖² + ½ l2_H ‖H‖²,

with no scaling by m, n or r, and with the terms `on_W` and `on_H` of `jnmf.terms` added.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from jax import Array

from jnmf.factors import Factors
from jnmf.matrix import by_columns, has_own_half_steps, is_completed, most_weight, product, products, square
from jnmf.numerics import inner
from jnmf.objective import Objective, gradient, objective, penalty, projected_gradient_norm, with_penalty
from jnmf.pytree import Pytree
from jnmf.solvers import ridge
from jnmf.terms import together
from jnmf.types import HalfStep, Matrix, Number


class Info(NamedTuple):
    """What is recorded of an iteration: the objective and the projected-gradient norm of the factors it returns.

    `rounding` is how far a loss from the Gram matrices may be from that of the residual. `moved` is False where the
    iteration was dropped and the factors are the old ones: no sign of convergence. `start_loss` and `start_kkt` are of
    the factors that the iteration started from, where they come with it, while `loss` and `kkt` take passes over X of
    their own (`is_late`): what is not used is not computed.
    """

    loss: Array
    kkt: Array
    rounding: Array | float = 0.0
    moved: Array | bool = True
    start_loss: Array | None = None
    start_kkt: Array | None = None


class GramState(NamedTuple):
    """Wᵀ and H, and what the next half-step needs of X: WᵀX. ½‖X‖² is what the loss needs.

    Wᵀ (r, m) and not W: the solvers work on rows, and a batch of such states is multiplied with X as one matrix.
    """

    Wt: Array
    H: Array
    WtX: Array
    half_square: Array

    @property
    def factors(self) -> Factors:
        return Factors(self.Wt.T, self.H)


def gram_state(X: Matrix, factors: Factors) -> GramState | Factors:
    """The state at the start. Where X is completed, no product outlives the factors: they are the state."""
    if is_completed(X):
        return Factors(*factors)
    W, H = factors
    return GramState(W.T, H, product(X, W, H), 0.5 * square(X))


class Algorithm(Objective):
    """`init` and `step`, and what the method declares (by default as little as can be); `fit` and combinators ask.

    A step updates the factors once and returns with them an `Info`. A component that is zero in W and in H must stay
    so, since a sweep pads with them. Everything is traced: no `if` on values.
    """

    nonnegative_data: ClassVar[bool] = False  # X itself must be nonnegative
    nonnegative_gram: ClassVar[bool] = False  # G and C must be nonnegative, entry by entry
    keeps_zeros: ClassVar[bool] = False  # an entry at 0 stays there
    descends: ClassVar[bool] = False  # from any H ≥ 0 the half-step ends at an H ≥ 0 of no larger objective
    exact: ClassVar[bool] = False  # at the least objective: another half-step would change nothing
    separable: ClassVar[bool] = False  # each column of H, and row of W, is updated by itself, given G
    scales: ClassVar[bool] = False  # the same of 2ᵃ W and 2ᵇ H for 2ᵃ⁺ᵇ X, with penalties and steps in their units
    takes_terms: ClassVar[bool] = False  # the step lowers the objective with `on_W` and `on_H`
    definite: ClassVar[bool] = False  # G must be positive semidefinite
    entrywise: ClassVar[bool] = False  # the solver takes project=, for a set that is an interval in each entry
    projects: ClassVar[bool] = False  # and for any other
    steps: ClassVar[Any] = None  # the step sizes of H and of W, where they are given: they have units

    def init(self, X: Matrix, factors: Factors) -> Any:
        """The state at the start, with a property `factors`; Factors themselves are one."""
        raise NotImplementedError(f"{type(self).__name__} needs init(self, X, factors) -> state")

    def step(self, X: Matrix, state: Any) -> tuple[Any, "Info"]:
        """One iteration."""
        raise NotImplementedError(f"{type(self).__name__} needs step(self, X, state) -> (state, info)")

    def check_terms(self) -> None:
        super().check_terms()
        together.check_honoured(self)

    def is_late(self, X: Matrix) -> bool:
        """Whether a step knows `Info.start_loss` and `start_kkt`, and has to look for those of its end."""
        return False


class Frobenius(Algorithm):
    """Alternating half-steps on the normal equations, with the terms. A method is its solver (H, G, C) -> H.

    One iteration forms two products with X: H Xᵀ for W, and WᵀX for the next H. Where X is read, one reading gives
    both to a method that is `separable`. The loss and both gradients of the new
    factors follow from them:  ½‖X‖² − ⟨H Xᵀ, Wᵀ⟩ + ½⟨WᵀW, HHᵀ⟩. Near an exact fit the terms cancel: below eps·½‖X‖²
    this loss is rounding.

        class Mine(Frobenius):
            weight: float = 0.5

            def solve(self, H, G, C):
                return H + self.weight * (solvers.hals(H, G, C) - H)
    """

    takes_terms: ClassVar[bool] = True

    def solve(self, H: Array, G: Array, C: Array) -> Array:
        """H (r, n) ≥ 0 that lowers ½⟨H, G H⟩ − ⟨C, H⟩, G (r, r), C (r, n): see `jnmf.solvers`."""
        raise NotImplementedError(f"{type(self).__name__} needs a solver, solve(self, H, G, C) -> H")

    def half_step(self, H: Array, G: Array, C: Array, l1: Number, l2: Number, **within: Any) -> Array:
        """`solve` with the penalties put into G = WᵀW and C = WᵀX; within the set that a `project` tells, if any."""
        return self.solve(H, ridge(G, l2), C - l1, **within)

    def half_steps(self, X: Matrix) -> tuple[HalfStep, HalfStep]:
        """The half-step for H and that for Wᵀ, with their terms."""
        return self.with_terms(*each_its_share(X, self))

    def with_terms(self, of_H: HalfStep, of_W: HalfStep) -> tuple[HalfStep, HalfStep]:
        on_W = together.transposed(self.on_W)
        by_projection = self.nonnegative_gram
        return together.in_half_step(of_H, self.on_H, by_projection), together.in_half_step(of_W, on_W, by_projection)

    weighted_half_step: ClassVar[Any] = None  # (self, X, W, H, l1, l2) -> H, by the weights of the entries of X

    def __init_subclass__(cls, **options):
        if {"solve", "half_step"} & set(vars(cls)) and "weighted_half_step" not in vars(cls):
            cls.weighted_half_step = None  # that of another solver
        super().__init_subclass__(**options)

    def init(self, X, factors):
        return gram_state(X, factors)

    def step(self, X, state):
        return alternate(X, state, self)


def each_its_share(X: Matrix, algorithm: Any) -> tuple[HalfStep, HalfStep]:
    """The half-step for H and that for Wᵀ, without terms: by shares of the columns, where each is taken by itself."""
    if not algorithm.separable:
        return algorithm.half_step, algorithm.half_step
    return by_columns(X, algorithm.half_step, 1), by_columns(X, algorithm.half_step, 0)


class Combinator(Pytree):
    """An algorithm made of another one, whose objective it has."""

    algorithm: Any
    loss = property(lambda self: self.algorithm.loss)
    l1_W = property(lambda self: self.algorithm.l1_W)
    l1_H = property(lambda self: self.algorithm.l1_H)
    l2_W = property(lambda self: self.algorithm.l2_W)
    l2_H = property(lambda self: self.algorithm.l2_H)
    on_W = property(lambda self: self.algorithm.on_W)
    on_H = property(lambda self: self.algorithm.on_H)
    nonnegative_data = property(lambda self: self.algorithm.nonnegative_data)
    keeps_zeros = property(lambda self: self.algorithm.keeps_zeros)
    separable = property(lambda self: self.algorithm.separable)
    scales = property(lambda self: self.algorithm.scales)
    steps = property(lambda self: self.algorithm.steps)

    def is_late(self, X: Matrix) -> bool:
        return False


def advice(*makers: Callable[[], Any]) -> str:
    """What to write instead: the first of these that can be made, so that it works; else it stays as it is."""
    for make in makers:
        try:
            return f"write {make()!r}"
        except (AttributeError, TypeError, ValueError):
            continue
    return "use it as it is"


def wrapped(value: Any, combinator: type) -> None:
    """What a combinator is made of is an algorithm, or a TypeError says what to write."""
    if isinstance(value, type) and issubclass(value, Algorithm | Combinator):
        hint = advice(lambda: combinator(value()), value) if issubclass(value, Algorithm) else "pass one of it"
        raise TypeError(f"{combinator.__name__}(…): expected an instance, got the class {value.__name__}; {hint}")
    if not isinstance(value, Algorithm | Combinator):
        raise TypeError(
            f"{combinator.__name__}(…): expected an algorithm such as HALS(), got {value!r}; "
            "a method of your own is a subclass of jnmf.Frobenius"
        )


OWN = "a method of your own declares it by descends: ClassVar[bool] = True"


def half_steps_of(X: Matrix, algorithm: Any) -> tuple[Callable[[Array, Array], Array], Callable[[Array, Array], Array]]:
    """(W, H) -> H and (W, H) -> W, the half-steps on an X that `is_completed`."""
    own = algorithm.weighted_half_step if has_own_half_steps(X) else None
    of_H, of_W = (
        own if own and not together.listed(on) else partial(imputed, half_step)  # which takes no terms
        for half_step, on in zip(algorithm.half_steps(X), (algorithm.on_H, algorithm.on_W), strict=True)
    )
    return (
        lambda W, H: of_H(X, W, H, algorithm.l1_H, algorithm.l2_H),
        lambda W, H: of_W(X.T, H.T, W.T, algorithm.l1_W, algorithm.l2_W).T,
    )


def imputed(half_step: HalfStep, X: Matrix, W: Array, H: Array, l1: Number, l2: Number) -> Array:
    """`half_step` on the normal equations of a majoriser of the weighted loss: c WᵀW and Wᵀ(M ⊙ X + (c − M) ⊙ WH).

    c is the largest weight. See `jnmf.matrix.masked`.
    """
    return half_step(H, most_weight(X) * (W.T @ W), product(X, W, H), l1, l2)


def alternate(X: Matrix, state: Any, algorithm: Any, start: Factors | None = None) -> tuple[Any, Info]:
    """One iteration: H, then W from the new H, each by the algorithm's half-step on its normal equations.

    `start`: where the half-steps begin, if not at the factors of the state.
    """
    if is_completed(X):
        W, H = state.factors if start is None else start
        half_step_H, half_step_W = half_steps_of(X, algorithm)
        H = half_step_H(W, H)
        factors = Factors(half_step_W(W, H), H)
        return factors, residual_info(X, factors, algorithm)
    Wt, H, WtX, half_square = state
    start_Wt, start_H = (Wt, H) if start is None else (start.W.T, start.H)
    half_step_H, half_step_W = algorithm.half_steps(X)
    H = half_step_H(start_H, Wt @ Wt.T, WtX, algorithm.l1_H, algorithm.l2_H)
    HHt = H @ H.T
    update = lambda Wt, HXt: half_step_W(Wt, HHt, HXt, algorithm.l1_W, algorithm.l2_W)
    separable = algorithm.separable and together.separable(algorithm.on_W)
    HXt, Wt, WtX = products(X, start_Wt, H, update, separable)
    factors, WtW = Factors(Wt.T, H), Wt @ Wt.T
    new = GramState(Wt, H, WtX, half_square)
    return new, gram_info(factors, HXt, HHt, WtX, WtW, half_square, algorithm)


def gram_info(
    factors: Factors, HXt: Array, HHt: Array, WtX: Array, WtW: Array, half_square: Array, algorithm: Any
) -> Info:
    """`Info` from the products in hand: ½‖X‖² − ⟨H Xᵀ, Wᵀ⟩ + ½⟨WᵀW, HHᵀ⟩ and its gradients, with the penalties."""
    W, H = factors
    loss = jnp.maximum(half_square - inner(HXt, W.T) + 0.5 * inner(WtW, HHt), 0)
    gradients = with_penalty(Factors((HHt @ W.T - HXt).T, WtW @ H - WtX), factors, algorithm)
    kkt = projected_gradient_norm(factors, gradients, algorithm)
    return Info(loss + penalty(factors, algorithm), kkt, rounding=jnp.finfo(loss.dtype).eps * half_square)


def residual_info(X: Matrix, factors: Factors, algorithm: Any) -> Info:
    """`Info` from W H itself."""
    kkt = projected_gradient_norm(factors, gradient(X, factors, algorithm), algorithm)
    return Info(objective(X, factors, algorithm), kkt)
