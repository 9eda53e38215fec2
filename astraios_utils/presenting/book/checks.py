"""What a built site must keep: links that lead somewhere, no request to another host, texts for pictures, headings.

Sphinx checks references between pages; this reads the HTML that a browser gets, raw HTML and copied files included.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
STYLES = ("stylesheet", "preload", "icon", "modulepreload", "preconnect", "dns-prefetch")
REPORTS = "reports"  # pages that resolve their anchors by script


@dataclass
class Page(HTMLParser):
    """One page: its anchors, links, what it loads, pictures without text, and its headings."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    headings: list[int] = field(default_factory=list)
    language: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what one element means for the checks."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "html":
            self.language = given.get("lang", "")
        elif tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif tag == "link" and any(word in STYLES for word in given.get("rel", "").split()):
            self.loads.append(given.get("href", ""))
        elif tag in LOADED and given.get(LOADED[tag]):
            self.loads.append(given[LOADED[tag]])
        if tag == "img" and not given.get("alt", "").strip() and given.get("role") != "presentation":
            self.untold.append(given.get("src", "")[:60])
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.headings.append(int(tag[1]))


@functools.lru_cache(maxsize=512)
def read(path: Path) -> Page:
    """A page, parsed."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def check(site: Path) -> list[str]:
    """Every fault of a site, a line each; an empty list where there is none."""
    read.cache_clear()
    pages = [path for path in sorted(site.rglob("*.html")) if path.relative_to(site).parts[0] != "_static"]
    return [fault for path in pages for fault in _faults(path, site)]  # below _static lie parts of pages


def _faults(path: Path, site: Path) -> Iterator[str]:
    place = path.relative_to(site)
    page = read(path)
    for address in page.loads:
        if _is_outside(address):
            yield f"{place}: asks another host: {address}"
    for address in page.links + page.loads:
        if not _is_outside(address) and not _leads(path, address, site):
            yield f"{place}: broken link: {address}"
    if place.parts[0] == REPORTS:
        return  # their pictures are filled in by script; the report's own tests look at them
    for source in page.untold:
        yield f"{place}: a picture without alternative text: {source}"
    if not page.language:
        yield f"{place}: no language is declared"
    yield from (f"{place}: {fault}" for fault in _headings(page.headings))


def _headings(levels: list[int]) -> Iterator[str]:
    if levels.count(1) != 1:
        yield f"{levels.count(1)} headings of level 1, expected one"
    for before, after in itertools.pairwise(levels):
        if after > before + 1:
            yield f"a heading of level {after} follows one of level {before}"


def _is_outside(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme in ("http", "https", "mailto")


def _leads(path: Path, address: str, site: Path) -> bool:
    """Whether an address inside the site names a file and, in a page, an anchor that exists."""
    parts = urlsplit(address)
    if parts.scheme in ("data", "javascript", "blob"):
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(site.resolve()) or not target.exists():
        return False
    anchor = unquote(parts.fragment)
    if not anchor or target.suffix != ".html" or target.relative_to(site.resolve()).parts[0] == REPORTS:
        return True
    return anchor in read(target).anchors
