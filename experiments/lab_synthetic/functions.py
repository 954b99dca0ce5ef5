"""The lab's functions, held against what is not the library."""

from types import SimpleNamespace

import numpy as np

import jnmf
from experiments.lab_synthetic import Given, Settings
from experiments.study import Arrays, Section, Table
from experiments.words import flowing
from jnmf.losses import frobenius

DIRECTIONS = 20  # in which a gradient is held against differences


def compute(settings: Settings, given: Given) -> Arrays:
    """What the lab's functions give at the start, and what they should: relative deviations.

    function_traces: the objective by traces; function_W, function_H: the gradients from central differences in random
    directions, the largest deviation; function_least (2,): the least entry of a matrix of normal numbers, and of its
    projection; function_stationary (2,): the gradient at the least squares solutions for W and H, relative to that at
    the start.
    """
    V, start = given.V, given.few[0]
    W, H = start
    traces = 0.5 * (np.trace(V.T @ V) - 2 * np.trace(H.T @ W.T @ V) + np.trace(H.T @ W.T @ W @ H))
    value = float(frobenius(V, W, H))
    gradients = np.asarray(frobenius.grad_W(V, W, H)), np.asarray(frobenius.grad_H(V, W, H))
    draw = np.random.default_rng(settings.seed)

    def deviation(block: int) -> float:
        worst = 0.0
        for _ in range(DIRECTIONS):
            D = draw.standard_normal(start[block].shape)
            moved = [[A + s * D if k == block else A for k, A in enumerate(start)] for s in (1e-4, -1e-4)]
            difference = float(frobenius(V, *moved[0]) - frobenius(V, *moved[1])) / 2e-4
            slope = np.vdot(gradients[block], D)
            scale = np.linalg.norm(gradients[block]) * np.linalg.norm(D)
            worst = max(worst, float(abs(difference - slope) / scale))
        return worst

    signed = draw.standard_normal((5, 4))
    W_best = np.linalg.solve(H @ H.T, H @ V.T).T
    H_best = np.linalg.solve(W.T @ W, W.T @ V)
    stationary = (
        np.linalg.norm(frobenius.grad_W(V, W_best, H)) / np.linalg.norm(gradients[0]),
        np.linalg.norm(frobenius.grad_H(V, W, H_best)) / np.linalg.norm(gradients[1]),
    )
    return {
        "function_objective": np.array(value),
        "function_traces": np.array(abs(traces / value - 1)),
        "function_W": np.array(deviation(0)),
        "function_H": np.array(deviation(1)),
        "function_least": np.array([signed.min(), np.min(jnmf.project_nonnegative(signed))]),
        "function_stationary": np.array(stationary),
    }


def sections(arrays: Arrays) -> list[Section]:
    return [about_functions(SimpleNamespace(**arrays))]


def about_functions(a) -> Section:
    small = max(a.function_traces, a.function_W, a.function_H) < 1e-6 and a.function_least[1] == 0
    text = f"""
        {"Yes" if small else "NO: a deviation is larger than rounding"}. The library has them under the names in the
        table, and each is held against something that is not the library, at a random start.
    """
    rows = [
        ("objective(V, W, H)", "jnmf.losses.frobenius", "by traces, NumPy", f"{a.function_traces:.0e}"),
        ("grad_W(V, W, H)", "jnmf.losses.frobenius.grad_W", "central differences", f"{a.function_W:.0e}"),
        ("grad_H(V, W, H)", "jnmf.losses.frobenius.grad_H", "central differences", f"{a.function_H:.0e}"),
        (
            "project_nonnegative(X)",
            "jnmf.project_nonnegative",
            f"least entry {a.function_least[0]:.3g} before",
            f"{a.function_least[1]:.3g} after",
        ),
    ]
    columns = ("in the lab", "in the library", "held against", "deviation")
    table = Table(columns, rows, f"Gradients: the largest deviation in {DIRECTIONS} random directions, relative.")
    question = "Do objective, grad_W, grad_H and project_nonnegative give what they should?"
    return Section(question, flowing(text), (), (table,))
