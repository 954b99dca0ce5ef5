"""What the two estimators share: scikit-learn's parameters in jnmf's terms, and what is asked of a fitted one."""

import math
import numbers
import warnings
from typing import Any, Self

import jax
import numpy as np
import scipy.sparse
from jax.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, check_non_negative, validate_data

from jnmf import checks
from jnmf.algorithms import MU
from jnmf.diagnostics import objective
from jnmf.factors import Factors
from jnmf.transform import transform
from jnmf.types import MatrixLike

EXPONENTS = {"frobenius": 2.0, "kullback-leibler": 1.0, "itakura-saito": 0.0}
INITS = ("random", "nndsvd", "nndsvda", "nndsvdar", "custom")
DTYPES = [np.float64, np.float32]


def is_name(value, name: str) -> bool:
    """Whether a parameter is this string; it may be an array, too."""
    return isinstance(value, str) and value == name


def exponent(beta_loss) -> float:
    """β of the β-divergence, which has a name or is that number."""
    if isinstance(beta_loss, str):
        checks.choice(beta_loss, "beta_loss (or a number)", EXPONENTS)
        return EXPONENTS[beta_loss]
    if isinstance(beta_loss, bool) or not isinstance(beta_loss, numbers.Real) or not math.isfinite(beta_loss):
        raise ValueError(f"beta_loss: expected a finite number or one of {', '.join(EXPONENTS)}, got {beta_loss!r}")
    return float(beta_loss)


def key_of(random_state) -> int:
    """The key of `jnmf.fit`: an int is itself, a RandomState draws one, None is another one each time."""
    if isinstance(random_state, numbers.Integral) and not isinstance(random_state, bool):
        return checks.seed(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def warn_of_convergence(max_iter: int) -> None:
    message = f"Maximum number of iterations {max_iter} reached. Increase it to improve convergence."
    warnings.warn(message, ConvergenceWarning, stacklevel=3)


class BaseNMF(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """What a fitted estimator can do, and how its parameters are read. See `NMF`."""

    # A subclass has these and more as its parameters; once fitted, `components_` and `algorithm_`.
    n_components: Any
    init: Any
    beta_loss: Any
    alpha_W: Any
    alpha_H: Any
    l1_ratio: Any
    missing: Any = None
    positive_only: Any = True
    components_: Any
    algorithm_: Any

    def fit(self, X: MatrixLike, y: Any = None, **params: Any) -> Self:
        """`fit_transform`, with its parameters, of which the estimator itself is returned."""
        self.fit_transform(X, **params)
        return self

    def transform(self, X: MatrixLike) -> Any:
        """W (m, r) ≥ 0 that minimises the objective for the rows of X, with H = `components_`: `jnmf.transform`.

        X (m, n_features), dense or sparse, float64, float32 or integers. It is solved to the end, and for
        the rows of the fit it is what `fit_transform` gives. Raises NotFittedError before `fit`, ValueError for another
        number of features and for negative entries.
        """
        check_is_fitted(self, "components_")
        X = self._validated(X, reset=False)
        return self._loadings(X)

    def inverse_transform(self, X: MatrixLike) -> np.ndarray:
        """W H (m, n_features) of loadings W = X (m, n_components). Raises ValueError for another number of these."""
        check_is_fitted(self, "components_")
        W = check_array(X, accept_sparse="csr", dtype=DTYPES)  # pyright: ignore[reportArgumentType]
        if W.shape[1] != len(self.components_):
            raise ValueError(f"inverse_transform: expected {len(self.components_)} columns, got shape {W.shape}")
        return W @ self.components_

    def score(self, X: MatrixLike, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
        """−D(X, W H) / (number of entries), W = `transform(X)`: minus the mean loss of an entry, at most 0.

        ½ (x − z)² for the Frobenius loss; without the penalties. Entries that are missing do not count, those of a row
        as much as its weight. It is there for `GridSearchCV`, but W is fitted to the very entries that are scored, so
        that it favours many components; `jnmf.cross_validate` chooses their number by entries that are held out.
        """
        check_is_fitted(self, "components_")
        entries = self._validated(X, reset=False)
        mask = self._mask(entries, sample_weight)
        if mask is None or isinstance(mask, str):
            every = scipy.sparse.issparse(entries) and mask is None
            count = math.prod(entries.shape) if every else entries.size
        else:
            count = mask.sum(dtype=float)
        return -self._divergence(entries, self._loadings(entries), mask) / count

    @property
    def _n_features_out(self):
        return len(self.components_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = self.positive_only
        tags.input_tags.allow_nan = is_name(self.missing, "mask")
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _validated(self, X: Any, *, reset: bool) -> Any:
        """X in float64 or float32, an array or of compressed rows, that suits the parameters and the fit."""
        if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
            X = np.ma.filled(X.astype(np.result_type(X.dtype, np.float32)), np.nan)
        allowed = "allow-nan" if is_name(self.missing, "mask") else True
        options: Any = {"accept_sparse": "csr", "dtype": DTYPES, "ensure_all_finite": allowed}
        X = validate_data(self, X, reset=reset, **options)  # pyright: ignore[reportArgumentType]
        if self.positive_only:
            holes = allowed is not True and not scipy.sparse.issparse(X)
            check_non_negative(np.nan_to_num(X) if holes else X, type(self).__name__)
        return X

    def _mask(self, X, sample_weight=None):
        """The `mask` of jnmf: which entries are there, times the weight of their row; None where all count once."""
        if self.missing is not None:
            checks.choice(self.missing, "missing (or None)", ("mask", "stored"))
        is_sparse = scipy.sparse.issparse(X)
        if is_name(self.missing, "stored"):
            if not is_sparse:
                raise ValueError(
                    'missing: expected a sparse X with "stored", got an array; where NaN is missing, "mask"'
                )
            if sample_weight is None:
                return "stored"
        there = ~np.isnan(X) if is_name(self.missing, "mask") and not is_sparse else None
        there = None if there is None or there.all() else there
        if sample_weight is None:
            return there
        weight = np.asarray(sample_weight, X.dtype)
        if weight.shape != X.shape[:1]:
            raise ValueError(f"sample_weight: expected shape {X.shape[:1]}, a weight for each row, got {weight.shape}")
        if is_sparse:
            raise ValueError("sample_weight: expected a dense X beside it, got a sparse one; pass X.toarray()")
        weights = np.broadcast_to(weight[:, None], X.shape)
        return weights if there is None else weights * there

    def _penalties(self, num_rows, num_columns: int) -> dict[str, Any]:
        """l1_W, l1_H, l2_W and l2_H of alpha_W, alpha_H and l1_ratio."""
        of_H = self.alpha_W if is_name(self.alpha_H, "same") else self.alpha_H
        checks.number(self.alpha_W, "alpha_W")
        checks.number(of_H, 'alpha_H (or "same")')
        checks.number(self.l1_ratio, "l1_ratio")
        if self.l1_ratio > 1:
            raise ValueError(f"l1_ratio: expected a number from 0 to 1, got {self.l1_ratio!r}")
        of_W, of_H = num_columns * self.alpha_W, num_rows * of_H
        l1, l2 = self.l1_ratio, 1 - self.l1_ratio
        return {"l1_W": l1 * of_W, "l1_H": l1 * of_H, "l2_W": l2 * of_W, "l2_H": l2 * of_H}

    def _start(self, X, W: Any, H: Any) -> tuple[int, Any]:
        """The rank, and the `init` of `jnmf.fit`: a name, a function, or Factors."""
        m, n = X.shape
        rank = None if is_name(self.n_components, "auto") else n if self.n_components is None else self.n_components
        rank = None if rank is None else checks.rank(rank)
        if is_name(self.init, "custom"):
            W, H = (self._given(A, letter, X.dtype) for A, letter in ((W, "W"), (H, "H")))
            rank = H.shape[0] if rank is None else rank
            for A, letter, shape in ((W, "W", (m, rank)), (H, "H", (rank, n))):
                wrong = next((side for side in (0, 1) if A.shape[side] != shape[side]), None)
                if wrong is not None:
                    which = ("first", "second")[wrong]
                    raise ValueError(
                        f"Array with wrong {which} dimension passed as {letter}: expected {shape}, got {A.shape}"
                    )
            return rank, Factors(W, H)
        if W is not None or H is not None:
            warnings.warn(
                f"When init!='custom', provided W or H are ignored: init is {self.init!r}", RuntimeWarning, stacklevel=3
            )
        rank = n if rank is None else rank
        if self.init is None:
            return rank, "nndsvda" if rank <= min(m, n) else "random"
        if not callable(self.init):
            checks.choice(self.init, "init (or None, or a function)", INITS)
            if self.init != "random" and rank > min(m, n):
                raise ValueError(
                    f"init = {self.init!r} can only be used when n_components <= min(n_samples, n_features) = "
                    f'{min(m, n)}, got {rank}; use "random"'
                )
        return rank, self.init

    def _given(self, A, letter: str, dtype) -> Any:
        """W or H as they are given with init="custom"."""
        if A is None:
            raise ValueError(f'init="custom": expected {letter} beside it, got none; pass W= and H= to fit_transform')
        A, name = check_array(A), f"{type(self).__name__} (input {letter})"
        check_non_negative(A, name)
        if A.dtype != dtype:
            raise TypeError(f"H and W should have the same dtype as X, {dtype}: got {letter} of {A.dtype}")
        if not A.any():
            raise ValueError(f"Array passed to {name} is full of zeros: expected a positive entry, no update leaves it")
        return A

    def _loadings(self, X):
        with jax.enable_x64(True):
            return np.array(transform(X, self.components_, self.algorithm_, mask=self._mask(X)))

    def _divergence(self, X, W, mask) -> float:
        """D(X, W H), without penalties; in exact arithmetic it is not negative."""
        with jax.enable_x64(True):
            found = objective(X, Factors(W, self.components_), MU(loss=self.algorithm_.loss), mask=mask)
        return max(float(found), 0.0)
