"""What NMF and PCA cost, and when one would use which."""

import numpy as np

from experiments.study import Arrays, Section
from experiments.words import counted, paragraphs, span


def sections(arrays: Arrays) -> list[Section]:
    return [Section("What does each cost, and when would one use which?", when(arrays))]


def when(arrays: Arrays) -> str:
    ranks, alike, nested = arrays["ranks"], arrays["rank_alike"], arrays["rank_nested"]
    nmf_seconds, pca_seconds = arrays["seconds"]
    same = "the same again" if np.all(alike > 0.99) else "not the same again"
    return paragraphs(
        f"Cost. The fit of NMF took {nmf_seconds:.2f} s for {counted(len(arrays['error']), 'iteration')}, without the "
        f"compilation, and PCA {pca_seconds:.2f} s: a ratio of {nmf_seconds / pca_seconds:.1f}. That is this machine, "
        "one run, and PCA by a full SVD. An iteration of NMF costs two products with X, 4mnr operations, and how many "
        "iterations are enough is for the user to judge. Weights of a new image are one product with PCA, a "
        "nonnegative least squares problem with NMF.",
        "Uniqueness. PCA has one answer, up to signs, where the singular values differ. NMF depends on the start: two "
        f"starts give components that are {same}: those of the one are found again in the other with a mean cosine "
        f"between {alike.min():.2f} and {alike.max():.2f} over the ranks, though their errors differ by at most "
        f"{np.max(np.ptp(arrays['rank_error'], axis=1) / arrays['rank_error'].min(axis=1)):.1%}.",
        "Nesting. PCA of a lower rank is the beginning of PCA of a higher one (mean |cosine| "
        f"{float(arrays['pca_nested']):.4f}). NMF starts from scratch: the components of one rank are found again at "
        f"the next of the ranks {', '.join(map(str, ranks))} with a mean cosine of {span(nested, '.2f')}.",
        "Order. The components of PCA come by the variance they explain, so that one can stop anywhere. Those of NMF "
        "have no order; by ink is one of several.",
        "So: PCA for the least error, for compression, for uncorrelated coordinates, for a unique answer, and where "
        "the rank is still open. NMF where the data are amounts that add up and the parts are to be read, with several "
        "starts, and a rank that was chosen on purpose.",
    )
