"""The factors of X ≈ W H: the value every function passes on, and the gauge that leaves W H alone."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from jnmf.numerics import compute_dtype, divide
from jnmf.types import FactorsLike, Norm

NORMS: dict[Norm, Callable[[Array], Array]] = {
    "max": lambda W: jnp.max(jnp.abs(W), axis=0),
    "l1": lambda W: jnp.sum(jnp.abs(W), axis=0),
    "l2": lambda W: jnp.linalg.norm(W, axis=0),
}


class Factors(NamedTuple):
    """X (m, n) ≈ W (m, r) @ H (r, n), W ≥ 0, H ≥ 0."""

    W: Array
    H: Array

    @property
    def factors(self) -> "Factors":
        """Itself, as any state of an algorithm has its factors."""
        return self


def as_factors(value: Any) -> Factors:
    """The factors that are meant: Factors, any pair (W, H), or those of a `Fit`."""
    value = getattr(value, "factors", value)
    if not isinstance(value, tuple | list) or len(value) != 2:
        got = f"{len(value)} arrays" if isinstance(value, tuple | list) else type(value).__name__
        raise ValueError(f"expected Factors(W, H) or a Fit, got {got}")
    return Factors(*value)


def normalize(factors: FactorsLike, norm: Norm = "max") -> Factors:
    """Scale each column of W to norm 1 and its row of H by the inverse, so that W H stays what it was.

    factors: Factors(W, H) or a `Fit`. With d_k = ‖W_:k‖ (maximum, sum or Euclidean length): W diag(d)⁻¹ and diag(d) H.
    A zero column keeps its scale. Shapes and dtypes are kept; half precision is computed in float32, and the columns in
    units of their largest entry, so that no sum or square leaves the range of the dtype. Where diag(d) H does, it is
    inf. Raises ValueError for an unknown `norm`.

    >>> W, H = jnmf.normalize(([[1.0, 0.0], [2.0, 4.0]], [[1.0, 1.0], [1.0, 2.0]]))
    >>> W.tolist(), H.tolist()
    ([[0.5, 0.0], [1.0, 1.0]], [[2.0, 2.0], [4.0, 8.0]])
    """
    if norm not in NORMS:
        raise ValueError(f"norm: expected one of {', '.join(map(repr, NORMS))}, got {norm!r}")
    (W, W_dtype), (H, H_dtype) = (_wide(A) for A in as_factors(factors))
    for scale in ("max", norm)[: 1 + (norm != "max")]:
        d = column_scale(W, scale)
        W, H = W / d[None, :], H * d[:, None]
    return Factors(W.astype(W_dtype), H.astype(H_dtype))


def _wide(A):
    """A in the dtype to compute in, and the dtype of the result: its own, or the default float for integers."""
    A = jnp.asarray(A)
    dtype = A.dtype if jnp.issubdtype(A.dtype, jnp.floating) else jnp.result_type(float)
    return A.astype(compute_dtype(dtype)), dtype


def column_scale(W, norm: Norm = "max"):
    """The norm of each column of W (m, r) -> (r,), and 1 for a zero column, which keeps its scale."""
    d = NORMS[norm](W)
    return jnp.where(d > 0, d, 1)


def unit_columns(A):
    """A (m, r), floating, with its columns at Euclidean length 1; a zero column stays zero."""
    # Divided by its largest entry first, no column has squares that overflow or vanish. The cosine does not depend on
    # this scale, and so neither does its derivative.
    A = divide(A, lax.stop_gradient(jnp.max(jnp.abs(A), axis=0, keepdims=True)))
    square = jnp.sum(A * A, axis=0, keepdims=True)
    return A * lax.rsqrt(jnp.where(square > 0, square, 1))


def relative_change(old: Factors, new: Factors) -> Array:
    """δ = ‖W⁺ − W‖/‖W‖ + ‖H⁺ − H‖/‖H‖ of the factors scaled so that the columns of W have maximum 1, with 0/0 = 0.

    A scalar, 0 for equal factors; of an H all of whose squares are 0 in the dtype, that of W alone. Without the scaling
    δ would also count moves along the gauge, which change nothing.

    >>> old = jnmf.init.random(0, X, 2)
    >>> float(jnmf.relative_change(old, old))
    0.0
    """
    d, new_d, norm = column_scale(old.W), column_scale(new.W), jnp.linalg.norm
    scaled = Factors(old.W / d[None, :], old.H * d[:, None])
    # The change is not taken as a difference of scaled factors: two rounded products of equal numbers can differ.
    change_W = (new.W - old.W - scaled.W * (new_d - d)[None, :]) / new_d[None, :]
    change_H = (new.H - old.H) * new_d[:, None] + old.H * (new_d - d)[:, None]
    return divide(norm(change_W), norm(scaled.W)) + divide(norm(change_H), norm(scaled.H))


class Probabilities(NamedTuple):
    """W (m, r) with columns that sum to 1, weights sigma (r,), H (r, n) with rows that sum to 1."""

    W: Array
    sigma: Array
    H: Array


def probabilities(factors: FactorsLike) -> Probabilities:
    """The form of probabilistic latent semantic analysis: W diag(sigma) H is the W H that was passed.

    Factors W (m, r), H (r, n) ≥ 0, or a `Fit` -> W (m, r), sigma (r,), H (r, n), in their dtype; the sums of half
    precision are taken in float32, and a sigma beyond the range of the dtype is inf.
    sigma_k = (Σ_i W_ik)(Σ_j H_kj), and the columns of W and the rows of H are divided by their sums, so that
    Σ sigma = Σ WH. If that is 1, they are P(i | k), P(k) and P(j | k) in the mixture
    P(i, j) = Σ_k P(k) P(i | k) P(j | k). A zero column of W or row of H stays zero, with sigma_k = 0.
    Hofmann 1999; Gaussier and Goutte 2005.

    >>> W, sigma, H = jnmf.probabilities(([[1.0, 0.0], [1.0, 2.0]], [[1.0, 1.0], [1.0, 3.0]]))
    >>> W.tolist(), sigma.tolist(), H.tolist()
    ([[0.5, 0.0], [0.5, 1.0]], [4.0, 8.0], [[0.5, 0.5], [0.25, 0.75]])
    """
    (W, W_dtype), (H, H_dtype) = (_wide(A) for A in as_factors(factors))
    columns, rows = jnp.sum(W, axis=0), jnp.sum(H, axis=1)
    W, sigma, H = divide(W, columns[None, :]), columns * rows, divide(H, rows[:, None])
    return Probabilities(W.astype(W_dtype), sigma.astype(jnp.promote_types(W_dtype, H_dtype)), H.astype(H_dtype))
