"""Break the formulas of jnmf one by one; each break must fail some proof or test. `python -m tests.mutants [TEXT]`.

Each mutant is one edit of one source line: a dropped or doubled term, a flipped sign, a transposed product, a wrong
penalty factor, a dropped guard. The checks run on a copy of the project and stop at the first failure.
The nearest tests are run on all of them, and then, on those that are left, all tests that guard the formulas.
With TEXT, only the mutants whose file or text contains it; with --every K, each K-th of these.
Which test failed is kept in tests/mutants.json, and tried first the next time; with --new, only those not in it.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests import quick_programs

ROOT = Path(__file__).parent.parent

MUTANTS = [  # file, text that occurs exactly once, what it becomes
    ("matrix/__init__.py", "loss.derivative, W @ H) @ H.T", "loss.derivative, W @ H) @ H.T * 2"),
    ("matrix/__init__.py", "lambda X, H: W.T @ weighted(", "lambda X, H: -W.T @ weighted("),
    ("separable.py", "(R - u[:, None] * v) ** 2", "R**2"),
    ("matrix/stacked.py", "(c - matrix.most_weight(B)) *", "c *"),
    ("matrix/uniform.py", "jnp.where(weight > 0, weight * value, 0)", "value"),
    ("separable.py", "of_columns(jnp.sum, unit) if normalize", "of_columns(jnp.max, unit) if normalize"),
    ("separable.py", "(m * eps) ** 2 * whole[0]", "0 * whole[0]"),
    ("losses/beta_divergence.py", "return 0.5 * (x - z) ** 2 if", "return (x - z) ** 2 if"),
    ("losses/beta_divergence.py", "return z - x if", "return x - z if"),
    ("losses/beta_divergence.py", "(beta - k) / (k + 1)", "(beta - k) / k"),
    ("losses/beta_divergence.py", "0.5 * v * v * series", "v * v * series"),
    (
        "losses/beta_divergence.py",
        "while largest > jnp.finfo(v.dtype).eps / 8",
        "while largest > jnp.finfo(v.dtype).eps * 2**20",
    ),
    ("losses/beta_divergence.py", "near = jnp.abs(v) < reach", "near = v < jnp.inf"),
    ("losses/beta_divergence.py", "near = jnp.abs(v) < reach", "near = v > jnp.inf"),
    ("losses/beta_divergence.py", "s * E + w", "E + w"),
    ("losses/beta_divergence.py", "-E - w * (1 + p * E)", "-E - w"),
    ("losses/beta_divergence.py", "F - w * (1 + beta * F)", "F - w"),
    ("losses/beta_divergence.py", "(high - low) / low - F", "w - F"),
    ("losses/beta_divergence.py", "jnp.sqrt(low) / jnp.sqrt(high)", "jnp.sqrt(low / high)"),
    ("losses/beta_divergence.py", "1 / (beta * (beta - 1)) if", "1 / beta if"),
    ("losses/beta_divergence.py", "if beta <= 1:", "if beta < 1:"),
    ("losses/beta_divergence.py", "if beta <= 0:", "if beta < 0:"),
    ("losses/beta_divergence.py", "_times(self.positive(x, z), ", "_times(power(z, self.beta - 2), "),
    ("losses/beta_divergence.py", "divide(z - x, z), 1)", "divide(z - x, z), 0)"),
    ("losses/negative_binomial.py", "power * geometric / (k * (k - 1))", "power * geometric / (k * k)"),
    ("losses/negative_binomial.py", "1 + t * geometric", "1 + geometric"),
    ("losses/negative_binomial.py", "b * (alpha / (b + alpha)) * _series", "alpha * _series"),
    ("losses/negative_binomial.py", "far -= alpha *", "far += alpha *"),
    ("losses/negative_binomial.py", "(b + alpha) / b)", "b / (b + alpha))"),
    ("losses/negative_binomial.py", "jnp.abs(less_one) < 0.5", "less_one < 0.5"),
    ("losses/negative_binomial.py", "jnp.inf, alpha * jnp.log1p", "jnp.inf, jnp.log1p"),
    (
        "losses/negative_binomial.py",
        "return (x + self.alpha) / (z + self.alpha)",
        "return self.alpha / (z + self.alpha)",
    ),
    ("losses/negative_binomial.py", "* (self.alpha / (z + self.alpha))", "* self.alpha"),
    ("losses/negative_binomial.py", "* divide(x, z) - t)", "* divide(x, z))"),
    ("losses/negative_binomial.py", "min(most, math.sqrt(alpha / least))", "most"),
    ("units.py", "2 * unit.H + unit.M", "2 * unit.W + unit.M"),
    ("transform.py", "loss.second_derivative(z, z)", "loss.second_derivative(x, z)"),
    ("transform.py", "jnp.maximum(ridge - 1, 0), ridge + 1", "ridge, ridge + 1"),
    ("transform.py", "seen = jnp.any(H != 0, axis=0)", "seen = jnp.any(H == H, axis=0)"),
    ("transform.py", "jnp.where(at_zero, limit, ", "jnp.where(at_zero, 0, "),
    ("transform.py", "jnp.where(x > 0, z, jnp.maximum(z, least))", "z"),
    ("transform.py", "jnp.arange(np.log2(eps), 4, ", "jnp.arange(np.log2(eps), 0, "),
    ("transform.py", ", of=solvable)", ")"),
    ("transform.py", "is_unsolved(w, jnp.sqrt(eps))", "is_unsolved(w, 2.0)"),
    ("losses/beta_divergence.py", "bounded(_times(power(z, beta - 3), x))", "bounded(x * power(z, beta - 3))"),
    ("losses/negative_binomial.py", "0.5 if ridge else 1.0", "1.0"),
    (
        "solvers.py",
        "divide(H * project_nonnegative(C), G @ H + l1)",
        "divide(H * project_nonnegative(C), G.T @ G @ H + l1)",
    ),
    ("solvers.py", "divide(H * project_nonnegative(C), G", "divide(project_nonnegative(C), G"),
    ("solvers.py", "divide(H * project_nonnegative(C), G", "divide(H * C, G"),
    ("solvers.py", "project(D[k] - A[k] @ H, k)", "project(D[k] + A[k] @ H, k)"),
    ("solvers.py", "project(D[k] - A[k] @ H, k)", "D[k] - A[k] @ H"),
    ("solvers.py", "A = divide(G, d) - jnp.eye", "A = divide(G, d) - 2 * jnp.eye"),
    ("solvers.py", "jnp.where(d > 0, divide(C, d),", "jnp.where(d > 0, C,"),
    ("solvers.py", "jnp.where(C < 0, -jnp.inf, 0)", "0"),
    ("solvers.py", "jnp.where(C < 0, -jnp.inf, 0)", "-jnp.inf"),
    (
        "solvers.py",
        "project(jnp.where(diagonal[:, None] > 0, inverse @ divide(C, unit), 0))",
        "inverse @ divide(C, unit)",
    ),
    ("solvers.py", "rtol=G.shape[0] * jnp.finfo(G.dtype).eps, ", "rtol=0.0, "),
    ("solvers.py", "gradient = G @ H - C", "gradient = G @ H + C"),
    ("solvers.py", "step_size = divide(1, spectral_norm(G))", "step_size = divide(4, spectral_norm(G))"),
    ("solvers.py", "+ 0.5 * inner(D, G @ D) <= 0", "<= 0"),
    ("solvers.py", "project(H - step_size * gradient)\n\n", "H - step_size * gradient\n\n"),
    ("losses/beta_divergence.py", "return bounded(divide(x, z)), None, None", "return x, None, None"),
    ("matrix/__init__.py", "of_ones, of_zeros = jnp.sum(W, axis=0)", "of_ones, of_zeros = 2 * jnp.sum(W, axis=0)"),
    ("losses/beta_divergence.py", "divide(x, z) * w", "x * w"),
    ("numerics.py", "return jnp.minimum(a, float(jnp.finfo(a.dtype).max) ** 0.9)", "return a"),
    ("losses/beta_divergence.py", "return bounded(divide(x, z) * power", "return (divide(x, z) * power"),
    ("losses/beta_divergence.py", "return bounded(divide(x, z) * weights)", "return (divide(x, z) * weights)"),
    ("losses/beta_divergence.py", "return bounded(divide(x, z)), None", "return divide(x, z), None"),
    ("losses/negative_binomial.py", "return bounded(divide(x, z))", "return divide(x, z)"),
    ("joint.py", "bounded(divide(x, Z) * R)", "divide(x, Z) * R"),
    ("multiplicative.py", "in_unit(l1 + l2 * H)", "in_unit(l1)"),
    ("multiplicative.py", "in_unit(l1 + l2 * H)", "in_unit(2 * l1 + l2 * H)"),
    ("losses/beta_divergence.py", "return 1 / (self.beta - 1)", "return 1.0"),
    ("losses/beta_divergence.py", "return 1 / (3 - self.beta)", "return 1.0"),
    ("losses/beta_divergence.py", "return 1 / (2 - self.beta) if self.beta < 1 else 1.0", "return 1.0"),
    (
        "multiplicative.py",
        "positive, unit * scale, loss, l1, l2, *of_terms))\n    return matrix",
        "positive, scale, loss, l1, l2, *of_terms))\n    return matrix",
    ),
    ("matrix/__init__.py", "jnp.where(fresh[None, :], H if", "jnp.where(fresh[None, :] | True, H if"),
    ("stopping.py", "(info.start_kkt <= tol * p.first)", "(info.start_kkt <= tol)"),
    ("matrix/__init__.py", "of_ones, of_zeros = jnp.sum(H, axis=1)", "of_ones, of_zeros = 2 * jnp.sum(H, axis=1)"),
    ("matrix/__init__.py", "lambda A: A @ H.T)", "lambda A: 2 * A @ H.T)"),
    ("losses/beta_divergence.py", "(jnp.frexp(low)[1] + jnp.frexp(high)[1]) // 2", "jnp.frexp(high)[1]"),
    (
        "losses/beta_divergence.py",
        "jnp.clip(power(Z / middle, exponent), 1 / largest, largest)",
        "power(Z / middle, exponent)",
    ),
    (
        "multiplicative.py",
        "jnp.clip(unit, limits.tiny, limits.max), limits.max)",
        "(unit * scale), limits.max)",
    ),
    ("multiplicative.py", "(x > 0) & (z == 0)", "z == 0"),
    ("multiplicative.py", "jnp.where(rows, jnp.maximum", "jnp.where(True, jnp.maximum"),
    ("multiplicative.py", "0.01 / jnp.arange(1, ", "0.01 / jnp.ones(-1 + "),
    ("matrix/__init__.py", "-(-size // width)", "size // width"),
    ("matrix/__init__.py", "jnp.minimum(i * width, size - width)", "i * width"),
    ("objective.py", "algorithm.l1_W * jnp.sum(W) + algorithm.l1_H", "algorithm.l1_H * jnp.sum(W) + algorithm.l1_H"),
    ("objective.py", "return l1 + 0.5 * (", "return l1 + ("),
    ("objective.py", "gradients.W + algorithm.l1_W + algorithm.l2_W * W", "gradients.W + algorithm.l1_W"),
    ("objective.py", "gradients.H + algorithm.l1_H +", "gradients.H - algorithm.l1_H +"),
    (
        "terms/constraints.py",
        "jnp.where(zero, jnp.minimum(gradient, 0), gradient)",
        "jnp.where(zero, jnp.maximum(gradient, 0), gradient)",
    ),
    (
        "terms/penalties.py",
        "return 0.5 * jnp.sum(per_row(self.weight, H) * H * H)",
        "return jnp.sum(per_row(self.weight, H) * H * H)",
    ),
    ("terms/penalties.py", "jnp.pad(weights * self.A,", "jnp.pad(self.A,"),
    ("terms/penalties.py", "self.weight * self.total * ones[:, :1]", "self.weight * ones[:, :1]"),
    ("terms/graph.py", "weights * (most * H - self.times(H))", "weights * (most * H + self.times(H))"),
    ("terms/graph.py", "weights * (4 * H - _of_path(H))", "weights * (2 * H - _of_path(H))"),
    ("terms/minimum_volume.py", "jnp.maximum(Y[k, k], 1)", "Y[k, k] + 1"),
    ("terms/together.py", "C[k:] - G[k:, :k] @ A", "C[k:]"),
    ("terms/together.py", "live[:, None] & live[None, :], G, 0)", "live[:, None] | True, G, 0)"),
    ("terms/together.py", "jnp.where(live[:, None], C, 0)", "C"),
    ("terms/constraints.py", "jnp.cumsum(falling, axis=0) - self.total", "jnp.cumsum(falling, axis=0) - 1"),
    ("terms/constraints.py", "live = jnp.any(H != 0, axis=1, keepdims=True)", "live = jnp.full((len(H), 1), True)"),
    ("extrapolated.py", "risen += together.rise(self.on_H, s.H, ahead_H) +", "risen +="),
    ("multiplicative.py", "negative + in_unit(minus)", "negative"),
    ("units.py", "term.degree * of_factor - of_loss", "term.degree * of_factor"),
    ("units.py", "-power * of_factor", "-of_factor"),
    ("solvers.py", "return G + l2 * jnp", "return G + 2 * l2 * jnp"),
    ("algorithm.py", "WtX, algorithm.l1_H, algorithm.l2_H)", "WtX, algorithm.l1_W, algorithm.l2_W)"),
    ("algorithm.py", "HXt, algorithm.l1_W, algorithm.l2_W)", "HXt, -algorithm.l1_W, algorithm.l2_W)"),
    ("algorithm.py", "ridge(G, l2), C - l1, **within)", "ridge(G, l2), C + l1, **within)"),
    ("algorithms.py", "solvers.multiplicative(H, ridge(G, l2), C, l1)", "solvers.multiplicative(H, ridge(G, l2), C)"),
    ("algorithm.py", "(Wt, H) if start is None else (start.W.T, start.H)", "(Wt, H)"),
    ("algorithm.py", "of_H(X, W, H, algorithm.l1_H, algorithm.l2_H)", "of_H(X, W, H, algorithm.l1_W, algorithm.l2_W)"),
    ("algorithm.py", "of_W(X.T, H.T, W.T, algorithm.l1_W, algorithm.l2_W)", "of_W(X.T, H.T, W.T, 0.0, algorithm.l2_W)"),
    ("algorithm.py", "half_square - inner(HXt, W.T)", "half_square - 2 * jnp.vdot(HXt, W.T)"),
    ("algorithm.py", "+ 0.5 * inner(WtW, HHt)", "+ jnp.vdot(WtW, HHt)"),
    ("algorithm.py", "(HHt @ W.T - HXt).T, WtW @ H - WtX", "(HHt @ W.T - HXt).T, WtW @ H + WtX"),
    ("algorithm.py", "rounding=jnp.finfo(loss.dtype).eps * half_square", "rounding=0.0"),
    ("solvers.py", "G @ H + l1)", "G @ H)"),
    ("solvers.py", "jnp.full((), 0.5, G.dtype)", "jnp.full((), 1.0, G.dtype)"),
    ("solvers.py", "G @ (0.5 * (old + new)) - C", "G @ old - C"),
    ("matrix/__init__.py", "(z + 0.5 * dz - x) * dz", "(z - x) * dz"),
    ("objective.py", "l2(algorithm.l2_W, old.W, new.W)", "l2(algorithm.l2_H, old.W, new.W)"),
    ("factors.py", "- scaled.W * (new_d - d)[None, :]", "+ scaled.W * (new_d - d)[None, :]"),
    ("factors.py", "+ old.H * (new_d - d)[:, None]", ""),
    (
        "algorithms.py",
        "half_step_W(X, ahead.W, H, self.loss, self.l1_W, self.l2_W, self.on_W)",
        "half_step_W(X, ahead.W, H, self.loss, self.l1_H, self.l2_H, self.on_W)",
    ),
    ("algorithms.py", "lax.fori_loop(0, self.inner,", "lax.fori_loop(0, 1,"),
    ("extrapolated.py", "new + s.weight * (new - old)", "new + s.weight * (old - new)"),
    ("extrapolated.py", "_ahead(Wt, s.Wt, s)", "Wt"),
    ("extrapolated.py", "start_WtX = _ahead(WtX, s.WtX, s)", "start_WtX = WtX"),
    ("extrapolated.py", "half_step_H(s.start_Wt.T, s.H)", "half_step_H(s.Wt.T, s.H)"),
    ("extrapolated.py", "half_step_W(s.start_Wt.T, ahead_H)", "half_step_W(s.start_Wt.T, s.H)"),
    ("extrapolated.py", "previous_H=s.H, start_Wt=s.Wt", "previous_H=s.H, start_Wt=s.start_Wt"),
    ("extrapolated.py", "s.weight / self.decay, cap=s.weight", "s.weight / self.decay, cap=s.cap"),
    ("extrapolated.py", "ridge(s.WtW, self.l2_H), s.WtX - self.l1_H", "ridge(s.WtW, self.l2_H), s.WtX"),
    ("extrapolated.py", "ridge(HHt, self.l2_W), HXt - self.l1_W", "HHt, HXt - self.l1_W"),
    ("extrapolated.py", "accepted = ~(risen > 0)", "accepted = risen > -jnp.inf"),
    ("extrapolated.py", "accepted | (s.weight**2 < jnp.finfo(risen.dtype).eps)", "accepted"),
    ("momentum.py", "jnp.where(rise < 0, A * divide(old, old - w * rise), A + w * rise)", "A + w * rise"),
    ("momentum.py", "divide(old, old - w * rise)", "divide(old, old - rise)"),
    ("joint.py", "R @ (counted * (H1 * U)).T", "R @ (counted * H1).T"),
    ("joint.py", "power(U, loss.beta - 1)", "power(U, loss.beta)"),
    ("joint.py", "P @ (counted * (H1 * of_P)).T", "P @ (counted * (H1 * U)).T"),
    ("joint.py", "(R - P) @ (counted * H1).T", "(P - R) @ (counted * H1).T"),
    ("joint.py", "jnp.where(fresh[None, :], of_column, 0)", "of_column"),
    ("joint.py", "jnp.sum(of_row * counted * value)", "jnp.sum(counted * value)"),
    ("joint.py", "weighted_W = of_row * W1", "weighted_W = W1"),
    ("joint.py", "unit_b * power(a, loss.beta - 1) / scale.T", "unit_b * power(a, loss.beta - 1) * scale.T"),
    ("joint.py", "unit_a * power(b, loss.beta - 1) * scale", "power(b, loss.beta - 1) * scale"),
    ("joint.py", "x * (1 / a) * (1 / b)", "x * (1 / a)"),
    ("joint.py", "jnp.clip(power(Z, loss.beta - 1), 1 / largest, largest)", "power(Z, loss.beta - 1)"),
    ("joint.py", "jnp.max(units) if beta > 0 else jnp.min(units)", "jnp.max(units)"),
    ("joint.py", "jnp.where(m > 0, m * part, 0)", "jnp.where(m > 0, part, 0)"),
    ("joint.py", "self.loss, of_H, of_W)", "self.loss, of_W, of_H)"),
    ("joint.py", "if not self.beta < 1:", "if not self.beta <= 1:"),
    ("joint.py", "start_loss=value + penalty(state, self)", "start_loss=value"),
    ("losses/beta_divergence.py", "(1 / beta - divide(x, z) / (beta - 1))", "(1 / beta - divide(x, z) / beta)"),
    ("losses/beta_divergence.py", "exactly = self.quadratic or abs", "exactly = abs"),
    ("matrix/sharded.py", "None if X.columns else 0", "1 if X.columns else 0"),
    ("momentum.py", "MomentumState(inner, now, t, k)", "MomentumState(inner, s.previous, t, k)"),
    ("momentum.py", "most * divide(size, move)", "most * divide(move, size)"),
    ("momentum.py", "k ** (-self.power / 2)", "k**-self.power"),
    ("accelerated.py", "self.effort * (m / r + m / n)", "self.effort * (n / r + n / m)"),
    ("accelerated.py", "move > self.tol * first_move", "move > self.tol"),
    ("accelerated.py", "(jnp.diag(G) > 0) | jnp.any(H != 0, axis=1)", "jnp.any(H == H, axis=1)"),
    ("warm_start.py", "rows = X.shape[0] > X.shape[1]", "rows = X.shape[0] < X.shape[1]"),
    ("warm_start.py", "(size,), replace=False", "(size,), replace=True"),
    (
        "warm_start.py",
        "half_step(solvers.least_squares(None, G, C), G, C, l1=0.0, l2=0.0)",
        "solvers.least_squares(None, G, C)",
    ),
    ("warm_start.py", "raised(W, 0), raised(H, 1)", "raised(W, 1), raised(H, 0)"),
    ("warm_start.py", "raised(W, 0), raised(H, 1)", "W, H"),
    ("stopping.py", "done & small & info.moved & (tol > 0)", "done & small & (tol > 0)"),
    ("pivoting.py", "slack, y = _slack(h, c), Gh - c", "slack, y = _slack(h, c), Gh + c"),
    ("pivoting.py", "jnp.max(project_nonnegative(c), axis=1)", "jnp.max(jnp.abs(c), axis=1)"),
    ("active_set.py", "jnp.max(p, initial=0) + jnp.abs(p)", "jnp.max(jnp.abs(p))"),
    ("accelerated_projected_gradient.py", "jnp.max(project_nonnegative(C)", "jnp.max(jnp.abs(C)"),
    ("door.py", "0.0 if abs(x) < tiny else x", "x"),
    ("pivoting.py", "jnp.where(exchanges >= 0, 0, last)[:, None]", "0"),
    ("pivoting.py", "jnp.where((number > 0) | satisfied, jnp.minimum", "jnp.where(True, jnp.minimum"),
    ("pivoting.py", "jnp.where(place < N, r + 1, 0)", "jnp.where(place < N - 1, r + 1, 0)"),
    ("pivoting.py", "h + cho_solve(factor, c_F - G_FF @ h)", "h"),
    ("pivoting.py", "lambda: (h, Gh), anew)", "lambda: (h, Gh), lambda: (h, Gh))"),
    ("pivoting.py", "jnp.where(complement, u - V @ z, z)", "jnp.where(complement, u, z)"),
    ("pivoting.py", "h + solution(on_F(c - G @ h))", "h"),
    ("pivoting.py", "dependent = pivot <= tiny", "dependent = pivot < 0"),
    ("pivoting.py", "jnp.where(index < k, 0, A[:, k] - (index == k))", "jnp.where(index < k, 0, A[:, k])"),
    ("pivoting.py", "jnp.where(index < k, U[:, k], 0)", "jnp.where(index <= k, U[:, k], 0)"),
    ("pivoting.py", "jnp.where(chosen, index - n, index)", "jnp.where(chosen, index, index - n)"),
    ("pivoting.py", "jnp.abs(y) <= slack", "jnp.abs(y) < jnp.inf"),
    ("active_set.py", "jnp.stack([z, independent, fall])[:, place]", "jnp.stack([z[place], independent, fall[place]])"),
    ("active_set.py", "lower = arrived & (value < s.best.value)", "lower = arrived"),
    ("active_set.py", "first * (z - s.h)", "1.0 * (z - s.h)"),
    ("active_set.py", "T[:r].T @ w - p - away[:, :r].T @ q", "T[:r].T @ w - p"),
    ("active_set.py", "T[:r].T @ w - p - away[:, :r].T @ q", "-p - away[:, :r].T @ q"),
    ("active_set.py", "(index == entering) & (fall > 0)", "index == entering"),
    ("active_set.py", "jnp.where(done[:, None], new, jnp.nan)", "jnp.where(done[:, None], new, 0)"),
    ("nonnegative_least_squares.py", "C[None] + ridge * H)", "C[None])"),
    ("nnls.py", "todo = ~(solved & _is_lowest", "todo = ~(solved | _is_lowest"),
    ("nonnegative_least_squares.py", "todo, M, Q = ~solved[None]", "todo, M, Q = (solved & False)[None]"),
    ("nnls.py", "A / of_A[None, :], B / of_B[None, :]", "A, B"),
    ("nonnegative_least_squares.py", "dC - dG @ H", "dC + dG @ H"),
    ("nonnegative_least_squares.py", "solve_passive(G, H > 0, dC", "solve_passive(G, H >= 0, dC"),
    ("nnls.py", "jnp.where(lower, corrected, Z)", "corrected"),
    ("nnls.py", "jnp.where(lower, corrected, Z)", "Z"),
    ("factors.py", "W / d[None, :], H * d[:, None]", "W / d[None, :], H"),
    ("factors.py", "W / d[None, :], H * d[:, None]", "W / d[None, :], H / d[:, None]"),
    ("transform.py", "jnp.minimum(algorithm.l1_W *", "jnp.minimum(algorithm.l1_H *"),
    ("transform.py", "algorithm.l2_W * to_H * to_H", "algorithm.l2_W * to_H"),
    (
        "losses/beta_divergence.py",
        "(beta - 1) * bounded(power(z, beta - 2)) + (2 - beta)",
        "(beta - 1) * bounded(power(z, beta - 2)) - (2 - beta)",
    ),
    ("transform.py", "(m)(derivative) + l1 + l2 @ w", "(m)(derivative) + l1"),
    ("transform.py", "0.5 * w @ l2 @ w", "w @ l2 @ w"),
    ("transform.py", "+ jnp.sum(l1 * w) +", "+"),
    ("transform.py", "(missed <= missed_before) &", ""),
    ("transform.py", "& (after <= enough)", ""),
    ("transform.py", "moved | (is_unsolved(new, 1000 * eps) & (ridge < len(ridges)))", "moved"),
    ("transform.py", "+ ridge * jnp.eye(len(w), dtype=w.dtype)", ""),
    ("transform.py", "jnp.where(free, step, w) for", "jnp.where(free, step, 0) for"),
    ("transform.py", "power(c, p - (degree or 0))", "power(c, p)"),
    ("transform.py", "limits.max), s**p)", "limits.max), s)"),
    ("transform.py", "x, H = x / c, divide(H, s[:, None])", "x, H = x / c, divide(H, s[:, None]) * 2"),
    (
        "matrix/__init__.py",
        "f(x, *Z) if m is None else jnp.where(m > 0, m * f(x, *Z), 0)",
        "f(x, *Z) if m is None else m * f(x, *Z)",
    ),
    ("matrix/__init__.py", "f(x, *Z) if m is None else jnp.where(m > 0, m * f(x, *Z), 0)", "f(x, *Z)"),
    ("matrix/masked.py", "(matrix.most_weight(X) - m) * (W @ H))", "m * (W @ H))"),
    ("algorithm.py", "most_weight(X) * (W.T @ W)", "W.T @ W"),
    ("weighted.py", "penalty / unit", "penalty"),
    ("weighted.py", "E.sums(E.m, W * W).T + l2", "E.sums(E.m, W).T + l2"),
    ("weighted.py", "E.sums(E.m, W * W).T + l2", "E.sums(E.m, W * W).T"),
    ("weighted.py", "W_k)[:, 0] - l1[k] - l2[k] * H[k]", "W_k)[:, 0] - l1[k]"),
    ("weighted.py", "W_k)[:, 0] - l1[k] - l2[k] * H[k]", "W_k)[:, 0] - l2[k] * H[k]"),
    ("weighted.py", "MR - E.m * E.at((new", "MR - E.at((new"),
    ("weighted.py", "jnp.where(slope < 0, -jnp.inf, 0)", "jnp.zeros_like(slope)"),
    ("weighted.py", "G + jnp.diag(l2)", "G"),
    ("matrix/columns.py", "f((W * m[:, None]).T @ W, *a)", "f(W.T @ W, *a)"),
    ("weighted.py", "l2 * to_W * to_W", "l2 * to_W"),
    ("weighted.py", "(l1 * to_W,", "(l1,"),
    ("weighted.py", "E.sums(E.m * E.x, W) - l1.T", "E.sums(E.m * E.x, W)"),
    ("weighted.py", "E.sums(E.m * E.x, W) - l1.T", "E.sums(E.x, W) - l1.T"),
    ("matrix/__init__.py", "(negative, 1 if positive is None else positive)", "(negative, positive)"),
    ("transform.py", "(H @ (m * x))", "(H @ x)"),
    ("stopping.py", "jnp.maximum(tol * earlier, info.rounding)", "jnp.maximum(0, info.rounding)"),
    ("stopping.py", "fell_little & (info.loss <= p.least + info.rounding)", "fell_little"),
    ("stopping.py", "& (of_last_tenth * rule.check_every <= 10 * tol)", ""),
    ("stopping.py", "jnp.isfinite(loss), status", "jnp.isfinite(loss) | True, status"),
    ("units.py", '"l2_W": 2 * unit.W', '"l2_W": unit.W'),
    ("units.py", "power - unit.of_loss(given", "power + unit.of_loss(given"),
    ("units.py", "found.kkt, unit.of_loss(degree) - unit.X // 2", "found.kkt, unit.of_loss(degree)"),
    ("units.py", "self.X * degree + self.M", "self.X * degree"),
    ("stopping.py", "return info.kkt <= tol * p.first", "return info.kkt <= tol"),
    ("stopping.py", "num_iters - 1, len(trace.loss))", "num_iters, len(trace.loss))"),
    ("stopping.py", "+ (until[1] - since[1])", ""),
    ("stopping.py", "((p.num_iters + 1) % rule.check_every != 0)", "(p.num_iters % rule.check_every != 0)"),
    ("resuming.py", "p._replace(state=state, sums=sums,", "p._replace(state=state,"),
    ("resuming.py", "(tol < kept.tol)", "(tol > kept.tol)"),
    ("checkpoint.py", "if before.get(name) != value:", "if before.get(name) is None:"),
    ("checkpoint.py", "array.tobytes())", "b'')"),
    ("pausing.py", "or pressed or ended", "or ended"),
    ("batches.py", "for pair in batch if pair not in found]", "for pair in batch]"),
    ("resuming.py", "return place | jnp.uint32(1)", "return place * jnp.uint32(0) + jnp.uint32(1)"),
    ("algorithms.py", "start_loss=value + penalty(state, self)", "start_loss=value"),
    ("algorithms.py", "if ahead is not state:", "if False:"),
    ("matrix/__init__.py", "entries(part(X, 0, 1, 0))[1] is None else None", "X is not None else None"),
    ("losses/beta_divergence.py", "beyond = x * (jnp.log(q) - 1)", "beyond = x * jnp.log(q)"),
    ("stopping.py", "jnp.where(running & finite, a, b)", "jnp.where(running, a, b)"),
    ("factors.py", "return jnp.where(d > 0, d, 1)", "return jnp.where(d > 0, d, 2)"),
    ("factors.py", "A.astype(compute_dtype(dtype))", "A.astype(dtype)"),
    ("factors.py", 'for scale in ("max", norm)[: 1 + (norm != "max")]', "for scale in (norm,)"),
    ("factors.py", "columns * rows, divide", "columns, divide"),
    ("consensus.py", "np.fill_diagonal(together, S)", "pass"),
    ("consensus.py", "np.setdiff1d(assigned, none)", "np.unique(assigned)"),
    ("consensus.py", "heights[n - rank - 1] * (1 + n * np.finfo(float).eps)", "heights[n - rank - 1]"),
    ("consensus.py", "heights[n - rank - 1] *", "heights[n - rank] *"),
    ("consensus.py", "if n > rank else 0.0", "if n > rank else -1.0"),
    ("consensus.py", "(1 - 2 * apart / S) ** 2", "(1 - apart / S) ** 2"),
    ("consensus.py", "_strongest if scaled else _largest", "_largest if scaled else _strongest"),
    ("consensus.py", "z[ok], none", "z, none"),
    ("consensus.py", "np.concatenate([used[leaves],", "np.concatenate([leaves,"),
    ("similarity.py", "jnp.clip(cosines, -1, 1) - cosines", "0 * cosines"),
    ("similarity.py", "/ ranks.astype(scores.dtype)[None, :, None, None]", "/ W.shape[-1]"),
    ("similarity.py", "-1, columns.dtype).at[rows].set(columns)", "-1, columns.dtype).at[columns].set(rows)"),
    ("similarity.py", "jnp.full(len(cosines), -1, columns.dtype)", "jnp.full(len(cosines), 0, columns.dtype)"),
    ("similarity.py", "/ max(cosines.shape)", "/ U.shape[1]"),
    ("similarity.py", "jnp.argsort(is_taken, stable=True)", "jnp.argsort(~is_taken, stable=True)"),
    ("similarity.py", "jnp.where(p >= 0, jnp.take", "jnp.where(p >= -1, jnp.take"),
    ("matrix/rescaled.py", "values=a[A.rows] * A.values * b[A.columns]", "values=a[A.rows] * A.values"),
    ("matrix/rescaled.py", "scaled(X.by_column, columns, rows)", "scaled(X.by_column, rows, columns)"),
    ("matrix/rescaled.py", "X.rows[:, None] * W, H) * X.columns[None, :]", "X.rows[:, None] * W, H)"),
    ("matrix/rescaled.py", "cut(X.columns, 1)", "X.columns"),
    ("bootstrap.py", "times ** (1 / degree) if", "times if"),
    ("bootstrap.py", "drawn, ones) if axis == 0 else", "drawn, ones) if axis == 1 else"),
    ("bootstrap.py", "replicate.H[found.match]", "replicate.H"),
    ("bootstrap.py", "values[by_column]", "values"),
    ("bootstrap.py", "in_unit(drawn, X.root[0])", "drawn"),
    ("bootstrap.py", "(1 - level) / 2, (1 + level) / 2", "1 - level, level"),
    ("consensus_components.py", "2 - 2 * units @ units.T", "1 - units @ units.T"),
    ("consensus_components.py", "np.fill_diagonal(squares, np.inf)", "pass"),
    ("consensus_components.py", "np.median(units[labels == k], axis=0)", "np.mean(units[labels == k], axis=0)"),
    ("named.py", "np.argsort(-component", "np.argsort(component"),
    ("named.py", "float(component[j] / total)", "float(component[j])"),
    ("named.py", "return W.T if axis == 1 else H", "return W.T if axis == 0 else H"),
    ("labels.py", 'hasattr(mine, "equals") and mine.equals(other)', 'hasattr(mine, "equals")'),
    ("ordering.py", "jnp.lexsort((-strength, label))", "jnp.lexsort((strength, label))"),
    ("ordering.py", "jnp.argmax(loading, axis=1), A.shape[1])", "jnp.argmax(A, axis=1), A.shape[1])"),
    ("matrix/__init__.py", "squares = divide(sigma, sigma[0]) ** 2", "squares = sigma**2 / sigma[0]"),
    ("spectrum.py", "jnp.sqrt(float(m) * n)", "float(X.shape[0] ** 2)"),
    ("matrix/csr.py", "B[line] * C[column]", "B[line] * C[line]"),
    ("matrix/csr.py", "e + jnp.arange(width) >= i * width", "e + jnp.arange(width) >= e"),
    ("matrix/csr.py", "jnp.nonzero(starts[1:] > starts[:-1]", "jnp.nonzero(starts[1:] >= starts[:-1]"),
    ("matrix/csr.py", "e = jnp.minimum(i * width, number - width)", "e = i * width"),
    ("matrix/csr.py", "D.reshape(n, members * k)", "jnp.moveaxis(D, 2, 1).reshape(n, members * k)"),
    ("matrix/csr.py", "first = jnp.minimum(at, values.size - chunk)", "first = at"),
    ("matrix/csr.py", "(here >= at) & (here < end)", "(here < end)"),
    ("matrix/csr.py", "nothing[6] = times(B, cotangent, A)", "nothing[6] = times(A, cotangent, B)"),
    ("matrix/csr.py", "nothing[0] = sampled(A, cotangent, D)", "nothing[0] = sampled(A, cotangent, 2 * D)"),
    ("matrix/sparse.py", "jnp.maximum(of_zeros - of_zeros_there, 0)", "of_zeros"),
    ("matrix/sparse.py", "- jnp.vdot(XHt, W) + of_zeros", "- jnp.vdot(XHt, W)"),
    ("matrix/sparse.py", "1, value + of_zeros", "1, value"),
    ("matrix/sparse.py", "f(values, initial=0)", "f(values)"),
    ("matrix/stored.py", "+ matrix.most_weight(X) * ((W.T @ W) @ H)", ""),
    ("matrix/stored.py", "times(M, W * W_k[:, None])[1:-1]", "times(M, W * W_k[:, None])[:-2]"),
    ("matrix/stored.py", "at[self.rows].max(self.m)", "at[self.rows].add(self.m)"),
    ("matrix/stored.py", "jnp.minimum(least(0), least(1))", "least(0)"),
    ("matrix/stored.py", "on_host(lambda: _least_share(X)) >= LIGHT", "on_host(lambda: _least_share(X)) >= 0"),
    ("matrix/held_out.py", "jnp.maximum(positive - times(A, H.T), 0)", "positive"),
    (
        "matrix/held_out.py",
        "return whole - jnp.sum(X.places.by_row.values * (z + 0.5 * dz_there) * dz_there)",
        "return whole",
    ),
    ("matrix/held_out.py", "jnp.count_nonzero(X.places.by_row.values).astype(X.dtype)", "X.places.num_stored"),
    ("matrix/held_out.py", " - jnp.count_nonzero(X.places.by_row.values).astype(X.dtype)", ""),
    ("matrix/held_out.py", "A.values * loss.divergence(", "loss.divergence("),
    ("matrix/held_out.py", "A.values * sampled(A, H.T, W)", "sampled(A, H.T, W)"),
    ("matrix/leading.py", "B = A @ Vt.T + level", "B = A @ Vt.T + 0 * level"),
    ("matrix/leading.py", "rest = 0.0 if thin else", "rest = 0.0 if not thin else"),
    ("matrix/leading.py", "jnp.where(fresh[:, None], matrix.entries(x)[0], 0)", "matrix.entries(x)[0]"),
    ("matrix/leading.py", "jnp.where(jnp.diag(R) < 0, -1, 1)", "jnp.where(jnp.diag(R) < 0, 1, 1)"),
    ("matrix/sparse_blocks.py", "A.data + A.dtype.type(0)", "A.data"),
    ("matrix/sparse_blocks.py", "np.full(missing, -0.0, A.dtype)", "np.full(missing, 0.0, A.dtype)"),
    ("matrix/sparse_blocks.py", "values.view(bits) == jnp.iinfo(bits).min", "values == 0"),
    ("matrix/stored.py", "jnp.broadcast_to(level, A.starts", "jnp.broadcast_to(0 * level, A.starts"),
    ("matrix/sparse_blocks.py", 'side="right"', 'side="left"'),
    ("matrix/sparse_blocks.py", "jnp.moveaxis(a, 0, X.axis)", "jnp.moveaxis(a, 0, 0)"),
    ("matrix/sparse_blocks.py", "P(rows + columns), X)", "P(), X)"),
    ("matrix/sharded.py", "lax.pmean(matrix.mean_size(x)", "lax.psum(matrix.mean_size(x)"),
    ("matrix/sharded.py", "len(R), len(R))", "0, len(R))"),
    ("sparse_formats.py", "X.astype(float) if X.dtype.kind in", "X.astype(float) if X.dtype.kind not in"),
    ("sparse_holdout.py", "lost[lines[given_back]] = False", "pass"),
    ("sparse_holdout.py", 'A.values.at[which].set(0, mode="drop")', 'A.values.at[which].set(1, mode="drop")'),
    ("sparse_holdout.py", "(0, fewer), constant_values=block.size)", "(0, fewer))"),
    ("sparse_holdout.py", "held._replace(weights=tuple(A.values for A in own.places))", "held"),
    ("stored_places.py", "before if self.axis == 0 else before.T", "before.reshape(counts.shape)"),
    ("spectrum.py", "independent=True", "independent=False"),
    ("holdout.py", "(last(0) & ~jnp.any(of_rows, axis=0, keepdims=True))", "last(0)"),
    ("holdout.py", "of_rows | (last(0) & ~jnp.any(of_rows, axis=0, keepdims=True))", "of_rows"),
    ("holdout.py", "nonzero = counts & (x != 0)", "nonzero = counts"),
    ("holdout.py", "<= own.last", "< own.last"),
    ("holdout.py", "weighted_by(X, held_out.astype(X.dtype))", "weighted_by(X, jnp.ones(X.shape, X.dtype))"),
    ("cross_validation.py", "mean_loss(X, factors, algorithm.loss)", "mean_loss(X, factors, losses.frobenius)"),
    ("cross_validation.py", "/ np.sqrt(restarts)", "/ 1"),
    ("cross_validation.py", "restarts = counted[best].sum()", "restarts = test.shape[1]"),
    ("batches.py", "means[0 if own is None else restart]", "means[0]"),
    ("batches.py", "return alone(rank, restart) if doubtful[restart] else", "return"),
    ("batches.py", "jnp.ldexp(W, of_start.W - unit.W)", "W"),
    ("matrix/masked.py", "jnp.sum(matrix.entries(X)[1])", "jnp.sum(matrix.entries(X)[1] > 0)"),
    ("matrix/__init__.py", "return float(math.prod(X.shape))", "return math.prod(X.shape)"),
]

CHECKS = [
    f"tests/test_{name}.py"
    for name in (
        "losses",
        "multiplicative",
        "solvers",
        "nnls",
        "exact",
        "proofs",
        "algorithms",
        "combinators",
        "transform",
        "loops",
        "units",
        "kinds",
        "masks",
        "robust",
        "factors",
        "probabilities",
        "ordering",
        "similarity",
        "consensus",
        "spectrum",
        "cross_validation",
        "sweep",
    )
]
STATEMENT = "tests/test_proofs.py::test_statement_holds_and_rejects_its_controls"
KIND = "tests/test_kinds.py::test_every_function_is_that_of_the_entries"
BLOCKS, SPARSE = "tests/test_sparse_blocks.py", "tests/test_sparse.py"
NEAREST = {  # what most likely fails; single tests are tried first, be they quick or slow
    "losses/beta_divergence.py": [
        f"{STATEMENT}[23]",
        "tests/test_losses.py",
        "tests/test_multiplicative.py",
        "tests/test_loops.py",
    ],
    "losses/negative_binomial.py": [f"{STATEMENT}[32]", "tests/test_losses.py", "tests/test_multiplicative.py"],
    "algorithm.py": ["tests/test_algorithms.py", "tests/test_masks.py"],
    "units.py": ["tests/test_units.py", "tests/test_terms.py"],
    "nnls.py": ["tests/test_nnls.py", "tests/test_exact.py"],
    "matrix/stacked.py": [f"{KIND}[stacked]", f"{KIND}[stacked, weighted]", "tests/test_stacked.py"],
    "matrix/uniform.py": [f"{KIND}[uniform]", "tests/test_stacked.py"],
    "separable.py": [f"{STATEMENT}[38]", "tests/test_separable.py"],
    "solvers.py": ["tests/test_solvers.py"],
    "multiplicative.py": ["tests/test_multiplicative.py", "tests/test_terms.py", f"{STATEMENT}[23]"],
    "algorithms.py": ["tests/test_algorithms.py"],
    "pivoting.py": ["tests/test_nnls.py", "tests/test_exact.py"],
    "active_set.py": [f"{STATEMENT}[29]", "tests/test_exact.py"],
    "accelerated_projected_gradient.py": ["tests/test_exact.py"],
    "nonnegative_least_squares.py": [f"{STATEMENT}[{number}]" for number in (7, 25)] + ["tests/test_nnls.py"],
    "transform.py": ["tests/test_transform.py"],
    "matrix/__init__.py": ["tests/test_blocks.py", "tests/test_kinds.py", "tests/test_masks.py"],
    "matrix/masked.py": [
        f"{KIND}[masked]",
        f"{KIND}[masked, by the weights]",
        "tests/test_masks.py",
        "tests/test_cross_validation.py",
    ],
    "objective.py": [f"{STATEMENT}[30]", "tests/test_loops.py", "tests/test_algorithms.py"],
    "accelerated.py": ["tests/test_combinators.py", "tests/test_sweep.py"],
    "extrapolated.py": ["tests/test_combinators.py", "tests/test_terms.py"],
    **{file: ["tests/test_weights.py", "tests/test_proofs.py"] for file in ("matrix/columns.py", "weighted.py")},
    "momentum.py": ["tests/test_combinators.py"],
    "joint.py": ["tests/test_joint.py", f"{STATEMENT}[44]"],
    **{
        f"terms/{name}.py": ["tests/test_terms.py"]
        for name in ("penalties", "graph", "minimum_volume", "constraints", "together")
    },
    "loops.py": ["tests/test_loops.py", "tests/test_convergence.py", "tests/test_combinators.py"],
    "stopping.py": ["tests/test_loops.py", "tests/test_pausing.py", "tests/test_combinators.py"],
    "resuming.py": ["tests/test_pausing.py"],
    "pausing.py": ["tests/test_pausing.py"],
    "checkpoint.py": ["tests/test_checkpoint.py"],
    "warm_start.py": ["tests/test_warm_start.py"],
    "factors.py": ["tests/test_factors.py", "tests/test_probabilities.py"],
    "consensus.py": ["tests/test_consensus.py"],
    "similarity.py": ["tests/test_similarity.py"],
    "named.py": ["tests/test_named.py"],
    "matrix/rescaled.py": [f"{KIND}[rescaled]", f"{KIND}[rescaled, weighted]", "tests/test_bootstrap.py"],
    "bootstrap.py": ["tests/test_bootstrap.py"],
    "consensus_components.py": ["tests/test_consensus_components.py"],
    "labels.py": ["tests/test_labels.py", "tests/test_named.py"],
    "ordering.py": ["tests/test_ordering.py"],
    "spectrum.py": ["tests/test_spectrum.py"],
    **{file: ["tests/test_cross_validation.py"] for file in ("cross_validation.py", "holdout.py")},
    "numerics.py": ["tests/test_multiplicative.py::test_a_quotient_beyond_the_range_makes_no_nan"],
    "batches.py": [
        "tests/test_checkpoint.py",
        "tests/test_sweep.py",
        "tests/test_cross_validation.py",
        "tests/test_warm_start.py",
    ],
    "matrix/csr.py": [f"{KIND}[sparse]", f"{KIND}[stored]", f"{SPARSE}::test_derivatives_pass_through", SPARSE],
    "matrix/sparse.py": [f"{KIND}[sparse]", SPARSE],
    "matrix/leading.py": [
        f"{SPARSE}::test_starts_and_singular_values",
        f"{KIND}[completed]",
        f"{KIND}[streamed]",
        "tests/test_streamed.py::test_small_singular_values_keep_their_digits",
        SPARSE,
    ],
    "matrix/stored.py": [
        f"{SPARSE}::test_half_steps_by_the_stored_entries_are_those_of_scipy_column_by_column",
        f"{KIND}[stored]",
        f"{KIND}[completed]",
        SPARSE,
    ],
    "matrix/held_out.py": [f"{KIND}[without]", f"{KIND}[plus]", SPARSE, BLOCKS],
    "matrix/sharded.py": ["tests/test_sharded.py", BLOCKS],
    "sparse_formats.py": [SPARSE],
    "sparse_holdout.py": [SPARSE, f"{BLOCKS}::test_the_hold_outs_are_those_of_one_device"],
    "matrix/sparse_blocks.py": [f"{BLOCKS}::test_every_function_is_that_of_the_entries", BLOCKS],
    "stored_places.py": [f"{BLOCKS}::test_the_hold_outs_are_those_of_one_device", BLOCKS],
    "door.py": ["tests/test_door.py", BLOCKS],
    "sweep.py": ["tests/test_sweep.py", "tests/test_cross_validation.py"],
}


FAILED = ROOT / "tests" / "mutants.json"  # mutant: the test that failed
MOST_REMEMBERED = 4
LOCK = threading.Lock()


def name_of(file: str, old: str, new: str) -> str:
    return f"{file}: {old} -> {new}"


def remembered() -> dict[str, str]:
    return json.loads(FAILED.read_text()) if FAILED.exists() else {}


def remember(mutant: str, test: str):
    with LOCK:
        FAILED.write_text(
            json.dumps(remembered() | {mutant: test}, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        )


def near(file: str, mutant: str) -> list[list[str]]:
    """What most likely fails, one run of pytest after the other."""
    with LOCK:
        tests = remembered()
    of_file = Counter(test for other, test in tests.items() if other.startswith(f"{file}:"))
    known = [[tests[mutant]]] if mutant in tests else []
    known.append([test for test, _ in of_file.most_common(MOST_REMEMBERED)])
    known.append([test for test in NEAREST[file] if "::" in test])
    return [["-m", "", *tests] for tests in known if tests] + [[test] for test in NEAREST[file] if "::" not in test]


def far(file: str, mutant: str) -> list[list[str]]:
    return [["-m", "slow", *NEAREST[file]], CHECKS]


def failing_test(which: Callable, file: str, old: str, new: str) -> str | None:
    """The first test that fails on a copy of the project with this edit, of those that `which` chooses."""
    mutant = name_of(file, old, new)
    source = (ROOT / "jnmf" / file).read_text()
    if source.count(old) != 1:
        raise SystemExit(
            f"jnmf/{file}: expected {old!r} exactly once, found it {source.count(old)} times; renew the list"
        )
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("jnmf", "proofs", "tests", "experiments", "docs"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "_build"))
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, copy / name)
        (copy / "jnmf" / file).write_text(source.replace(old, new))
        command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "--hypothesis-profile=unshrunk"]
        # What a mutant does not change need not be compiled again.
        environment = os.environ | {
            "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".cache" / "programs"),
            "XLA_FLAGS": quick_programs.XLA_FLAGS,
        }
        for tests in which(file, mutant):
            done = subprocess.run(
                [*command, *tests], cwd=copy, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode == 1:
                failed = re.search(r"^(?:FAILED|ERROR) (.*?)(?: - |$)", done.stdout, re.MULTILINE)
                if failed is None:
                    raise SystemExit(f"{mutant}: no name of the test that failed in\n{done.stdout}")
                remember(mutant, failed[1])
                return failed[1]
            gone = done.returncode == 4 and tests[0] == "-m"  # a test that is remembered has another name now
            if done.returncode not in (0, 5) and not gone:  # the tests could not run, which says nothing; 5: none
                raise SystemExit(f"{mutant}: pytest ended with {done.returncode}\n{done.stdout}")
        return None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("text", nargs="?", default="", help="only the mutants in whose file or texts it occurs")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="each K-th of them (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at the same time (default: %(default)s)")
    parser.add_argument("--new", action="store_true", help="only those for which no test is known that fails")
    options = parser.parse_args()
    known = remembered() if options.new else {}
    chosen = [m for m in MUTANTS if any(options.text in part for part in m) and name_of(*m) not in known]
    chosen = chosen[:: options.every]

    left = tried("near", near, chosen, options.jobs)
    left = tried("all", far, left, options.jobs)
    print(f"{len(chosen) - len(left)} of {len(chosen)} mutants found")
    return bool(left)


def tried(name: str, which: Callable, mutants: list, jobs: int) -> list:
    """Those that no test found of those that `which` chooses."""

    def one(mutant):
        start = time.perf_counter()
        return failing_test(which, *mutant), time.perf_counter() - start

    left = []
    with ThreadPoolExecutor(jobs) as pool:
        results = zip(mutants, pool.map(one, mutants), strict=True)
        for number, (mutant, (test, seconds)) in enumerate(results, 1):
            if test is None:
                left.append(mutant)
            file, old, new = mutant
            verdict = f"{name} {number:3}/{len(mutants)} {'survives' if test is None else 'found':8} {seconds:4.0f} s"
            print(f"{verdict}  {file}: {old!r} -> {new!r}{f'  by {test}' if test else ''}", flush=True)
    return left


if __name__ == "__main__":
    sys.exit(main())
