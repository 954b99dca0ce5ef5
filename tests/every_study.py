"""What the test file of a study shares with those of the others: the tests that are here. It names its `study` and,
where they are to be away, the loaders of its data:

    from every_study import *
    from experiments import NAME as study
    MISSING = ("mnist_train", "mnist_test")
    DRAWN = ("convergence",)      figures that are also drawn (default: all)
    IMPOSSIBLE = [({"rank": 0}, "rank: expected 1 to")]      settings that are refused, and in what words

`arrays`, `sections` (conftest.py) are those of one compute at TINY for the whole file; `told` gives the answer that
other arrays would have.
"""

import dataclasses
import io
import re

import numpy as np
import pytest

from experiments import data

__all__ = [
    "answer",
    "missing",
    "test_every_figure_belongs_to_a_question",
    "test_every_question_is_answered",
    "test_impossible_settings_are_refused",
    "test_the_arrays_can_be_kept",
]


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


def test_impossible_settings_are_refused(request, monkeypatch):
    study, table = request.module.study, getattr(request.module, "IMPOSSIBLE", ())
    for loader in getattr(request.module, "MISSING", ()):
        monkeypatch.setattr(data, loader, missing)
    for changed, words in table:
        with pytest.raises(ValueError, match=f"^{words}"):
            study.compute(dataclasses.replace(study.TINY, **changed))
    if not table:
        pytest.skip("IMPOSSIBLE has none")
