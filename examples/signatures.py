"""Mutational signatures: new samples are refitted to a catalogue, and a signature that it lacks is found.

X counts mutations of 96 kinds in each sample; a signature is a distribution over kinds (Alexandrov and others 2013).
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
    cosines = unknown @ W / np.linalg.norm(W, axis=0) / np.linalg.norm(unknown)
    print(f"{name}: the nearest to the missing signature has cosine {cosines.max():.3f}")
nearest = W[:, np.argmax(cosines)]
jnmf.plot.signatures(np.column_stack([unknown, nearest]), titles=["the missing signature", "as found"])
