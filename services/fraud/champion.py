"""Which model answers: the champion of the registry, taken up while requests go on.

A new champion is opened, warmed up and checked against its card beside the one that answers, and
takes over between two requests. One that cannot be opened is reported and tried again later, for
its files may be on their way; the one before goes on.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from services.fraud.errors import FraudError
from services.fraud.registry import Registry
from services.fraud.scorer import FraudScorer

AGAIN_AFTER_S = 5.0
logger = logging.getLogger(__name__)


class Champion:
    """The scorers of the registry's champion and shadow.

    Attributes:
        scorer: of the champion; None until there is one.
        shadow: of the candidate that scores along, if one does.
    """

    def __init__(
        self,
        registry: Registry,
        folder: Callable[[str], Path],
        *,
        default: str | None = None,
        on_swap: Callable[[bool], None] = lambda succeeded: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is opened before the first `refresh`.

        folder: where a model with a given tag lies. default: tag of the champion where the
        registry names none, as in a Bento that has been moved. on_swap: told of each model that
        was taken up, or could not be. clock: in seconds.
        """
        self.scorer: FraudScorer | None = None
        self.shadow: FraudScorer | None = None
        self.fault: str | None = None
        self._registry, self._folder, self._default = registry, folder, default
        self._on_swap, self._clock = on_swap, clock
        self._failed: dict[str, float] = {}  # when to try again

    def refresh(self) -> None:
        """Take up what the registry names now. Errors are reported, not raised.

        From one thread at a time.
        """
        try:
            standing = self._registry.read()
            wanted = standing.champion or self._default
        except (FraudError, OSError) as error:
            self._report("the registry", str(error))
            return
        self.scorer = self._taken_up(wanted, self.scorer) or self.scorer
        self.shadow = self._taken_up(standing.shadow, self.shadow)
        named = (wanted, standing.shadow)
        self._failed = {tag: due for tag, due in self._failed.items() if tag in named}

    def _taken_up(self, tag: str | None, current: FraudScorer | None) -> FraudScorer | None:
        if tag is None:
            return None
        if current is not None and current.tag == tag:
            return current
        if self._clock() < self._failed.get(tag, 0):
            return None
        try:
            scorer = FraudScorer(self._folder(tag), tag)
        except (FraudError, OSError) as error:
            self._report(tag, str(error))
            if tag not in self._failed:
                self._on_swap(False)
            self._failed[tag] = self._clock() + AGAIN_AFTER_S
            return None
        logger.info("%s answers from now on", tag)
        self._failed.pop(tag, None)
        self.fault = None
        self._on_swap(True)
        return scorer

    def _report(self, what: str, why: str) -> None:
        if why != self.fault:
            logger.error("%s is not taken up: %s", what, why)
        self.fault = why
