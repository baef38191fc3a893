"""Which model answers: the champion of the registry, taken up while requests go on.

A new champion is opened, warmed up and checked against its card beside the one that answers, and
takes over between two requests. One that cannot be opened is reported, and the one before goes on.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from services.fraud.errors import FraudError
from services.fraud.registry import Registry, Standing
from services.fraud.scorer import FraudScorer

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
    ) -> None:
        """Nothing is opened before the first `refresh`.

        folder: where a model with a given tag lies. default: tag of the champion where the
        registry names none, as in a Bento that has been moved. on_swap: told of each model that
        was taken up, or could not be.
        """
        self.scorer: FraudScorer | None = None
        self.shadow: FraudScorer | None = None
        self.fault: str | None = None
        self._registry, self._folder, self._default = registry, folder, default
        self._on_swap = on_swap
        self._failed: set[str] = set()

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
        self._forget(standing)

    def _taken_up(self, tag: str | None, current: FraudScorer | None) -> FraudScorer | None:
        if tag is None or tag in self._failed:
            return None
        if current is not None and current.tag == tag:
            return current
        try:
            scorer = FraudScorer(self._folder(tag), tag)
        except (FraudError, OSError) as error:
            self._failed.add(tag)
            self._report(tag, str(error))
            self._on_swap(False)
            return None
        logger.info("%s answers from now on", tag)
        self.fault = None
        self._on_swap(True)
        return scorer

    def _forget(self, standing: Standing) -> None:
        """Try a failed model again once it is named anew."""
        self._failed &= {tag for tag in (standing.champion, standing.shadow) if tag}

    def _report(self, what: str, why: str) -> None:
        if why != self.fault:
            logger.error("%s is not taken up: %s", what, why)
        self.fault = why
