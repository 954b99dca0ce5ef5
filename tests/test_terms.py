"""Terms and constraints: each keeps its promises, and fits with them are what others compute."""

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, sparse
from support import M, N, R, problem, rounding

import jnmf
from jnmf import ALS, ANLS, HALS, MU, PGD, Accelerated, Extrapolated, Factors, fit, sweep, terms, transform
from jnmf.loops import run
from jnmf.terms.minimum_volume import inverse_and_log_determinant
from jnmf.testing import algorithms, check_term
from jnmf.testing import terms as promises
from jnmf.testing.promises import paragraphs

X, START = problem()
rng = np.random.default_rng(0)


def laplacian(n, share=0.4):
    S = np.triu((rng.random((n, n)) < share).astype(float), 1)
    S += S.T
    return np.diag(S.sum(axis=0)) - S


A, WHOLE, KNOWN = rng.random((2, N)), rng.random((R, N)), rng.random((R, N)) < 0.3
L = laplacian(N)
PAIRS: dict[str, Any] = {
    "ridge": terms.Ridge(0.3),
    "ridge of each": terms.Ridge(np.array([0.3, 0, 2])),
    "lasso": terms.Lasso(0.3),
    "lasso of each": terms.Lasso(np.array([0, 0.3, 0.1])),
    "target": terms.Target(A, 0.5),
    "target of each": terms.Target(A, np.array([0.5, 2])),
    "sum to 3": terms.SumToOne(2.0, total=3.0),
    "column l1": terms.ColumnL1(0.2),
    "graph": terms.Graph(L, 0.1),
    "sparse graph": terms.Graph(jnmf.sparse(L), 0.1),
    "graph of each": terms.Graph(L, np.array([0.1, 1, 0])),
    "smooth": terms.Smooth(0.4),
    "volume": terms.MinimumVolume(0.5, delta=0.2),
}
CONSTRAINTS = {
    "known": terms.Known(A),
    "known entries": terms.Known(WHOLE, mask=KNOWN),
    "free": terms.Free(),
    "simplex": terms.Simplex(),
    "simplex of 3": terms.Simplex(total=3.0),
}
MOST = tuple(PAIRS[name] for name in ("ridge of each", "lasso", "target", "sum to 3", "column l1", "graph", "smooth"))
ALL = (*MOST, PAIRS["volume"])


def whole(A):
    return np.asarray(A, np.float64)


# Each by itself


@pytest.mark.quick(5)
@pytest.mark.parametrize("name", PAIRS | CONSTRAINTS)
def test_it_keeps_its_promises(name):
    check_term((PAIRS | CONSTRAINTS)[name], shape=(R, N), dtype="float64")


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS | CONSTRAINTS)
def test_it_keeps_them_in_float32(name):
    check_term((PAIRS | CONSTRAINTS)[name], shape=(R, N), dtype="float32")


class Decorrelation(terms.Term):
    """As in the documentation of Term."""

    weight: float = 1.0
    convex = False

    def value(self, H):
        return 0.5 * self.weight * (jnp.sum(jnp.sum(H, axis=0) ** 2) - jnp.sum(H * H))

    def pair(self, H):
        return self.weight * (1 - jnp.eye(len(H), dtype=H.dtype)), 0.0


def test_one_of_ones_own():
    check_term(Decorrelation(), dtype="float64")
    descends(HALS(on_H=Decorrelation(weight=0.3)))
    with pytest.raises(ValueError, match=r"ANLS\(on_H=terms.Decorrelation\(…\)\): expected a ΔG that is positive"):
        fit(X, R, ANLS(on_H=Decorrelation()))


def wrong(of, **changes):
    """A term with some methods or declarations replaced."""
    annotations = {name: ClassVar[Any] for name in changes if not callable(changes[name])}
    made = type("Wrong", (type(of),), {"__annotations__": annotations, **changes})
    broken = object.__new__(made)
    broken.__dict__.update(vars(of))
    return broken


WRONG = [
    (wrong(PAIRS["ridge"], value=lambda self, H: jnp.sum(H, axis=0)), promises.is_traced),
    (wrong(PAIRS["lasso"], pair=lambda self, H: (jnp.zeros((3, 3)), 0.3)), promises.the_pair_is_the_gradient),
    (wrong(PAIRS["smooth"], pair=lambda self, H: flattened(terms.Smooth.pair, self, H)), promises.the_pair_lies_above),
    (wrong(PAIRS["smooth"], rise=lambda self, old, new: self.value(new)), promises.its_rise_is_that_of_its_value),
    (wrong(PAIRS["volume"], nonnegative_gram=True), promises.it_declares_what_holds),
    (wrong(PAIRS["volume"], value=lambda self, H: logdet(self, H)), promises.padding_adds_nothing),
    (wrong(PAIRS["ridge"], degree=1), promises.it_has_its_unit),
    (wrong(CONSTRAINTS["simplex"], project=lambda self, H, k=None: H / jnp.sum(H, axis=0)[None]), promises.it_projects),
    (wrong(CONSTRAINTS["simplex"], lengths={}), promises.its_set_has_its_unit),
    (wrong(CONSTRAINTS["simplex"], slope=lambda self, H, g: g), promises.its_slope_vanishes_at_a_minimum),
    (wrong(terms.Known(A[:, :7]), slope=lambda self, H, g: g.at[:2].set(0)), promises.its_slope_vanishes_at_a_minimum),
]


def flattened(pair, self, H):
    """Of the same gradient, but less curved: it no longer lies above."""
    G, C = pair(self, H)
    return G / 8, C - 7 / 8 * G[:, None] * H


def logdet(self, H):
    return 0.5 * self.weight * jnp.linalg.slogdet(H @ H.T + self.delta * jnp.eye(len(H)))[1]


@pytest.mark.quick(3)
@pytest.mark.parametrize(("term", "promise"), WRONG, ids=lambda x: getattr(x, "__name__", ""))
def test_a_wrong_one_is_rejected(term, promise):
    with pytest.raises(AssertionError) as raised:
        check_term(term, dtype="float64")
    assert paragraphs(promise)[0] in str(raised.value)


# What fits with them are


def descends(algorithm, num_iters=25, X=X, start=START):
    """The trace is that of the objective and of the KKT residual, and falls."""
    factors, trace = run(X, start, algorithm, num_iters=num_iters)
    assert np.all(np.diff(trace.loss) <= rounding("float64") * np.abs(trace.loss[:-1]))
    np.testing.assert_allclose(trace.loss[-1], jnmf.objective(X, factors, algorithm), rtol=1e-9)
    np.testing.assert_allclose(trace.kkt[-1], jnmf.kkt_residual(X, factors, algorithm), rtol=1e-6, atol=1e-9)
    assert trace.loss[-1] < 0.9 * trace.loss[0]
    return factors


TOGETHER = {
    "HALS": HALS(on_H=ALL, on_W=terms.SumToOne(0.1)),
    "default": Extrapolated(Accelerated(HALS(on_H=ALL, on_W=terms.MinimumVolume(0.1)))),
    "PGD": PGD(on_H=ALL, l2_W=0.1),
    "ANLS": ANLS(on_H=ALL, l1_H=0.1),
    "MU": MU(on_H=MOST, on_W=terms.Smooth(0.1)),
    "MU KL": MU(beta=1.0, on_H=MOST, on_W=terms.SumToOne(0.1)),
    "MU 0": MU(beta=0.0, on_H=MOST, l2_H=0.1),
    "MU 3": MU(beta=3.0, on_H=MOST),
}


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", TOGETHER)
def test_all_together_descend(name):
    descends(TOGETHER[name])


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", [HALS, PGD, ANLS, MU, partial(MU, beta=1.0), partial(MU, beta=1.5), partial(MU, beta=0.5)]
)
@pytest.mark.parametrize("name", PAIRS)
def test_each_descends(name, make):
    algorithm = make(on_H=PAIRS[name])
    if name == "volume" and isinstance(algorithm, MU):
        with pytest.raises(ValueError, match="expected a ΔG without negative entries; use HALS"):
            fit(X, R, algorithm)
        return
    for seed in range(6):  # one program; rank deficient, with zeros, at other scales
        draw = np.random.default_rng(seed)
        scale, rank = 10.0 ** draw.uniform(-1, 1), draw.integers(1, 5)
        A = scale * draw.exponential(size=(M, rank)) @ draw.exponential(size=(rank, N))
        A = A * (draw.random((M, N)) < 0.8) + 0.01 * scale * draw.random((M, N))
        start = Factors(*(jnp.asarray(draw.exponential(size=shape)) for shape in ((M, R), (R, N))))
        _, trace = run(A, start, algorithm, num_iters=25)
        assert np.all(np.diff(trace.loss) <= rounding("float64") * np.abs(trace.loss[:-1])), seed
    descends(algorithm)
    if "graph" not in name and "target" not in name:
        descends(make(on_W=PAIRS[name]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["HALS", "default", "MU", "MU KL"])
def test_on_W_they_are_those_of_the_transposed(name):
    """H of Xᵀ ≈ HᵀWᵀ: the half-steps come in the other order, the minimum of a convex half-problem is the same."""
    a = TOGETHER[name]
    kinds = (terms.Ridge(0.3), terms.Target(A.T, 0.5), terms.Graph(L, 0.1), terms.Known(A[:1].T))
    of_W = algorithms.with_penalties(a, on_H=(), on_W=kinds)
    of_H = algorithms.with_penalties(a, on_W=(), on_H=tuple(term.T for term in kinds))
    start = Factors(START.H.T, START.W.T)
    value = jnmf.objective(X.T, start, of_W)
    np.testing.assert_allclose(value, jnmf.objective(X, START, of_H), rtol=1e-13)
    np.testing.assert_allclose(jnmf.kkt_residual(X.T, start, of_W), jnmf.kkt_residual(X, START, of_H), rtol=1e-12)
    descends(of_W, X=X.T, start=start)


def half_problem(term):
    """The H of least objective with the W of the start."""
    W, H = START
    return ANLS(on_H=term).half_steps(X)[0](H, W.T @ W, W.T @ X, 0.0, 0.0)


def by_scipy(rows_of_W, rows_of_X):
    """Column by column, the nonnegative least squares problem with further rows."""
    W, B = np.vstack([START.W, *rows_of_W]), np.vstack([X, *rows_of_X])
    return np.stack([optimize.nnls(W, b)[0] for b in B.T], axis=1)


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    ("term", "rows_of_W", "rows_of_X"),
    [
        (terms.Ridge(np.array([0.3, 0, 2])), np.diag([0.3, 0, 2]) ** 0.5, np.zeros((R, N))),
        (terms.Target(A, 0.5), 0.5**0.5 * np.eye(R)[:2], 0.5**0.5 * A),
        (terms.SumToOne(2.0), 2**0.5 * np.ones((1, R)), 2**0.5 * np.ones((1, N))),
        (terms.ColumnL1(0.2), 0.2**0.5 * np.ones((1, R)), np.zeros((1, N))),
    ],
    ids=lambda x: type(x).__name__,
)
def test_a_half_step_is_the_least_squares_problem_with_more_rows(term, rows_of_W, rows_of_X):
    """How the papers write these: rows beneath W and X."""
    np.testing.assert_allclose(half_problem(term), by_scipy([rows_of_W], [rows_of_X]), atol=1e-12)


def test_a_lasso_of_each_by_bounded_quasi_newton():
    weights = np.array([0.0, 0.3, 0.1])

    def value(h, j):
        residual = X[:, j] - START.W @ h
        return 0.5 * residual @ residual + weights @ h, -START.W.T @ residual + weights

    found = half_problem(terms.Lasso(weights))
    for j in range(N):
        best = optimize.minimize(value, np.ones(R), (j,), jac=True, bounds=[(0, None)] * R, options={"ftol": 1e-15})
        assert value(np.asarray(found[:, j]), j)[0] <= best.fun + 1e-9


@pytest.mark.parametrize("term", [terms.Graph(L, 0.1), terms.Smooth(0.1)], ids=lambda x: type(x).__name__)
def test_a_graph_by_one_dense_system(term):
    """Where no entry ends at 0 the half-problem is (WᵀW) H + λ H L = WᵀX, nr equations."""
    path = np.diag([1] + [2] * (N - 2) + [1]) - np.eye(N, k=1) - np.eye(N, k=-1)
    graph = path if isinstance(term, terms.Smooth) else L
    W = np.asarray(START.W)
    system = np.kron(W.T @ W, np.eye(N)) + 0.1 * np.kron(np.eye(R), graph)
    B = W.T @ (W @ np.asarray(START.H))  # of an exact X, whose solution is positive
    wanted = np.linalg.solve(system, B.ravel()).reshape(R, N)
    assert wanted.min() > 0
    half_step = jax.jit(ANLS(on_H=term).half_steps(X)[0])
    H = START.H
    for _ in range(400):
        H = half_step(H, W.T @ W, B, 0.0, 0.0)
    np.testing.assert_allclose(H, wanted, rtol=1e-6)


def test_the_volume_by_the_formula_of_the_paper():
    """The value and one half-step of HALS, in NumPy."""
    W, H, weight, delta = *map(whole, START), 0.5, 0.2
    term = terms.MinimumVolume(weight, delta=delta)
    logdet = np.linalg.slogdet(W.T @ W + delta * np.eye(R))[1]
    np.testing.assert_allclose(term.value(W.T), weight / 2 * (logdet - R * np.log(delta)), rtol=1e-13)
    G = H @ H.T + weight * np.linalg.inv(W.T @ W + delta * np.eye(R))
    C, wanted = H @ X.T, W.T.copy()
    for k in range(R):
        wanted[k] = np.maximum(0, wanted[k] + (C[k] - G[k] @ wanted) / G[k, k])
    found = HALS(on_W=term).half_steps(X)[1](W.T, H @ H.T, H @ X.T, 0.0, 0.0)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("r", [1, 2, 7])
def test_the_sweeps_by_lapack(r):
    B = rng.standard_normal((r, 3)) * 30
    Y = np.eye(r) + B @ B.T
    inverse, log_det = inverse_and_log_determinant(jnp.asarray(Y))
    np.testing.assert_allclose(inverse, np.linalg.inv(Y), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(Y)[1], rtol=1e-12)
    nearly_singular = np.eye(r) + 1e8 * np.ones((r, r))
    assert np.isfinite(inverse_and_log_determinant(jnp.asarray(nearly_singular, jnp.float32))[1])


# Constraints


def test_known_components_leave_the_problem_of_the_rest():
    found = half_problem(terms.Known(A[:1]))
    rest = X - np.outer(START.W[:, 0], A[0])
    wanted = np.stack([optimize.nnls(np.asarray(START.W[:, 1:]), b)[0] for b in np.asarray(rest).T], axis=1)
    np.testing.assert_array_equal(found[0], A[0])
    np.testing.assert_allclose(found[1:], wanted, atol=1e-12)


@pytest.mark.quick(1)
@pytest.mark.parametrize(
    "make",
    [HALS, ANLS, MU, lambda **on: Extrapolated(Accelerated(HALS(**on))), partial(MU, beta=1.0)],
    ids=["HALS", "ANLS", "MU", "default", "KL"],
)
def test_known_components_stay_as_they_are(make):
    kept = terms.Known(np.asarray(START.W[:, :2]))
    found = fit(X, R, make(on_W=kept), max_iters=300, tol=1e-8)
    np.testing.assert_array_equal(found.W[:, :2], kept.A)
    assert float(jnmf.kkt_residual(X, found, make(on_W=kept))) < 1e-3
    free = fit(X, R, make(), max_iters=300, tol=1e-8)
    assert found.loss > free.loss


def test_what_is_known_in_full_is_given_back():
    W, H = START
    found = fit(X, R, HALS(on_W=terms.Known(W), on_H=terms.Known(H)), max_iters=3)
    np.testing.assert_array_equal(found.W, W)
    np.testing.assert_array_equal(found.H, H)
    np.testing.assert_allclose(found.loss, jnmf.objective(X, START), rtol=1e-12)
    assert float(jnmf.kkt_residual(X, found, HALS(on_W=terms.Known(W), on_H=terms.Known(H)))) == 0


@pytest.mark.parametrize("make", [HALS, PGD, MU], ids=["HALS", "PGD", "MU"])
def test_known_entries_stay_as_they_are(make):
    found = descends(make(on_H=CONSTRAINTS["known entries"]))
    np.testing.assert_array_equal(np.asarray(found.H)[KNOWN], WHOLE[KNOWN])


def test_known_entries_by_bounded_least_squares():
    """SciPy takes an interval for each entry, but no point."""
    half_step = jax.jit(HALS(inner=400, on_H=CONSTRAINTS["known entries"]).half_steps(X)[0])
    W = np.asarray(START.W)
    found = half_step(jnp.where(KNOWN, WHOLE, START.H), W.T @ W, W.T @ X, 0.0, 0.0)
    for j in range(N):
        known = KNOWN[:, j]
        rest, _ = (
            optimize.nnls(W[:, ~known], np.asarray(X[:, j]) - W[:, known] @ WHOLE[known, j])
            if (~known).any()
            else ((), 0)
        )
        np.testing.assert_allclose(np.asarray(found[:, j])[~known], rest, atol=1e-10)


def test_a_free_factor_is_least_squares():
    found = ALS(on_H=terms.Free()).half_steps(X)[0](START.H, START.W.T @ START.W, START.W.T @ X, 0.0, 0.0)
    np.testing.assert_allclose(found, np.linalg.lstsq(START.W, X, rcond=None)[0], rtol=1e-9)
    mixed = np.asarray(X) - X.mean()
    fitted = fit(mixed, 2, Extrapolated(HALS(on_W=terms.Free())), max_iters=2000, tol=1e-9)
    assert fitted.W.min() < 0 <= fitted.H.min()
    assert float(jnmf.kkt_residual(mixed, fitted, HALS(on_W=terms.Free()))) < 1e-4
    singular = np.linalg.svd(mixed, compute_uv=False)
    assert float(fitted.loss) >= 0.5 * np.sum(singular[2:] ** 2) * (1 - 1e-9)  # no rank-2 matrix is nearer
    again = fit(mixed, 2, HALS(on_W=terms.Free()), init=fitted, max_iters=1)
    assert again.loss <= fitted.loss * (1 + 1e-9)


def test_semi_nmf_relaxes_k_means():
    """From the indicators of k-means it ends no higher, and of clusters that are far apart it has the labels."""
    from sklearn.cluster import KMeans

    draw = np.random.default_rng(1)
    labels = np.arange(60) % 3
    points = draw.normal(scale=6, size=(3, 5))[labels] + draw.normal(size=(60, 5))
    means = KMeans(3, n_init=5, random_state=0).fit(points)
    indicators = np.eye(3)[means.labels_].T + 0.2  # Ding, Li and Jordan 2010, section 3
    start = Factors(means.cluster_centers_.T, indicators)
    found = fit(points.T, 3, HALS(on_W=terms.Free()), init=start, max_iters=500, tol=1e-7)
    assert float(found.loss) <= 0.5 * means.inertia_  # pyright: ignore[reportOperatorIssue]
    assert (np.argmax(jnmf.normalize(found, "l2").H, axis=0) == means.labels_).mean() > 0.95


def test_the_simplex_by_quadratic_programming():
    """SLSQP with the sum as a constraint."""
    algorithm = Extrapolated(PGD(on_H=terms.Simplex(total=2.0), on_W=terms.Known(START.W)))
    found = fit(X, R, algorithm, max_iters=5000, tol=1e-10)
    np.testing.assert_allclose(found.H.sum(axis=0), 2, rtol=1e-12)
    for j in range(0, N, 3):
        value = lambda h, j=j: 0.5 * np.sum((np.asarray(X[:, j]) - np.asarray(START.W) @ h) ** 2)
        total = {"type": "eq", "fun": lambda h: h.sum() - 2}
        best = optimize.minimize(value, np.full(R, 2 / R), bounds=[(0, None)] * R, constraints=total)
        np.testing.assert_allclose(value(np.asarray(found.H[:, j])), best.fun, rtol=1e-5)


def test_the_simplex_gives_nothing_to_a_component_that_is_not_there():
    """Where the sums are below that of the simplex, the others rise alone."""
    H = jnp.array([[0.1, 0.2], [0.3, 0.0], [0.0, 0.0]])
    found = terms.Simplex().project(H)
    np.testing.assert_allclose(found, [[0.4, 0.6], [0.6, 0.4], [0.0, 0.0]], rtol=1e-14)
    slope = terms.Simplex().slope(found, jnp.array([[1.0, 3.0], [2.0, 1.0], [-9.0, -9.0]]))
    np.testing.assert_allclose(slope, [[-0.5, 1.0], [0.5, -1.0], [0.0, 0.0]], atol=1e-14)


# Everywhere


PADDED = {
    "pairs": HALS(
        on_H=(terms.SumToOne(2.0), terms.Target(A[:1], 0.5), terms.Graph(L, 0.1)), on_W=terms.MinimumVolume(0.5)
    ),
    "known": HALS(on_W=terms.Known(np.asarray(START.W[:, :1])), on_H=terms.Smooth(0.1)),
    "simplex": PGD(on_H=terms.Simplex(), on_W=terms.SumToOne(0.5)),  # whose ‖ΔG‖ grows with the rank
    "KL": MU(beta=1.0, on_H=(terms.SumToOne(2.0), terms.Target(A[:1], 0.5))),
}


@pytest.mark.quick(1)
@pytest.mark.parametrize("name", PADDED)
def test_a_member_of_a_sweep_is_the_single_fit(name):
    """Padding is not woken."""
    study = sweep(X, [2, 3], num_restarts=1, algorithm=PADDED[name], num_iters=20)
    key = jax.random.split(jax.random.key(0), 1)[0]
    for i, rank in enumerate((2, 3)):
        single = fit(X, rank, PADDED[name], key=key, max_iters=20, tol=0)
        np.testing.assert_allclose(study.loss[i, 0], single.loss, rtol=1e-9)
        np.testing.assert_allclose(study.factors(rank, 0).H, single.H, rtol=1e-6, atol=1e-9)


@pytest.mark.quick(1)
@pytest.mark.parametrize("power", [-500, 500])
def test_in_units_whose_squares_leave_the_range(power):
    """With what has the unit of W or of the loss in theirs, the fit to 2ᵖX is that to X, to the bit."""

    def scaled(p):
        root, square, loss = 2.0 ** (p // 2), 2.0**p, 2.0 ** (2 * p)
        on_H = (
            terms.Target(A * root, 0.5 * square),
            terms.SumToOne(2.0 * square, total=root),
            terms.Lasso(0.1 * loss / root),
            terms.Smooth(0.1 * square),
        )
        on_W = terms.MinimumVolume(0.5 * loss, delta=0.1 * square), terms.Known(np.asarray(START.W[:, :1]) * root)
        start = Factors(START.W * root, START.H * root)
        return fit(X * 2.0**p, R, HALS(on_H=on_H, on_W=on_W), init=start, max_iters=10, tol=0)

    found, wanted = scaled(power), scaled(0)
    np.testing.assert_array_equal(found.H * 2.0 ** -(power // 2), wanted.H)
    np.testing.assert_array_equal(found.W * 2.0 ** -(power // 2), wanted.W)
    np.testing.assert_allclose(found.loss * 2.0 ** (-2 * power), wanted.loss, rtol=1e-12)


def test_masked_sparse_and_streamed_see_them():
    algorithm = HALS(on_H=MOST[2:], on_W=terms.SumToOne(0.1))
    dense = np.asarray(X) * (rng.random(X.shape) < 0.5)
    wanted = fit(dense, R, algorithm, init=START, max_iters=15, tol=0)
    for other in (sparse.csr_array(dense), jnmf.streamed(dense, block=4)):
        found = fit(other, R, algorithm, init=START, max_iters=15, tol=0)
        np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-10)
        np.testing.assert_allclose(found.H, wanted.H, rtol=1e-7, atol=1e-10)
    for weights in ((rng.random(X.shape) < 0.8) * 1.0, 10.0 ** rng.uniform(-3, 0, X.shape)):
        found, trace = run(dense, START, algorithm, num_iters=25, mask=weights)
        assert np.all(np.diff(trace.loss) <= rounding("float64") * trace.loss[:-1])
        value = jnmf.objective(dense, found, algorithm, mask=weights)
        np.testing.assert_allclose(trace.loss[-1], value, rtol=1e-10)


@pytest.mark.slow
def test_transform_solves_the_same_half_problem():
    on_W = (terms.SumToOne(2.0), terms.Ridge(np.array([0.3, 0, 2])), terms.Lasso(0.1))
    found = transform(X, START.H, HALS(on_W=on_W))
    half_step = ANLS(on_W=on_W).half_steps(X)[1]
    np.testing.assert_allclose(found.T, half_step(START.W.T, START.H @ START.H.T, START.H @ X.T, 0.0, 0.0), atol=1e-12)
    scaled = transform(X * 2.0**40, START.H * 2.0**-30, HALS(on_W=terms.SumToOne(2.0, total=2.0**70)))
    np.testing.assert_allclose(
        scaled * 2.0**-70, transform(X, START.H, HALS(on_W=terms.SumToOne(2.0 * 2.0**60))), rtol=1e-9, atol=1e-14
    )


@pytest.mark.quick(1)
@pytest.mark.parametrize("beta", [1.0, 1.5])
def test_transform_of_other_losses(beta):
    algorithm = MU(beta=beta, on_W=(terms.SumToOne(2.0), terms.Ridge(0.3)), l1_W=0.1)
    found = transform(X, START.H, algorithm)
    for i in (0, 5):
        value = lambda w, i=i: float(jnmf.objective(X[i : i + 1], (w[None], START.H), replace(algorithm)))
        best = optimize.minimize(value, np.full(R, 0.3), bounds=[(1e-12, None)] * R, options={"ftol": 1e-14})
        assert value(np.asarray(found[i])) <= best.fun * (1 + 1e-8)


@pytest.mark.parametrize("weight", [1.5, 3.0])
def test_the_value_of_a_term_decides_whether_an_extrapolated_iteration_is_kept(weight):
    """From a small H the loss falls far beyond the H that is best with the ridge."""
    algorithm, start = Extrapolated(HALS(on_H=terms.Ridge(10.0)), weight=weight), Factors(START.W, 0.01 * START.H)
    state, _ = algorithm.step(X, algorithm.init(X, start))
    assert jnmf.objective(X, state.factors, algorithm) <= jnmf.objective(X, start, algorithm)


@pytest.mark.slow
def test_save_and_load_keep_them(tmp_path):
    found = fit(
        X, R, HALS(on_H=(terms.Target(A, 0.5), terms.Simplex())[:1], on_W=terms.MinimumVolume(0.5)), max_iters=5
    )
    jnmf.save(tmp_path / "fit", found)
    again = jnmf.load(tmp_path / "fit.npz")
    longer = fit(X, resume=again, max_iters=12)
    wanted = fit(X, R, HALS(on_H=terms.Target(A, 0.5), on_W=terms.MinimumVolume(0.5)), max_iters=12)
    np.testing.assert_array_equal(longer.H, wanted.H)


def test_vmap_over_a_weight_is_a_path():
    losses = jax.vmap(lambda weight: run(X, START, HALS(on_H=terms.SumToOne(weight)), num_iters=10)[1].loss[-1])
    each = [run(X, START, HALS(on_H=terms.SumToOne(weight)), num_iters=10)[1].loss[-1] for weight in (0.1, 1.0)]
    np.testing.assert_allclose(losses(jnp.array([0.1, 1.0])), each, rtol=1e-10)


# Errors


class Own(jnmf.Algorithm):
    def init(self, X, factors):
        return Factors(*factors)

    def step(self, X, state):
        raise AssertionError("not reached")


@pytest.mark.parametrize(
    ("algorithm", "error", "says"),
    [
        (HALS(on_H=0.1), TypeError, r"on_H: expected terms such as terms.Ridge\(0.1\), got 0.1; one of your own"),
        (HALS(on_W=terms.Ridge), TypeError, r"got <class .*Ridge'>; write Ridge\(…\)"),
        (HALS(on_W=(terms.Known(START.W), terms.Free())), ValueError, "at most one constraint"),
        (MU(on_W=terms.MinimumVolume(0.1)), ValueError, "expected a ΔG without negative entries; use HALS, PGD or"),
        (MU(on_W=terms.Free()), ValueError, "expected a factor without negative entries; use HALS, PGD or ALS"),
        (HALS(on_H=terms.Simplex()), ValueError, "a constraint that its half-step keeps; use PGD or ALS"),
        (ANLS(on_H=terms.Known(WHOLE, mask=KNOWN)), ValueError, "use HALS, PGD, ALS or MU"),
        (Own(on_H=terms.Ridge(0.1)), ValueError, "expected no terms, which its step does not take; use HALS"),
        (HALS(on_H=terms.Ridge(np.ones(2))), ValueError, r"Ridge\(weight=…\): expected a number or one for each of 3"),
        (
            HALS(on_H=terms.SumToOne(np.ones(3))),
            ValueError,
            r"SumToOne\(weight=…\): expected a number, got",
        ),
        (HALS(on_H=terms.Target(A.T, 0.1)), ValueError, r"at most 3 components of length 9"),
        (HALS(on_H=terms.Target(WHOLE.T, 0.1)), ValueError, "did you pass its transpose"),
        (HALS(on_W=terms.Known(A)), ValueError, r"at most 3 components of length 12"),
        (HALS(on_H=terms.Known(A, mask=KNOWN)), ValueError, r"expected both in the shape of the factor, \(3, 9\)"),
        (HALS(on_W=terms.Graph(L, 0.1)), ValueError, r"expected a Laplacian \(12, 12\), one row for each"),
        (HALS(on_H=terms.Graph(np.triu(L), 0.1)), ValueError, "expected a symmetric Laplacian"),
        (
            HALS(on_H=terms.Ridge(-1.0)),
            ValueError,
            r"Ridge\(weight=…\): expected finite numbers of at least 0, got -1.0",
        ),
        (HALS(on_H=terms.Target(A * np.nan, 1.0)), ValueError, r"Target\(A=…\): expected finite numbers, got nan"),
        (HALS(on_H=terms.Known(-A)), ValueError, r"Known\(A=…\): expected finite numbers of at least 0"),
        (HALS(on_H=terms.Free(), l1_H=0.1), ValueError, "expected no l1 penalty on a factor of any sign"),
        (
            HALS(on_W=(terms.Free(), terms.Lasso(0.1))),
            ValueError,
            "on_W: expected no l1 penalty on a factor",
        ),
        (HALS(on_W=terms.MinimumVolume(1.0, delta=0.0)), ValueError, "expected a number above 0, got 0.0"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_what_is_refused(algorithm, error, says):
    with pytest.raises(error, match=says):
        fit(X, R, algorithm)


@pytest.mark.slow
def test_one_of_ones_own_is_passed_again_after_load(tmp_path):
    for term in (Decorrelation(weight=0.1), terms.Graph(jnmf.sparse(L), 0.1)):
        algorithm = HALS(on_H=(terms.Ridge(0.1), term))
        jnmf.save(tmp_path / "fit", fit(X, R, algorithm, max_iters=3))
        again = jnmf.load(tmp_path / "fit.npz")
        with pytest.raises(ValueError, match="algorithm"):
            fit(X, resume=again, max_iters=5)
        assert fit(X, resume=again, max_iters=5, algorithm=algorithm).num_iters == 5


def test_what_else_is_refused():
    with pytest.raises(TypeError, match=r"expected an array or jnmf.sparse\(L\), got a csr_array"):
        terms.Graph(sparse.csr_array(L), 0.1)
    with pytest.raises(ValueError, match="transform: expected terms on W that are the same for every row, got Smooth"):
        transform(X, START.H, HALS(on_W=terms.Smooth(0.1)))
    with pytest.raises(ValueError, match="minibatch: expected no terms"):
        jnmf.minibatch.fit([np.asarray(X)], R, HALS(on_H=terms.Ridge(0.1)))
    with pytest.raises(TypeError, match="check_term: expected a Term such as"):
        check_term(HALS())
    with pytest.raises(ValueError, match=r"Known\(A=…\)|at most 1 components"):
        sweep(X, [1, 3], num_restarts=1, algorithm=HALS(on_H=terms.Known(A)))
