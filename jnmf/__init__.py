"""jnmf: nonnegative matrix factorisation X ≈ W H as pure JAX functions.

The examples on these pages begin with

>>> import numpy as np
>>> import jnmf
>>> X = np.kron([[1, 0], [0, 2]], np.ones((3, 2)))  # (6, 4): two blocks, one of ones and one of twos
"""

from jnmf import init, losses, minibatch, plot, solvers, terms, warm_start
from jnmf.accelerated import Accelerated
from jnmf.algorithm import Algorithm, Frobenius
from jnmf.algorithms import ALS, ANLS, HALS, MU, PGD
from jnmf.bootstrap import Bootstrap, bootstrap
from jnmf.consensus import Consensus, consensus
from jnmf.consensus_components import ConsensusComponents, consensus_components
from jnmf.cross_validation import CrossValidation, cross_validate
from jnmf.diagnostics import kkt_residual, objective
from jnmf.door import sparse
from jnmf.extrapolated import Extrapolated
from jnmf.factors import Factors, normalize, probabilities, relative_change
from jnmf.io import load, save
from jnmf.joint import JointMU
from jnmf.loops import fit, run
from jnmf.matrix.streamed import ReadError, streamed
from jnmf.momentum import Momentum
from jnmf.named import frames, to_anndata, top_features
from jnmf.nnls import nnls
from jnmf.numerics import project_nonnegative
from jnmf.ordering import clusters, order
from jnmf.pausing import Interrupted
from jnmf.results import Fit, Status, Trace
from jnmf.similarity import Pairing, SweepSimilarity, match, pairing, similarity, sweep_similarity
from jnmf.sparsity import hoyer_sparsity, project_sparsity
from jnmf.spectrum import shuffle_columns, svd_rmse
from jnmf.stacking import stacked, unstacked
from jnmf.sweep import Sweep, sweep
from jnmf.transform import transform

__version__ = "0.1.0"

__all__ = [
    "ALS",
    "ANLS",
    "HALS",
    "MU",
    "PGD",
    "Accelerated",
    "Algorithm",
    "Bootstrap",
    "Consensus",
    "ConsensusComponents",
    "CrossValidation",
    "Extrapolated",
    "Factors",
    "Fit",
    "Frobenius",
    "Interrupted",
    "JointMU",
    "Momentum",
    "Pairing",
    "ReadError",
    "Status",
    "Sweep",
    "SweepSimilarity",
    "Trace",
    "bootstrap",
    "clusters",
    "consensus",
    "consensus_components",
    "cross_validate",
    "fit",
    "frames",
    "hoyer_sparsity",
    "init",
    "kkt_residual",
    "load",
    "losses",
    "match",
    "minibatch",
    "nnls",
    "normalize",
    "objective",
    "order",
    "pairing",
    "plot",
    "probabilities",
    "project_nonnegative",
    "project_sparsity",
    "relative_change",
    "run",
    "save",
    "shuffle_columns",
    "similarity",
    "solvers",
    "sparse",
    "stacked",
    "streamed",
    "svd_rmse",
    "sweep",
    "sweep_similarity",
    "terms",
    "to_anndata",
    "top_features",
    "transform",
    "unstacked",
    "warm_start",
]
