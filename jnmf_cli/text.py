"""A table of text: its numbers, and the names in its first line and first column, by a rule and not by a guess."""

import csv
import gzip
import io
import math
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jnmf_cli.errors import Refused, of_file

MISSING = {"", "na", "n/a", "nan", "null", "none"}  # in any case
SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
OTHERS = {",": "','", ";": "';'", "\t": "tab", " ": "space"}
HOW_HEADER, HOW_INDEX = "say --header or --no-header", "say --index or --no-index"


class Table(NamedTuple):
    """Numbers (m, n), NaN where a field is missing, and the names of rows and columns, None where there are none."""

    X: np.ndarray
    rows: list[str] | None
    columns: list[str] | None


class Layout(NamedTuple):
    header: bool
    index: bool


def read(path: Path, separator: str, header: bool | None, index: bool | None) -> Table:
    """The table; what is None of `header` and `index` is found, see `layout`. Raises Refused for all else."""
    lines = _lines(path, separator)
    first, second = next(lines, None), next(lines, None)
    if first is None:
        raise Refused(f"{path}: expected a table of numbers, got an empty file")
    _check_separator(path, separator, first[1])
    found = layout(path, first[1], None if second is None else second[1], header, index)
    columns = None
    if found.header:
        columns = first[1]
        if second is None:
            raise Refused(f"{path}: expected rows of numbers under the names in line {first[0]}, got none")
        width = len(second[1]) if len(second[1]) == len(columns) + found.index else len(columns)
        columns = columns[found.index + len(columns) - width :]
        data = _chain([second], lines)
    else:
        width = len(first[1])
        data = _chain([first] if second is None else [first, second], lines)
    if width - found.index < 1:
        raise Refused(f"{path}: expected columns of numbers beside the names in the first one, got none")
    rows, numbers = [], array("d")
    for line, fields in data:
        if len(fields) != width:
            raise Refused(
                f"{path}, line {line}: expected {width} fields as in line {first[0]}, got {len(fields)}; every line "
                "needs as many, with nothing between two separators where a number is missing"
            )
        rows.append(fields[0] if found.index else "")
        numbers.extend(_floats(path, line, fields, found.index, columns))
    X = np.frombuffer(numbers, float).reshape(len(rows), width - found.index)
    if index is None and not found.index and width > 1 and _counts(X[:, 0]):
        raise Refused(f"{path}: the first column only counts the rows, names or numbers of X? {HOW_INDEX}")
    return Table(X, rows if found.index else None, columns)


def _chain(some, lines):
    yield from some
    yield from lines


def layout(path, first: list[str], second: list[str] | None, header: bool | None, index: bool | None) -> Layout:
    """Whether the first line and the first column hold names, from the first two lines.

    The first line does if a field of it, but the first, is text, or if it has one field less than the second, as R
    writes it. The first column does if its field in the first line of numbers is text, or has an empty name in the
    first line, as pandas writes it. Where both readings are possible, as for names that are numbers, it is refused.
    """
    is_text = [_number(field) is None for field in first]
    shorter = second is not None and len(first) + 1 == len(second) and index is not False
    corner_empty = len(first) > 1 and not first[0].strip()
    if header is None:
        header = shorter or any(is_text[1:]) or (len(first) == 1 and is_text[0])
        named_below = second is None or _number(second[0]) is None
        if not header and len(first) > 1 and (corner_empty or (is_text[0] and named_below)):
            raise Refused(f"{path}: is the first line names of columns, or numbers of X? {HOW_HEADER}")
        header = header or is_text[0]
    if index is None:
        below = second if header else first
        index = (header and (shorter or corner_empty)) or (below is not None and _number(below[0]) is None)
    return Layout(header, bool(index))


def _number(field: str) -> float | None:
    """The number that a field is, NaN where it is missing, None where it is text."""
    field = field.strip()
    if field.lower() in MISSING:
        return math.nan
    try:
        return None if "_" in field else float(field)  # 1_000 is a number to Python alone
    except ValueError:
        return None


def _floats(path, line: int, fields: list[str], skip: bool, columns) -> list[float]:
    fields = fields[skip:]
    try:
        if "_" not in "".join(fields):
            return list(map(float, fields))
    except ValueError:
        pass
    values = []
    for j, field in enumerate(fields):
        value = _number(field)
        if value is None:
            where = f"column {columns[j]!r}" if columns else f"field {j + 1 + skip}"
            hint = "; write decimals with a point" if "," in field else ""
            hint = f"; where the column holds the names of the rows {HOW_INDEX}" if j == 0 and not skip else hint
            raise Refused(f"{path}, line {line}, {where}: expected a number, got {field!r}{hint or '; remove it'}")
        values.append(value)
    return values


def _counts(column) -> bool:
    """Whether it is 0, 1, 2, … or 1, 2, 3, …, of at least three rows."""
    return len(column) > 2 and column[0] in (0, 1) and np.array_equal(column, column[0] + np.arange(len(column)))


def _check_separator(path, separator: str, fields: list[str]) -> None:
    if len(fields) == 1:
        inside = [name for other, name in OTHERS.items() if other != separator and other in fields[0].strip()]
        if inside:
            raise Refused(
                f"{path}: expected fields between {OTHERS.get(separator, repr(separator))}, got one field in the first "
                f"line, with {inside[0]} in it; say --separator {inside[0]}, or --header if it is one name"
            )


def _lines(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The number and the fields of each line that is not blank."""
    reader = None
    try:
        with opened(path) as file:
            reader = csv.reader(file, delimiter=separator, strict=True)
            for fields in reader:
                if fields:
                    yield reader.line_num, fields
    except UnicodeDecodeError as error:
        raise Refused(
            f"{path}: expected text in UTF-8, got byte 0x{error.object[error.start]:02x}; save the table as UTF-8"
        ) from None
    except csv.Error as error:
        line = reader.line_num if reader else 1
        raise Refused(f"{path}, line {line}: expected fields between {separator!r}, but {error}") from None
    except (EOFError, zlib.error) as error:
        raise Refused(f"{path}: expected a whole gzip file, but {error}") from None
    except OSError as error:
        raise of_file(path, error) from None


def opened(path: Path):
    """A file of UTF-8, with or without a byte order mark, packed by gzip or not."""
    raw = gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")  # noqa: SIM115
    return io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")  # pyright: ignore[reportArgumentType]
