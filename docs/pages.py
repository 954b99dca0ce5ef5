"""Write the pages of the site into a folder, for Sphinx: `python -m docs.pages FOLDER [--draws N]`.

The pages in docs/ and at the root are copied, with their links turned from files to pages. The proofs become a book: a
chapter is the docstring of a module with its mathematics, what its last check found, and its code. A check is made
again only after a change of proofs/ or jnmf/. The examples are run and become a gallery. The list of references is
that of references.bib.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import jnmf
from docs import bibliography, gallery
from proofs import statements

ROOT = Path(__file__).parent.parent

BOOK = [path.stem for path in sorted((ROOT / "proofs").glob("*.py")) if not path.stem.startswith("_")]
PAGES = {f"{name}.md": page for name, page in (("README", "overview"), ("CONTRIBUTING", "contributing"))}
PAGES |= {f"{name}.md": name.lower() for name in ("CHANGELOG", "SECURITY")}
PAGES |= {f"docs/{path.name}": path.stem for path in (ROOT / "docs").glob("*.md")}
PAGES |= {"proofs/README.md": "proofs/index", "docs/references.bib": "references"}
PAGES |= {f"proofs/{name}.py": f"proofs/{name}" for name in BOOK}
PAGES |= {f"examples/{path.name}": f"examples/{path.stem}" for path in gallery.EXAMPLES}
PAGES |= {"examples": "examples/index", "jnmf/__init__.py": "api/index"}
MODULES = {  # what has a page of its own beside `jnmf` itself, and what it is about
    "jnmf.losses": "Losses",
    "jnmf.terms": "Terms",
    "jnmf.solvers": "Solvers of the half-problem",
    "jnmf.init": "Starts",
    "jnmf.warm_start": "Cheap starts",
    "jnmf.minibatch": "Mini-batches",
    "jnmf.matrix": "What X is",
    "jnmf.algorithm": "What an algorithm is",
    "jnmf.plot": "Pictures",
    "jnmf.testing": "Checkers",
}
GATHERED = ("jnmf.losses", "jnmf.terms", "jnmf.testing")  # their names are imported from files of theirs


def linked(text: str, file: str) -> str:
    """Markdown of `file` with each link to a file of the project turned into one to its page."""
    page, folder = PAGES[file], (ROOT / file).parent

    def turned(match):
        image, words, target = match.groups()
        path, _, anchor = target.partition("#")
        if not path or "://" in target:
            return match[0]
        name = os.path.relpath((folder / path).resolve(), ROOT)
        if image:
            return f"![{words}]({os.path.relpath(name, Path(page).parent)})"
        if name in PAGES:
            return f"[{words}]({os.path.relpath(PAGES[name], Path(page).parent)}.md{'#' + anchor if anchor else ''})"
        return words  # a file that has no page

    return re.sub(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)", turned, text)


def digest() -> str:
    """Of all that a check of the statements depends on."""
    files = sorted(path for folder in ("proofs", "jnmf") for path in (ROOT / folder).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def checked(file: Path, draws: int) -> dict[str, dict]:
    """What the last check of each statement found, by number; it is made anew after a change of the code."""
    made = digest()
    if file.exists():
        kept = json.loads(file.read_text())
        if kept["digest"] == made:
            return kept["found"]
    numbers = list(statements.statements())
    results = zip(numbers, statements.results(numbers, draws), strict=True)
    found = {str(number): dataclasses.asdict(result) for number, result in results}
    failed = [n for n, r in found.items() if r["failure"] or r["accepted"]]
    if failed:
        sys.exit(f"statements {failed} do not hold: python -m proofs {failed[0]} tells why")
    file.write_text(json.dumps({"digest": made, "found": found}))
    return found


PARTS = "Statements?|Derivations?|Sources?|The idea|What it teaches|Proof|Corollary|Example"
HEADING = rf"^((?:{PARTS})\b[^.:\n]*[.:])"


def chapter(module, results: dict[str, dict]) -> str:
    """A module of proofs/ as a page: the docstring, what was found, the code."""
    first, _, rest = module.__doc__.strip().partition("\n")
    path = Path(module.__file__)
    title = ", ".join(str(s.number) for s in module.STATEMENTS)
    code = path.read_text(encoding="utf-8").split('"""', 2)[2].strip("\n")
    lines = [f"# {title}. {first.rstrip('.')}", re.sub(HEADING, r"**\1**", rest, flags=re.MULTILINE).strip("\n")]
    lines += ["## What the check found"]
    for s in module.STATEMENTS:
        lines.append("\n".join(found(s, results[str(s.number)])))
    lines += [
        "## The steps as code",
        f"`python -m proofs {module.STATEMENTS[0].number}` runs it.",
        f"```python\n{code}\n```",
    ]
    return "\n\n".join(lines) + "\n"


def found(s, result: dict) -> Iterator[str]:
    kinds = ", ".join(dict.fromkeys(e.kind for e in s.evidence))
    yield f"**Statement {s.number}.** {s.title} ({s.source}). Evidence: {kinds}. It held for {result['draws']} inputs."
    yield ""
    yield "| link | worst deviation |"
    yield "|---|---|"
    for link, value in result["worst"].items():
        yield f"| {cell(link)} | {value:.1e} |"
    yield ""
    yield f"Wrong variants that the check rejected: {cell('; '.join(result['rejected']))}."


def cell(text: str) -> str:
    return re.sub(r"([|*_`\[\]<$\\])", r"\\\1", text)


def book(results: dict[str, dict]) -> Iterator[tuple[str, str]]:
    """The pages of the book: name, Markdown."""
    chapters = {module.__name__.replace(".", "/"): module for module in statements.modules()}
    order = sorted(chapters, key=lambda name: chapters[name].STATEMENTS[0].number)
    contents = "\n".join(name.removeprefix("proofs/") for name in order)
    preface = linked((ROOT / "proofs" / "README.md").read_text(encoding="utf-8"), "proofs/README.md")
    yield "proofs/index", f"{preface}\n```{{toctree}}\n:hidden:\n\n{contents}\nkernel\nstrategies\nstatements\n```\n"
    for name, module in chapters.items():
        yield name, chapter(module, results)
    for name in ("kernel", "strategies", "statements"):
        code = (ROOT / "proofs" / f"{name}.py").read_text(encoding="utf-8")
        yield f"proofs/{name}", f"# proofs/{name}.py\n\n```python\n{code}```\n"


def reference() -> Iterator[tuple[str, str]]:
    """The pages of the functions: `jnmf` itself by kind of object, then the modules."""
    own = [name for name in jnmf.__all__ if f"jnmf.{name}" not in MODULES]
    elsewhere = [name for name in own if getattr(jnmf, name).__module__ in MODULES]  # on the page of their module
    own = [name for name in own if name not in elsewhere]
    classes = sorted(name for name in own if isinstance(getattr(jnmf, name), type))
    functions = sorted(name for name in own if name not in classes)
    lines = ["# Functions and classes", "", "```{toctree}", ":hidden:", ""]
    lines += [f"{title} <{name}>" for name, title in MODULES.items()] + ["```", "", "```{eval-rst}"]
    lines += [".. automodule:: jnmf", "", "Functions", "---------", ""]
    lines += [f".. autofunction:: jnmf.{name}\n" for name in functions] + ["Classes", "-------", ""]
    lines += [f".. autoclass:: jnmf.{name}\n" for name in classes] + ["```", ""]
    lines += [f"`jnmf.{name}` is on [its page]({getattr(jnmf, name).__module__}.md).\n" for name in elsewhere]
    yield "api/index", "\n".join(lines)
    for name, title in MODULES.items():
        options = ["   :members:"] + ["   :imported-members:"] * (name in GATHERED)
        lines = [f"# {title}: `{name}`", "", "```{eval-rst}", f".. automodule:: {name}", *options, "```", ""]
        yield f"api/{name}", "\n".join(lines)


def pages(results: dict[str, dict], examples: list[gallery.Example]) -> Iterator[tuple[str, str]]:
    for file, page in PAGES.items():
        if file.endswith(".md") and file != "proofs/README.md":
            yield page, linked((ROOT / file).read_text(encoding="utf-8"), file)
    yield "references", bibliography.page((ROOT / "docs" / "references.bib").read_text(encoding="utf-8"))
    yield from reference()
    yield from book(results)
    yield from gallery.pages(examples)


def main():
    parser = argparse.ArgumentParser(description="Write the pages of the site, for Sphinx.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=20, help="inputs for each statement (default: %(default)s)")
    options = parser.parse_args()
    options.folder.parent.mkdir(parents=True, exist_ok=True)
    results = checked(options.folder.parent / "checked.json", options.draws)
    examples = gallery.examples(options.folder.parent / "examples")
    shutil.rmtree(options.folder, ignore_errors=True)
    for page, text in pages(results, examples):
        path = options.folder / f"{page}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (options.folder / "docs").mkdir()
    for path in (ROOT / "docs").glob("*.png"):
        shutil.copy(path, options.folder / "docs" / path.name)
    for example in examples:
        for picture in example.pictures:
            shutil.copy(picture, options.folder / "examples" / picture.name)


if __name__ == "__main__":
    main()
