"""The checkers reject, for each promise, something that breaks it. What passes: the tables of the other test files."""

import dataclasses
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnmf import (
    ALS,
    HALS,
    Algorithm,
    Factors,
    Frobenius,
    losses,
    matrix,
    solvers,
)
from jnmf.algorithm import alternate, gram_info, residual_info
from jnmf.checks import is_traced
from jnmf.matrix.columns import Columns
from jnmf.pytree import static
from jnmf.testing import algorithms, check_algorithm, check_loss, check_matrix, matrices, pytrees
from jnmf.testing import losses as of_losses
from jnmf.testing.promises import paragraphs

# Wrong algorithms. The least of a method, so that each is a small program: multiplicative steps.


class Right(Frobenius):
    nonnegative_data: ClassVar[bool] = True
    nonnegative_gram: ClassVar[bool] = True
    sweeps: int = static(1)

    def solve(self, H, G, C):
        return solvers.multiplicative(H, G, C)


class RightDescending(Right):
    descends: ClassVar[bool] = True


@dataclass(frozen=True)
class Plain:
    """With all that an algorithm has, but that it is a pytree."""

    weight: float = 0.5
    sweeps: int = 1
    loss: ClassVar[Any] = losses.frobenius
    l1_W: float = 0.0
    l1_H: float = 0.0
    l2_W: float = 0.0
    l2_H: float = 0.0
    step: ClassVar[Any] = None


@dataclass(frozen=True)
class Forgetful(Plain):
    pass


@dataclass(frozen=True)
class Recompiling(Plain):
    pass


NAMES = [field.name for field in dataclasses.fields(Plain)]
jax.tree_util.register_pytree_node(Forgetful, lambda x: ((x.weight,), None), lambda _, leaves: Forgetful(*leaves))
jax.tree_util.register_dataclass(Recompiling, [n for n in NAMES if n != "weight"], ["weight"])


class Unequal(Right):
    names: Any = static(())


class Branching(Right):
    def solve(self, H, G, C):
        return H if H[0, 0] > 1 else solvers.multiplicative(H, G, C)


class Widening(Right):
    def init(self, X, factors):
        return super().init(X, factors)._replace(half_square=0)

    def step(self, X, state):
        new, info = super().step(X, state)
        return new._replace(half_square=new.half_square + 0.5), info


class Rescaling(Right):
    def init(self, X, factors):
        return super().init(X, Factors(2 * factors.W, 0.5 * factors.H))


class Pair(Algorithm):
    """A state without `.factors`."""

    def init(self, X, factors):
        return tuple(factors)

    def step(self, X, state):
        return state, residual_info(X, Factors(*state), self)


class Dividing(Right):
    def solve(self, H, G, C):
        return H * C / (G @ H)


class Unprojected(Frobenius):
    def solve(self, H, G, C):
        return H - (G @ H - C) / (jnp.trace(G) + 1)


class WrongInfo(Right):
    """The Info of another method, with something changed."""

    def changed(self, info, X, old, new) -> Any:
        raise NotImplementedError

    def step(self, X, state):
        new, info = super().step(X, state)
        return new, self.changed(info, X, state.factors, new.factors)


class Lagging(WrongInfo):
    def changed(self, info, X, old, new):
        return residual_info(X, old, self)


class Unpenalised(WrongInfo):
    def changed(self, info, X, old, new):
        return info._replace(loss=losses.frobenius(X, *new))


class Certain(WrongInfo):
    """With the loss of Gram matrices, whose rounding it does not tell."""

    def changed(self, info, X, old, new):
        return info._replace(rounding=0.0)


class Unprojecting(WrongInfo):
    def changed(self, info, X, old, new):
        return info._replace(kkt=jnp.linalg.norm(losses.frobenius.grad_H(X, *new)))


class Late(WrongInfo):
    def is_late(self, X):
        return True

    def changed(self, info, X, old, new):
        return info


class LateByTwo(Late):
    def changed(self, info, X, old, new):
        return info._replace(start_loss=info.loss, start_kkt=info.kkt)


class Still(WrongInfo):
    def changed(self, info, X, old, new):
        return info._replace(moved=False)


class Floored(Right):
    def solve(self, H, G, C):
        return jnp.maximum(solvers.multiplicative(H, G, C), 1e-6)


class KeepingNothing(Frobenius):
    keeps_zeros: ClassVar[bool] = True

    def solve(self, H, G, C):
        return solvers.hals(H, G, C)


class Rising(ALS):
    descends: ClassVar[bool] = True


class RisingInH(RightDescending):
    """A half-step in H that rises, before one in W that makes up for it."""

    def half_steps(self, X):
        too_far = lambda H, *args: H + 2.2 * (self.half_step(H, *args) - H)
        return lambda *args: jnp.maximum(too_far(*args), 0), self.half_step


class Undeclared(RightDescending):
    nonnegative_data: ClassVar[bool] = False
    nonnegative_gram: ClassVar[bool] = False


class Inexact(HALS):
    exact: ClassVar[bool] = True


class Unmasked(Right):
    """Looks at Gram matrices where X is completed."""

    def step(self, X, state):
        new, _ = alternate(X, state, self)
        W, H = new.factors
        HXt = matrix.product(X.T, H.T, W.T)
        WtX, half_square = matrix.product(X, W, H), 0.5 * matrix.square(X)
        return new, gram_info(new.factors, HXt, H @ H.T, WtX, W.T @ W, half_square, self)


class Indexing(Right):
    def step(self, X, state):
        return alternate(X + 0, state, self)


class Overshooting(RightDescending):
    """Goes too far where X is completed."""

    def step(self, X, state):
        new, info = super().step(X, state)
        if not matrix.is_completed(X):
            return new, info
        new = new._replace(H=jnp.maximum(new.H + 2 * (new.H - state.H), 0))
        return new, residual_info(X, new.factors, self)


class Partial(HALS):
    """The last component is never updated."""

    def solve(self, H, G, C):
        return H.at[:-1].set(solvers.hals(H, G, C)[:-1])


class Ordered(Right):
    """The first column has two updates."""

    def solve(self, H, G, C):
        once = solvers.multiplicative(H, G, C)
        return once.at[:, :1].set(solvers.multiplicative(once, G, C)[:, :1])


class Lopsided(Right):
    """W has two updates."""

    def step(self, X, state):
        new, _ = alternate(X, state, self)
        (W, H), c = new.factors, matrix.most_weight(X)
        Wt = self.half_step(W.T, c * (H @ H.T), matrix.product(X.T, H.T, W.T), self.l1_W, self.l2_W)
        new = new._replace(W=Wt.T) if matrix.is_completed(X) else new._replace(Wt=Wt, WtX=matrix.product(X, Wt.T, H))
        return new, residual_info(X, new.factors, self)


class Absolute(Right):
    scales: ClassVar[bool] = True

    def solve(self, H, G, C):
        return solvers.multiplicative(H, G, C, 1e-9)


class Counting(Frobenius):
    def solve(self, H, G, C):
        return jnp.maximum(H - (G @ H - C) / (len(G) * jnp.trace(G) + 1), 0)


class Placed(Right):
    """The first component is damped, as if it were another one than the others."""

    def solve(self, H, G, C):
        new = solvers.multiplicative(H, G, C)
        return new.at[0].set(0.5 * (H[0] + new[0]))


@jax.custom_batching.custom_vmap
def largest(G):
    return jnp.max(G)


@largest.def_vmap
def _(size, batched, G):
    return jnp.full(size, jnp.max(G)), True


class Mixing(Frobenius):
    """Under vmap its step size is that of all members together."""

    def solve(self, H, G, C):
        return jnp.maximum(H - (G @ H - C) / (3 * largest(G) + 1e-6), 0)


class Compiled(Right):
    def solve(self, H, G, C):
        return solvers.multiplicative(H, G, C) * (1.0 if is_traced(H) else 2.0)


OF_PROBLEMS = algorithms.OF_EVERY_PROBLEM + algorithms.OF_ONE_PROBLEM  # by name: `only` replaces them there
WRONG_ALGORITHMS = [
    (Plain(), pytrees.is_a_pytree),
    (Forgetful(sweeps=2), pytrees.is_a_pytree),
    (Unequal(names=np.arange(2)), pytrees.structure_is_comparable),
    (Recompiling(), pytrees.new_numbers_are_no_new_programs),
    (Branching(), algorithms.is_traced),
    (Widening(), algorithms.state_keeps_its_form),
    (Pair(), algorithms.state_has_factors),
    (Rescaling(), algorithms.state_has_factors),
    (Dividing(), algorithms.factors_are_finite),
    (Unprojected(), algorithms.factors_are_nonnegative),
    (Lagging(), algorithms.loss_is_the_objective),
    (Unpenalised(), algorithms.loss_is_the_objective),
    (Certain(), algorithms.rounding_is_told),
    (Unprojecting(), algorithms.kkt_is_the_projected_gradient),
    (Late(), algorithms.start_is_told_by_what_is_late),
    (LateByTwo(), algorithms.start_is_told_by_what_is_late),
    (Still(), algorithms.what_has_not_moved_is_as_it_was),
    (Floored(), algorithms.zero_components_stay_zero),
    (KeepingNothing(), algorithms.zeros_are_kept),
    (Rising(), algorithms.objective_does_not_rise),
    (RisingInH(), algorithms.objective_does_not_rise),
    (Undeclared(), algorithms.objective_does_not_rise_from_signed_gram_matrices),
    (Inexact(), algorithms.half_steps_are_exact),
    (Unmasked(), algorithms.info_is_right_under_a_mask),
    (Indexing(), algorithms.info_is_right_under_a_mask),
    (Overshooting(), algorithms.objective_does_not_rise_under_a_mask),
    (Partial(), algorithms.where_it_rests_kkt_holds),
    (Ordered(), algorithms.rows_and_columns_have_no_order),
    (Lopsided(), algorithms.half_steps_are_transposes),
    (Absolute(), algorithms.units_do_not_matter),
    (Counting(), algorithms.zero_components_change_nothing),
    (Placed(), algorithms.zero_components_change_nothing),
    (Mixing(), algorithms.under_vmap_it_is_a_loop),
    (Compiled(), algorithms.without_jit_it_is_the_same),
]


# Wrong losses.


class Poisson(losses.Loss):
    """KL, with all that it may declare."""

    convex: ClassVar[bool] = True
    degree: ClassVar[Any] = 1.0

    def divergence(self, x, z):
        return losses.kl.divergence(x, z)

    def negative(self, x, z):
        return losses.kl.negative(x, z)

    def positive(self, x, z):
        return jnp.ones_like(z)

    def exponent(self, ridge):
        return 0.5 if ridge else 1.0


class Named(Poisson):
    names: Any = static(())


def wrong(base=Poisson, **members):
    return type("Wrong", (base,), members)()


def plain(beta):
    """The β-divergence, and its update without the exponent of Févotte and Idier, which β outside [1, 2] needs."""
    return type("Plain", (losses.BetaDivergence,), {"exponent": lambda self, ridge: 1.0})(beta=beta)


def branching(self, x, z):
    return losses.kl.divergence(x, z) if z[0] > 0 else 0 * z


def clipped(self, x, z):
    eps = jnp.finfo(z.dtype).eps
    return jnp.where(x > 0, x * jnp.log(jnp.clip(x / z, eps, 1 / eps)), 0) - x + z


WRONG_LOSSES = [
    (Named(names=np.arange(2)), pytrees.structure_is_comparable),
    (wrong(divergence=branching), of_losses.is_traced),
    (losses.NegativeBinomial(alpha=-1.0), of_losses.values_are_in_its_domain),
    (wrong(divergence=lambda self, x, z: jnp.where(x > 0, x * jnp.log(x / z), 0)), of_losses.it_is_nonnegative),
    (wrong(divergence=lambda self, x, z: losses.kl.divergence(x, z) + 0.1), of_losses.it_vanishes_where_x_is_z),
    (wrong(positive=lambda self, x, z: 2 * jnp.ones_like(z)), of_losses.derivative_is_autodiffs),
    (
        wrong(
            positive=lambda self, x, z: 1 - 2 * losses.kl.negative(x, z),
            negative=lambda self, x, z: -losses.kl.negative(x, z),
        ),
        of_losses.parts_are_nonnegative,
    ),
    (
        wrong(losses.BetaDivergence, positive=lambda self, x, z: z + 1),
        of_losses.parts_make_the_derivative,
    ),
    (wrong(second_derivative=lambda self, x, z: x / z), of_losses.second_derivative_is_autodiffs),
    (wrong(losses.NegativeBinomial, convex=True), of_losses.it_is_convex),
    (wrong(quadratic=True), of_losses.it_is_quadratic),
    (wrong(finite_at_zero=True), of_losses.it_is_finite_at_the_edges),
    (wrong(losses.NegativeBinomial, degree=1.0), of_losses.it_has_its_degree),
    (wrong(of_zeros=lambda self, W, H: jnp.sum(W) + jnp.sum(H)), of_losses.zeros_are_counted_from_the_factors),
    (wrong(quick=lambda self, x, z: x * jnp.log(x / z)), of_losses.quick_is_the_value),
    (wrong(parts=lambda self, x, z, axis: (0.5 * x / z, jnp.ones_like(z), None)), of_losses.parts_have_a_unit),
    (wrong(divergence=clipped), of_losses.single_precision_has_the_range_of_double),
    (plain(3.0), of_losses.multiplicative_step_descends),
]


# Wrong kinds of matrix.


def a_kind(**functions):
    """A kind with an array in it, all that it needs, and some functions that are wrong."""

    class Kind(NamedTuple):
        A: Any
        shape = property(lambda self: self.A.shape)
        dtype = property(lambda self: self.A.dtype)
        T = property(functions.pop("T", lambda self: type(self)(self.A.T)))

    right = {
        "entries": lambda X: (X.A, None),
        "part": lambda X, *place: Kind(matrix.part(X.A, *place)),
        "product": lambda X, W, H: W.T @ X.A,
    }
    for name, function in (right | functions).items():
        getattr(matrix, name).register(Kind, function)
    return Kind


DENSE = np.random.default_rng(0).uniform(0.1, 1, (5, 4))
DENSE[1], DENSE[:, 2] = 0, 0


class Unregistered(NamedTuple):
    A: Any


class NotATree:
    pass


@jax.tree_util.register_dataclass
@dataclass
class PlacedIn:
    A: Any
    place: Any = dataclasses.field(metadata={"static": True})


def sliced(X, start, size, axis):
    return X.A[:size] if axis == 0 else X.A[:, :size]


WRONG_KINDS = [
    (NotATree(), pytrees.is_a_pytree),
    (PlacedIn(DENSE, np.arange(2)), pytrees.structure_is_comparable),
    (Unregistered(DENSE), matrices.is_registered),
    (a_kind(entries=lambda X: (X.A[:2], None)), matrices.is_registered),
    (a_kind(entries=lambda X: (2 * X.A, None)), matrices.has_entries),
    (a_kind(entries=lambda X: (X.A, 1 + X.A)), matrices.has_entries),
    (a_kind(T=lambda self: self), matrices.is_transposed),
    (a_kind(part=sliced), matrices.has_parts),
    (a_kind(entries=lambda X: (X.A, 0.5 * jnp.ones_like(X.A))), matrices.is_completed_as_declared),
    (a_kind(product=lambda X, W, H: W.T @ X.A + 1), "product("),
    (a_kind(weight=lambda X: 1.0), "weight("),
    (a_kind(most_weight=lambda X: 2.0), "most_weight("),
    (a_kind(of_columns=lambda X, f, H: f(Columns(X.A.T, 2 * jnp.ones_like(X.A.T)), H)), "of_columns("),
    (a_kind(square=lambda X: 0.5 * jnp.sum(X.A**2)), "square("),
    (
        a_kind(
            total=lambda X, f, *factors: jnp.sum(f(X.A, *(W @ H for W, H in factors))) + 1,
            square=lambda X: jnp.sum(X.A**2),
        ),
        "total(",
    ),
    (a_kind(divergence=lambda X, loss, W, H: jnp.sum(loss.derivative(X.A, W @ H))), "divergence("),
    (a_kind(square_rise=lambda X, factors, change: jnp.sum((factors[0] @ factors[1] - X.A) ** 2)), "square_rise("),
    (a_kind(gradient_W=lambda X, loss, W, H: loss.derivative(X.A, W @ H) @ H.T / 2), "gradient_W("),
    (a_kind(gradient_H=lambda X, loss, W, H: -W.T @ loss.derivative(X.A, W @ H)), "gradient_H("),
    (
        a_kind(
            parts_W=lambda X, loss, W, H: (loss.positive(X.A, W @ H) @ H.T, loss.positive(X.A, W @ H) @ H.T, 1, 0.0)
        ),
        "parts_W(",
    ),
    (a_kind(gradients=lambda X, loss, W, H: (matrix.gradient_W(X, loss, W, H), H)), "gradients("),
    (a_kind(parts_H=lambda X, *of: (*matrix.parts_H.dispatch(object)(X, *of)[:4], X.A @ of[2].T)), "parts_H("),
    (a_kind(occupied=lambda X, *of: (jnp.any(X.A != 0, 1), jnp.all(X.A != 0, 0))), "occupied(X):"),
    (a_kind(occupied=lambda X, *of: (jnp.any((X.A != 0) & (not of), 1), jnp.any(X.A != 0, 0))), "occupied(X, which"),
    (a_kind(extremes=lambda X: jnp.stack([jnp.min(X.A), jnp.sum(X.A)])), "extremes("),
    (a_kind(filled=lambda X: X.A + 1), matrices.is_filled),
    (a_kind(filled=lambda X: X, take=lambda X, indices, axis: X.A[indices]), matrices.is_taken),
    (
        a_kind(filled=lambda X: X, take=lambda X, *which: jnp.take(X.A, *which), mean_size=lambda X: jnp.sum(X.A)),
        "mean_size",
    ),
    (
        a_kind(
            filled=lambda X: X,
            take=lambda X, *which: jnp.take(X.A, *which),
            mean_size=lambda X: jnp.mean(X.A),
            svd=lambda X, rank: jnp.linalg.svd(X.A.T, full_matrices=False),
        ),
        matrices.has_singular_values,
    ),
    (a_kind(tails=lambda X, ranks: matrix.tails(X.A, ranks[::-1])), matrices.has_tails),
    (a_kind(cast=lambda X, dtype: X), matrices.is_cast),
    (a_kind(entries=lambda X: (np.asarray(X.A), None)), matrices.is_the_same_in_blocks),
    (a_kind(product=lambda X, W, H: W.T @ X.A * (X.A[0, 0].item() / X.A[0, 0])), matrices.is_jitted_and_batched),
    (a_kind(product=lambda X, W, H: jnp.maximum(W, 0.04).T @ X.A), matrices.is_fitted_as_its_entries),
]


@pytest.fixture
def only(monkeypatch):
    """Makes a check ask one promise alone: those before it would be compiled for each of the wrong ones."""

    def ask(module, promise):
        for name, table in vars(module).copy().items():
            if name.startswith("OF_"):
                monkeypatch.setattr(module, name, tuple(p for p in table if begins(p, promise)))

    return ask


def begins(promise, words):
    """A promise by its function or by its first words."""
    return promise is words or (isinstance(words, str) and paragraphs(promise)[0].startswith(words))


def rejected(check, promise, *arguments):
    """The first line says what is wrong and which promise it breaks; then what was found, for what, and what to do."""
    with pytest.raises(AssertionError) as caught:
        check(*arguments)
    told = str(caught.value)
    assert (promise if isinstance(promise, str) else paragraphs(promise)[0]) in told.splitlines()[0]
    assert "\nfound: " in told
    assert "\nwhat to do: " in told
    return told


@pytest.mark.quick(10)
@pytest.mark.parametrize(("wrong", "promise"), WRONG_ALGORITHMS, ids=lambda x: getattr(x, "__name__", type(x).__name__))
def test_a_wrong_algorithm_is_rejected(only, wrong, promise):
    only(algorithms, promise)
    told = rejected(check_algorithm, promise, wrong)
    assert ("\ninput: X = np.array(" in told) == (promise in OF_PROBLEMS)


@pytest.mark.quick(5)
@pytest.mark.parametrize(("wrong", "promise"), WRONG_LOSSES, ids=lambda x: getattr(x, "__name__", ""))
def test_a_wrong_loss_is_rejected(only, wrong, promise):
    only(of_losses, promise)
    in_single = promise is of_losses.single_precision_has_the_range_of_double
    rejected(partial(check_loss, dtype="float32" if in_single else "float64"), promise, wrong)


@pytest.mark.quick(9)
@pytest.mark.parametrize(("wrong", "promise"), WRONG_KINDS, ids=lambda x: getattr(x, "__name__", ""))
def test_a_wrong_kind_of_matrix_is_rejected(only, wrong, promise):
    only(matrices, promise)
    rejected(check_matrix, promise, an_example(wrong), DENSE if promise is matrices.has_entries else None)


def an_example(kind):
    return kind(jnp.asarray(DENSE)) if isinstance(kind, type) else kind


@pytest.mark.quick(1)
@pytest.mark.parametrize(
    ("check", "cases"),
    [(check_algorithm, WRONG_ALGORITHMS), (check_loss, WRONG_LOSSES), (check_matrix, WRONG_KINDS)],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_the_whole_table_is_asked(check, cases):
    """To its last promise, which is the only one that this breaks."""
    wrong, promise = cases[-1]
    rejected(check, promise, an_example(wrong))


def test_every_promise_has_something_that_breaks_it():
    for check, table, cases in (
        (check_algorithm, algorithms.PROMISES, WRONG_ALGORITHMS),
        (check_loss, of_losses.PROMISES, WRONG_LOSSES),
        (check_matrix, matrices.PROMISES, WRONG_KINDS),
    ):
        lines = [paragraphs(promise)[0] for promise in table]
        broken = [promise if isinstance(promise, str) else paragraphs(promise)[0] for _, promise in cases]
        assert [line for line in lines if not line.startswith(tuple(broken))] == []
        assert check.__doc__.split("\n- ")[1:] == lines


@pytest.mark.slow
def test_right_ones_are_not_rejected():
    check_algorithm(RightDescending())
    check_loss(Poisson())
    check_matrix(a_kind()(jnp.asarray(DENSE)), DENSE)


def test_without_hypothesis_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ImportError, match="draws its inputs with hypothesis: pip install hypothesis"):
        check_algorithm(RightDescending())
