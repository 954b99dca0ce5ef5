"""Check the links of the built site: `python -m docs.links FOLDER`.

Each link to the site itself must lead to a file that is there, and to an anchor that this file has; each page must be
reachable from the first. Links to other sites are not followed.
"""

import argparse
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

OWN = ("genindex.html", "search.html", "py-modindex.html", "_modules/index.html")  # of Sphinx, some without a link


class Page(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.links, self.anchors = set(), {""}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.links |= {found[key] for key in ("href", "src") if found.get(key)}
        self.anchors |= {found[key] for key in ("id", "name") if found.get(key)}


def wrong(folder: Path) -> list[str]:
    """A line for each link that leads nowhere and each page that no link leads to."""
    folder = folder.resolve()
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    faults, leads = [], {}
    for path, page in pages.items():
        leads[path] = set()
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.is_file() or (target in pages and anchor not in pages[target].anchors):
                faults.append(f"{path.relative_to(folder)}: {link}")
            leads[path].add(target)
    reached, waiting = set(), [folder / "index.html"]
    while waiting:
        path = waiting.pop()
        if path in pages and path not in reached:
            reached.add(path)
            waiting += leads[path]
    lost = [path.relative_to(folder).as_posix() for path in pages if path not in reached]
    return faults + [f"no link leads to {name}" for name in lost if name not in OWN]


def main() -> None:
    parser = argparse.ArgumentParser(description="Check the links of the built site.")
    parser.add_argument("folder", type=Path)
    found = wrong(parser.parse_args().folder)
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
