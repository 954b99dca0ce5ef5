"""Whether the objective is convex: in each factor, and not in both."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from experiments.figures import panels
from experiments.lab_synthetic import GREY, Given, Settings
from experiments.study import Arrays, Section
from experiments.words import flowing
from jnmf.plot import BLACK, BLUE, ORANGE


def compute(settings: Settings, given: Given) -> Arrays:
    """The objective along three segments, (3, T): in both factors, in W alone, in H alone; and ½(1 − wh)², (T,).

    In both: from the planted factors to the same with the components in reverse order, which are as good. In one: from
    the start's to the planted one, the other being the planted one. The last from (w, h) = (2, ½) to (½, 2).
    """
    t = np.linspace(0, 1, 41)
    V, planted, start = given.V, given.planted, given.few[0]
    between = lambda A, B: [(1 - s) * A + s * B for s in t]
    objective = lambda W, H: 0.5 * np.sum((V - W @ H) ** 2)
    (W, H), (W_start, H_start) = planted, start
    segments = (
        zip(between(W, W[:, ::-1]), between(H, H[::-1]), strict=True),
        ((A, H) for A in between(W_start, W)),
        ((W, A) for A in between(H_start, H)),
    )
    w, h = (np.array(between(np.array(a), np.array(b))) for a, b in ((2, 0.5), (0.5, 2)))
    return {
        "convex_at": t,
        "convex_values": np.array([[objective(*pair) for pair in segment] for segment in segments]),
        "convex_example": 0.5 * (1 - w * h) ** 2,
    }


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"convexity": plot_convexity(SimpleNamespace(**arrays))}


def plot_convexity(a):
    figure, (left, right) = panels(9, 3.2, 1, 2)
    left.plot(a.convex_at, a.convex_example, color=BLACK, label=r"$\frac{1}{2}(1 - wh)^2$")
    ends = a.convex_example[[0, -1]]
    left.plot(a.convex_at[[0, -1]], ends, color=GREY, linestyle=":", marker="o", label="between the ends")
    left.set(xlabel=r"from $(w, h) = (2, \frac{1}{2})$ to $(\frac{1}{2}, 2)$", ylabel="objective")
    series = (
        ("in both: $W_0, H_0$ to the same, reversed", BLACK, "-"),
        ("in $W$ alone: a start to $W_0$", BLUE, "--"),
        ("in $H$ alone: a start to $H_0$", ORANGE, "-."),
    )
    for (label, color, dash), values in zip(series, a.convex_values, strict=True):
        right.plot(a.convex_at, values, color=color, linestyle=dash, label=label)
    right.set(xlabel="place on the segment", ylabel=r"objective $\frac{1}{2}\Vert V - WH\Vert^2$")
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=8)
        axes.grid(alpha=0.3)
    return figure


def sections(arrays: Arrays) -> list[Section]:
    return [about_convexity(SimpleNamespace(**arrays))]


def about_convexity(a) -> Section:
    values, example = a.convex_values, a.convex_example
    middle, ends = values[:, len(a.convex_at) // 2], values[:, [0, -1]].mean(axis=1)
    top, mean = example[len(example) // 2], example[[0, -1]].mean()
    apart = middle[0] > ends[0] and top > mean
    alone = [bool(np.all(np.diff(v, 2) >= -1e-9 * v.max())) for v in values[1:]]
    text = f"""
        In W alone: {"yes" if alone[0] else "NO, which cannot be right"}. In H alone:
        {"yes" if alone[1] else "NO, which cannot be right"}. In the pair (W, H):
        {"no" if apart else "not refuted here"}.

        With H fixed the objective is quadratic in W, with the Hessian I ⊗ HHᵀ, which has no negative eigenvalue; with W
        fixed the one in H is WᵀW ⊗ I (statement 3 of `proofs/`, step 2). For the pair one counterexample is enough, and
        1 × 1 matrices have it: f(w, h) = ½(1 − wh)² is {example[0]:.3g} at (2, ½) and {example[-1]:.3g} at (½, 2), but
        {top:.3g} at the midpoint (1¼, 1¼). A convex f would have at most the mean of the ends, {mean:.3g}, there.

        The same on V: W0 H0 does not change when the components are put in the reverse order, so both pairs have the
        objective {values[0, 0]:.3g}. Half way between them it is {middle[0]:.4g}. Along a segment in W alone, or in H
        alone, from a random start to the planted factor, it is at the middle {middle[1]:.4g} and {middle[2]:.4g},
        where the means of the ends are {ends[1]:.4g} and {ends[2]:.4g}. That is why W and H are updated in turn.
    """
    return Section("Is the objective convex in W, in H, in both together?", flowing(text), ("convexity",))
