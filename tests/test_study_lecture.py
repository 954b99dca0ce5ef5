"""The lecture's study: the loop is the one that is stated, scaling does what is proved, the page says what it found."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jnmf
from experiments import data
from experiments import lecture as study

LITERAL, COMPENSATED = 0, 1
ANLS, MU, ENTROPY = range(3)


def missing():
    raise data.DataMissing("no such file")


@pytest.fixture(scope="module")
def arrays():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "mnist_test", missing)
        return study.compute(study.TINY)


@pytest.fixture(scope="module")
def sections(arrays):
    return study.sections(arrays)


def small():
    """X (20, 15) positive, of rank 3 and noise, and a start of rank 3."""
    draw = np.random.default_rng(1)
    X = draw.random((20, 3)) @ draw.random((3, 15)) + 0.1 * draw.random((20, 15))
    return X, jnmf.Factors(jnp.asarray(draw.random((20, 3))), jnp.asarray(draw.random((3, 15))))


def by_hand(X, start, method, num_iters):
    """The literal multiplicative algorithms in NumPy: the last W and H, and δ of every iteration."""
    W, H = map(np.asarray, start)
    deltas = []
    for _ in range(num_iters):
        old = W, H
        if method == MU:
            H = H * (W.T @ X) / (W.T @ W @ H)
            W = W * (X @ H.T) / (W @ H @ H.T)
        else:
            H = H * (W.T @ (X / (W @ H))) / W.sum(axis=0)[:, None]
            W = W * ((X / (W @ H)) @ H.T) / H.sum(axis=1)
        W = W / W.max(axis=0)
        deltas.append(max(np.linalg.norm(b - a) / np.linalg.norm(a) for a, b in zip(old, (W, H), strict=True)))
    return W, H, deltas


@pytest.mark.parametrize("method", [MU, ENTROPY])
def test_the_loop_is_the_one_that_is_stated(method):
    X, start = small()
    run = jax.device_get(study.alternate(X, start, method, False, 0.0, 6))
    W, H, deltas = by_hand(X, start, method, 6)
    assert run.num_iters == 6
    for found, expected in ((run.factors.W, W), (run.factors.H, H), (run.delta, deltas)):
        np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_with_compensation_it_is_the_algorithm_of_the_library():
    X, start = small()
    run = study.alternate(X, start, MU, True, 0.0, 6)
    factors, trace = jnmf.run(X, start, jnmf.MU(), num_iters=6)
    np.testing.assert_allclose(run.factors.W @ run.factors.H, factors.W @ factors.H, rtol=1e-10)
    np.testing.assert_allclose(run.loss, trace.loss, rtol=1e-8)


def test_a_run_ends_at_the_first_delta_below_the_tolerance(arrays):
    for i, method, way in np.ndindex(arrays["num_iters"].shape):
        count = arrays["num_iters"][i, method, way]
        delta = arrays["delta"][i, method, way]
        assert np.all(delta[: count - 1] >= study.TINY.tol)
        assert delta[count - 1] < study.TINY.tol or count == study.TINY.max_iters[method]
        assert np.all(np.isnan(delta[count:]))
    assert np.all(arrays["num_iters"][:, [MU, ENTROPY]] < study.TINY.max_iters[MU])


def test_the_columns_of_a_literal_w_have_maximum_one_or_are_dead(arrays):
    for i, k in enumerate(study.TINY.ranks):
        largest = arrays[f"features_{k}"].max(axis=1)
        assert largest.shape == (3, k)
        np.testing.assert_array_equal(np.sum(largest == 0, axis=1), arrays["dead"][i])
        np.testing.assert_allclose(largest[largest > 0], 1)


def test_anls_does_not_notice_the_scaling_but_its_last_pair_does(arrays):
    loss = arrays["loss"][:, ANLS]
    np.testing.assert_allclose(loss[:, LITERAL], loss[:, COMPENSATED], rtol=1e-9)
    returned, before, compensated = np.moveaxis(arrays["frobenius"][:, ANLS], 1, 0)
    np.testing.assert_allclose(before, compensated, rtol=1e-9)
    assert np.all(returned > before)


def test_multiplicative_updates_take_another_path(arrays):
    gap = np.nanmax(np.abs(study.loss_gap(arrays)), axis=2)
    assert np.all(gap[:, [MU, ENTROPY]] > 1e-4)
    assert np.all(gap[:, ANLS] < 1e-9)


def test_with_compensation_the_loss_never_rises(arrays):
    loss = arrays["loss"][:, :, COMPENSATED]
    assert np.all((np.diff(loss) <= 1e-9 * loss[..., :-1]) | np.isnan(np.diff(loss)))


def test_the_final_losses_are_those_of_the_histories(arrays):
    own = study.own_loss(arrays)
    for i, method in np.ndindex(own.shape[:2]):
        for way, column in ((LITERAL, 1), (COMPENSATED, 2)):
            last = arrays["loss"][i, method, way, arrays["num_iters"][i, method, way] - 1]
            np.testing.assert_allclose(own[i, method, column], last, rtol=1e-9)


def test_more_features_are_smaller_parts(arrays):
    for trait, (sign, _) in study.TRAITS.items():
        assert np.all(sign * np.diff(arrays[trait], axis=0) > 0), trait


def test_each_loss_is_lower_with_the_algorithm_that_lowers_it(arrays):
    frobenius, kl = arrays["frobenius"][:, :, 1], arrays["kl"][:, :, 1]
    assert np.all(frobenius[:, MU] < frobenius[:, ENTROPY])
    assert np.all(kl[:, ENTROPY] < kl[:, MU])
    assert np.all(arrays["sparsity"][:, ENTROPY] > arrays["sparsity"][:, MU])


def test_traits_of_features_that_are_known():
    W: Any = np.array([[0.5, 1, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0]])  # one pixel, all pixels, and a dead one
    H: Any = np.array([[2.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    found = study.traits(jnmf.Factors(W, H), np.eye(4))
    assert found["dead"] == 1
    np.testing.assert_allclose(found["sparsity"], (1 + 0) / 2)
    np.testing.assert_allclose(found["support"], (1 / 4 + 1) / 2)
    np.testing.assert_allclose(found["resemblance"], (1 + 1 / 2) / 2)
    np.testing.assert_allclose(found["active"], (2 + 1) / 2)


def test_the_parts_are_parts_of_the_image(arrays):
    parts = arrays["parts"]
    assert parts.shape == (2, 64, 2 + study.PARTS)
    assert np.all(np.diff(parts[:, :, 2:].sum(axis=1)) <= 0)
    assert np.all(parts[:, :, 2:].sum(axis=2) <= parts[:, :, 1] + 1e-12)


def test_tiles_keep_every_pixel():
    W = np.arange(1.0, 31.0).reshape(6, 5) / 30
    sheet = study.tiles(W, (2, 3), "F")
    assert sheet.shape == (2 * 3 - 1, 3 * 4 - 1)
    np.testing.assert_array_equal(sheet[3:5, 4:7], W[:, 4].reshape(2, 3, order="F"))
    assert np.all(sheet[2] == 1)


def test_a_dip_is_found_only_where_delta_rises(arrays):
    changed = dict(arrays, num_iters=np.full_like(arrays["num_iters"], 5))
    changed["delta"] = np.broadcast_to([1.0, 0.2, 0.3, 0.4, 0.1], (*arrays["delta"].shape[:3], 5))
    changed["loss"] = np.broadcast_to([9.0, 8.0, 7.0, 5.0, 4.0], (*arrays["delta"].shape[:3], 5))
    assert study.dip(changed, 0, MU) == (2, 0.2, 2.0)
    changed["delta"] = np.sort(changed["delta"])[..., ::-1]
    assert study.dip(changed, 0, MU) is None
    assert "dips" in study.on_delta(arrays)
    assert "dips" not in study.on_delta(changed)


def test_every_question_is_answered_and_every_figure_is_there(arrays, sections):
    figures = study.plot(arrays)
    assert len(sections) == 5
    for section in sections:
        assert section.answer.strip()
        assert "nan" not in section.answer
        assert set(section.figures) <= set(figures)
        for table in section.tables:
            assert all(len(row) == len(table.columns) for row in table.rows)
    assert set(figures) == {figure for section in sections for figure in section.figures}


def test_the_numbers_of_the_tables_are_those_of_the_arrays(arrays, sections):
    (runs,), (traits,), (losses,), (scaling,) = (section.tables for section in sections if section.tables)
    for row, (i, method) in enumerate(np.ndindex(2, 3)):
        assert runs.rows[row][:3] == (
            str(study.TINY.ranks[i]),
            study.METHODS[method],
            str(arrays["num_iters"][i, method, LITERAL]),
        )
        assert traits.rows[row][3] == f"{arrays['sparsity'][i, method]:.2f}"
        assert losses.rows[row][2] == f"{arrays['frobenius'][i, method, 1]:.6g}"
        assert scaling.rows[row][-1] == f"{study.own_loss(arrays)[i, method, 2]:.6g}"
    assert f"after {arrays['num_iters'][0, MU, LITERAL]} iterations" in sections[0].answer


def test_the_words_follow_the_numbers(arrays):
    assert "say the same" in study.on_building_blocks(arrays)
    assert "support with MU entropy does not" in study.on_building_blocks(
        arrays | {"support": np.where(np.arange(3) == ENTROPY, arrays["support"][::-1], arrays["support"])}
    )
    assert "nothing to compare" in study.on_building_blocks({**arrays, "ranks": arrays["ranks"][:1]})
    swapped = arrays["sparsity"][:, [ANLS, ENTROPY, MU]]
    assert "are sparser" in study.on_entropy(arrays)
    assert "not sparser" in study.on_entropy(arrays | {"sparsity": swapped})
    assert "is ended by maxit" in study.on_delta(arrays)
    assert "never rose" in study.on_scaling(arrays)
    loss = arrays["loss"].copy()
    loss[0, MU, LITERAL, 1] = 2 * loss[0, MU, LITERAL, 0]
    assert "rose 1 times" in study.on_scaling(arrays | {"loss": loss})


def test_what_is_kept_is_numbers_and_text(arrays):
    assert all(array.dtype.kind in "biufU" for array in arrays.values())
    assert "no such file" in arrays["notes"][0]


def test_each_algorithm_needs_a_most_of_iterations():
    with pytest.raises(ValueError, match="one for each of ANLS"):
        study.compute(replace(study.TINY, max_iters=(5, 5)))
