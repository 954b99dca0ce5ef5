"""What the figures show, read back from their artists."""

# matplotlib says less of what it holds than is known of these pictures.
# pyright: reportAttributeAccessIssue=false, reportIndexIssue=false, reportOperatorIssue=false

import subprocess
import sys
from types import SimpleNamespace

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pandas
import pytest
from matplotlib.colors import to_rgba

import jnmf
from jnmf import Factors, Status, Trace, ordering, plot

RANKS = np.array([3, 1, 4])  # not in order
IN_ORDER = np.argsort(RANKS)
S = 5


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def random(*shape, seed=0):
    return np.random.default_rng(seed).random(shape)


def legend_of(ax):
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def line_of(ax, label):
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return line


def points_of(ax, label):
    """(k, 2): the points of the series, sorted."""
    line = line_of(ax, label)
    assert line.get_linestyle() == "None"
    assert line.get_marker() not in (None, "", "None")
    return np.array(sorted(zip(*line.get_data(), strict=True)))


def points(ranks, values):
    """The finite values (R, S) above their ranks, sorted as `points_of` does."""
    x, y = np.repeat(ranks, values.shape[1]), np.ravel(values)
    return np.array(sorted(zip(x[np.isfinite(y)], y[np.isfinite(y)], strict=True)))


def assert_curve(line, x, y):
    np.testing.assert_array_equal(line.get_xdata(), x)
    np.testing.assert_allclose(line.get_ydata(), y, rtol=1e-14)


def assert_drawn(figure):
    """It renders without a warning, and nothing lies outside, also when the layout has been done before."""
    for _ in range(2):
        figure.canvas.draw()
        low, high = figure.get_tightbbox().get_points()
        assert (low >= -0.01).all()  # inches
        assert (high <= figure.get_size_inches() + 0.01).all()


def assert_told_apart(lines):
    """Without colour: no two lines have the same dash and marker, filled or open."""
    styles = [(line.get_linestyle(), line.get_marker(), line.get_fillstyle()) for line in lines]
    assert len(set(styles)) == len(styles)


# scree


def a_sweep(seed=0):
    rmse = random(len(RANKS), S, seed=seed)
    # With penalties or another loss, the order of the losses is not that of the errors.
    loss = random(len(RANKS), S, seed=seed + 1)
    return SimpleNamespace(ranks=RANKS, rmse=rmse, loss=loss, status=np.zeros((len(RANKS), S), int))


def least_loss(sweep):
    return sweep.rmse[np.arange(len(RANKS)), sweep.loss.argmin(axis=1)]


def test_scree_shows_every_restart_and_the_line_of_the_least_loss_over_sorted_ranks():
    sweep = a_sweep()
    ax = plot.scree(sweep)
    assert_curve(line_of(ax, "least loss of each rank"), [1, 3, 4], least_loss(sweep)[IN_ORDER])
    np.testing.assert_array_equal(points_of(ax, "each restart"), points(RANKS, sweep.rmse))
    assert 0 < line_of(ax, "each restart").get_alpha() < 1
    assert legend_of(ax) == ["least loss of each rank", "each restart"]
    assert "rank" in ax.get_xlabel()
    assert "RMSE" in ax.get_ylabel()
    assert "unit of $X$" in ax.get_ylabel()
    assert_drawn(ax.figure)


def test_scree_ticks_are_whole_ranks():
    ax = plot.scree(a_sweep())
    shown = [tick for tick in ax.get_xticks() if ax.get_xlim()[0] <= tick <= ax.get_xlim()[1]]
    assert shown
    assert all(tick == round(tick) for tick in shown)


def test_scree_with_the_bound_and_the_baseline():
    sweep, baseline, svd = a_sweep(), a_sweep(seed=2), random(len(RANKS), seed=4)
    baseline.ranks = np.array([2, 5, 1])
    ax = plot.scree(sweep, svd=svd, baseline=baseline)
    assert_curve(line_of(ax, "truncated SVD"), [1, 3, 4], svd[IN_ORDER])
    order = np.argsort(baseline.ranks)
    assert_curve(line_of(ax, "shuffled data, least loss"), [1, 2, 5], least_loss(baseline)[order])
    np.testing.assert_array_equal(points_of(ax, "shuffled data, each restart"), points(baseline.ranks, baseline.rmse))
    assert set(legend_of(ax)) == {line.get_label() for line in ax.lines}
    assert len(ax.lines) == 5
    assert_told_apart(ax.lines)
    assert_drawn(ax.figure)


def test_scree_marks_the_restarts_that_diverged_and_passes_them_over():
    sweep = a_sweep()
    best = sweep.loss[0].argmin()
    sweep.status[0, best] = Status.NONFINITE
    sweep.status[2] = Status.NONFINITE  # all of a rank
    sweep.rmse[2, 1] = np.nan
    ax = plot.scree(sweep)
    second = sweep.rmse[0, np.argsort(sweep.loss[0])[1]]
    assert_curve(line_of(ax, "least loss of each rank"), [1, 3, 4], [least_loss(sweep)[1], second, np.nan])
    diverged = sweep.status == Status.NONFINITE
    np.testing.assert_array_equal(points_of(ax, "diverged"), points(RANKS, np.where(diverged, sweep.rmse, np.nan)))
    np.testing.assert_array_equal(points_of(ax, "each restart"), points(RANKS, np.where(diverged, np.nan, sweep.rmse)))
    cross = line_of(ax, "diverged")
    assert cross.get_marker() == "x"
    assert cross.get_markeredgewidth() > 0  # a cross is nothing but edge
    assert "diverged" in legend_of(ax)


def test_a_loss_that_is_nan_is_not_the_least():
    sweep = a_sweep()
    sweep.loss[1, 2] = np.nan
    expected = sweep.rmse[1, np.nanargmin(sweep.loss[1])]
    assert line_of(plot.scree(sweep), "least loss of each rank").get_ydata()[0] == expected


def test_keywords_reach_the_line_under_either_name_and_points_take_its_colour():
    figure, mine = plt.subplots()
    ax = plot.scree(a_sweep(), ax=mine, c="red", lw=3, label="mine")
    assert ax is mine
    assert ax.figure is figure
    line = line_of(ax, "mine")
    assert line.get_linewidth() == 3
    assert to_rgba(line.get_color()) == to_rgba(line_of(ax, "each restart").get_color()) == to_rgba("red")
    assert legend_of(ax) == ["mine", "each restart"]


def test_a_new_figure_is_one_that_pyplot_shows_with_the_legend_outside_of_the_axes():
    ax = plot.scree(a_sweep())
    assert plt.fignum_exists(ax.figure.number)
    ax.figure.canvas.draw()
    assert ax.get_legend().get_window_extent().y1 < ax.get_window_extent().y0
    assert ax.get_legend().get_window_extent().y1 < ax.xaxis.label.get_window_extent().y0


# similarity


def similarities(*, low=0.6):
    W, H = (low + (1 - low) * random(len(RANKS), S, S, seed=seed) for seed in (0, 1))
    W, H = ((A + A.swapaxes(1, 2)) / 2 for A in (W, H))
    for A in (W, H):
        A[:, np.arange(S), np.arange(S)] = 1
        A[0, 2] = A[0, :, 2] = np.nan
    return SimpleNamespace(ranks=RANKS, W_pairs=W, H_pairs=H)


def different(pairs):
    """(R, P): the scores of two different restarts, each pair once."""
    return np.stack([[one[i, j] for i in range(S) for j in range(i + 1, S)] for one in pairs])


def test_similarity_shows_every_pair_and_the_means_side_by_side():
    scores = similarities()
    ax = plot.similarity(scores)
    for name, side in (("W", -1), ("H", 1)):
        values = different(getattr(scores, f"{name}_pairs"))
        assert np.nanmax(values) < 1  # no restart is compared with itself
        drawn = points_of(ax, f"${name}$, each pair")
        shift = drawn[0, 0] - 1
        assert 0 < side * shift < 0.25
        expected = points(RANKS, values)
        np.testing.assert_allclose(drawn, expected + np.array([shift, 0]), rtol=1e-14)
        assert_curve(line_of(ax, f"mean of ${name}$"), RANKS[IN_ORDER] + shift, np.nanmean(values, axis=1)[IN_ORDER])
    assert set(legend_of(ax)) == {line.get_label() for line in ax.lines}
    assert len(ax.lines) == 4
    assert_told_apart(ax.lines)
    assert "similarity" in ax.get_ylabel()
    assert_drawn(ax.figure)


@pytest.mark.parametrize("low", [0.2, 0.6, 0.99])
def test_similarity_axis_ends_just_above_one(low):
    bottom, top = plot.similarity(similarities(low=low)).get_ylim()
    assert 1 < top <= 1 + 0.06 * (top - bottom)
    assert bottom < 0.9


def test_similarity_in_two_axes():
    scores = similarities()
    pair = plt.subplots(1, 2)[1]
    assert plot.similarity(scores, ax=pair) is pair
    for ax, name in zip(pair, "WH", strict=True):
        values = different(getattr(scores, f"{name}_pairs"))
        np.testing.assert_array_equal(points_of(ax, f"${name}$, each pair"), points(RANKS, values))
        assert legend_of(ax) == [f"mean of ${name}$", f"${name}$, each pair"]
    one = plt.subplots()[1]
    assert plot.similarity(scores, ax=one) is one
    assert len(one.lines) == 4


def test_similarity_of_identical_restarts_of_a_single_rank():
    scores = SimpleNamespace(ranks=[3], W_pairs=np.ones((1, 4, 4)), H_pairs=np.ones((1, 4, 4)))
    ax = plot.similarity(scores, names=("U", "V"))
    assert legend_of(ax)[0] == "mean of $U$"
    assert ax.get_ylim()[0] < 1 < ax.get_ylim()[1]
    assert_drawn(ax.figure)


# cross-validation


def a_cross_validation(num_folds=S, score="rmse"):
    train, test = (random(len(RANKS), num_folds, seed=seed) for seed in (0, 1))
    return SimpleNamespace(ranks=RANKS, train=train, test=test, score=score, rank=4, rank_1se=3)


def test_cross_validation_shows_folds_means_standard_errors_and_the_chosen_ranks():
    cv = a_cross_validation()
    cv.test[1, 0] = np.nan
    ax = plot.cross_validation(cv)
    mean = np.nanmean(cv.test, axis=1)
    error = np.nanstd(cv.test, axis=1, ddof=1) / np.sqrt([S, S - 1, S])
    assert_curve(line_of(ax, "test, mean ± std. error"), [1, 3, 4], mean[IN_ORDER])
    assert_curve(line_of(ax, "train, mean"), [1, 3, 4], cv.train.mean(axis=1)[IN_ORDER])
    np.testing.assert_array_equal(points_of(ax, "test, each fold"), points(RANKS, cv.test))
    np.testing.assert_array_equal(points_of(ax, "train, each fold"), points(RANKS, cv.train))
    (bars,) = ax.containers[0].lines[2]
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, np.stack([mean - error, mean + error], axis=1)[IN_ORDER], rtol=1e-12)
    np.testing.assert_allclose(points_of(ax, "rank 4: least mean"), [[4, mean[2]]])
    np.testing.assert_allclose(points_of(ax, "rank 3: one-std.-error rule"), [[3, mean[0]]])
    named = [line for line in ax.lines if not line.get_label().startswith("_")]  # the caps have no names
    assert legend_of(ax) == [line.get_label() for line in named]
    assert len(named) == 6
    assert_told_apart(named)
    assert_drawn(ax.figure)


def test_cross_validation_of_a_single_fold_has_no_bars():
    ax = plot.cross_validation(a_cross_validation(num_folds=1))
    (bars,) = ax.containers[0].lines[2]
    assert not any(len(segment) for segment in bars.get_segments())
    assert_drawn(ax.figure)


def test_cross_validation_names_its_score_and_does_not_draw_an_infinite_mean():
    assert plot.cross_validation(a_cross_validation()).get_ylabel().startswith("RMSE")
    cv = a_cross_validation(score="loss")
    cv.test[1, 0] = np.inf  # at rank 1
    ax = plot.cross_validation(cv)
    assert ax.get_ylabel() == "mean loss of an entry"
    assert not np.isfinite(line_of(ax, "test, mean ± std. error").get_ydata()[0])
    assert len(points_of(ax, "test, each fold")) == 3 * S - 1
    assert_drawn(ax.figure)
    with pytest.raises(ValueError, match="score: expected one of 'rmse', 'loss', got 'kl'"):
        plot.cross_validation(a_cross_validation(score="kl"))


def test_the_same_rank_chosen_twice_is_marked_by_two_rings_of_different_size():
    cv = a_cross_validation()
    cv.rank_1se = 4
    ax = plot.cross_validation(cv)
    sizes = [line_of(ax, f"rank 4: {rule}").get_markersize() for rule in ("least mean", "one-std.-error rule")]
    assert sizes[0] < sizes[1]


# consensus

N = 6


def a_consensus(ranks=RANKS):
    rng = np.random.default_rng(0)
    return SimpleNamespace(
        ranks=np.asarray(ranks),
        matrices=rng.random((len(ranks), N, N)),
        order=np.array([rng.permutation(N) for _ in ranks]),
        cophenetic=rng.random(len(ranks)),
        dispersion=rng.random(len(ranks)),
        silhouette=rng.random(len(ranks)),
    )


def heatmaps_of(figure):
    return {ax.get_title(): ax.images[0] for ax in figure.axes if ax.images and ax.get_title()}


def test_consensus_shows_each_matrix_in_its_order_and_the_three_curves():
    found = a_consensus()
    figure = plot.consensus(found)
    images = heatmaps_of(figure)
    assert list(images) == ["rank 1", "rank 3", "rank 4"]
    for rank, matrix, order in zip(RANKS, found.matrices, found.order, strict=True):
        image = images[f"rank {rank}"]
        np.testing.assert_array_equal(image.get_array(), matrix[order][:, order])
        assert image.get_clim() == (0, 1)
    for name in ("cophenetic", "dispersion", "silhouette"):
        (ax,) = [ax for ax in figure.axes if ax.get_title() == name]
        assert_curve(ax.lines[0], [1, 3, 4], getattr(found, name)[IN_ORDER])
        assert "rank" in ax.get_xlabel()
    assert any("fraction of runs" in ax.get_ylabel() for ax in figure.axes)
    assert_drawn(figure)


def test_consensus_of_some_ranks_in_the_order_asked_for_with_all_curves():
    figure = plot.consensus(a_consensus(), ranks=[4, 3])
    assert list(heatmaps_of(figure)) == ["rank 4", "rank 3"]
    (ax,) = [ax for ax in figure.axes if ax.get_title() == "dispersion"]
    assert len(ax.lines[0].get_xdata()) == 3
    assert list(heatmaps_of(plot.consensus(a_consensus(), ranks=3))) == ["rank 3"]


def test_many_ranks_go_on_in_a_second_row():
    figure = plot.consensus(a_consensus(range(2, 11)))
    assert len(heatmaps_of(figure)) == 9
    assert_drawn(figure)
    rows = {round(ax.get_position().y0, 3) for ax in figure.axes if ax.images}
    assert len(rows) == 2


# convergence


def a_trace(num_iters=30, recorded=20, first=100.0, *, drop=0.5):
    curve = np.full(num_iters, np.nan)
    curve[:recorded] = first * drop ** np.arange(recorded)
    return Trace(loss=curve, delta=curve / 10, kkt=curve / 100)


def a_fit(trace):
    return jnmf.Fit(np.ones((2, 1)), np.ones((1, 2)), np.array(1.0), 20, Status.CONVERGED, trace)


@pytest.mark.parametrize(
    ("field", "unit"), [("loss", "objective"), ("delta", "relative change"), ("kkt", "projected gradient")]
)
def test_convergence_shows_the_field_over_the_iterations_that_were_recorded(field, unit):
    traces = {"MU": a_trace(), "HALS": a_fit(a_trace(first=50.0)), "KL": a_trace(recorded=12)}
    ax = plot.convergence(traces, field=field)
    assert legend_of(ax) == ["MU", "HALS", "KL"]
    for label, value in traces.items():
        curve = getattr(getattr(value, "trace", value), field)
        num_iters = np.isfinite(curve).sum()
        assert_curve(line_of(ax, label), np.arange(1, num_iters + 1), curve[:num_iters])
    assert ax.get_xlabel() == "iteration"
    assert unit in ax.get_ylabel()
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert_told_apart(ax.lines)
    assert_drawn(ax.figure)


def test_gaps_between_recorded_iterations_are_bridged():
    trace = a_trace()
    trace.loss[np.arange(30) % 5 != 4] = np.nan
    (line,) = plot.convergence(trace).lines
    assert_curve(line, [5, 10, 15, 20], trace.loss[[4, 9, 14, 19]])


def test_a_single_trace_has_no_legend_unless_it_has_a_label():
    assert legend_of(plot.convergence(a_trace())) == []
    assert legend_of(plot.convergence(a_fit(a_trace()), label="HALS", ls=":")) == ["HALS"]


def test_a_batch_is_a_curve_for_each_fit_under_one_label():
    traces = [a_trace(first=first, recorded=recorded) for first, recorded in ((1.0, 5), (2.0, 8), (4.0, 20))]
    batch = Trace(*(np.stack(column) for column in zip(*traces, strict=True)))
    ax = plot.convergence({"HALS": batch, "MU": a_trace()})
    assert legend_of(ax) == ["HALS", "MU"]
    assert [len(line.get_xdata()) for line in ax.lines] == [5, 8, 20, 20]
    assert len({line.get_color() for line in ax.lines[:3]}) == 1


def test_less_than_a_decade_is_linear_and_nothing_recorded_is_no_error():
    ax = plot.convergence(a_trace(recorded=8, drop=0.99))
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")
    ax = plot.convergence({"empty": a_trace(recorded=0), "none": a_trace(0, 0)})
    assert [len(line.get_xdata()) for line in ax.lines] == [0, 0]
    assert_drawn(ax.figure)


def test_every_curve_has_a_mark_and_exact_zeros_do_not_break_the_log_scale():
    traces = {str(k): a_trace(recorded=k + 1) for k in range(14)}
    traces["13"].loss[-1:] = 0.0
    ax = plot.convergence(traces)
    assert ax.get_yscale() == "log"
    assert all(len(line.get_markevery()) >= 1 for line in ax.lines)
    assert_told_apart(ax.lines)
    assert_drawn(ax.figure)


# components

SHAPE = (2, 3)


def test_components_are_the_columns_of_W_as_images_on_one_scale():
    W = random(6, 5)
    figure = plot.components(W, SHAPE)
    images = [ax.images[0] for ax in figure.axes[:5]]
    for k, image in enumerate(images):
        np.testing.assert_array_equal(image.get_array(), [W[:3, k], W[3:, k]])
        assert image.get_clim() == (0, W.max())
        assert image.origin == "upper"
    assert not figure.axes[5].images
    assert not figure.axes[5].axison
    assert figure.axes[6].get_ylabel() == "entry of $W$"
    assert len(figure.axes) == 7
    assert_drawn(figure)


def test_column_major_images_are_filled_column_by_column():
    W = np.arange(6.0)[:, None]
    (image,) = plot.components(W, SHAPE, order="F").axes[0].images
    np.testing.assert_array_equal(image.get_array(), [[0, 2, 4], [1, 3, 5]])


def test_components_grid_titles_and_keywords():
    figure = plot.components(random(6, 5), SHAPE, num_columns=2, titles=list("abcde"), cmap="magma", vmax=7)
    grid = figure.axes[0].get_subplotspec().get_gridspec()
    assert (grid.nrows, grid.ncols) == (3, 2)
    assert [ax.get_title() for ax in figure.axes[:5]] == list("abcde")
    assert {(ax.images[0].get_cmap().name, ax.images[0].get_clim()) for ax in figure.axes[:5]} == {("magma", (0, 7))}
    assert_drawn(figure)


def test_components_that_are_all_zero_are_drawn():
    assert_drawn(plot.components(np.zeros((6, 2)), SHAPE))


def test_tiles_are_the_images_side_by_side_with_gaps_that_are_not_drawn():
    W, N = np.arange(18.0).reshape(6, 3), [np.nan] * 2
    first, second, third = ([[w[0], w[2], w[4]], [w[1], w[3], w[5]]] for w in W.T)  # column by column
    rows = [[*a, np.nan, *b] for a, b in zip(first, second, strict=True)]
    expected = [*rows, [np.nan] * 7, *([*c, np.nan, np.nan, *N] for c in third)]
    np.testing.assert_array_equal(plot.tiles(W, SHAPE, order="F"), expected)
    sheet = plot.tiles(W, SHAPE, num_columns=3, gap=0)
    np.testing.assert_array_equal(sheet, np.hstack([w.reshape(SHAPE) for w in W.T]))
    with pytest.raises(ValueError, match="shape: expected"):
        plot.tiles(W, (2, 2))
    with pytest.raises((TypeError, ValueError), match="gap: expected"):
        plot.tiles(W, SHAPE, gap=-1)


# heatmaps


def blocks():
    """X (6, 4) that is two blocks after sorting, and its exact factors: rows 0 2 | 1 3 4 5, columns 1 | 0 2 3."""
    W, H = np.zeros((6, 2)), np.zeros((2, 4))
    W[[0, 2], 0] = (1, 2)
    W[[1, 3, 4, 5], 1] = (3, 1, 2, 4)
    H[0, 1] = 5
    H[1, [0, 2, 3]] = (1, 3, 2)
    return W @ H, Factors(W, H)


def drawn_boundaries(ax):
    """The places of the horizontal and of the vertical lines."""
    horizontal = [line.get_ydata()[0] for line in ax.lines if len(set(line.get_ydata())) == 1]
    vertical = [line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1]
    assert len(horizontal) + len(vertical) == len(ax.lines)
    return horizontal, vertical


def test_heatmaps_show_X_raw_and_sorted_with_the_boundaries_of_the_clusters():
    X, factors = blocks()
    figure = plot.heatmaps(X, factors)
    raw, in_order, bar = figure.axes
    rows, columns = (np.asarray(p) for p in ordering.order(factors))
    np.testing.assert_allclose(raw.images[0].get_array(), X)
    np.testing.assert_allclose(in_order.images[0].get_array(), X[rows][:, columns])
    assert raw.images[0].get_clim() == in_order.images[0].get_clim() == (X.min(), X.max())
    assert drawn_boundaries(raw) == ([], [])
    assert drawn_boundaries(in_order) == ([1.5], [0.5])
    assert bar.get_ylabel() == "entry of $X$"
    assert "sorted" in in_order.get_xlabel()
    assert "sorted" in in_order.get_ylabel()
    assert_drawn(figure)


def test_heatmaps_in_a_given_order_have_the_boundaries_where_clusters_meet_in_it():
    X, factors = blocks()
    rows, columns = np.array([1, 5, 3, 4, 2, 0]), np.array([3, 1, 2, 0])
    in_order = plot.heatmaps(X, factors, rows=rows, columns=columns, cmap="gray").axes[1]
    np.testing.assert_allclose(in_order.images[0].get_array(), X[rows][:, columns])
    assert drawn_boundaries(in_order) == ([3.5], [0.5, 1.5])
    assert in_order.images[0].get_cmap().name == "gray"


def test_heatmaps_of_data_with_negative_entries_share_the_scale():
    X, factors = blocks()
    figure = plot.heatmaps(X - 3, factors, rows=np.arange(6))
    assert {ax.images[0].get_clim() for ax in figure.axes[:2]} == {(-3, X.max() - 3)}


# reconstruction


@pytest.mark.parametrize("order", ["C", "F"])
def test_reconstruction_shows_the_columns_their_rebuilding_and_the_residual(order):
    X = random(6, 4)
    factors = Factors(random(6, 2, seed=1), random(2, 4, seed=2))
    X[0, 1] = -0.25
    indices = [3, 1]
    figure = plot.reconstruction(X, factors, indices, SHAPE, order=order)
    images = [ax.images[0] for ax in figure.axes[:6]]
    WH = factors.W @ factors.H
    for row, A in enumerate((X, WH, X - WH)):
        for column, index in enumerate(indices):
            expected = A[:, index].reshape(SHAPE, order=order)
            np.testing.assert_allclose(images[2 * row + column].get_array(), expected, rtol=1e-12, atol=1e-15)
    shown = np.concatenate([X[:, indices], WH[:, indices]])
    largest = np.abs((X - WH)[:, indices]).max()
    for image in images[:4]:
        np.testing.assert_allclose(image.get_clim(), (shown.min(), shown.max()))
    for image in images[4:]:
        np.testing.assert_allclose(image.get_clim(), (-largest, largest))
    for ax, index in zip(figure.axes, indices, strict=False):
        error = np.linalg.norm((X - WH)[:, index]) / np.linalg.norm(X[:, index])
        assert ax.get_title() == f"column {index}\nerror {error:.3f}"
    assert [figure.axes[k].get_ylabel() for k in (0, 2, 4)] == ["$x$", "$Wh$", "$x - Wh$"]
    assert len(figure.axes) == 8  # and two colour bars
    assert_drawn(figure)


def test_reconstruction_of_one_column_and_of_an_empty_one():
    X = random(6, 4)
    X[:, 2] = 0
    figure = plot.reconstruction(X, Factors(random(6, 2), random(2, 4)), 2, SHAPE)
    assert figure.axes[0].get_title() == "column 2\nerror nan"
    assert_drawn(figure)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_jax_arrays_of_other_precision_are_drawn(dtype):
    X, factors = blocks()  # small integers, exact in each
    x, converted = jnp.asarray(X, dtype), Factors(*(jnp.asarray(A, dtype) for A in factors))
    figures = (
        plot.components(converted.W, SHAPE),
        plot.heatmaps(x, converted, rows=range(6), columns=range(4)),
        plot.reconstruction(x, converted, range(3), SHAPE),
    )
    expected = (factors.W[:, 0].reshape(SHAPE), X, X[:, 0].reshape(SHAPE))
    for figure, matrix in zip(figures, expected, strict=True):
        np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), matrix)
    trace = Trace(*(jnp.asarray(field, dtype) for field in a_trace()))
    assert_curve(plot.convergence(trace).lines[0], np.arange(1, 21), np.asarray(trace.loss[:20], float))


# Arguments that are wrong


def without(source, name):
    return SimpleNamespace(**{key: value for key, value in vars(source).items() if key != name})


def with_(source, **fields):
    return SimpleNamespace(**{**vars(source), **fields})


W, X, FACTORS = np.ones((6, 2)), np.ones((6, 4)), Factors(np.ones((6, 2)), np.ones((2, 4)))
TRACE = a_trace()
WRONG = {
    "no rmse": (lambda: plot.scree(without(a_sweep(), "rmse")), TypeError, r"object with \.rmse, got SimpleNamespace"),
    "a dict": (lambda: plot.scree({"ranks": RANKS}), TypeError, r"object with \.ranks, got dict"),
    "transposed": (
        lambda: plot.scree(with_(a_sweep(), rmse=np.ones((S, 3)))),
        ValueError,
        r"rmse: expected shape \(R, S\) with R = 3, got \(5, 3\)",
    ),
    "other S": (
        lambda: plot.scree(with_(a_sweep(), loss=np.ones((3, 2)))),
        ValueError,
        r"loss: expected shape \(R, S\) with R = 3, S = 5, got \(3, 2\)",
    ),
    "one value a rank": (
        lambda: plot.cross_validation(with_(a_cross_validation(), test=np.ones(3))),
        ValueError,
        r"test: expected shape \(R, S\) with R = 3, S = 5, got \(3,\)",
    ),
    "no ranks": (lambda: plot.scree(with_(a_sweep(), ranks=[])), ValueError, r"ranks: expected at least one"),
    "svd": (
        lambda: plot.scree(a_sweep(), svd=[1, 2]),
        ValueError,
        r"svd: expected shape \(R,\) with R = 3, got \(2,\)",
    ),
    "baseline": (
        lambda: plot.scree(a_sweep(), baseline=without(a_sweep(), "status")),
        TypeError,
        r"expected an object with \.status",
    ),
    "ax": (lambda: plot.scree(a_sweep(), ax="here"), TypeError, r"ax: expected one Axes, got str"),
    "three axes": (
        lambda: plot.similarity(similarities(), ax=plt.subplots(1, 3)[1]),
        TypeError,
        r"ax: expected None, one Axes, or two \(for W and for H\)",
    ),
    "unknown chosen rank": (
        lambda: plot.cross_validation(with_(a_cross_validation(), rank_1se=2)),
        ValueError,
        r"rank_1se: expected one of the ranks \[1, 3, 4\], got 2",
    ),
    "matrices": (
        lambda: plot.consensus(with_(a_consensus(), matrices=np.ones((3, N, 2)))),
        ValueError,
        r"matrices: expected shape \(R, n, n\) with R = 3, n = 6, got \(3, 6, 2\)",
    ),
    "unknown rank": (
        lambda: plot.consensus(a_consensus(), ranks=[3, 7]),
        ValueError,
        r"ranks: expected some of \[1, 3, 4\], got \[3, 7\]",
    ),
    "field": (
        lambda: plot.convergence(TRACE, field="losses"),
        ValueError,
        r"field: expected one of 'loss', 'delta', 'kkt', got 'losses'",
    ),
    "a field that was not recorded": (
        lambda: plot.convergence(TRACE._replace(kkt=np.full(9, np.nan)), field="kkt"),
        ValueError,
        r"field: expected one that was recorded, got 'kkt' without a number; fit with kkt=True",
    ),
    "an array": (
        lambda: plot.convergence({"HALS": TRACE.loss}),
        TypeError,
        r"traces: expected a Trace or a Fit, or a mapping to them, got ndarray",
    ),
    "no traces": (lambda: plot.convergence({}), ValueError, r"traces: expected at least one Trace or Fit, got none"),
    "a batch of batches": (
        lambda: plot.convergence(Trace(*np.ones((3, 2, 2, 2)))),
        ValueError,
        r"traces: expected loss \(num_iters,\) or \(S, num_iters\), got shape \(2, 2, 2\)",
    ),
    "shape": (
        lambda: plot.components(W, (2, 4)),
        ValueError,
        r"shape: expected \(height, width\) with product 6, the number of rows of W, got \(2, 4\)",
    ),
    "order": (lambda: plot.components(W, SHAPE, order="A"), ValueError, r"order: expected one of 'C', 'F', got 'A'"),
    "titles": (
        lambda: plot.components(W, SHAPE, titles=["a"]),
        ValueError,
        r"titles: expected one for each of the 2 columns of W, got 1",
    ),
    "num_columns": (
        lambda: plot.components(W, SHAPE, num_columns=0),
        ValueError,
        r"num_columns: expected an integer of at least 1, got 0",
    ),
    "a NaN": (lambda: plot.components(W * np.nan, SHAPE), ValueError, r"W: expected finite entries"),
    "no factors": (
        lambda: plot.heatmaps(random(6, 4), (np.ones((6, 2)),) * 3),
        ValueError,
        r"expected Factors\(W, H\) or a Fit, got 3 arrays",
    ),
    "factors of another X": (
        lambda: plot.heatmaps(X[:, :3], FACTORS),
        ValueError,
        r"expected W \(m, r\) and H \(r, n\) for X \(6, 3\), got W \(6, 2\) and H \(2, 4\)",
    ),
    "no permutation": (
        lambda: plot.heatmaps(X, FACTORS, rows=[0, 1, 2, 3, 4, 4]),
        ValueError,
        r"rows: expected a permutation of 0 … 5, got \[0, 1, 2, 3, 4, 4\]",
    ),
    "part of the columns": (
        lambda: plot.heatmaps(X, FACTORS, columns=[1, 0]),
        ValueError,
        r"columns: expected a permutation of 0 … 3, got \[1, 0\]",
    ),
    "index": (
        lambda: plot.reconstruction(X, FACTORS, [0, 4], SHAPE),
        ValueError,
        r"indices: expected columns of X, from 0 to 3, got \[0, 4\]",
    ),
    "negative index": (lambda: plot.reconstruction(X, FACTORS, -1, SHAPE), ValueError, r"indices: expected columns"),
    "no indices": (lambda: plot.reconstruction(X, FACTORS, [], SHAPE), TypeError, r"indices: expected integers"),
    "a mask": (lambda: plot.reconstruction(X, FACTORS, [True], SHAPE), TypeError, r"indices: expected integers"),
    "shape of X": (
        lambda: plot.reconstruction(X, FACTORS, [0], (6, 2)),
        ValueError,
        r"shape: expected .* product 6, the number of rows of X, got \(6, 2\)",
    ),
}


@pytest.mark.parametrize(("call", "error", "message"), WRONG.values(), ids=WRONG)
def test_wrong_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("case", [case for case in WRONG if case != "three axes"])  # that one makes them itself
def test_a_wrong_argument_leaves_no_figure_open(case):
    call, error, _ = WRONG[case]
    with pytest.raises(error):
        call()
    assert not plt.get_fignums()


# Without matplotlib


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_jnmf_does_not_import_matplotlib():
    done = run_python("import jnmf, jnmf.plot, sys; assert 'matplotlib' not in sys.modules")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "call",
    [
        lambda: plot.scree(a_sweep()),
        lambda: plot.consensus(a_consensus()),
        lambda: plot.convergence(TRACE),
        lambda: plot.components(W, SHAPE),
        lambda: plot.heatmaps(X, FACTORS),
    ],
)
def test_where_matplotlib_is_missing_the_error_says_how_to_install_it(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'jnmf\[plot\]'"):
        call()


def test_nothing_is_shown(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("show was called"))
    plot.scree(a_sweep())
    plot.components(W, SHAPE)


# components with names


def test_top_features_shows_each_share_by_its_name():
    features = [[("a$b", 0.5), ("b", 0.25)], [("c", 1.0)], []]
    figure = plot.top_features(features, num_columns=2, color="red")
    shown = [ax for ax in figure.axes if ax.axison]
    for ax, wanted, title in zip(shown, features, ("component 1", "component 2", "component 3"), strict=True):
        assert ax.get_title() == title
        assert [patch.get_width() for patch in ax.patches] == [share for _, share in wanted]
        assert [text.get_text() for text in ax.get_yticklabels()] == [name.replace("$", r"\$") for name, _ in wanted]
        assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first is on top
        assert all(patch.get_facecolor() == to_rgba("red") for patch in ax.patches)
    assert_drawn(figure)
    with pytest.raises(ValueError, match="at least one component, got none"):
        plot.top_features([])
    with pytest.raises(ValueError, match="titles: expected one for each of the 3 components, got 1"):
        plot.top_features(features, titles=["one"])


@pytest.mark.parametrize("axis", [0, 1])
def test_bootstrap_shows_the_interval_of_the_largest_entries(axis):
    H, several = random(2, 4), random(9, 2, 4, seed=1)
    W, of_W = random(3, 2, seed=2), random(9, 3, 2, seed=3)
    factors, replicates = Factors(W, H), Factors(of_W, several)
    if axis == 1:
        factors, replicates = Factors(H.T, W.T), Factors(np.swapaxes(several, 1, 2), np.swapaxes(of_W, 1, 2))
    found = jnmf.Bootstrap(factors, replicates, np.ones((9, 2)), np.zeros(9, int), axis)
    figure = plot.bootstrap(found, level=0.5, count=3, names=list("wxyz"))
    ends = np.quantile(several, [0.25, 0.75], axis=0)
    for k, ax in enumerate(figure.axes):
        first = np.argsort(-H[k])[:3]
        (line,) = ax.lines
        np.testing.assert_array_equal(line.get_xdata(), H[k][first])
        bars = np.array([segment[:, 0] for segment in ax.collections[0].get_segments()])
        np.testing.assert_allclose(bars, ends[:, k, first].T)
        assert [text.get_text() for text in ax.get_yticklabels()] == ["wxyz"[j] for j in first]
    assert_drawn(figure)


def test_signatures_are_in_the_order_and_colours_of_cosmic():
    assert plot.CHANNELS[:5] == ["A[C>A]A", "A[C>A]C", "A[C>A]G", "A[C>A]T", "C[C>A]A"]
    assert plot.CHANNELS[-1] == "T[T>G]T"
    assert len(set(plot.CHANNELS)) == 96
    W = random(96, 2) + 0.1
    W[:, 1] = 0
    shuffled = np.random.default_rng(3).permutation(96)
    names = [plot.CHANNELS[i] for i in shuffled]
    frame = pandas.DataFrame(W[shuffled], index=names)
    for figure in (plot.signatures(W), plot.signatures(W[shuffled], channels=names), plot.signatures(frame)):
        first, second = figure.axes
        bars = [bar for container in first.containers for bar in container]
        np.testing.assert_allclose([bar.get_height() for bar in bars], W[:, 0] / W[:, 0].sum())
        colors = [bar.get_facecolor() for bar in bars]
        assert [colors[i] for i in range(0, 96, 16)] == [to_rgba(c) for c in plot.SUBSTITUTIONS.values()]
        assert len(set(colors)) == 6
        assert [text.get_text() for text in first.texts] == ["C>A", "C>G", "C>T", "T>A", "T>C", "T>G"]
        assert {bar.get_height() for container in second.containers for bar in container} == {0.0}
        assert second.get_xticklabels()[4].get_text() == "CCA"
    assert_drawn(figure)
    for given, options, message in (
        (W[:95], {}, "a row for each of the 96 channels, got 95"),
        (W.T, {}, "got 2; signatures are columns, did you pass H for H.T"),
        (-W, {}, "expected nonnegative entries, got -"),
        (W, {"channels": names[1:] + names[1:2]}, "expected the 96 names such as"),
        (W, {"titles": ["one"]}, "titles: expected one for each of the 2 columns"),
    ):
        with pytest.raises(ValueError, match=message):
            plot.signatures(given, **options)
