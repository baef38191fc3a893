"""What `trace` knows of what a flow has made."""

from pathlib import Path

from tasks.operations.lineage.node import Node
from tasks.operations.lineage.search import search
from tasks.operations.records import Records
from tasks.settings import Settings


def traced(home: Path, asked: str) -> dict[str, Node]:
    """The nodes of the one thing that has the id, the first of each kind."""
    records = Records(Settings(home=home))
    (match,) = search(records, asked)
    nodes = list(match.open().walk())
    assert not records.faults
    return {node.kind: node for node in reversed(nodes)}
