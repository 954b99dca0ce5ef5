"""The leukaemia study: planted clusters are found, so are the known subtypes, and the page says what it found."""

from dataclasses import replace

import numpy as np
from every_study import *

import jnmf
from experiments import data
from experiments import leukemia as study
from experiments.leukemia import consistency, scale, settling, subtypes

MISSING = ("all_aml",)
IMPOSSIBLE = [({"num_iters": 5, "every": 6}, "every: expected at most num_iters")]
FACTS = {
    "the planted clusters are found": lambda a: scale.same_partition(a.labels[0], a.subtypes),
    "by every restart": lambda a: same(a.matrices[0], a.subtypes[:, None] == a.subtypes),
    "one more is less consistent": lambda a: all(a[name][1] < a[name][0] == 1 for name in study.MEASURES),
    "no sample is misplaced": lambda a: ~subtypes.misplaced(a.labels[0], a.subtypes),
    "KL takes a matrix of the size of X, Frobenius less": lambda a: 8 * a.X_shape.prod() <= a.memory[0] > a.memory[1],
}
RISING = dict.fromkeys(study.MEASURES, (0.9, 1.0))
WIDE = {"ranks": [2, 3, 4, 5]} | dict.fromkeys(study.MEASURES, (1.0, 0.99, 0.98, 0.9))
ANSWERS = ("consistent", "Which k", "known subtypes", "scale of H", "how much memory")
first = lambda a: np.arange(a.labels.size).reshape(a.labels.shape) == 0
misplaced = lambda a: {"labels": np.where(first(a), a.labels[0, -1], a.labels)}  # a sample of A among those of C
late = lambda a: {"assigned": np.concatenate([a.assigned[:, :, :-1], 0 * a.assigned[:, :, :1] - 1], axis=2)}
memory = lambda of_kl: lambda a: {"memory": [of_kl * a.X_shape.prod(), a.X_shape[0]]}
WORDS = [
    ("consistent", {}, lambda a: f"{len(a.samples)} samples"),
    ("known subtypes", {}, "Each cluster is of one subtype"),
    ("Which k", {}, "All three speak for k = 3."),
    ("Which k", RISING, "Nothing falls here, and every k"),
    ("Which k", RISING | {"cophenetic": [1.0, 0.9]}, "k = 3 (cophenetic), any (dispersion)"),
    ("Which k", WIDE, "All three speak for k = 2 to 4."),
    ("Which k", {"ranks": [3]}, "nothing to choose"),
    ("known subtypes", misplaced, "1 of 38 samples are misplaced: sample 1 (A)"),
    ("scale of H", lambda a: misplaced(a) | {"labels_scaled": a.labels}, "others at k = 3"),
    ("scale of H", lambda a: {"labels_scaled": a.labels}, "are the same."),
    ("scale of H", {"dispersion_scaled": [1.0, 0.9]}, "and 1 at k = 3:"),
    ("scale of H", {"dispersion_scaled": [0.5, 0.5]}, "higher at no k. "),
    ("consistent", {"dispersion": [0.9, 0.8]}, "most at k = 3 (0.900) and least at k = 4"),
    ("consistent", {"dispersion": [0.8, 0.9]}, "most at k = 4"),
    ("how much memory", memory(4), "taken in blocks"),
    ("how much memory", memory(9), "!taken in blocks"),
    ("how much memory", lambda a: {"assigned": 0 * a.assigned}, "No run still changed"),
    ("how much memory", late, "4 of 4 runs still changed"),
    *((word, {}, "!eference") for word in ANSWERS),  # a stand-in has none
]


def test_the_numbers_of_the_page_are_those_of_the_arrays(arrays, sections):
    measures, counts, clusters, scales, settled = (table for section in sections for table in section.tables)
    for i, k in enumerate(study.TINY.ranks):
        written = [f"{arrays[measure][i]:.4f}" for measure in study.MEASURES]
        assert measures.rows[i] == (str(k), *written, f"{arrays['loss'][i].min():.1f}")
        assert list(scales.rows[i][1::2]) == written
        assert settled.rows[i] == (str(k), *map(str, settling.last_changes(arrays)[i]))
        assert clusters.rows[i][1] == subtypes.written(arrays["labels"][i], arrays["subtypes"])
    assert sorted(sum(map(int, row[1:])) for row in counts.rows) == [8, 11, 19]
    assert len(measures.columns) == 5
    assert len(consistency.measures_table(arrays.but(notes=arrays["notes"][:0])).columns) == 8


def test_the_watched_restarts_are_those_of_the_sweep(arrays):
    X, tiny = data.planted_clusters().X, study.TINY
    options = {"num_restarts": tiny.num_restarts, "algorithm": jnmf.MU(beta=1.0), "num_iters": tiny.num_iters}
    sweep = jnmf.sweep(X, tiny.ranks, **options)
    same(sweep.loss, arrays["loss"])
    for of_rank, members in zip(arrays["assigned"], sweep.members, strict=True):
        same(of_rank[:, -1], np.argmax(members.H[: tiny.watched], axis=1))


def test_clusters_that_are_known():
    for other, alike in (([1, 1, 0], True), ([0, 1, 1], False), ([0, 0, 0], False)):
        assert scale.same_partition(np.array([0, 0, 1]), np.array(other)) == alike
    looked = np.zeros((1, 3, 4, 2), int)
    looked[0, 1, 2:, 1] = 1  # changes between the second look and the third
    looked[0, 2, 0, 0] = 1
    same(settling.last_changes({"assigned": looked, "looks": np.array([10, 20, 30, 40])}), [[10, 30, 20]])
    labels, names = np.array([0, 0, 0, 1, 1, 2]), np.array(["A", "B", "B", "A", "A", "C"])
    assert subtypes.written(labels, names) == "{2 B + 1 A}, {2 A} and {1 C}"
    same(subtypes.misplaced(labels, names), [True, False, False, False, False, False])


def test_the_figure_speaks_of_clusters(arrays):
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
