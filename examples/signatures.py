"""Mutational signatures: new samples are refitted to the known ones, beside one that is not in the catalogue.

X counts mutations of 96 kinds in samples; a signature is a distribution over kinds, as in Alexandrov and others 2013.
"""

import jax
import numpy as np

import jnmf
from jnmf import terms

jax.config.update("jax_enable_x64", True)
rng = np.random.default_rng(0)
catalogue = rng.dirichlet(np.full(96, 0.2), 5).T  # (96, 5), columns that sum to one
unknown = rng.dirichlet(np.full(96, 0.2))
exposures = rng.gamma(0.7, 600, (6, 40)) * (rng.random((6, 40)) < 0.6)
counts = rng.poisson(np.column_stack([catalogue, unknown]) @ exposures)

beside_one = jnmf.MU(beta=1.0, on_W=terms.Known(catalogue))
for name, rank, algorithm in (
    ("the catalogue alone", 5, beside_one),
    ("one more, found", 6, beside_one),
    ("all six found", 6, jnmf.MU(beta=1.0)),
):
    fitted = jnmf.fit(counts, rank, algorithm, max_iters=400)
    W, H = map(np.asarray, jnmf.normalize(fitted, "l1"))
    if rank == 5 or algorithm is beside_one:
        error = np.abs(H[:5] - exposures[:5]).sum() / exposures[:5].sum()
        print(f"{name}: exposures are off by {error:.3f} of their sum")
    cosine = max(w @ unknown / np.linalg.norm(w) / np.linalg.norm(unknown) for w in W.T)
    print(f"{name}: the nearest to the signature that is not in the catalogue has the cosine {cosine:.3f}")
