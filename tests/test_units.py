"""Another unit of X changes no bit of a fit, over the whole range of the dtype."""

import warnings
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import penalised, problem

from jnmf import (
    ALS,
    ANLS,
    HALS,
    MU,
    PGD,
    Accelerated,
    Extrapolated,
    Factors,
    JointMU,
    Momentum,
    Status,
    cross_validate,
    door,
    fit,
    init,
    load,
    losses,
    nnls,
    run,
    save,
    sweep,
    sweep_similarity,
    transform,
    units,
    warm_start,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*components are dead")

# Of the largest entries of X, about 3: as far as the least, about 0.3, is a normal number.
EXPONENTS = {"float32": (-123, -60, -1, 7, 60, 125), "float64": (-1017, -400, -1, 7, 400, 1021)}
ALGORITHMS = {
    "default": None,
    "HALS": HALS(inner=2),
    "MU": MU(),
    "KL": MU(beta=1.0),
    "Itakura-Saito": MU(beta=0.0),
    "MU 3": MU(beta=3.0),
    "ALS": ALS(),
    "ANLS": ANLS(),
    "PGD": PGD(),
    "backtracking": PGD(step_size="backtracking"),
    "momentum": Momentum(MU(beta=1.0)),
    "joint": JointMU(beta=0.5),
    "extrapolated": Extrapolated(HALS()),
    "accelerated": Accelerated(PGD()),
}


SLOW = [pytest.mark.slow]


def in_one_precision(*of):
    """Each in one precision, in turns; in the slow run in the other, too, where only the exponents differ."""
    pairs = [(one, dtype, (i + j) % 2) for i, one in enumerate(of) for j, dtype in enumerate(EXPONENTS)]
    return [pytest.param(one, dtype, marks=SLOW * slow, id=f"{dtype}-{one}") for one, dtype, slow in pairs]


def mantissas(*arrays):
    return [np.frexp(np.asarray(A))[0] for A in arrays]


def same_bits(found, wanted, k):
    """W H is 2ᵏ times what it was, and W and H are what they were but for powers of two."""
    for a, b in zip(mantissas(*found), mantissas(*wanted), strict=True):
        np.testing.assert_array_equal(a, b)
    (W, H), (V, G) = found, wanted
    shift = lambda A, B: np.unique(np.subtract(*(np.frexp(np.asarray(M)[np.asarray(B) != 0])[1] for M in (A, B))))
    np.testing.assert_array_equal(shift(W, V) + shift(H, G), [k])


@pytest.mark.quick(1)
@pytest.mark.parametrize(("name", "dtype"), in_one_precision(*ALGORITHMS))
def test_a_fit_has_the_same_bits_in_every_unit(name, dtype):
    X, _ = problem(dtype)
    wanted = fit(X, 3, ALGORITHMS[name], max_iters=6, tol=0)
    for k in EXPONENTS[dtype]:
        found = fit(jnp.ldexp(X, k), 3, ALGORITHMS[name], max_iters=6, tol=0)
        same_bits(found.factors, wanted.factors, k)
        np.testing.assert_allclose(found.trace.delta, wanted.trace.delta, rtol=10 * np.finfo(dtype).eps)
        degree = 2 if ALGORITHMS[name] is None else ALGORITHMS[name].loss.degree
        with np.errstate(over="ignore", under="ignore"):
            power, root = divmod(k * degree, 1)
            loss = np.ldexp(float(wanted.loss) * 2**root, int(power))
        if np.finfo(dtype).tiny < loss < np.finfo(dtype).max:
            np.testing.assert_allclose(float(found.loss), loss, rtol=10 * np.finfo(dtype).eps)


STARTS = {
    "nndsvd": "nndsvd",
    "nndsvda": "nndsvda",
    "nndsvdar": "nndsvdar",
    "spa": "spa",
    "function": lambda key, X, rank: init.random(key, X, rank),
    "sampled": warm_start.sampled(num_iters=3),
    "sketched": warm_start.sketched(num_iters=3),
    "least squares first": warm_start.frobenius(num_iters=3),
    "rounded": warm_start.rounded(max_iters=3),
    "sampled in low precision": warm_start.sampled(init=warm_start.rounded(max_iters=2), num_iters=2),
}


@pytest.mark.quick(1)
@pytest.mark.parametrize(("name", "dtype"), in_one_precision(*STARTS))
def test_every_start_in_every_unit(name, dtype):
    X, _ = problem(dtype)
    wanted = fit(X, 3, HALS(), init=STARTS[name], max_iters=3)
    low, *_, high = EXPONENTS[dtype]
    for k in (low, high):
        found = fit(jnp.ldexp(X, k), 3, HALS(), init=STARTS[name], max_iters=3)
        if "nndsvd" in name or "sampled" in name or name == "sketched":  # LAPACK has units of its own
            W, H = found.factors
            np.testing.assert_allclose(np.ldexp(W @ np.ldexp(H, -k), 0), wanted.W @ wanted.H, rtol=1e-3)
        else:
            same_bits(found.factors, wanted.factors, k)


def test_a_start_of_ones_own_has_the_same_balance_in_a_study(dtype):
    X, start = problem(dtype)
    k = {"float32": 50, "float64": 400}[dtype]  # X has a unit, and all of it in W leaves no range
    given = Factors(jnp.ldexp(start.W, k), start.H)
    options = {"algorithm": HALS(), "max_iters": 2}
    wanted = fit(jnp.ldexp(X, k), init=given, **options).factors
    found = sweep(jnp.ldexp(X, k), [3], num_restarts=1, init=lambda key, X, rank: given, **options).members[0]
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(a).reshape(b.shape), b, rtol=1e-5)


def test_given_factors_keep_their_balance(dtype):
    X, start = problem(dtype)
    wanted = run(X, start, HALS(), num_iters=3)[0]
    low, *_, high = EXPONENTS[dtype]
    for k, of_W in ((low, 0), (low, low), (high, 0), (high, high)):
        given = Factors(jnp.ldexp(start.W, of_W), jnp.ldexp(start.H, k - of_W))
        end, trace = run(jnp.ldexp(X, k), given, HALS(), num_iters=3)
        for found in (end, fit(jnp.ldexp(X, k), init=given, algorithm=HALS(), max_iters=3).factors):
            same_bits(found, wanted, k)
            np.testing.assert_array_equal(np.ldexp(found.W, -of_W), wanted.W)
        assert np.isfinite(np.asarray(trace.delta)).all()


def test_a_traced_run_has_a_unit_and_inside_of_the_range_leaves_the_balance_of_the_factors(dtype):
    """The projected gradient depends on it."""
    X, start = problem(dtype)
    given = Factors(64 * start.W, start.H / 64)
    wanted = run(X, given, HALS(), num_iters=2)[1].kkt
    traced = jax.jit(lambda X, given: run(X, given, HALS(), num_iters=2))
    np.testing.assert_allclose(traced(X, given)[1].kkt, wanted, rtol=1e-4)
    k = EXPONENTS[dtype][-1]  # outside it has a unit
    same_bits(traced(jnp.ldexp(X, k), Factors(given.W, jnp.ldexp(given.H, k)))[0], traced(X, given)[0], k)


@pytest.mark.slow
def test_the_powers_of_a_loss_of_high_degree():
    X = problem("float32")[0]
    wanted = fit(X, 3, MU(beta=10.0), max_iters=3)
    found = fit(jnp.ldexp(X, 18), 3, MU(beta=10.0), max_iters=3)
    assert found.status == wanted.status
    np.testing.assert_allclose(np.ldexp(found.loss, -180), wanted.loss, rtol=1e-5)


@pytest.mark.quick(1)
@pytest.mark.parametrize("k", [600, -600])
def test_restarts_are_told_apart_where_their_losses_leave_the_range(k):
    X, _ = problem()
    wanted, found = (sweep(A, [2], num_restarts=4, algorithm=HALS(), num_iters=4) for A in (X, jnp.ldexp(X, k)))
    same_bits(found.best(2), wanted.best(2), k)
    scores = [sweep_similarity(study).W_to_best for study in (found, wanted)]
    np.testing.assert_allclose(*scores, rtol=1e-12)


@pytest.mark.parametrize("factor", [1e-30, 1e-22, 1e-8, 1e8, 1e18, 1e36])
def test_the_loss_of_a_power_of_ten_times_x(factor):
    X = problem()[0]
    wanted = float(fit(X.astype("float32"), 3, max_iters=20).loss)
    found = fit((np.asarray(X) * factor).astype("float32"), 3, max_iters=20)
    assert found.status != Status.NONFINITE
    np.testing.assert_allclose(float(found.loss) / factor / factor, wanted, rtol=1e-4)
    assert found.W.dtype == "float32"
    rounding = 10 * np.finfo("float32").eps * np.sum(np.asarray(X) ** 2)  # of a loss from Gram matrices
    np.testing.assert_allclose(found.trace.loss[19] / factor / factor, wanted, atol=rounding)


def test_a_start_of_a_normal_x_is_not_zero(dtype):
    X = np.full((6, 5), 2 * np.finfo(dtype).tiny, dtype)
    W, H = init.random(0, X, 5)
    wanted = init.random(0, np.ones((6, 5), dtype), 5)
    for found, of_one in ((W, wanted.W), (H, wanted.H)):
        np.testing.assert_array_equal(np.frexp(found)[0], np.frexp(of_one)[0])


def test_a_masked_x_is_completed_in_every_unit(dtype):
    """As a function that is an init sees it."""
    X, _ = problem(dtype)
    mask, k = np.random.default_rng(0).random(X.shape) < 0.8, EXPONENTS[dtype][-1]
    found, wanted = (init.random(0, np.ma.array(A, mask=~mask), 3) for A in (jnp.ldexp(X, k), X))
    same_bits(found, wanted, k)


@pytest.mark.quick(1)
@pytest.mark.parametrize(("algorithm", "dtype"), in_one_precision(HALS(), MU(beta=1.0), MU(beta=0.0)))
def test_a_masked_x_in_every_unit(algorithm, dtype):
    X, _ = problem(dtype)
    mask = np.random.default_rng(0).random(X.shape) < 0.8
    wanted = fit(X, 3, algorithm, mask=mask, max_iters=4)
    for k in EXPONENTS[dtype]:
        same_bits(fit(jnp.ldexp(X, k), 3, algorithm, mask=mask, max_iters=4).factors, wanted.factors, k)


@cache
def compiled(algorithm):
    return jax.jit(lambda X: fit(X, 3, algorithm, max_iters=5, tol=0))


@pytest.mark.parametrize(("algorithm", "dtype"), in_one_precision(HALS(), MU(beta=1.0)))
def test_a_traced_x_has_its_unit_too(algorithm, dtype):
    X, _ = problem(dtype)
    wanted = compiled(algorithm)(X)
    for k in EXPONENTS[dtype]:
        found = compiled(algorithm)(jnp.ldexp(X, k))
        same_bits(found.factors, wanted.factors, k)
        assert found.status == wanted.status
    assert compiled(algorithm)._cache_size() <= 2  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "dtype"), in_one_precision(HALS()))
def test_studies_in_every_unit(algorithm, dtype):
    X, _ = problem(dtype)
    low, *_, high = EXPONENTS[dtype]
    options = {"num_restarts": 2, "algorithm": algorithm, "max_iters": 4}
    wanted, held = sweep(X, [2, 3], **options), cross_validate(X, [2, 3], **options)
    for k in (low, high):
        found, held_out = sweep(jnp.ldexp(X, k), [2, 3], **options), cross_validate(jnp.ldexp(X, k), [2, 3], **options)
        for a, b in zip(found.members, wanted.members, strict=True):
            same_bits(a, b, k)
        np.testing.assert_allclose(np.ldexp(np.asarray(found.rmse, float), -k), wanted.rmse, rtol=1e-6)
        np.testing.assert_allclose(np.ldexp(np.asarray(held_out.test, float), -k), held.test, rtol=1e-6)
        assert (held_out.rank, held_out.rank_1se) == (held.rank, held.rank_1se)


@pytest.mark.quick(1)
@pytest.mark.parametrize(("algorithm", "dtype"), in_one_precision(HALS(), MU(beta=1.0), MU(beta=0.5)))
def test_transform_in_every_unit(algorithm, dtype):
    X, (_, H) = problem(dtype)
    wanted = np.asarray(transform(X, H, algorithm), float)
    for k in EXPONENTS[dtype][::2]:
        found = np.ldexp(np.asarray(transform(jnp.ldexp(X, k), H, algorithm)), -k)
        np.testing.assert_allclose(found, wanted, rtol=1e-3 if dtype == "float32" else 1e-9, atol=1e-6)


@pytest.mark.quick(1)
def test_nnls_in_every_unit(dtype):
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((12, 4)).astype(dtype), rng.standard_normal((12, 30)).astype(dtype)
    wanted, far = np.asarray(nnls(A, B), float), {"float32": 1e19, "float64": 1e150}[dtype]
    for of_A, of_B in ((far, 1), (1, far), (1 / far, 1), (1, 1 / far), (far, far), (1 / far, 1 / far)):
        found = np.asarray(nnls(A * np.dtype(dtype).type(of_A), B * np.dtype(dtype).type(of_B)), float)
        np.testing.assert_allclose(found * of_A / of_B, wanted, rtol=1e-3 if dtype == "float32" else 1e-9, atol=1e-6)


@pytest.mark.quick(1)
@pytest.mark.parametrize("factor", [1e-30, 1e-22, 1e18])
@pytest.mark.parametrize("base", [HALS(), MU(beta=1.0), Extrapolated(HALS()), ANLS()], ids=repr)
def test_penalties_are_converted(base, factor):
    """Held against the same problem in float64, where it is in range. l1 has the unit of X^p/W, l2 that of X^p/W²."""
    X = np.asarray(problem()[0]) * factor
    of_loss, root = factor ** float(base.loss.degree), np.sqrt(factor)
    penalties = {"l1_W": 0.3 * of_loss / root, "l1_H": 0.2 * of_loss / root, "l2_W": 0.1 * of_loss / factor}
    if not all(1e-37 < p < 1e37 for p in penalties.values()):
        penalties = {"l1_W": 0.0, "l1_H": 0.0, "l2_W": penalties["l2_W"]}
    algorithm = penalised(base, **penalties)
    start = Factors(*(root * np.asarray(A) for A in problem()[1]))
    wanted, found = (
        run(X.astype(dtype), Factors(*(A.astype(dtype) for A in start)), algorithm, num_iters=8)[0]
        for dtype in ("float64", "float32")
    )
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(a, float) / root, np.asarray(b) / root, rtol=1e-3, atol=1e-4)
    assert found.W.dtype == "float32"


def test_a_penalty_that_outgrows_the_loss_wins_and_one_that_is_nothing_beside_it_is_nothing():
    X = problem("float32")[0]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        small = fit(X * np.float32(1e-22), 2, HALS(l1_W=1.0, l1_H=1.0, l2_W=1.0, l2_H=1.0), max_iters=20)
    assert any("2 of 2 components are dead" in str(one.message) for one in told)
    assert not np.asarray(small.W).any()
    assert float(small.loss) == pytest.approx(0.5 * np.sum((np.asarray(X, float) * 1e-22) ** 2), rel=1e-4)
    big = fit(X * np.float32(1e22), 2, HALS(l1_H=1.0, l2_W=1e-3), max_iters=20, tol=0)
    plain = fit(X * np.float32(1e22), 2, HALS(), max_iters=20, tol=0)
    np.testing.assert_array_equal(big.W, plain.W)


def test_what_has_a_unit_keeps_it():
    X, _ = problem("float32")
    entered = door.enter(X * np.float32(1e20))
    assert units.choose(entered, HALS()) is not None
    assert units.choose(entered, MU(loss=losses.NegativeBinomial(alpha=1.0))) is None
    assert units.choose(door.enter(X), HALS()) is None


@pytest.mark.quick(1)
def test_a_given_step_size_is_converted(dtype):
    """Of a start that is not balanced, each block has its own."""
    X, start = problem(dtype)
    wanted = fit(X, 3, PGD(step_size=0.02), max_iters=6, tol=0)
    of_start = run(X, start, PGD(step_size=(0.02, 0.01)), num_iters=4)[0]
    for k in (-60, 60) if dtype == "float32" else (-400, 400):  # even: those of W are 2^(k/2), too
        found = fit(jnp.ldexp(X, k), 3, PGD(step_size=0.02 * 2.0**-k), max_iters=6, tol=0)
        same_bits(found.factors, wanted.factors, k)
        assert found.status == wanted.status
        k = k * 2 // 3  # 2^(−2k) is a step size
        given, algorithm = Factors(start.W, jnp.ldexp(start.H, k)), PGD(step_size=(0.02, 0.01 * 2.0 ** (-2 * k)))
        same_bits(run(jnp.ldexp(X, k), given, algorithm, num_iters=4)[0], of_start, k)
    for step_size in (1e-39, (1.0, 1e39)):
        with pytest.raises(ValueError, match="step_size: expected 0 or a number in the range of float32, got"):
            fit(X.astype("float32"), 3, PGD(step_size=step_size))


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "dtype"), in_one_precision(1e-6, 2.0, None))
def test_the_negative_binomial_up_to_the_ends_of_its_range(alpha, dtype):
    """Held against float64 and X of about 1, where c X and c α have c times the loss; None: α is as large as X."""
    X, start = problem()
    X = np.asarray(X) / X.max()
    least, most = losses.NegativeBinomial(alpha=alpha or 1.0).range(dtype)
    rounding = 1e-3 if dtype == "float32" else 1e-9
    for c in (1.01 * least, 0.99 * (most if alpha else 1 / least)):
        algorithm, of_one = (
            MU(loss=losses.NegativeBinomial(alpha=a)) for a in ((c, 1.0) if alpha is None else (alpha, alpha / c))
        )
        scaled = [np.asarray(A * factor, dtype) for A, factor in ((X, c), (start.W, c**0.5), (start.H, c**0.5))]
        found = fit(scaled[0], init=scaled[1:], algorithm=algorithm, max_iters=5)
        wanted = fit(X, init=start, algorithm=of_one, max_iters=5)
        np.testing.assert_allclose(float(found.loss) / c, wanted.loss, rtol=rounding)
        loadings, expected = transform(scaled[0], scaled[2], algorithm), transform(X, start.H, of_one)
        for a, b in ((found.W, wanted.W), (found.H, wanted.H), (loadings, expected)):
            np.testing.assert_allclose(np.asarray(a, float) / c**0.5, b, rtol=rounding, atol=rounding)


def test_a_loss_with_a_unit_refuses_what_is_beyond_its_range():
    X, start = (jax.tree.map(lambda A: np.asarray(A, "float32"), both) for both in problem())
    algorithm = MU(loss=losses.NegativeBinomial(alpha=1.0))
    for far in (1e-36, 1e20):
        calls = [
            lambda A: fit(A, 2, algorithm),
            lambda A: sweep(A, [2], num_restarts=1, algorithm=algorithm),
            lambda A: transform(A, start.H, algorithm),
        ]
        for call in calls:
            with pytest.raises(ValueError, match=r"expected a largest entry from 1e-31 to 3e\+15, .* float32, got"):
                call(X * np.float32(far))
    for alpha in (1e-36, 1e36):
        with pytest.raises(ValueError, match=r"NegativeBinomial\(alpha=…\): expected a number from 1e-31 to 4e\+31"):
            fit(X, 2, MU(loss=losses.NegativeBinomial(alpha=alpha)))
    assert fit(0 * X, 2, algorithm).loss == 0


def test_the_projected_gradient_is_that_of_x(dtype):
    """Of a start from X, for even k: the loss goes with 2²ᵏ, its gradient with that over the root of 2ᵏ."""
    X, _ = problem(dtype)
    wanted = fit(X, 3, HALS(), max_iters=3, tol=0).trace.kkt
    for k in (-40, 40) if dtype == "float32" else (-400, 300):
        found = fit(jnp.ldexp(X, k), 3, HALS(), max_iters=3, tol=0).trace.kkt
        np.testing.assert_allclose(np.ldexp(np.asarray(found, float), -3 * k // 2), wanted, rtol=1e-4)


def test_a_start_far_below_x_is_balanced_in_the_unit():
    X, start = problem("float32")
    X, given = jnp.ldexp(X, 60), Factors(*(jnp.ldexp(A, -5) for A in start))
    found = run(X, given, MU(), num_iters=2)[0]
    wanted = run(X.astype(float), Factors(*(A.astype(float) for A in given)), MU(), num_iters=2)[0]
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(a, float), b, rtol=1e-4)


def test_a_fit_that_was_kept_in_a_unit_goes_on(tmp_path):
    X = jnp.ldexp(problem("float32")[0], 80)
    half, whole = (fit(X, 3, HALS(), max_iters=count, tol=0) for count in (2, 4))
    save(tmp_path / "half.npz", half)
    np.testing.assert_array_equal(fit(X, resume=load(tmp_path / "half.npz"), max_iters=4, tol=0).W, whole.W)
