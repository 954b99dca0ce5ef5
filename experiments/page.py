"""The page: one self-contained HTML file with each study's questions, figures, tables and answers."""

import base64
import html
import re
from pathlib import Path

from experiments.study import NAMES, Record, Section, Table, load

STYLE = """
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; color: #1a1a1a; }
nav li { margin: .2rem 0; }
h1, h2, h3 { line-height: 1.25; }
h2 { margin-top: 3.5rem; border-top: 2px solid #0072B2; padding-top: 1rem; }
h3 { margin-top: 2rem; }
.source, .made, caption, figcaption { color: #555; font-size: .9rem; }
.note { border-left: .3rem solid #D55E00; padding: .3rem .8rem; background: #fff5ee; }
figure { margin: 1rem 0; overflow-x: auto; }
figure img { max-width: 100%; height: auto; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; margin: 1rem 0; }
caption { text-align: left; padding-bottom: .3rem; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: left; white-space: nowrap; }
th { border-bottom: 2px solid #888; white-space: normal; vertical-align: bottom; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
"""
CODE = re.compile("`([^`]+)`")
NUMBER = re.compile(r"[-−+]?[\d.,]+(e[-+]?\d+)?( ?[%×a-zµ]{1,3})?")


def write_study(name: str, record: Record, out: Path) -> None:
    """`out`/NAME.html: the study's part of the page. Its figures are in `out` already."""
    (out / f"{name}.html").write_text(_study(name, record, out), encoding="utf-8")


def write_page(out: Path) -> Path:
    """`out`/index.html from the parts that are there, in the order of the studies."""
    parts = {name: out / f"{name}.html" for name in NAMES if (out / f"{name}.html").is_file()}
    links = "".join(f'<li><a href="#{name}">{_text(load(name).TITLE)}</a></li>' for name in parts)
    body = "".join(path.read_text(encoding="utf-8") for path in parts.values())
    page = out / "index.html"
    page.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>jnmf: the studies</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style>'
        "<h1>jnmf: the studies</h1><p>The questions of the sources in their order, answered with the library. The "
        "answers are written from the numbers of the run; of a formula they name the statement in proofs/ that "
        f"derives it.</p><nav><ol>{links}</ol></nav>{body}</html>\n",
        encoding="utf-8",
    )
    return page


def _study(name: str, record: Record, out: Path) -> str:
    module, made = load(name), record.made
    settings = ", ".join(f"{key} = {value}" for key, value in made["settings"].items())
    versions = ", ".join(f"{key} {value}" for key, value in made["versions"].items())
    notes = "".join(f'<p class="note">{_text(str(note))}</p>' for note in record.arrays.get("notes", ()))
    sections = "".join(as_html(name, section, out) for section in module.sections(record.arrays))
    return (
        f'<section><h2 id="{name}">{_text(module.TITLE)}</h2><p class="source">{_text(module.SOURCE)}</p>{notes}'
        f'{sections}<p class="made">python -m experiments {name}, {made["seconds"]:.1f} s. '
        f"Settings: {_text(settings)}. {_text(versions)}.</p></section>\n"
    )


def as_html(name: str, section: Section, out: Path) -> str:
    """A section of the study or race of that name, whose figures are in `out`."""
    answer = "".join(f"<p>{_prose(paragraph)}</p>" for paragraph in section.answer.split("\n\n"))
    figures = "".join(_figure(out / f"{name}-{figure}.png", section.question) for figure in section.figures)
    return f"<h3>{_text(section.question)}</h3>{answer}{figures}{''.join(map(_table, section.tables))}"


def _figure(path: Path, question: str) -> str:
    image = base64.b64encode(path.read_bytes()).decode()
    return (
        f'<figure><img alt="{_text(path.stem)}: {_text(question)}" src="data:image/png;base64,{image}">'
        f"<figcaption>{_text(path.name)}, {_text(path.with_suffix('.pdf').name)}</figcaption></figure>"
    )


def _table(table: Table) -> str:
    head = "".join(f"<th>{_text(column)}</th>" for column in table.columns)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    return f'<div class="table"><table><caption>{_text(table.caption)}</caption><tr>{head}</tr>{rows}</table></div>'


def _cell(text: str) -> str:
    kind = ' class="number"' if NUMBER.fullmatch(text.strip()) else ""
    return f"<td{kind}>{_text(text)}</td>"


def _prose(text: str) -> str:
    """Text where `code` is set as such."""
    return CODE.sub(r"<code>\1</code>", _text(text))


def _text(text: str) -> str:
    return html.escape(text, quote=True)
