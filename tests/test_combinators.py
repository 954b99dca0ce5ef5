"""Accelerated and Extrapolated against loops written out in NumPy, and what they promise."""

import re
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import PENALTIES, drawn, problem

from jnmf import (
    ALS,
    ANLS,
    HALS,
    MU,
    PGD,
    Accelerated,
    Extrapolated,
    Factors,
    Frobenius,
    Momentum,
    Status,
    fit,
    init,
    objective,
    run,
    solvers,
)
from jnmf.loops import _run
from jnmf.matrix.masked import Masked
from jnmf.momentum import ahead_of
from proofs.strategies import nonnegative

X, START = problem()
BOLD = {"weight": 0.7, "growth": 1.1, "cap_growth": 1.05, "decay": 1.5}  # so that some steps are dropped


def hals(H, G, C):
    H = H.copy()
    for k in range(len(H)):
        step = (C[k] - G[k] @ H) / G[k, k] if G[k, k] > 0 else 0
        H[k] = np.maximum(H[k] + step, 0)
    return H


def objective_in_numpy(W, H, l1_W=0, l1_H=0, l2_W=0, l2_H=0):
    penalty = l1_W * W.sum() + l1_H * H.sum() + 0.5 * l2_W * np.sum(W**2) + 0.5 * l2_H * np.sum(H**2)
    return 0.5 * np.sum((np.asarray(X) - W @ H) ** 2) + penalty


def extrapolated_hals(num_iters, weight, growth, cap_growth, decay, l1_W, l1_H, l2_W, l2_H):
    """Ang and Gillis 2019, algorithm 3, in the order H, W. Returns the losses of the kept factors and the drops."""
    x = np.asarray(X)
    best_W, best_H = map(np.asarray, START)
    start_W, previous_H, cap, best = best_W, best_H, 1.0, objective_in_numpy(best_W, best_H, l1_W, l1_H, l2_W, l2_H)
    losses, drops, ridge = [], 0, lambda A, l2: A + l2 * np.eye(len(A))
    for _ in range(num_iters):
        H = hals(best_H, ridge(start_W.T @ start_W, l2_H), start_W.T @ x - l1_H)
        ahead_H = np.maximum(H + weight * (H - previous_H), 0)
        W = hals(start_W.T, ridge(ahead_H @ ahead_H.T, l2_W), ahead_H @ x.T - l1_W).T
        loss = objective_in_numpy(W, ahead_H, l1_W, l1_H, l2_W, l2_H)
        if loss <= best:
            best, start_W, best_W, best_H, previous_H = loss, W + weight * (W - best_W), W, ahead_H, H
            weight, cap = min(cap, growth * weight), min(1, cap_growth * cap)
        else:
            start_W, previous_H, drops = best_W, best_H, drops + 1
            weight, cap = weight / decay, weight
        losses.append(best)
    return np.array(losses), drops


@pytest.mark.parametrize("penalties", [dict.fromkeys(PENALTIES, 0.0), PENALTIES], ids=["plain", "penalties"])
def test_extrapolated_hals_is_the_algorithm_of_the_paper(penalties):
    losses, drops = extrapolated_hals(40, **BOLD, **penalties)
    assert drops >= 2
    algorithm = Extrapolated(HALS(**penalties), **BOLD)
    factors, trace = run(X, START, algorithm, num_iters=40)
    np.testing.assert_allclose(trace.loss, losses, rtol=1e-9)
    np.testing.assert_allclose(objective(X, factors, algorithm), losses[-1], rtol=1e-9)
    assert (np.diff(trace.loss) <= 1e-12 * trace.loss[0]).all()
    assert (np.asarray(trace.delta) < 1e-14).sum() == drops


def test_without_weight_it_is_the_plain_algorithm():
    algorithm = HALS(inner=2)
    plain, trace = run(X, START, algorithm, num_iters=6)
    extrapolated, same = run(X, START, Extrapolated(algorithm, weight=0.0), num_iters=6)
    np.testing.assert_allclose(extrapolated.W @ extrapolated.H, plain.W @ plain.H, rtol=1e-10)
    np.testing.assert_allclose(same.loss, trace.loss, rtol=1e-10)
    np.testing.assert_allclose(same.kkt, trace.kkt, rtol=1e-6)


@pytest.mark.parametrize("bound", [1e30, 0.05])
@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0])
def test_extrapolated_mu_is_multiplicative_steps_from_extrapolated_points(beta, bound):
    def half_step(x, W, H):
        Z = W @ H
        return H * (W.T @ (x * Z ** (beta - 2))) / (W.T @ Z ** (beta - 1))

    def ahead(A, old, w, k):
        move = np.linalg.norm(A - old)
        w = min(w, bound / k**0.6 * np.linalg.norm(A) / move) if move else w
        capped.append(w < most)
        return np.where(A > old, A + w * (A - old), 1 / (1 / A + w * (1 / A - 1 / old)))

    x, (W, H), t, capped = np.asarray(X), map(np.asarray, START), 1.0, []
    old_W, old_H = W, H
    for k in range(1, 9):
        t_next = (1 + np.sqrt(1 + 4 * t**2)) / 2
        most, t = (t - 1) / t_next, t_next
        new_H = half_step(x, W, ahead(H, old_H, most, k))
        new_W = half_step(x.T, new_H.T, ahead(W, old_W, most, k).T).T
        old_W, old_H, W, H = W, H, new_W, new_H
    assert any(capped) == (bound < 1)
    factors, _ = run(X, START, Momentum(MU(beta=beta), bound=bound, power=1.2), num_iters=8)
    np.testing.assert_allclose(factors.W, W, rtol=1e-10)
    np.testing.assert_allclose(factors.H, H, rtol=1e-10)


def test_the_bound_of_momentum_has_no_unit_and_0_is_mu():
    plain, _ = run(X, START, MU(beta=1.0), num_iters=5)
    bounded, _ = run(X, START, Momentum(MU(beta=1.0), bound=0.0), num_iters=5)
    np.testing.assert_array_equal(bounded.H, plain.H)
    tight, uneven = Momentum(MU(), bound=0.05), Factors(START.W * 2.0**70, START.H * 2.0**-70)
    expected, found = (run(X, start, tight, num_iters=6)[0] for start in (START, uneven))
    np.testing.assert_array_equal(found.H, expected.H * 2.0**-70)
    far = tuple(A.astype("float32") * 2.0**s for A, s in zip(uneven, (0, 1), strict=True))
    assert all(jnp.isfinite(A).all() for A in run(X.astype("float32"), Factors(*far), tight, num_iters=6)[0])


@drawn
@given(A=nonnegative((3, 4)), old=nonnegative((3, 4)), w=st.floats(0, 1))
def test_an_extrapolated_point_is_at_least_half_and_first_order_ahead(A, old, w):
    ahead = np.asarray(ahead_of(A, old, w))
    assert (ahead >= A / 2 * (1 - 1e-15)).all()
    np.testing.assert_allclose(ahead[A >= old], (A + w * (A - old))[A >= old], rtol=1e-14)
    near = A * (1 - 1e-6)  # the two rules part at second order
    np.testing.assert_allclose(ahead_of(near, A, w), near + w * (near - A), rtol=1e-11)
    np.testing.assert_array_equal(ahead_of(0 * A, old, w), 0 * A)


@pytest.mark.quick(1)
@pytest.mark.parametrize(
    "algorithm", [HALS(), ANLS(), Accelerated(HALS()), MU(beta=1.0)], ids=lambda a: type(a).__name__
)
def test_it_is_ahead_of_the_plain_algorithm(algorithm):
    """From most starts, after twenty iterations; single starts can end in other minima."""
    starts = jax.vmap(lambda key: init.uniform(key, X.shape, 3, X.dtype))(jax.random.split(jax.random.key(0), 15))

    def losses(algorithm):
        return jax.vmap(lambda start: run(X, start, algorithm, num_iters=20)[1].loss)(starts)

    faster = Momentum(algorithm) if isinstance(algorithm, MU) else Extrapolated(algorithm)
    plain, ahead = losses(algorithm), losses(faster)
    assert jnp.median(ahead[:, -1] / plain[:, -1]) < 1
    if algorithm.loss.quadratic:
        assert (jnp.diff(ahead) <= 1e-12 * ahead[:, :1]).all()


def test_accelerated_takes_the_counted_number_of_steps():
    """12 × 9, r = 3: 1 + ⌊½ · 12 · 12 / 27⌋ = 3 in H, 1 + ⌊½ · 9 · 15 / 36⌋ = 2 in W."""
    x, (W, H) = np.asarray(X), map(np.asarray, START)
    for _ in range(3):
        H = hals(H, W.T @ W, W.T @ x)
    Wt = W.T
    for _ in range(2):
        Wt = hals(Wt, H @ H.T, H @ x.T)
    factors, _ = run(X, START, Accelerated(HALS(), tol=0.0), num_iters=1)
    np.testing.assert_allclose(factors.H, H, rtol=1e-10)
    np.testing.assert_allclose(factors.W, Wt.T, rtol=1e-10)


def test_accelerated_leaves_off_when_a_step_moves_little():
    once, _ = run(X, START, HALS(), num_iters=1)
    early, _ = run(X, START, Accelerated(HALS(), effort=10.0, tol=1.0), num_iters=1)
    np.testing.assert_allclose(early.H, once.H, rtol=1e-12)  # the second step moves less than the first: none follows
    late, _ = run(X, START, Accelerated(HALS(), effort=1000.0, tol=1e-12), num_iters=1)
    exact, _ = run(X, START, ANLS(), num_iters=1)
    np.testing.assert_allclose(late.H, exact.H, rtol=1e-6, atol=1e-8)


@pytest.mark.filterwarnings("ignore:.*dead")  # so bold an extrapolation can lose a component
def test_a_dropped_iteration_does_not_end_a_fit():
    algorithm = Extrapolated(HALS(), **BOLD)
    for stop in ("delta", "loss"):
        found = fit(X, algorithm=algorithm, init=START, tol=1e-9, stop=stop, max_iters=400)
        moves = np.asarray(found.trace.delta)[: found.num_iters]
        dropped = np.flatnonzero(moves < 1e-14)
        assert dropped[0] + 10 < found.num_iters  # it went on
        assert found.status == Status.CONVERGED


def test_new_numbers_are_not_new_programs():
    run(X, START, Extrapolated(Accelerated(HALS()), weight=0.4), num_iters=2)
    programs = _run._cache_size()  # pyright: ignore[reportAttributeAccessIssue]
    run(X, START, Extrapolated(Accelerated(HALS(l1_H=0.2), tol=0.3), weight=0.6), num_iters=2)
    assert _run._cache_size() == programs  # pyright: ignore[reportAttributeAccessIssue]


def test_half_the_data_missing():
    mask = np.random.default_rng(0).random(X.shape) > 0.3
    found = fit(X, algorithm=Extrapolated(HALS()), init=START, mask=mask, tol=0, max_iters=100)
    plain = fit(X, algorithm=HALS(), init=START, mask=mask, tol=0, max_iters=100)
    assert (np.diff(found.trace.loss) <= 1e-12 * found.trace.loss[0]).all()
    assert found.loss < plain.loss


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Extrapolated(ALS()), "never raises the objective, which ALS.* does not declare"),
        (lambda: Extrapolated(Extrapolated(HALS())), "expected HALS, PGD, ANLS"),
        (lambda: Extrapolated(PGD(step_size=0.1)), "never raises the objective"),
        (lambda: Extrapolated(MU(beta=1.0)), r"Momentum\(MU"),
        (lambda: Extrapolated(Accelerated(MU())), "Gram matrices without negative entries"),
        (lambda: Accelerated(ANLS()), "is exact, to repeat it changes nothing"),
        (lambda: Momentum(HALS()), "expected MU, got HALS"),
        (lambda: Momentum(MU(beta=0.0)), "expected a convex loss, beta from 1 to 2"),
        (lambda: Momentum(MU(), power=1.0), "power=….: expected a number above 1"),
        (lambda: fit(X, 3, Momentum(MU(), bound=-1.0)), "bound: expected a finite number of at least 0"),
        (lambda: Extrapolated("hals"), "got 'hals'"),
        (lambda: Accelerated(MU(beta=1.0)), r"normal equations, as for beta=2.*write Momentum\(MU\(beta=1.0\)\)"),
        (lambda: Accelerated(ALS()), "never raises the objective"),
        (lambda: fit(X, 3, Extrapolated(HALS(), weight=-1.0)), "weight: expected a finite number of at least 0"),
        (lambda: fit(X, 3, Extrapolated(HALS(l1_W=-1.0))), "l1_W: expected a finite number"),
        (lambda: fit(-X, 3, Momentum(MU(beta=1.0))), "MU expects nonnegative entries"),
    ],
)
def test_what_cannot_be_combined_is_an_error_that_says_so(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


class Rounding(Frobenius):
    """At its minimum, where each half-step raises the objective a little."""

    descends: ClassVar[bool] = True

    def solve(self, H, G, C):
        return H * (1 + 1e-6)


def test_an_extrapolation_whose_iterations_are_all_dropped_settles():
    """Each drop divides the weight; once it is nothing, a dropped iteration was a plain one, and none is better."""
    exact = START.W @ START.H
    found = fit(exact, None, Extrapolated(Rounding()), init=START, max_iters=200)
    weights_to_nothing = np.log(0.5 / np.sqrt(np.finfo(exact.dtype).eps)) / np.log(1.5)
    assert found.status == Status.CONVERGED
    assert found.num_iters == pytest.approx(weights_to_nothing, abs=2)
    np.testing.assert_allclose(found.W, START.W, rtol=1e-12)


def test_extrapolated_with_weights_of_1_is_that_without():
    """What is completed by weights of 1 is X: each half-step starts where it does for the array."""
    algorithm = Extrapolated(HALS(), **BOLD)

    @jax.jit
    def iterated(X):
        step = lambda _, state: algorithm.step(X, state)[0]
        return jax.lax.fori_loop(0, 12, step, algorithm.init(X, START)).factors

    for found, wanted in zip(iterated(Masked(X, jnp.ones(X.shape))), iterated(X), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9)


class Undeclared(Frobenius):
    def solve(self, H, G, C):
        return solvers.hals(H, G, C)


REFUSED = [
    "Extrapolated(MU())",
    "Extrapolated(MU(beta=1.0))",
    "Extrapolated(MU(beta=0.5))",
    "Extrapolated(Accelerated(MU()))",
    "Extrapolated(ALS())",
    "Extrapolated(Undeclared())",
    "Extrapolated(Extrapolated(HALS()))",
    "Extrapolated(Momentum(MU()))",
    "Extrapolated(HALS)",
    'Extrapolated("hals")',
    "Extrapolated(None)",
    "Extrapolated(solvers.hals)",
    "Extrapolated(Accelerated)",
    "Accelerated(MU(beta=1.5))",
    "Accelerated(MU(beta=3.0))",
    "Accelerated(ALS())",
    "Accelerated(ANLS())",
    "Accelerated(Undeclared())",
    "Accelerated(Extrapolated(HALS(l1_H=0.1),weight=0.3))",
    "Accelerated(Extrapolated(ANLS()))",
    "Accelerated(Momentum(MU()))",
    "Accelerated(Accelerated(HALS()))",
    "Accelerated(MU)",
    'Accelerated("hals")',
    "Accelerated(None)",
    "Momentum(HALS())",
    "Momentum(ALS())",
    "Momentum(Undeclared())",
    "Momentum(MU(beta=0.0))",
    "Momentum(Momentum(MU()))",
    "Momentum(Extrapolated(HALS()))",
    "Momentum(Accelerated(MU()))",
    "Momentum(MU)",
    "Momentum(HALS)",
    "Momentum(3)",
]


@pytest.mark.quick(4)
@pytest.mark.parametrize("refused", REFUSED)
def test_what_a_refusal_says_to_write_works(refused):
    with pytest.raises((TypeError, ValueError)) as error:
        eval(refused)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(refused.partition("(")[0])
    _, write, instead = message.partition("write ")
    if write:
        loss = fit(X, 2, eval(instead), max_iters=2, tol=0).loss
    elif message.endswith("use it as it is"):
        loss = fit(X, 2, eval(refused.partition("(")[2].removesuffix(")")), max_iters=2, tol=0).loss
    else:
        loss = 0
        assert re.search(
            r"a method of your own (declares it by descends: ClassVar|is a subclass of jnmf)", message
        ) or ("pass one of it" in message or re.search(r"use MU.* as it is$", message))
    assert np.isfinite(loss)


def test_what_a_method_declares_is_enough():
    class Declared(Undeclared):
        descends: ClassVar[bool] = True

    for make in (Accelerated, Extrapolated, lambda inner: Extrapolated(Accelerated(inner))):
        assert fit(X, init=START, algorithm=make(Declared()), max_iters=2, tol=0).loss < objective(X, START, HALS())


def test_a_path_of_weights_is_a_batch():
    weights = jnp.array([0.0, 0.3, 0.6])
    losses = jax.vmap(lambda w: run(X, START, Extrapolated(HALS(), weight=w), num_iters=10)[1].loss[-1])(weights)
    single = run(X, START, Extrapolated(HALS(), weight=0.6), num_iters=10)[1].loss[-1]
    np.testing.assert_allclose(losses[2], single, rtol=1e-9)
    assert len(np.unique(losses)) == 3
