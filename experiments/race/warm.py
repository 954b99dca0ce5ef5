"""jnmf's warm starts from the start that all have: (start, num_iters) -> an `init`, and the iterations left to the fit.

All but an eighth of the iterations are on the sketch or the sample, all but four in float32, half on least squares.
"""

import jnmf
from jnmf import warm_start


def _eighth(num_iters: int) -> int:
    return -(-num_iters // 8)


def _given(start):
    """An init that is the start, in the dtype of its X; of a sample, which has fewer rows or columns, a part of it."""

    def init(key, X, rank):
        m, n = X.shape
        return jnmf.Factors(start.W[:m].astype(X.dtype), start.H[:, :n].astype(X.dtype))

    return init


def _in_float32(init, num_iters: int, algorithm=None):
    return warm_start.rounded(algorithm, init=init, tol=0, max_iters=num_iters, check_every=max(num_iters, 1))


def _sampled(start, num_iters):
    left = _eighth(num_iters)
    return warm_start.sampled(init=_given(start), num_iters=num_iters - left), left


def _sketched(start, num_iters):
    left = _eighth(num_iters)
    return warm_start.sketched(init=_given(start), num_iters=num_iters - left), left


def _rounded(start, num_iters, algorithm=None):
    left = min(num_iters, 4)
    return _in_float32(_given(start), num_iters - left, algorithm), left


def _sampled_and_rounded(start, num_iters):
    left = min(num_iters, 4)
    most = max(_eighth(num_iters), left)
    sample = warm_start.sampled(init=_given(start), num_iters=num_iters - most)
    return _in_float32(sample, most - left), left


def _rounded_kl(start, num_iters):
    return _rounded(start, num_iters, jnmf.Momentum(jnmf.MU(beta=1.0)))


def _frobenius_first(start, num_iters):
    half = num_iters // 2
    return warm_start.frobenius(init=_given(start), num_iters=half), num_iters - half


WARM = {
    "jnmf.fit, sampled": _sampled,
    "jnmf.fit, sketched": _sketched,
    "jnmf.fit, rounded": _rounded,
    "jnmf.fit, sampled and rounded": _sampled_and_rounded,
}
WARM_KL = {"jnmf.fit, KL, rounded": _rounded_kl, "jnmf.fit, KL, Frobenius first": _frobenius_first}
