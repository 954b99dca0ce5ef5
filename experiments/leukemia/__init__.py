"""Beyond: the study of Brunet et al. on leukaemia samples. Restarts of KL-NMF vote on which samples belong together.

A restart puts each sample, a column of X, into the cluster of its largest entry of H. How often the restarts put two
samples together is the consensus matrix, and how near it is to 0 and 1 says how far a rank can be trusted.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jnmf
from experiments import data
from experiments.study import Arrays, computed, together
from jnmf import MU

TITLE = "Beyond: subtypes of leukaemia by consensus"
SOURCE = "Brunet, Tamayo, Golub and Mesirov 2004: metagenes and molecular pattern discovery, on the ALL/AML samples"


@dataclass(frozen=True)
class Settings:
    ranks: tuple[int, ...] = (2, 3, 4, 5)
    num_restarts: int = 10
    num_iters: int = 200
    watched: int = 3  # the restarts of each rank whose assignments are followed, the first ones
    every: int = 10  # iterations between two looks
    seed: int = 0


FULL = Settings(num_restarts=50, num_iters=1000, watched=10)
TINY = Settings(ranks=(3, 4), num_restarts=4, num_iters=60, watched=2)
MEASURES = ("cophenetic", "dispersion", "silhouette")


class Given(NamedTuple):
    """What the questions share: the data X (m, n), and a sweep of them."""

    X: jax.Array
    sweep: jnmf.Sweep


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """Over R ranks and n samples: what the questions compute, X_shape, and of the samples their names and subtypes."""
    if settings.every > settings.num_iters:
        raise ValueError(f"every: expected at most num_iters = {settings.num_iters}, got {settings.every}")
    expression = data.or_stand_in(data.all_aml, data.planted_clusters)
    X = jnp.asarray(expression.X)
    sweep = jnmf.sweep(
        X,
        sorted(settings.ranks),
        num_restarts=settings.num_restarts,
        algorithm=MU(beta=1.0),
        key=settings.seed,
        num_iters=settings.num_iters,
        progress=progress,
    )
    return {
        "X_shape": np.array(X.shape),
        "samples": expression.samples,
        "subtypes": expression.subtypes,
        "notes": np.array([expression.note] if expression.note else [], dtype=str),
        **computed(QUESTIONS, settings, Given(X, sweep)),
    }


def is_real(arrays: Arrays) -> bool:
    """Whether these are the samples of the source, and no stand-in."""
    return not len(arrays["notes"])


# The questions use what stands above.
from experiments.leukemia import consistency, rank, scale, settling, subtypes  # noqa: E402

QUESTIONS = (consistency, rank, subtypes, scale, settling)
plot, sections = together(QUESTIONS)
