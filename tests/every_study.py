"""What is asked of every study: the tests that are here, put to the tables of the study's own test file.

    from every_study import *
    from experiments import NAME as study
    MISSING = ("mnist_train", "mnist_test")     the loaders of its data that are to be away
    DRAWN = ("convergence",)                    figures that are also drawn (default: all)
    IMPOSSIBLE = [({"rank": 0}, "rank: expected 1 to")]     settings that are refused, and in what words
    FACTS = {"errors fall": lambda a: np.diff(a.error) < 0}         what holds of the arrays, one or several conditions
    WORDS = [("Which rank", {"error": 1}, "^Here", "no rank")]      what the answer to a question says of other arrays

A text of WORDS is in the answer to the one question with that word; after ^ it is its beginning, after ! it is not in
it. Changed arrays ({}: none) and texts may be functions of the arrays. `arrays`, `sections` (conftest.py) are those of
one compute at TINY for the whole file; `told` gives the answer that other arrays would have.
"""

import dataclasses
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from experiments import data

__all__ = [
    "Arrays",
    "answer",
    "missing",
    "near",
    "same",
    "says",
    "test_every_figure_belongs_to_a_question",
    "test_every_question_is_answered",
    "test_it_holds_of_the_arrays",
    "test_the_arrays_can_be_kept",
    "test_the_settings_and_data_that_are_not_there",
    "test_the_words_follow_the_numbers",
]


class Arrays(dict):
    """Those of a study, by their names: a.error is a["error"]."""

    def __getattr__(self, name):
        if name in self:
            return self[name]
        raise AttributeError(name)

    def but(self, **changed) -> "Arrays":
        return Arrays(self | {name: np.asarray(value) for name, value in changed.items()})


def near(found, wanted, rtol=1e-7, atol=0.0) -> bool:
    np.testing.assert_allclose(found, wanted, rtol, atol)
    return True


def same(found, wanted) -> bool:
    np.testing.assert_array_equal(found, wanted)
    return True


def says(found: str, *texts: str) -> None:
    for text in texts:
        if text.startswith("^"):
            assert found.startswith(text[1:])
        elif text.startswith("!"):
            assert text[1:] not in found
        else:
            assert text in found


def missing():
    raise data.DataMissing("no such file")


def answer(sections, word: str) -> str:
    """That of the one question with this word."""
    (found,) = [section.answer for section in sections if word in section.question]
    return found


def test_the_arrays_can_be_kept(arrays):
    for name, array in arrays.items():
        assert isinstance(array, np.ndarray | np.generic), name
        assert array.dtype.kind in "biufU", name


def test_it_holds_of_the_arrays(request, arrays, fact):
    conditions = request.module.FACTS[fact](arrays)
    for condition in conditions if isinstance(conditions, tuple) else (conditions,):
        assert np.all(condition), fact


def test_the_words_follow_the_numbers(arrays, told, said):
    word, changed, *texts = (part(arrays) if callable(part) else part for part in said)
    says(told(word, **changed), *texts)


def test_every_question_is_answered(sections):
    for section in sections:
        assert len(section.answer) > 100, section.question
        for text in (section.answer, *(str(table.rows) for table in section.tables)):
            assert not re.search(r"\bnan\b|{[a-z_]+[}.:(\[]", text), section.question
        assert all(len(row) == len(table.columns) for table in section.tables for row in table.rows), section.question
    assert len({section.question for section in sections}) == len(sections)


def test_every_figure_belongs_to_a_question(request, arrays, sections):
    figures = request.module.study.plot(arrays)
    assert sorted(figures) == sorted(name for section in sections for name in section.figures)
    for name in getattr(request.module, "DRAWN", figures):
        figures[name].savefig(io.BytesIO(), dpi=20)
    plt.close("all")


def test_the_settings_and_data_that_are_not_there(request, arrays, monkeypatch):
    study = request.module.study
    for loader in getattr(request.module, "MISSING", ()):
        monkeypatch.setattr(data, loader, missing)
        assert all("no such file" in note for note in arrays.notes)
        assert len(arrays.notes)
    for changed, words in getattr(request.module, "IMPOSSIBLE", ()):
        with pytest.raises(ValueError, match=f"^{words}"):
            study.compute(dataclasses.replace(study.TINY, **changed))
