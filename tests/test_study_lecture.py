"""The lecture's study: the loop is the one that is stated, scaling does what is proved, the page says what it found."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from every_study import *

import jnmf
from experiments import data
from experiments import lecture as study
from experiments.lecture import delta, entropy, formulas, parts, scaling
from experiments.lecture.algorithms import ANLS, NAMES, ONE, TWO, alternate

pytestmark = pytest.mark.slow

MISSING = ("mnist_test",)
IMPOSSIBLE = [({"max_iters": (5, 5)}, "max_iters: expected one for each of ANLS")]
PRINTED, COMPENSATED = 0, 1
final = lambda a, measure: a[measure][:, :, 1]
gap = lambda a: np.nanmax(np.abs(scaling.loss_gap(a)), axis=2)
FACTS = {
    "ANLS does not notice the scaling": lambda a: near(a.loss[:, ANLS, PRINTED], a.loss[:, ANLS, COMPENSATED], 1e-9),
    "and its losses are those of its pairs": lambda a: near(a.frobenius[:, ANLS, 1], a.frobenius[:, ANLS, 2], 1e-9),
    "but its last pair does": lambda a: a.frobenius[:, ANLS, 0] > a.frobenius[:, ANLS, 1],
    "the others take another path": lambda a: (gap(a)[:, ONE] > 1e-4, gap(a)[:, TWO] > 1e-5, gap(a)[:, ANLS] < 1e-9),
    "algorithm I is lower in its norm": lambda a: final(a, "frobenius")[:, ONE] < final(a, "frobenius")[:, TWO],
    "algorithm II in its divergence": lambda a: final(a, "kl")[:, TWO] < final(a, "kl")[:, ONE],
    "and more sparse": lambda a: a.sparsity[:, TWO] > a.sparsity[:, ONE],
    "an image has its parts": lambda a: a.parts.shape == (2, 64, 2 + parts.PARTS),
    "the largest first": lambda a: np.diff(a.parts[:, :, 2:].sum(axis=1)) <= 0,
    "which are in the whole": lambda a: a.parts[:, :, 2:].sum(axis=2) <= a.parts[:, :, 1] + 1e-12,
    "the new pair is no NMF": lambda a: (a.new_W.min() > 0, a.new_H.min() < 0),
    "of the same product": lambda a: near(a.new_W @ a.new_H, np.eye(2), atol=1e-15),
    "the divergence is no distance": lambda a: near(a.asymmetry, [1 - np.log(2), 2 * np.log(2) - 1], rtol=1e-12),
    "the SVD is below all": lambda a: a.svd < final(a, "frobenius").min(axis=1),
} | {
    f"more features are smaller parts: {trait}": lambda a, t=trait, sign=sign: sign * np.diff(a[t], axis=0) > 0
    for trait, (sign, *_) in parts.TRAITS.items()
}
WORDS = [
    ("5. How does", {}, lambda a: f"after {a.num_iters[0, ONE, PRINTED]} iterations"),
    ("special about the entropy", {}, "0.3069", "0.3863"),
]


def small():
    """X (20, 15) positive, of rank 3 and noise, and a start of rank 3."""
    draw = np.random.default_rng(1)
    X = draw.random((20, 3)) @ draw.random((3, 15)) + 0.1 * draw.random((20, 15))
    return X, jnmf.Factors(jnp.asarray(draw.random((20, 3))), jnp.asarray(draw.random((3, 15))))


def as_printed(X, W, H, method, tau, maxit):
    """The lecture's algorithm in NumPy and SciPy, line by line; 0/0 = 0: the last W and H, and δ of every iteration."""
    divide = lambda a, b: np.divide(a, b, out=np.zeros_like(a), where=b != 0)
    columns = lambda A, B: np.stack([scipy.optimize.nnls(A, b)[0] for b in B.T], axis=1)
    scale = lambda W: W.sum(axis=0) if method == TWO else W.max(axis=0)
    W, t, delta, deltas = W / scale(W), 0, np.inf, []
    while delta > tau and t < maxit:
        old_W, old_H = W, H
        if method == ANLS:
            H = columns(W, X)
            W = columns(H.T, X.T).T
        elif method == ONE:
            H = divide(W.T @ X, W.T @ (W @ H)) * H
            W = divide(X @ H.T, W @ H @ H.T) * W
        else:
            H = (W.T @ divide(X, W @ H)) * H
            W = divide(divide(X, W @ H) @ H.T, np.ones(W.shape) * H.sum(axis=1)) * W
        W = divide(W, np.ones(W.shape) * scale(W))
        if t > 0 or method != ANLS:
            norm = np.linalg.norm
            delta = norm(W - old_W) / norm(old_W) + norm(H - old_H) / norm(old_H)
        deltas.append(delta)
        t = t + 1
    return W, H, deltas


@pytest.mark.quick(2)
@pytest.mark.parametrize("method", [ANLS, ONE, TWO])
@pytest.mark.parametrize("blank", [False, True], ids=["positive", "with a blank pixel"])
def test_each_algorithm_is_the_one_that_is_printed(method, blank):
    """The iterations that it takes to τ, δ after each of them (none at t = 0 for ANLS), and the pair it returns."""
    X, start = small()
    if blank:
        X[3] = 0
    W, H, deltas = as_printed(X, *map(np.asarray, start), method, 0.02, 60)
    run = jax.device_get(alternate(X, start, method, False, 0.02, 60))
    assert 5 < run.num_iters < 60
    assert run.num_iters == len(deltas)
    near(run.delta[: len(deltas)], deltas, rtol=1e-8)
    assert np.isnan(run.delta[len(deltas) :]).all()
    for found, expected in ((run.factors.W, W), (run.factors.H, H)):
        near(found, expected, rtol=1e-8, atol=1e-12)


def test_a_delta_that_is_the_tolerance_ends_the_run_and_maxit_does():
    X, start = small()
    ran = lambda tol: jax.device_get(alternate(X, start, ONE, False, tol, 8))
    delta = ran(0.0).delta
    assert ran(delta[6]).num_iters == np.argmax(delta <= delta[6]) + 1  # the lecture goes on while δ > τ
    assert ran(0.0).num_iters == 8


def test_without_an_answer_to_0_over_0_blank_pixels_end_both_multiplicative_algorithms():
    X, start = small()
    for expected in (-1, 1):
        assert [formulas.first_undefined(X, start, method) for method in (ONE, TWO)] == [expected] * 2
        X[3] = 0


def counted_twice(X, k: int, method: int, tau: float, maxit: int) -> list[int]:
    start = jnmf.init.random(0, X, k)
    deltas = as_printed(X, *map(np.asarray, start), method, tau, maxit)[2]
    return [len(deltas), int(alternate(X, start, method, False, tau, maxit).num_iters)]


@pytest.mark.parametrize("method", [ONE, TWO])
def test_counts_on_real_digits_are_those_of_the_printed_algorithms(data_folder, method):
    ours, printed = counted_twice(data.mnist_test().X[:, :100], 4, method, 0.1, 60)
    assert ours == printed < 60


@pytest.mark.slow
@pytest.mark.parametrize(("k", "method"), [(9, ONE), (9, TWO), (81, ONE), (81, TWO)])
def test_counts_of_the_lectures_own_test_are_those_of_the_printed_algorithms(data_folder, optimized, k, method):
    ours, printed = counted_twice(data.mnist_test().X, k, method, 0.01, 500)
    assert ours == printed < 500


def test_algorithm_two_keeps_the_sum_of_the_data():
    X, start = small()
    W, H = alternate(X, start, TWO, False, 0.0, 8).factors
    near(np.sum(W @ H), X.sum(), rtol=1e-12)
    near(np.sum(W, axis=0), 1, rtol=1e-12)


def test_ranks_are_below_both_sides_of_x():
    assert study.ranks_for((784, 1000), (81, 9)) == ([9, 81], "")
    ranks, note = study.ranks_for((64, 1000), (9, 81))
    assert ranks == [9, 25]
    assert "k = 81 is not below min(n, p) = 64" in note
    assert "k = 25 is taken in its place" in note
    assert study.ranks_for((64, 1000), (49, 64))[0] == [49]
    with pytest.raises(ValueError, match=r"ranks: expected some below min\(m, n\) = 1"):
        study.ranks_for((1, 9), (2,))


def test_with_compensation_it_is_the_algorithm_of_the_library():
    X, start = small()
    run = alternate(X, start, ONE, True, 0.0, 6)
    scaled = jnmf.Factors(jnmf.normalize(start).W, start.H)
    factors, trace = jnmf.run(X, scaled, jnmf.MU(), num_iters=6)
    near(run.factors.W @ run.factors.H, factors.W @ factors.H, rtol=1e-10)
    near(run.loss, trace.loss, rtol=1e-8)


def test_runs_end_at_the_first_delta_below_the_tolerance_with_scaled_columns(arrays):
    for i, method, way in np.ndindex(arrays["num_iters"].shape):
        count, delta = arrays["num_iters"][i, method, way], arrays["delta"][i, method, way]
        assert np.all(delta[: count - 1] > study.TINY.tol)
        assert delta[count - 1] <= study.TINY.tol or count == study.TINY.max_iters[method]
        assert np.all(np.isnan(delta[count:]))
    assert np.all(arrays["num_iters"][:, [ONE, TWO]] < study.TINY.max_iters[ONE])
    for i, k in enumerate(study.TINY.ranks):
        W = arrays[f"features_{k}"]
        size = np.array([W[ANLS].max(axis=0), W[ONE].max(axis=0), W[TWO].sum(axis=0)])
        same(np.sum(size == 0, axis=1), arrays["dead"][i])
        near(size[size > 0], 1)


def test_the_losses_are_those_of_the_histories_and_with_compensation_never_rise(arrays):
    loss, own = arrays["loss"], scaling.own_loss(arrays)
    changes = np.diff(loss[:, :, COMPENSATED])
    assert np.all((changes <= 1e-9 * loss[:, :, COMPENSATED, :-1]) | np.isnan(changes))
    for i, method in np.ndindex(own.shape[:2]):
        for way, column in ((PRINTED, 1), (COMPENSATED, 2)):
            last = loss[i, method, way, arrays["num_iters"][i, method, way] - 1]
            near(own[i, method, column], last, rtol=1e-9)


def test_traits_of_features_that_are_known():
    W: Any = np.array([[0.5, 1, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0]])  # one pixel, all pixels, and a dead one
    H: Any = np.array([[2.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    found = parts.traits(jnmf.Factors(W, H), np.eye(4))
    expected = {"dead": 1, "sparsity": (1 + 0) / 2, "support": (1 / 4 + 1) / 2, "resemblance": (1 + 1 / 2) / 2}
    assert found == pytest.approx(expected | {"active": (2 + 1) / 2})


def test_a_dip_is_found_only_where_delta_rises(arrays):
    shape = (*arrays["delta"].shape[:3], 5)
    given = lambda deltas: (
        arrays
        | {
            "num_iters": np.full_like(arrays["num_iters"], 5),
            "delta": np.broadcast_to(deltas, shape),
            "loss": np.broadcast_to([9.0, 8.0, 7.0, 5.0, 4.0], shape),
        }
    )
    for first, method in ((1.0, ONE), (np.inf, ANLS)):  # as ANLS has it
        assert delta.dip(given([first, 0.2, 0.3, 0.4, 0.1]), 0, method) == (2, 0.2, 2.0)
    falling = given([np.inf, 0.4, 0.3, 0.2, 0.1])
    assert delta.dip(falling, 0, ONE) is None
    assert "dips" in delta.on_delta(arrays)
    assert "dips" not in delta.on_delta(falling)


def test_the_numbers_of_the_page_are_those_of_the_arrays(arrays, sections):
    bounds, _, runs, traits, losses, scaled = (section.tables[0] for section in sections if section.tables)
    assert bounds.rows[0][1:3] == (f"{arrays['svd'][0]:.6g}", f"{arrays['frobenius'][0, ANLS, 1]:.6g}")
    for row, (i, method) in enumerate(np.ndindex(2, 3)):
        number = str(arrays["num_iters"][i, method, PRINTED])
        assert runs.rows[row][:3] == (str(study.TINY.ranks[i]), NAMES[method], number)
        assert traits.rows[row][3] == f"{arrays['sparsity'][i, method]:.2f}"
        assert losses.rows[row][2] == f"{arrays['frobenius'][i, method, 1]:.6g}"
        assert scaled.rows[row][-1] == f"{scaling.own_loss(arrays)[i, method, 2]:.6g}"
    assert len(sections) == 7


def test_the_words_about_building_blocks_follow_the_numbers(arrays):
    assert parts.on_building_blocks(arrays).startswith("Yes, by all four")
    swapped = arrays | {"support": np.where(np.arange(3) == TWO, arrays["support"][::-1], arrays["support"])}
    assert "Not in all respects" in parts.on_building_blocks(swapped)
    assert "support with algorithm II." in parts.on_building_blocks(swapped)
    assert "nothing to compare" in parts.on_building_blocks({**arrays, "ranks": arrays["ranks"][:1]})


def test_the_words_about_sparsity_and_0_over_0_follow_the_numbers(arrays):
    sparsity = arrays["sparsity"].copy()
    for more, words in ((0.1, "are more sparse than"), (-0.1, "are less sparse than"), (0.001, "about as sparse")):
        sparsity[:, TWO] = sparsity[:, ONE] + more
        assert words in entropy.on_entropy(arrays | {"sparsity": sparsity})
    for t, words in ((1, "(at t = 1) and algorithm II (at t = 1) would have"), (-1, "does not happen")):
        assert words in formulas.on_formulas(arrays | {"undefined": np.array([t, t])})


def test_the_words_about_tau_follow_the_numbers(arrays):
    """Losses are compared only where τ ended both runs; a larger and a smaller loss are told apart."""
    assert "is ended by maxit" in delta.on_delta(arrays)
    assert "do not say what the same τ means" in delta.on_quality(arrays)
    ended = arrays["delta"].copy()
    for i, method in np.ndindex(len(arrays["ranks"]), 3):
        ended[i, method, 0, arrays["num_iters"][i, method, 0] - 1] = study.TINY.tol
    assert "maxit" not in delta.on_delta(arrays | {"delta": ended}).split("\n\n")[0]
    loss = arrays["frobenius"].copy()
    for factor, words in ((1.2, "20.0% above for algorithm I"), (0.9, "10.0% below for"), (1.001, "within 1% of each")):
        loss[:, ONE] = factor * loss[:, ANLS]
        text = delta.on_quality(arrays | {"delta": ended, "frobenius": loss})
        assert words in text
        assert "do not say" not in text


def test_the_words_about_scaling_follow_the_numbers(arrays):
    assert "never rose with algorithm I and never rose" in scaling.on_scaling(arrays)
    loss = arrays["loss"].copy()
    loss[0, ONE, PRINTED, 1] = 2 * loss[0, ONE, PRINTED, 0]
    assert "rose 1 times with algorithm I" in scaling.on_scaling(arrays | {"loss": loss})
    t = arrays["num_iters"][0, TWO].min()
    for factor, words in ((1.5, "50.00% above"), (0.75, "25.00% below")):
        loss[0, TWO, PRINTED, t - 1] = factor * loss[0, TWO, COMPENSATED, t - 1]
        assert words in scaling.on_scaling(arrays | {"loss": loss})
