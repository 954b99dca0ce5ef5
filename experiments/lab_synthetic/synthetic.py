"""The synthetic data: V, and the factors W0 and H0 behind it."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from experiments.study import Arrays, Section
from experiments.words import flowing


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"data": plot_data(SimpleNamespace(**arrays))}


def plot_data(a):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=(100, 60, 100))
    shown = (
        ("$V$", a.data_V, "feature", "sample"),
        ("$W_0$", a.data_W, "component", "sample"),
        ("$H_0$", a.data_H, "feature", "component"),
    )
    for one, (title, A, x, y) in zip(axes, shown, strict=True):
        image = one.imshow(A, aspect="auto", cmap="viridis", interpolation="nearest")
        one.set(title=f"{title}, {A.shape[0]} × {A.shape[1]}", xlabel=x, ylabel=y)
        figure.colorbar(image, ax=one, label="entry")
    return figure


def sections(arrays: Arrays) -> list[Section]:
    return [about_data(SimpleNamespace(**arrays))]


def about_data(a) -> Section:
    V, W, H = a.data_V, a.data_W, a.data_H
    rank = np.linalg.matrix_rank(V, rtol=1e-9)
    level = a.levels[a.main]
    text = f"""
        V is {V.shape[0]} × {V.shape[1]}, from {np.min(V):.3g} to {np.max(V):.3g}: the product of W0
        ({W.shape[0]} × {W.shape[1]}) and H0 ({H.shape[0]} × {H.shape[1]}), whose entries are the absolute values of
        normal numbers, up to {max(W.max(), H.max()):.3g}. The noise level is {level:g}, as
        {"the lab has it" if level == 0 else "chosen here, where the lab has 0"}, and the rank of V is {rank}.
        Other noise levels have a question of their own below. Every error on this page is ‖V − WH‖ / ‖V‖; a single
        component can get it down to {a.rank_one[a.main]:.3g}.
    """
    return Section("What do V and the factors W0 and H0 behind it look like?", flowing(text), ("data",))
