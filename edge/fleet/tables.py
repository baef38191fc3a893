"""The SQL tables of the fleet.

- `device_telemetry`: one row per interval of a device; unique by device, number and time;
- `devices`: one row per device, as its newest record shows it, and how it was last judged;
- `rejected_telemetry`: what could not be loaded, and why.

The same columns mean the same on SQLite and PostgreSQL: instants are aware and in UTC.
"""

import sqlalchemy as sa

from services.storage.utc import UtcDateTime

METADATA = sa.MetaData()

DEVICE_TELEMETRY = sa.Table(
    "device_telemetry",
    METADATA,
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", UtcDateTime, primary_key=True),  # a device that was wiped counts from 1 again
    sa.Column("hour", UtcDateTime, nullable=False, index=True),  # that `at` lies in
    sa.Column("interval_s", sa.Double, nullable=False),
    sa.Column("frames", sa.BigInteger, nullable=False),
    sa.Column("fps", sa.Double, nullable=False),
    sa.Column("dropped", sa.BigInteger, nullable=False),
    sa.Column("reopened", sa.BigInteger, nullable=False),
    sa.Column("p50_ms", sa.Double),  # from capture to result
    sa.Column("p99_ms", sa.Double),
    sa.Column("temperature_c", sa.Double),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("model", sa.Text),
    sa.Column("version", sa.Text),
    sa.Column("sha256", sa.Text),
    sa.Column("runtime", sa.Text, nullable=False),
    sa.Column("offline_s", sa.Double, nullable=False),
    sa.Column("uptime_s", sa.Double, nullable=False),
    sa.Column("lost", sa.BigInteger, nullable=False),
    sa.Column("latency_ms", sa.JSON, nullable=False),
    sa.Column("detections", sa.JSON, nullable=False),
    sa.Column("versions", sa.JSON, nullable=False),
    sa.Column("loaded_at", UtcDateTime, nullable=False),
    # What a clock that was not set said; `at` is then when the record arrived. Null: `at` is the
    # device's own.
    sa.Column("said_at", UtcDateTime),
)
ADDED = (DEVICE_TELEMETRY.c.said_at,)  # columns that a database of before lacks; null there

DEVICES = sa.Table(
    "devices",
    METADATA,
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("first_seen", UtcDateTime, nullable=False),
    sa.Column("last_seen", UtcDateTime, nullable=False),
    sa.Column("interval_s", sa.Double, nullable=False),
    sa.Column("fps", sa.Double, nullable=False),
    sa.Column("p99_ms", sa.Double),
    sa.Column("temperature_c", sa.Double),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("model", sa.Text),
    sa.Column("version", sa.Text),
    sa.Column("sha256", sa.Text),
    sa.Column("runtime", sa.Text, nullable=False),
    sa.Column("offline_s", sa.Double, nullable=False),
    sa.Column("lost", sa.BigInteger, nullable=False),
    sa.Column("health", sa.Text),  # null until it was judged
    sa.Column("reason", sa.Text),
    sa.Column("judged_at", UtcDateTime),
)

REJECTED_TELEMETRY = sa.Table(
    "rejected_telemetry",
    METADATA,
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("file", sa.Text, primary_key=True),
    sa.Column("line", sa.BigInteger, primary_key=True, autoincrement=False),  # 0: the whole file
    sa.Column("lines", sa.BigInteger, nullable=False),  # that this row stands for
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("excerpt", sa.Text, nullable=False),
    sa.Column("rejected_at", UtcDateTime, nullable=False),
)
