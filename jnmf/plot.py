"""Pictures of fits: which rank, how it converged, what the parts look like, how well they rebuild the data.

Each function draws what it is given and computes nothing that takes time. Those that need one Axes take `ax` (default:
a new figure) and return it, the others return the Figure; none shows or saves. Further keywords go to the main artist:
the line of the best or of the mean (points take its colour), or the images. Series differ in marker and dash as well as
in colour, and images go from dark to light, so that all of it can be read in grey.

matplotlib is imported at the first call.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jax.typing import ArrayLike

from jnmf import checks, door
from jnmf.factors import as_factors
from jnmf.results import SCORES, Fit, Status, Trace, means
from jnmf.types import FactorsLike, MatrixLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PINK, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000"  # Okabe and Ito
COLORS, DASHES, MARKERS = (BLUE, ORANGE, GREEN, PINK, BLACK), ("-", "--", "-.", ":"), "o^sDvPX"
GREY = "0.4"
HEATMAPS_A_ROW = 6
BAR_HEIGHT = 2.5  # inches, of the colour bar beside a grid of images
YLABELS = {"loss": "objective", "delta": "relative change δ of the factors", "kkt": "norm of the projected gradient"}


# Choosing the rank


def scree(
    sweep: Any, *, svd: ArrayLike | None = None, baseline: Any = None, ax: "Axes | None" = None, **keywords: Any
) -> "Axes":
    """The RMSE of every restart against the rank, and a line through the fit with the lowest loss of each rank.

    sweep: has `ranks` (R,), in any order, and `rmse`, `loss`, `status` (R, S). Restarts that became non-finite are
        crosses, and never the best.
    svd: (R,), the RMSE of the truncated SVD for each of `sweep.ranks`: no factorisation of that rank has a lower one.
    baseline: another sweep, on shuffled data. The rank is too large where its curve falls as fast as that of the data.

    Raises TypeError or ValueError for arguments of other shapes.

    >>> sweep = jnmf.sweep(X, [1, 2], num_restarts=3, max_iters=50)
    >>> ax = jnmf.plot.scree(sweep, svd=jnmf.svd_rmse(X, sweep.ranks))
    """
    fits, shuffled = _errors(sweep), None if baseline is None else _errors(baseline)
    bound = None if svd is None else _by_rank(SimpleNamespace(ranks=sweep.ranks, svd=svd), svd="R")
    ax, legend = _axes(ax)
    style = _line_style(keywords, color=BLUE, linestyle="-", linewidth=1.5, label="least loss of each rank")
    _draw_errors(ax, fits, style, {"marker": "o", "label": "each restart"})
    if shuffled is not None:
        style = {"color": ORANGE, "linestyle": "--", "linewidth": 1.5, "label": "shuffled data, least loss"}
        _draw_errors(ax, shuffled, style, {"marker": "s", "label": "shuffled data, each restart"})
    if bound is not None:
        ax.plot(*bound, color=GREY, linestyle=":", linewidth=1.5, label="truncated SVD")
    _label_ranks(ax, r"RMSE of $WH$, in the unit of $X$")
    legend()
    return ax


def _errors(sweep) -> list[np.ndarray]:
    return _by_rank(sweep, rmse="RS", loss="RS", status="RS")


def _draw_errors(ax, errors, line_style, point_style) -> None:
    ranks, rmse, loss, status = errors
    diverged = status == Status.NONFINITE
    (line,) = ax.plot(ranks, _of_least_loss(rmse, np.where(diverged, np.nan, loss)), **line_style)
    _points(ax, ranks, np.where(diverged, np.nan, rmse), color=line.get_color(), **point_style)
    if np.any(diverged & np.isfinite(rmse)):
        cross = {"marker": "x", "markeredgewidth": 1.2, "alpha": 1, "label": "diverged"}
        _points(ax, ranks, np.where(diverged, rmse, np.nan), color=BLACK, **cross)


def _of_least_loss(values, loss):
    """(R,): of each row the value where the loss is least, of several alike the least; NaN where all losses are NaN."""
    best = np.take_along_axis(values, np.lexsort((values, loss), axis=1)[:, :1], axis=1)[:, 0]
    return np.where(np.isnan(loss).all(axis=1), np.nan, best)


def similarity(similarities: Any, *, names: Sequence[str] = ("W", "H"), ax: Any = None, **keywords: Any) -> Any:
    """How alike the restarts of each rank are: every pair of two different ones and the mean, for W and for H.

    similarities: has `ranks` (R,), in any order, and `W_pairs`, `H_pairs` (R, S, S), symmetric, each at most 1; NaN is
        left out, and so is the diagonal, the score of a restart with itself.
    names: what the two factors are called.
    ax: one Axes for both, or two: the first for W, the second for H. What is drawn in is returned.

    Raises TypeError or ValueError for arguments of other shapes.

    >>> sweep = jnmf.sweep(X, [1, 2], num_restarts=3, max_iters=50)
    >>> ax = jnmf.plot.similarity(jnmf.sweep_similarity(sweep))
    """
    ranks, *scores = _by_rank(similarities, W_pairs="RSS", H_pairs="RSS")
    scores = [pairs[:, *np.triu_indices(pairs.shape[1], 1)] for pairs in scores]
    ax, legend = _axes(ax) if ax is None else (ax, None)
    pair = (ax, ax) if hasattr(ax, "plot") else tuple(np.ravel(ax))
    if len(pair) != 2 or not all(hasattr(one, "plot") for one in pair):
        raise TypeError(f"ax: expected None, one Axes, or two (for W and for H), got {ax!r}")
    series = ((names[0], BLUE, "o", "-"), (names[1], ORANGE, "^", "--"))
    # In one Axes the points of W and H stand side by side.
    shift = 0.12 * np.min(np.diff(ranks), initial=1) if pair[0] is pair[1] else 0
    for one, (name, color, marker, dash), values, side in zip(pair, series, scores, (-1, 1), strict=True):
        x = ranks + side * shift
        style = _line_style(keywords, color=color, linestyle=dash, linewidth=1.5, label=f"mean of ${name}$")
        (line,) = one.plot(x, _mean(values), **style)
        _points(one, x, values, color=line.get_color(), marker=marker, label=f"${name}$, each pair", markersize=3)
        one.update_datalim([(ranks[0], 0.9), (ranks[0], 1)])  # identical fits are at the top, small differences small
        one.autoscale_view()
        _label_ranks(one, "similarity of two restarts")
    for one in pair:
        (legend or partial(one.legend, fontsize="small"))()
    return ax


def cross_validation(cv: Any, *, ax: "Axes | None" = None, **keywords: Any) -> "Axes":
    """The score of the entries held out and of the others against the rank: every fold, means, one standard error.

    cv: has `ranks` (R,), in any order, `train`, `test` (R, S), `score`, "rmse" or "loss", which names the axis, `rank`,
        the rank of lowest mean test score, and `rank_1se`, the lowest rank within one standard error of it. Both are
        marked. NaN is left out; where a score is infinite, so is the mean, and neither is drawn.

    Raises TypeError or ValueError for arguments of other shapes.

    >>> found = jnmf.cross_validate(X, [1, 2], num_restarts=3, max_iters=50)
    >>> ax = jnmf.plot.cross_validation(found)
    """
    ranks, train, test = _by_rank(cv, train="RS", test="RS")
    score = str(_attribute(cv, "score"))
    checks.choice(score, "score", SCORES)
    chosen = {name: int(_attribute(cv, name)) for name in ("rank", "rank_1se")}
    for name, rank in chosen.items():
        if rank not in ranks:
            raise ValueError(f"{name}: expected one of the ranks {ranks.tolist()}, got {rank}")
    ax, legend = _axes(ax)
    mean = means(test)
    style = _line_style(keywords, color=ORANGE, linestyle="-", linewidth=1.5, label="test, mean ± std. error")
    (line,) = ax.plot(ranks, mean, **style)
    ax.errorbar(ranks, mean, _standard_error(test), fmt="none", ecolor=line.get_color(), capsize=3)
    _points(ax, ranks, test, color=line.get_color(), marker="^", label="test, each fold")
    ax.plot(ranks, means(train), color=BLUE, linestyle="--", linewidth=1.5, label="train, mean")
    _points(ax, ranks, train, color=BLUE, marker="o", label="train, each fold")
    rings = {"rank": ("o", 8, "least mean"), "rank_1se": ("s", 12, "one-std.-error rule")}
    for name, (marker, size, meaning) in rings.items():
        style = {"linestyle": "none", "marker": marker, "markersize": size, "fillstyle": "none", "color": BLACK}
        place = ranks == chosen[name]
        ax.plot(ranks[place], mean[place], label=f"rank {chosen[name]}: {meaning}", **style)
    _label_ranks(ax, r"RMSE of $WH$, in the unit of $X$" if score == "rmse" else "mean loss of an entry")
    legend()
    return ax


def consensus(consensus: Any, *, ranks: ArrayLike | Sequence[int] | None = None, **keywords: Any) -> "Figure":
    """The consensus matrices in the order of their trees, and the measures of how stable the clusters are.

    consensus: has `ranks` (R,), in any order, `matrices` (R, n, n), the fraction of the runs in which two samples are
        in one cluster, `order` (R, n), the leaves of the tree of each, and `cophenetic`, `dispersion`, `silhouette`
        (R,).
    ranks: those whose matrices are drawn (default: all). The curves show all.

    Raises TypeError or ValueError for arguments of other shapes, and for ranks that are not in `consensus`.

    >>> found = jnmf.consensus(jnmf.sweep(X, [1, 2], num_restarts=3, max_iters=50))
    >>> figure = jnmf.plot.consensus(found)
    """
    measures = ("cophenetic", "dispersion", "silhouette")
    every, matrices, order, *curves = _by_rank(consensus, matrices="Rnn", order="Rn", **dict.fromkeys(measures, "R"))
    drawn = every if ranks is None else np.atleast_1d(ranks)
    missing = [rank for rank in drawn.tolist() if rank not in every]
    if missing or not drawn.size:
        raise ValueError(f"ranks: expected some of {every.tolist()}, got {np.asarray(ranks).tolist()}")

    num_columns = min(max(len(drawn), len(measures)), HEATMAPS_A_ROW)
    num_rows = -(-len(drawn) // num_columns)
    height = 1.7 * num_rows
    figure = _pyplot().figure(figsize=(1.5 * num_columns + 1, height + 2.2), layout="constrained")
    top, bottom = figure.add_gridspec(2, 1, height_ratios=(height, 2.2))

    grid = top.subgridspec(num_rows, num_columns).subplots(squeeze=False)
    # The size of the figure makes the matrices about square; a fixed aspect would upset the layout at a second draw.
    style = {"vmin": 0, "vmax": 1, "cmap": "gray_r", "aspect": "auto", "interpolation": "nearest", **keywords}
    for ax, rank in zip(grid.flat, drawn, strict=False):
        k = int(np.flatnonzero(every == rank)[0])
        image = ax.imshow(matrices[k][np.ix_(order[k], order[k])], **style)
        ax.set(title=f"rank {rank}", xticks=[], yticks=[])
    for ax in grid.flat[len(drawn) :]:
        ax.set_axis_off()
    grid[0, 0].set_ylabel("sample, sorted")
    figure.colorbar(image, ax=grid, ticks=[0, 0.5, 1], label="fraction of runs\nin one cluster")

    panels: Any = bottom.subgridspec(1, len(measures)).subplots()
    for ax, name, curve, color, marker in zip(panels, measures, curves, COLORS, MARKERS, strict=False):
        ax.plot(every, curve, color=color, marker=marker, linewidth=1.5)
        ax.set_title(name)
        _label_ranks(ax, "")
    return figure


# How it went


def convergence(
    traces: Trace | Fit | Mapping[Any, Trace | Fit],
    *,
    field: Literal["loss", "delta", "kkt"] = "loss",
    ax: "Axes | None" = None,
    **keywords: Any,
) -> "Axes":
    """A field of the trace against the iteration, a curve for each fit.

    traces: a Trace or a Fit, or a mapping from labels to them. NaN entries are skipped. Those of a batch (S, num_iters)
        are drawn as S curves under one label.
    field: "loss", "delta" or "kkt".

    An axis is logarithmic where its values span more than a decade.

    Raises TypeError or ValueError for an unknown field, one that was not recorded, and what is not a Trace or a Fit.

    >>> ax = jnmf.plot.convergence({"default": jnmf.fit(X, 2), "HALS": jnmf.fit(X, 2, jnmf.HALS(inner=3, l1_H=0.01))})
    """
    checks.choice(field, "field", Trace._fields)
    named = dict(traces) if isinstance(traces, Mapping) else {None: traces}
    curves = {label: _curves(value, field) for label, value in named.items()}
    if not any(curves.values()):
        raise ValueError("traces: expected at least one Trace or Fit, got none")
    ax, legend = _axes(ax)
    for i, (label, batch) in enumerate(curves.items()):
        color, dash, marker = (cycle[i % len(cycle)] for cycle in (COLORS, DASHES, MARKERS))
        style = {"color": color, "linestyle": dash, "marker": marker, "linewidth": 1.4, "markersize": 5}
        for k, (iterations, curve) in enumerate(batch):
            # Marks at even steps of log(iteration), shifted from curve to curve: those which coincide show, too.
            marks = np.unique(10 ** np.arange(0.05 * (i % 6), np.log10(len(curve) + 1), 0.4)).astype(int) - 1
            (line,) = ax.plot(iterations, curve, **_line_style(keywords, **style, markevery=list(marks), label=label))
            if k > 0:  # one entry in the legend for a batch
                line.set_label(None)
    every = [curve for batch in curves.values() for curve in batch]
    if _scale(ax.xaxis, np.concatenate([iterations for iterations, _ in every])):
        ax.xaxis.set_major_formatter("{x:g}")
    _scale(ax.yaxis, np.concatenate([curve for _, curve in every]))
    ax.set(xlabel="iteration", ylabel=YLABELS[field])
    ax.grid(alpha=0.3)
    if ax.get_legend_handles_labels()[1]:
        legend()
    return ax


def _curves(value, field: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of one trace, or of each of a batch: the iterations that were recorded, and the field there."""
    trace = getattr(value, "trace", value)
    if not hasattr(trace, "kkt"):
        raise TypeError(f"traces: expected a Trace or a Fit, or a mapping to them, got {type(value).__name__}")
    values = np.asarray(getattr(trace, field), float)
    if values.ndim not in (1, 2):
        raise ValueError(f"traces: expected {field} (num_iters,) or (S, num_iters), got shape {values.shape}")
    if field == "kkt" and values.size and np.isnan(values).all():
        raise ValueError("field: expected one that was recorded, got 'kkt' without a number; fit with kkt=True")
    recorded = [(np.flatnonzero(np.isfinite(curve)), curve) for curve in np.atleast_2d(values)]
    return [(places + 1, curve[places]) for places, curve in recorded]


def _scale(axis, values) -> bool:
    """Whether it was made logarithmic, as the positive values span more than a decade; a shorter one has few ticks."""
    positive = values[values > 0]
    wide = bool(positive.size) and bool(positive.max() > 10 * positive.min())
    if wide:
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    return wide


# The parts, and what they rebuild


def components(
    W: MatrixLike,
    shape: Sequence[int],
    *,
    order: str = "C",
    num_columns: int | None = None,
    titles: Sequence[str] | None = None,
    **keywords: Any,
) -> "Figure":
    """The columns of W as images, on one grey scale from 0 to the largest entry of W.

    W: (m, r). With columns of different scales the small ones are dark: see `normalize`.
    shape: (height, width), with product m.
    order: "C" for images stored row by row, "F" for column by column.
    num_columns: images in a row (default: about as many as there are rows).
    titles: r texts, one above each image.

    Raises TypeError or ValueError for arguments of other shapes.

    >>> figure = jnmf.plot.components(jnmf.fit(X, 2).W, shape=(3, 2))
    """
    W = _array(W, "W")
    images = _images(W, shape, order, "W")
    r = len(images)
    if titles is not None and len(titles) != r:
        raise ValueError(f"titles: expected one for each of the {r} columns of W, got {len(titles)}")
    num_columns, num_rows = _columns_and_rows(r, num_columns)
    figure, grid = _image_grid(num_rows, num_columns, shape, lines_of_title=0 if titles is None else num_rows)
    style = {"vmin": 0, "vmax": W.max(), "cmap": "gray", "interpolation": "nearest", **keywords}
    for k, ax in enumerate(grid.flat):
        if k >= r:
            ax.set_axis_off()
            continue
        drawn = ax.imshow(images[k], **style)
        if titles is not None:
            ax.set_title(titles[k], fontsize="small")
    figure.colorbar(drawn, ax=grid, label="entry of $W$", shrink=min(1, BAR_HEIGHT / figure.get_figheight()))
    return figure


def tiles(
    W: MatrixLike,
    shape: Sequence[int],
    *,
    order: str = "C",
    num_columns: int | None = None,
    gap: int = 1,
) -> np.ndarray:
    """The columns of W as images on one sheet, for an `imshow` among other panels.

    W: (m, r). shape, order, num_columns: as in `components`.
    gap: pixels of NaN, which are not drawn, between two images; what is left over of the last row is NaN, too.

    Raises TypeError or ValueError for arguments of other shapes.

    >>> jnmf.plot.tiles(np.ones((6, 4)), shape=(3, 2), num_columns=2).shape
    (7, 5)
    """
    images = _images(_array(W, "W"), shape, order, "W")
    num_columns, num_rows = _columns_and_rows(len(images), num_columns)
    checks.count(gap, "gap", 0)
    height, width = shape[0] + gap, shape[1] + gap
    sheet = np.full((num_rows * height - gap, num_columns * width - gap), np.nan)
    for k, image in enumerate(images):
        top, left = k // num_columns * height, k % num_columns * width
        sheet[top : top + shape[0], left : left + shape[1]] = image
    return sheet


def heatmaps(
    X: MatrixLike,
    factors: FactorsLike,
    *,
    rows: ArrayLike | Sequence[int] | None = None,
    columns: ArrayLike | Sequence[int] | None = None,
    **keywords: Any,
) -> "Figure":
    """X as given, and with rows and columns sorted by cluster, on one colour scale.

    X: (m, n).
    factors: Factors(W, H) of X. A line separates neighbours whose largest loadings (`clusters`) differ in component.
    rows, columns: permutations of the rows (m,) and of the columns (n,) (default: `order(factors)`).

    Raises TypeError or ValueError for arguments of other shapes and for what is no permutation.

    >>> figure = jnmf.plot.heatmaps(X, jnmf.fit(X, 2))
    """
    from jnmf import ordering

    X = _array(X, "X")
    W, H = _factors(factors, X.shape)
    computed = ordering.order((W, H))
    rows = _permutation(computed[0] if rows is None else rows, X.shape[0], "rows")
    columns = _permutation(computed[1] if columns is None else columns, X.shape[1], "columns")
    row_labels, column_labels = (np.asarray(labels) for labels in ordering.clusters((W, H)))

    figure = _pyplot().figure(figsize=(7, 3.6), layout="constrained")
    pair = figure.subplots(1, 2)
    shared = {"vmin": X.min(), "vmax": X.max(), "cmap": "cividis", "aspect": "auto", "interpolation": "nearest"}
    for ax, matrix in zip(pair, (X, X[np.ix_(rows, columns)]), strict=True):
        drawn = ax.imshow(matrix, **{**shared, **keywords})
    pair[0].set(title="$X$", xlabel="column", ylabel="row")
    pair[1].set(title="$X$ sorted by cluster", xlabel="column, sorted", ylabel="row, sorted")
    for place in _boundaries(row_labels[rows]):
        pair[1].axhline(place, color="white", linewidth=1)
    for place in _boundaries(column_labels[columns]):
        pair[1].axvline(place, color="white", linewidth=1)
    figure.colorbar(drawn, ax=pair, label="entry of $X$")
    return figure


def _boundaries(labels):
    """Where one label ends and the next begins: pixel i of an image reaches from i − ½ to i + ½."""
    return np.flatnonzero(np.diff(labels)) + 0.5


def top_features(
    features: Sequence[Sequence[tuple[Any, float]]],
    *,
    titles: Sequence[str] | None = None,
    num_columns: int | None = None,
    **keywords: Any,
) -> "Figure":
    """The top features of each component as bars, the largest on top, on one scale of shares.

    features: for each component a list of (name, share), as `jnmf.top_features` gives.
    titles: one above each component (default: "component 1", …).
    num_columns: panels in a row (default: about as many as there are rows).

    Raises ValueError for no component and for another number of titles.

    >>> figure = jnmf.plot.top_features(jnmf.top_features(jnmf.fit(X, 2), 3))
    """
    lists = [[(str(name), float(share)) for name, share in component] for component in features]
    figure, grid = _panels(len(lists), titles, num_columns, lines=max((len(one) for one in lists), default=0))
    style = {"color": BLUE, **keywords}
    for ax, component in zip(grid, lists, strict=True):
        places = np.arange(len(component))
        ax.barh(places, [share for _, share in component], **style)
        _name_rows(ax, [name for name, _ in component])
    grid[0].set_xlim(left=0)
    return figure


def bootstrap(
    found: Any,
    *,
    level: float = 0.95,
    count: int = 10,
    names: Any = None,
    titles: Sequence[str] | None = None,
    num_columns: int | None = None,
    **keywords: Any,
) -> "Figure":
    """The largest entries of each component, that of the fit a point and the interval of the replicates a bar.

    found: a `Bootstrap`. Components sum to 1, so that an entry is a share.
    level, names: as in `Bootstrap.interval` and `jnmf.top_features`; count: how many entries of each component, those
        that are largest in the fit.
    titles, num_columns: as in `top_features`.

    Returns the Figure. Raises as these functions do.

    >>> figure = jnmf.plot.bootstrap(jnmf.bootstrap(X, 2, num_replicates=3, max_iters=50))
    """
    from jnmf import named

    checks.count(count, "count", 1)
    axis = int(_attribute(found, "axis"))
    low, high = (named.components_of(ends, axis) for ends in found.interval(level))
    fit, names = named.components_of(found.factors, axis).astype(float), named.feature_names(found.factors, names, axis)
    figure, grid = _panels(len(fit), titles, num_columns, lines=min(count, fit.shape[1]))
    style = _line_style(keywords, color=BLUE, marker="o", markersize=4, linestyle="none")
    for ax, *ends, entries in zip(grid, low, high, fit, strict=True):
        first = np.argsort(-entries, kind="stable")[:count]
        places = np.arange(len(first))
        ax.hlines(places, *(end[first] for end in ends), color=ORANGE, linewidth=3, alpha=0.6)
        ax.plot(entries[first], places, **style)
        _name_rows(ax, [str(names[j]) for j in first])
    grid[0].set_xlim(left=0)
    return figure


def _panels(count: int, titles, num_columns: int | None, lines: int):
    """A figure with a panel of `lines` named rows for each of `count` components, on one scale."""
    if count == 0:
        raise ValueError("expected at least one component, got none")
    titles = [f"component {k + 1}" for k in range(count)] if titles is None else list(titles)
    if len(titles) != count:
        raise ValueError(f"titles: expected one for each of the {count} components, got {len(titles)}")
    num_columns, num_rows = _columns_and_rows(count, num_columns)
    size = 2.6 * num_columns, num_rows * (0.9 + 0.17 * max(lines, 1))
    figure, grid = _pyplot().subplots(
        num_rows, num_columns, figsize=size, layout="constrained", squeeze=False, sharex=True
    )
    for k, ax in enumerate(grid.flat):
        if k >= count:
            ax.set_axis_off()
        else:
            ax.set_title(titles[k], fontsize="small")
            ax.tick_params(labelsize="small", labelbottom=k + num_columns >= count)
            ax.set_xlabel("share" if k + num_columns >= count else "", fontsize="small")
    return figure, list(grid.flat)[:count]


def _name_rows(ax, names) -> None:
    """The first on top. Names stand as they are: no character in them starts a formula."""
    ax.set_yticks(np.arange(len(names)), labels=[name.replace("$", r"\$") for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)


SUBSTITUTIONS = {  # in the colours of the Catalogue of Somatic Mutations in Cancer
    "C>A": "#03BDEF",
    "C>G": "#010101",
    "C>T": "#E42926",
    "T>A": "#CBCACA",
    "T>C": "#A2CF63",
    "T>G": "#ECC7C5",
}
CHANNELS = [f"{left}[{change}]{right}" for change in SUBSTITUTIONS for left in "ACGT" for right in "ACGT"]


def signatures(
    W: MatrixLike, *, channels: Sequence[str] | None = None, titles: Sequence[str] | None = None, **keywords: Any
) -> "Figure":
    """Mutational signatures: the 96 channels of each column of W as bars, in the order and the colours of COSMIC.

    W: (96, r), nonnegative, a row for each single-base substitution between two neighbours, "A[C>A]A"; each column is
        drawn divided by its sum. A DataFrame with these names as its index, as `frames(fit).W`, may have any order.
    channels: the names of the rows in their order, where W is an array in another order than the standard one: C>A,
        C>G, C>T, T>A, T>C, T>G, within each by the base before and then the base after, A, C, G, T.
    titles: one above each signature (default: "component 1", …).

    Alexandrov et al. 2020, "The repertoire of mutational signatures in human cancer". Raises TypeError or ValueError
    for another number of rows, negative entries, and names that are not those of the 96 channels.

    >>> figure = jnmf.plot.signatures(np.ones((96, 2)), titles=["flat", "flat too"])
    """
    from matplotlib.patches import Rectangle

    from jnmf import labels

    given = labels.names(W)
    if channels is None and given is not None and any(">" in str(name) for name in given.rows.tolist()):
        channels = given.rows.tolist()
    W = _array(W, "W")
    if len(W) != len(CHANNELS):
        hint = "; signatures are columns, did you pass H for H.T?" if W.shape[1] == len(CHANNELS) else ""
        raise ValueError(f"W: expected a row for each of the 96 channels, got {len(W)}{hint}")
    if W.min() < 0:
        raise ValueError(f"W: expected nonnegative entries, got {W.min():g}")
    if channels is not None:
        places = {str(name): i for i, name in enumerate(channels)}
        missing = [name for name in CHANNELS if name not in places]
        if missing or len(list(channels)) != len(CHANNELS):
            raise ValueError(f"channels: expected the 96 names such as 'A[C>A]A', got none that is {missing[:3]}")
        W = W[[places[name] for name in CHANNELS]]
    r = W.shape[1]
    titles = [f"component {k + 1}" for k in range(r)] if titles is None else list(titles)
    if len(titles) != r:
        raise ValueError(f"titles: expected one for each of the {r} columns of W, got {len(titles)}")
    figure, grid = _pyplot().subplots(r, 1, figsize=(10, 1.5 * r + 0.7), layout="constrained", squeeze=False)
    colors = np.repeat(list(SUBSTITUTIONS.values()), 16)
    shares = _ratio(W, np.broadcast_to(W.sum(axis=0), W.shape))
    for k, ax in enumerate(grid[:, 0]):
        ax.bar(np.arange(96), np.nan_to_num(shares[:, k]), **{"color": colors, "width": 0.7, **keywords})
        ax.set(xlim=(-0.7, 95.7), xticks=[], ylabel="share")
        ax.set_title(titles[k], fontsize="small", loc="left", pad=24 if k == 0 else 4)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize="small")
    top, bottom = grid[0, 0], grid[-1, 0]
    for i, (change, color) in enumerate(SUBSTITUTIONS.items()):
        place = {"transform": top.get_xaxis_transform(), "clip_on": False}
        top.add_patch(Rectangle((16 * i - 0.4, 1.03), 15.8, 0.06, color=color, **place))
        top.text(16 * i + 7.5, 1.11, change, ha="center", va="bottom", fontsize="small", transform=place["transform"])
    bottom.set_xticks(np.arange(96), labels=[name[0] + name[2] + name[-1] for name in CHANNELS])
    bottom.tick_params(axis="x", labelsize=5, rotation=90)
    return figure


def reconstruction(
    X: MatrixLike,
    factors: FactorsLike,
    indices: ArrayLike | Sequence[int],
    shape: Sequence[int],
    *,
    order: str = "C",
    **keywords: Any,
) -> "Figure":
    """Chosen columns x of X as images, above what the factors make of them, W h, and the residual x − W h.

    X: (m, n), each column an image.
    factors: Factors(W, H) of X.
    indices: of the columns to show.
    shape: (height, width), with product m.
    order: "C" for images stored row by row, "F" for column by column.

    x and W h share a scale, the residuals another. Above each: ‖x − W h‖ / ‖x‖.

    Raises TypeError or ValueError for arguments of other shapes.

    >>> figure = jnmf.plot.reconstruction(X, jnmf.fit(X, 2), [0, 3], shape=(3, 2))
    """
    X = _array(X, "X")
    W, H = _factors(factors, X.shape)
    indices = np.atleast_1d(indices)
    if indices.ndim != 1 or not indices.size or indices.dtype.kind not in "iu":
        raise TypeError(f"indices: expected integers, those of the columns of X to show, got {indices.tolist()}")
    if indices.min() < 0 or indices.max() >= X.shape[1]:
        raise ValueError(f"indices: expected columns of X, from 0 to {X.shape[1] - 1}, got {indices.tolist()}")
    x = X[:, indices]
    Wh = W @ H[:, indices]
    residual = x - Wh
    rows = [_images(A, shape, order, "X") for A in (x, Wh, residual)]
    lengths = np.linalg.norm(x, axis=0)
    errors = np.divide(np.linalg.norm(residual, axis=0), lengths, out=np.full(len(indices), np.nan), where=lengths > 0)

    figure, grid = _image_grid(3, len(indices), shape, lines_of_title=2)
    scale = {"vmin": min(x.min(), Wh.min()), "vmax": max(x.max(), Wh.max()), "cmap": "gray"}
    largest = np.abs(residual).max()
    styles = (scale, scale, {"vmin": -largest, "vmax": largest, "cmap": "cividis"})
    for axes, images, name, style in zip(grid, rows, ("$x$", "$Wh$", "$x - Wh$"), styles, strict=True):
        for ax, image in zip(axes, images, strict=True):
            drawn = ax.imshow(image, **{**style, "interpolation": "nearest", **keywords})
        axes[0].set_ylabel(name)
        if name != "$x$":
            figure.colorbar(drawn, ax=grid[:2] if name == "$Wh$" else axes, label="entry")
    for ax, index, error in zip(grid[0], indices, errors, strict=True):
        ax.set_title(f"column {index}\nerror {error:.3f}", fontsize="small")
    return figure


# What they share


def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("jnmf.plot needs matplotlib: pip install 'jnmf[plot]'") from error
    return plt


def _axes(ax) -> "tuple[Axes, Callable[[], Any]]":
    """The Axes to draw in, and what makes their legend: beneath them if they are new, where it hides nothing."""
    if ax is None:
        ax = _pyplot().subplots(figsize=(4.5, 4), layout="constrained")[1]
        beneath = {
            "loc": "upper center",
            "bbox_to_anchor": (0.5, 0),
            "borderaxespad": 4.5,
            "ncols": 2,
            "frameon": False,
        }
        return ax, lambda: ax.legend(fontsize="small", **beneath)
    if not hasattr(ax, "plot"):
        raise TypeError(f"ax: expected one Axes, got {type(ax).__name__}")
    return ax, lambda: ax.legend(fontsize="small")


def _line_style(keywords, **defaults) -> dict[str, Any]:
    """The defaults with the keywords over them, also those under a short name, as `lw` for `linewidth`."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    return {**defaults, **normalize_kwargs(keywords, Line2D)}


def _points(ax, ranks, values, **style) -> None:
    """The finite values (R, S), above their ranks (R,)."""
    x, y = np.repeat(ranks, values.shape[1]), values.ravel()
    shown = np.isfinite(y)
    ax.plot(x[shown], y[shown], **{"linestyle": "none", "markersize": 5, "alpha": 0.4, "markeredgewidth": 0, **style})


def _label_ranks(ax, ylabel: str) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set(xlabel="rank $r$", ylabel=ylabel)
    ax.grid(alpha=0.3)


def _columns_and_rows(count: int, num_columns: int | None) -> tuple[int, int]:
    """Images in a row, if not given about as many as there are rows, and the rows that so many images need."""
    if num_columns is None:
        num_columns = int(np.ceil(np.sqrt(count)))
    checks.count(num_columns, "num_columns", 1)
    return num_columns, -(-count // num_columns)


def _image_grid(num_rows: int, num_columns: int, shape, *, lines_of_title: int):
    """A figure of num_rows × num_columns frames for images of `shape`, without ticks, and room for a colour bar."""
    width = min(1.0, 7 / num_columns)
    height = width * shape[0] / shape[1]
    size = (1.05 * width * num_columns + 1, max(1.5, 1.05 * height * num_rows + 0.2 * lines_of_title))
    figure, grid = _pyplot().subplots(num_rows, num_columns, figsize=size, layout="compressed", squeeze=False)
    for ax in grid.flat:
        ax.set(xticks=[], yticks=[])
    return figure, grid


def _images(A, shape, order: str, name: str) -> list[np.ndarray]:
    """The columns of A (m, k) as k images of `shape`."""
    checks.choice(order, "order", ("C", "F"))
    m = A.shape[0]
    if len(shape) != 2 or shape[0] * shape[1] != m:
        raise ValueError(
            f"shape: expected (height, width) with product {m}, the number of rows of {name}, got {tuple(shape)}; "
            f"each column of {name} is an image"
        )
    return [column.reshape(shape, order=order) for column in A.T]  # pyright: ignore[reportCallIssue, reportArgumentType]


def _array(A, name: str) -> np.ndarray:
    return door.array(A, name)


def _factors(factors, shape) -> Any:
    W, H = as_factors(factors)
    W, H = _array(W, "W"), _array(H, "H")
    if (W.shape[0], H.shape[1]) != shape or W.shape[1] != H.shape[0]:
        raise ValueError(f"factors: expected W (m, r) and H (r, n) for X {shape}, got W {W.shape} and H {H.shape}")
    return W, H


def _permutation(order, size: int, name: str) -> np.ndarray:
    order = np.asarray(order)
    if order.shape != (size,) or not np.array_equal(np.sort(order), np.arange(size)):
        raise ValueError(f"{name}: expected a permutation of 0 … {size - 1}, got {order.tolist()}")
    return order


def _attribute(source, name: str) -> Any:
    if not hasattr(source, name):
        raise TypeError(f"expected an object with .{name}, got {type(source).__name__}")
    return getattr(source, name)


def _by_rank(source, **shapes: str) -> list[np.ndarray]:
    """The ranks (R,) of `source` in increasing order, and its arrays of these names and shapes ("RS"), in the same."""
    ranks = np.asarray(_attribute(source, "ranks"))
    if ranks.ndim != 1 or not ranks.size:
        raise ValueError(f"ranks: expected at least one, of shape (R,), got shape {ranks.shape}")
    sizes = {"R": ranks.size}
    arrays = [np.asarray(_attribute(source, name)) for name in shapes]
    for array, (name, letters) in zip(arrays, shapes.items(), strict=True):
        pairs = zip(letters, array.shape, strict=False)
        if array.ndim != len(letters) or any(sizes.setdefault(*pair) != pair[1] for pair in pairs):
            known = ", ".join(f"{letter} = {size}" for letter, size in sizes.items() if letter in letters)
            shape = ", ".join(letters) + "," * (len(letters) == 1)
            raise ValueError(f"{name}: expected shape ({shape}) with {known}, got {array.shape}")
    order = np.argsort(ranks, kind="stable")
    return [ranks[order], *(array[order] for array in arrays)]


def _mean(values):
    """(R,): the mean of the finite values of each row; NaN where there is none."""
    finite = np.isfinite(values)
    return _ratio(np.sum(values, axis=1, where=finite), finite.sum(axis=1))


def _standard_error(values):
    """(R,): s / √S with s² = Σ(v − v̄)² / (S − 1) over the S finite values of each row; NaN where S < 2."""
    finite = np.isfinite(values)
    S = finite.sum(axis=1)
    squares = np.sum((values - _mean(values)[:, None]) ** 2, axis=1, where=finite)
    return np.sqrt(_ratio(squares, (S - 1) * S))


def _ratio(a, b):
    return np.divide(a, b, out=np.full(np.shape(a), np.nan), where=b > 0)
