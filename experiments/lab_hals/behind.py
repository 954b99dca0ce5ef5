"""Where the others are ahead of HALS."""

import numpy as np

from experiments.lab_hals import ASKED, BEYOND, REFERENCE, Runs, all_runs
from experiments.study import Arrays, Section
from experiments.words import listed, paragraphs, span


def sections(arrays: Arrays) -> list[Section]:
    return [Section("Where is HALS behind?", where_not(all_runs(arrays)))]


def where_not(every: list[Runs]) -> str:
    return paragraphs(*(where_not_on(runs) for runs in every))


def where_not_on(runs: Runs) -> str:
    """The methods ahead of the reference from every start: after so many iterations, and when their run ends."""
    r, last = runs.of(REFERENCE), runs.last()
    others = [label for label in (*ASKED, *BEYOND) if label in runs.labels]

    def ahead_after(label: str, n: int) -> bool:
        own = runs.curve[runs.of(label)]
        return n <= min(runs.num_iters[runs.of(label)], runs.num_iters[r]) and bool(
            np.all(own[:, n] < runs.curve[r, :, n])
        )

    def ahead_in_time(label: str) -> bool:
        a = runs.of(label)
        made = np.minimum(runs.num_iters[a] * runs.seconds[a] / runs.seconds[r], runs.num_iters[r]).astype(int)
        meanwhile = runs.curve[r, np.arange(len(made)), made]
        return bool(np.all(last[a] < meanwhile))

    cheaper = [a for a in others if np.all(runs.seconds[runs.of(a)] < runs.seconds[r])]
    named = lambda found: listed(found, none="no other method")
    single, mu = runs.curve[runs.of("HALS"), :, 1], runs.curve[runs.of("MU"), :, 1]
    first = ""
    if np.all(single > mu):
        first = f" After its first iteration HALS with one sweep is at {span(single, '.3f')}, MU at {span(mu, '.3f')}."
    return (
        f"On {runs.title}, ahead of {REFERENCE} from every start: {named([a for a in others if ahead_after(a, 1)])} "
        f"after 1 iteration, {named([a for a in others if ahead_after(a, 10)])} after 10, and "
        f"{named([a for a in others if ahead_in_time(a)])} at the time when its own run ends. An iteration takes less "
        f"time with {named(cheaper)}.{first}"
    )
