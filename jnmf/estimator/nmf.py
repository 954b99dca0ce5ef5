"""`NMF`: `jnmf.fit` with the habits of scikit-learn."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, Self

import jax
import numpy as np
from jax.typing import ArrayLike
from sklearn.utils import check_array
from sklearn.utils.validation import check_non_negative

from jnmf import checks
from jnmf import init as inits
from jnmf.accelerated import Accelerated
from jnmf.algorithm import Algorithm, Combinator
from jnmf.algorithms import HALS, MU
from jnmf.estimator.base import BaseNMF, exponent, is_name, key_of, warn_of_convergence
from jnmf.extrapolated import Extrapolated
from jnmf.loops import fit
from jnmf.momentum import Momentum
from jnmf.results import Fit, Status
from jnmf.terms import Known
from jnmf.terms.together import listed
from jnmf.types import Integer, MatrixLike

SOLVERS = ("auto", "cd", "mu")


class NMF(BaseNMF):
    """Nonnegative matrix factorisation X ≈ W H, with the names and habits of `sklearn.decomposition.NMF`.

    X is (n_samples, n_features), W (n_samples, n_components), H = `components_` (n_components, n_features). The
    objective is scikit-learn's, and so are the parameters, so that only the import of a script changes:

        D(X, WH) + alpha_W n_features [l1_ratio ΣW + ½ (1 − l1_ratio) ‖W‖²]
                 + alpha_H n_samples  [l1_ratio ΣH + ½ (1 − l1_ratio) ‖H‖²].

    In the terms of `jnmf.fit`, where nothing is scaled:

    | here | there |
    |---|---|
    | n_features · alpha_W · l1_ratio | l1_W |
    | n_features · alpha_W · (1 − l1_ratio) | l2_W |
    | n_samples · alpha_H · l1_ratio | l1_H |
    | n_samples · alpha_H · (1 − l1_ratio) | l2_H |
    | beta_loss | MU(beta=…), or another algorithm for 2 |
    | n_components, max_iter | rank, max_iters |
    | random_state, an int | key |
    | n_init = s | the best of `key=k` for k in jax.random.split(jax.random.key(key), s) |

    n_components: r, "auto" or None. "auto" is that of W and H with init="custom", else, as None, n_features.
    init: "random", "nndsvd", "nndsvda", "nndsvdar" (`jnmf.init`), "custom" (W and H are given to `fit_transform`), a
        function (key, X, rank) -> Factors, as those of `jnmf.warm_start`, or None: "nndsvda", and "random" where that
        needs more rows or columns or there are restarts.
    solver: "cd" is coordinate descent, jnmf.HALS(); "mu" multiplicative updates, jnmf.MU(beta=beta_loss). "auto", the
        default, minimises the same in less time: for the Frobenius loss Extrapolated(Accelerated(HALS())), for β from 1
        to 2 Momentum(MU(beta=β)), for other β MU(beta=β). Or any algorithm of jnmf, as Extrapolated(ANLS()); then
        beta_loss is left out, and penalties are given there or by alpha_W and alpha_H.
    beta_loss: "frobenius", "kullback-leibler", "itakura-saito", or β of the β-divergence.
    stop, tol: the rule of `jnmf.fit`. "delta": the iterations end when the last one changed the factors by at most
        `tol`, and the last tenth of them by at most 10 `tol` together, relatively. (scikit-learn compares the violation
        of the optimality conditions of "cd" with that at the start: stop="kkt" is near to it; and for "mu" the fall of
        the objective: stop="loss".) tol=0 never stops.
    max_iter: the maximum number of iterations. Where it ends a fit with tol > 0, a ConvergenceWarning says so.
    random_state: an int, a RandomState, or None. It matters only where chance does: "random", "nndsvdar", functions.
    alpha_W, alpha_H, l1_ratio: as above; alpha_H="same" is alpha_W.
    verbose: show iterations, loss and change, as they go.
    shuffle: False. jnmf takes the coordinates in order.
    n_init: how many starts to try, by "random", "nndsvdar" or a function; the fit of lowest objective is kept.
    missing: what NaN is: None, an error; "mask", a missing entry, which has no part in the loss; "stored", for a sparse
        X, says that what is not stored is missing, where it is else 0. What a `np.ma.MaskedArray` masks is as NaN.
    known_components: (k, n_features), k ≤ r, or None: the first k rows of `components_`, which are these and stay so.
        It is `jnmf.terms.Known`; other terms come with a solver, as HALS(on_H=terms.Smooth(0.1)).

    What "auto", "cd" and "mu" take is nonnegative, as in scikit-learn. Other solvers refuse what they cannot take: most
    of those for the Frobenius loss take negative entries.

    Once fitted: `components_` (r, n_features), `n_components_`, `n_iter_`, `n_features_in_`, `feature_names_in_`;
    `reconstruction_err_`, √(2 D(X, WH)) over the entries that count, which is ‖X − WH‖ for the Frobenius loss, with the
    W of the last iteration, `fit_.W`; and what only jnmf tells: `fit_`, the `jnmf.Fit` in NumPy (without its state:
    `jnmf.fit(X, init=it)` starts from its factors), its `trace_` and `status_`, and `algorithm_`, with its penalties.

    X may be float64, float32, or what is converted to float64; a DataFrame; sparse, in any format of SciPy. W and
    `components_` have its dtype, and `set_output(transform="pandas")` makes frames of W. Threads and processes of
    joblib may share an estimator. Raises TypeError or ValueError for parameters and data outside the above.

    >>> from jnmf.estimator import NMF
    >>> model = NMF(2, random_state=0)
    >>> model.fit_transform(X).shape, model.components_.shape
    ((6, 2), (2, 4))
    """

    __metadata_request__fit = {"sample_weight": None}  # noqa: RUF012 (scikit-learn reads it from the class)

    def __init__(
        self,
        n_components: Integer | Literal["auto"] | None = "auto",
        *,
        init: str | Callable[..., Any] | None = None,
        solver: Literal["auto", "cd", "mu"] | Algorithm | Combinator = "auto",
        beta_loss: float | Literal["frobenius", "kullback-leibler", "itakura-saito"] = "frobenius",
        tol: float = 1e-4,
        max_iter: int = 200,
        random_state: int | np.random.RandomState | None = None,
        alpha_W: float = 0.0,
        alpha_H: float | Literal["same"] = "same",
        l1_ratio: float = 0.0,
        verbose: int = 0,
        shuffle: bool = False,
        stop: Literal["delta", "loss", "kkt"] = "delta",
        n_init: int = 1,
        missing: Literal["mask", "stored"] | None = None,
        known_components: MatrixLike | None = None,
    ):
        self.n_components = n_components
        self.init = init
        self.solver = solver
        self.beta_loss = beta_loss
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.alpha_W = alpha_W
        self.alpha_H = alpha_H
        self.l1_ratio = l1_ratio
        self.verbose = verbose
        self.shuffle = shuffle
        self.stop = stop
        self.n_init = n_init
        self.missing = missing
        self.known_components = known_components

    @property
    def positive_only(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return isinstance(self.solver, str)

    def fit(self, X: MatrixLike, y: Any = None, **params: Any) -> Self:
        """Factorise X, with the parameters of `fit_transform`; returns the estimator."""
        self._fit(X, **params)
        return self

    def fit_transform(
        self,
        X: MatrixLike,
        y: Any = None,
        W: np.ndarray | None = None,
        H: np.ndarray | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Any:
        """Factorise X (m, n); returns what `fit(X).transform(X)` does, W (m, r), in the dtype of X.

        y: ignored. W (m, r), H (r, n): where init="custom" starts, in the dtype of X. sample_weight (m,): the loss of a
        row counts as often, as if the row was there so often (n_samples in the penalty of H is their sum, the penalty
        of W counts each row once). A row of weight 0 has no part in H. X is dense with weights.
        """
        return self._loadings(self._fit(X, W, H, sample_weight))

    def _fit(self, X, W=None, H=None, sample_weight=None) -> Any:
        """Factorise X, and return it as it was read."""
        X = self._validated(X, reset=True)
        mask = self._mask(X, sample_weight)
        algorithm = self._algorithm(X.shape[0] if sample_weight is None else float(np.sum(sample_weight)), X.shape[1])
        algorithm = self._knowing(algorithm, X.dtype)
        self._check_options()
        rank, start = self._start(X, W, H)
        options = {"init": start, "stop": self.stop, "tol": self.tol, "max_iters": self.max_iter, "mask": mask}
        with jax.enable_x64(True):
            found = (
                _on_host(fit(X, rank, algorithm, key=key, progress=bool(self.verbose), resumable=False, **options))
                for key in self._keys()
            )
            best = min(found, key=lambda one: (one.status == Status.NONFINITE, float(one.loss)))
        self.fit_, self.trace_, self.status_, self.algorithm_ = best, best.trace, best.status, algorithm
        self.components_, self.n_components_, self.n_iter_ = best.H, rank, best.num_iters
        loss = self._divergence(X, best.W, mask) if _has_penalties(algorithm) else max(float(best.loss), 0.0)
        self.reconstruction_err_ = float(np.sqrt(2 * loss))
        if best.status == Status.MAX_ITERS and self.tol > 0:
            warn_of_convergence(self.max_iter)
        return X

    def _start(self, X, W, H):
        rank, start = super()._start(X, W, H)
        return rank, "random" if self.init is None and self.n_init > 1 else start

    def _check_options(self) -> None:
        checks.count(self.max_iter, "max_iter", 1)
        checks.count(self.n_init, "n_init", 1)
        if self.shuffle not in (False, None):
            raise ValueError(f"shuffle: expected False, got {self.shuffle!r}; jnmf takes the coordinates in order")
        if self.n_init > 1 and isinstance(self.init, str) and self.init in ("nndsvd", "nndsvda", "custom"):
            raise ValueError(
                f"n_init: expected 1, got {self.n_init}, since {self.init!r} starts each of them at one point; "
                'use init="random" or "nndsvdar"'
            )

    def _keys(self) -> list:
        key = key_of(self.random_state)
        return [key] if self.n_init == 1 else list(jax.random.split(inits.as_key(key), self.n_init))

    def _knowing(self, algorithm, dtype):
        """The same algorithm, or what a combinator is made of, with the components that are known."""
        if self.known_components is None:
            return algorithm
        if isinstance(algorithm, Combinator):
            return dataclasses.replace(algorithm, algorithm=self._knowing(algorithm.algorithm, dtype))
        known = check_array(self.known_components, dtype=dtype, input_name="known_components")
        check_non_negative(known, f"{type(self).__name__} (known_components)")
        return dataclasses.replace(algorithm, on_H=(*listed(algorithm.on_H), Known(known)))

    def _algorithm(self, num_rows, num_columns: int):
        """The algorithm of jnmf that `solver`, `beta_loss` and the penalties say."""
        penalties, beta = self._penalties(num_rows, num_columns), exponent(self.beta_loss)
        if not isinstance(self.solver, str):
            checks.algorithm(self.solver)
            if not is_name(self.beta_loss, "frobenius") and beta != getattr(self.solver.loss, "beta", None):
                raise ValueError(
                    f"beta_loss: expected that of the solver, {self.solver!r}, got {self.beta_loss!r}; leave it out"
                )
            return with_penalties(self.solver, penalties) if any(penalties.values()) else self.solver
        checks.choice(self.solver, "solver (or an algorithm of jnmf)", SOLVERS)
        if self.solver == "cd" and beta != 2:
            raise ValueError(
                f"Invalid beta_loss parameter: solver 'cd' does not handle beta_loss = {self.beta_loss!r}; "
                'leave solver out, or write solver="mu"'
            )
        if self.solver == "cd":
            return HALS(**penalties)
        if self.solver == "auto" and beta == 2:
            return Extrapolated(Accelerated(HALS(**penalties)))
        updates = MU(beta=beta, **penalties)
        return Momentum(updates) if self.solver == "auto" and 1 <= beta < 2 else updates


def with_penalties(algorithm, penalties: dict[str, Any]):
    """The same algorithm, or what a combinator is made of, with these penalties."""
    if isinstance(algorithm, Combinator):
        return dataclasses.replace(algorithm, algorithm=with_penalties(algorithm.algorithm, penalties))
    if any(np.any(getattr(algorithm, name)) for name in penalties):
        raise ValueError(f"alpha_W, alpha_H: expected 0 beside the penalties of the solver, {algorithm!r}; give one")
    return dataclasses.replace(algorithm, **penalties)


def _has_penalties(algorithm) -> bool:
    weights = (getattr(algorithm, name) for name in ("l1_W", "l1_H", "l2_W", "l2_H"))
    return bool(algorithm.on_W or algorithm.on_H or any(map(np.any, weights)))


def _on_host(found: Fit) -> Any:
    """In NumPy: outside of `jax.enable_x64` JAX would round it."""
    return found._replace(W=np.array(found.W), H=np.array(found.H), loss=np.asarray(found.loss)[()])
