"""Promises of what a model says of its origin."""

from services.modelling.provenance import code_version


def test_code_version_begins_with_the_release():
    """In a checkout the commit follows."""
    assert code_version().split()[0] == "0.1.0"
