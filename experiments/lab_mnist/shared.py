"""What the questions read off the arrays of the study, and how they draw its images."""

import numpy as np

from experiments.figures import panels, show_image
from experiments.lab_mnist.measures import STROKE
from experiments.study import Arrays

PART = 0.75  # a component is called a part where its spread is below this fraction of that of an image


def kind_of(feature) -> str:
    """What `features` say of a component: a spot, or a stroke and its direction."""
    length, angle = feature[2:]
    if not length >= STROKE:
        return "spot"
    names = ("horizontal stroke", "stroke rising to the right", "vertical stroke", "stroke falling to the right")
    return names[round((angle % 180) / 45) % 4]


def shares(arrays: Arrays) -> np.ndarray:
    """(r, K): the share of each component in the ink of W h; 0 where there is none."""
    H = arrays["weights"]
    total = H.sum(axis=0)
    return np.divide(H, total, out=np.zeros(H.shape), where=total > 0)


def named(arrays: Arrays, j: int) -> str:
    return f"{'fitted' if arrays['fitted'][j] else 'unseen'} {arrays['columns'][j]}"


def show(ax, image, arrays: Arrays, title: str = "", **style):
    """One column as an image, on the scale of X unless told otherwise."""
    style = {"vmin": 0, "vmax": arrays["drawn"].max()} | style
    return show_image(ax, image, arrays["shape"], str(arrays["order"]), title, **style)


def image_grid(arrays: Arrays, num_columns: int):
    """A figure with a row for each image drawn, its name beside it, and the frames."""
    K = len(arrays["columns"])
    figure, grid = panels(1.08 * num_columns + 0.9, 1.28 * K, K, num_columns, squeeze=False)
    for j, axes in enumerate(grid):
        axes[0].set_ylabel(f"{named(arrays, j)}\ndigit {arrays['labels'][j]}", fontsize="small")
    return figure, grid
