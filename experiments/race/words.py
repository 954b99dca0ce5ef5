"""Numbers, names and verdicts as the table, the figure and the sentences show them."""

from typing import Any

from experiments.race.contenders import ALGORITHMS, is_jnmf


def number(value: float | None, digits: int = 3) -> str:
    if value is None:
        return "–"
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"


def ratio(row: dict) -> str:
    return "–" if row.get("ratio") is None else f"{number(row['ratio'])}×"


def label(row: dict | None) -> str:
    """What a contender is called in tables and figures."""
    name = row["contender"] if row else "jnmf"
    return f"jnmf {name}" if name in ALGORITHMS else name


def best_of_jnmf(rows: list[dict], key: str, lowest: bool = False) -> dict | None:
    """The row of jnmf with the highest (or lowest) number under `key`."""
    having = [row for row in rows if is_jnmf(row["contender"]) and row.get(key) is not None]
    return (min if lowest else max)(having, key=lambda row: row[key], default=None)


def judged(row: dict | None, key: str, what: str, bar: float, unit: str, at_most: bool = False) -> dict[str, Any]:
    """What a row's number under `key` says of a bar, kept in the row too; without a row it is not reached."""
    found = row[key] if row else None
    reached = found is not None and (found <= bar if at_most else found >= bar)
    verdict = {"what": what, "found": found, "bar": bar, "unit": unit, "at_most": at_most, "reached": reached}
    if row:
        row["verdict"] = verdict
    return verdict


def bar_text(one: dict) -> str:
    return f"{'≤' if one['at_most'] else '≥'} {number(one['bar'])}{one['unit']}"


def verdict_text(one: dict) -> str:
    if one["reached"] is None:
        return f"Not judged: {one['what']}, bar {bar_text(one)}."
    found = "never" if one["found"] is None else f"{number(one['found'])}{one['unit']}"
    return f"{one['what']}: {found}, bar {bar_text(one)}: {'reached' if one['reached'] else 'NOT reached'}."
