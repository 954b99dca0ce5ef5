"""Why NMF gives parts."""

import numpy as np
from matplotlib.figure import Figure

from experiments.faces import FORMS, METHODS, of, title_of
from experiments.faces.drawing import strips
from experiments.faces.methods import ENERGY
from experiments.figures import panels
from experiments.study import Arrays, Section, Table
from experiments.words import listed, percent


def plot(arrays: Arrays) -> dict[str, Figure]:
    figure, axes = panels(
        7.5, 6, len(FORMS), 2, sharey="row", height_ratios=[len(methods) for methods in FORMS.values()]
    )
    for pair, (form, methods) in zip(axes, FORMS.items(), strict=True):
        for ax, field, factor in zip(pair, ("hoyer", "support"), (1, 100), strict=True):
            values = factor * arrays[f"{field}_{form}"]
            strips(ax, [(METHODS[method][0], values[i], *METHODS[method][1:]) for i, method in enumerate(methods)])
        pair[0].set(xlim=(0, 1))
        pair[1].set(xlim=(0, 100))
        pair[0].set_title(title_of(arrays, form), fontsize=10, loc="left")
    axes[-1, 0].set_xlabel("Hoyer sparsity of a component\n(0: all pixels alike, 1: a single pixel)")
    axes[-1, 1].set_xlabel(f"support of a component, % of the pixels\n({percent(ENERGY)} of its sum of squares)")
    return {"sparsity": figure}


def sections(arrays: Arrays) -> list[Section]:
    return [Section("Why does NMF give parts?", parts_answer(arrays), ("sparsity",), (parts_table(arrays),))]


def parts_answer(arrays: Arrays) -> str:
    form = "lee_seung"
    value = {
        field: {method: float(np.median(of(arrays, field, form, method))) for method in FORMS[form]}
        for field in ("cancelled", "active", "hoyer")
    }
    support_of = {method: float(np.median(of(arrays, "support", form, method))) for method in FORMS[form]}
    nothing = max(value["cancelled"][method] for method in ("kl", "hals", "vq")) < 1e-9
    by_sparsity = sorted(value["hoyer"].items(), key=lambda item: -item[1])
    ranked = listed([f"{METHODS[method][0]} {hoyer:.2f}" for method, hoyer in by_sparsity])
    active = value["active"]
    sparsest, smallest = by_sparsity[0][0], min(support_of, key=lambda method: support_of[method])
    if {sparsest, smallest} <= {"kl", "hals"}:
        verdict = "Because its terms cannot cancel"
    elif sparsest in ("kl", "hals") or smallest in ("kl", "hals"):
        verdict = "Here only one of the two measures has NMF first"
    else:
        verdict = "Here it does not: another method has the sparser and smaller components"
    return (
        f"{verdict}. From the sparsest on, by the median of Hoyer's measure: {ranked}. The smallest components, by "
        f"their median support, are those of {METHODS[smallest][0]}, {percent(support_of[smallest])} of the pixels "
        f"({title_of(arrays, form)}). (Hoyer's sparsity is 0 if all pixels are alike and 1 for a single pixel; the "
        f"support is the least share of the pixels that holds {percent(ENERGY)} of the sum of squares.)\n\n"
        "Of all the brightness that the components of PCA add to the pictures and take from them, "
        f"{percent(value['cancelled']['pca'])} cancels; of that of NMF and k-means "
        f"{'nothing does' if nothing else 'some does too, which should not be'}. The usual explanation of parts is "
        "this: where a picture is dark, every component that is bright there must have weight 0, so that a component "
        "as large as a face fits only faces that are bright wherever it is.\n\n"
        f"In a picture {active['kl']:.0f} (KL) and {active['hals']:.0f} (Frobenius) components take part, against "
        f"{active['vq']:.0f} in k-means, where no two may, and {active['pca']:.0f} in PCA. (This is the effective "
        "number, 1/Σp² for their shares p of the brightness.)"
    )


def parts_table(arrays: Arrays) -> Table:
    rows = []
    for form, methods in FORMS.items():
        for i, method in enumerate(methods):
            numbers = (
                f"{np.median(arrays[f'hoyer_{form}'][i]):.3f}",
                percent(np.median(arrays[f"support_{form}"][i]), 1),
                f"{arrays[f'active_{form}'][i]:.1f}",
                percent(abs(arrays[f"cancelled_{form}"][i]), 1),
            )
            rows.append((title_of(arrays, form) if i == 0 else "", METHODS[method][0], *numbers))
    return Table(
        ("pictures", "method", "Hoyer sparsity", "support", "components a picture", "cancels"),
        rows,
        "Medians over the components; effective number of components in a picture, mean over the pictures.",
    )
