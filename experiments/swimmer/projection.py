"""A sparsity that is demanded, not charged for: Hoyer's, by projection."""

from functools import partial
from itertools import product
from typing import Any

import jax
import numpy as np

import jnmf
from experiments.study import Arrays, Table
from experiments.swimmer import INNER, TORSO, WIDTH, Given, Settings
from experiments.swimmer.recovery import fields
from experiments.words import percent, span
from jnmf import Factors
from jnmf.algorithm import Combinator, residual_info


def compute(settings: Settings, given: Given) -> Arrays:
    """At rank 17: sparsities (Q,), sparsity_… (Q, P, …), the fields of Recovered; hoyer (4,), of a limb, the torso, a
    limb with all and with a quarter of it."""
    jobs = list(product(settings.sparsities, given.random[: settings.sparsity_restarts]))
    W, H = (np.stack([getattr(start, name) for _, start in jobs]) for name in ("W", "H"))
    W, H = projected(given.problem.X, W, H, np.array([sparsity for sparsity, _ in jobs]), settings.num_iters)
    shape = len(settings.sparsities), settings.sparsity_restarts
    limb, torso = given.problem.parts[:, 0], given.problem.parts[:, TORSO]
    alone = np.stack([limb, torso, limb + torso, limb + torso / 4], axis=1)
    return {
        "hoyer": np.asarray(jnmf.hoyer_sparsity(alone, axis=0)),
        "sparsities": np.array(settings.sparsities),
        **fields("sparsity", W, H, given.problem, shape),
    }


class Projected(Combinator):
    """An algorithm, after each of whose iterations the columns of W are projected onto one sparsity (Hoyer 2004)."""

    algorithm: Any
    sparsity: Any

    def init(self, X, factors):
        return factors

    def step(self, X, factors):
        W, H = self.algorithm.step(X, self.algorithm.init(X, factors))[0].factors
        new = Factors(jax.vmap(jnmf.project_sparsity, (1, None), 1)(W, self.sparsity), H)
        return new, residual_info(X, new, self)


@partial(jax.jit, static_argnames="num_iters")
def projected(X, W, H, sparsities, num_iters: int) -> Factors:
    """Starts W (B, m, r), H (B, r, n), sparsities (B,) -> the factors after so many iterations."""

    def one(W, H, sparsity):
        algorithm = Projected(algorithm=jnmf.HALS(inner=INNER), sparsity=sparsity)
        return jnmf.run(X, Factors(W, H), algorithm, num_iters=num_iters, record=None)[0]

    return jax.vmap(one)(W, H, sparsities)


def sparsity_table(arrays: Arrays) -> Table:
    rows = [
        (
            f"{level:g}",
            span(arrays["sparsity_found"][i]),
            span(arrays["sparsity_clean"][i]),
            percent(arrays["sparsity_own"][i]),
            span(arrays["sparsity_error"][i], ".3f"),
        )
        for i, level in enumerate(arrays["sparsities"])
    ]
    columns = ("Hoyer sparsity of W", "limb parts found", "without torso", "torso on its own", "relative error")
    starts = arrays["sparsity_found"].shape[1]
    return Table(columns, rows, f"Projected onto one sparsity, rank {WIDTH}: least to largest of {starts} starts.")
