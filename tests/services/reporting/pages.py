"""A page as a browser would read it."""

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """Tags with their attributes, and the text outside style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._in_style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.text += data


def assert_self_contained(html: str) -> None:
    """No script, no link, no image, no address that a browser would fetch."""
    tags = Page(html).tags
    assert not {"script", "link", "img", "iframe", "object", "image"} & {tag for tag, _ in tags}
    references = [v for _, attrs in tags for k, v in attrs.items() if k in ("src", "href")]
    assert all(reference.startswith("#") for reference in references)
    assert not re.search(r"https?://|@import|url\((?!#)", html)
    assert "default-src 'none'" in html
