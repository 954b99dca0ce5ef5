"""What the studies say at the sources' own sizes, as kept in a folder by runs with --full.

    python -m experiments.record FOLDER

reads NAME.npz, from FOLDER or from FOLDER/NAME, and writes docs/full.md. Nothing is computed: the answers are written
by the studies from the arrays, and each is told here by its first sentences.
"""

import os
import re
import sys
from pathlib import Path

from experiments import study

OUT = Path(__file__).parent.parent / "docs" / "full.md"
LENGTH = 450  # characters of an answer, in whole sentences
SENTENCE = re.compile(r"(?<=[.?!)])(?<! al\.)\s+(?=[A-Z(‖½])")


def first_sentences(answer: str, length: int = LENGTH) -> str:
    """The first sentence, and as many of those after it as fit into the length; no heading of a single word at last."""
    first, *others = SENTENCE.split(" ".join(answer.split()))
    told = [first]
    for sentence in others:
        if len(" ".join(told)) + len(sentence) > length:
            break
        told.append(sentence)
    while len(told) > 1 and " " not in told[-1]:
        told.pop()
    return " ".join(told)


def where_from(arrays: study.Arrays) -> str:
    """Which data a study ran on."""
    if "notes" not in arrays:
        return "It draws its data itself."
    notes = " ".join(str(note) for note in arrays["notes"])
    return notes or "The data are those of the source."


def chapter(name: str, record: study.Record) -> str:
    module, settings = study.load(name), record.made["settings"]
    own = settings == study.plain(vars(module.FULL))
    listed = ", ".join(f"{key} = {value}" for key, value in settings.items())
    answers = "\n".join(
        f"- *{section.question}* {first_sentences(section.answer)}" for section in module.sections(record.arrays)
    )
    return (
        f"## {module.TITLE}\n\n`python -m experiments {name}{' --full' * own}`, {record.made['seconds']:.0f} s. "
        f"{where_from(record.arrays)} Settings: {listed}.\n\n{answers}\n"
    )


def render(records: dict[str, study.Record]) -> str:
    """The document: a chapter for each study, in the order of the page."""
    every = [", ".join(f"{key} {value}" for key, value in one.made["versions"].items()) for one in records.values()]
    left = [name for name in study.NAMES if name not in records]
    missing = f" Not among them: {', '.join(left)}." if left else ""
    chapters = "\n".join(chapter(name, records[name]) for name in study.NAMES if name in records)
    return (
        "# The studies at the sources' own sizes\n\n"
        "The first sentences of each answer, recorded once by `python -m experiments.record`. The figures, the tables "
        "and the rest of the answers are on the page that the commands below write. "
        f"{'; '.join(dict.fromkeys(every))}; {os.cpu_count()} cores.{missing}\n\n{chapters}"
    )


def records_in(folder: Path) -> dict[str, study.Record]:
    found = {
        name: study.read(folder / f"{name}.npz") or study.read(folder / name / f"{name}.npz") for name in study.NAMES
    }
    return {name: record for name, record in found.items() if record is not None}


def main(folder: Path) -> None:
    records = records_in(folder)
    if not records:
        sys.exit(f"no study is kept in {folder}; python -m experiments all --full --out {folder} makes them")
    OUT.write_text(render(records), encoding="utf-8")
    print(f"{len(records)} of {len(study.NAMES)} studies: {OUT}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
