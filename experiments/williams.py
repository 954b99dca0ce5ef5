"""The scree, similarity and heatmap exercises of A. H. Williams, as one study: python -m experiments.williams

The questions: how many components? is the error sensitive to the start? which components can be trusted? what does the
data look like sorted by them? Each answer is one call of the library.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console

import jnmf
from experiments import data


@dataclass(frozen=True)
class Settings:
    ranks: tuple[int, ...] = tuple(range(1, 11))
    num_restarts: int = 20
    num_iters: int = 30  # exact alternations, as the exercise asks
    holdouts: int = 8
    rank: int = 3  # of the sorted heatmaps
    seed: int = 0


def compute(settings: Settings) -> dict[str, Any]:
    """The data, the sweep, the same on shuffled columns, the SVD line, the similarities, and the cross-validation."""
    X = data.nmfdata()
    study = {"num_restarts": settings.num_restarts, "algorithm": jnmf.ANLS(), "num_iters": settings.num_iters}
    fits = jnmf.sweep(X, settings.ranks, key=settings.seed, **study)
    return {
        "X": X,
        "sweep": fits,
        "baseline": jnmf.sweep(jnmf.shuffle_columns(X), settings.ranks, key=settings.seed, **study),
        "svd": jnmf.svd_rmse(X, settings.ranks),
        "similarity": jnmf.sweep_similarity(fits),
        "cross_validation": jnmf.cross_validate(X, settings.ranks, num_restarts=settings.holdouts, key=settings.seed),
        "factors": fits.best(settings.rank),
    }


def plot(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "scree": jnmf.plot.scree(found["sweep"], svd=found["svd"], baseline=found["baseline"]).figure,
        "similarity": jnmf.plot.similarity(found["similarity"]).figure,
        "cross_validation": jnmf.plot.cross_validation(found["cross_validation"]).figure,
        "heatmaps": jnmf.plot.heatmaps(found["X"], found["factors"]),
    }


def answers(found: dict[str, Any]) -> str:
    """What the numbers say, rank by rank, and the choice."""
    fits, alike = found["sweep"], found["similarity"]
    lines = []
    for i, rank in enumerate(fits.ranks):
        errors, W, H = fits.rmse[i], np.median(alike.W_to_best[i]), np.median(alike.H_to_best[i])
        lines.append(
            f"rank {rank:2}: RMSE {errors.min():.6f} … {errors.max():.6f}, SVD {float(found['svd'][i]):.6f}, "
            f"median similarity to the best: W {W:.3f}, H {H:.3f}"
        )
    cv, r = found["cross_validation"], found["factors"].H.shape[0]
    lines.append(f"cross-validation chooses rank {cv.rank} (within one standard error: {cv.rank_1se})")
    sizes = [sorted(np.bincount(np.asarray(labels)).tolist()) for labels in jnmf.clusters(found["factors"])]
    lines.append(f"at rank {r} the rows fall into blocks of {sizes[0]}, the columns of {sizes[1]}")
    return "\n".join(lines)


def save(figures: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        for kind in ("png", "pdf"):
            figure.savefig(folder / f"williams-{name}.{kind}", dpi=110, bbox_inches="tight")


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.williams", description="How many components?")
    parser.add_argument("--num-restarts", type=int, default=Settings.num_restarts)
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of the figures (default: results)")
    options = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    options.out.mkdir(parents=True, exist_ok=True)
    found = compute(Settings(num_restarts=options.num_restarts))
    Console(soft_wrap=True).print(answers(found), highlight=False)
    save(plot(found), options.out)


if __name__ == "__main__":
    main()
