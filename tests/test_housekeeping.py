"""What a caller may rely on around a call: its own memory, no second compilation, JAX's debugging switches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import ALGORITHMS, problem

import jnmf
from jnmf import HALS, MU, Factors, fit, init, run, transform
from jnmf.matrix import blocks


def aligned(shape, dtype="float32"):
    """A NumPy array at an address that JAX shares on a CPU instead of copying it."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


@pytest.mark.quick(1)
@pytest.mark.parametrize("masked", [False, True])
def test_writing_into_X_after_a_call_changes_nothing(masked):
    """`run` returns before the work is done."""
    X = aligned((1500, 900))
    X[:] = np.random.default_rng(0).random(X.shape)
    mask = aligned(X.shape) if masked else None
    if masked:
        mask[:] = 1
        mask[0, 0] = 0
    start = init.random(0, X.copy(), 3)
    first, _ = run(X.copy(), start, HALS(), num_iters=5, mask=None if mask is None else mask.copy())
    expected = np.array(first.W)
    found, _ = run(X, start, HALS(), num_iters=5, mask=mask)
    X[:] = 0
    if masked:
        mask[:] = 0
    np.testing.assert_array_equal(found.W, expected)


def test_a_numpy_matrix_may_be_a_constant_of_a_compiled_function():
    X, start = (np.asarray(problem()[0]), problem()[1])
    compiled = jax.jit(lambda start: fit(X, init=start, algorithm=HALS(), max_iters=2).W)
    np.testing.assert_allclose(compiled(start), fit(X, init=start, algorithm=HALS(), max_iters=2).W, rtol=1e-12)


def small():
    """Every public function that computes, on arrays of one shape: name -> call of a number."""
    rng = np.random.default_rng(0)
    shape, rank = (7, 5), 2
    X, W, H = rng.random(shape) + 0.1, rng.random((7, rank)) + 0.1, rng.random((rank, 5)) + 0.1
    mask = np.ones(shape)
    mask[0, 0] = 0
    start = Factors(jnp.asarray(W), jnp.asarray(H))
    study = jnmf.sweep(X, [1, 2], num_restarts=2, num_iters=2)
    calls = {
        "fit": lambda c: fit(c * X, rank, max_iters=3, key=int(2 * c)),
        "fit masked": lambda c: fit(c * X, rank, max_iters=3, mask=mask),
        "run": lambda c: run(c * X, start, HALS(l1_H=0.1 * c), num_iters=2),
        "transform": lambda c: transform(c * X, H),
        "transform KL": lambda c: transform(c * X, H, MU(beta=1.0)),
        "nnls": lambda c: jnmf.nnls(c * W, X),
        "objective": lambda c: jnmf.objective(jnp.asarray(c * X), start, HALS()),
        "kkt_residual": lambda c: jnmf.kkt_residual(c * X, start),
        "kkt_residual KL": lambda c: jnmf.kkt_residual(c * X, start, MU(beta=1.0), mask=mask),
        "sweep": lambda c: jnmf.sweep(c * X, [1, 2], num_restarts=2, num_iters=2, key=int(2 * c)),
        "cross_validate": lambda c: jnmf.cross_validate(c * X, [1, 2], num_restarts=2, max_iters=2, key=int(2 * c)),
        "consensus": lambda c: jnmf.consensus(study),
        "sweep_similarity": lambda c: jnmf.sweep_similarity(study),
        "similarity": lambda c: jnmf.similarity(c * W, W),
        "match": lambda c: jnmf.match(c * W, W),
        "pairing": lambda c: jnmf.pairing(c * W, W),
        "order": lambda c: jnmf.order(start),
        "clusters": lambda c: jnmf.clusters(start),
        "svd_rmse": lambda c: jnmf.svd_rmse(c * X, [1, 2]),
        "shuffle_columns": lambda c: jnmf.shuffle_columns(c * X, int(2 * c)),
        "hoyer_sparsity": lambda c: jnmf.hoyer_sparsity(c * W, axis=0),
        "project_sparsity": lambda c: jnmf.project_sparsity(c * W[:, 0], 0.5),
        "nndsvd": lambda c: init.nndsvd(c * X, rank),
    }
    cheap = {name: getattr(jnmf.warm_start, name)() for name in ("sampled", "sketched", "frobenius", "rounded")}
    return calls | {name: lambda c, init=init: fit(c * X, rank, init=init, max_iters=2) for name, init in cheap.items()}


@pytest.mark.quick(1)
@pytest.mark.parametrize("share", [slice(0, None, 3), slice(1, None, 3), slice(2, None, 3)])
def test_a_second_call_of_the_same_shapes_compiles_nothing(share, compiled, monkeypatch):
    monkeypatch.setattr(blocks, "NUMBERS", 10)  # several blocks, as in large data
    jax.clear_caches()
    again = {}
    for name, call in list(small().items())[share]:
        jax.block_until_ready(call(1.0))
        compiled.clear()
        jax.block_until_ready(call(1.5))
        again[name] = len(compiled)
    jax.clear_caches()
    assert {name: count for name, count in again.items() if count} == {}


@pytest.mark.parametrize("name", ["Extrapolated HALS", "MU KL"])
def test_an_eager_fit_stops_early_while_jax_looks_for_nan(name):
    """The trace has NaN after the last iteration, which nothing computed."""
    X, _ = problem("float32")
    with jax.debug_nans(True):
        found = fit(X, 3, ALGORITHMS[name], tol=1e-2)
    assert np.isnan(found.trace.loss[found.num_iters :]).all()
    assert np.isfinite(found.trace.loss[: found.num_iters]).all()


@pytest.mark.slow
def test_an_eager_fit_works_without_jit():
    X, _ = problem("float32")
    with jax.disable_jit():
        one_by_one = fit(X[:3, :2], 1, HALS(), max_iters=2)
    np.testing.assert_allclose(one_by_one.W, fit(X[:3, :2], 1, HALS(), max_iters=2).W, rtol=1e-5)
