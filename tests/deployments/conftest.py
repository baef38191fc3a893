"""The home in which all panels have worked, for what is watched of it."""

from tests.tasks.operations.conftest import worked_home

__all__ = ["worked_home"]
