"""The works that are cited: references.bib read, matched with what the text says, and written as a page.

A work is cited by the last names of all authors, or of the first "et al.", and the year: "Ang and Gillis 2019",
"Berry et al. 2007". Where that names more than one work, initials or a letter after the year tell which.
"""

import re
from typing import NamedTuple

NAME = r"(?:[HJ]\. (?=Kim))?(?:Van |De )?[A-ZÀ-Þ][a-zà-ÿ]\w*"
CITATION = re.compile(rf"({NAME}(?:(?:, {NAME})*,? and (?:{NAME}|others)| et al\.)?),? ((?:18|19|20)\d\d[a-z]?)\b")

VENUES = ("journal", "booktitle", "publisher", "school", "howpublished")


class Work(NamedTuple):
    key: str
    authors: tuple[str, ...]  # "Lee, Daniel D."
    title: str
    venue: str
    year: str
    doi: str

    @property
    def citations(self) -> set[str]:
        """The ways to cite it: with the initial of the first author where the key begins with it, as that of H. Kim."""
        year = self.year + re.sub(r".*\d", "", self.key)
        last = [name.split(", ")[0] for name in self.authors]
        first = f"{self.key[0]}. " if self.key[1].isupper() else ""
        together = [f"{', '.join(last[:-1])} and {last[-1]}" if len(last) > 1 else last[0]]
        several = len(last) > 2 or last[-1] == "others"
        shorter = [f"{last[0]} et al.", f"{', '.join(last[:2])} and others"] if several else []
        return {f"{first}{who} {year}" for who in together + shorter}


def works(text: str) -> list[Work]:
    """The entries of a BibTeX file that has one field a line."""
    found = []
    for key, body in re.findall(r"@\w+\{(\w+),\n(.*?)\n\}", text, re.DOTALL):
        fields = dict(re.findall(r"  (\w+) = \{(.*)\},", body))
        (venue,) = (fields[name] for name in VENUES if name in fields)
        authors = tuple(fields["author"].split(" and "))
        found.append(Work(key, authors, fields["title"], venue, fields["year"], fields.get("doi", "")))
    return found


def cited(text: str) -> set[str]:
    """What a text cites, however its lines are broken."""
    text = " ".join(text.split())
    return {f"{who} {year}" for who, year in CITATION.findall(text)}


def page(text: str) -> str:
    """The list of references in Markdown."""
    lines = [
        "# References",
        "",
        "The works that the docstrings, the proofs and these pages cite, from `docs/references.bib`.",
        "",
    ]
    for work in works(text):
        authors = ", ".join(" ".join(reversed(name.split(", "))) for name in work.authors)
        doi = f" [doi:{work.doi}](<https://doi.org/{work.doi}>)" if work.doi else ""
        year = work.year + re.sub(r".*\d", "", work.key)
        lines.append(f"- **{work.key}**: {authors} ({year}). {work.title}. *{work.venue}*.{doi}")
    return "\n".join(lines) + "\n"
