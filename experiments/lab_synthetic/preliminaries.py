"""The preliminary questions: traces, gradients, least squares solutions, each proved in `proofs/`."""

from types import SimpleNamespace

from experiments.study import Arrays, Section, Table
from experiments.words import flowing


def sections(arrays: Arrays) -> list[Section]:
    return [about_preliminaries(SimpleNamespace(**arrays))]


def about_preliminaries(a) -> Section:
    text = f"""
        The table has them; the objective has the factor ½, so that the gradients have none. They are derived, step by
        step, in `proofs/`, where V is called X, and checked there against automatic differentiation and in exact
        arithmetic; `python -m proofs 1 2 3` runs the three statements.

        Evaluated on this V at a random start: the traces give the objective up to {a.function_traces:.0e} of it, and
        at the two least squares solutions the gradients are {a.function_stationary[0]:.0e} and
        {a.function_stationary[1]:.0e} of those at the start, which is 0 up to rounding.
    """
    rows = [
        (
            "objective by traces",
            "½‖V − WH‖² = ½ tr VᵀV − tr HᵀWᵀV + ½ tr HᵀWᵀWH",
            "statement 1, frobenius_in_traces.py",
        ),
        ("gradient in W, H fixed", "∇_W = W HHᵀ − V Hᵀ", "statement 2, frobenius_gradients.py"),
        ("gradient in H, W fixed", "∇_H = WᵀW H − WᵀV", "statement 2, frobenius_gradients.py"),
        ("least squares for W, H fixed", "W* = V Hᵀ (HHᵀ)⁻¹", "statement 3, least_squares_solutions.py"),
        ("least squares for H, W fixed", "H* = (WᵀW)⁻¹ WᵀV", "statement 3, least_squares_solutions.py"),
    ]
    table = Table(("question", "answer", "derived in proofs/"), rows, "The preliminary questions.")
    question = "What are the objective in traces, its gradients, and the least squares solutions for W and for H?"
    return Section(question, flowing(text), (), (table,))
