"""Two measurements of the same samples: one W for counts and intensities, and an H of its own for each."""

import jax
import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse

import jnmf

jax.config.update("jax_enable_x64", True)
rng = np.random.default_rng(0)
W = rng.gamma(0.5, 1, (80, 3))
counts = scipy.sparse.csr_array(rng.poisson(W @ rng.gamma(0.3, 1, (3, 60))))  # it stays sparse
intensities = 100 * (W @ rng.random((3, 30)) + rng.random((80, 30)))

X = jnmf.stacked([counts, intensities], weights=[1 / counts.sum(), 1 / intensities.sum()])
together = jnmf.fit(X, 3, jnmf.MU(beta=1.0), max_iters=100)
of_counts, of_intensities = jnmf.unstacked(together.H, X)
print(f"W {together.W.shape}, H of the counts {of_counts.shape}, of the intensities {of_intensities.shape}")

scores = {"both": jnmf.similarity(W, together.W)}
for name, alone in (("counts", counts), ("intensities", intensities)):
    found = jnmf.fit(alone, 3, jnmf.MU(beta=1.0), max_iters=100)
    scores[f"{name} alone"] = jnmf.similarity(W, found.W)
for name, score in scores.items():
    print(f"similarity of W to the true one, from {name}: {score:.3f}")
plt.barh(list(scores), list(scores.values()))
plt.xlim(0, 1)
plt.xlabel("similarity of W to the true one")
