"""Deployments of earlier versions that have another name now: `deployments/deploy` deletes them.

Left on a server, one with a schedule would go on beside the one that took its place.
"""

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

RETIRED = (
    "audit-fraud/nightly",  # audit-fraud/nightly-audit
    "manage-models/on-demand",  # each of these: its flow's name twice
    "manage-releases/on-demand",
    "publish-detector/on-demand",
    "publish-detector/renew",  # manage-releases/daily
    "register-fraud/on-demand",
    "train-detector/on-demand",
    "train-sentiment/on-demand",
)


def main() -> None:
    """Delete those that the server has."""
    with get_client(sync_client=True) as client:
        for name in RETIRED:
            try:
                client.delete_deployment(client.read_deployment_by_name(name).id)
            except ObjectNotFound:
                continue


if __name__ == "__main__":
    main()
