"""The data: dimensions, and three rows as images."""

from typing import Any

import numpy as np

from experiments.figures import panels
from experiments.lab_mnist import Given, Settings
from experiments.lab_mnist.measures import features
from experiments.lab_mnist.shared import show
from experiments.study import Arrays, Section
from experiments.words import counted, paragraphs


def compute(settings: Settings, given: Given) -> Arrays:
    """size (2,): m and n; shape (2,) of an image; order; label_counts (10,).
    zeros, blank: the share of the entries of X that are 0, and the number of pixels that are 0 in every image.
    whole_spread: the median `spread` of an image. centre (2,): the row and the column of the middle of all ink.
    drawn (m, K), columns (K,), labels (K,), fitted (K,) bool; nearest (K,): the digit whose mean image is nearest.
    """
    digits, X = given.digits, given.digits.X
    labels = digits.labels[: digits.n]
    means = {label: X[:, labels == label].mean(axis=1) for label in np.unique(labels)}
    nearest = [min(means, key=lambda label: np.sum((x - means[label]) ** 2)) for x in digits.all[:, digits.shown].T]
    return {
        "size": np.array(X.shape),
        "shape": np.array(digits.shape),
        "order": np.array(digits.order),
        "label_counts": np.bincount(digits.labels[: digits.n], minlength=10),
        "zeros": np.mean(X == 0),
        "blank": np.sum(~np.any(X, axis=1)),
        "whole_spread": np.nanmedian(digits.spread(X)),
        "centre": features(X.sum(axis=1, keepdims=True), digits.shape, digits.order, 0.0)[0, :2],
        "nearest": np.array(nearest),
        "drawn": digits.all[:, digits.shown],
        "columns": digits.columns[digits.shown],
        "labels": digits.labels[digits.shown],
        "fitted": digits.shown < digits.n,
    }


def plot(arrays: Arrays) -> dict[str, Any]:
    given = np.flatnonzero(arrays["fitted"])
    figure, grid = panels(1.8 * len(given) + 0.8, 2.2, columns=len(given), squeeze=False)
    for ax, j in zip(grid[0], given, strict=True):
        drawn = show(ax, arrays["drawn"][:, j], arrays, f"image {arrays['columns'][j]}: digit {arrays['labels'][j]}")
    figure.colorbar(drawn, ax=grid, label="grey value")
    return {"digits": figure}


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section("What are the dimensions of V_mnist, and what is a row?", dimensions(arrays)),
        Section("Three rows as images: do they look like their labels?", pictures(arrays), ("digits",)),
    ]


def dimensions(arrays: Arrays) -> str:
    (m, n), (height, width) = arrays["size"], arrays["shape"]
    way = "row by row" if arrays["order"] == "C" else "column by column"
    counts = arrays["label_counts"]
    return paragraphs(
        f"V_mnist is {n} × {m}: each row is an image of {height} × {width} = {m} pixels, read {way}, and each column "
        "one pixel through all images. An entry is a grey value from 0 (background) to 1 (ink).",
        f"This page has the images as columns, in X = V_mnistᵀ, {m} × {n}. So X ≈ W H here is V_mnist ≈ HᵀWᵀ: a column "
        "of W is a basis image, and a column of H holds the coefficients of one image. The error is the same.",
        f"{arrays['zeros']:.1%} of the entries are 0, and {counted(arrays['blank'], 'pixel')} of {m} are 0 in every "
        f"image. There are from {counts.min()} to {counts.max()} images of a digit. The fit does not see the labels.",
    )


def pictures(arrays: Arrays) -> str:
    given = arrays["fitted"]
    labels, nearest = arrays["labels"][given], arrays["nearest"][given]
    pairs = zip(arrays["columns"][given], labels, nearest, strict=True)
    agree = int(np.sum(labels == nearest))
    number = f"{agree or 'None'} of the {len(labels)} images {'is' if agree == 1 else 'are'}"
    return (
        f"{number} nearest to the mean image of the digit that the label names; for the rest, judge by the figure. "
        "Counted from 0: "
        + "; ".join(f"image {j} is labelled {label}, and the nearest mean is that of {k}" for j, label, k in pairs)
        + ". White is ink."
    )
