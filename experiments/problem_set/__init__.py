"""Problem set: six identities, each proved in `proofs/`, at work on images of digits and on abstracts."""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jnmf
from experiments import data
from experiments.study import Arrays, Table, computed, together
from jnmf import Factors

TITLE = "Problem set: six identities at work"
SOURCE = "problem set, problems 1 to 6; Berry et al. 2007, Hoyer 2004, Gaussier and Goutte 2005"


@dataclass(frozen=True)
class Settings:
    num_images: int = 400  # of problems 1 to 5
    rank: int = 9
    num_iters: int = 100
    num_alphas: int = 13  # penalties, and none
    newton_iters: int = 20
    num_clusters: tuple[int, ...] = (2, 4, 6, 8, 10)  # the last one is drawn
    num_documents: int = 1200  # of problem 6
    num_terms: int = 800
    num_topics: int = 4
    num_starts: int = 3
    topic_iters: int = 100
    record_every: int = 5
    seed: int = 0


FULL = Settings(
    num_images=1000,
    num_iters=300,
    num_alphas=31,
    num_clusters=tuple(range(1, 21)),
    num_documents=7094,
    num_terms=5896,
    topic_iters=200,
)
TINY = Settings(
    num_images=40,
    rank=4,
    num_iters=15,
    num_alphas=4,
    newton_iters=6,
    num_clusters=(2, 3),
    num_documents=150,
    num_terms=60,
    num_starts=3,
    topic_iters=50,
    record_every=10,
)
ROUNDING = 1e-9  # a relative deviation below it is put down to rounding


class Given(NamedTuple):
    """What the problems are set on: images as columns of X, and documents."""

    X: np.ndarray
    documents: data.Documents
    progress: bool


def compute(settings: Settings, progress: bool = False) -> Arrays:
    if settings.record_every < 1 or settings.topic_iters % settings.record_every:
        raise ValueError(
            f"topic_iters: expected a multiple of record_every = {settings.record_every}, got {settings.topic_iters}"
        )
    images = data.or_stand_in(data.mnist_train, data.digits)
    documents = data.or_stand_in(data.classic4, data.planted_topics)
    X = images.X[:, : settings.num_images]
    labels = -np.ones(X.shape[1], int) if images.labels is None else images.labels[: X.shape[1]]
    arrays: dict[str, Any] = {
        "notes": np.array([found.note for found in (images, documents) if found.note], dtype=str),
        "shape": images.shape,
        "order": images.order,
        "num_images": X.shape[1],
        "digits": labels,
    }
    arrays |= computed(QUESTIONS, settings, Given(X, documents, progress))
    return {key: np.asarray(value) for key, value in arrays.items()}


def relative(A, B) -> float:
    """The largest difference of two arrays, in units of the largest entry of the second."""
    return float(np.max(np.abs(A - B)) / np.max(np.abs(B)))


@partial(jax.jit, static_argnames=("num_iters", "every"))
def recorded(X, start: Factors, algorithm, num_iters: int, every: int = 1) -> Factors:
    """The factors at the start and after every so many iterations: W (records + 1, m, r), H (records + 1, r, n)."""
    itself = lambda old, new, info: new
    _, later = jnmf.run(X, start, algorithm, num_iters=num_iters, every=every, record=itself)
    return Factors(*(jnp.concatenate([first[None], rest]) for first, rest in zip(start, later, strict=True)))


def losses_of(X, path) -> np.ndarray:
    """½‖X − W H‖² of each pair of factors of a sequence."""
    pairs = zip(*(np.asarray(A) for A in path), strict=True)
    return np.array([0.5 * np.linalg.norm(X - W @ H) ** 2 for W, H in pairs])


PROOFS = {  # the file, and the last line of the derivation
    15: ("regularized_least_squares", "W ← [(AHᵀ − l₁𝟏)(HHᵀ + l₂I)⁻¹]₊ with l₁ = a₁/2c, l₂ = a₂/c"),
    16: (
        "sparsity_bounds",
        "‖x‖₂ ≤ ‖x‖₁ ≤ √n‖x‖₂, equal on the left for one nonzero entry, on the right for equal |x_i|",
    ),
    17: ("multiplicative_as_gradient", "H + ε ⊙ (WᵀA − WᵀWH) = H ⊙ WᵀA ⊘ WᵀWH with ε = H ⊘ WᵀWH"),
    18: ("truncated_newton", "[vec H − (I ⊗ WᵀW)⁻¹ vec(WᵀWH − WᵀA)]₊ = vec[(WᵀW)⁻¹WᵀA]₊ = vec[W⁺A]₊"),
    19: ("k_means", "Σ_c Σ_{i ∈ c} ‖a_i − μ_c‖² = ‖A − GGᵀA‖² = ‖A − GM‖²"),
    20: ("latent_semantic_analysis", "D_GKL(A‖WΣH) = Σ A log A − log L"),
}


def proved(number: int) -> str:
    name, last_line = PROOFS[number]
    return f"The derivation is statement {number} (proofs/{name}.py). Its last line: {last_line}."


def size_of(deviation) -> str:
    """A largest deviation, and what it is put down to."""
    largest = np.max(deviation)
    if largest == 0:
        return "0, without rounding"
    return f"{largest:.1e}, " + ("which is rounding" if largest <= ROUNDING else "which is more than rounding")


def checks(*rows: tuple[str, Any]) -> Table:
    """What was compared on these data, with the largest deviation of each comparison."""
    return Table(("checked on these data", "largest deviation"), [(what, size_of(found)) for what, found in rows])


# The questions use what stands above.
from experiments.problem_set import clusters, gradient, newton, penalties, sparsity, topics  # noqa: E402

QUESTIONS = (penalties, sparsity, gradient, newton, clusters, topics)
plot, sections = together(QUESTIONS)
