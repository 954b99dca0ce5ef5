"""An image built up from its components, one after the other."""

from typing import Any

import numpy as np

from experiments.lab_mnist.shared import image_grid, show
from experiments.study import Arrays, Section
from experiments.words import paragraphs, span

STEPS = (1, 2, 3, 5, 10)  # so many components are summed in the figure of the build-up


def plot(arrays: Arrays) -> dict[str, Any]:
    path, r = errors_of_build_up(arrays), arrays["W"].shape[1]
    steps = [*(step for step in STEPS if step < r), r]
    figure, grid = image_grid(arrays, len(steps) + 1)
    for j, (axes, sums) in enumerate(zip(grid, built_up(arrays), strict=True)):
        for ax, step in zip(axes, steps, strict=False):
            drawn = show(ax, sums[step], arrays, f"{step}: error {path[j, step]:.2f}")
        show(axes[-1], arrays["drawn"][:, j], arrays, "image $x$")
    figure.colorbar(drawn, ax=grid, label="grey value", shrink=0.5)
    return {"built-up": figure}


def sections(arrays: Arrays) -> list[Section]:
    question = "How do the components build an image up, one after the other?"
    return [Section(question, build_up(arrays), ("built-up",))]


def built_up(arrays: Arrays) -> list[np.ndarray]:
    """For each image drawn (r + 1, m): the sum of its k most active components, k = 0 … r."""
    W, H = arrays["W"], arrays["weights"]
    sums = [np.cumsum(W[:, order] * h[order], axis=1).T for h, order in zip(H.T, np.argsort(-H, axis=0).T, strict=True)]
    return [np.vstack([np.zeros(len(W)), each]) for each in sums]


def errors_of_build_up(arrays: Arrays) -> np.ndarray:
    """(K, r + 1): the relative error of each image with its k most active components, k = 0 … r."""
    pairs = zip(arrays["drawn"].T, built_up(arrays), strict=True)
    return np.array([np.linalg.norm(sums - x, axis=1) / np.linalg.norm(x) for x, sums in pairs])


def build_up(arrays: Arrays) -> str:
    path, fitted = errors_of_build_up(arrays), arrays["fitted"]
    few = min(5, path.shape[1] - 1)
    falls = bool(np.all(np.diff(path, axis=1) <= 1e-9))
    return paragraphs(
        "The components are added in the order of their ink. The relative error of the images in the figure is "
        f"{span(path[:, 1], '.2f')} with one component, {span(path[:, few], '.2f')} with {few}, and with all it is "
        f"{span(path[fitted, -1], '.2f')} for the fitted and {span(path[~fitted, -1], '.2f')} for the unseen images. "
        "The picture only gets brighter: a stroke that is there stays there.",
        f"The error {'falls with each component' if falls else 'does not fall with every component'}, and with exact "
        "weights it must fall. Their residual is orthogonal to each component in use, so the squared error of a "
        "partial sum is that of the whole sum plus the square of what is still missing; and what is missing is a sum "
        "of nonnegative images, which gets smaller with each that is taken from it.",
    )
