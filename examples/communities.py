"""Communities of a network: symmetric NMF X ≈ HᵀH of its adjacency, as NMF of X + αI (Kuang, Yun and Park 2015)."""

import jax
import numpy as np
from sklearn.metrics import adjusted_rand_score

import jnmf

jax.config.update("jax_enable_x64", True)
rng = np.random.default_rng(0)
community = np.arange(90) % 3
share = np.where(community[:, None] == community[None, :], 0.3, 0.05)
edges = np.triu(rng.random((90, 90)) < share, 1)
X = (edges + edges.T).astype(float)
X /= np.sqrt(np.outer(X.sum(axis=0), X.sum(axis=0)))  # as in a normalised cut

for alpha in (0.0, 0.1, 1.0):  # 0 is plain NMF of X, which leaves the scale of W and H open
    algorithm = jnmf.Extrapolated(jnmf.HALS(l2_W=alpha, l2_H=alpha))
    found = jnmf.fit(X + alpha * np.eye(90), 3, algorithm, max_iters=500, key=0)
    W, H = found.factors
    apart = np.linalg.norm(W - H.T) / np.linalg.norm(H)
    agreement = adjusted_rand_score(community, np.argmax(H, axis=0))
    print(f"α = {alpha:g}: W and Hᵀ are {apart:.3f} apart, agreement with the communities {agreement:.3f}")
jnmf.plot.heatmaps(X, found)
