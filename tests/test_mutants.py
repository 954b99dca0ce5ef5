"""The list of mutants speaks of the code as it is."""

from collections import Counter

from mutants import CHECKS, MUTANTS, NEAREST, ROOT, name_of, remembered


def test_every_mutant_edits_one_place():
    found = {(file, old): (ROOT / "jnmf" / file).read_text().count(old) for file, old, _ in MUTANTS}
    assert {edit: count for edit, count in found.items() if count != 1} == {}


def test_no_mutant_stands_twice_or_changes_nothing():
    assert [mutant for mutant, count in Counter(MUTANTS).items() if count > 1] == []
    assert all(old != new for _, old, new in MUTANTS)


def test_the_tests_that_are_tried_first_are_those_of_files_that_are_there():
    assert {file for file, _, _ in MUTANTS} <= set(NEAREST)
    assert [file for file in NEAREST if not (ROOT / "jnmf" / file).exists()] == []
    assert set(remembered()) <= {name_of(*mutant) for mutant in MUTANTS}
    for test in {test for tests in (*NEAREST.values(), CHECKS, list(remembered().values())) for test in tests}:
        path, _, name = test.partition("::")
        assert f"def {name.split('[')[0]}" in (ROOT / path).read_text(), test
