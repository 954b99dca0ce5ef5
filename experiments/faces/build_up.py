"""One face built up by each method."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.faces import FORMS, METHODS, of, shape_of, title_of
from experiments.faces.drawing import scale
from experiments.figures import panels
from experiments.study import Arrays, Section
from experiments.words import counted, percent

TERMS = 6  # components of the build-up that are drawn one by one


def plot(arrays: Arrays) -> dict[str, Figure]:
    return {"build_up": build_up(arrays, "lee_seung")}


def build_up(arrays: Arrays, form: str) -> Figure:
    """For each method the largest terms of one picture, and below them their sum so far, on the scale of the picture; a
    method with a single term has one row, which also shows the original."""
    methods, shape, x = FORMS[form], shape_of(arrays, form), arrays[f"x_{form}"]
    counts = build_up_counts(arrays[f"h_{form}"].shape[1])
    terms = {m: sorted_terms(arrays[f"W_{form}"][i], arrays[f"h_{form}"][i]) for i, m in enumerate(methods)}
    used = {m: int(np.count_nonzero(np.any(terms[m], axis=0))) for m in methods}
    rows = [(m, kind) for m in methods for kind in (("term", "sum") if used[m] > 1 else ("term",))]
    figure, axes = panels(8.6, 1.05 * len(rows), len(rows), len(counts) + 1, squeeze=False)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[], frame_on=False)
    shown: dict[bool, Any] = {}

    def draw(ax, picture, method, title):
        drawn = ax.imshow(picture.reshape(shape, order="F"), **scale(method, x.max()))
        ax.set_title(title, fontsize=8)
        ax.set_frame_on(True)
        shown[method == "pca"] = drawn

    for line, (method, kind) in zip(axes, rows, strict=True):
        sums = np.cumsum(terms[method], axis=1)
        name = METHODS[method][0].replace(", ", ",\n").replace(" (", "\n(")
        line[0].set_ylabel(name if kind == "term" else "sum so far", fontsize=8)
        for ax, count in zip(line, counts, strict=False):
            if kind == "term" and count <= min(used[method], TERMS):
                draw(ax, terms[method][:, count - 1], method, f"term {count}")
            elif kind == "sum" and count < used[method]:
                draw(ax, sums[:, count - 1], "pca" if sums.min() < 0 else method, f"sum of {count}")
        if kind == "sum":
            draw(line[-1], sums[:, -1], "pca" if sums.min() < 0 else method, f"all {used[method]}")
        elif used[method] == 1:
            draw(line[-1], x, method, "original")
    for signed, drawn in shown.items():
        of = [line for line, (method, _) in zip(axes, rows, strict=True) if (method == "pca") == signed]
        figure.colorbar(drawn, ax=[ax for line in of for ax in line], label="brightness", shrink=min(1.0, 3 / len(of)))
    return figure


def build_up_counts(rank: int) -> list[int]:
    """After how many terms the sum is drawn: the first TERMS one by one, then twice as many each time."""
    doubled = [TERMS * 2**k for k in range(1, 10)]
    return [k for k in (*range(1, TERMS + 1), *doubled) if k < 0.8 * rank]


def sorted_terms(W, h) -> np.ndarray:
    """(m, r): the terms h_k w_k of a picture, the longest first."""
    terms = W * h
    return terms[:, np.argsort(-np.linalg.norm(terms, axis=0), kind="stable")]


def sections(arrays: Arrays) -> list[Section]:
    return [Section("How is one face built up?", build_up_answer(arrays), ("build_up",))]


def build_up_answer(arrays: Arrays) -> str:
    form = "lee_seung"
    x, lines = arrays[f"x_{form}"], []
    for method in FORMS[form]:
        terms = sorted_terms(of(arrays, "W", form, method), of(arrays, "h", form, method))
        sums = np.hstack([np.zeros((len(x), 1)), np.cumsum(terms, axis=1)])
        errors = np.linalg.norm(sums - x[:, None], axis=0)
        near = int(np.argmax(errors <= errors[-1] + 0.1 * (errors[0] - errors[-1])))
        negative = "none" if terms.min() >= 0 else percent(float(np.mean(terms[:, np.any(terms, axis=0)] < 0)))
        lines.append(f"{METHODS[method][0]} {counted(near, 'term')}, {negative} of the entries negative")
    return (
        "As a sum of terms, weight times component. To come from the error without any to within a tenth of that of "
        f"all takes {'; '.join(lines)}.\n\n"
        f"The picture is number {int(arrays['face'])} of {title_of(arrays, form)}. The figure shows for each method "
        "the largest terms one by one in the upper row, and their sum so far in the lower row, all on the scale of the "
        "picture.\n\n"
        "In NMF the sum only grows, so a term must be something that is in the picture. In PCA a later term may take "
        "away what an earlier one added, so no single term has to be in the picture. In k-means there is one term, the "
        "whole face."
    )
