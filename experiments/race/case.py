"""What a kind of case is: its settings, what is computed with them, and how the result is shown.

A kind is a file with a subclass of `Case`. `compute` is the work; the rest takes the result, a dict as JSON gives it
back, in which `settings` are the fields of the case: what is in the folder is shown without computing.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from experiments.race import figure

KINDS: dict[str, type["Case"]] = {}


@dataclass(frozen=True)
class Case:
    asks: ClassVar[str]  # what is measured, for the title, with the settings filled in
    shows: ClassVar[tuple[str, ...]]  # the columns of the table, between the contender and the bar
    means: ClassVar[str]  # what the columns mean
    size: ClassVar[str] = "{} × {}"  # of the matrix, in the title
    length: ClassVar[tuple[str, str]] = "seconds", "seconds"  # of a bar of the figure: the key in its row, what it is

    def __init_subclass__(cls):
        KINDS[cls.__name__] = cls

    def quick(self) -> Any:
        """The case with little to do: only to see that it runs."""
        return self

    def compute(self, dtype: str, repeats: int) -> dict[str, Any]:
        """The shape of X, a row for each contender, the verdicts on the bars, and notes; and what else is to be kept.

        A row has the `contender`, why it is `missing` or None, and its numbers.
        """
        raise NotImplementedError

    @classmethod
    def question(cls, settings: dict) -> str:
        return cls.asks.format(**settings)

    @classmethod
    def columns(cls, settings: dict) -> tuple[str, ...]:
        return cls.shows

    @classmethod
    def cells(cls, settings: dict, row: dict) -> list[str]:
        """What a row shows under `columns`."""
        raise NotImplementedError

    @classmethod
    def caption(cls, result: dict) -> str:
        return cls.means

    @classmethod
    def draw(cls, axes, rows: list[dict], result: dict) -> None:
        """Those that took part: a bar each."""
        figure.bars(axes, rows, *cls.length)
