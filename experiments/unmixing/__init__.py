"""Beyond: when are the spectra of mixed pixels identifiable? Spectra, abundances and noise are drawn, and known."""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

import jnmf
from experiments.study import Arrays, compiled, computed, together
from jnmf import HALS, PGD, Extrapolated, Factors
from jnmf.terms import MinimumVolume, Simplex, SumToOne

TITLE = "Beyond: when are the spectra of mixed pixels identifiable?"
SOURCE = "N. Gillis and S. A. Vavasis 2014, SPA; V. Leplat, A. M. S. Ang and N. Gillis 2019, minimum volume"

SUM = 10.0  # the weight of sums to one


def hals(sums, volume):
    return Extrapolated(HALS(on_H=SumToOne(sums), on_W=MinimumVolume(volume)))


def on_simplex(volume):
    return Extrapolated(PGD(on_H=Simplex(), on_W=MinimumVolume(volume)))


METHODS = {  # of a weight of the volume; those that differ in their numbers alone are one program
    "plain NMF": lambda weight: hals(0.0, 0.0),
    "sums near one": lambda weight: hals(SUM, 0.0),
    "minimum volume": lambda weight: hals(SUM, weight),
    "simplex": lambda weight: on_simplex(0.0),
    "simplex, minimum volume": on_simplex,
}
VOLUME = "minimum volume"  # that whose weights, starts and volumes are looked at
SPA = "SPA alone"
STARTS = ("SPA", "random")
NEAR = 3.0  # degrees: spectra that are all within this are found
LEAST = 0.1  # degrees: where less is drawn


@dataclass(frozen=True)
class Settings:
    purities: tuple[float, ...] = (1.0, 0.8, 0.7, 0.6, 0.45)  # decreasing: 1 has pure pixels, others at most that
    noises: tuple[float, ...] = (0.0, 0.03)  # increasing, relative to ‖W H‖
    mixed: float = 0.8  # that of the purities that stands for no pure pixels
    weights: tuple[float, ...] = (1.0, 0.1, 0.01, 0.001)  # of the volume, decreasing: each begins where the last ended
    num_iters: int = 80  # at each weight
    rank: int = 4
    num_bands: int = 40
    num_pixels: int = 120
    concentration: float = 0.5  # of the Dirichlet distribution: below 1, many pixels lack some spectrum
    num_scenes: int = 3  # draws of spectra, abundances and noise
    seed: int = 0


FULL = Settings(
    purities=(1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.45, 0.4),
    noises=(0.0, 0.01, 0.03, 0.1),
    weights=(1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001),
    num_iters=100,
    num_bands=60,
    num_pixels=400,
    num_scenes=5,
)
TINY = Settings(
    purities=(1.0, 0.8, 0.45),
    noises=(0.0, 0.02),
    weights=(1.0, 0.1, 0.001),
    num_iters=80,
    rank=3,
    num_bands=20,
    num_pixels=60,
    num_scenes=2,
)


class Given(NamedTuple):
    """What the questions share, for P purities, N levels of noise and D scenes: the true spectra (D, m, r), abundances
    (P, D, r, n), the columns of X that SPA takes (P, N, D, m, r), and of each method the spectra that it found from S
    starts after each of V weights (S, P, N, D, V, m, r). `fixed` (V, D, m, r): those of `VOLUME` with one weight from
    the random start to the end, of mixed pixels with the least noise."""

    spectra: np.ndarray
    abundances: np.ndarray
    spa: np.ndarray
    found: dict[str, np.ndarray]
    fixed: np.ndarray


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """purities (P,), noises (N,), weights (V,), mixed, the place of that purity; and what the questions compute."""
    check(settings)
    W, H, X = drawn(settings)
    shape, mixed = X.shape[:3], settings.purities.index(settings.mixed)
    each = X.reshape(-1, *X.shape[3:])
    taken = [jnmf.init.spa_columns(x, settings.rank, normalize=False) for x in each]
    spa = np.stack([x[:, columns] for x, columns in zip(each, taken, strict=True)])
    starts = [from_spectra(each, spa), random(each, settings)]
    jobs = (np.tile(each, (len(starts), 1, 1)), *(np.concatenate(A) for A in zip(*starts, strict=True)))
    found, fixed = fit_each(jobs, np.arange(len(each)).reshape(shape)[mixed, 0] + len(each), settings)
    given = Given(
        W,
        H,
        spa.reshape(*shape, *spa.shape[1:]),
        {method: A.reshape(len(starts), *shape, *A.shape[1:]) for method, A in found.items()},
        fixed,
    )
    lists = {name: getattr(settings, name) for name in ("purities", "noises", "weights")}
    arrays: dict[str, Any] = {**lists, "mixed": mixed, **computed(QUESTIONS, settings, given)}
    return {name: np.asarray(array) for name, array in arrays.items()}


def fit_each(jobs, single, settings: Settings) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Jobs X (B, m, n), W (B, m, r), H (B, r, n) -> of each method W (B, V, m, r), after each weight; and of `VOLUME`
    at one weight, of the D jobs with the numbers `single`, the W (V, D, m, r) at the end."""
    B, V, D = len(jobs[0]), len(settings.weights), len(single)
    algorithms = {name: jax.vmap(jax.vmap(of))(np.tile(settings.weights, (B, 1))) for name, of in METHODS.items()}
    programs = {jax.tree.structure(algorithm): algorithm for algorithm in algorithms.values()}
    options = {"num_iters": settings.num_iters}
    made = compiled([(fitted, (*jobs, algorithm), options) for algorithm in programs.values()])
    programs = dict(zip(programs, made, strict=True))
    run = lambda jobs, algorithm: np.asarray(programs[jax.tree.structure(algorithm)](*jobs, algorithm))
    found = {name: run(jobs, algorithm) for name, algorithm in algorithms.items()}
    # The fits at one weight take the program of the others: as many jobs, of which the last ones are repetitions.
    alone = lambda A: np.resize(A, (B, *A.shape[1:]))
    weights = alone(np.repeat(settings.weights, D)[:, None] * np.ones(V))
    fixed = run([alone(np.tile(A[single], (V, 1, 1))) for A in jobs], jax.vmap(jax.vmap(METHODS[VOLUME]))(weights))
    return found, fixed[: V * D, -1].reshape(V, D, *fixed.shape[2:])


def check(settings: Settings) -> None:
    """Raises ValueError."""
    r, purities = settings.rank, settings.purities
    if r < 2 or purities[0] != 1 or min(purities) < 1.2 / r or list(purities) != sorted(purities, reverse=True):
        raise ValueError(f"purities: expected 1 and then less, down to 1.2 / rank = {1.2 / r:g}, got {purities}")
    if 2 * len(purities) * len(settings.noises) < len(settings.weights):
        raise ValueError(f"weights: expected at most two for each purity and noise, got {len(settings.weights)}")
    if settings.mixed not in purities[1:]:
        raise ValueError(f"mixed: expected one of the purities below 1, {purities[1:]}, got {settings.mixed}")


def drawn(settings: Settings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spectra (D, m, r), abundances (P, D, r, n), pixels X (P, N, D, m, n). The levels of noise differ in its size."""
    draws = [np.random.default_rng((settings.seed, scene)) for scene in range(settings.num_scenes)]
    W = np.stack([spectra(draw, settings.num_bands, settings.rank) for draw in draws])
    H = np.stack([[abundances(draw, settings, purity) for draw in draws] for purity in settings.purities])
    Z = W @ H
    E = np.stack([draw.normal(size=Z[:, 0].shape) for draw in draws], axis=1)
    length = lambda A: np.linalg.norm(A, axis=(-2, -1), keepdims=True)
    noises = np.reshape(settings.noises, (-1, 1, 1, 1))
    return W, H, Z[:, None] + noises * (length(Z) / length(E) * E)[:, None]


def spectra(draw, m: int, r: int) -> np.ndarray:
    """(m, r): a common base, a high bump of each in its own part of the bands, and two low ones anywhere."""
    t = np.linspace(0, 1, m)[:, None, None]
    centre = np.concatenate([(np.arange(r) + draw.uniform(0.2, 0.8, r))[None] / r, draw.uniform(0, 1, (2, r))])
    height = np.concatenate([draw.uniform(0.6, 0.9, (1, r)), draw.uniform(0.1, 0.4, (2, r))])
    width = draw.uniform(0.05, 0.12, (3, r))
    return 0.1 + np.sum(height * np.exp(-0.5 * ((t - centre) / width) ** 2), axis=1)


def abundances(draw, settings: Settings, purity: float) -> np.ndarray:
    """(r, n), columns of a Dirichlet distribution of which the largest entry is at most the purity; 1: the first r are
    pure, too."""
    r, n, H = settings.rank, settings.num_pixels, np.empty((settings.rank, 0))
    while H.shape[1] < n:
        more = draw.dirichlet(np.full(r, settings.concentration), 8 * n).T
        H = np.concatenate([H, more[:, more.max(axis=0) <= purity]], axis=1)
    return np.concatenate([np.eye(r), H], axis=1)[:, :n] if purity == 1 else H[:, :n]


def from_spectra(X, W) -> Factors:
    """X (B, m, n), W (B, m, r) -> a start: W and its least squares weights, projected."""
    return Factors(W, np.maximum(np.linalg.pinv(W) @ X, 0))


def random(X, settings: Settings) -> Factors:
    """W (B, m, r), H (B, r, n), in a scale in which the columns of H have a mean sum of one."""
    draw = jax.jit(jax.vmap(lambda key, X: jnmf.init.random(key, X, settings.rank)))
    W, H = jax.device_get(draw(jax.random.split(jax.random.key(settings.seed), len(X)), X))
    scale = H.sum(axis=1).mean(axis=1)[:, None, None]
    return Factors(W * scale, H / scale)


@partial(jax.jit, static_argnames="num_iters")
def fitted(X, W, H, algorithms, *, num_iters: int):
    """X (B, m, n), starts W (B, m, r), H (B, r, n), algorithms whose leaves are (B, V) -> W after each, (B, V, m, r):
    each goes on where the one before ended."""

    def one(X, W, H, algorithms):
        def go_on(factors, algorithm):
            end = jnmf.run(X, factors, algorithm, num_iters=num_iters, record=None)[0]
            return end, end.W

        return jax.lax.scan(go_on, Factors(W, H), algorithms)[1]

    return jax.vmap(one)(X, W, H, algorithms)


pairing = jax.jit(jnmf.pairing)


def angles(spectra, found) -> np.ndarray:
    """(…, r), degrees: of each of the true spectra (…, m, r) the angle to that of `found` (…, m, r) it is matched with;
    leading axes are broadcast."""
    shape = np.broadcast_shapes(spectra.shape, found.shape)
    pairs = zip(*(np.broadcast_to(A, shape).reshape(-1, *shape[-2:]) for A in (spectra, found)), strict=True)
    cosines = np.array([pairing(*pair).cosine for pair in pairs])
    return np.degrees(np.arccos(np.minimum(cosines, 1))).reshape(*shape[:-2], -1)


def farthest(angles) -> np.ndarray:
    """(…): the median over scenes of the largest angle of a spectrum, of angles (…, D, r)."""
    return np.median(np.max(angles, axis=-1), axis=-1)


# The questions use what stands above.
from experiments.unmixing import least, methods, noise, scene, weights  # noqa: E402

QUESTIONS = (scene, methods, noise, weights, least)
plot, sections = together(QUESTIONS)
