"""Lecture: its three algorithms exactly as printed, and what the scaling that it leaves half done changes."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np

import jnmf
from experiments import data
from experiments.lecture.algorithms import METHODS, NAMES, Run, alternate
from experiments.study import Arrays, compiled, computed, together, tracked
from jnmf import Factors, losses

TITLE = "Lecture: ANLS and both multiplicative algorithms on handwritten digits"
SOURCE = (
    "lecture: alternating nonnegative least squares, multiplicative updates for the Frobenius norm and for the entropy "
    "divergence, on the MNIST test images at k = 9 and 81"
)


@dataclass(frozen=True)
class Settings:
    num_images: int = 1000
    ranks: tuple[int, ...] = (9, 81)
    tol: float = 0.01  # the lecture's τ
    max_iters: tuple[int, ...] = (15, 200, 200)  # the lecture's maxit, one for each of METHODS
    seed: int = 0


FULL = Settings(num_images=10000, max_iters=(500, 1000, 1000))
TINY = Settings(num_images=150, ranks=(4, 16), max_iters=(4, 150, 150))


class Given(NamedTuple):
    """What the questions share."""

    X: np.ndarray  # (m, n), images as columns
    digits: np.ndarray  # (m, D), the mean image of each digit
    ranks: list[int]
    starts: dict[int, Factors]  # of each rank
    runs: list[list[tuple[Run, Run]]]  # [rank][method]: as printed, and with H compensated


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """What `examine` finds, (K, A, …) over the K ranks and the A = 3 METHODS, and what the questions compute."""
    if len(settings.max_iters) != len(METHODS):
        raise ValueError(f"max_iters: expected one for each of {', '.join(NAMES)}, got {settings.max_iters}")
    images = data.or_stand_in(data.mnist_test, data.digits)
    X, labels = images.X[:, : settings.num_images], np.asarray(images.labels)[: settings.num_images]
    digits = np.stack([X[:, labels == digit].mean(axis=1) for digit in np.unique(labels)], axis=1)
    ranks, note = ranks_for(X.shape, settings.ranks)

    pairs = [(k, method) for k in ranks for method in range(len(METHODS))]
    starts = {k: jnmf.init.random(settings.seed, X, k) for k in ranks}
    programs = compiled(
        [(alternate, (X, starts[k], i, False, settings.tol, settings.max_iters[i]), {}) for k, i in pairs]
    )
    done = [
        both_ways(program, X, starts[k], settings)
        for (k, _), program in tracked(zip(pairs, programs, strict=True), "ranks × algorithms", progress)
    ]
    found = [examine(X, *both, max(settings.max_iters)) for both in done]
    stacked = {name: np.stack([one[name] for one in found]) for name in found[0]}
    by_rank = [done[i : i + len(METHODS)] for i in range(0, len(done), len(METHODS))]
    return {
        **{name: array.reshape(len(ranks), len(METHODS), *array.shape[1:]) for name, array in stacked.items()},
        "ranks": np.array(ranks),
        "tol": np.array(settings.tol),
        "X_shape": np.array(X.shape),
        "image_shape": np.array(images.shape),
        "order": np.array(images.order),
        "notes": np.array([text for text in (images.note, note) if text], dtype=str),
        **computed(QUESTIONS, settings, Given(X, digits, ranks, starts, by_rank)),
    }


def ranks_for(shape: tuple[int, int], ranks: tuple[int, ...]) -> tuple[list[int], str]:
    """The ranks in increasing order, each below min(shape), as the lecture asks, and a note where one was not."""
    bound = min(shape)
    too_large = sorted(rank for rank in ranks if rank >= bound)
    if not too_large:
        return sorted(ranks), ""
    kept = sorted(set(ranks) - set(too_large))
    instead = int(np.sqrt(bound / 2)) ** 2  # a square number, for a square of tiles
    taken = [instead] if instead > max(kept, default=0) else []
    if not kept + taken:
        raise ValueError(f"ranks: expected some below min(m, n) = {bound}, got {ranks}")
    told = f"k = {', '.join(map(str, too_large))} is not below min(n, p) = {bound}, as the lecture asks"
    return kept + taken, told + (f"; k = {instead} is taken in its place." if taken else ", and is left out.")


def both_ways(program, X, start: Factors, settings: Settings) -> tuple[Run, Run]:
    """The run as printed and the one with H compensated; `program` is `alternate`, compiled."""
    printed, compensated = (jax.device_get(program(X, start, compensate, settings.tol)) for compensate in (False, True))
    return printed, compensated


def examine(X, printed: Run, compensated: Run, longest: int) -> Arrays:
    """The numbers of one algorithm at one rank. Axes of 2 are for the printed and the compensated run.

    num_iters (2,), delta and loss (2, longest). frobenius and kl (3,): the losses of the printed pair as it is
    returned, of the same pair before its last scaling, and of the compensated pair. last_scale (2,): the least and the
    largest number that the last printed scaling divided by.
    """
    W, H = printed.factors
    before = Factors(W, printed.compensated_H)
    pairs = (printed.factors, before, compensated.factors)
    padded = lambda history: np.pad(history, (0, longest - len(history)), constant_values=np.nan)
    used = H.sum(axis=1) > 0
    scale = before.H.sum(axis=1)[used] / H.sum(axis=1)[used]
    return {
        "num_iters": np.array([run.num_iters for run in (printed, compensated)]),
        "delta": np.array([padded(run.delta) for run in (printed, compensated)]),
        "loss": np.array([padded(run.loss) for run in (printed, compensated)]),
        "frobenius": np.array([losses.frobenius(X, *pair) for pair in pairs]),
        "kl": np.array([losses.kl(X, *pair) for pair in pairs]),
        "last_scale": np.array([scale.min(), scale.max()]),
    }


def runs(arrays: Arrays) -> list[tuple[int, int, str, str]]:
    """The index of each rank and algorithm, and what a table calls them."""
    return [(i, a, str(k), name) for i, k in enumerate(arrays["ranks"]) for a, name in enumerate(NAMES)]


ALIKE = 0.01  # a smaller difference of two sparsities, or of two losses relative to one of them, is none


def compared(value, reference) -> str:
    """How far a loss is from another, so that "that of …" can follow."""
    change = value / reference - 1
    return f"{abs(change):.1%} {'above' if change > 0 else 'below'}"


def history(arrays: Arrays, field: str, i: int, method: int) -> np.ndarray:
    """delta or loss of a run as printed, as many entries as it has iterations."""
    return arrays[field][i, method, 0, : arrays["num_iters"][i, method, 0]]


# The questions use what stands above.
from experiments.lecture import delta, entropy, features, formulas, parts, scaling, setting  # noqa: E402

QUESTIONS = (setting, formulas, delta, features, parts, entropy, scaling)
plot, sections = together(QUESTIONS)
