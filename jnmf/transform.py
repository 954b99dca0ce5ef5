"""W for new rows with H fixed: the half-problem in W, solved to the end, and its derivative."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jnmf import checks, door, matrix, multiplicative, nonnegative_least_squares, pivoting
from jnmf.algorithm import Algorithm, Combinator
from jnmf.algorithms import HALS
from jnmf.factors import Factors, relative_change
from jnmf.numerics import bounded, divide, in_dtype, power, unit_of
from jnmf.results import Fit
from jnmf.terms import together
from jnmf.types import Mask, MatrixLike

UPDATES = 1000  # at most
STEPS = 500  # of Newton's method after them, at most
LENGTHS = 12  # of each step that are tried: 1, ½, ¼, …


def transform(
    X_new: MatrixLike,
    H: MatrixLike | Fit | Factors,
    algorithm: Algorithm | Combinator | None = None,
    *,
    mask: Mask = None,
) -> Array:
    """argmin_{W ≥ 0} D(X_new, W H) + l1_W ΣW + ½ l2_W ‖W‖²: the loadings of new rows on known components.

    X_new (m, n), H (r, n) ≥ 0, or a `Fit` or Factors with that H -> W (m, r), in the dtype of X_new. `algorithm` gives
    the loss and the penalties, those of the fit (default: Frobenius, none). Frobenius:
    `nonnegative_least_squares.exact`, whichever the algorithm was; a row that could not be solved is NaN, and an eager
    call warns. Other β: multiplicative updates, then Newton steps on the active set; the minimiser for β in [1, 2],
    otherwise a local one. An eager call warns of rows whose gradient is above √eps of what it is the difference of, and
    there is no derivative where ∇² of the entries above zero is not positive definite. A column where H is 0 does not
    count. Terms on W count where they are the same for every row (Ridge, Lasso, SumToOne, ColumnL1); terms on H, known
    components too, have shaped H and no longer count. `mask` (m, n) as in `fit`; a row without weight has zero
    loadings. Differentiable in X_new, H and the penalties, forward and in reverse, by the implicit function theorem on
    the active set.

    Raises TypeError or ValueError for arguments that are not matrices with the same number of columns, and for terms
    on W that say something of the rows of the fit, or of all rows together.

    >>> H = jnmf.fit(X, 2).H
    >>> W = jnmf.transform(X[:1] + 5 * X[3:4], H)
    >>> np.allclose(W @ H, [[1, 1, 10, 10]], atol=0.01)
    True
    """
    entered = door.enter(X_new, mask, "X_new")
    algorithm = HALS() if algorithm is None else algorithm
    checks.algorithm(algorithm)
    free = together.signed(algorithm.on_H)
    given = H.H if isinstance(H, Fit | Factors) else H
    X, known = entered.X, door.matrix(given, "H", nonnegative=not free).X
    for term in together.listed(algorithm.on_W):
        if not (term.separable and term.quadratic):
            raise ValueError(
                f"transform: expected terms on W that are the same for every row, got {type(term).__name__}; "
                "pass an algorithm without it, as its rows are those of the fit"
            )
        term.check(known.shape[0], X.shape[0])
    door.domain(entered, algorithm, "X_new")
    if X.shape[1] != known.shape[1]:
        hint = "did you pass Hᵀ?" if X.shape[1] == known.shape[0] else "both have one column for each feature"
        raise ValueError(f"transform: expected X_new (m, n) and H (r, n), got {X.shape} and {known.shape}; {hint}")
    arguments = X, *in_dtype(X.dtype, known, algorithm)
    if algorithm.loss.quadratic:
        W = matrix.as_read(X, _least_squares(*arguments))
        checks.warn_of_unsolved(W.T, "transform", "row")
    else:
        W, unsolved = (matrix.as_read(X, A) for A in _divergence(*arguments))
        checks.warn_of_rows_above(unsolved, "transform")
    return W.astype(entered.dtype)


@jax.jit
def _least_squares(X, H, algorithm):
    # In units, powers of two, in which a row of H with √l2 beside it, and a row of X, are about 1: no square leaves the
    # range of the dtype. The loadings W ⊙ of_H ⊘ of_X have the penalties l1 / (of_H of_X) and l2 / of_H².
    fixed_H, fixed_l2 = lax.stop_gradient((H, algorithm.l2_W))
    most = lambda A: jnp.max(jnp.abs(A), axis=1)
    of_G, of_C = _of_terms(algorithm.on_W, H)
    of_H = unit_of(jnp.maximum(most(fixed_H), jnp.sqrt(fixed_l2 + jnp.diag(lax.stop_gradient(of_G)))))
    H, to_H = H / of_H[:, None], 1 / of_H  # factors: XLA would divide by a product, which can be 0
    l2 = algorithm.l2_W * to_H * to_H
    enough = jnp.sqrt(jnp.finfo(H.dtype).max)  # to make all loadings zero

    def solve(G, C, to_X, of_M=1):
        l1 = jnp.minimum(algorithm.l1_W * to_H[:, None] * to_X[None, :] / of_M, enough)
        l1 -= jnp.clip(of_C * to_H[:, None] * to_X[None, :] / of_M, -enough, enough)
        ridge = jnp.diag(jnp.minimum(l2 / of_M, enough)) + jnp.minimum(
            of_G * to_H[:, None] * to_H[None, :] / of_M, enough
        )
        return nonnegative_least_squares.exact(jnp.zeros_like(C), G + ridge, C - l1)

    def rows(X, _):
        x, m = matrix.entries(X)
        of_M = unit_of(most(lax.stop_gradient(jnp.ones_like(x) if m is None else m)))  # weights have units, too
        m = None if m is None else m / of_M[:, None]
        of_X = unit_of(most(lax.stop_gradient(x if m is None else m * x)))
        x, to_X = x / of_X[:, None], 1 / of_X
        if m is None:
            W = solve(H @ H.T, H @ x.T, to_X).T
        else:  # each row has a Gram matrix of its own
            row = lambda x, m, *units: solve((H * m[None, :]) @ H.T, (H @ (m * x))[:, None], units[0][None], units[1])
            W = lax.map(lambda one: row(*one)[:, 0], (x, m, to_X, of_M), batch_size=max(1, 2**22 // H.size))
        return W * (of_X[:, None] / of_H[None, :])

    return matrix.in_blocks(rows, X, (), axis=0)


def _of_terms(on, H):
    """ΔG (r, r) and ΔC (r, 1) of terms that are the same for every row of W."""
    live = jnp.any(H != 0, axis=1)
    return together.pair(on, jnp.zeros((len(H), 1), H.dtype), live)


@jax.jit
def _divergence(X, H, algorithm):
    """W, and (m, 1) which rows are at no minimum."""
    r, n = H.shape

    def rows(X, _):
        start = lax.stop_gradient(updated(*lax.stop_gradient((X, H, algorithm)), 10 * jnp.finfo(H.dtype).eps, UPDATES))
        x, m = matrix.entries(X)
        seen = jnp.any(H != 0, axis=0)  # where no component is, an entry of x says nothing of w, and may cost infinity
        m = jnp.broadcast_to(seen, x.shape).astype(x.dtype) if m is None else jnp.where(seen[None, :], m, 0)
        solve = lambda row: _solved(row[0], row[1], row[2], H, algorithm)
        W, unsolved = lax.map(solve, (x, m, start), batch_size=max(1, 2**22 // (r * n)))
        return W, unsolved[:, None]

    return matrix.in_blocks(rows, X, (), axis=0)


def updated(X, H, algorithm, settled, most: int):
    """W from multiplicative updates of all rows together, `most` at most, until one moves them by `settled`."""

    def update(carry):
        W, _, k = carry
        new = multiplicative.half_step_W(X, W, H, algorithm.loss, algorithm.l1_W, algorithm.l2_W, algorithm.on_W)
        return new, relative_change(Factors(W, H), Factors(new, H)), k + 1

    def unfinished(carry):
        return (carry[1] > settled) & (carry[2] < most)

    sums = lambda X, _: jnp.sum(matrix.weighted(X, lambda x: x), axis=1, keepdims=True)
    level = divide(matrix.in_blocks(sums, X, (), axis=0), jnp.sum(H))
    start = level * jnp.where(jnp.sum(H, axis=1) > 0, 1, 0).astype(X.dtype)[None, :]
    return lax.while_loop(unfinished, update, (start, jnp.array(jnp.inf, X.dtype), jnp.array(0)))[0]


def _solved(x, m, w, H, algorithm):
    """One row x with weights m, from w by Newton's method, differentiable.

    In units of the largest entry of x and of each row of H, so that second derivatives stay in range: with x = c x′,
    h_k = s_k h′_k and w_k = c w′_k / s_k, the loss is c^p d(x′, w′ H′), p its degree, and
    l1 w_k = c^p (l1 c^{1−p} / s_k) w′_k. A loss without a degree keeps c = 1.
    """
    limits, degree = jnp.finfo(w.dtype), algorithm.loss.degree
    of_m = unit_of(jnp.max(lax.stop_gradient(m)))
    m = m / of_m
    largest = jnp.max(lax.stop_gradient(m * x))
    c = jnp.where((largest > 0) & (degree is not None), largest, 1)
    s = lax.stop_gradient(jnp.max(H, axis=1))
    x, H = x / c, divide(H, s[:, None])
    l1, l2 = (
        jnp.minimum(divide(penalty * jnp.minimum(power(c, p - (degree or 0)), limits.max), s**p) / of_m, limits.max)
        for penalty, p in ((algorithm.l1_W, 1), (algorithm.l2_W, 2))
    )
    (G, C), of_w = _of_terms(algorithm.on_W, H), divide(c, s)
    of_loss = power(c, -(degree or 0)) / of_m
    scaled = lambda A, unit: jnp.where(A != 0, jnp.clip(A * unit * of_loss, -limits.max, limits.max), 0)
    l1 = l1 - scaled(C[:, 0], of_w)
    l2 = jnp.diag(l2) + scaled(G, of_w[:, None] * of_w[None, :])
    w, unsolved = lax.stop_gradient(_newton(w * s / c, *lax.stop_gradient((x, m, H, l1, l2, algorithm.loss))))
    # A step from the solution is zero, and its derivative that of the implicit function theorem:
    # −K_FF⁻¹ ∂∇_F with K = ∇² and F the free set.
    solvable = jnp.all(jnp.isfinite(lax.stop_gradient(_newton_step(w, x, m, H, l1, l2, algorithm.loss)[0])))
    step = _newton_step(w, x, m, H, l1, l2, algorithm.loss, of=solvable)[0]
    return divide(c * (w - step + lax.stop_gradient(step)), s), unsolved | ~solvable


def _newton(w, x, m, H, l1, l2, loss):
    """w and whether it is at no minimum: projected Newton steps with a length, until it hardly moves (Bertsekas 1982).

    Entries that are not free go to zero, by the same share of the way. Each step takes the first of the lengths 1, ½,
    ¼, … that falls at least half as far as the best of them; where none falls, w is as good as rounding lets it be.
    None may make an entry of z zero where x > 0: there the derivative is infinite (β < 2) or lost (β > 2), and no step
    would leave it.

    Where fewer entries of x count than w has, K is singular, and a gradient across its range, as of an l1, makes the
    step as long as rounding lets it be: it may fall at none of these lengths. If KKT does not hold then, w goes on with
    a ridge on K (Levenberg and Marquardt), a larger one until it moves: with the lengths, a step for each power of two.

    Where d bends down, K may lead upwards or have no Cholesky factor. A loss that is not convex tries the same lengths
    of another step too, that of Fisher's scoring: its K has the curvature at x = z, which is the least of d, and ≥ 0.
    It converges linearly.
    """
    eps = jnp.finfo(w.dtype).eps
    weighted = _weights(m)
    # At x = z = 0 the curvature may be infinite; that of a z which is rounding beside the others is not.
    least = eps * jnp.max(H, axis=0) * jnp.max(w)
    curvatures = [lambda x, z: loss.second_derivative(x, jnp.where(x > 0, z, jnp.maximum(z, least)))]
    if not loss.convex:
        curvatures.append(lambda x, z: loss.second_derivative(z, z))
    lengths = 0.5 ** jnp.arange(LENGTHS, dtype=w.dtype)
    ridges = jnp.append(0, 2.0 ** jnp.arange(np.log2(eps), 4, LENGTHS - 1)).astype(w.dtype)

    def judged(w):
        z = w @ H
        objective = jnp.sum(weighted(loss.divergence(x, z))) + jnp.sum(l1 * w) + 0.5 * w @ l2 @ w
        return objective, jnp.sum(weighted((x > 0) & (z == 0)) > 0)

    def improve(carry):
        w, ridge, _, k = carry
        steps = [_newton_step(w, x, m, H, l1, l2, loss, curvature, ridges[ridge]) for curvature in curvatures]
        steps = jnp.stack([jnp.where(free, step, w) for step, free in steps])
        tried = jnp.maximum(w[None, :] - (lengths[None, :, None] * steps[:, None, :]).reshape(-1, len(w)), 0)
        (before, missed_before), (after, missed) = judged(w), jax.vmap(judged)(tried)
        after = jnp.where((missed <= missed_before) & ~jnp.isnan(after), after, jnp.inf)
        enough = jnp.minimum(before, 0.5 * (before + jnp.min(after))) + 10 * eps * jnp.abs(before)
        falls = jnp.isfinite(after) & (after <= enough)
        new = jnp.where(jnp.any(falls), tried[jnp.argmax(falls)], w)
        moved = jnp.max(jnp.abs(new - w)) > 4 * eps * jnp.max(w)
        ridge = jnp.where(moved, jnp.maximum(ridge - 1, 0), ridge + 1)
        return new, ridge, moved | (is_unsolved(new, 1000 * eps) & (ridge < len(ridges))), k + 1

    def unfinished(carry):
        return carry[2] & (carry[3] < STEPS)

    def is_unsolved(w, slack):
        z, gradient = w @ H, _gradient(w, x, m, H, l1, l2, loss)
        size = H @ weighted(jnp.abs(loss.positive(x, z)) + jnp.abs(loss.negative(x, z))) + jnp.abs(l1) + jnp.abs(l2) @ w
        return jnp.any(jnp.where(w > eps * jnp.max(w), jnp.abs(gradient), -gradient) > slack * size)

    w = lax.while_loop(unfinished, improve, (w, jnp.array(0), jnp.array(True), jnp.array(0)))[0]
    return w, is_unsolved(w, jnp.sqrt(eps))


def _weights(m):
    """What makes entries count."""
    return lambda value: jnp.where(m > 0, m * value, 0)


def _gradient(w, x, m, H, l1, l2, loss):
    z = w @ H
    at_zero = (x == 0) & (z == 0)  # where the derivative is its limit, infinite for β < 1: w stays there
    limit = bounded(lax.stop_gradient(loss.derivative(jnp.zeros_like(z), jnp.full_like(z, jnp.finfo(z.dtype).tiny))))
    derivative = jnp.where(at_zero, limit, loss.derivative(x, jnp.where(at_zero, 1, z)))
    return H @ _weights(m)(derivative) + l1 + l2 @ w


def _newton_step(w, x, m, H, l1, l2, loss, curvature=None, ridge: Any = 0.0, of: Any = True):
    """K_FF⁻¹ ∇_F, 0 elsewhere, and F, the free set {w K_kk > ∇} within `of`: w − step is the Newton step.

    K = ∇², or with another (x, z) -> ∂²d/∂z²; (1 + ridge) K_kk on its diagonal. It has no derivative.
    """

    weighted = _weights(m)
    z = w @ H
    gradient = _gradient(w, x, m, H, l1, l2, loss)
    curvature = weighted((curvature or loss.second_derivative)(x, z))
    K = lax.stop_gradient((H * curvature[None, :]) @ H.T + l2)
    diagonal = jnp.diag(K)
    d = jnp.where(diagonal > 0, lax.rsqrt(diagonal), 0)
    free = lax.stop_gradient(w * diagonal > gradient) & of
    unit_K = d[:, None] * K * d[None, :] + ridge * jnp.eye(len(w), dtype=w.dtype)
    step = d * pivoting.solve_passive(unit_K, free[:, None], (d * gradient)[:, None])[:, 0]
    return step, free
