"""The problem set's study, tiny and on its stand-ins: the six identities hold on the arrays, the text follows them."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
from every_study import *
from scipy import sparse

from experiments import data
from experiments import problem_set as study
from experiments.problem_set import penalties, topics

pytestmark = pytest.mark.slow

MISSING = ("mnist_train", "classic4")
IMPOSSIBLE = [({"topic_iters": 25}, "topic_iters: expected a multiple of record_every = 10, got 25")]
losses = lambda a: (a["newton.loss"], a["ALS.loss"])
digits = data.digits().X[:, : study.TINY.num_images]
means = lambda labels: [digits[:, labels == c].mean(axis=1) for c in range(study.TINY.num_clusters[-1])]
deviation = lambda a: a.rule_deviation[np.isfinite(a.rule_deviation)]
FACTS = {
    "ALS obeys the rule with the factor 2": lambda a: (np.isfinite(a.rule_deviation[:, :2]), deviation(a) < 1e-9),
    "and not without": lambda a: np.nanmin(a.rule_deviation_without_2[1:]) > 1e-3,
    "but for α = 0": lambda a: a.rule_deviation_without_2[0] < 1e-9,
    "beside the printed norm the rule needs it beside α": lambda a: a.printed_deviation[:, 0] > 0.01,
    "and agrees with it": lambda a: a.printed_deviation[:, 1] < 1e-5,
    "paths start without a penalty": lambda a: (a.alphas[0] == 0, np.diff(a.alphas) > 0),
    "one nonzero entry: sparsity 1": lambda a: near(a.single_sparsity, 1, atol=1e-12),
    "all alike: sparsity 0": lambda a: near(a.alike_sparsity, 0, atol=1e-12),
    "and else between": lambda a: (a.drawn_sparsity > 1e-6) & (a.drawn_sparsity < 1 - 1e-6),
    "the projection meets its sparsity": lambda a: a.projection_deviation < 1e-12,
    "from all entries to a single one": lambda a: same(np.sum(a.vectors > 1e-9, axis=1)[[0, -1]], [24, 1]),
    "the image without sparsity is one grey": lambda a: near(np.ptp(a["images"][0]), 0, atol=1e-12),
    "MU is the gradient step": lambda a: (a.step_deviation < 1e-12, len(a.step_deviation) == study.TINY.num_iters),
    "MU and PGD descend": lambda a: tuple(np.diff(a[k]) <= 1e-9 * a[k][0] for k in ("MU.loss", "PGD.loss")),
    "from one start": lambda a: near(a["MU.loss"][0], a["PGD.loss"][0], rtol=1e-12),
    "steps of MU are on both sides": lambda a: (a.step_column_smallest <= 1 + 1e-9, a.step_column_largest >= 1 - 1e-9),
    "no step is above the bins": lambda a: near(a.step_histogram.sum(axis=1) + a.step_below_bins, 1, rtol=1e-12),
    "the Hessian is right, and the pseudo-inverse": lambda a: (
        max(a.hessian_deviation, a.pseudo_inverse_deviation) < 1e-12
    ),
    "a Newton step lands at ALS": lambda a: a.landing_deviation < 1e-10,
    "from far away": lambda a: a.distance_before.max() > 50,
    "where a gradient step does not": lambda a: a.distance_gradient > 1e-3,
    "Newton's iterates are those of ALS": lambda a: (a.iterate_deviation < 1e-9, near(*losses(a), rtol=1e-9)),
    "all Newton steps in the plane end at one point": lambda a: near(
        a.plane_ends, a.plane_ends[[0] * len(a.plane_ends)], atol=1e-9
    ),
    "which is outside": lambda a: a.plane_ends[0].min() < 0,
    "and cut off": lambda a: near(a.plane_truncated, np.maximum(a.plane_ends[0], 0), atol=1e-9),
    "and then not the best": lambda a: np.linalg.norm(a.plane_best - a.plane_truncated) > 1e-3,
    "which is nonnegative, too": lambda a: a.plane_best >= 0,
    "k-means is the semi-orthogonal factorisation": lambda a: near(a.k_means_objective, a.inertia, rtol=1e-12),
    "with one cluster an image": lambda a: (a.orthogonality_deviation < 1e-12, np.count_nonzero(a.G, axis=1) == 1),
    "NMF is below k-means": lambda a: a.nmf_objective <= a.inertia * (1 + 1e-9),
    "and above the SVD": lambda a: a.svd_objective <= a.nmf_objective * (1 + 1e-9),
    "its components are unit vectors": lambda a: near(np.linalg.norm(a.nmf_W, axis=0), 1, rtol=1e-12),
    "the means are those of the clusters": lambda a: near(a.means, means(a.cluster_labels), atol=1e-12),
    "divergence and likelihood move in lockstep": lambda a: topics.lockstep(a) < 1e-12,
    "the divergence falls": lambda a: np.diff(a.divergence, axis=1) < 0,
    "the weights sum to one": lambda a: near(a.weight_sum[:, 1:], 1, rtol=1e-12),
    "by the update, not by the start": lambda a: np.abs(a.weight_sum[:, 0] - 1) > 1e-4,
    "the best start is the best": lambda a: a.divergence[a.best_start, -1] == a.divergence[:, -1].min(),
    "every document is a member": lambda a: a.topic_members.sum() == a.documents_terms[0],
    "a topic is that of most of its documents": lambda a: (
        a.topic_members.max(axis=0).sum() > 0.8 * a.topic_members.sum()
    ),
    "topics are those that were planted": lambda a: same(a.topic_collections.argmax(axis=0), np.arange(4)),
    "their shares add up": lambda a: (
        near(a.topic_collections.sum(axis=0), 1, 1e-12),
        near(a.topic_weight.sum(), 1, 1e-12),
    ),
}
less = lambda name, by: lambda a: {name: a[name] + by}
mixed_up = lambda a: {"topic_collections": a.topic_collections[[0, 2, 1, 3]] * np.array([[1], [1], [1], [0]])}
WORDS = [
    ("Problem 1", {}, lambda a: f"{np.nanmax(a.rule_deviation):.1e}"),
    ("Problem 1", {}, lambda a: f"{a['ALS.error'][0, 0]:.3f} without a penalty"),
    ("Problem 2", {}, lambda a: f"{a.projection_deviation:.1e}"),
    ("Problem 3", {}, lambda a: f"is {a['MU.loss'][-1]:.1f} for MU and {a['PGD.loss'][-1]:.1f} for"),
    ("Problem 3", {}, lambda a: f"{a.step_deviation.max():.1e}"),
    ("Problem 4", {}, lambda a: f"{a.landing_deviation.max():.1e}"),
    ("Problem 5", {}, lambda a: f"from {a.inertia[-1]:.5g} to {a.nmf_objective[-1]:.5g} at k = 3"),
    ("Problem 6", {}, lambda a: f"{topics.lockstep(a).max():.1e}", "150 documents × 60 terms"),
    ("Problem 1", less("rule_deviation", 0.1), "more than rounding"),
    ("Problem 3", less("step_deviation", 0.1), "1.0e-01, which is more than rounding"),
    ("Problem 3", lambda a: {"PGD.loss": a["MU.loss"] / 2}, "projected gradient is lower"),
    ("Problem 4", less("iterate_deviation", 0.1), "do not cover each other"),
    ("Problem 4", lambda a: {"plane_ends": np.abs(a.plane_ends)}, "nothing is cut off"),
    ("Problem 5", {}, "both are nonnegative"),
    ("Problem 5", {"least_entry": [[0, -0.1], [0, 1]]}, "not both are nonnegative"),
    ("Problem 5", lambda a: {"digits": np.full_like(a.digits, -1)}, "!commonest digit"),
    ("Problem 6", lambda a: {"log_likelihood": a.log_likelihood[:, ::-1]}, "both fall or both rise 15 times"),
    ("Problem 6", mixed_up, lambda a: f"{a.collections[3]} is the largest of no topic"),
]


@pytest.fixture(scope="module")
def told(told, arrays, sections):
    """With the tables of the question, some of which have the numbers."""

    def with_tables(word, **changed):
        (place,) = [i for i, section in enumerate(sections) if word in section.question]
        (section,) = study.QUESTIONS[place].sections(arrays.but(**changed))
        return f"{section.answer} {section.tables}"

    return with_tables


@pytest.mark.parametrize("method", penalties.METHODS)
def test_paths_end_without_components(arrays, method):
    error, alive = arrays[f"{method}.error"], arrays[f"{method}.alive"]
    near(error[0, 0], error[1, 0], rtol=1e-12)
    assert np.all(alive[:, 0] == study.TINY.rank)
    same(alive[:, -1], 0)  # the last α is twice what leaves nothing of l2
    near(error[:, -1], 1, atol=1e-5)
    same(np.isfinite(arrays[f"{method}.sparsity"]).sum(axis=2), alive)


def test_small_measures():
    assert study.size_of([0.0]) == "0, without rounding"
    assert "which is rounding" in study.size_of([0, 1e-14])
    assert "more than rounding" in study.size_of([1e-3, 0])
    near(penalties.mean_cosine(np.outer([1.0, 2, 3], [1, 5])), 1, rtol=1e-12)
    assert penalties.mean_cosine(np.eye(3)) == 0


def test_documents_without_terms_are_dropped_and_so_are_terms_without_documents():
    counts = sparse.csr_array(np.array([[0, 3, 0, 1], [0, 0, 0, 0], [2, 1, 0, 0], [0, 0, 0, 5], [4, 0, 1, 0]], float))
    names = data.Documents(counts, np.array(list("abcd")), np.array([0, 1, 0, 1, 1]), np.array(["x", "y"]))
    X, terms, labels = topics.selected(names, replace(study.TINY, num_documents=5, num_terms=2))
    same(terms, ["a", "b"])  # two documents have each, as have d; the first ones win
    same(X.toarray(), [[0, 3], [2, 1], [4, 0]])
    same(labels, [0, 0, 1])


def test_abstracts_are_selected_without_empty_lines(data_folder):
    X, terms, labels = topics.selected(data.classic4(), study.Settings())
    assert X.shape == (len(labels), len(terms))
    assert min(X.sum(axis=1).min(), X.sum(axis=0).min()) > 0
    assert set(labels.tolist()) == {0, 1, 2, 3}


def test_every_question_has_its_statement_and_its_deviation(sections):
    assert len(sections) == 6
    for i, section in enumerate(sections):
        assert section.question.startswith(f"Problem {i + 1}. ")
        assert f"statement {15 + i} (proofs/" in section.answer
        assert study.PROOFS[15 + i][1] in section.answer
        (checked,) = (table for table in section.tables if table.columns[0] == "checked on these data")
        assert not any("more than rounding" in cell for row in checked.rows for cell in row)
    for number, (name, _) in study.PROOFS.items():
        module = importlib.import_module(f"proofs.{name}")
        assert [s.number for s in module.STATEMENTS] == [number]
        assert f"problem {number - 14}" in module.STATEMENTS[0].source


def test_the_tables_of_topics_are_those_of_the_arrays(arrays, sections):
    tables = [table for section in sections for table in section.tables]
    assert len(tables) == 10
    terms, members = tables[-2:]
    assert [row[2].split(", ")[0] for row in terms.rows] == arrays["topic_terms"][:, 0].tolist()
    assert [list(map(int, row[1:])) for row in members.rows] == arrays["topic_members"].tolist()
    assert [note.startswith("These are") for note in arrays["notes"]] == [True, True]
