"""jnmf: nonnegative matrix factorisation X ≈ W H as pure JAX functions."""

from jnmf import init, losses, solvers
from jnmf.algorithms import ALS, ANLS, HALS, MU, PGD
from jnmf.factors import Factors, normalize, probabilities, project_nonnegative
from jnmf.loops import Fit, Status, Trace, fit, run
from jnmf.nonnegative_least_squares import nnls
from jnmf.objective import kkt_residual, objective, relative_change
from jnmf.similarity import match, similarity
from jnmf.sparsity import hoyer_sparsity, project_sparsity
from jnmf.transform import transform

__all__ = [
    "ALS",
    "ANLS",
    "HALS",
    "MU",
    "PGD",
    "Factors",
    "Fit",
    "Status",
    "Trace",
    "fit",
    "hoyer_sparsity",
    "init",
    "kkt_residual",
    "losses",
    "match",
    "nnls",
    "normalize",
    "objective",
    "probabilities",
    "project_nonnegative",
    "project_sparsity",
    "relative_change",
    "run",
    "similarity",
    "solvers",
    "transform",
]
