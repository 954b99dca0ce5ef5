"""`run` and `fit`: when they stop, what they return, and that they are JAX functions."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import ALGORITHMS, R, penalised, problem, rounding

import jnmf
from jnmf import (
    ALS,
    ANLS,
    HALS,
    MU,
    PGD,
    Factors,
    JointMU,
    Momentum,
    Status,
    fit,
    kkt_residual,
    loops,
    losses,
    objective,
    run,
)
from jnmf.matrix import blocks


def test_the_public_names():
    types_and_loops = {"fit", "run", "Factors", "Trace", "Fit", "Status", "MU", "HALS", "ALS", "PGD", "ANLS"}
    functions = {"nnls", "transform", "losses", "init", "normalize", "kkt_residual", "relative_change"}
    assert set(jnmf.__all__) >= types_and_loops | functions | {"project_nonnegative"}
    parameters = [*["X", "rank", "algorithm", "init", "key", "tol", "stop", "max_iters", "check_every", "kkt", "mask"]]
    parameters += ["progress", "callback", "time_limit", "resume", "resumable"]
    assert list(inspect.signature(fit).parameters) == parameters
    for name in jnmf.__all__:
        assert getattr(jnmf, name).__doc__, name


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", ["MU", "MU KL", "Extrapolated HALS", "Momentum MU KL", "ALS", "PGD", "ANLS pivoting"])
def test_fit_is_run_with_a_stop(name):
    """One of each step, and of each kind of Info: with its loss, a loss that comes late, a step that was dropped."""
    X, start = problem()
    fitted = fit(X, algorithm=ALGORITHMS[name], init=start, tol=0, max_iters=4, kkt=True)
    factors, trace = run(X, start, ALGORITHMS[name], num_iters=4)
    assert fitted.status is Status.MAX_ITERS
    assert fitted.num_iters == 4
    for a, b in zip((*fitted.factors, *fitted.trace), (*factors, *trace), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(fitted.loss, objective(X, factors, ALGORITHMS[name]), rtol=1e-12)


@pytest.mark.parametrize("stop", ["delta", "loss", "kkt"])
def test_each_rule_stops_where_it_says(stop):
    X, start = problem()
    tol = 1e-2 if stop == "loss" else 1e-3
    fitted = fit(X, algorithm=HALS(), init=start, stop=stop, tol=tol, max_iters=400)
    assert fitted.status is Status.CONVERGED
    k, delta = fitted.num_iters, fitted.trace.delta
    loss = np.concatenate([[objective(X, start, HALS())], fitted.trace.loss])
    measure = {
        "delta": [max(delta[i], delta[9 * (i + 1) // 10 : i + 1].sum() / 10) for i in range(k)],
        "loss": 1 - loss[1 : k + 1] / loss[np.arange(1, k + 1) // 2],
        "kkt": fitted.trace.kkt[:k] / kkt_residual(X, start, HALS()),
    }[stop]
    assert measure[-1] <= tol
    assert (np.array(measure[:-1]) > tol).all()
    assert np.isfinite(fitted.trace.loss[:k]).all()
    for column in fitted.trace:
        assert np.isnan(column[k:]).all()


def test_the_stopping_rule_sees_the_penalties():
    X, start = problem()
    fitted = fit(X, algorithm=HALS(l1_H=2.0), init=start, stop="loss", tol=0, max_iters=3)
    data_term = objective(X, fitted.factors, HALS())
    np.testing.assert_allclose(fitted.trace.loss[2], data_term + 2 * jnp.sum(fitted.H), rtol=1e-9)
    np.testing.assert_allclose(fitted.loss, fitted.trace.loss[2], rtol=1e-9)


@pytest.mark.parametrize("algorithm", [HALS(), MU(beta=1.0)])
def test_check_every_records_and_stops_at_its_multiples(algorithm):
    X, start = problem()
    every = fit(X, algorithm=algorithm, init=start, stop="kkt", tol=1e-3, max_iters=400)
    fourth = fit(X, algorithm=algorithm, init=start, stop="kkt", tol=1e-3, max_iters=400, check_every=4)
    assert fourth.num_iters % 4 == 0
    assert 0 <= fourth.num_iters - every.num_iters < 4
    recorded = np.isfinite(fourth.trace.loss)
    np.testing.assert_array_equal(np.flatnonzero(recorded), np.arange(3, fourth.num_iters, 4))
    both = np.flatnonzero(recorded)[:-1]
    np.testing.assert_allclose(fourth.trace.loss[both], every.trace.loss[both], rtol=1e-9)


def test_check_every_need_not_divide_max_iters():
    X, start = problem()
    fitted = fit(X, algorithm=HALS(), init=start, tol=0, max_iters=7, check_every=3)
    factors, _ = run(X, start, HALS(), num_iters=7)
    np.testing.assert_allclose(fitted.W, factors.W, rtol=1e-10)
    assert fitted.num_iters == 7
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(fitted.trace.loss)), [2, 5])
    few = fit(X, algorithm=HALS(), init=start, max_iters=2, check_every=3)
    assert (few.num_iters, few.status) == (2, Status.MAX_ITERS)


def test_no_iterations_return_the_start():
    X, start = problem()
    fitted = fit(X, algorithm=HALS(), init=start, max_iters=0)
    np.testing.assert_array_equal(fitted.W, start.W)
    assert (fitted.num_iters, fitted.status, fitted.trace.loss.shape) == (0, Status.MAX_ITERS, (0,))
    factors, trace = run(X, start, HALS(), num_iters=0)
    np.testing.assert_array_equal(factors.H, start.H)
    assert trace.loss.shape == (0,)


def test_a_divergent_fit_keeps_its_last_finite_factors():
    X, start = problem()
    with pytest.warns(UserWarning, match="not finite after 41 iterations .*: try a smaller step size"):
        fitted = fit(X, algorithm=PGD(step_size=1e3), init=start, max_iters=500, tol=1e-12)
    assert fitted.status is Status.NONFINITE
    assert np.isfinite(fitted.W).all()
    assert np.isfinite(fitted.H).all()
    assert np.isnan(fitted.trace.loss[fitted.num_iters :]).all()
    again, _ = run(X, start, PGD(step_size=1e3), num_iters=fitted.num_iters)
    np.testing.assert_allclose(fitted.W, again.W)


def test_vmap_over_keys_is_the_loop_and_members_freeze():
    X, _ = problem()
    one = partial(fit, X, R, HALS(), tol=1e-3, max_iters=100)
    seeds = jnp.arange(4)
    batch = jax.vmap(lambda key: one(key=key))(seeds)
    assert len(set(map(int, batch.num_iters))) > 1
    for k in range(4):
        single = one(key=k)
        assert int(batch.num_iters[k]) == single.num_iters
        assert batch.status[k] == single.status
        np.testing.assert_allclose(batch.W[k], single.W, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(batch.loss[k], single.loss, rtol=1e-8)


def test_one_divergent_member_does_not_spoil_the_batch():
    X, start = problem()
    steps = jnp.array([1e-3, 1e3])
    batch = jax.vmap(lambda s: fit(X, algorithm=PGD(step_size=s), init=start, max_iters=500, tol=1e-12))(steps)
    assert batch.status[0] != Status.NONFINITE
    assert batch.status[1] == Status.NONFINITE
    assert np.isfinite(batch.W).all()


@pytest.mark.parametrize("name", ["MU KL", "HALS"])
def test_vmap_over_a_penalty_path_and_keys_of_run(name):
    """Of `run`; of the steps it is asked by the check of each algorithm."""
    X, start = problem()
    path = jnp.array([0.0, 0.5])
    W, loss = jax.vmap(
        lambda l2: (lambda f, t: (f.W, t.loss))(*run(X, start, penalised(ALGORITHMS[name], l2_H=l2), num_iters=4))  # pyright: ignore[reportAttributeAccessIssue]
    )(path)
    for k, l2 in enumerate((0.0, 0.5)):
        factors, trace = run(X, start, penalised(ALGORITHMS[name], l2_H=l2), num_iters=4)
        np.testing.assert_allclose(W[k], factors.W, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(loss[k], trace.loss, rtol=1e-9)


@pytest.mark.slow
def test_jit_and_no_jit_agree():
    """Of `run`; of the steps it is asked by the check of each algorithm."""
    X, start = problem()
    compiled, trace = run(X, start, HALS(inner=3), num_iters=2)
    with jax.disable_jit():
        interpreted, trace2 = run(X, start, HALS(inner=3), num_iters=2)
    np.testing.assert_allclose(compiled.W, interpreted.W, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(trace.loss, trace2.loss, rtol=1e-9)


@pytest.mark.quick(1)
@pytest.mark.parametrize("name", ["MU", "MU 0.5", "HALS inner", "ALS", "PGD backtracking", "ANLS pivoting"])
def test_grad_through_run_is_the_finite_difference(name):
    X, start = problem()

    @jax.jit
    def end(parameters):
        l1, l2, s = parameters
        factors, trace = run(X * s, start, penalised(ALGORITHMS[name], l1_H=l1, l2_W=l2), num_iters=3)
        return trace.loss[-1] + jnp.sum(factors.W**2)

    at = jnp.array([0.1, 0.2, 1.0])
    gradient = jax.jit(jax.grad(end))(at)
    h = 1e-5
    difference = [(end(at + h * e) - end(at - h * e)) / (2 * h) for e in jnp.eye(3)]
    np.testing.assert_allclose(gradient, difference, rtol=1e-5, atol=1e-6)


def test_new_values_do_not_recompile():
    X, start = problem()
    fit(X, algorithm=HALS(l1_H=0.1), init=start, tol=1e-3, max_iters=7)
    run(X, start, PGD(step_size=1e-3), num_iters=7)
    programs = lambda: [
        p._cache_size()  # pyright: ignore[reportAttributeAccessIssue]
        for p in (loops._begin_in_place, loops._advance_in_place, loops._finish, loops._run)
    ]
    before = programs()
    fit(X, algorithm=HALS(l1_H=0.2, l2_W=1), init=start, tol=1e-2, max_iters=7)
    fit(X, algorithm=HALS(l1_H=np.float64(0.3)), init=start, tol=0, max_iters=7)
    fit(X * 2, R, HALS(), key=5, max_iters=7)
    fit(X * 2, R, HALS(), key=jax.random.key(6), max_iters=512)
    run(X, start, PGD(step_size=2e-3, l2_H=1.0), num_iters=7)
    assert programs() == before


def test_a_start_that_is_passed_outlives_the_fit(dtype):
    """The fit writes over its own copy alone."""
    X, start = problem()
    X, start = X.astype(dtype), Factors(*(A.astype(dtype) for A in start))
    kept = [np.array(A) for A in start]
    first, second = (fit(X, algorithm=HALS(), init=start, max_iters=3) for _ in range(2))
    np.testing.assert_array_equal(first.W, second.W)
    for A, before in zip(start, kept, strict=True):
        np.testing.assert_array_equal(A, before)


def test_the_same_key_gives_the_same_bits():
    X, _ = problem()
    first, second = fit(X, R, key=3), fit(X, R, key=jax.random.key(3))
    np.testing.assert_array_equal(first.W, second.W)
    np.testing.assert_array_equal(first.H, second.H)
    assert not np.array_equal(first.W, fit(X, R, key=4).W)


def test_fit_inside_jit():
    X, _ = problem()
    inside = jax.jit(lambda X: fit(X, R, MU(), max_iters=20))(X)
    outside = fit(X, R, MU(), max_iters=20)
    np.testing.assert_allclose(inside.W, outside.W, rtol=1e-9)
    assert inside.status == outside.status


def test_the_loss_in_float32_near_an_exact_fit_is_from_the_residual():
    """The traced loss cancels there; the final one does not."""
    X, start = problem("float32", noise=0.0)
    fitted = fit(X, algorithm=ANLS(), init=start, stop="kkt", tol=1e-12, max_iters=300)
    residual = np.asarray(X, float) - np.asarray(fitted.W, float) @ np.asarray(fitted.H, float)
    assert fitted.loss < 1e-5 * 0.5 * float(jnp.sum(X * X))
    np.testing.assert_allclose(fitted.loss, 0.5 * np.sum(residual**2), rtol=0.05, atol=rounding("float32") ** 2)


def test_the_loss_is_summed_in_blocks_of_rows(monkeypatch):
    X, start = problem()
    for algorithm in (HALS(l2_W=0.1), MU(beta=1.0, l1_H=0.2)):
        whole = objective(X, start, algorithm)
        with monkeypatch.context() as patch:
            patch.setattr(blocks, "NUMBERS", 5 * X.shape[1])  # five of twelve rows at a time
            jax.clear_caches()
            np.testing.assert_allclose(objective(X, start, algorithm), whole, rtol=1e-13)
        jax.clear_caches()


def test_run_takes_any_factors_tuple():
    X, (W, H) = problem()
    factors, _ = run(X, Factors(np.asarray(W), np.asarray(H)), ALS(), num_iters=1)
    assert factors.W.shape == W.shape


def test_equal_factors_have_not_changed():
    """Not even by the rounding of the scaling, which a compiled difference of two products would show."""
    _, start = problem("float32")
    assert float(jax.jit(jnmf.relative_change)(start, start)) == 0
    found = fit(start.W @ start.H, init=start, algorithm=HALS(), tol=1e-8, max_iters=2000)
    frozen = np.flatnonzero(found.trace.delta == 0)
    assert found.status is Status.CONVERGED or not frozen.size


def test_exact_data_in_float32_are_converged():
    U = lambda seed, *shape: np.random.default_rng(seed).uniform(size=shape)
    for key in range(6):
        found = fit((U(key, 12, 3) @ U(key + 9, 3, 9)).astype("float32"), 3, key=key, max_iters=2000)
        assert found.status is Status.CONVERGED


@pytest.mark.quick(1)
@pytest.mark.filterwarnings("ignore:.*dead")
@pytest.mark.parametrize("algorithm", [ALS(), Momentum(MU(beta=1.5)), Momentum(MU())], ids=repr)
def test_a_rise_is_no_convergence(algorithm):
    """Methods whose objective may rise: the rule "loss" is met at the least loss so far alone."""
    U = lambda seed, *shape: np.random.default_rng(seed).uniform(size=shape)
    X = jnp.asarray(U(0, 30, 5) @ U(1, 5, 20) + 0.1 * U(2, 30, 20), "float32")
    ended = []
    for key in range(3):
        found = fit(X, 5, algorithm, stop="loss", tol=1e-3, key=key, max_iters=1000)
        losses = found.trace.loss[: found.num_iters]
        ended.append(found.status)
        if found.status is Status.CONVERGED:
            assert losses[-1] <= losses.min() + np.finfo("float32").eps * float(jnp.sum(X * X))
            assert losses[-1] < 0.1 * losses[0]
    assert Status.CONVERGED in ended


def test_converged_is_said_beside_a_finite_objective_alone():
    """Factors so far off that their objective leaves the range of float32, with steps that do not move them."""
    X, start = problem("float32")
    far = Factors(1e10 * start.W, 1e10 * start.H)
    with pytest.warns(UserWarning, match=r"after 6 iterations \(the objective is inf\): try a smaller step size"):
        found = fit(X, algorithm=PGD(step_size=1e-30), init=far, max_iters=6, tol=0)
    assert (found.num_iters, found.status) == (6, Status.NONFINITE)
    assert np.isfinite(found.W).all()
    assert np.isfinite(found.H).all()


def test_a_fall_from_an_infinite_objective_is_no_convergence():
    """The start is so far off that its objective leaves the range; the first iteration comes back."""
    X, (W, H) = problem("float32")
    found = fit(X, init=Factors(1e12 * W, 1e12 * H), algorithm=HALS(inner=3), stop="loss", tol=1e-3, max_iters=300)
    assert found.num_iters > 5
    assert found.loss < 0.01 * float(jnp.sum(X * X))


def test_the_start_is_finite_at_the_end_of_the_range():
    X = (1e38 * np.random.default_rng(0).random((6, 5))).astype("float32")
    with pytest.warns(UserWarning, match="not finite after"):
        found = fit(X, 3, PGD(step_size=1.0))
    assert all(np.isfinite(A).all() for A in found.factors)


def test_rounding_of_gram_losses_does_not_stop_a_fit_that_uses_none():
    """Of a masked X the loss is that of the residual, which has its own digits."""
    U = lambda seed, *shape: np.random.default_rng(seed).uniform(size=shape)
    X = jnp.asarray(U(0, 30, 3) @ U(1, 3, 20), "float32")
    mask = np.ones(X.shape)
    mask[0, 0] = 0
    found = fit(X, 3, HALS(inner=3), mask=mask, stop="loss", tol=1e-2, max_iters=3000, key=1)
    assert found.loss < 1e-8 * float(jnp.sum(X * X))


LATE = {
    "KL": MU(beta=1.0, l1_H=0.1, l2_W=0.2),
    "Itakura-Saito": MU(beta=0.0),
    "momentum": Momentum(MU(beta=1.5, l1_W=0.1)),
    "3": MU(beta=3.0),
    "negative binomial": MU(loss=losses.NegativeBinomial(alpha=2.0)),
    "joint": JointMU(beta=0.5, l1_H=0.1, l2_W=0.2),
}


SLOW = [pytest.param(name, False, marks=pytest.mark.slow) for name in ("3", "negative binomial")]


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("momentum", False),
        ("KL", False),
        ("Itakura-Saito", False),
        ("momentum", True),
        ("negative binomial", True),
        ("KL", True),
        ("joint", True),
        *SLOW,
    ],
)
def test_a_loss_that_comes_late_stands_where_it_belongs(name, masked):
    """The half-step knows the loss of the factors that it starts from; the trace has those of the iteration's end."""
    X, start = problem()
    mask = np.random.default_rng(0).random(X.shape) < 0.8 if masked else None
    _, exact = run(X, start, LATE[name], num_iters=7, mask=mask)
    found = fit(X, init=start, algorithm=LATE[name], max_iters=7, tol=0, mask=mask)
    np.testing.assert_allclose(found.trace.loss, exact.loss, rtol=1e-9)
    np.testing.assert_allclose(found.trace.delta, exact.delta, rtol=1e-9)
    assert np.isnan(found.trace.kkt).all()
    asked = fit(X, init=start, algorithm=LATE[name], max_iters=7, tol=0, mask=mask, kkt=True)
    np.testing.assert_allclose(asked.trace.kkt, exact.kkt, rtol=1e-9)
    np.testing.assert_allclose(asked.trace.loss, exact.loss, rtol=1e-9)


def test_the_last_loss_is_that_of_the_fit_however_it_ends():
    X, start = problem()
    for options in ({"max_iters": 0}, {"max_iters": 1}, {"max_iters": 300, "tol": 1e-3}):
        found = fit(X, init=start, algorithm=MU(beta=1.0), **options)
        n, loss = found.num_iters, found.trace.loss
        assert np.isfinite(loss[:n]).all()
        assert np.isnan(loss[n:]).all()
        assert n == 0 or loss[n - 1] == found.loss
    assert 1 < n < 300
    batch = jax.vmap(lambda tol: fit(X, init=start, algorithm=MU(beta=1.0), max_iters=300, tol=tol))(
        jnp.array([1e-2, 1e-3])
    )
    np.testing.assert_allclose(batch.trace.loss[1, :n], loss[:n], rtol=1e-12)
    assert np.isnan(batch.trace.loss[0, batch.num_iters[0] :]).all()


def test_zeros_in_the_way_of_a_late_loss():
    X, (W, H) = problem("float32")
    start = Factors(W, H.at[:, 0].set(0))  # W H = 0 at positive entries: infinite, and stays so
    with pytest.warns(UserWarning, match="multiplicative updates keep it so"):
        found = fit(X, init=start, algorithm=MU(beta=1.5), max_iters=3)
    assert np.isfinite(found.trace.loss).all()
    value = losses.kl.quick(jnp.array([0.0, 0.0, 3.0, 2.0]), jnp.array([0.0, 2.0, 0.0, 2.0]))
    np.testing.assert_array_equal(value, [0, 2, np.inf, 0])
    value = losses.itakura_saito.quick(jnp.array([0.0, 0.0, 3.0, 2.0]), jnp.array([0.0, 2.0, 0.0, 2.0]))
    np.testing.assert_array_equal(value, [0, np.inf, np.inf, 0])


def gone(old, new, info):
    """What a user may want of each iteration, as a tree."""
    return {"loss": info.loss, "old": old.H, "way": new.H - old.H}


def test_run_records_what_it_is_told():
    X, start = problem()
    end, everything = run(X, start, HALS(), num_iters=7)
    found, recorded = run(X, start, HALS(), num_iters=7, record=gone)
    np.testing.assert_array_equal(found.W, end.W)
    np.testing.assert_allclose(recorded["loss"], everything.loss, rtol=1e-12)
    np.testing.assert_allclose(recorded["old"][0], start.H)
    np.testing.assert_allclose(
        recorded["old"][1:] + recorded["way"][1:], jnp.append(recorded["old"][2:], end.H[None], 0)
    )

    found, recorded = run(X, start, HALS(), num_iters=7, record=gone, every=3)
    np.testing.assert_allclose(found.W, end.W, rtol=1e-12)
    np.testing.assert_allclose(recorded["loss"], everything.loss[2::3][:2], rtol=1e-12)

    found, recorded = run(X, start, HALS(), num_iters=7, record=None)
    np.testing.assert_allclose(found.W, end.W, rtol=1e-12)
    assert recorded is None
    with pytest.raises(TypeError, match=r"record: expected a function"):
        run(X, start, HALS(), num_iters=2, record="loss")
    with pytest.raises(ValueError, match=r"every: expected an integer of at least 1"):
        run(X, start, HALS(), num_iters=2, every=0)


def test_what_is_recorded_is_in_the_units_of_x():
    X, start = problem()
    _, wanted = run(X, start, HALS(), num_iters=3, record=gone)
    for k in (-400, 400):
        scaled = Factors(jnp.ldexp(start.W, k // 2), jnp.ldexp(start.H, k // 2))
        _, found = run(jnp.ldexp(X, k), scaled, HALS(), num_iters=3, record=gone)
        for name, power in (("loss", 2 * k), ("old", k // 2), ("way", k // 2)):
            np.testing.assert_array_equal(found[name], jnp.ldexp(wanted[name], power))


@pytest.mark.slow
def test_a_fit_is_five_lines_with_words_for_what_to_do():
    X, _ = problem("float32")
    found = fit(X, 3, max_iters=4, tol=0)
    lines = repr(found).splitlines()
    assert len(lines) == 5
    assert lines[0] == "Fit of X (12, 9) by 3 components"
    assert "W float32(12, 3), H float32(3, 9)" in lines[1]
    assert f"loss {float(found.loss):.6g}, from {found.trace.loss[0]:.6g} after the first" in lines[2]
    assert "MAX_ITERS after 4 iterations" in lines[3]
    assert "raise max_iters" in lines[4]
    assert len(repr(fit(X, 3, max_iters=0)).splitlines()) == 5
    assert all(status.advice for status in Status)
    batch = jax.vmap(lambda tol: fit(X, 3, max_iters=4, tol=tol))(jnp.zeros(2))
    assert repr(batch) == "Fit(W float32(2, 12, 3), H float32(2, 3, 9), of a batch or traced)"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "masked"), [("KL", False), ("Itakura-Saito", True)])
def test_kkt_that_comes_late_decides_for_the_iteration_it_is_of(name, masked, monkeypatch):
    """In several blocks, the last of which begins earlier: what two blocks share counts once."""
    X, start = problem()
    mask = np.random.default_rng(0).random(X.shape) < 0.8 if masked else None
    monkeypatch.setattr(blocks, "NUMBERS", 4 * X.shape[0])
    jax.clear_caches()
    _, exact = run(X, start, LATE[name], num_iters=12, mask=mask)
    first = int(np.argmin(exact.kkt[:8])) + 1
    tol = float(exact.kkt[first - 1] / kkt_residual(X, start, LATE[name], mask=mask)) * (1 + 1e-9)
    found = fit(X, algorithm=LATE[name], init=start, stop="kkt", tol=tol, max_iters=12, mask=mask)
    assert (found.num_iters, found.status) == (first, Status.CONVERGED)
    np.testing.assert_allclose(found.trace.kkt[:first], exact.kkt[:first], rtol=1e-9)
    np.testing.assert_allclose(found.trace.loss[:first], exact.loss[:first], rtol=1e-9)
    last = fit(X, algorithm=LATE[name], init=start, stop="kkt", tol=tol, max_iters=first, mask=mask)
    assert (last.num_iters, last.status) == (first, Status.CONVERGED)  # told at the end, with no iteration after it
    np.testing.assert_allclose(found.W, last.W, rtol=1e-9)
    jax.clear_caches()
