"""What comes in: every kind of X is the float64 call to rounding, and bad input is told what to do."""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from support import M, N, R, problem, rounding

import jnmf
from jnmf import (
    ALS,
    HALS,
    MU,
    PGD,
    Accelerated,
    Factors,
    Status,
    checks,
    cross_validate,
    door,
    fit,
    init,
    kkt_residual,
    nnls,
    normalize,
    objective,
    run,
    shuffle_columns,
    similarity,
    svd_rmse,
    sweep,
    transform,
)
from jnmf.numerics import compute_dtype

X, START = problem()
GOOD = np.asarray(X)
MASK = np.random.default_rng(0).random(GOOD.shape) < 0.8


def with_entry(value, at=(2, 3)):
    A = GOOD.copy()
    A[at] = value
    return A


def read_only(A):
    A = A.copy()
    A.flags.writeable = False
    return A


def on_disk(A, folder):
    memory = np.memmap(folder / "X", dtype=A.dtype, mode="w+", shape=A.shape)
    memory[:] = A
    return memory


def whole(A):
    return np.ceil(8 * A)


MADE = {
    "list": lambda A: A.tolist(),
    "jax": jnp.asarray,
    "long double": lambda A: A.astype(np.longdouble),
    "big-endian float64": lambda A: A.astype(">f8"),
    "big-endian float32": lambda A: A.astype(">f4"),
    "big-endian float16": lambda A: A.astype(">f2"),
    "float32": lambda A: A.astype("float32"),
    "float16": lambda A: A.astype("float16"),
    "float16 of jax": lambda A: jnp.asarray(A, "float16"),
    "bfloat16": lambda A: A.astype(jnp.bfloat16),
    "bfloat16 of jax": lambda A: jnp.asarray(A, "bfloat16"),
    "booleans": lambda A: A > 1.2,
    "uint8": lambda A: whole(A).astype("uint8"),
    "int64 of jax": lambda A: jnp.asarray(whole(A), int),
    "huge integers": lambda A: np.full(A.shape, 2**64 - 1, np.uint64),
    "read-only": read_only,
    "every second": lambda A: np.repeat(A, 2, axis=1)[:, ::2],
    "by columns": np.asfortranarray,
    "frame": pd.DataFrame,
    "frame of float32": lambda A: pd.DataFrame(A.astype("float32")),
    "frame of Int64": lambda A: pd.DataFrame(whole(A)).astype("Int64"),
    "frame of Float64": lambda A: pd.DataFrame(A).astype("Float64"),
    "frame of Float32": lambda A: pd.DataFrame(A).astype("Float32"),
    "frame of boolean": lambda A: pd.DataFrame(A > 1.2).astype("boolean"),
    "frame of bool and float": lambda A: pd.DataFrame(A).assign(b=A[:, 0] > 1).drop(columns=0),
    "masked, but nothing": lambda A: np.ma.masked_array(A),
}
NARROW = {
    "float32": ("float32", "big-endian float32", "frame of float32", "frame of Float32"),
    "float16": ("float16", "big-endian float16", "float16 of jax"),
    "bfloat16": ("bfloat16", "bfloat16 of jax"),
}
DTYPES = {name: dtype for dtype, names in NARROW.items() for name in names}


@pytest.mark.quick(16)
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
@pytest.mark.parametrize("name", [*MADE, "memmap"])
def test_every_kind_of_X_is_the_float64_call(name, mask, tmp_path):
    A = on_disk(GOOD, tmp_path) if name == "memmap" else MADE[name](GOOD)
    dtype = jnp.dtype(DTYPES.get(name, "float64"))
    expected, trace = run(np.asarray(A, float), START, HALS(), num_iters=3, mask=mask)
    found, found_trace = run(A, START, HALS(), num_iters=3, mask=mask)
    compute = jnp.promote_types(dtype, "float32")
    scale = 0.5 * np.sum(np.asarray(A, float) ** 2)  # the losses are differences of such numbers
    np.testing.assert_allclose(found_trace.loss, trace.loss, atol=rounding(compute) * scale)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == dtype
        eps = float(jnp.finfo(dtype).eps)
        np.testing.assert_allclose(np.asarray(a, float), b, rtol=rounding(compute) + eps, atol=rounding(compute))


@pytest.mark.quick(1)
@pytest.mark.parametrize("kind", ["float64", "float32", "int64", ">f8"])
def test_the_mask_of_a_masked_array_is_honoured(kind):
    data = whole(GOOD).astype(kind)
    A = np.ma.masked_array(data.copy(), mask=~MASK)
    A.data[~MASK] = 10**6 if kind == "int64" else np.nan
    both = MASK.copy()
    both[:, 0], other = False, np.ones(MASK.shape)
    other[:, 0], other[3] = 0, 0.5
    for mask, weights in ((None, MASK), (MASK, MASK), (np.ones_like(MASK), MASK), (both, both), (other, MASK * other)):
        found, _ = run(A, START, HALS(), num_iters=3, mask=mask)
        np.testing.assert_array_equal(found.W, run(data, START, HALS(), num_iters=3, mask=weights)[0].W)
    calls = [
        lambda X, **mask: fit(X, init=START, algorithm=HALS(), max_iters=2, **mask).W,
        lambda X, **mask: transform(X, START, **mask),
        lambda X, **mask: kkt_residual(X, START, **mask),
        lambda X, **mask: objective(X, START, MU(beta=1.0), **mask),
        lambda X, **mask: sweep(X, [2], num_restarts=1, algorithm=HALS(), num_iters=2, **mask).rmse,
        lambda X, **mask: cross_validate(X, [2], num_restarts=1, algorithm=HALS(), max_iters=2, **mask).test,
    ]
    for call in calls[: None if kind == "float64" else 1]:
        np.testing.assert_array_equal(call(A), call(data, mask=MASK))


def test_masked_arrays_without_values_or_of_no_numbers_are_refused():
    with pytest.raises(ValueError, match="expected a positive weight, got all zeros"):
        fit(np.ma.masked_array(GOOD, mask=True), 2)
    pairs = np.ma.zeros((4, 3), dtype=[("a", float), ("b", float)])
    for wrong in (pairs, np.ma.masked_array(GOOD.astype(object), mask=~MASK)):
        with pytest.raises(TypeError, match="X: expected real numbers, got dtype"):
            fit(wrong, 2)
    hidden = np.ma.masked_array(GOOD, mask=~MASK)
    calls = {
        "X": lambda: svd_rmse(hidden, [1]),
        "A": lambda: nnls(hidden, GOOD),
        "V": lambda: similarity(GOOD, hidden),
        "H": lambda: transform(GOOD, hidden),
        "init W": lambda: fit(GOOD, init=(hidden, GOOD)),
        "mask": lambda: fit(GOOD, 2, mask=hidden),
        "W": lambda: jnmf.plot.components(hidden, (4, 3)),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=rf"{name}: expected no masked entries"):
            call()


@pytest.mark.slow
def test_half_precision_with_a_mask_is_the_float32_call():
    """The sums leave the range of float16, 65504."""
    A = (np.random.default_rng(1).random((40, 3)) @ np.random.default_rng(2).random((3, 30)) * 90).astype("float16")
    mask = np.random.default_rng(3).random(A.shape) < 0.9
    wide = A.astype("float32")
    assert np.sum(A, dtype=float) > np.finfo("float16").max
    near = lambda a, b: np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=2**-10, atol=1e-6)
    narrow, whole = (fit(B, 3, HALS(), mask=mask, max_iters=20) for B in (A, wide))
    assert narrow.W.dtype == "float16"
    near(narrow.W, whole.W)
    near(narrow.H, whole.H)
    near(run(A, whole, HALS(), num_iters=2, mask=mask)[0].W, run(wide, whole, HALS(), num_iters=2, mask=mask)[0].W)
    near(transform(A, whole, mask=mask), transform(wide, whole, mask=mask))
    near(objective(A, whole, mask=mask), objective(wide, whole, mask=mask))
    near(normalize(narrow, "l2").H, normalize(Factors(*(np.asarray(B, "float32") for B in narrow.factors)), "l2").H)
    options = {"num_restarts": 2, "algorithm": HALS(), "mask": mask}
    of_members = [sweep(B, [2], num_iters=5, **options) for B in (A, wide)]
    np.testing.assert_array_equal(of_members[0].loss, of_members[1].loss)
    assert [study.best(2).W.dtype for study in of_members] == ["float16", "float32"]
    scores = [cross_validate(B, [2], max_iters=5, **options).test for B in (A, wide)]
    np.testing.assert_array_equal(*scores)
    assert np.isfinite(scores[0]).all()


def test_a_fit_is_taken_where_factors_are(monkeypatch):
    fitted = fit(GOOD, R, HALS(), max_iters=3)
    pair = fitted.factors
    calls = [
        lambda f: transform(GOOD, f) if isinstance(f, Factors | jnmf.Fit) else transform(GOOD, f[1]),
        lambda f: fit(GOOD, init=f, algorithm=HALS(), max_iters=2).W,
        lambda f: fit(GOOD, init=lambda key, X, rank: f, rank=R, algorithm=HALS(), max_iters=2).W,
        lambda f: sweep(GOOD, [R], num_restarts=1, init=f, algorithm=HALS(), num_iters=2).loss,
        lambda f: run(GOOD, f, HALS(), num_iters=2)[0].W,
        lambda f: normalize(f).W,
        lambda f: jnmf.probabilities(f).sigma,
        lambda f: jnmf.order(f)[0],
        lambda f: jnmf.clusters(f)[1],
        lambda f: objective(GOOD, f),
        lambda f: kkt_residual(GOOD, f),
    ]
    for call in calls:
        for given in (fitted, list(pair), tuple(map(np.asarray, pair))):
            np.testing.assert_array_equal(call(given), call(pair))
    with pytest.raises(ValueError, match="init: Factors starts every restart at the same point"):
        sweep(GOOD, [R], num_restarts=2, init=fitted)


class Backed:
    """What an AnnData on disk is known by."""

    X, obs_names, var_names, isbacked = np.ones((2, 2)), list("ab"), list("cd"), True


NULLABLE = pd.DataFrame(whole(GOOD)).astype("Int64")
NULLABLE.iloc[1, 0] = pd.NA
LABELLED = pd.DataFrame(GOOD).assign(name="a")

ARGUMENTS = [
    ((with_entry(np.nan), 2), r"got 1 NaN or inf of 108, the first at \(2, 3\); .* mask=np.isfinite\(X\)"),
    ((with_entry(-np.inf), 2), r"finite entries, got 1 NaN or inf of 108, the first at \(2, 3\)"),
    ((jnp.asarray(with_entry(np.nan), "bfloat16"), 2), r"got 1 NaN or inf of 108, the first at \(2, 3\)"),
    ((NULLABLE, 2), r"got 1 NaN or inf of 108, the first at \(1, 0\); .* mask="),
    ((np.full((4, 3), np.longdouble("1e400")), 2), r"in the range of float64, got 1e\+400 at \(0, 0\); pass it in"),
    ((np.full((4, 3), np.longdouble("1e-400")), 2), "in the range of float64, got only smaller ones; pass it in"),
    ((GOOD[0], 2), r"two-dimensional matrix, got shape \(9,\); a column is X\[:, None\], a row X\[None, :\]"),
    ((GOOD[None], 2), r"got shape \(1, 12, 9\)"),
    ((np.empty((0, 3)), 2), r"at least one row and one column, got shape \(0, 3\)"),
    ((pd.DataFrame(), 2), r"at least one row and one column, got shape \(0, 0\)"),
    (([["a", "b"]], 2), "real numbers, got dtype <U1"),
    ((np.array([[None, 1]]), 2), r"real numbers, got dtype object; convert it, as by np.asarray\(X, float\)"),
    ((None, 2), "real numbers, got NoneType"),
    ((jnp.ones((3, 2), "float8_e5m2"), 2), "16 bits or more, got float8_e5m2; convert it to float32"),
    ((np.full((4, 3), 1e-310), 2), "in the range of float64, got only smaller ones; pass it in other units"),
    ((np.full((4, 3), 1e-42, "float32"), 2), "in the range of float32, got only smaller ones"),
    (("X", 2), "expected a matrix, got 'X'; read the file first"),
    (([[1.0, 2.0], [3.0]], 2), "rows of one length, got 2 that differ"),
    ((GOOD + 1j, 2), "real numbers, got dtype complex128; pass its real part"),
    ((jax.random.key(0), 2), "real numbers, got PRNGKeyArray"),
    ((LABELLED, 2), "expected numbers in every column, got str in 'name'; convert or drop it"),
    ((Backed(), 2), r"matrix in memory, got Backed on disk; pass X.to_memory\(\), or jnmf.streamed\(X\)"),
    ((GOOD,), "got none; only where init is Factors it may be left out"),
    ((GOOD, 0), "rank: expected an integer of at least 1, got 0"),
    ((GOOD, 2.0), "rank: expected an integer of at least 1, got 2.0"),
    ((GOOD, True), "rank: expected an integer"),
    ((GOOD, 10**7), r"whose factors fit the memory of .* W and H take 0.84 GB in float32, a Gram matrix 4e\+05 GB"),
    ((GOOD, 10**7, MU(), "nndsvd"), "whose factors fit the memory"),
    (
        (with_entry(-2.0), 2, MU()),
        r"MU expects nonnegative entries, got 1 negative ones of 108, the least -2, the first at \(2, 3\)",
    ),
    ((with_entry(-2.0), 2, MU(beta=1.0)), "clip them with project_nonnegative, or use HALS"),
    (
        (with_entry(0.0), 2, MU(beta=0.0)),
        r"1 zeros of 108 outside empty rows and columns, the first at \(2, 3\); use beta",
    ),
    ((GOOD, 2, HALS(l1_W=-1.0)), "l1_W: expected a finite number of at least 0, got -1"),
    ((GOOD, 2, ALS(l2_H=np.inf)), "l2_H: expected a finite number"),
    ((GOOD, 2, ALS(l2_H=None)), "l2_H: expected a finite number of at least 0, got None"),
    ((GOOD, 2, PGD(step_size=-0.1)), "step_size: expected a finite number of at least 0, got -0.1"),
    ((GOOD, 2, PGD(step_size=jnp.float32(-1))), "step_size: expected a finite number of at least 0, got Array"),
    ((GOOD, 2, PGD(step_size=np.ones(2))), "step_size: expected a finite number of at least 0, got array"),
    ((GOOD, 2, HALS), r"expected an instance such as HALS\(\)"),
    ((GOOD, 2, "hals"), r"expected an instance such as HALS\(\), got 'hals'; write HALS\(\)"),
    ((GOOD, 2, "nmf"), r"got 'nmf'; a method of your own is a subclass of"),
]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_look_sees_what_xla_computes_with(dtype):
    """Below the normal numbers all is 0 to XLA on a CPU, and so to the rules for zeros."""
    tiny = np.finfo(dtype).smallest_normal
    for low, high in ((tiny, 2), (tiny / 2, 2), (-tiny / 2, 2), (-2, -tiny / 2), (-2, tiny / 2), (-tiny / 2, tiny / 2)):
        A = np.array([[low, high], [high, low]], dtype)
        of_dtype = A.astype(compute_dtype(A.dtype))  # as it is looked at
        assert door.range_of(of_dtype) == tuple(np.asarray(door.extremes(jnp.asarray(of_dtype))).tolist())
    if dtype != "float16":
        with pytest.raises(ValueError, match="got 1 zeros of 6 outside empty rows and columns"):
            fit(np.array([[tiny / 2, 1, 2], [2, 3, 4]], dtype), 2, MU(beta=0.0))


@pytest.mark.parametrize(("arguments", "message"), ARGUMENTS)
def test_errors_of_arguments(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        fit(*arguments[:3], **({"init": arguments[3]} if len(arguments) > 3 else {}))


OPTIONS = [
    ({"tol": -1e-3}, "tol: expected a finite number of at least 0, got -0.001"),
    ({"tol": "small"}, "tol: expected a finite number"),
    ({"tol": 1j}, "tol: expected a finite number of at least 0, got 1j"),
    ({"stop": "gradient"}, "stop: expected one of 'delta', 'loss', 'kkt', got 'gradient'"),
    ({"max_iters": -1}, "max_iters: expected an integer of at least 0, got -1"),
    ({"max_iters": 1.5}, "max_iters: expected an integer"),
    ({"check_every": 0}, "check_every: expected an integer of at least 1, got 0"),
    *(({"key": key}, r"key: expected an integer seed from -2\*\*63") for key in ("0", None, 1.0, True, 2**63, 2**64)),
    ({"key": jax.random.split(jax.random.key(0))}, r"expected a single key, got 2 of shape \(2,\)"),
    ({"init": "svd"}, r"expected one of 'random', 'nndsvd', 'nndsvda', 'nndsvdar', 'spa', got 'svd'"),
    ({"init": Factors(START.W, START.H.T)}, r"expected W \(12, 3\) and H \(3, 9\).*did you pass Hᵀ\?"),
    ({"init": Factors(START.W[:5], START.H)}, r"got W \(5, 3\) and H \(3, 9\); W needs the rows of X"),
    ({"init": [GOOD, GOOD]}, r"init: expected W \(12, 3\) and H \(3, 9\), got W \(12, 9\)"),
    ({"init": Factors(-START.W, START.H)}, "init W: expected nonnegative entries, got -"),
    ({"init": Factors(START.W, 0 * START.H)}, "init H: expected a positive entry, got all zeros"),
    ({"init": Factors(START.W, START.H * np.nan)}, "init H: expected finite entries"),
    ({"init": (START.W,)}, r"expected Factors\(W, H\) or a Fit, got 1 arrays"),
    ({"init": lambda key, X, rank: Factors(jnp.zeros((M, rank)), jnp.ones((rank, N)))}, "init W: .*all zeros"),
    ({"init": lambda key, X, rank: None}, r"expected Factors\(W, H\) or a Fit, got NoneType"),
    ({"init": 3}, "init .*expected one of"),
    ({"init": GOOD}, r"init .*expected one of 'random'"),
    ({"mask": np.ones((3, 3))}, r"mask: expected the shape of X, \(12, 9\), got \(3, 3\)"),
    ({"mask": MASK.T}, r"got \(9, 12\); did you pass its transpose\?"),
    ({"mask": -2.0 * MASK}, r"a finite number of at least 0 .* negative, the least -2, the first at"),
    ({"mask": -1.0 * MASK}, "booleans or weights"),
    ({"mask": 0 * MASK}, "expected a positive weight, got all zeros"),
    ({"mask": np.full(MASK.shape, np.nan)}, r"negative, NaN, inf or beyond float\d\d, the first at \(0, 0\)"),
    ({"mask": "stored"}, r'booleans or weights, got \'stored\'; "stored" is for a sparse X'),
    ({"mask": scipy.sparse.csr_array(MASK)}, r"mask: expected a dense matrix, got sparse csr_array"),
]


@pytest.mark.parametrize(("options", "message"), OPTIONS)
def test_errors_of_options(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        fit(GOOD, R, HALS(), **options)


def test_errors_of_other_entrances():
    calls = [
        (lambda: fit(GOOD, 2, init=START), r"expected W \(12, 2\) and H \(2, 9\)"),
        (lambda: run(GOOD, START, HALS(), num_iters=-1), "num_iters: expected an integer of at least 0, got -1"),
        (lambda: transform(GOOD, START.H.T), "did you pass Hᵀ"),
        (lambda: transform(GOOD, -START.H), "H: expected nonnegative entries, got -"),
        (lambda: transform(-GOOD, START.H, MU(beta=1.0)), "X_new: MU expects nonnegative"),
        (lambda: sweep(GOOD, 3, num_restarts=1), r"ranks: expected several, got 3; pass \[3\] or range\(1, 3 \+ 1\)"),
        (lambda: sweep(GOOD, np.array(3), num_restarts=1), r"ranks: expected several, got 3; pass \[3\]"),
        (lambda: sweep(GOOD, [10**7], num_restarts=1), "rank: expected one whose factors fit the memory"),
        (lambda: init.random(0, GOOD, 10**7), "rank: expected one whose factors fit the memory"),
        (lambda: kkt_residual(GOOD, (-START.W, START.H)), "W: expected nonnegative"),
        (lambda: objective(GOOD, (START.W, START.H.T)), "did you pass Hᵀ"),
        (lambda: MU(beta=np.nan), "beta: expected a finite number"),
        (lambda: HALS(inner=True), r"HALS\(inner=…\): expected an integer of at least 1, got True"),
        (lambda: HALS(inner=0), r"HALS\(inner=…\): expected an integer of at least 1, got 0"),
        (lambda: shuffle_columns(with_entry(np.inf)), r"got 1 NaN or inf of 108, the first at \(2, 3\)"),
    ]
    for call, message in calls:
        with pytest.raises(ValueError, match=message):
            call()


def test_numbers_of_numpy_are_numbers():
    assert HALS(inner=np.int64(3)) == HALS(inner=3)
    plain = fit(GOOD, 2, HALS(inner=3), key=5, tol=1e-3, max_iters=4)
    odd = fit(GOOD, np.int32(2), HALS(inner=np.int64(3)), key=np.uint64(5), tol=np.float32(1e-3), max_iters=np.int8(4))
    np.testing.assert_array_equal(plain.W, odd.W)


def test_frames_and_their_masks_have_the_same_labels():
    frame = pd.DataFrame(GOOD).mask(~MASK).astype("Float64")
    for mask in (frame.notna(), frame.notna().astype("boolean"), MASK):
        np.testing.assert_array_equal(
            run(frame, START, HALS(), num_iters=2, mask=mask)[0].W,
            run(GOOD, START, HALS(), num_iters=2, mask=MASK)[0].W,
        )
    with pytest.raises(ValueError, match="mask: expected the labels of X in their order"):
        fit(frame, 2, mask=frame.notna()[::-1])


def test_every_seed_of_64_bits_is_a_key_of_its_own():
    seeds = [0, 1, -1, 2**31, 2**32 - 1, 2**32, 2**40, -(2**31), -(2**32), -(2**63), 2**63 - 1, jnp.array(7)]
    keys = {bytes(np.asarray(jax.random.key_data(init.as_key(seed)))) for seed in seeds}
    assert len(keys) == len(seeds)
    assert init.as_key(2**40) == jax.random.key(2**40)
    traced = jax.vmap(lambda seed: shuffle_columns(X, seed))(jnp.arange(2))
    np.testing.assert_array_equal(traced[1], shuffle_columns(X, 1))


def test_nothing_raises_inside_jit():
    bad = jnp.asarray(with_entry(np.nan))
    fitted = jax.jit(lambda A: fit(A, init=START, algorithm=HALS(), max_iters=5))(bad)
    assert fitted.status == Status.NONFINITE
    np.testing.assert_allclose(fitted.W, START.W)


@pytest.mark.slow
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_X_is_looked_at_once(monkeypatch, mask):
    """Also for an algorithm with a domain, a start of the caller's, and dead components to report."""
    seen, again = [], []
    look = door.range_of
    monkeypatch.setattr(door, "range_of", lambda A: seen.append(A.shape) or look(A))
    monkeypatch.setattr(door, "on_host", lambda value: again.append(value) or value().item())
    once = {GOOD.shape: 1 if mask is None else 2}  # the mask too
    calls = [
        lambda: fit(GOOD, R, MU(), max_iters=2, mask=mask),
        lambda: fit(GOOD, algorithm=MU(), init=START, max_iters=2, mask=mask),
        lambda: fit(GOOD, R, HALS(), init="nndsvd", max_iters=2, mask=mask),
        lambda: run(GOOD, START, HALS(), num_iters=2, mask=mask),
        lambda: transform(GOOD, START, MU(), mask=mask),
        lambda: kkt_residual(GOOD, START, mask=mask),
        lambda: sweep(GOOD, [2], num_restarts=1, algorithm=MU(), num_iters=1, mask=mask),
        lambda: cross_validate(GOOD, [2], num_restarts=1, algorithm=MU(), max_iters=1, mask=mask),
    ]
    for call in calls:
        seen.clear()
        call()
        assert {shape: seen.count(shape) for shape in seen if shape == GOOD.shape} == once
    assert again == []
    seen.clear()
    with pytest.warns(UserWarning, match="components are dead"):
        fit(GOOD, R, HALS(l1_W=100.0), max_iters=20)
    assert seen.count(GOOD.shape) == 1


def test_the_look_makes_no_matrix_and_neither_nan_nor_inf_passes():
    for bad in (np.nan, np.inf, -np.inf):
        for look in (door.extremes, door.range_of):  # on a device, and on the host
            assert not np.isfinite(look(jnp.asarray(with_entry(bad)))).all()
    with jax.debug_nans(True):
        for offset in range(0, 64, 8):  # one of these places is such that JAX shares the memory
            place = np.empty(8 * GOOD.size + 64, np.uint8)[offset:][: 8 * GOOD.size].view(float).reshape(GOOD.shape)
            place[:] = with_entry(np.nan)
            with pytest.raises(ValueError, match="got 1 NaN"):
                fit(place, 2)


@pytest.mark.quick(2)
@pytest.mark.parametrize("kind", list(jax.sharding.AxisType)[:2], ids=str)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_nan_passes_that_is_on_one_of_several_devices(bad, kind):
    """The least entry of all devices is without the NaN of one."""
    mesh = jax.make_mesh((2,), ("rows",), axis_types=(kind,))
    spread = lambda A: jax.device_put(A, jax.NamedSharding(mesh, jax.P("rows")))
    with pytest.raises(ValueError, match=r"got 1 NaN or inf of 108, the first at \(2, 3\)"):
        fit(spread(with_entry(bad)), 2)
    assert door.enter(spread(GOOD)).least == GOOD.min()


def test_all_after_the_door_is_in_one_dtype():
    """A user's init sees X in the dtype to compute in, and starts and numbers of another are converted."""
    seen = []

    def start(key, X, rank):
        seen.append(X.dtype)
        return Factors(*(np.asarray(A, "float16") for A in START))

    fitted = fit(GOOD.astype("float16"), R, HALS(l1_W=np.float64(0.1)), init=start, max_iters=2)
    assert seen == [jnp.float32]
    assert (fitted.W.dtype, fitted.loss.dtype, fitted.trace.loss.dtype) == ("float16", "float32", "float32")
    assert objective(GOOD.astype("float32"), START).dtype == "float64"


@pytest.mark.slow
def test_repeats_have_forward_derivatives_alone():
    """As the docstring of `run` says; the error is raised behind it, where JAX transposes the loop."""
    value = lambda A: run(A, START, Accelerated(HALS()), num_iters=2)[0].W.sum()
    step = 1e-6 * X
    _, forward = jax.jvp(value, (X,), (step,))
    np.testing.assert_allclose(value(X + step) - value(X - step), 2 * forward, rtol=1e-6)
    with pytest.raises(ValueError, match="Reverse-mode differentiation does not work"):
        jax.grad(value)(X)


WITHOUT_THE_SWITCH = """
import json, warnings
import jax, numpy as np, pandas as pd, jnmf
from jnmf.init import as_key

def told(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = call()
        except ValueError as error:
            return str(error)
    return [str(w.message) + f" [{w.filename}]" for w in caught]

ones, enter = np.ones((4, 3)), jnmf.init.random
keep = np.arange(12).reshape(4, 3) > 3
enter_masked = lambda X, mask: jnmf.kkt_residual(X, (ones[:, :1].tolist(), ones[:1].tolist()), mask=mask)
quiet = [ones.tolist(), ones.astype(int), ones > 0, ones.astype("f4"), ones.astype(">f4"), ones.astype("f2"),
         pd.DataFrame(ones).astype("Int64"), pd.DataFrame(ones).astype("Float32"), jax.numpy.ones((4, 3))]
seeds = [0, 1, -1, 2**32 - 1, 2**32, 2**40, -(2**63), 2**63 - 1]
print(json.dumps({
    "huge": told(lambda: jnmf.fit(ones * 1e100, 1)),
    "frame": told(lambda: jnmf.fit(pd.DataFrame(ones * 1e100, list("abcd"), list("efg")), 1)),
    "tiny": told(lambda: jnmf.fit(ones * 1e-100, 1)),
    "under a mask": told(lambda: enter_masked(np.where(keep, 1, 1e100).tolist(), mask=keep)),
    "quiet": [told(lambda: enter(0, A, 1)) for A in quiet],
    "plot": told(lambda: jnmf.plot.components(ones, (2, 2))),
    "first": told(lambda: jnmf.fit(ones, 1)),
    "second": told(lambda: jnmf.fit(pd.DataFrame(ones), 1)),
    "dtype": str(jnmf.fit(ones, 1).W.dtype),
    "keys": [jax.random.key_data(as_key(seed)).tolist() for seed in seeds],
    "seeds": seeds,
}))
"""


def test_without_the_float64_switch():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_SWITCH], capture_output=True, text=True, check=False, env=None
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    switch = 'jax.config.update("jax_enable_x64", True) before anything else keeps float64'
    beyond = "X: expected entries in the range of float32, got"
    assert found["huge"] == f"{beyond} 1e+100 at (0, 0); {switch}, or pass it in other units"
    assert found["frame"].startswith(f"{beyond} 1e+100 at row 'a', column 'e'; {switch}")
    assert found["tiny"] == f"{beyond} only smaller ones; {switch}, or pass it in other units"
    assert found["under a mask"] == []
    assert found["quiet"] == [[]] * 9
    assert found["plot"] == []
    (message,) = found["first"]
    assert message.startswith("float64 is rounded to float32, since JAX's float64 is switched off: jax.config.update")
    assert message.endswith("[<string>]")  # where the user called
    assert found["second"] == []
    assert found["dtype"] == "float32"
    assert found["keys"] == [jax.random.key_data(jax.random.key(seed)).tolist() for seed in found["seeds"]]
    assert len(set(map(tuple, found["keys"]))) == len(found["seeds"])


def test_a_warning_reaches_code_that_has_no_name():
    """As code has it that `exec` runs: that of an example in a page, say."""
    with pytest.warns(UserWarning, match="told"):
        exec("warn('told')", {"warn": checks.warn})
