"""A method that a user writes: annotated fields and a solver, nothing else."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import problem

from jnmf import Accelerated, Algorithm, Extrapolated, Factors, Frobenius, fit, losses, run, solvers, sweep
from jnmf.algorithm import residual_info
from jnmf.pytree import Pytree, static
from jnmf.testing import check_algorithm

X, START = problem()


class Relaxed(Frobenius):
    weight: float = 0.5
    sweeps: int = static(1)

    def solve(self, H, G, C):
        new = H
        for _ in range(self.sweeps):
            new = solvers.hals(new, G, C)
        return H + self.weight * (new - H)


class Descending(Relaxed):
    descends: ClassVar[bool] = True


class Exponentiated(Algorithm):
    """Exponentiated gradient on both factors at once: a method with nothing of the Frobenius ones."""

    step_size: Any = 1e-3

    def init(self, X, factors):
        return factors

    def step(self, X, state):
        W, H = state
        gradients = losses.frobenius.grad_W(X, W, H), losses.frobenius.grad_H(X, W, H)
        new = Factors(*(A * jnp.exp(-self.step_size * g) for A, g in zip(state, gradients, strict=True)))
        return new, residual_info(X, new, self)


OWN = [Relaxed(weight=0.7), Relaxed(weight=0.7, sweeps=2), Descending(), Exponentiated(step_size=0.01)]


@pytest.mark.quick(1)
@pytest.mark.parametrize(
    ("own", "dtype"),
    [pytest.param(OWN[1], "float64", marks=pytest.mark.slow), (OWN[2], "float32"), (OWN[3], "float64")],
)
def test_it_keeps_what_it_promises(own, dtype):
    check_algorithm(own, dtype=dtype, num_examples=10)  # the built-in ones are asked of more


@pytest.mark.quick(1)
@pytest.mark.parametrize("own", OWN[::3], ids=repr)
def test_it_goes_into_fit_run_and_sweep(own):
    end, trace = run(X, START, own, num_iters=5)
    assert trace.loss[-1] < trace.loss[0]
    np.testing.assert_allclose(fit(X, init=START, algorithm=own, max_iters=5, tol=0).W, end.W, rtol=1e-12)
    study = sweep(X, [2, 3], num_restarts=2, algorithm=own, max_iters=5)
    keys = jax.random.split(jax.random.key(0), 2)
    single = fit(X, 2, own, key=keys[1], max_iters=5)
    np.testing.assert_allclose(study.factors(2, 1).W, single.W, rtol=1e-9)


def test_its_numbers_are_leaves_of_a_path_and_its_structure_is_not():
    assert len(jax.tree.leaves(Relaxed())) == 5
    assert jax.tree.structure(Relaxed(sweeps=2)) != jax.tree.structure(Relaxed())
    assert jax.tree.structure(Relaxed()) != jax.tree.structure(Descending())
    assert repr(Relaxed(weight=0.7, sweeps=2)) == "Relaxed(weight=0.7, sweeps=2)"


def test_combinators_take_what_it_declares_and_say_what_they_need():
    for combinator in (Accelerated, Extrapolated):
        with pytest.raises(ValueError, match=r"Relaxed.*does not declare"):
            combinator(Relaxed())
        algorithm = combinator(Descending(weight=0.9))
        loss = fit(X, 3, algorithm, max_iters=200, tol=0).trace.loss
        assert (np.diff(loss) <= 1e-12 * loss[0]).all()
    with pytest.raises(ValueError, match="expected HALS, PGD, ANLS"):
        Extrapolated(Exponentiated())


def test_a_class_that_could_not_work_is_refused_where_it_is_written():
    with pytest.raises(TypeError, match=r"weight: float = 0\.5"):

        class Bare(Frobenius):
            weight = 0.5

    with pytest.raises(TypeError, match="__post_init__"):

        class Own(Pytree):
            def __init__(self, weight):
                self.weight = weight  # pyright: ignore[reportAttributeAccessIssue]

    with pytest.raises(TypeError, match=r"write scales: ClassVar\[bool\] = True"):

        class Leaf(Frobenius):
            scales: bool = True

    with pytest.raises(TypeError, match=r"write degree: ClassVar\[float\] = 1\.0"):

        class Degree(losses.Loss):
            degree: float = 1.0
