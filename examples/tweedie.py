"""Any β: the deviance of Tweedie's family, of variance mean^p, is a multiple of the β-divergence with β = 2 − p.

p = 0 is Gauss, 1 Poisson, 2 gamma. Between 1 and 2 it is the sum of a Poisson number of gamma variates, which is
sometimes zero, like rainfall.
"""

import jax
import matplotlib.pyplot as plt
import numpy as np

import jnmf

jax.config.update("jax_enable_x64", True)
rng = np.random.default_rng(0)
mean = rng.gamma(1, 1, (50, 3)) @ rng.gamma(1, 1, (3, 40))
number = rng.poisson(2 * np.sqrt(mean))  # p = 1.5: variance mean^1.5
rain = np.where(number > 0, rng.gamma(np.maximum(number, 1), np.sqrt(mean) / 2), 0)
print(f"{np.mean(rain == 0):.0%} of the entries are 0")

for beta in (0.5, 1.0, 2.0):
    fitted = jnmf.fit(rain, 3, jnmf.MU(beta=beta), max_iters=100)
    error = np.linalg.norm(np.log((fitted.W @ fitted.H + 0.1) / (mean + 0.1))) / np.sqrt(mean.size)
    print(f"β = {beta}: {fitted.num_iters} iterations, log error of the means {error:.3f}")
    plt.loglog(mean.ravel(), (fitted.W @ fitted.H).ravel(), ".", markersize=2, label=f"β = {beta}")
plt.plot([0.01, 50], [0.01, 50], color="black", linewidth=0.8)
plt.ylim(1e-2)
plt.xlabel("true mean")
plt.ylabel("the fit's estimate of it")
plt.legend()
