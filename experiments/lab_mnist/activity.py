"""The components that are most active in an image, and the features of the digit that they are."""

from typing import Any, NamedTuple

import numpy as np

from experiments.lab_mnist import Given, Settings
from experiments.lab_mnist.build_up import errors_of_build_up
from experiments.lab_mnist.measures import BRIGHT, STROKE
from experiments.lab_mnist.shared import image_grid, kind_of, named, shares, show
from experiments.study import Arrays, Section, Table
from experiments.words import paragraphs, span

NUM_ACTIVE = 6  # components drawn for an image
ASIDE = 0.4  # of the spread along an axis: nearer to the middle is neither left nor right, up nor down
NUM_RELATED = 3  # of the most active components, related to the image


def compute(settings: Settings, given: Given) -> Arrays:
    """weights (r, K): the best H for W, of the images drawn."""
    return {"weights": given.weights[:, given.digits.shown]}


def plot(arrays: Arrays) -> dict[str, Any]:
    share, r = shares(arrays), arrays["W"].shape[1]
    count = min(NUM_ACTIVE, r)
    figure, grid = image_grid(arrays, count + 2)
    for j, axes in enumerate(grid):
        h = arrays["weights"][:, j]
        drawn = show(axes[0], arrays["drawn"][:, j], arrays, "image $x$")
        for ax, k in zip(axes[1:-1], np.argsort(-h)[:count], strict=True):
            show(ax, h[k] * arrays["W"][:, k], arrays, f"{k + 1}: {share[k, j]:.0%}")
        show(axes[-1], arrays["W"] @ h, arrays, f"all {r}: $Wh$")
    figure.colorbar(drawn, ax=grid, label="grey value", shrink=0.5)
    return {"active": figure}


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "Which components are most active in an image, and which features of the digit are they?",
            activity(arrays),
            ("active",),
            (active_table(arrays), feature_table(arrays)),
        )
    ]


def activity(arrays: Arrays) -> str:
    active, r = np.count_nonzero(arrays["weights"], axis=0), arrays["W"].shape[1]
    five = 100 * np.sort(shares(arrays), axis=0)[::-1][:5].sum(axis=0)
    related = [row for j in range(len(arrays["columns"])) for row in relate(arrays, j)]
    strokes = sum(one.kind != "spot" for one in related)
    on, others = np.mean([one.on for one in related]), np.nanmean(on_the_ink(arrays))
    return paragraphs(
        f"{'They lie' if on > others else 'They do not lie'} on the strokes of the digit more than other components: "
        f"{on:.0%} of the ink of the {NUM_RELATED} most active of each image is where the image has ink, in the mean, "
        f"and {others:.0%} of that of all components. Of these {len(related)} components {strokes} are strokes and "
        f"{len(related) - strokes} are spots; the second table says what each is and where it lies.",
        "The size of a weight means nothing by itself, since W can take the scale over. So the columns of W are made "
        "to sum to 1: then H_kj is the ink, the sum of grey values, that component k puts into image j. The "
        "percentages are its share of all the ink in W h. In the figure each component is drawn with its weight: the "
        "grey values that it adds.",
        "The unseen images are drawn at random from those that had no part in the fit. `jnmf.transform` finds their "
        "weights for the W of the fit, the exact solution of a nonnegative least squares problem, and those of the "
        f"fitted images too, to be fair. Of {r} components the images in the figure use {span(active, 'd')} (all "
        f"images: {arrays['used'][0]:.0f} in the mean); the five most active bring {span(five, '.0f')} % of the ink.",
    )


class Related(NamedTuple):
    """An active component k of an image: its share of the ink, what it is, where, how much of it is on the digit."""

    k: int
    share: float
    kind: str
    place: str
    on: float


def relate(arrays: Arrays, j: int) -> list[Related]:
    """The most active components of image j."""
    share, on = shares(arrays)[:, j], on_the_ink(arrays)[:, j]
    best = [k for k in np.argsort(-share)[:NUM_RELATED] if share[k] > 0]
    feature = arrays["features"]
    return [
        Related(int(k), float(share[k]), kind_of(feature[k]), place_of(arrays, feature[k]), float(on[k])) for k in best
    ]


def on_the_ink(arrays: Arrays) -> np.ndarray:
    """(r, K): the share of each component's ink on the pixels where the image has any; the columns of W sum to 1."""
    return arrays["W"].T @ (arrays["drawn"] > 0)


def place_of(arrays: Arrays, feature) -> str:
    """Where it lies, from the middle of all ink."""
    side = float(arrays["whole_spread"]) / np.sqrt(2)
    down, right = (feature[:2] - arrays["centre"]) / side
    vertical = "upper" if down < -ASIDE else "lower" if down > ASIDE else ""
    horizontal = "left" if right < -ASIDE else "right" if right > ASIDE else ""
    return " ".join(filter(None, (vertical, horizontal))) or "middle"


def feature_table(arrays: Arrays) -> Table:
    rows = [
        (
            named(arrays, j),
            str(arrays["labels"][j]),
            str(one.k + 1),
            f"{one.share:.0%}",
            one.kind,
            one.place,
            f"{one.on:.0%}",
        )
        for j in range(len(arrays["columns"]))
        for one in relate(arrays, j)
    ]
    columns = ("image", "digit", "component", "share of the ink", "what it is", "where", "on the ink of the image")
    caption = (
        f"A stroke is at least {STROKE:g} times as long as wide where it has at least {BRIGHT:.0%} of its largest "
        "entry, a spot is not; and where this is, from the middle of the ink of "
        "all images."
    )
    return Table(columns, rows, caption)


def active_table(arrays: Arrays) -> Table:
    path, rows = errors_of_build_up(arrays), []
    for j, share in enumerate(shares(arrays).T):
        best = [k for k in np.argsort(-share)[:5] if share[k] > 0]
        rows.append(
            (
                named(arrays, j),
                str(arrays["labels"][j]),
                str(np.count_nonzero(share)),
                ", ".join(f"{k + 1} ({share[k]:.0%})" for k in best),
                f"{path[j, -1]:.3f}",
            )
        )
    columns = ("image", "digit", "components in use", "most active (share of the ink)", "error")
    return Table(columns, rows, "Components are numbered as in the figure of the basis, by their ink in all images.")
