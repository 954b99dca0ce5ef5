"""The problem set's study, tiny and on its stand-ins: the six identities hold on the arrays, the text follows them."""

import importlib
from dataclasses import replace

import numpy as np
from every_study import *
from scipy import sparse

from experiments import data
from experiments import problem_set as study
from experiments.problem_set import clusters, penalties, topics

MISSING = ("mnist_train", "classic4")
IMPOSSIBLE = [({"topic_iters": 25}, "topic_iters: expected a multiple of record_every = 10, got 25")]


def test_als_obeys_the_rule_with_the_factor_2_and_not_without(arrays):
    deviation, without_2 = arrays["rule_deviation"], arrays["rule_deviation_without_2"]
    compared = np.isfinite(deviation)
    assert compared[:, :2].all()
    assert deviation[compared].max() < 1e-9
    assert without_2[0] < 1e-9  # α = 0
    assert np.nanmin(without_2[1:]) > 1e-3
    with_alpha, with_the_norm = arrays["printed_deviation"].T  # beside the printed norm the rule needs it beside α
    assert with_alpha.min() > 0.01
    assert with_the_norm.max() < 1e-5


def test_small_measures():
    assert study.size_of([0.0]) == "0, without rounding"
    assert "which is rounding" in study.size_of([0, 1e-14])
    assert "more than rounding" in study.size_of([1e-3, 0])
    np.testing.assert_allclose(penalties.mean_cosine(np.outer([1.0, 2, 3], [1, 5])), 1, rtol=1e-12)
    assert penalties.mean_cosine(np.eye(3)) == 0


def test_paths_start_without_a_penalty_and_end_without_components(arrays):
    assert arrays["alphas"][0] == 0
    assert np.all(np.diff(arrays["alphas"]) > 0)
    for method in penalties.METHODS:
        error, alive = arrays[f"{method}.error"], arrays[f"{method}.alive"]
        np.testing.assert_allclose(error[0, 0], error[1, 0], rtol=1e-12)
        assert np.all(alive[:, 0] == study.TINY.rank)
        np.testing.assert_array_equal(alive[:, -1], 0)  # the last α is twice what leaves nothing of l2
        np.testing.assert_allclose(error[:, -1], 1, atol=1e-5)
        np.testing.assert_array_equal(np.isfinite(arrays[f"{method}.sparsity"]).sum(axis=2), alive)


def test_sparsity_is_in_its_bounds_and_met_at_the_ends_alone(arrays):
    np.testing.assert_allclose(arrays["single_sparsity"], 1, atol=1e-12)
    np.testing.assert_allclose(arrays["alike_sparsity"], 0, atol=1e-12)
    assert arrays["drawn_sparsity"].min() > 1e-6
    assert arrays["drawn_sparsity"].max() < 1 - 1e-6
    assert arrays["projection_deviation"] < 1e-12
    np.testing.assert_array_equal(np.sum(arrays["vectors"] > 1e-9, axis=1)[[0, -1]], [24, 1])
    np.testing.assert_allclose(np.ptp(arrays["images"][0]), 0, atol=1e-12)


def test_the_multiplicative_update_is_the_gradient_step_with_steps_on_both_sides_of_projected_gradient(arrays):
    assert arrays["step_deviation"].max() < 1e-12
    assert len(arrays["step_deviation"]) == study.TINY.num_iters
    for method in ("MU", "PGD"):
        assert np.all(np.diff(arrays[f"{method}.loss"]) <= 1e-9 * arrays[f"{method}.loss"][0])
    np.testing.assert_allclose(arrays["MU.loss"][0], arrays["PGD.loss"][0], rtol=1e-12)
    assert arrays["step_column_smallest"].max() <= 1 + 1e-9
    assert arrays["step_column_largest"].min() >= 1 - 1e-9
    counted = arrays["step_histogram"].sum(axis=1) + arrays["step_below_bins"]
    np.testing.assert_allclose(counted, 1, rtol=1e-12)  # none is above the bins


def test_a_newton_step_lands_at_als_from_anywhere_which_is_not_the_best(arrays):
    assert max(arrays["hessian_deviation"], arrays["pseudo_inverse_deviation"]) < 1e-12
    assert arrays["landing_deviation"].max() < 1e-10
    assert arrays["distance_gradient"].min() > 1e-3
    assert arrays["distance_before"].max() > 50
    assert arrays["iterate_deviation"].max() < 1e-9
    np.testing.assert_allclose(arrays["newton.loss"], arrays["ALS.loss"], rtol=1e-9)
    ends = arrays["plane_ends"]
    np.testing.assert_allclose(ends, np.broadcast_to(ends[0], ends.shape), atol=1e-9)
    np.testing.assert_allclose(arrays["plane_truncated"], np.maximum(ends[0], 0), atol=1e-9)
    assert ends[0].min() < 0
    assert np.linalg.norm(arrays["plane_best"] - arrays["plane_truncated"]) > 1e-3
    assert arrays["plane_best"].min() >= 0


def test_k_means_is_the_semi_orthogonal_factorisation(arrays):
    np.testing.assert_allclose(arrays["k_means_objective"], arrays["inertia"], rtol=1e-12)
    assert arrays["orthogonality_deviation"].max() < 1e-12
    np.testing.assert_array_equal(np.count_nonzero(arrays["G"], axis=1), 1)
    assert np.all(arrays["nmf_objective"] <= arrays["inertia"] * (1 + 1e-9))
    assert np.all(arrays["svd_objective"] <= arrays["nmf_objective"] * (1 + 1e-9))
    np.testing.assert_allclose(np.linalg.norm(arrays["nmf_W"], axis=0), 1, rtol=1e-12)
    X, labels = data.digits().X[:, : study.TINY.num_images], arrays["cluster_labels"]
    means = [X[:, labels == c].mean(axis=1) for c in range(study.TINY.num_clusters[-1])]
    np.testing.assert_allclose(arrays["means"], means, atol=1e-12)


def test_divergence_and_likelihood_move_in_lockstep_and_topics_are_those_that_were_planted(arrays):
    assert topics.lockstep(arrays).max() < 1e-12
    assert np.all(np.diff(arrays["divergence"], axis=1) < 0)
    np.testing.assert_allclose(arrays["weight_sum"][:, 1:], 1, rtol=1e-12)
    assert np.abs(arrays["weight_sum"][:, 0] - 1).min() > 1e-4  # it is the update that makes it one
    assert arrays["divergence"][arrays["best_start"], -1] == arrays["divergence"][:, -1].min()
    members = arrays["topic_members"]
    assert members.sum() == arrays["documents_terms"][0]
    assert members.max(axis=0).sum() / members.sum() > 0.8
    np.testing.assert_array_equal(arrays["topic_collections"].argmax(axis=0), np.arange(4))
    np.testing.assert_allclose(arrays["topic_collections"].sum(axis=0), 1, rtol=1e-12)
    np.testing.assert_allclose(arrays["topic_weight"].sum(), 1, rtol=1e-12)


def test_documents_without_terms_are_dropped_and_so_are_terms_without_documents():
    counts = sparse.csr_array(np.array([[0, 3, 0, 1], [0, 0, 0, 0], [2, 1, 0, 0], [0, 0, 0, 5], [4, 0, 1, 0]], float))
    names = data.Documents(counts, np.array(list("abcd")), np.array([0, 1, 0, 1, 1]), np.array(["x", "y"]))
    settings = replace(study.TINY, num_documents=5, num_terms=2)
    X, terms, labels = topics.selected(names, settings)
    np.testing.assert_array_equal(terms, ["a", "b"])  # two documents have each, as have d; the first ones win
    np.testing.assert_array_equal(X.toarray(), [[0, 3], [2, 1], [4, 0]])
    np.testing.assert_array_equal(labels, [0, 0, 1])


def test_abstracts_are_selected_without_empty_lines(data_folder):
    documents = data.classic4()
    X, terms, labels = topics.selected(documents, study.Settings())
    assert X.shape == (len(labels), len(terms))
    assert X.sum(axis=1).min() > 0
    assert X.sum(axis=0).min() > 0
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


def test_numbers_in_the_text_and_in_the_tables_are_those_of_the_arrays(arrays, sections):
    answers = [f"{section.answer} {section.tables}" for section in sections]
    assert f"{np.nanmax(arrays['rule_deviation']):.1e}" in answers[0]
    assert f"{arrays['ALS.error'][0, 0]:.3f} without a penalty" in answers[0]
    assert f"{arrays['projection_deviation']:.1e}" in answers[1]
    assert f"is {arrays['MU.loss'][-1]:.1f} for MU and {arrays['PGD.loss'][-1]:.1f} for" in answers[2]
    assert f"{arrays['step_deviation'].max():.1e}" in answers[2]
    assert f"{arrays['landing_deviation'].max():.1e}" in answers[3]
    objectives = f"from {arrays['inertia'][-1]:.5g} to {arrays['nmf_objective'][-1]:.5g} at k = 3"
    assert objectives in answers[4]
    assert f"{topics.lockstep(arrays).max():.1e}" in answers[5]
    assert "150 documents × 60 terms" in answers[5]
    tables = [table for section in sections for table in section.tables]
    assert len(tables) == 10
    terms, members = tables[-2:]
    assert [row[2].split(", ")[0] for row in terms.rows] == arrays["topic_terms"][:, 0].tolist()
    assert [list(map(int, row[1:])) for row in members.rows] == arrays["topic_members"].tolist()
    assert [note.startswith("These are") for note in arrays["notes"]] == [True, True]


def test_the_text_follows_the_numbers_where_they_come_out_otherwise(arrays):
    changed = arrays | {
        "rule_deviation": arrays["rule_deviation"] + 0.1,
        "step_deviation": arrays["step_deviation"] + 0.1,
        "iterate_deviation": arrays["iterate_deviation"] + 0.1,
        "plane_ends": np.abs(arrays["plane_ends"]),
        "PGD.loss": arrays["MU.loss"] / 2,
        "digits": np.full_like(arrays["digits"], -1),
        "log_likelihood": arrays["log_likelihood"][:, ::-1],
        "topic_collections": arrays["topic_collections"][[0, 2, 1, 3]] * np.array([[1], [1], [1], [0]]),
    }
    answers = [f"{section.answer} {section.tables}" for section in study.sections(changed)]
    assert "more than rounding" in answers[0]
    assert "1.0e-01, which is more than rounding" in answers[2]
    assert "projected gradient is lower" in answers[2]
    assert "do not cover each other" in answers[3]
    assert "nothing is cut off" in answers[3]
    assert "commonest digit" not in answers[4]
    assert "both fall or both rise 15 times" in answers[5]
    assert f"{arrays['collections'][3]} is the largest of no topic" in answers[5]
    assert "both are nonnegative" in clusters.k_means(arrays)
    assert "not both are nonnegative" in clusters.k_means(arrays | {"least_entry": np.array([[0, -0.1], [0, 1]])})
