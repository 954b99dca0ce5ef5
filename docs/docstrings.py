"""The docstrings of jnmf, plain text with formulas in Unicode, as reStructuredText.

Five things are told apart: paragraphs; arguments and results, `name: text`; formulas and code, indented after an empty
line; examples, from `>>>` to the next empty line; and names in backticks, which lead to their page where they have one.
"""

import re

import jnmf

ENTRY = re.compile(r"([A-Za-z_]\w*(?:, [A-Za-z_]\w*)*(?:\(\w[^)]*\))?)((?: \([^)]*\))?): +(\S.*)")


def process(app, what, name, obj, options, lines):
    """What autodoc calls with the lines of a docstring, to be changed in place."""
    if lines and lines[0].startswith(f"{name}: "):  # a module that begins with its name
        about = lines[0].removeprefix(f"{name}: ")
        lines[0] = about[0].upper() + about[1:]
    lines[:] = rst("\n".join(lines)).splitlines()


def rst(text: str) -> str:
    return "\n\n".join(_block(block) for block in re.split(r"\n[ \t]*\n", text.strip("\n")))


def _block(block: str) -> str:
    lines = block.splitlines()
    if all(line.startswith("    ") for line in lines):
        return "::\n\n" + "\n".join(lines)
    if lines[0].startswith(">>> "):
        return "\n".join(lines)
    parts, current = [], []
    for line in lines:
        entry = ENTRY.fullmatch(line)
        if entry:
            parts.append(current)
            current = [f"* **{_escaped(entry[1])}**{_escaped(entry[2])}: ", entry[3]]
        else:
            current.append(line.strip())
    parts.append(current)
    return "\n\n".join(_paragraph(part) for part in parts if part)


def _paragraph(part: list[str]) -> str:
    mark = part.pop(0) if part[0].startswith("* **") else ""
    return mark + inline(" ".join(part))


def inline(text: str) -> str:
    """Backticks as code or a link; all else as it stands."""
    pieces = re.split(r"`([^`]+)`", text)
    return "".join(_named(piece) if k % 2 else _escaped(piece) for k, piece in enumerate(pieces))


def _named(name: str) -> str:
    found = jnmf
    for part in name.removeprefix("jnmf.").split("."):
        found = getattr(found, part, None)
    if found is None or not re.fullmatch(r"[\w.]+", name):
        return f"\\ ``{name}``\\ "
    return f"\\ :py:obj:`{name} <jnmf.{name.removeprefix('jnmf.')}>`\\ "


def _escaped(text: str) -> str:
    return re.sub(r"([\\*|_])", r"\\\1", text)
