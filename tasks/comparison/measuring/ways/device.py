"""A model measured on the device's runtime: in a process of its own, on one thread."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from tasks.comparison.errors import MeasuringError
from tasks.comparison.measurement import Freshness, Way, WayMeasured
from tasks.comparison.measuring.doors.device import OnDevice
from tasks.comparison.measuring.doors.server import environment
from tasks.comparison.measuring.doors.subject import Subject
from tasks.comparison.measuring.energy import read_energy
from tasks.comparison.measuring.plan import Plan
from tasks.comparison.measuring.ways.night import Measured
from tasks.orchestration.child import ended_with_us

DOOR = "tasks.comparison.measuring.doors.device"


def measure_device(subject: Subject, plan: Plan, seed: int) -> Measured:
    """Run the device's process, and read what it tells.

    Raises: MeasuringError: it failed.
    """
    began = time.monotonic()
    found = _run(subject, plan.device_s, seed)
    single = found.loads[0].latency
    assert single is not None  # a SingleStream has one
    notes = subject.told.notes.get(Way.DEVICE, ())
    if found.energy_j_per_million is None:
        notes = (*notes, str(read_energy()))
    way = WayMeasured(
        way=Way.DEVICE,
        door=subject.told.doors[Way.DEVICE],
        loads=found.loads,
        rows_per_s=found.rows_per_s,
        freshness=Freshness(
            typical_s=single.p50_ms / 1e3,
            worst_s=single.p99_ms / 1e3,
            counted="one answer, where the event is: 50 % and 99 % of them",
        ),
        cpu_s_per_million=found.cpu_s_per_million,
        peak_memory_mib=found.peak_memory_mib,
        start_s=found.first_answer_at - began,
        network_bytes_per_answer=0.0,
        without_network=subject.told.without_network[Way.DEVICE],
        energy_j_per_million=found.energy_j_per_million,
        notes=("on this machine's processor: a device's is slower", *notes),
    )
    return Measured(way, np.array(found.scores))


def _run(subject: Subject, seconds: float, seed: int) -> OnDevice:
    model, rows = subject.device_files()
    output = subject.home / "device.json"
    words = (subject.name, str(model), str(rows), str(seconds), str(seed), str(output))
    process = subprocess.run(
        [sys.executable, "-m", DOOR, *words],
        env=dict(environment(subject.home)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        preexec_fn=ended_with_us(signal.SIGTERM),
    )
    lines = process.stderr.strip().splitlines()
    if process.returncode:
        raise MeasuringError(f"the device's process failed: {lines[-1] if lines else 'no reason'}")
    try:
        return OnDevice.model_validate_json(Path(output).read_bytes())
    except (OSError, ValidationError) as error:
        raise MeasuringError("the device's process told no figures") from error
