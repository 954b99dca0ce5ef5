"""The leukaemia study: planted clusters are found, so are the known subtypes, and the page says what it found."""

from dataclasses import replace

import numpy as np
import pytest

import jnmf
from experiments import data
from experiments import leukemia as study


def missing():
    raise data.DataMissing("no such file")


@pytest.fixture(scope="module")
def arrays():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "all_aml", missing)
        return study.compute(study.TINY)


@pytest.fixture(scope="module")
def sections(arrays):
    return study.sections(arrays)


def test_the_planted_clusters_are_found_by_every_restart(arrays):
    assert study.same_partition(arrays["labels"][0], arrays["subtypes"])
    same = arrays["subtypes"][:, None] == arrays["subtypes"]
    np.testing.assert_array_equal(arrays["matrices"][0], same)
    assert all(arrays[measure][0] == 1 for measure in study.MEASURES)
    assert not study.misplaced(arrays["labels"][0], arrays["subtypes"]).any()


def test_one_cluster_more_is_less_consistent(arrays):
    assert all(arrays[measure][1] < arrays[measure][0] for measure in study.MEASURES)
    assert "All three speak for k = 3." in study.on_rank(arrays)


def test_the_watched_restarts_are_those_of_the_sweep(arrays):
    X, tiny = data.planted_clusters().X, study.TINY
    sweep = jnmf.sweep(
        X, tiny.ranks, num_restarts=tiny.num_restarts, algorithm=jnmf.MU(beta=1.0), num_iters=tiny.num_iters
    )
    np.testing.assert_array_equal(sweep.loss, arrays["loss"])
    for of_rank, members in zip(arrays["assigned"], sweep.members, strict=True):
        np.testing.assert_array_equal(of_rank[:, -1], np.argmax(members.H[: tiny.watched], axis=1))


def test_the_divergence_needs_room_for_a_matrix_like_x(arrays):
    kl, frobenius = arrays["memory"]
    assert kl >= 8 * arrays["X_shape"].prod()
    assert frobenius < kl


def test_the_last_change_is_the_first_look_after_which_all_stays():
    assigned = np.zeros((1, 3, 4, 2), int)
    assigned[0, 1, 2:, 1] = 1  # changes between the second look and the third
    assigned[0, 2, 0, 0] = 1
    found = study.last_changes({"assigned": assigned, "looks": np.array([10, 20, 30, 40])})
    np.testing.assert_array_equal(found, [[10, 30, 20]])


def test_clusters_are_written_with_their_most_frequent_subtype_first():
    labels, subtypes = np.array([0, 0, 0, 1, 1, 2]), np.array(["A", "B", "B", "A", "A", "C"])
    assert study.written(labels, subtypes) == "{2 B + 1 A}, {2 A} and {1 C}"
    np.testing.assert_array_equal(study.misplaced(labels, subtypes), [True, False, False, False, False, False])


def test_a_partition_is_the_same_whatever_the_clusters_are_called():
    assert study.same_partition(np.array([0, 0, 1]), np.array([1, 1, 0]))
    assert not study.same_partition(np.array([0, 0, 1]), np.array([0, 1, 1]))
    assert not study.same_partition(np.array([0, 0, 1]), np.array([0, 0, 0]))


def test_every_question_is_answered_and_every_figure_is_there(arrays, sections):
    figures = study.plot(arrays)
    assert len(sections) == 5
    for section in sections:
        assert section.answer.strip()
        assert "nan" not in section.answer
        for table in section.tables:
            assert all(len(row) == len(table.columns) for row in table.rows)
    assert set(figures) == {figure for section in sections for figure in section.figures}


def test_the_numbers_of_the_page_are_those_of_the_arrays(arrays, sections):
    measures, counts, clusters, scale, settling = (table for section in sections for table in section.tables)
    for i, k in enumerate(study.TINY.ranks):
        written = [f"{arrays[measure][i]:.4f}" for measure in study.MEASURES]
        assert measures.rows[i] == (str(k), *written, f"{arrays['loss'][i].min():.1f}")
        assert list(scale.rows[i][1::2]) == written
        assert settling.rows[i] == (str(k), *map(str, study.last_changes(arrays)[i]))
        assert clusters.rows[i][1] == study.written(arrays["labels"][i], arrays["subtypes"])
    assert sorted(sum(map(int, row[1:])) for row in counts.rows) == [8, 11, 19]
    assert f"{len(arrays['samples'])} samples" in sections[0].answer
    assert "Each cluster is of one subtype" in sections[2].answer


def test_a_stand_in_has_no_reference(arrays, sections):
    assert "no such file" in arrays["notes"][0]
    assert not any("eference" in section.answer for section in sections)
    assert len(sections[0].tables[0].columns) == 5
    assert len(study.measures_table({**arrays, "notes": arrays["notes"][:0]}).columns) == 8


def test_the_words_follow_the_numbers(arrays):
    rising = {measure: np.array([0.9, 1.0]) for measure in study.MEASURES}
    assert "Nothing falls here, and every k" in study.on_rank(arrays | rising)
    assert "k = 3 (cophenetic), any (dispersion)" in study.on_rank(
        arrays | rising | {"cophenetic": rising["silhouette"][::-1]}
    )
    wide = {"ranks": np.array([2, 3, 4, 5]), **dict.fromkeys(study.MEASURES, np.array([1.0, 0.99, 0.98, 0.9]))}
    assert "All three speak for k = 2 to 4." in study.on_rank(arrays | wide)
    assert "nothing to choose" in study.on_rank({**arrays, "ranks": arrays["ranks"][:1]})
    wrong = arrays["labels"].copy()
    wrong[0, 0] = wrong[0, -1]  # a sample of A among those of C
    assert "1 of 38 samples are misplaced: sample 1 (A)" in study.on_subtypes(arrays | {"labels": wrong})
    assert "others at k = 3" in study.on_scale(arrays | {"labels": wrong, "labels_scaled": arrays["labels"]})
    assert "are the same." in study.on_scale(arrays | {"labels_scaled": arrays["labels"]})
    assert "and 1 at k = 3:" in study.on_scale(arrays | {"dispersion_scaled": np.array([1.0, 0.9])})
    assert "higher at no k. " in study.on_scale(arrays | {"dispersion_scaled": np.array([0.5, 0.5])})
    for dispersion, words in (((0.9, 0.8), "most at k = 3 (0.900) and least at k = 4"), ((0.8, 0.9), "most at k = 4")):
        assert words in study.on_consistency(arrays | {"dispersion": np.array(dispersion)})
    m, n = arrays["X_shape"]
    assert "taken in blocks" in study.on_settling(arrays | {"memory": np.array([4 * m * n, m])})
    assert "taken in blocks" not in study.on_settling(arrays | {"memory": np.array([9 * m * n, m])})
    late = arrays["assigned"].copy()
    late[:, :, -1] = -1
    assert "No run still changed" in study.on_settling(arrays | {"assigned": np.zeros_like(late)})
    assert "4 of 4 runs still changed" in study.on_settling(arrays | {"assigned": late})


def test_what_is_kept_is_numbers_and_text(arrays):
    assert all(array.dtype.kind in "biufU" for array in arrays.values())


def test_looks_must_be_within_the_run():
    with pytest.raises(ValueError, match="every: expected at most num_iters"):
        study.compute(replace(study.TINY, num_iters=5, every=6))


def test_the_real_clusters_are_the_reference(data_folder):
    arrays = study.compute(replace(study.TINY, ranks=(3,), watched=1))
    assert not len(arrays["notes"])
    answer = study.on_subtypes(arrays)
    assert "2 of 38 samples are misplaced" in answer
    assert "The reference has the same counts" in answer
    best = study.REFERENCE[3][2]  # of 50 restarts that ran longer
    assert best < arrays["loss"].min() < 1.01 * best


def test_the_figures_call_the_rank_as_the_text_does(arrays):
    texts = [text for ax in study.draw_consensus(arrays).axes for text in (ax.get_title(), ax.get_xlabel())]
    assert {"k = 3", "k = 4", "number of clusters k"} <= set(texts)
    assert "rank" not in " ".join(texts)
