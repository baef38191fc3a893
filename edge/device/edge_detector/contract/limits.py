"""What a repository, or who pretends to be one, may make a device do at most."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Ceilings of an update. Those of TUF's own files are python-tuf's."""

    channel_bytes: int = 256 * 1024
    manifest_bytes: int = 256 * 1024
    model_bytes: int = 512 * 1024**2
    golden_bytes: int = 8 * 1024**2  # of one golden frame
    golden_frames: int = 32
    connect_s: float = 10.0
    silence_s: float = 30.0  # between two packets
    download_s: float = 30.0  # of one file of no size
    min_bytes_per_s: int = 16 * 1024  # by which its size adds to that
    refresh_s: float = 300.0  # all signed metadata together
    lock_s: float = 60.0  # that another process may be updating the same home
    self_test_s: float = 120.0  # of a self-test
    spare_bytes: int = 16 * 1024**2  # that stay free on the disk
