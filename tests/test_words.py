"""The small words that the studies share, and the figures' helpers."""

import numpy as np
import pytest

from experiments import figures, words


@pytest.mark.parametrize(("texts", "found"), [([], "none"), ("a", "a"), ("ab", "a and b"), (iter("abc"), "a, b and c")])
def test_a_list_reads_as_one(texts, found):
    assert words.listed(texts) == found


def test_numbers_read_as_words():
    assert words.span([0.31, 0.2, 0.25], ".1f") == "0.2 to 0.3"
    assert words.span([0.31, 0.32], ".1f") == "0.3"
    assert words.span(np.array([3, 12])) == "3 to 12"
    assert [words.counted(k, "start") for k in (0, 1, 2)] == ["0 starts", "1 start", "2 starts"]
    assert words.percent(0.126) == "13 %"
    assert words.percent([0.3, 0.126]) == "13 to 30 %"
    assert words.percent(0.126, 1) == "12.6 %"


def test_paragraphs_are_apart_and_each_on_a_line():
    assert words.paragraphs("one", "", "two") == "one\n\ntwo"
    assert words.flowing("  one\n   line\n \n two ") == "one line\n\ntwo"


@pytest.mark.parametrize(
    ("values", "found"), [([2, 3], "above"), ([0, 0.5], "below"), ([0, 2], "?"), ([1, 2], "?"), ([np.nan, 2], "?")]
)
def test_what_the_starts_do_not_agree_on_is_undecided(values, found):
    assert words.decided(values, 1, "above", "below", "?") == found


def test_a_difference_is_sure_beyond_two_standard_errors():
    assert words.sure(0.21, 0.1)
    assert not words.sure(0.2, 0.1)
    assert not words.sure(np.nan, 0.1)


def test_an_image_is_its_column():
    figure, (ax, _) = figures.panels(3, 2, columns=2)
    drawn = figures.show_image(ax, np.arange(6), (2, 3), "F", "a title", vmax=9)
    np.testing.assert_array_equal(drawn.get_array(), [[0, 2, 4], [1, 3, 5]])
    assert (drawn.get_clim(), ax.get_title(), list(ax.get_xticks())) == ((0, 9), "a title", [])
    ax.plot([1, 2], label="a curve")
    figures.legend_beneath(figure, ax, 2)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a curve"]


def test_marks_are_places_of_a_curve_that_differ_from_curve_to_curve():
    assert figures.marks(100, 0) == [0, 2, 9, 30, 99]
    assert figures.marks(100, 5) != figures.marks(100, 0)
    assert max(figures.marks(7, 3)) < 7
