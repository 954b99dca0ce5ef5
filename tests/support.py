"""What the tests share: the algorithms, one small problem, and what rounding may do."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import settings

from jnmf import ALS, ANLS, HALS, MU, PGD, Accelerated, Extrapolated, Factors, JointMU, Momentum, losses
from jnmf.testing import algorithms as checker

ALGORITHMS = {
    "MU": MU(),
    "MU KL": MU(beta=1.0),
    "MU Itakura-Saito": MU(beta=0.0),
    "MU 0.5": MU(beta=0.5),
    "MU -1": MU(beta=-1.0),
    "MU 3": MU(beta=3.0),
    "MU negative binomial": MU(loss=losses.NegativeBinomial(alpha=2.0)),
    "Joint MU 0.5": JointMU(beta=0.5),
    "Joint MU -1": JointMU(beta=-1.0),
    "HALS": HALS(),
    "HALS inner": HALS(inner=3),
    "Extrapolated HALS": Extrapolated(Accelerated(HALS())),
    "Momentum MU": Momentum(MU()),
    "Momentum MU KL": Momentum(MU(beta=1.0)),
    "ALS": ALS(),
    "PGD": PGD(),
    "PGD backtracking": PGD(step_size="backtracking"),
    "ANLS pivoting": ANLS(),
    "ANLS projected gradient": ANLS(solver="projected_gradient"),
}
FROBENIUS = {name: a for name, a in ALGORITHMS.items() if a.loss.quadratic}

LOSSES = [
    *(losses.BetaDivergence(beta=beta) for beta in (-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)),
    *(losses.NegativeBinomial(alpha=alpha) for alpha in (0.3, 50.0)),
]

PENALTIES, penalised = checker.PENALTIES, checker.with_penalties

M, N, R = 12, 9, 3

drawn = settings(max_examples=25, derandomize=True, deadline=None)


def rounding(dtype) -> float:
    """A few hundred roundings: for quantities a short computation away from each other."""
    return 300 * float(np.finfo(dtype).eps)


def problem(dtype="float64", seed=0, noise=0.1):
    """X (12, 9) positive, near rank 3, and a positive start."""
    keys = jax.random.split(jax.random.key(seed), 5)
    draw = lambda k, shape: jax.random.uniform(k, shape, jnp.float64, 0.1, 1.0)
    X = draw(keys[0], (M, R)) @ draw(keys[1], (R, N)) + noise * draw(keys[2], (M, N))
    start = Factors(draw(keys[3], (M, R)), draw(keys[4], (R, N)))
    return X.astype(dtype), Factors(*(A.astype(dtype) for A in start))


@partial(jax.jit, static_argnums=0)
def both_derivatives(function, at, along, weights):
    """The derivative at a point, forward along a direction and in reverse from weights: one program, the point once."""
    _, derivative = jax.linearize(function, *at)
    return derivative(*along), jax.linear_transpose(derivative, *along)(weights)
