"""Which model answers: the champion of the registry, taken up while requests go on.

A new champion is opened, warmed up and checked against its card beside the one that answers, and
takes over between two requests. One that cannot be opened is reported and tried again later, for
its files may be on their way; the one before goes on. What happens is told in the log, in one line
each and once; what is not as the registry has it stays in `fault` for as long as it is so.

A registry that cannot be read, as one in a database that is away, changes nothing. A process that
starts then answers by what its home saw last, and says so.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from services.fraud.errors import FraudError
from services.fraud.model_storage.standing import Standing
from services.fraud.scoring.registry import Registry
from services.fraud.scoring.scorer import FraudScorer

AGAIN_AFTER_S = 5.0
SLOW_S = 5.0  # a look at the registry that takes longer is a fault
REGISTRY, CHAMPION, SHADOW, STORE = "registry", "champion", "shadow", "store"  # what may be wrong
MISSING = (
    "a model: train one with python -m flows.train_fraud, or register yours with"
    " python -m flows.register_fraud"
)
logger = logging.getLogger(__name__)


class Champion:
    """The scorers of the registry's champion and shadow.

    Attributes:
        scorer: of the champion; None until there is one.
        shadow: of the candidate that scores along, if one does.
        new_contract: how the features that it reads differ from those before the swap, if they do.
        registered: tag of the champion as the registry has it, which may not be the one that
            answers; of the default, where it names none.
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
        self.new_contract: str | None = None
        self.registered: str | None = None
        self._faults: dict[str, str] = {}  # by what is wrong
        self._registry, self._folder, self._default = registry, folder, default
        self._on_swap = on_swap
        self._seen: Standing | None = None  # how models stood last, while that cannot be read
        self._began: float | None = None  # when the look at the registry did that goes on now
        self._failed: dict[str, float] = {}  # when to try again

    @property
    def fault(self) -> str | None:
        """In which ways what answers is not what is registered; None if it is."""
        began, faults = self._began, dict(self._faults)
        if began is not None and time.monotonic() - began > SLOW_S and REGISTRY not in faults:
            faults[REGISTRY] = f"{self._registry.place} does not answer"
        return "; ".join(faults.values()) or None

    @property
    def lacking(self) -> str | None:
        """What keeps the registered model from answering, if something does."""
        return self.fault or (MISSING if self.scorer is None else None)

    def refresh(self) -> None:
        """Take up what the registry names now. Errors are reported, not raised.

        From one thread at a time.
        """
        standing = self._look()
        if standing is None:
            return
        self.registered = standing.champion or self._default
        self.scorer = self._taken_up(CHAMPION, self.registered, self.scorer) or self.scorer
        is_swapped = self.scorer is not None and self.scorer.tag == standing.champion
        self.new_contract = standing.new_contract if is_swapped else None
        self.shadow = self._taken_up(SHADOW, standing.shadow, self.shadow)
        self._look_for_files()
        named = (self.registered, standing.shadow)
        self._failed = {tag: due for tag, due in self._failed.items() if tag in named}

    def _look(self) -> Standing | None:
        """How models stand; None: that is not known, and all stays as it is."""
        self._began = time.monotonic()
        try:
            standing = self._registry.read()
        except (FraudError, OSError) as error:
            if self.scorer is None:
                self._seen = self._registry.last_seen()
            is_new = REGISTRY not in self._faults  # a database is away in changing words
            self._report(REGISTRY, f"{error}{self._meanwhile()}", is_new=is_new)
            return self._seen if self.scorer is None else None
        finally:
            self._began = None
        self._seen = None
        self._mended(REGISTRY)
        return standing

    def _meanwhile(self) -> str:
        """What answers while the registry cannot be read."""
        if self._seen is not None and self._seen.champion:
            return f"; {self._seen.champion}, champion when it was read last, is taken for it"
        return f"; {self.scorer.tag} goes on answering" if self.scorer else ""

    def _taken_up(
        self, role: str, tag: str | None, current: FraudScorer | None
    ) -> FraudScorer | None:
        if current is not None and current.tag == tag:
            self._mended(role)
            return current
        if tag is None:
            self._mended(role)
            if current is not None and role == SHADOW:
                logger.info("%s: %s scores along no more", role, current.tag)
            return None
        if time.monotonic() < self._failed.get(tag, 0):
            return None
        try:
            scorer = FraudScorer(self._folder(tag), tag)
        except (FraudError, OSError) as error:
            self._report(role, _not_taken_up(role, tag, current, error))
            if tag not in self._failed:
                self._on_swap(False)
            self._failed[tag] = time.monotonic() + AGAIN_AFTER_S
            return None
        self._mended(role)
        logger.info("%s: %s", role, _taken_up(role, tag, current))
        self._failed.pop(tag, None)
        self._on_swap(True)
        return scorer

    def _look_for_files(self) -> None:
        """A model in memory needs its files no more, but the next process does."""
        if self.scorer is None or self.scorer.is_stored() or self._is_found(self.scorer.tag):
            self._mended(STORE)
        else:
            self._report(
                STORE,
                f"{self.scorer.tag} answers from memory: its files are gone from the store, and no"
                " process that starts would find them",
            )

    def _is_found(self, tag: str) -> bool:
        """Whether files that were gone are there again, as from a database."""
        try:
            return (self._folder(tag) / "model.tflite").is_file()
        except (FraudError, OSError):
            return False

    def _report(self, what: str, why: str, *, is_new: bool | None = None) -> None:
        """is_new: whether to log it; None: if it is another reason than before."""
        if self._faults.get(what) != why if is_new is None else is_new:
            logger.error("%s: %s", what, why)
        self._faults[what] = why

    def _mended(self, what: str) -> None:
        self._faults.pop(what, None)


def _taken_up(role: str, tag: str, before: FraudScorer | None) -> str:
    if role == SHADOW:
        return f"{tag} scores along from now on, unheard"
    instead = f", instead of {before.tag}" if before else ""
    return f"{tag} answers from now on{instead}"


def _not_taken_up(role: str, tag: str, before: FraudScorer | None, error: Exception) -> str:
    if role == SHADOW:
        return f"{tag} is to score along and cannot be taken up: {error}"
    meanwhile = f"; {before.tag} goes on answering" if before else ""
    return f"{tag} is registered and cannot be taken up: {error}{meanwhile}"
