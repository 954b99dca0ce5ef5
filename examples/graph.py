"""Samples on a map: a graph's Laplacian makes neighbours alike (Cai, He, Han and Huang 2011)."""

import jax
import numpy as np
import scipy.sparse

import jnmf
from jnmf import terms

jax.config.update("jax_enable_x64", True)
rng = np.random.default_rng(0)
side = 16
i, j = np.divmod(np.arange(side**2), side)
mixtures = np.stack([np.exp(-((i - a) ** 2 + (j - b) ** 2) / 40) for a, b in ((3, 3), (12, 5), (7, 12))])
X = np.maximum(rng.gamma(0.5, 1, (30, 3)) @ mixtures + 0.5 * rng.normal(size=(30, side**2)), 0)

path = scipy.sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(side, side))  # pyright: ignore[reportArgumentType]
neighbours = scipy.sparse.kronsum(path, path, format="csr")
L = jnmf.sparse(scipy.sparse.diags_array(neighbours.sum(axis=0)) - neighbours)
maps = []
for weight in (0.0, 1.0, 10.0, 100.0):
    # The ridge holds W down: otherwise H would shrink, W would grow, and the graph would weigh nothing.
    algorithm = jnmf.HALS(on_H=terms.Graph(L, weight), l2_W=1.0)
    found = jnmf.fit(X, 3, jnmf.Extrapolated(algorithm), max_iters=500, key=0)
    H = np.asarray(found.H)
    maps.append(H.T / H.max(axis=1))
    similarity = jnmf.similarity(H.T, mixtures.T)
    print(f"weight {weight:g}: similarity of the maps to the true ones {similarity:.3f}")
jnmf.plot.components(np.hstack(maps), (side, side), num_columns=3)  # a row of maps for each weight
