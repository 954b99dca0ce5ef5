"""Data of any sign: semi-NMF, a relaxation of k-means, beside k-means (Ding, Li and Jordan 2010)."""

import jax
import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

import jnmf
from jnmf import terms

jax.config.update("jax_enable_x64", True)
rng = np.random.default_rng(0)
labels = np.repeat(np.arange(4), 40)
points = 2.5 * rng.normal(size=(4, 6))[labels] + rng.normal(size=(160, 6))  # of both signs, about 0
# Samples differ in strength, which clustering by distance does not allow for.
points = points * rng.gamma(4, 0.25, 160)[:, None]

means = KMeans(4, n_init=10, random_state=0).fit(points)  # pyright: ignore[reportArgumentType]
start = means.cluster_centers_.T, np.eye(4)[means.labels_].T + 0.2
semi = jnmf.fit(points.T, 4, jnmf.HALS(on_W=terms.Free()), init=start, max_iters=500)

of_semi = np.argmax(jnmf.normalize(semi, "l2").H, axis=0)
for name, loss, found in (("k-means", means.inertia_ / 2, means.labels_), ("semi-NMF", semi.loss, of_semi)):  # pyright: ignore[reportOptionalOperand]
    print(f"{name}: half squared error {loss:.3f}, agreement with the groups {adjusted_rand_score(labels, found):.3f}")
for ax, found in zip(plt.figure(figsize=(8, 4)).subplots(1, 2, sharey=True), (means.labels_, of_semi), strict=True):
    ax.scatter(points[:, 0], points[:, 1], c=found, s=8, cmap="tab10")
    ax.set_title("k-means" if found is means.labels_ else "semi-NMF")
