"""Problem 2: Hoyer's sparsity, and when it is 1 and 0."""

from typing import Any

import jax
import numpy as np

import jnmf
from experiments.figures import blank, show_image
from experiments.problem_set import Given, Settings, checks, proved
from experiments.study import Arrays, Section
from jnmf.plot import BLUE

LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of sparsity, in the picture


def compute(settings: Settings, given: Given) -> dict[str, Any]:
    """A vector and an image at several sparsities; the two ends of the range, and draws from between."""
    X = given.X
    draw = np.random.default_rng(settings.seed)
    n = 24
    vector = np.abs(draw.standard_normal(n))
    image = X[:, 0]
    finer = np.linspace(0, 1, 101)
    chosen = np.searchsorted(finer, LEVELS)
    vectors, images = (np.asarray(jax.vmap(jnmf.project_sparsity, (None, 0))(x, finer)) for x in (vector, image))
    # Powers of positive numbers: from nearly alike to nearly a single one.
    drawn = np.abs(draw.standard_normal((2000, n))) ** draw.uniform(0.05, 8, (2000, 1))
    size, sign = draw.lognormal(0, 2, (n, 1)), draw.choice((-1, 1), (n, n))
    scores = np.asarray(jnmf.hoyer_sparsity(np.concatenate([vectors, size * np.eye(n), size * sign, drawn]), axis=1))
    of_vectors, single, alike, of_drawn = np.split(scores, np.cumsum((len(finer), n, n)))
    of_images = np.asarray(jnmf.hoyer_sparsity(np.vstack([image, images]), axis=1))
    lengths = [np.linalg.norm(A, axis=1) / np.linalg.norm(x) for A, x in ((vectors, vector), (images, image))]
    return {
        "vectors": vectors[chosen],
        "images": images[chosen],
        "image_sparsity": of_images[0],
        "projection_deviation": np.abs([of_vectors - finer, of_images[1:] - finer, *(a - 1 for a in lengths)]).max(),
        "single_sparsity": single,
        "alike_sparsity": alike,
        "drawn_sparsity": of_drawn,
    }


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"sparsity": draw_sparsities(arrays)}


def draw_sparsities(arrays: Arrays) -> Any:
    shape, order = arrays["shape"], str(arrays["order"])
    figure = blank(7.2, 3.4)
    bars, images = figure.subplots(2, len(LEVELS), height_ratios=(1, 1.4))
    for i, (ax, level) in enumerate(zip(bars, LEVELS, strict=True)):
        ax.bar(np.arange(1, 1 + arrays["vectors"].shape[1]), arrays["vectors"][i], color=BLUE)
        ax.set(title=f"s = {level:g}", ylim=(0, 1.05 * arrays["vectors"].max()), xticks=[])
        if i:
            ax.set_yticklabels([])
        show_image(images[i], arrays["images"][i], shape, order, vmin=0)
        images[i].set_xlabel(f"largest\nentry {arrays['images'][i].max():.2g}", fontsize=8)
    bars[0].set_ylabel("entry")
    images[0].set_ylabel("image")
    return figure


def sections(arrays: Arrays) -> list[Section]:
    single, alike = arrays["single_sparsity"], arrays["alike_sparsity"]
    return [
        Section(
            "Problem 2. Hoyer's sparsity: when is it 1, and when 0?",
            bounds(arrays),
            ("sparsity",),
            (
                checks(
                    ("sparsity of vectors with one nonzero entry, from 1", np.abs(single - 1)),
                    ("sparsity of vectors of one absolute value, from 0", np.abs(alike)),
                    (
                        "sparsity and length after the projection, 101 levels, from what was asked",
                        arrays["projection_deviation"],
                    ),
                ),
            ),
        )
    ]


def bounds(arrays: Arrays) -> str:
    drawn = arrays["drawn_sparsity"]
    of_parts = arrays["ALS.sparsity"][np.isfinite(arrays["ALS.sparsity"])]
    outside = np.sum((drawn < 0) | (drawn > 1)) + np.sum((of_parts < 0) | (of_parts > 1))
    return (
        "a) It is 1 exactly if x has one nonzero entry; b) it is 0 exactly if all |x_i| are equal. sparsity(x) = "
        "(√n − ‖x‖₁/‖x‖₂)/(√n − 1) measures the ratio of two norms. ‖x‖₁² − ‖x‖₂² is the sum of the products "
        "|x_i||x_j| with i ≠ j, which is 0 only if no two entries differ from 0: then the ratio is 1 and the sparsity "
        "1. n‖x‖₂² − ‖x‖₁² is half the sum of (|x_i| − |x_j|)² over all pairs, which is 0 only if all |x_i| are equal: "
        f"then the ratio is √n and the sparsity 0. {proved(16)}\n\n"
        "The figure shows one vector of 24 numbers and one image, each brought to five sparsities by the nearest "
        "nonnegative vector of the same length (jnmf.project_sparsity; the image itself has the sparsity "
        f"{arrays['image_sparsity']:.2f}). At 0 all entries are alike, at 1 one is left, which has all of the length. "
        "Each image is drawn from 0 to its own largest entry, written beneath it. Along the paths of problem 1 the "
        f"columns of W have sparsities from {of_parts.min():.2f} to {of_parts.max():.2f}. Of {drawn.size} drawn "
        f"vectors of other kinds the sparsities go from {drawn.min():.4f} to {drawn.max():.4f}; outside [0, 1] are "
        f"{outside} of them and of the columns of W."
    )
