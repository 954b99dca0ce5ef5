"""Beyond: topics of abstracts from sparse counts. No array of documents × terms is made."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import jnmf
from experiments import data
from experiments.study import Arrays, computed, notes, together

TITLE = "Beyond: what are abstracts about?"
SOURCE = (
    "the abstracts of CACM, CISI, CRAN and MED; T. Hofmann 1999, topics and perplexity; E. Gaussier and C. Goutte 2005"
)

KL = jnmf.MU(beta=1.0)


@dataclass(frozen=True)
class Settings:
    num_topics: int = 4  # of the topics that are shown
    num_restarts: int = 3
    num_iters: int = 40
    num_words: int = 10  # shown of each topic
    ranks: tuple[int, ...] = (2, 4, 8)  # increasing, of the held-out words
    num_holdouts: int = 3
    holdout: float = 0.9  # as many entries as this fraction of the nonzeros, zeros in their proportion
    seed: int = 0


FULL = Settings(num_restarts=12, num_iters=100, ranks=(1, 2, 3, 4, 6, 8, 12, 16), num_holdouts=5)
TINY = Settings(num_restarts=3, num_iters=30, num_words=5, ranks=(1, 3, 4), num_holdouts=2)


class Given(NamedTuple):
    """The documents, their counts as jnmf takes them, and KL-NMF of all of them, from the best and from every start."""

    documents: data.Documents
    X: Any  # jnmf.sparse
    sweep: jnmf.Sweep
    progress: bool


def compute(settings: Settings, progress: bool = False) -> Arrays:
    found = data.or_stand_in(data.classic4, data.planted_topics)
    X = jnmf.sparse(found.X)
    options: dict[str, Any] = {
        "num_restarts": settings.num_restarts,
        "num_iters": settings.num_iters,
        "key": settings.seed,
    }
    sweep = jnmf.sweep(X, [settings.num_topics], algorithm=KL, **options)
    arrays: dict[str, Any] = {
        "notes": notes(found.note),
        "shape": X.shape,
        "num_stored": found.X.nnz,
        "num_words": found.X.sum(),
        "num_iters": settings.num_iters,
        "collections": found.collections,
        "loss": sweep.loss[0],
    }
    arrays |= computed(QUESTIONS, settings, Given(found, X, sweep, progress))
    return {key: np.asarray(value) for key, value in arrays.items()}


def mixture(factors) -> tuple[np.ndarray, np.ndarray]:
    """P(topic, document) / P(document), (m, r), and P(term | topic), (r, n): W H with rows that sum to one.

    A row of W H that is 0 stays 0.
    """
    W, H = (np.asarray(A) for A in factors)
    total = H.sum(axis=1)
    share = W * total
    tiny = np.finfo(H.dtype).tiny
    return share / np.maximum(share.sum(axis=1), tiny)[:, None], H / np.maximum(total, tiny)[:, None]


# The questions use what stands above.
from experiments.topics import agreement, leading, perplexity  # noqa: E402

QUESTIONS = (leading, agreement, perplexity)
plot, sections = together(QUESTIONS)
