"""The pictures of a page, as figures of matplotlib, which is imported at the first of them."""

import numpy as np

from jnmf_cli.errors import one_line

MOST_ENTRIES = 2_000_000  # of a matrix that is drawn
MOST_PANELS = 30


def _pyplot():
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["figure.max_open_warning"] = 0
    import matplotlib.pyplot as plt

    return plt


def top_features(features):
    """The top features of each component as bars, the largest on top."""
    from jnmf.plot import BLUE

    shown = features[:MOST_PANELS]
    lines = max(1, *(len(component) for component in shown))
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure, grid = _pyplot().subplots(
        rows, columns, figsize=(3.2 * columns, rows * (0.7 + 0.18 * lines)), layout="constrained", squeeze=False
    )
    for ax in grid.flat[len(shown) :]:
        ax.set_axis_off()
    for k, (ax, component) in enumerate(zip(grid.flat, shown, strict=False)):
        ax.barh(range(len(component)), [share for _, share in component], color=BLUE)
        ax.set_yticks(range(len(component)), [_label(name) for name, _ in component], fontsize="small")
        ax.set_ylim(lines - 0.4, -0.6)
        ax.tick_params(axis="x", labelsize="small")
        ax.set_title(f"component {k + 1}", fontsize="small")
    return figure


def _label(name: str) -> str:
    """A name as it stands: no character starts a formula; a long one is cut."""
    name = one_line(name)
    return (name if len(name) <= 24 else name[:23] + "…").replace("$", r"\$")


def can_be_heatmap(data) -> bool:
    return not data.is_sparse and data.mask is None and data.X.size <= MOST_ENTRIES


def heatmaps(data, factors):
    import jnmf

    _pyplot()
    return jnmf.plot.heatmaps(data.X, factors)


def convergence(found) -> list:
    import jnmf

    _pyplot()
    recorded = [field for field in ("loss", "delta") if np.isfinite(getattr(found.trace, field)).any()]
    return [jnmf.plot.convergence(found, field=field).figure for field in recorded]


def scree(study, svd):
    import jnmf

    _pyplot()
    return jnmf.plot.scree(study, svd=svd).figure


def similarity(similarities):
    import jnmf

    _pyplot()
    return jnmf.plot.similarity(similarities).figure


def cross_validation(cv):
    import jnmf

    _pyplot()
    return jnmf.plot.cross_validation(cv).figure


def consensus(found):
    import jnmf

    _pyplot()
    return jnmf.plot.consensus(found)
