"""The leukaemia study: planted clusters are found, so are the known subtypes, and the page says what it found."""

from dataclasses import replace

import numpy as np
from every_study import *

import jnmf
from experiments import data
from experiments import leukemia as study
from experiments.leukemia import consistency, rank, scale, settling, subtypes

MISSING = ("all_aml",)
IMPOSSIBLE = [({"num_iters": 5, "every": 6}, "every: expected at most num_iters")]


def test_the_numbers_of_the_page_are_those_of_the_arrays(arrays, sections):
    measures, counts, clusters, scales, settled = (table for section in sections for table in section.tables)
    for i, k in enumerate(study.TINY.ranks):
        written = [f"{arrays[measure][i]:.4f}" for measure in study.MEASURES]
        assert measures.rows[i] == (str(k), *written, f"{arrays['loss'][i].min():.1f}")
        assert list(scales.rows[i][1::2]) == written
        assert settled.rows[i] == (str(k), *map(str, settling.last_changes(arrays)[i]))
        assert clusters.rows[i][1] == subtypes.written(arrays["labels"][i], arrays["subtypes"])
    assert sorted(sum(map(int, row[1:])) for row in counts.rows) == [8, 11, 19]
    assert f"{len(arrays['samples'])} samples" in sections[0].answer
    assert "Each cluster is of one subtype" in sections[2].answer
    assert "no such file" in arrays["notes"][0]  # and a stand-in has no reference
    assert not any("eference" in section.answer for section in sections)
    assert len(measures.columns) == 5
    assert len(consistency.measures_table({**arrays, "notes": arrays["notes"][:0]}).columns) == 8


def test_the_planted_clusters_are_found_by_every_restart_and_one_more_is_less_consistent(arrays):
    assert scale.same_partition(arrays["labels"][0], arrays["subtypes"])
    same = arrays["subtypes"][:, None] == arrays["subtypes"]
    np.testing.assert_array_equal(arrays["matrices"][0], same)
    assert all(arrays[measure][1] < arrays[measure][0] == 1 for measure in study.MEASURES)
    assert not subtypes.misplaced(arrays["labels"][0], arrays["subtypes"]).any()
    assert "All three speak for k = 3." in rank.on_rank(arrays)
    kl, frobenius = arrays["memory"]
    assert kl >= 8 * arrays["X_shape"].prod()
    assert frobenius < kl


def test_the_watched_restarts_are_those_of_the_sweep(arrays):
    X, tiny = data.planted_clusters().X, study.TINY
    options = {"num_restarts": tiny.num_restarts, "algorithm": jnmf.MU(beta=1.0), "num_iters": tiny.num_iters}
    sweep = jnmf.sweep(X, tiny.ranks, **options)
    np.testing.assert_array_equal(sweep.loss, arrays["loss"])
    for of_rank, members in zip(arrays["assigned"], sweep.members, strict=True):
        np.testing.assert_array_equal(of_rank[:, -1], np.argmax(members.H[: tiny.watched], axis=1))


def test_clusters_that_are_known():
    assigned = np.zeros((1, 3, 4, 2), int)
    assigned[0, 1, 2:, 1] = 1  # changes between the second look and the third
    assigned[0, 2, 0, 0] = 1
    found = settling.last_changes({"assigned": assigned, "looks": np.array([10, 20, 30, 40])})
    np.testing.assert_array_equal(found, [[10, 30, 20]])
    labels, names = np.array([0, 0, 0, 1, 1, 2]), np.array(["A", "B", "B", "A", "A", "C"])
    assert subtypes.written(labels, names) == "{2 B + 1 A}, {2 A} and {1 C}"
    np.testing.assert_array_equal(subtypes.misplaced(labels, names), [True, False, False, False, False, False])
    for other, same in (([1, 1, 0], True), ([0, 1, 1], False), ([0, 0, 0], False)):
        assert scale.same_partition(np.array([0, 0, 1]), np.array(other)) == same


def test_the_words_and_figures_follow_the_numbers(arrays):
    given = lambda **changed: arrays | {name: np.asarray(value) for name, value in changed.items()}
    rising = dict.fromkeys(study.MEASURES, (0.9, 1.0))
    assert "Nothing falls here, and every k" in rank.on_rank(given(**rising))
    assert "k = 3 (cophenetic), any (dispersion)" in rank.on_rank(given(**rising | {"cophenetic": [1.0, 0.9]}))
    wide = given(ranks=[2, 3, 4, 5], **dict.fromkeys(study.MEASURES, (1.0, 0.99, 0.98, 0.9)))
    assert "All three speak for k = 2 to 4." in rank.on_rank(wide)
    assert "nothing to choose" in rank.on_rank(given(ranks=[3]))
    wrong = arrays["labels"].copy()
    wrong[0, 0] = wrong[0, -1]  # a sample of A among those of C
    assert "1 of 38 samples are misplaced: sample 1 (A)" in subtypes.on_subtypes(given(labels=wrong))
    assert "others at k = 3" in scale.on_scale(given(labels=wrong, labels_scaled=arrays["labels"]))
    assert "are the same." in scale.on_scale(given(labels_scaled=arrays["labels"]))
    assert "and 1 at k = 3:" in scale.on_scale(given(dispersion_scaled=[1.0, 0.9]))
    assert "higher at no k. " in scale.on_scale(given(dispersion_scaled=[0.5, 0.5]))
    for dispersion, words in (((0.9, 0.8), "most at k = 3 (0.900) and least at k = 4"), ((0.8, 0.9), "most at k = 4")):
        assert words in consistency.on_consistency(given(dispersion=dispersion))
    m, n = arrays["X_shape"]
    for bytes_of_kl, blocks in ((4 * m * n, True), (9 * m * n, False)):
        assert ("taken in blocks" in settling.on_settling(given(memory=[bytes_of_kl, m]))) == blocks
    late = arrays["assigned"].copy()
    late[:, :, -1] = -1
    assert "No run still changed" in settling.on_settling(given(assigned=np.zeros_like(late)))
    assert "4 of 4 runs still changed" in settling.on_settling(given(assigned=late))
    texts = [text for ax in consistency.draw_consensus(arrays).axes for text in (ax.get_title(), ax.get_xlabel())]
    assert {"k = 3", "k = 4", "number of clusters k"} <= set(texts)
    assert "rank" not in " ".join(texts)


def test_the_real_clusters_are_the_reference(data_folder):
    arrays = study.compute(replace(study.TINY, ranks=(3,), watched=1))
    assert not len(arrays["notes"])
    answer = subtypes.on_subtypes(arrays)
    assert "2 of 38 samples are misplaced" in answer
    assert "The reference has the same counts" in answer
    best = consistency.REFERENCE[3][2]  # of 50 restarts that ran longer
    assert best < arrays["loss"].min() < 1.01 * best
