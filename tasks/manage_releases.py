"""The task module of `manage_releases`: what is done about published releases, run as tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_detector.errors import EdgeError
from prefect import task

from edge.release import naming
from edge.release.errors import PublisherError
from services.reporting.markdown import escape
from tasks.orchestration.parameters import name_action
from tasks.orchestration.policies import PLAIN
from tasks.orchestration.reporting import add_markdown, run_parameters
from tasks.orchestration.terminal import print_result
from tasks.settings import Settings

if TYPE_CHECKING:
    from edge.release.publishing.maintenance import Done
    from edge.release.publishing.request import Place

ERRORS = (PublisherError, EdgeError)
NAME = naming.NAME  # pattern
ACTIONS = ("withdraw", "promote", "roll_out", "rotate", "renew", "list_releases")


def name_run() -> str:
    """The run's name in the UI: flow, action and what it is about."""
    given = run_parameters()
    return f"manage-releases {name_action(given, ACTIONS)}"


@task(**PLAIN)
def withdraw(name: str | None, version: str, reason: str) -> None:
    """Take a release back from all channels."""
    from edge.release.publishing import maintenance

    _report(maintenance.withdraw(_place(), name, version, reason))


@task(**PLAIN)
def promote(name: str | None, version: str, channel: str, share: float) -> None:
    """Put a release into another channel, as it is."""
    from edge.release.publishing import maintenance

    _report(maintenance.promote(_place(), name, version, channel, share))


@task(**PLAIN)
def roll_out(name: str | None, version: str, channel: str, share: float) -> None:
    """Let another share of a channel's devices take a release."""
    from edge.release.publishing import maintenance

    _report(maintenance.roll_out(_place(), name, version, channel, share))


@task(**PLAIN)
def rotate(role: str) -> None:
    """Replace the keys of a role."""
    from edge.release.publishing import maintenance

    _report(maintenance.rotate(_place(), role))


@task(**PLAIN)
def renew() -> None:
    """Sign again what would expire before long."""
    from edge.release.publishing import maintenance

    _report(maintenance.renew(_place()))


@task(**PLAIN)
def list_releases() -> None:
    """Show what is published, and until when it is signed."""
    from edge.release.publishing import maintenance

    print_result(maintenance.render_status(_place()))


def _report(done: Done) -> None:
    """What was done, in the UI and on the terminal."""
    lines = [*done.sentences, *(f"note: {warning}" for warning in done.warnings)]
    add_markdown("manage-releases", "\n\n".join(map(escape, lines)))
    for line in lines:
        print_result(line)


def _place() -> Place:
    from edge.release.publishing.request import Place

    settings = Settings()
    return Place(settings.releases_url, settings.release_keys)
