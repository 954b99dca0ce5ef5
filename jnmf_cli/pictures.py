"""The pictures of a page, as figures of matplotlib, which is imported at the first of them."""

from typing import Literal

import numpy as np

from jnmf_cli.errors import one_line

MOST_ENTRIES = 2_000_000  # of a matrix that is drawn
MOST_PANELS = 30


def _without_windows() -> None:
    import matplotlib

    matplotlib.use("Agg")


def top_features(features):
    """The top features of each component as bars; long names are cut."""
    import jnmf

    _without_windows()
    short = [[(_label(name), share) for name, share in component] for component in features[:MOST_PANELS]]
    return jnmf.plot.top_features(short, num_columns=min(3, len(short)))


def _label(name) -> str:
    name = one_line(name)
    return name if len(name) <= 24 else f"{name[:23]}…"


def can_be_heatmap(data) -> bool:
    return not data.is_sparse and data.mask is None and data.X.size <= MOST_ENTRIES


def heatmaps(data, factors):
    import jnmf

    _without_windows()
    return jnmf.plot.heatmaps(data.X, factors)


def convergence(found) -> list:
    import jnmf

    _without_windows()
    fields: tuple[Literal["loss", "delta"], ...] = ("loss", "delta")
    recorded: list[Literal["loss", "delta"]] = [
        field for field in fields if np.isfinite(getattr(found.trace, field)).any()
    ]
    return [jnmf.plot.convergence(found, field=field).figure for field in recorded]


def scree(study, svd):
    import jnmf

    _without_windows()
    return jnmf.plot.scree(study, svd=svd).figure


def similarity(similarities):
    import jnmf

    _without_windows()
    return jnmf.plot.similarity(similarities).figure


def cross_validation(cv):
    import jnmf

    _without_windows()
    return jnmf.plot.cross_validation(cv).figure


def consensus(found):
    import jnmf

    _without_windows()
    return jnmf.plot.consensus(found)
