"""The record of what the studies say at the sources' own sizes: from kept arrays alone, in whole sentences."""

import pytest

from experiments import record, study, swimmer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with one study in a folder of its own, as a run with --out FOLDER/NAME leaves it."""
    out = tmp_path_factory.mktemp("kept")
    (out / "swimmer").mkdir()
    study.perform("swimmer", swimmer.TINY, out / "swimmer")
    return out


def test_the_record_has_the_first_sentence_of_every_answer(folder):
    records = record.records_in(folder)
    text = record.render(records)
    sections = swimmer.sections(records["swimmer"].arrays)
    for section in sections:
        assert f"- *{section.question}* {' '.join(section.answer.split()[:8])}" in text
    assert text.count("\n- *") == len(sections)
    assert f"`python -m experiments swimmer`, {records['swimmer'].made['seconds']:.0f} s" in text
    assert "num_restarts = 3" in text
    assert "Not among them: williams, lab_synthetic" in text
    assert str(folder) not in text


def test_settings_of_the_source_are_told_as_such(folder):
    kept = record.records_in(folder)["swimmer"]
    full = study.Record(kept.arrays, kept.made | {"settings": study.plain(vars(swimmer.FULL))})
    assert "`python -m experiments swimmer --full`" in record.chapter("swimmer", full)


def test_the_first_sentences_are_whole_and_as_many_as_fit():
    answer = "Yes: 0.5 of it. Brunet et al. Look here.\n\nA third, by 1.5. (An aside.) The end."
    assert record.first_sentences(answer, 10) == "Yes: 0.5 of it."
    assert record.first_sentences(answer, 45) == "Yes: 0.5 of it. Brunet et al. Look here."
    assert record.first_sentences(answer, 200) == " ".join(answer.split())
    assert record.first_sentences("No. It is so. Signs. A component has a sign.", 25) == "No. It is so."


def test_an_empty_folder_says_what_to_run(tmp_path):
    with pytest.raises(SystemExit, match="python -m experiments all --full"):
        record.main(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [({}, "draws its data"), ({"notes": []}, "those of the source"), ({"notes": ["They stand in."]}, "They stand in.")],
)
def test_it_says_what_the_data_were(arrays, told):
    assert told in record.where_from(arrays)
