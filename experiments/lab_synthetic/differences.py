"""The main differences between the methods, in sum."""

from types import SimpleNamespace

import numpy as np

from experiments.lab_synthetic import by_name, curves, names, preceding, three
from experiments.lab_synthetic.methods import REFERENCE, rose
from experiments.study import Arrays, Section, Table
from experiments.words import flowing, listed, span


def sections(arrays: Arrays) -> list[Section]:
    return [about_differences(SimpleNamespace(**arrays))]


def about_differences(a) -> Section:
    median = by_name(a, a.final)
    rises = {name: rose(preceding(a, name), curves(a, name)).sum(axis=1) for name in names(a)}
    rules = {
        "ALS": ("least squares, then projected", "none"),
        "BCD (fixed step)": (
            "gradient steps, then projected",
            f"η = {float(a.step_best / a.step_norm):.1e}, tried out",
        ),
        "BCD (1/L)": ("gradient steps, then projected", "computed, 1/‖HHᵀ‖₂ and 1/‖WᵀW‖₂"),
        "MU": ("multiplied entry by entry", "none"),
        REFERENCE: ("one column at a time, exactly", "none"),
    }
    asked = three(a)
    zeros_of = {name: a.zeros[i].mean() for i, name in enumerate(names(a))}
    with_zeros = [name for name in asked if zeros_of[name] > 0]
    without = [name for name in asked if name not in with_zeros]
    rising = [name for name in asked if rises[name].any()]
    best = min(asked, key=median.__getitem__)
    text = f"""
        In sum: the objective {f"rises with {listed(rising)} and" if rising else "rises with none of them, and"} never
        with {listed(name for name in asked if name not in rising) or "the others"}. A step has to be chosen for BCD
        with fixed steps alone. Exact zeros in W and H are made by {listed(with_zeros) or "none"}
        {f"and not by {listed(without)}" if without else ""}. {best} has the lowest median error. How near the
        methods are to a stationary point is shown by the norm of the projected gradient. The next two questions ask
        what noise and a wrong rank change.
    """
    rows = [
        (
            name,
            *rules[name],
            "never" if not rises[name].any() else f"in {span(rises[name], 'd')} of {a.error.shape[2]}",
            f"{100 * zeros_of[name]:.1f} %",
            f"{median[name]:.5f}",
            f"{np.median(a.kkt[i]):.1e}",
        )
        for i, name in enumerate(names(a))
    ]
    columns = ("method", "update", "step to choose", "objective rises", "zeros in W, H", "median error", "gradient")
    caption = "Medians over the starts. Gradient: the norm of the projected gradient at the end, relative to the start."
    question = "What are the main differences between the three methods?"
    return Section(question, flowing(text), (), (Table(columns, rows, caption),))
