"""Counts that vary more than Poisson's: the negative binomial loss and Kullback-Leibler, by held-out entries."""

import jax
import matplotlib.pyplot as plt
import numpy as np

import jnmf
from jnmf.losses import NegativeBinomial

jax.config.update("jax_enable_x64", True)
rng = np.random.default_rng(0)
W, H, alpha = rng.gamma(1, 3, (60, 3)), rng.dirichlet(np.ones(40), 3) * 40, 0.5

mean = W @ H
counts = rng.poisson(mean * rng.gamma(alpha, 1 / alpha, mean.shape))  # with variance mean + mean² / alpha
seen = rng.random(counts.shape) < 0.9

for algorithm in (jnmf.MU(beta=1.0), jnmf.MU(loss=NegativeBinomial(alpha=alpha))):
    fitted = jnmf.fit(counts, 3, algorithm, mask=seen, max_iters=100)
    error = np.abs(np.log((fitted.W @ fitted.H + 1) / (mean + 1)))[~seen].mean()
    print(f"{algorithm.loss!r}: {fitted.num_iters} iterations, log error of the held-out means {error:.3f}")
    plt.loglog(mean[~seen], (fitted.W @ fitted.H)[~seen], ".", label=f"{algorithm.loss!r}")
ends = mean.min(), mean.max()
plt.plot(ends, ends, color="black", linewidth=0.8)
plt.xlabel("mean of a held-out entry")
plt.ylabel("the fit's estimate of it")
plt.legend()
