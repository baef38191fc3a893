"""Pages that need nothing else: one HTML file each, to be opened, printed or mailed.

Promises: no address outside the file is asked for anything, by the policy in the base template;
every word is escaped, and shown without characters that turn the direction of text.

A panel's template begins with `{% extends "page.html" %}` and fills its blocks: title, main, style
(its own rules, which win over the shared ones), and policy, where it has images. What several
pages have lies in `parts.html`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import jinja2
from markupsafe import Markup

from services.reporting.excerpt import excerpt

MAX_WORD_CHARS = 2_000


def render(
    template: Path, filters: Mapping[str, Callable[..., object]], values: Mapping[str, object]
) -> str:
    """The page that a template makes of values, as text to be written as UTF-8.

    template: a file that extends `page.html`.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_show,
    )
    environment.filters.update(filters)
    return environment.get_template(template.name).render(values)


def _show(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, Markup):
        return excerpt(value, MAX_WORD_CHARS)
    return value
