"""What is shown of a result: table, figure, sentences; on the terminal and as a part of the results page."""

import html
import json
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table as RichTable

from experiments import page, study
from experiments.race.case import KINDS
from experiments.race.cases import CASES
from experiments.race.figure import drawn
from experiments.race.words import bar_text, label, verdict_text

TITLE = "The race against other packages"
SOURCE = "Everyone from the same start on the same machine; medians of whole runs, compile time apart."


def headline(result: dict) -> str:
    settings, kind = result["settings"], KINDS[result["kind"]]
    size = kind.size.format(*result["shape"])
    rank = f", rank {settings['rank']}" if "rank" in settings else ""
    divergence = ", KL divergence" if settings.get("loss") == "kl" else ""
    return f"{result['case']}: {size}{rank}{divergence}, {result['dtype']}: {kind.question(settings)}"


def table(result: dict) -> study.Table:
    settings, kind, rows = result["settings"], KINDS[result["kind"]], []
    columns = kind.columns(settings)
    for row in result["rows"]:
        shown = ["missing", *[""] * (len(columns) - 1)] if row["missing"] else kind.cells(settings, row)
        rows.append((label(row), *shown, bar_text(row["verdict"]) if "verdict" in row else ""))
    return study.Table(("contender", *columns, "bar"), rows, kind.caption(result))


def figure(result: dict) -> Figure:
    return drawn(KINDS[result["kind"]].draw, result, headline(result))


def sentences(result: dict) -> list[str]:
    return [*map(verdict_text, result["verdicts"]), *result["notes"]]


def section(result: dict) -> study.Section:
    figures = (f"{result['case']}-{result['dtype']}",)
    return study.Section(headline(result), "\n\n".join(sentences(result)), figures, (table(result),))


def kept(out: Path) -> list[dict]:
    """The results in the folder, in the order of CASES and float64 first."""
    paths = [out / f"race-{name}-{dtype}.json" for name in CASES for dtype in ("float64", "float32")]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def write_fragment(out: Path) -> None:
    """`out`/race.html: the race's part of the results page, from all results in the folder."""
    results = kept(out)
    body = "".join(page.as_html("race", section(result), out) for result in results)
    made = "".join(f"<li>{html.escape(made_text(result))}</li>" for result in results)
    fragment = (
        f'<section><h2 id="race">{html.escape(TITLE)}</h2><p class="source">{html.escape(SOURCE)}</p>{body}'
        f'<ul class="made">{made}</ul></section>\n'
    )
    (out / "race.html").write_text(fragment, encoding="utf-8")


def made_text(result: dict) -> str:
    machine, load = result["machine"], result["load"]
    versions = ", ".join(f"{package} {found}" for package, found in machine["versions"].items())
    return (
        f"python -m experiments.race {result['case']} --dtype {result['dtype']} --repeats {result['repeats']}: "
        f"{machine['processor']}, {machine['cores_used']} of {machine['cores']} cores, "
        f"load average {load['before'][0]:.2f} before and {load['after'][0]:.2f} after, {result['seconds']:.0f} s. "
        f"Python {machine['python']}, {versions}."
    )


def show(result: dict, console: Console) -> None:
    found = table(result)
    shown = RichTable(title=headline(result), caption=found.caption)
    for i, column in enumerate(found.columns):
        shown.add_column(column, no_wrap=i == 0)
    for row in found.rows:
        shown.add_row(*row)
    console.print(shown)
    for line in sentences(result):
        console.print(line, highlight=False, markup=False)
