"""The verb `trace`: from an id to everything that made it."""

from typing import Any

from tasks.operations.lineage.node import KINDS, MEANINGS, Kind, Match, NotFoundError
from tasks.operations.lineage.render import render_matches, render_tree
from tasks.operations.lineage.search import search
from tasks.operations.records import Records
from tasks.orchestration.terminal import print_json, print_notice, print_result
from tasks.settings import Settings


def trace(asked: str, kind: Kind | None, *, as_json: bool, program: str = "triptych trace") -> int:
    """Print where something comes from; 1 where the id may mean several things.

    Raises: NotFoundError: it means nothing.
    """
    records = Records(Settings())
    try:
        found = search(records, asked.strip(), kind)
        if not found:
            raise NotFoundError(_describe_search(records, asked, kind))
        if len(found) > 1:
            _show_matches(asked, found, as_json, program)
            return 1
        tree = found[0].open()
        if as_json:
            print_json(tree.to_json())
        else:
            print_result(render_tree(tree))
        for fault in dict.fromkeys(records.faults):
            print_notice(f"note: not looked into: {fault}")
        return 0
    finally:
        records.close()


def _show_matches(asked: str, found: list[Match], as_json: bool, program: str) -> None:
    if not as_json:
        print_result(render_matches(asked, found, program))
        return
    several: list[dict[str, Any]] = [
        {"kind": match.kind, "id": match.id, "what": match.what} for match in found
    ]
    print_json({"several": several})


def _describe_search(records: Records, asked: str, kind: Kind | None) -> str:
    """That there is nothing, what could be asked for, and where it was looked for."""
    kinds = "; ".join(MEANINGS[one] for one in ([kind] if kind else KINDS))
    database = records.database.address if records.database else "no database yet"
    places = f"{database}; {records.home}; {records.settings.releases_url}"
    faults = "".join(f"; not looked into: {fault}" for fault in dict.fromkeys(records.faults))
    return f"nothing here has the id {asked!r}: give {kinds} (looked into {places}{faults})"
