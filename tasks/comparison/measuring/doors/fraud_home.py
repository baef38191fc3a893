"""A home folder with a fraud model and rows to ask it: made in a process of its own.

    python -m tasks.comparison.measuring.doors.fraud_home USERS_HOME NEW_HOME SEED

The champion of the user's home is taken along; where there is none, or one that reads features of
its own, a small network is trained on a simulation by the Handbook's rules. The rows are features
of the last days of such a simulation. Writes `model/`, `rows.npy` and `about.json` there, and
registers the model.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

ROWS = 16_384
CUSTOMERS, TERMINALS, DAYS = 500, 1_500, 60
UPDATES = 300  # of a network that is only to be asked
ABOUT, ROWS_FILE, MODEL = "about.json", "rows.npy", "model"


def main() -> None:
    users_home, home, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    make_home(users_home, home, seed)


def make_home(users_home: Path, home: Path, seed: int) -> None:
    """Everything that the three ways need, in an empty folder."""
    from services.fraud.scoring import store
    from services.fraud.scoring.registry import Registry
    from services.fraud.simulator import simulate
    from services.fraud.training.candidate import prepare_data
    from services.storage.files import file_digest

    data = prepare_data(simulate(customers=CUSTOMERS, terminals=TERMINALS, days=DAYS, seed=seed))
    np.save(home / ROWS_FILE, data.rows[-ROWS:])
    kept = users_champion(users_home)
    os.environ.pop("BENTOML_HOME", None)  # the store to write to is that of the new home
    folder = home / MODEL
    if kept is None:
        _train(data, folder)
        version = "trained on a simulation for this comparison"
    else:
        shutil.copytree(kept[1], folder)
        version = kept[0]
    tag = store.save(folder, home)
    Registry(home).promote(tag, "to be compared")
    about: Mapping[str, str] = {
        "version": version,
        "digest": file_digest(folder / "model.tflite"),
    }
    (home / ABOUT).write_text(json.dumps(about), encoding="utf-8")


def users_champion(home: Path) -> tuple[str, Path] | None:
    """Tag and folder of the champion that reads the Handbook's features, if there is one."""
    from services.fraud.errors import FraudError
    from services.fraud.scoring.card import HANDBOOK, Card
    from services.fraud.scoring.models import Models
    from services.fraud.settings import ServiceSettings

    models = Models(home, ServiceSettings().fraud_state_url)
    try:
        tag = models.registry().read().champion
        if tag is None:
            return None
        folder = models.folder(tag)
        return (tag, folder) if Card.read(folder).contract == HANDBOOK else None
    except FraudError:
        return None


def _train(data: object, folder: Path) -> None:
    from services.fraud.training.candidate import LabelledRows, make_candidate
    from services.fraud.training.network import Recipe

    rows: LabelledRows = data  # type: ignore[assignment]
    make_candidate(rows, Recipe(updates=UPDATES), folder, alerts_per_day=20)


if __name__ == "__main__":
    main()
