"""Starts that are cheap fits: an `init` for `fit` and `sweep`, which then make the iterations that count.

    fit(X, 64, init=warm_start.sketched())        most iterations on a compressed X
    fit(X, 64, init=warm_start.rounded())         most iterations in float32

The cheap iterations only choose the start, so the final error and the stopping rule are those of the full method.
"""

from contextlib import nullcontext

import jax

from jnmf import checks, loops
from jnmf.factors import Factors
from jnmf.init import as_key, random
from jnmf.low_rank import compress


def sketched(algorithm=None, *, num_iters: int = 50, oversampling: int = 20, power_iters: int = 1, init=random):
    """An init (key, X, rank) -> Factors: `num_iters` iterations on a randomised QB compression of X.

    X ≈ Q B with Q (m, l), B (l, n), l = rank + oversampling (`low_rank.compress`), so that the products of an iteration
    cost (m + n) l r instead of m n r: worth it where l is far below min(m, n). Any Frobenius method or combinator on
    one, by default that of `fit`; not MU, since Q B can have negative entries. They start from init(key, X, rank).
    Erichson, Mendible, Wihlborn and Kutz 2018, who stop there and keep the error of the compression.
    """
    algorithm = loops.DEFAULT if algorithm is None else algorithm
    checks.algorithm(algorithm)
    if algorithm.nonnegative_data:
        raise ValueError(f"sketched(…): expected HALS, PGD, ANLS, ALS or a combinator on one, got {algorithm!r}")
    checks.count(num_iters, "num_iters", 0)
    checks.count(oversampling, "oversampling", 0)
    checks.count(power_iters, "power_iters", 0)

    def start(key, X, rank: int) -> Factors:
        for_start, for_sketch = jax.random.split(as_key(key))
        widest = X.astype(checks.compute_dtype(X.dtype))
        QB = compress(for_sketch, widest, rank + oversampling, power_iters)
        found = _iterations(QB, init(for_start, widest, rank), algorithm, num_iters)
        return Factors(*(A.astype(X.dtype) for A in found))

    return start


_iterations = jax.jit(loops.last_factors)


def rounded(algorithm=None, *, dtype="float32", products: str | None = None, **options):
    """An init (key, X, rank) -> Factors: a fit to X rounded to `dtype`, for a finish in the dtype of X.

    algorithm and options (init, tol, stop, max_iters, …) are those of `fit`, for the rounded fit. The squares of X
        have to be in the range of `dtype`, 1e-38 to 1e38 for float32.
    products: the precision of matrix products on an accelerator, "bfloat16" say: a name that JAX knows as
        `jax_default_matmul_precision`. CPUs multiply float32 as float32 whatever it is.
    """

    def start(key, X, rank: int) -> Factors:
        with jax.default_matmul_precision(products) if products else nullcontext():
            fit = loops.fit(X.astype(dtype), rank, algorithm, key=key, **options)
        return Factors(*(A.astype(X.dtype) for A in fit.factors))

    return start
