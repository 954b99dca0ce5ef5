"""What each algorithm promises: descent, the right trace, two products an iteration, symmetries, peers' half-steps."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ALGORITHMS, FROBENIUS, PENALTIES, M, N, R, drawn, penalised, problem, rounding

from jnmf import (
    ALS,
    ANLS,
    HALS,
    MU,
    PGD,
    Factors,
    kkt_residual,
    losses,
    normalize,
    objective,
    relative_change,
    run,
    solvers,
)
from jnmf.algorithm import Frobenius
from jnmf.objective import Objective
from jnmf.testing import check_algorithm
from jnmf.testing.algorithms import Case, positive_problem
from proofs.strategies import nonnegative, positive

ITERATIONS = 4  # the same everywhere: another number is another program


def test_what_the_algorithms_declare():
    """What is not declared is not asked of a method by its check."""
    declaring = lambda what: {name for name, a in ALGORITHMS.items() if getattr(a, what, False)}
    assert set(ALGORITHMS) - declaring("descends") == {"ALS", "Extrapolated HALS", "Momentum MU", "Momentum MU KL"}
    assert declaring("scales") == set(ALGORITHMS)
    assert declaring("exact") == {"ANLS pivoting", "ANLS projected gradient"}
    assert declaring("keeps_zeros") == {name for name in ALGORITHMS if "MU" in name} == declaring("nonnegative_data")


# Other exponents or solvers of a method that is asked, whose losses and half-steps have checks of their own.
ALIKE = ("MU 0.5", "MU -1", "MU 3", "Momentum MU", "HALS", "PGD backtracking", "ANLS projected gradient")
ALL = [pytest.param(name, marks=pytest.mark.slow) if name in ALIKE else name for name in ALGORITHMS]


@pytest.mark.quick(1)
@pytest.mark.parametrize("name", ALL)
def test_every_algorithm_keeps_what_it_promises(name):
    check_algorithm(ALGORITHMS[name], dtype="float64")


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("MU", "HALS inner", "ANLS pivoting")]


@pytest.mark.quick(1)
@pytest.mark.parametrize("name", [*SLOW, "MU KL", "PGD"])
def test_algorithms_keep_it_in_float32(name):
    check_algorithm(ALGORITHMS[name], dtype="float32")


def on_positive_problem(name):
    """The algorithm there, in the program of its check."""
    return Case(ALGORITHMS[name], positive_problem(), "float64")


@pytest.mark.quick(3)
@pytest.mark.parametrize("name", [one for name, one in zip(ALGORITHMS, ALL, strict=True) if "HALS" not in name])
def test_components_have_no_order(name):
    """A HALS sweep goes through the components in their order."""
    case = on_positive_problem(name)
    (W, H), order = case.start, np.array([1, 2, 0])
    plain, moved = (case.run(case.X, start, 4).new for start in ((W, H), (W[:, order], H[order])))
    np.testing.assert_allclose(moved.W, plain.W[:, order], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(moved.H, plain.H[order], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["MU", "HALS inner", "PGD", "PGD backtracking", "ANLS pivoting"])
def test_long_runs_reach_kkt(name):
    case = on_positive_problem(name)
    first, last = (case.run(case.X, case.start, most) for most in (1, 3000))
    assert last.kkt[2] < 1e-3 * first.kkt[2]


@drawn
@given(
    args=st.tuples(nonnegative((6, 5)), positive((6, 3)), positive((3, 5))), penalties=st.sampled_from(({}, PENALTIES))
)
def test_the_objective_of_extrapolated_never_rises(args, penalties):
    """Along a run, which is all that can be said of it; a method that declares it is held to it step by step."""
    algorithm = penalised(ALGORITHMS["Extrapolated HALS"], **penalties)
    X, W, H = map(jnp.asarray, args)
    _, trace = run(X, Factors(W, H), algorithm, num_iters=ITERATIONS)
    losses = np.concatenate([[objective(X, Factors(W, H), algorithm)], trace.loss])
    slack = 1e-12 * (losses[0] + float(jnp.sum(X * X)))
    assert np.isfinite(losses).all()
    assert (np.diff(losses) <= slack).all()


def test_projected_als_can_rise():
    """The projection of the unconstrained minimiser is not the constrained one."""
    risen = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = jnp.asarray(rng.random((6, 5)))
        _, trace = run(
            X, Factors(jnp.asarray(rng.random((6, 3))), jnp.asarray(rng.random((3, 5)))), ALS(), num_iters=30
        )
        risen += bool((np.diff(trace.loss) > 1e-6 * trace.loss[0]).any())
    assert risen > 0


@pytest.mark.parametrize("name", ["HALS", "MU KL"])
@pytest.mark.parametrize("penalties", [{}, PENALTIES], ids=["plain", "penalised"])
def test_the_trace_is_of_the_factors_of_its_iteration(name, penalties):
    dtype = "float64"
    X, start = problem(dtype)
    algorithm = penalised(ALGORITHMS[name], **penalties)
    after, trace = run(X, start, algorithm, num_iters=ITERATIONS)
    scale = float(jnp.sum(X * X))
    np.testing.assert_allclose(
        trace.loss[-1], objective(X, after, algorithm), rtol=rounding(dtype), atol=rounding(dtype) * scale
    )
    np.testing.assert_allclose(
        trace.kkt[-1], kkt_residual(X, after, algorithm), rtol=rounding(dtype), atol=rounding(dtype) * scale
    )


def test_delta_is_the_change_of_the_scaled_factors():
    X, start = problem()
    before, _ = run(X, start, HALS(), num_iters=2)
    after, trace = run(X, start, HALS(), num_iters=3)
    old, new = normalize(before), normalize(after)
    change = [jnp.linalg.norm(b - a) / jnp.linalg.norm(a) for a, b in zip(old, new, strict=True)]
    np.testing.assert_allclose(trace.delta[-1], sum(change), rtol=1e-9)
    np.testing.assert_allclose(relative_change(before, after), sum(change), rtol=1e-9)
    moved = Factors(after.W * 2, after.H / 2)  # along the gauge
    np.testing.assert_allclose(relative_change(after, moved), 0, atol=1e-12)


@pytest.mark.parametrize("name", FROBENIUS)
def test_an_iteration_makes_two_products_with_X(name):
    """Loss and KKT residual included. Counted in the traced program: products with an operand of the size of X."""
    X, start = problem()
    algorithm = ALGORITHMS[name]
    state = algorithm.init(X, start)
    jaxpr = jax.make_jaxpr(algorithm.step)(X, state)
    products = [
        e for e in jaxpr.eqns if e.primitive.name == "dot_general" and any(v.aval.size == M * N for v in e.invars)
    ]
    assert len(products) == 2


@pytest.mark.parametrize("beta", [2.0, 1.0, 0.0, 0.5])
def test_a_half_step_is_scikit_learns(beta):
    """scikit-learn updates W first; by transposition that is the half-step of H on Xᵀ ≈ HᵀWᵀ."""
    from sklearn.decomposition import _nmf

    X, (W, H) = problem()
    mine, _ = run(X.T, Factors(H.T, W.T), MU(beta=beta), num_iters=1)
    gamma = 1 / (2 - beta) if beta < 1 else 1.0
    theirs, *_ = _nmf._multiplicative_update_w(np.array(X), np.array(W), np.array(H), beta, 0, 0, gamma)
    np.testing.assert_allclose(mine.H.T, theirs, rtol=1e-10)
    theirs_H = _nmf._multiplicative_update_h(np.array(X), theirs, np.array(H), beta, 0, 0, gamma)
    np.testing.assert_allclose(mine.W.T, theirs_H, rtol=1e-10)


def test_regularised_als_is_the_rule_as_written():
    X, (W, H) = problem()
    alpha = 0.3
    G, C = np.asarray(W.T @ W), np.asarray(W.T @ X)
    squared, _ = run(X, Factors(W, H), ALS(l2_H=alpha), num_iters=1)
    np.testing.assert_allclose(
        squared.H, np.maximum(np.linalg.inv(G + alpha * np.eye(R)) @ C, 0), rtol=1e-9, atol=1e-12
    )
    summed, _ = run(X, Factors(W, H), ALS(l1_H=alpha), num_iters=1)
    np.testing.assert_allclose(
        summed.H, np.maximum(np.linalg.inv(G) @ (C - alpha * np.ones((R, N))), 0), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("name", ["HALS", "MU", "MU KL"])
def test_penalties_act_on_their_factor(name):
    """H comes first in an iteration: after one, a penalty of W has lowered W and left H; one of H has lowered H."""
    X, start = problem()
    one = lambda **penalties: run(X, start, penalised(ALGORITHMS[name], **penalties), num_iters=1)[0]
    plain = one()
    for field in ("l1_W", "l2_W"):
        found = one(**{field: 0.5})
        np.testing.assert_array_equal(found.H, plain.H)
        assert jnp.sum(found.W) < jnp.sum(plain.W), field
    for field in ("l1_H", "l2_H"):
        assert jnp.sum(one(**{field: 0.5}).H) < jnp.sum(plain.H), field


def test_inner_repeats_the_sweep_and_not_the_products():
    X, (W, H) = problem()
    G, C = W.T @ W, W.T @ X
    thrice = solvers.hals(solvers.hals(solvers.hals(H, G, C), G, C), G, C)
    found, _ = run(X, Factors(W, H), HALS(inner=3), num_iters=1)
    np.testing.assert_allclose(found.H, thrice, rtol=1e-12)


def test_algorithms_of_different_classes_are_different_programs():
    """Even where their static fields are equal, as beta = 1.0 and inner = 1: else `jit` may run the wrong one."""
    every = [MU(beta=1.0), HALS(inner=1), ALS(), PGD(step_size=1.0), ANLS(), Objective(), MU(), HALS(inner=2)]
    structures = [jax.tree.structure(algorithm) for algorithm in every]
    assert all(a != b for a, b in itertools.combinations(structures, 2))
    assert jax.tree.structure(HALS(l1_W=3.0)) == jax.tree.structure(HALS())
    assert jax.tree.map(lambda leaf: 2 * leaf, HALS(inner=2, l1_W=1.0)) == HALS(inner=2, l1_W=2.0)


def test_structure_is_checked_when_it_is_made():
    with pytest.raises(ValueError, match="integer of at least 1, got 0"):
        HALS(inner=0)
    with pytest.raises(ValueError, match="\"backtracking\", got 'armijo'"):
        PGD(step_size="armijo")
    with pytest.raises(ValueError, match="one of 'pivoting', 'projected_gradient', got 'lawson'"):
        ANLS(solver="lawson")


def test_normalize_keeps_the_product(dtype):
    _, factors = problem(dtype)
    factors = Factors(factors.W.at[:, 0].set(0), factors.H)
    for norm, size in (("max", jnp.max), ("l1", jnp.sum), ("l2", jnp.linalg.norm)):
        scaled = normalize(factors, norm)
        np.testing.assert_allclose(scaled.W @ scaled.H, factors.W @ factors.H, rtol=rounding(dtype))
        np.testing.assert_allclose([size(w) for w in scaled.W.T], [0, 1, 1], rtol=rounding(dtype))
    with pytest.raises(ValueError, match="'max', 'l1', 'l2', got 'l3'"):
        normalize(factors, "l3")


def test_a_number_without_an_annotation_is_no_field():
    for value in (0.1, 2, np.float32(0.1), jnp.asarray(0.1), np.ones(2)):
        with pytest.raises(TypeError, match="expected an annotation"):
            type("Mine", (HALS,), {"relaxation": value})
    with pytest.raises(TypeError, match="expected an annotation"):
        type("Mine", (HALS,), {"l1_W": 0.1})  # a field, whose default is that of the base


def test_what_a_base_declares_is_set_without_an_annotation():
    assert type("Mine", (losses.Loss,), {"degree": 1.0})().degree == 1
    with pytest.raises(NotImplementedError, match=r"Mine needs a solver, solve\(self, H, G, C\)"):
        type("Mine", (Frobenius,), {})().solve(None, None, None)
