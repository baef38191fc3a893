"""Reads how things stand, from the home, its database, and the Prefect server if one runs."""

import shutil
from datetime import datetime

from services.storage.files import nearest_folder
from tasks.operations.records import Records
from tasks.operations.status.night_files import read_interrupted
from tasks.operations.status.panels import read_edge, read_nights, read_real_time
from tasks.operations.status.schedule import read_schedule
from tasks.operations.status.state import Status
from tasks.sentiment.run.taken_back import damages
from tasks.settings import Settings


def read_status(settings: Settings, now: datetime) -> Status:
    """Everything at one moment; what cannot be read is told, and the rest is there."""
    home, records = settings.home, Records(settings)
    try:
        nights = read_nights(records)
        real_time = read_real_time(records, now)
        edge = read_edge(records)
    finally:
        records.close()
    disk = shutil.disk_usage(nearest_folder(home))
    return Status(
        at=now,
        home=str(home),
        has_home=home.is_dir(),
        schedule=read_schedule(home, now),
        nights=nights,
        real_time=real_time,
        edge=edge,
        free_bytes=disk.free,
        total_bytes=disk.total,
        faults=tuple(dict.fromkeys(records.faults)),
        interrupted=tuple(read_interrupted(home)),
        damaged=tuple(damages(home)),
    )
