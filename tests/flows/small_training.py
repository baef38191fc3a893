"""`python -m flows.train_sentiment` with a network of a few thousand weights.

The command, its flow and all that it writes are the real ones; what the real network takes to
train hangs on the machine.
"""

import runpy
from functools import partial
from typing import Any

from tasks.sentiment.training import recipe

SMALL: dict[str, Any] = {"vocabulary": 400, "width": 32, "layers": 1, "heads": 2}
SMALL |= {"lengths": (32,) * 24, "learning_rate": 2e-2}

if __name__ == "__main__":
    recipe.Recipe = partial(recipe.Recipe, **SMALL)  # type: ignore[misc,assignment]
    runpy.run_module("flows.train_sentiment", run_name="__main__")
