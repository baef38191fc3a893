"""The champion, brought into the store of the home: `python -m services.fraud.champion` tells it.

What packs it into a Bento asks so, for its files may lie in a database that several machines share.
"""

import sys

from pydantic import ValidationError

from services.fraud.errors import FraudError
from services.fraud.scoring.models import Models
from services.fraud.settings import ServiceSettings


def main() -> int:
    """Print the tag; 1 if there is no champion, or it cannot be had."""
    try:
        settings = ServiceSettings()
        models = Models(settings.home, settings.fraud_state_url)
        champion = models.registry().read().champion
        if champion is None:
            raise FraudError(f"no champion in {models.places}: run python -m flows.train_fraud")
        models.folder(champion)
    except ValidationError as error:
        fault = error.errors()[0]
        sys.stderr.write(f"error: TRIPTYCH_{str(fault['loc'][0]).upper()}: {fault['msg']}\n")
        return 2
    except FraudError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{champion}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
