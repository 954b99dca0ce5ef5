"""The examples as pages: what each is about, its picture, its code and what it prints.

An example is run in a process of its own, and again only after a change of the example or of jnmf/. Its docstring
begins with the title of its page and a colon; the figures that it leaves open are the pictures.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

RUN = """
import runpy, sys
import matplotlib.pyplot as plt

example, pictures = sys.argv[1:]
runpy.run_path(example)
for number in plt.get_fignums():
    plt.figure(number).savefig(f"{pictures}-{number}.png", dpi=110, bbox_inches="tight")
"""


class Example(NamedTuple):
    name: str
    about: str
    code: str
    printed: str
    pictures: tuple[Path, ...]

    @property
    def title(self) -> str:
        return self.about.partition(":")[0]


def ran(path: Path, kept: Path) -> Example:
    """The example, from `kept` if neither it nor the library has changed since it ran."""
    text = path.read_text(encoding="utf-8")
    _, about, code = text.split('"""', 2)
    files = [path, *sorted((ROOT / "jnmf").rglob("*.py"))]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    record = kept / f"{path.stem}.json"
    found = json.loads(record.read_text()) if record.exists() else {}
    if found.get("digest") != digest:
        for old in kept.glob(f"{path.stem}-*.png"):
            old.unlink()
        command = [sys.executable, "-c", RUN, str(path), str(kept / path.stem)]
        environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{path.name} failed:\n{done.stderr}")
        found = {"digest": digest, "printed": done.stdout}
        record.write_text(json.dumps(found))
    pictures = tuple(sorted(kept.glob(f"{path.stem}-*.png")))
    return Example(path.stem, about, code.strip("\n"), found["printed"], pictures)


def examples(kept: Path) -> list[Example]:
    """All of them, by title, as many at a time as there are cores."""
    kept.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return sorted(pool.map(lambda path: ran(path, kept), EXAMPLES), key=lambda example: example.title)


def pages(every: list[Example]) -> Iterator[tuple[str, str]]:
    """Name and Markdown of the index and of each page. The pictures are beside them."""
    contents = "\n".join(example.name for example in every)
    entries = "\n\n".join(entry(example) for example in every)
    yield (
        "examples/index",
        "# Gallery\n\nEach of these is one short script in `examples/`, run when this site was built.\n\n"
        f"````{{container}} gallery\n{entries}\n````\n\n```{{toctree}}\n:hidden:\n\n{contents}\n```\n",
    )
    for example in every:
        yield f"examples/{example.name}", page(example)


def entry(example: Example) -> str:
    picture = example.pictures[0].name
    return (
        f"```{{container}} entry\n[![{example.title}]({picture})]({example.name}.md)\n\n"
        f"[{example.title}]({example.name}.md){first_sentence(example.about).removeprefix(example.title)}\n```"
    )


def page(example: Example) -> str:
    pictures = "\n\n".join(f"![{example.title}]({picture.name})" for picture in example.pictures)
    return (
        f"# {example.title}\n\n{example.about.strip()}\n\n{pictures}\n\n"
        f"## The code\n\n`examples/{example.name}.py`\n\n```python\n{example.code}\n```\n\n"
        f"## What it prints\n\n```text\n{example.printed}```\n"
    )


def first_sentence(about: str) -> str:
    return re.split(r"(?<=\.)\s*\n", about.strip(), maxsplit=1)[0]
