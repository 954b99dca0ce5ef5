"""Each solver by itself, on drawn half-problems min ½⟨H, G H⟩ − ⟨C, H⟩."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st
from support import drawn

from jnmf import ALS, PGD, Factors, run, solvers
from jnmf.nonnegative_least_squares import exact
from proofs.strategies import nonnegative, problems, real

SOLVERS = {
    "multiplicative": solvers.multiplicative,
    "hals": solvers.hals,
    "least_squares": solvers.least_squares,
    "projected_gradient": solvers.projected_gradient,
    "backtracking": lambda H, G, C: solvers.projected_gradient(H, G, C, solvers.BACKTRACKING),
    "pivoting": exact,
    "accelerated": lambda H, G, C: exact(H, G, C, "projected_gradient"),
}
JITTED = {name: jax.jit(solver) for name, solver in SOLVERS.items()}
DESCENDING = [name for name in SOLVERS if name != "least_squares"]


def quadratic(H, G, C):
    return 0.5 * jnp.vdot(H, G @ H) - jnp.vdot(C, H)


def half_problem(X, W, H, l1, l2):
    G, C = W.T @ W + l2 * np.eye(W.shape[1]), W.T @ X - l1
    return map(jnp.asarray, (H, G, C))


drawn_half_problems = st.builds(
    lambda args, penalties: (*args, *penalties),
    problems(X=real, factors=nonnegative, scale=True),
    st.sampled_from([(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.3, 0.7)]),
)


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", DESCENDING)
@drawn
@given(args=drawn_half_problems)
def test_the_quadratic_never_rises(name, args):
    H, G, C = half_problem(*args)
    new = JITTED[name](H, G, C)
    scale = float(jnp.vdot(H, G @ H) + jnp.vdot(jnp.abs(C), H) + jnp.vdot(new, G @ new) + jnp.vdot(jnp.abs(C), new))
    assert np.isfinite(new).all()
    assert (new >= 0).all()
    assert quadratic(new, G, C) <= quadratic(H, G, C) + 1e-10 * scale


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", SOLVERS)
def test_a_component_at_zero_stays_at_zero(name):
    rng = np.random.default_rng(0)
    X, W, H = rng.random((6, 5)), rng.random((6, 4)), rng.random((4, 5))
    W[:, -1], H[-1] = 0, 0
    padded = JITTED[name](*half_problem(X, W, H, 0.0, 0.0))
    alone = JITTED[name](*half_problem(X, W[:, :3], H[:3], 0.0, 0.0))
    assert (padded[3] == 0).all()
    np.testing.assert_allclose(padded[:3], alone, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", SOLVERS)
def test_the_exact_solution_is_a_fixed_point(name):
    """KKT point ⇔ fixed point, for the solvers that have an interior solution or project onto the active set."""
    rng = np.random.default_rng(1)
    W, X = rng.random((8, 3)), rng.standard_normal((8, 5))
    Z = np.stack([scipy.optimize.nnls(W, x)[0] for x in X.T], axis=1)
    assert (Z == 0).any()
    if name == "least_squares":  # its fixed points are the unconstrained solutions that are nonnegative
        X = W @ (Z + 1)
        Z = Z + 1
    H, G, C = half_problem(X, W, Z, 0.0, 0.0)
    np.testing.assert_allclose(JITTED[name](H, G, C), Z, atol=1e-12)


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", ["multiplicative", "hals", "projected_gradient", "backtracking"])
def test_repeated_steps_reach_the_exact_solution(name):
    rng = np.random.default_rng(2)
    W, X = rng.random((8, 3)), rng.random((8, 5))
    H, G, C = half_problem(X, W, rng.random((3, 5)) + 0.1, 0.1, 0.2)
    limit = jax.lax.fori_loop(0, 4000, lambda _, H: SOLVERS[name](H, G, C), H)
    np.testing.assert_allclose(limit, exact(H, G, C), atol=1e-6)


@drawn
@given(args=drawn_half_problems)
def test_a_hals_row_is_the_minimiser_of_its_row(args):
    H, G, C = half_problem(*args)
    G1, C1 = G[:1, :1], C[:1] - G[:1, 1:] @ H[1:]  # the problem of row 0, the others fixed
    row = JITTED["hals"](H[:1], G1, C1)
    old_and_new = float(jnp.maximum(H[0].max(), row.max()))
    rounding = 1e-12 * (float(jnp.abs(C1).max()) + float(G[0].max()) * old_and_new)
    for factor in (0.0, 0.9, 0.999, 1.001, 1.1, 2.0):
        assert quadratic(row * factor, G1, C1) >= quadratic(row, G1, C1) - rounding * old_and_new
    if G1[0, 0] > 0:  # KKT of the row
        slope = G1 @ row - C1
        assert (jnp.where(row > 0, jnp.abs(slope), -slope) <= rounding).all()


def test_a_hals_sweep_uses_the_rows_already_updated():
    rng = np.random.default_rng(6)
    H, G, C = half_problem(rng.standard_normal((8, 5)), rng.random((8, 3)), rng.random((3, 5)), 0.1, 0.2)
    expected = np.array(H)
    for k in range(3):
        others = np.delete(np.arange(3), k)
        expected[k] = np.maximum((np.asarray(C)[k] - np.asarray(G)[k, others] @ expected[others]) / G[k, k], 0)
    np.testing.assert_allclose(JITTED["hals"](H, G, C), expected, atol=1e-13)


def test_hals_leaves_a_row_without_a_column_unless_a_penalty_asks():
    G, H = jnp.diag(jnp.array([1.0, 0.0])), jnp.ones((2, 3))
    np.testing.assert_array_equal(solvers.hals(H, G, jnp.zeros((2, 3)))[1], 1)
    np.testing.assert_array_equal(solvers.hals(H, G, jnp.full((2, 3), -0.1))[1], 0)


def test_rank_deficient_least_squares_is_the_minimum_norm_solution(dtype):
    rng = np.random.default_rng(3)
    W = rng.random((8, 4)).astype(dtype)
    W[:, 3] = W[:, 0]
    X = (W @ rng.random((4, 5)) + 1).astype(dtype)
    H, G, C = jnp.zeros((4, 5), dtype), jnp.asarray(W.T @ W), jnp.asarray(W.T @ X)
    expected = np.maximum(np.linalg.lstsq(W.astype(float), X.astype(float), rcond=1e-4)[0], 0)
    tolerance = 1e-10 if dtype == "float64" else 1e-3
    np.testing.assert_allclose(JITTED["least_squares"](H, G, C), expected, rtol=tolerance, atol=tolerance)


def test_too_long_a_step_raises_the_quadratic():
    rng = np.random.default_rng(4)
    H, G, C = half_problem(rng.random((8, 5)), rng.random((8, 3)), rng.random((3, 5)), 0.0, 0.0)
    L = float(jnp.linalg.norm(G, 2))
    assert quadratic(solvers.projected_gradient(H, G, C, 1 / L), G, C) < quadratic(H, G, C)
    assert quadratic(solvers.projected_gradient(H, G, C, 20 / L), G, C) > quadratic(H, G, C)


@drawn
@given(args=drawn_half_problems)
def test_backtracking_satisfies_armijos_rule(args):
    H, G, C = half_problem(*args)
    gradient = G @ H - C
    eta = solvers.backtracking_step(H, G, gradient)
    new = jnp.maximum(H - eta * gradient, 0)
    scale = float(jnp.vdot(jnp.abs(gradient), jnp.abs(new - H)))
    assert quadratic(new, G, C) - quadratic(H, G, C) <= 0.01 * jnp.vdot(gradient, new - H) + 1e-8 * scale


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_spectral_norm_is_the_largest_singular_value(dtype):
    """Also where eigenvalues are equal, of many sizes, or none but zero; in a batch too, and with its derivative."""
    rng = np.random.default_rng(0)
    random = rng.standard_normal((6, 5))
    spread = random * 10.0 ** rng.uniform(-5, 0, 5)
    many = [random, spread, np.linalg.qr(random)[0], 1e-15 * random, 1e15 * random, 0 * random, np.ones((6, 5))]
    G = jnp.asarray(np.stack([A.T @ A for A in many]), dtype)
    found = jax.vmap(solvers.spectral_norm)(G)
    expected = np.linalg.norm(np.asarray(G, float), 2, axis=(1, 2))
    np.testing.assert_allclose(found, expected, rtol=20 * np.finfo(dtype).eps + np.log(5) / 2**solvers.SQUARINGS)
    gradient = jax.grad(solvers.spectral_norm)(G[0].astype(float))
    vector = np.linalg.eigh(np.asarray(G[0], float))[1][:, -1]
    np.testing.assert_allclose(gradient, np.outer(vector, vector), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("algorithm", [ALS(), PGD()], ids=["ALS", "PGD"])
def test_no_batched_lapack_where_the_devices_of_a_cpu_run_side_by_side(algorithm):
    """Two of them at once can wait for each other's threads for ever."""
    devices = jax.devices()[:2]
    mesh = jax.sharding.Mesh(np.array(devices), "members")
    X = jnp.ones((4, 3))
    step = lambda W, H: run(X, Factors(W, H), algorithm, num_iters=1)[0]
    spec = jax.sharding.PartitionSpec("members")
    both = jax.shard_map(jax.vmap(step), mesh=mesh, in_specs=(spec, spec), out_specs=spec, check_vma=False)
    text = str(jax.make_jaxpr(both)(jnp.ones((4, 4, 2)), jnp.ones((4, 2, 3))))
    assert re.search(r"\[2,2,2\][^=\n]*= (eigh|svd|cholesky|qr)", text) is None
    assert ("eigh" in text) == (algorithm == ALS())
