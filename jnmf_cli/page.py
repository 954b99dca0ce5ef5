"""A page in one file: its pictures are in it, and nothing comes from elsewhere."""

import base64
import html
import io

from jnmf_cli.errors import one_line

STYLE = """
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; color: #1a1a1a; }
h1, h2 { line-height: 1.25; }
h2 { margin-top: 2.5rem; border-top: 2px solid #0072B2; padding-top: 1rem; }
figure { margin: 1rem 0; overflow-x: auto; }
figure img { max-width: 100%; height: auto; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; margin: 1rem 0; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: left; }
th { font-weight: 600; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
"""
NO_SCRIPTS = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(title: str, sections: list[str]) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{text(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{NO_SCRIPTS}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style><h1>{text(title)}</h1>{''.join(sections)}</html>\n"
    )


def facts(known: dict) -> str:
    rows = "".join(f"<tr><th>{text(name)}</th><td>{text(value)}</td></tr>" for name, value in known.items())
    return f'<div class="table"><table>{rows}</table></div>'


def table(columns: list[str], rows: list[list]) -> str:
    head = "".join(f"<th>{text(column)}</th>" for column in columns)
    cells = ["".join(f'<td class="number">{text(value)}</td>' for value in row) for row in rows]
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f'<div class="table"><table><tr>{head}</tr>{body}</table></div>'


def section(title: str, about: str, *figures) -> str:
    """A title, a sentence, and figures of matplotlib, which are closed."""
    images = "".join(_image(figure, title) for figure in figures)
    return f"<h2>{text(title)}</h2><p>{text(about)}</p>{images}"


def _image(figure, title: str) -> str:
    import matplotlib.pyplot as plt

    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    plt.close(figure)
    encoded = base64.b64encode(file.getvalue()).decode()
    return f'<figure><img alt="{text(title)}" src="data:image/png;base64,{encoded}"></figure>'


def text(value) -> str:
    """As a page may hold it."""
    return html.escape(one_line(value), quote=True)
