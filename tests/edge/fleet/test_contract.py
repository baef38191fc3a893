"""The telemetry record has one definition, which device, collector and table follow."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import edge_detector
import sqlalchemy as sa

from edge.fleet.database import Database
from edge.fleet.load import load
from edge.fleet.tables import DEVICE_TELEMETRY
from tests.edge.fleet.records import NOON, a_record, line, put

ROOT = Path(__file__).parents[3]
LAST_FIELD = "    versions: Annotated[Mapping[Words, Words], Entries(16)]\n"
NEW_FIELD = "    battery_v: Annotated[float, Range(0, 60)] | None = None\n"
PROGRAM = """
import json
import sys
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from edge_detector.telemetry.delivery import open_delivery
from edge_detector.telemetry.telemetry import Telemetry

from edge.fleet.database import Database
from edge.fleet.load import load
from edge.fleet.tables import DEVICE_TELEMETRY

folder, now = Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
telemetry = Telemetry(open_delivery(str(folder / "sent")), folder / "home", "camera-7")
telemetry.flush()
telemetry.send_waiting()
database = Database(sys.argv[3])
database.prepare()
loaded = load(database, folder / "inbox", now)
with database.transaction(writes=False) as connection:
    columns = DEVICE_TELEMETRY.c
    query = sa.select(columns.seq, columns.battery_v).order_by(columns.seq)
    rows = [list(row) for row in connection.execute(query)]
    rejections = sa.text("SELECT reason FROM rejected_telemetry")
    reasons = list(connection.execute(rejections).scalars())
print(json.dumps({"records": loaded.records, "rows": rows, "reasons": reasons}))
"""


def test_field_that_is_added_to_the_record_is_one_edit(database_url, tmp_path):
    """One more line in the contract: the device sends it, and the collector checks and keeps it.

    A database of before gets the column. A device of before, which does not send the field, is
    heard as well; there, and in the rows of before, it is null.
    """
    database = Database(database_url)
    database.prepare()
    put(tmp_path / "inbox", "a.jsonl", line(a_record(1)))
    load(database, tmp_path / "inbox", NOON)
    package = tmp_path / "edited" / "edge_detector"
    shutil.copytree(Path(edge_detector.__file__).parent, package)
    definition = package / "contract" / "telemetry.py"
    source = definition.read_text("utf-8")
    assert source.count(LAST_FIELD) == 1
    definition.write_text(source.replace(LAST_FIELD, LAST_FIELD + NEW_FIELD), "utf-8")
    put(
        tmp_path / "inbox",
        "b.jsonl",
        line(a_record(2, battery_v=12.5)),
        line(a_record(3)),
        line(a_record(4, battery_v="full")),
        line(a_record(5, battery_v=240.0)),
    )

    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), NOON.isoformat(), database_url],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{package.parent}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert process.returncode == 0, process.stderr
    (sent,) = (tmp_path / "sent" / "camera-7").iterdir()
    assert json.loads(sent.read_bytes())["battery_v"] is None
    answer = json.loads(process.stdout)
    assert answer["records"] == 2
    assert answer["rows"] == [[1, None], [2, 12.5], [3, None]]
    assert answer["reasons"] == ["battery_v: give a number", "battery_v: give 0 to 60"]
    database.close()


def test_collector_of_before_takes_the_records_of_a_later_device(database_url, tmp_path):
    """What it does not know is left out, and the rest is kept."""
    database = Database(database_url)
    database.prepare()
    put(tmp_path, "a.jsonl", line(a_record(1, battery_v=12.5)))

    assert load(database, tmp_path, NOON).records == 1
    with database.transaction(writes=False) as connection:
        rows = connection.execute(sa.select(DEVICE_TELEMETRY.c.frames)).scalars().all()
    assert rows == [900]
    database.close()
