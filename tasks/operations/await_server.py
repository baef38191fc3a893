"""Waits for the Prefect server of PREFECT_API_URL, as deployments/deploy does before it deploys.

It ends with status 1 and a line where the server refuses the password: waiting does not mend that.
"""

import sys
import time

import httpx

from tasks.orchestration.command_line import fail
from tasks.orchestration.prefect_api import refusal

ASK_EVERY_S, ASK_S = 0.5, 5.0


def main(url: str) -> int:
    """Return 0 once it answers and takes the password. url: of its API."""
    while not _answers(url):
        time.sleep(ASK_EVERY_S)
    if refused := refusal():
        fail(refused)
        return 1
    return 0


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=ASK_S).is_success
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
