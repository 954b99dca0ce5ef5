"""What the scale of H changes, which the product W H does not fix."""

from typing import Any

import jnmf
from experiments.leukemia import MEASURES, Given, Settings
from experiments.study import Arrays, Section, Table
from experiments.words import listed


def compute(settings: Settings, given: Given) -> dict[str, Any]:
    """labels (R, n) and the measures (R,) with the rows of H at unit length, with names that end in _scaled."""
    found = jnmf.consensus(given.sweep, scaled=True)
    return {f"{name}_scaled": getattr(found, name) for name in ("labels", *MEASURES)}


def sections(arrays: Arrays) -> list[Section]:
    return [Section("What does the scale of H change?", on_scale(arrays), tables=(scale_table(arrays),))]


def on_scale(arrays: Arrays) -> str:
    ranks, scaled = arrays["ranks"], arrays["dispersion_scaled"]
    higher, perfect = ranks[scaled > arrays["dispersion"]], ranks[scaled == 1]
    pairs = zip(arrays["labels_scaled"], arrays["labels"], strict=True)
    other = ranks[[not same_partition(a, b) for a, b in pairs]]
    text = (
        "W H does not fix the scale of a row of H: the column of W can take it up. Brunet et al. take H as it comes, "
        "in the scale of the start, and so do the answers above. With the rows of H at unit length the clusters of a "
        f"restart depend on W H alone. The dispersion is then higher at {at(higher)}"
    )
    text += f", and 1 at {at(perfect)}: there every restart finds the same clusters." if perfect.size else "."
    return text + f" The clusters of the consensus are {f'others at {at(other)}' if other.size else 'the same'}."


def at(ranks) -> str:
    return f"k = {listed(map(str, ranks))}" if len(ranks) else "no k"


def same_partition(a, b) -> bool:
    return len(set(zip(a.tolist(), b.tolist(), strict=True))) == len(set(a.tolist())) == len(set(b.tolist()))


def scale_table(arrays: Arrays) -> Table:
    fields = [field for measure in MEASURES for field in (measure, f"{measure}_scaled")]
    rows = [(str(k), *(f"{arrays[field][i]:.4f}" for field in fields)) for i, k in enumerate(arrays["ranks"])]
    titles = (title for measure in MEASURES for title in (f"{measure}, H as it comes", "rows of unit length"))
    return Table(("k", *titles), rows)
