"""Which of NMF and PCA is easier to interpret."""

import numpy as np

from experiments.study import Arrays, Section
from experiments.words import paragraphs


def sections(arrays: Arrays) -> list[Section]:
    question = "Which of the two is easier for a human to interpret, and why?"
    return [Section(question, interpretation(arrays))]


def measures(arrays: Arrays) -> dict[str, bool]:
    """By which measures the components of NMF are easier to interpret than those of PCA."""
    used, used_by_pca = arrays["used"]
    return {
        "sparsity": bool(np.mean(arrays["hoyer"]) > np.mean(arrays["pca_hoyer"])),
        "spread": bool(np.nanmean(arrays["spread"]) < np.mean(arrays["pca_spread"])),
        "number of components in an image": bool(used < used_by_pca),
    }


def interpretation(arrays: Arrays) -> str:
    (nmf, pca), (used, used_by_pca), r = arrays["cancelled"], arrays["used"], arrays["W"].shape[1]
    hoyer, pca_hoyer = np.mean(arrays["hoyer"]), np.mean(arrays["pca_hoyer"])
    own, pca_own = np.nanmean(arrays["spread"]), np.mean(arrays["pca_spread"])
    count = sum(measures(arrays).values())
    verdict = {
        3: "NMF, for its signs and by all three measures below.",
        0: "NMF for its signs alone: by the three measures below PCA is ahead.",
    }.get(count, f"NMF for its signs, and by {count} of the three measures below.")
    erased = " Most of what a component of PCA draws is erased by others." if pca > 0.5 else ""
    return paragraphs(
        verdict,
        "Signs. A component of NMF is itself an image: ink that is there or not, and a weight says how much of it. A "
        "component of PCA has ink and negative ink, and a weight of either sign swaps them: what it says about an "
        f"image depends on all the others. Of all that the components contribute to the pixels, {nmf:.0%} cancels in "
        f"NMF and {pca:.0%} in PCA.{erased}",
        f"Measures. The mean Hoyer sparsity of a component is {hoyer:.2f} with NMF and {pca_hoyer:.2f} with PCA, its "
        f"spread {own:.1f} and {pca_own:.1f} pixels, and an image uses {used:.0f} of {r} components with NMF and "
        f"{used_by_pca:.0f} with PCA.",
    )
