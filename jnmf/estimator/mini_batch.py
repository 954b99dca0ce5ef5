"""`MiniBatchNMF`: `jnmf.minibatch` with the habits of scikit-learn."""

import math
from collections.abc import Callable
from typing import Any, Literal, Self

import jax
import numpy as np

from jnmf import checks, minibatch
from jnmf.accelerated import Accelerated
from jnmf.algorithms import HALS, MU
from jnmf.diagnostics import objective
from jnmf.estimator.base import BaseNMF, exponent, key_of, warn_of_convergence
from jnmf.factors import Factors
from jnmf.minibatch import Batches
from jnmf.transform import transform
from jnmf.types import Integer, MatrixLike


class MiniBatchNMF(BaseNMF):
    """NMF from batches of rows, with the names and habits of `sklearn.decomposition.MiniBatchNMF`: `jnmf.minibatch`.

    What is kept of the rows is H and two sums, and W of a batch is solved for the H of its time (`minibatch.step`).
    Objective, n_components, init, beta_loss, random_state, alpha_W, alpha_H, l1_ratio, input and dtypes are those of
    `NMF`, with n_samples the number of rows that count: those of earlier batches are forgotten as their sums are. For
    β ≠ 2 there is no squared penalty of H: l1_ratio=1 or alpha_H=0.

    batch_size: the rows of a batch in `fit`, at most; a batch of `partial_fit` is what it is given.
    forget_factor: what the rows of one pass over X count when the next one ends, from 0 to 1: after each batch of b of
        the m rows given to `fit` or `partial_fit` the sums weigh forget_factor^(b/m).
    max_iter: passes over X, at most.
    tol: `fit` ends when each batch of a whole pass changes H by at most `tol` relatively, ‖H⁺ − H‖ ≤ tol ‖H⁺‖. 0 never
        ends it.
    max_no_improvement: it ends, too, when the mean cost of a row, averaged over about one pass, has no new minimum for
        so many batches. To know it costs one more solution for W per batch; None saves that.
    fresh_restarts, fresh_restarts_max_iter, transform_max_iter: accepted, but without effect, since W is always solved
        afresh.
    verbose: print the cost of each batch.

    Once fitted: `components_`, `n_components_`, `n_iter_` (passes), `n_steps_` (batches), `reconstruction_err_` (not
    after `partial_fit`), `n_features_in_`, `feature_names_in_`, `algorithm_`, and `fit_`, the `jnmf.minibatch.Batches`
    in NumPy, from which `partial_fit` goes on.

    >>> from jnmf.estimator import MiniBatchNMF
    >>> model = MiniBatchNMF(2, random_state=0)
    >>> model.partial_fit(X[::2]).partial_fit(X[1::2]).components_.shape
    (2, 4)
    """

    def __init__(
        self,
        n_components: Integer | Literal["auto"] | None = "auto",
        *,
        init: str | Callable[..., Any] | None = None,
        batch_size: int = 1024,
        beta_loss: float | Literal["frobenius", "kullback-leibler", "itakura-saito"] = "frobenius",
        tol: float = 1e-4,
        max_no_improvement: int | None = 10,
        max_iter: int = 200,
        alpha_W: float = 0.0,
        alpha_H: float | Literal["same"] = "same",
        l1_ratio: float = 0.0,
        forget_factor: float = 0.7,
        fresh_restarts: bool = False,
        fresh_restarts_max_iter: int = 30,
        transform_max_iter: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.n_components = n_components
        self.init = init
        self.batch_size = batch_size
        self.beta_loss = beta_loss
        self.tol = tol
        self.max_no_improvement = max_no_improvement
        self.max_iter = max_iter
        self.alpha_W = alpha_W
        self.alpha_H = alpha_H
        self.l1_ratio = l1_ratio
        self.forget_factor = forget_factor
        self.fresh_restarts = fresh_restarts
        self.fresh_restarts_max_iter = fresh_restarts_max_iter
        self.transform_max_iter = transform_max_iter
        self.random_state = random_state
        self.verbose = verbose

    def fit_transform(
        self, X: MatrixLike, y: Any = None, W: np.ndarray | None = None, H: np.ndarray | None = None
    ) -> Any:
        """H from passes over the rows of X (m, n) in batches; returns `transform(X)`, W (m, r), in the dtype of X.

        y: ignored. W (m, r), H (r, n): with init="custom", of which H is the start.
        """
        entries = self._validated(X, reset=True)
        self._check_options()
        m = entries.shape[0]
        size = min(self.batch_size, m)
        batches = [slice(i, min(i + size, m)) for i in range(0, m, size)]
        watch, still = _Improvement(self.max_no_improvement, 100 * float(np.finfo(entries.dtype).eps)), 0
        self._begin(entries, W, H, num_iters=0)
        for k in range(self.max_iter * len(batches)):
            rows, before = entries[batches[k % len(batches)]], self.components_
            self._step(rows, self.forget_factor ** (size / m))
            moved = np.linalg.norm(self.components_ - before)
            still = still + 1 if moved <= self.tol * np.linalg.norm(self.components_) else 0
            ended = self.tol > 0 and still >= len(batches)
            if self.verbose or self.max_no_improvement is not None:
                cost = self._cost(rows)
                ended |= watch.ends(cost, rows.shape[0] / (m + 1))
                if self.verbose:
                    print(f"batch {k + 1} of {self.max_iter * len(batches)}: mean cost of a row {cost:.6g}")
            if ended and k > 0:
                break
        else:
            if self.tol > 0:
                warn_of_convergence(self.max_iter)
        self.n_iter_ = -(-self.n_steps_ // len(batches))
        found = self._loadings(entries)
        self.reconstruction_err_ = float(np.sqrt(2 * self._divergence(entries, found, None)))
        return found

    def partial_fit(
        self, X: MatrixLike, y: Any = None, W: np.ndarray | None = None, H: np.ndarray | None = None
    ) -> Self:
        """Go on with the rows X (b, n) as one batch; the first ones start it. Returns the estimator.

        y: ignored. W, H: for the first batch with init="custom", as in `fit_transform`. Each set of columns, and the
        dtype, is that of the first batch.
        """
        is_first = not hasattr(self, "components_")
        rows = self._validated(X, reset=is_first)
        self._check_options()
        if is_first:
            self._begin(rows, W, H, num_iters=20)
        self._step(rows, self.forget_factor ** (min(self.batch_size, rows.shape[0]) / rows.shape[0]))
        return self

    def _begin(self, X, W, H, num_iters: int) -> None:
        """A state before the first batch, with H as it is given, or from some iterations on X."""
        rank, start = self._start(X, W, H)
        key = key_of(self.random_state)
        with jax.enable_x64(True):
            algorithm = self._algorithm(*X.shape)
            if isinstance(start, Factors):  # of which W has no part in what follows
                start, num_iters = start._replace(W=np.ones_like(start.W)), 0
            state = minibatch.begin(X, rank, algorithm, init=start, key=key, num_iters=num_iters)
        self._keep(algorithm, *state)
        self.n_steps_ = 0

    def _step(self, rows, kept: float) -> None:
        """One batch more; what there was before counts `kept` times as much."""
        b, n = rows.shape
        before = float(self.fit_.num_rows)
        # `minibatch.step` keeps (N/(N + b))^forget of the sums of N rows.
        forget = math.log(max(kept, 1e-300)) / math.log(before / (before + b)) if before and kept < 1 else 0.0
        with jax.enable_x64(True):
            algorithm = self._algorithm(kept * before + b, n)
            state = minibatch.step(self.fit_, rows, algorithm, forget=forget)
        self._keep(algorithm, state.H, state.sums, kept * before + b)
        self.n_steps_ += 1

    def _keep(self, algorithm, *state: Any) -> None:
        """H, the sums and the number of rows in NumPy: outside of `jax.enable_x64` JAX would round them."""
        self.fit_, self.algorithm_ = Batches(*jax.tree.map(np.array, state)), algorithm
        self.components_, self.n_components_ = self.fit_.H, len(self.fit_.H)

    def _cost(self, rows) -> float:
        """The objective of a row, on the mean of a batch."""
        with jax.enable_x64(True):
            W, algorithm = transform(rows, self.components_, self.algorithm_), self._algorithm(*rows.shape)
            return float(objective(rows, Factors(W, self.components_), algorithm)) / rows.shape[0]

    def _check_options(self) -> None:
        for name in ("batch_size", "max_iter"):
            checks.count(getattr(self, name), name, 1)
        for name in ("tol", "forget_factor"):
            checks.number(getattr(self, name), name)
        if self.forget_factor > 1:
            raise ValueError(f"forget_factor: expected a number from 0 to 1, got {self.forget_factor!r}")
        if self.max_no_improvement is not None:
            checks.count(self.max_no_improvement, "max_no_improvement (or None)", 1)

    def _algorithm(self, num_rows, num_columns: int):
        """The algorithm of jnmf, with the penalty of H for so many rows."""
        penalties, beta = self._penalties(num_rows, num_columns), exponent(self.beta_loss)
        return Accelerated(HALS(**penalties)) if beta == 2 else MU(beta=beta, **penalties)


class _Improvement:
    """Whether an average that forgets has found no new minimum for some time."""

    def __init__(self, patience: int | None, rounding: float):
        self.patience, self.rounding = patience, rounding
        self.average, self.least, self.waited = None, math.inf, 0

    def ends(self, cost: float, weight: float) -> bool:
        weight = 1 if self.average is None else min(weight, 1)
        self.average = weight * cost + (1 - weight) * (self.average or 0)
        self.waited = 0 if self.average < self.least * (1 - self.rounding) else self.waited + 1
        self.least = min(self.least, self.average)
        return self.patience is not None and self.waited >= self.patience
