"""Which k the measures favour: by Brunet et al. the one where the cophenetic value begins to fall."""

import numpy as np

from experiments.leukemia import MEASURES
from experiments.study import Arrays, Section
from experiments.words import listed

VISIBLE = 0.0005  # a smaller fall of a measure is none with the three decimals it is told in


def sections(arrays: Arrays) -> list[Section]:
    return [Section("Which k do the measures favour?", on_rank(arrays))]


def on_rank(arrays: Arrays) -> str:
    ranks = arrays["ranks"]
    if len(ranks) == 1:
        return "With one k there is nothing to choose."
    told, left = [], []
    for measure in MEASURES:
        values = arrays[measure]
        highest, steepest = int(np.argmax(values)), int(np.argmin(np.diff(values)))
        fall = values[steepest] - values[steepest + 1]
        if fall >= VISIBLE:
            told.append(
                f"The {measure} value is highest at k = {ranks[highest]} and falls most after k = {ranks[steepest]}, "
                f"by {fall:.3f}."
            )
            left.append(" to ".join(dict.fromkeys(str(ranks[i]) for i in sorted((highest, steepest)))))
        else:
            told.append(f"The {measure} value does not fall.")
            left.append("any")
    if set(left) == {"any"}:
        verdict = "Nothing falls here, and every k will do."
    elif len(set(left)) == 1:
        verdict = f"All three speak for k = {left[0]}."
    else:
        verdict = f"They speak for k = {listed(f'{k} ({m})' for m, k in zip(MEASURES, left, strict=True))}."
    return (
        f"{verdict} {' '.join(told)}\n\nA high value alone says little, since few clusters are easily agreed on. "
        "Brunet et al. look for the k where the cophenetic value begins to fall, which is between its highest value "
        "and its steepest fall."
    )
