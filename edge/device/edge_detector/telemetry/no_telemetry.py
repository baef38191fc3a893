"""The telemetry of a run that reports to nobody: every call does nothing."""

from types import TracebackType

from edge_detector.contract.manifest import Manifest
from edge_detector.telemetry.interval import Sample


class NoTelemetry:
    """In the place of `Telemetry`, with what a run calls of it."""

    def frame(self, sample: Sample) -> None: ...

    def count(self, what: str) -> None: ...

    def model(self, manifest: Manifest, runtime: str) -> None: ...

    def state(self, state: str) -> None: ...

    def contact(self) -> None: ...

    def flush(self) -> None: ...

    def __enter__(self) -> "NoTelemetry":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
