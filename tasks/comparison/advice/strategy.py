"""The strategies that there are: each of the three ways alone, and those that share the work."""

from enum import StrEnum

from tasks.comparison.measurement import Way


class Strategy(StrEnum):
    """One way, or several together; the simplest first."""

    NIGHT = "night"
    SERVICE = "service"
    DEVICE = "device"
    NIGHT_SERVICE = "night+service"
    NIGHT_DEVICE = "night+device"
    SERVICE_DEVICE = "service+device"
    ALL = "night+service+device"

    @property
    def ways(self) -> frozenset[Way]:
        """The ways that it is made of."""
        return _WAYS[self]

    @property
    def decides(self) -> Way:
        """Which of its ways gives the answer."""
        for way in (Way.SERVICE, Way.NIGHT):
            if way in self.ways:
                return way
        return Way.DEVICE

    @property
    def rank(self) -> int:
        """How simple it is: 0 is the simplest."""
        return _RANKS[self]

    @property
    def label(self) -> str:
        """In words."""
        return _LABELS[self]


_LABELS = {
    Strategy.NIGHT: "score at night",
    Strategy.SERVICE: "answer by a service",
    Strategy.DEVICE: "decide on the device",
    Strategy.NIGHT_SERVICE: "score at night, decide online",
    Strategy.NIGHT_DEVICE: "filter at the edge, score at night",
    Strategy.SERVICE_DEVICE: "filter at the edge, decide online",
    Strategy.ALL: "filter at the edge, score at night, decide online",
}
_WAYS = {each: frozenset(Way(word) for word in each.value.split("+")) for each in Strategy}
_RANKS = {each: rank for rank, each in enumerate(Strategy)}
