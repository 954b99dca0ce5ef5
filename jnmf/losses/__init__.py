"""The losses D(X, WH): their value and their hand-derived gradients in W and in H.

`kl(X, W, H)` is the value, `kl.grad_W(X, W, H)` and `kl.grad_H(X, W, H)` the gradients; the same for `frobenius`,
`itakura_saito`, `BetaDivergence(beta=…)` and `NegativeBinomial(alpha=…)`. Shapes: X (m, n), W (m, r), H (r, n); the
value is a scalar, the gradients have the shapes of W and H; the dtype is that of the arguments. A `Masked` X counts
each entry with its weight. A loss of your own is a subclass of `Loss`, to be passed as `MU(loss=…)`.
"""

from jnmf.losses.beta_divergence import BetaDivergence, frobenius, itakura_saito, kl
from jnmf.losses.loss import Loss
from jnmf.losses.negative_binomial import NegativeBinomial

__all__ = ["BetaDivergence", "Loss", "NegativeBinomial", "frobenius", "itakura_saito", "kl"]
