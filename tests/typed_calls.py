"""Calls as users write them, for pyright alone: none of it is run.

A line that has to be refused says so: where it is not, the comment is an error.
"""

# pyright: reportArgumentType=true, reportCallIssue=true, reportUnnecessaryTypeIgnoreComment=true

from typing import assert_type

import numpy as np
import pandas as pd
from jax import Array
from scipy.sparse import csr_array

import jnmf
from jnmf import HALS, MU, PGD, Accelerated, Extrapolated, Factors, Momentum, losses, terms, warm_start
from jnmf.estimator import NMF


def taken(X: np.ndarray, frame: pd.DataFrame, sparse: csr_array, array: Array):
    fit = jnmf.fit(X, 2)
    assert_type(fit, jnmf.Fit)
    assert_type(fit.W, Array)
    assert_type(fit.factors, Factors)
    assert_type(fit.trace.loss, Array)
    for one in (frame, sparse, array, jnmf.sparse(X), jnmf.streamed(X), jnmf.stacked([X, X]), X.tolist()):
        jnmf.fit(one, np.int64(2), mask=X > 0, key=3)
    jnmf.fit([[1.0, 2.0], [3, 4]], 1, Extrapolated(Accelerated(HALS(inner=3, on_H=terms.Ridge(0.1)))))
    jnmf.fit(X, init=(X, X))
    jnmf.fit(X, init=fit, algorithm=MU(beta=1.0), tol=np.float32(1e-3))
    jnmf.fit(X, 2, init=warm_start.sampled(size=10))
    jnmf.fit(X, 2, init=lambda key, X, rank: Factors(array, array))
    study = jnmf.sweep(X, range(1, 4), num_restarts=2, checkpoint="folder")
    assert_type(study.best(2), Factors)
    jnmf.consensus(study)
    jnmf.consensus_components(X, study, 2, HALS())
    assert_type(jnmf.cross_validate(X, [1, 2], num_restarts=2, score="rmse").rank, int)
    assert_type(jnmf.transform(X, fit), Array)
    assert_type(jnmf.transform(X, fit.H, PGD(step_size=0.1)), Array)
    assert_type(jnmf.nnls(X, [[1.0], [2.0]]), Array)
    assert_type(jnmf.losses.kl(X, X, X), Array)
    assert_type(jnmf.top_features(fit)[0][0][1], float)
    assert_type(NMF(3, solver=HALS(), beta_loss=2).fit(X), NMF)


def refused(X: np.ndarray):
    HALS(iner=3)  # pyright: ignore[reportCallIssue]
    HALS(3)  # pyright: ignore[reportCallIssue]
    HALS(inner="3")  # pyright: ignore[reportArgumentType]
    terms.Ridge()  # pyright: ignore[reportCallIssue]
    terms.Ridge("0.1")  # pyright: ignore[reportArgumentType]
    HALS(l1_H="0.1")  # pyright: ignore[reportArgumentType]
    HALS(on_H=0.1)  # pyright: ignore[reportArgumentType]
    PGD(step_size="armijo")  # pyright: ignore[reportArgumentType]
    Momentum(HALS())  # pyright: ignore[reportArgumentType]
    losses.NegativeBinomial(alpha=None)  # pyright: ignore[reportArgumentType]
    jnmf.fit("counts.csv", 2)  # pyright: ignore[reportArgumentType]
    jnmf.fit(X, 2.5)  # pyright: ignore[reportArgumentType]
    jnmf.fit(X, 2, "HALS")  # pyright: ignore[reportArgumentType]
    jnmf.fit(X, 2, HALS)  # pyright: ignore[reportArgumentType]
    jnmf.fit(X, 2, init="svd")  # pyright: ignore[reportArgumentType]
    jnmf.fit(X, 2, stop="never")  # pyright: ignore[reportArgumentType]
    jnmf.sweep(X, 3, num_restarts=1)  # pyright: ignore[reportArgumentType]
    jnmf.sweep(X, [3])  # pyright: ignore[reportCallIssue]
    jnmf.normalize(X)  # pyright: ignore[reportArgumentType]
    NMF(n_component=3)  # pyright: ignore[reportCallIssue]
