"""Starts that are cheap fits: an `init` for `fit` and `sweep`, which then make the iterations that count.

    fit(X, 64, init=warm_start.sampled())                      most iterations on a sample of the columns (or rows) of X
    fit(X, 64, init=warm_start.sketched())                     on a compressed X
    fit(X, 64, init=warm_start.rounded())                      in float32
    fit(X, 64, MU(beta=1.0), init=warm_start.frobenius())      on least squares, for another divergence

The cheap iterations only choose the start, so the final error and the stopping rule are those of the full method. They
compose: `rounded(init=sampled())` samples in float32, `frobenius(init=sampled())` uses both before another loss.
X is an array or a kind of matrix in a dtype to compute in, as `fit` and `sweep` hand it on.
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from jnmf import checks, loops, solvers
from jnmf.accelerated import Accelerated
from jnmf.algorithm import Algorithm, Combinator
from jnmf.algorithms import HALS
from jnmf.factors import Factors
from jnmf.init import NAMED, as_key, is_traceable, random
from jnmf.matrix import cast, mean_size, product, take
from jnmf.matrix.low_rank import compress
from jnmf.matrix.scaled import in_unit
from jnmf.numerics import in_dtype
from jnmf.pytree import Pytree, static
from jnmf.types import DType, FactorsLike, Integer, Key, Matrix


class Start(Pytree):
    """An init (key, X, rank) -> Factors: `make` of these three, an algorithm, an init of its own, and options.

    It is a pytree, so that two with the same structure are one program in a `sweep`, and it pickles.
    """

    make: Any = static(None)
    options: Any = static(())
    in_units: Any = static(True)  # `fit` gives it X in its unit (`jnmf.units`), and it returns factors of that
    algorithm: Any = None
    init: Any = None
    numbers: Any = None  # options that are numbers or arrays, by name

    @property
    def is_traceable(self) -> bool:
        return self.init is None or is_traceable(getattr(self.init, "func", self.init))

    def __call__(self, key: Key, X: Matrix, rank: int) -> Factors:
        return self.make(key, X, rank, self.algorithm, self.init, **dict(self.options), **(self.numbers or {}))


def _tree(init):
    """An init as a pytree: Factors or a `Start` as it is, another function without leaves."""
    return Partial(init) if callable(init) and not isinstance(init, Start) else init


def sampled(
    algorithm: Algorithm | Combinator | None = None,
    *,
    size: Integer | None = None,
    num_iters: Integer = 50,
    init: FactorsLike | Callable[..., FactorsLike] = random,
) -> Start:
    """An init (key, X, rank) -> Factors: `num_iters` iterations on a random sample of X.

    Of X (m, n), n ≥ m, a sample S of `size` different columns is factorised, X_S ≈ W H_S: once there are many for each
    component, more of them tell little about W. Then H = [(WᵀW)⁺ WᵀX]₊, and some sweeps of HALS over it. With m > n the
    sample is of rows, and W follows from H. Default size: 16 for each component; never more than there are.
    Any Frobenius method or combinator on one, by default that of `fit`; not MU. They start from init(key, X_S, rank).
    A sample is a cheap coarse level, as in the multilevel methods of Gillis and Glineur 2012b, who average
    neighbouring pixels.

    >>> jnmf.fit(X, 2, init=jnmf.warm_start.sampled(num_iters=10)).status.name
    'CONVERGED'
    """
    algorithm = _least_squares_method(algorithm, "sampled")
    if size is not None:
        checks.count(size, "size", 1)
    checks.count(num_iters, "num_iters", 0)

    options = (("size", size), ("num_iters", num_iters))
    return Start(make=_sampled, options=options, algorithm=algorithm, init=_tree(init))


def _sampled(key, X, rank: int, algorithm, init, size: int | None, num_iters: int) -> Factors:
    for_start, for_sample = jax.random.split(as_key(key))
    rows = X.shape[0] > X.shape[1]
    S = _sample(for_sample, max(X.shape), min(size or 16 * rank, max(X.shape)))
    sample = take(X, S, 0 if rows else 1)
    W, H = _iterations(sample, _started(init, for_start, sample, rank), algorithm, num_iters)
    return Factors(_rest_of_W(X, H), H) if rows else Factors(W, _rest_of_H(X, W))


def _sample(key, length: int, size: int):
    """`size` different numbers below `length`, in order."""
    return jnp.sort(jax.random.choice(key, length, (size,), replace=False))


@jax.jit
def _rest_of_H(X, W):
    """H ≥ 0 of X ≈ W H, near its minimiser: as many sweeps as the product with X makes cheap."""
    G, C = W.T @ W, product(X, W, None)
    half_step, _ = Accelerated(HALS()).half_steps(X)
    return half_step(solvers.least_squares(None, G, C), G, C, l1=0.0, l2=0.0)


@jax.jit  # outside of one program X.T would be a copy
def _rest_of_W(X, H):
    return _rest_of_H(X.T, H.T).T


def sketched(
    algorithm: Algorithm | Combinator | None = None,
    *,
    num_iters: Integer = 50,
    oversampling: Integer = 20,
    power_iters: Integer = 1,
    init: FactorsLike | Callable[..., FactorsLike] = random,
) -> Start:
    """An init (key, X, rank) -> Factors: `num_iters` iterations on a randomised QB compression of X.

    X ≈ Q B with Q (m, l), B (l, n), l = rank + oversampling (`low_rank.compress`), so that the products of an iteration
    cost (m + n) l r instead of m n r: worth it where l is far below min(m, n). Any Frobenius method or combinator on
    one, by default that of `fit`; not MU, since Q B can have negative entries. They start from init(key, X, rank).
    Erichson, Mendible, Wihlborn and Kutz 2018, who stop there and keep the error of the compression.

    >>> W, H = jnmf.warm_start.sketched(num_iters=10)(0, X, 2)
    >>> W.shape, H.shape
    ((6, 2), (2, 4))
    """
    algorithm = _least_squares_method(algorithm, "sketched")
    checks.count(num_iters, "num_iters", 0)
    checks.count(oversampling, "oversampling", 0)
    checks.count(power_iters, "power_iters", 0)

    options = (("num_iters", num_iters), ("oversampling", oversampling), ("power_iters", power_iters))
    return Start(make=_sketched, options=options, algorithm=algorithm, init=_tree(init))


def _sketched(key, X, rank: int, algorithm, init, num_iters: int, oversampling: int, power_iters: int) -> Factors:
    for_start, for_sketch = jax.random.split(as_key(key))
    QB = compress(for_sketch, X, rank + oversampling, power_iters)
    return _iterations(QB, _started(init, for_start, X, rank), algorithm, num_iters)


def frobenius(
    algorithm: Algorithm | Combinator | None = None,
    *,
    num_iters: Integer = 20,
    init: FactorsLike | Callable[..., FactorsLike] = random,
) -> Start:
    """An init (key, X, rank) -> Factors: `num_iters` iterations of least squares, for a fit by another divergence.

    The half-problems of least squares are solved nearly exactly, where a multiplicative update makes a small step; and
    what explains X by one measure nearly does by another. Multiplicative updates never leave a zero, so the least
    entries of each component are raised to 1/100 of its mean.
    Any Frobenius method or combinator on one, by default that of `fit`; not MU. They start from init(key, X, rank).

    >>> W, H = jnmf.warm_start.frobenius(num_iters=10)(0, X, 2)
    >>> W.shape, bool((W > 0).all())
    ((6, 2), True)
    """
    algorithm = _least_squares_method(algorithm, "frobenius")
    checks.count(num_iters, "num_iters", 0)

    return Start(make=_frobenius, options=(("num_iters", num_iters),), algorithm=algorithm, init=_tree(init))


def _frobenius(key, X, rank: int, algorithm, init, num_iters: int) -> Factors:
    W, H = _iterations(X, _started(init, as_key(key), X, rank), algorithm, num_iters)
    raised = lambda A, axis: jnp.maximum(A, 0.01 * jnp.mean(A, axis=axis, keepdims=True))
    return Factors(raised(W, 0), raised(H, 1))


def rounded(
    algorithm: Algorithm | Combinator | None = None,
    *,
    dtype: DType = "float32",
    products: str | None = None,
    **options: Any,
) -> Start:
    """An init (key, X, rank) -> Factors: a fit to X rounded to `dtype`, for a finish in the dtype of X.

    algorithm and options (init, tol, stop, max_iters, …) are those of `fit`, for the rounded fit. It is in another unit
        of X, a power of two, where X is outside the range of `dtype`, 1e-38 to 1e38 for float32.
    products: the precision of matrix products on an accelerator, "bfloat16" say: a name that JAX knows as
        `jax_default_matmul_precision`. CPUs multiply float32 as float32 whatever it is.

    >>> W, H = jnmf.warm_start.rounded(max_iters=50)(0, X, 2)
    >>> W.shape, H.dtype == X.dtype
    ((6, 2), True)
    """

    numbers = {name: options.pop(name) for name in ("tol", "mask") if name in options}
    init = options.pop("init", "random")
    options |= {"dtype": jnp.dtype(dtype).name, "products": products, "name": init if isinstance(init, str) else None}
    init = None if isinstance(init, str) else _tree(init)
    return Start(
        make=_rounded, options=tuple(options.items()), in_units=False, algorithm=algorithm, init=init, numbers=numbers
    )


def _rounded(key, X, rank: int, algorithm, init, dtype: str, products: str | None, name: Any, **options):
    half, rounded_X = _in_range(X, dtype)
    with jax.default_matmul_precision(products) if products else nullcontext():
        fit = loops.fit(rounded_X, rank, algorithm, init=name or init, key=key, **options)
    return Factors(*(jnp.ldexp(A.astype(X.dtype), half) for A in fit.factors))


@partial(jax.jit, static_argnames="dtype")
def _in_range(X, dtype):
    """e and X in a dtype, divided by 2²ᵉ if that is needed for it to be in the range; else e is 0."""
    exponent = jnp.frexp(mean_size(X))[1]
    half = jnp.where(jnp.abs(exponent) > 0.9 * jnp.finfo(dtype).maxexp, exponent // 2, 0)
    return half, cast(in_unit(X, jnp.ldexp(jnp.ones((), X.dtype), -half)), dtype)


@jax.jit
def _iterations(X, factors: Factors, algorithm, num_iters) -> Factors:
    (algorithm,) = in_dtype(X.dtype, algorithm)
    return loops.last_factors(X, factors, algorithm, num_iters)


def _least_squares_method(algorithm, caller: str):
    """The algorithm, or the default of `fit`, if it neither needs X ≥ 0 nor keeps zeros."""
    algorithm = loops.DEFAULT if algorithm is None else algorithm
    checks.algorithm(algorithm)
    if algorithm.nonnegative_data:
        raise ValueError(f"{caller}(…): expected HALS, PGD, ANLS, ALS or a combinator on one, got {algorithm!r}")
    return algorithm


def _started(init, key, X, rank: int) -> Factors:
    """What `init` makes of an X that has been looked at. A function that knows of no unit is given an array in it."""
    if getattr(init, "func", None) is random:
        return NAMED["random"](key, X, rank)
    return init(key, X if getattr(init, "in_units", False) else cast(X, X.dtype), rank)
