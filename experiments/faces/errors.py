"""How good each approximation is."""

import numpy as np

from experiments.faces import FORMS, METHODS, of, title_of
from experiments.faces.low_rank import against
from experiments.study import Arrays, Section, Table
from experiments.words import listed, percent


def sections(arrays: Arrays) -> list[Section]:
    return [Section("How good is each approximation?", errors_answer(arrays), tables=(errors_table(arrays),))]


def errors_answer(arrays: Arrays) -> str:
    paragraphs = []
    for form, methods in FORMS.items():
        error = dict(zip(methods, arrays[f"error_{form}"].tolist(), strict=True))
        order = sorted(error, key=error.__getitem__)
        ranked = listed([f"{METHODS[method][0]} {error[method]:.4f}" for method in order])
        above = error["hals"] / against(arrays, form).bound - 1
        paragraphs.append(
            f"{title_of(arrays, form)}, relative error from the least to the largest: {ranked}. NMF (Frobenius) is "
            f"{percent(above)} above the bound of the SVD."
        )
    kl, hals = (of(arrays, "divergence", "lee_seung", method) for method in ("kl", "hals"))
    other = f"{hals:.1f}" if np.isfinite(hals) else "infinite (its model is 0 at pixels where X is not)"
    unfinished = " After these iterations the first is not below the second." if kl > hals else ""
    return (
        "\n\n".join(paragraphs) + "\n\n"
        "PCA has the error of the bound, below which no factorisation of this rank can come. The constraints of NMF "
        "and of k-means, which is a factorisation with a single 1 in each column of H, cost the rest. NMF had "
        f"{int(arrays['num_iters'])} iterations.\n\n"
        f"The two NMFs minimise different losses. Of {title_of(arrays, 'lee_seung')}, the KL divergence is {kl:.1f} "
        f"for the one that minimises it, and {other} for the one that minimises the Frobenius norm.{unfinished}"
    )


def errors_table(arrays: Arrays) -> Table:
    rows = []
    for form, methods in FORMS.items():
        rows.append((title_of(arrays, form), "SVD, the bound", f"{against(arrays, form).bound:.6f}", ""))
        for i, method in enumerate(methods):
            divergence = arrays[f"divergence_{form}"][i]
            shown = "" if np.isnan(divergence) else "∞" if np.isinf(divergence) else f"{divergence:.1f}"
            rows.append(("", METHODS[method][0], f"{arrays[f'error_{form}'][i]:.6f}", shown))
    caption = f"{int(arrays['num_iters'])} iterations of NMF. The divergence is for models without negative entries."
    return Table(("pictures", "method", "relative error", "KL divergence"), rows, caption)
