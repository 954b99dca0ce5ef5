"""Section 5: a summary at the small k, building blocks at the large one."""

from typing import Any

import numpy as np

import jnmf
from experiments.lecture import Given, Settings, runs
from experiments.lecture.algorithms import ANLS, METHODS, NAMES
from experiments.study import Arrays, Section, Table
from experiments.words import listed, span
from jnmf import Factors

EXAMPLE, PARTS = 1, 6  # the image that is taken apart, and how many of its parts are drawn
VISIBLE = 0.1  # of its largest pixel: what counts to the support of a feature
ACTIVE = 0.01  # of the brightness of an image: a feature that adds as much is counted as used in it
# What speaks for building blocks at the last rank: which way each trait goes, how it is written, and what it is.
TRAITS = {
    "support": (-1, ".0%", "the part of the pixels that a feature covers"),
    "sparsity": (1, ".2f", "the Hoyer sparsity of a feature"),
    "resemblance": (-1, ".2f", "the cosine of a feature with the mean image of the digit that it is most like"),
    "active": (1, ".1f", "the number of features that an image uses"),
}


def compute(settings: Settings, given: Given) -> Arrays:
    """The `traits` of the features as printed, each (K, A); parts (K, m, 2 + PARTS): `taken_apart` by ANLS."""
    found = [
        traits(Factors(run.factors.W, run.compensated_H), given.digits) for of_rank in given.runs for run, _ in of_rank
    ]
    shape = len(given.ranks), len(METHODS)
    return {
        **{name: np.array([one[name] for one in found]).reshape(shape) for name in found[0]},
        "parts": np.stack([taken_apart(given.X, of_rank[ANLS][1].factors) for of_rank in given.runs]),
    }


def traits(factors: Factors, digits) -> dict[str, Any]:
    """What the features are like, the columns of W (m, k): means over those that are not zero.

    sparsity: Hoyer's. support: the part of the pixels above a tenth of the feature's largest. resemblance: the cosine
    with the mean image of the digit that it is most like, among `digits` (m, D). active: the mean over the images of
    the number of components that add at least a hundredth of the image's light. dead: the number of zero columns.
    """
    W, H = factors
    live = W[:, W.max(axis=0) > 0]
    unit = lambda A: A / np.linalg.norm(A, axis=0)
    light = W.sum(axis=0)[:, None] * H
    return {
        "sparsity": np.mean(jnmf.hoyer_sparsity(live, axis=0)),
        "support": np.mean(live > VISIBLE * live.max(axis=0)),
        "resemblance": np.mean(np.max(unit(digits).T @ unit(live), axis=0)),
        "active": np.mean(np.sum(light > ACTIVE * light.sum(axis=0), axis=0)),
        "dead": np.array(W.shape[1] - live.shape[1]),
    }


def taken_apart(X, factors: Factors) -> np.ndarray:
    """(m, 2 + PARTS): the image EXAMPLE, what the factors make of it, and the largest parts of this, by their light."""
    W, H = factors
    parts = W * H[:, EXAMPLE]
    largest = np.argsort(-parts.sum(axis=0))[:PARTS]
    missing = PARTS - len(largest)
    return np.column_stack([X[:, EXAMPLE], parts.sum(axis=1), np.pad(parts[:, largest], ((0, 0), (0, missing)))])


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"parts": draw_parts(arrays)}


def draw_parts(arrays: Arrays):
    """An image, what ANLS makes of it, and the largest parts that it makes it of: a row for each rank."""
    titles = []
    for k, images in zip(arrays["ranks"], arrays["parts"], strict=True):
        share = images.sum(axis=0) / images[:, 1].sum()
        titles += [f"image\n(k = {k})", "$Wh$", *(f"part {i + 1}:\n{part:.0%}" for i, part in enumerate(share[2:]))]
    figure = jnmf.plot.components(
        np.hstack(list(arrays["parts"])),
        tuple(arrays["image_shape"].tolist()),
        order=str(arrays["order"]),
        num_columns=2 + PARTS,
        titles=titles,
        cmap="gray_r",
    )
    figure.axes[-1].set_ylabel("brightness")
    return figure


def sections(arrays: Arrays) -> list[Section]:
    first, last = arrays["ranks"][[0, -1]]
    return [
        Section(
            f"5. Does NMF give a summary of the data at k = {first}, and building blocks at k = {last}?",
            on_building_blocks(arrays),
            ("parts",),
            (traits_table(arrays),),
        )
    ]


def on_building_blocks(arrays: Arrays) -> str:
    first, last = arrays["ranks"][[0, -1]]
    told = [
        f"{what} is {span(arrays[trait][0], form)} at k = {first}"
        + (f" and {span(arrays[trait][-1], form)} at k = {last}" if last != first else "")
        for trait, (_, form, what) in TRAITS.items()
    ]
    against = [
        f"{trait} with {name}"
        for trait, (sign, *_) in TRAITS.items()
        for method, name in enumerate(NAMES)
        if not sign * (arrays[trait][-1, method] - arrays[trait][0, method]) > 0
    ]
    if first == last:
        text = "With one k there is nothing to compare it with."
    elif against:
        text = f"Not in all respects: these do not change as building blocks would have it: {listed(against)}."
    else:
        text = (
            f"Yes, by all four measures and with all three algorithms. At k = {first} the features are larger and "
            f"more like a whole digit. At k = {last} each is a smaller part, and an image uses more of them."
        )
    return (
        f"{text}\n\nIn numbers, from the least to the largest of the three algorithms: {'; '.join(told)}. An image "
        f"uses a feature that adds at least {ACTIVE:.0%} of its brightness.\n\n"
        "The figure takes one image apart: the image, what ANLS makes of it, and the largest parts of this, each with "
        "its share of the brightness."
    )


def traits_table(arrays: Arrays) -> Table:
    rows = []
    for i, method, *names in runs(arrays):
        told = (f"{arrays[trait][i, method]:{form}}" for trait, (_, form, _) in TRAITS.items())
        rows.append((*names, *told, str(arrays["dead"][i, method])))
    columns = ("k", "algorithm", "covers", "Hoyer sparsity", "cosine with a digit", "used in an image", "zero columns")
    return Table(columns, rows, "Means over the columns of W that are not zero, and over the images.")
