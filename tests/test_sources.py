"""The table of the sources' questions: complete, every answer there, the page in docs/ up to date."""

import pytest

from experiments import sources


def test_the_page_is_that_of_the_table():
    assert sources.OUT.read_text(encoding="utf-8") == sources.render(), "run python -m experiments.sources"


def test_every_ask_is_there_once():
    numbers = [ask.number for source in sources.SOURCES for ask in source.asks]
    assert len(numbers) == len(set(numbers)) == 130
    for source in sources.SOURCES:
        assert [ask.number for ask in source.asks] == [f"{source.letter}{k + 1}" for k in range(len(source.asks))]


NOTHING = ("", "99", "jnmf.nothing", "jnmf.losses.frobenius.nothing", "lab_mnist.nothing", "no_study.scree")


@pytest.mark.parametrize("answers", [*NOTHING, "4 jnmf.nothing"])
def test_an_ask_without_its_answer_fails(answers):
    ask = sources.Ask("X7", "somewhere", "something", answers)
    with pytest.raises(sources.Missing, match="X7"):
        sources.render([sources.Source("a source", "X", (ask,))])


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ("lab_synthetic.about_ranks", "What is the impact of a wrong rank, lower or higher than …?"),
        ("lab_synthetic.about_data", "What do V and the factors W0 and H0"),
        ("lab_hals.comparison", "How does HALS compare with projected ALS, BCD and MU on …?"),
    ],
)
def test_titles_are_those_of_the_page(answer, title):
    """What is read from the source is what the study says; … stands for what a run puts in."""
    assert title in sources.answered(answer)
