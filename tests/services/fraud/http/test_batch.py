"""Bodies of many rows, without HTTP: what is read, what is refused, and at what cost."""

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from services.fraud.http import batch
from services.fraud.http.arrow_body import FILE, MAX_SCHEMA_BYTES, STREAM, Unreadable
from services.fraud.http.problem import HttpProblem
from services.fraud.scoring.card import OWN
from services.fraud.scoring.detector import Rows
from services.fraud.scoring.model_input import model_input
from services.fraud.scoring.schema import MOST_JSON_ROWS, MOST_ROWS
from services.fraud.transactions.features import FEATURES
from tests.services.fraud.running import GENUINE, ROOT

JSON = "application/json"
ANY = model_input(OWN, FEATURES)  # such features may be any numbers
MANY = 20_000_000  # rows: 160 MB a column
ONES = pa.array([1.0, 2.0])
CATEGORIES = pa.array(["a", "b"]).dictionary_encode()


class OfNumbers(pa.ExtensionType):  # type: ignore[misc]  # pyarrow has no types
    """A number of another kind."""

    def __init__(self):
        super().__init__(pa.float64(), "triptych.test")

    def __arrow_ext_serialize__(self):
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type, serialized):
        return cls()


def table(values=ONES, **others):
    return pa.table({**dict.fromkeys(FEATURES, values), **others})


def arrow(given, media_type=STREAM, **options):
    sink = pa.BufferOutputStream()
    new = pa.ipc.new_stream if media_type == STREAM else pa.ipc.new_file
    with new(sink, given.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(given)
    return sink.getvalue().to_pybytes()


def lists(rows):
    return json.dumps({"transaction_data": rows}).encode()


def refused(body, media_type):
    with pytest.raises(Unreadable) as error:
        batch.read(body, media_type)
    return error.value


FORMS = {
    "stream": (STREAM, arrow),
    "file": (FILE, lambda given: arrow(given, FILE)),
}


@pytest.fixture(params=FORMS)
def form(request):
    """A media type, and what writes a table in it."""
    return FORMS[request.param]


@pytest.fixture
def memory_of(tmp_path):
    """By how many MB a process of its own grows while it reads a body, and what it answers."""

    def measured(body, media_type):
        (tmp_path / "body").write_bytes(body)
        code = f"""
import resource
from pathlib import Path
import pyarrow
from services.fraud.http import arrow_body, batch, problem
body = Path({str(tmp_path / "body")!r}).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    answer = batch.read(body, {media_type!r}).features.shape
except (arrow_body.Unreadable, problem.HttpProblem) as error:
    answer = error.message
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, answer)
"""
        found = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
        )
        grown_mb, _, answer = found.stdout.partition(" ")
        return float(grown_mb), answer

    return measured


def test_every_form_gives_the_same_rows(form):
    """JSON and Arrow; any order and case of columns, others beside them, any numbers."""
    media_type, write = form
    values = np.random.default_rng(0).integers(0, 100, (3_000, len(FEATURES)))
    kinds = [pa.float64(), pa.float32(), pa.float16(), pa.int64(), pa.uint8()] * 3
    columns = {
        name.lower(): pa.array(values[:, place]).cast(pa.float32()).cast(kind, safe=False)
        for place, (name, kind) in enumerate(zip(FEATURES, kinds, strict=True))
    }
    shuffled = dict(sorted(columns.items()))
    beside = {"who": pa.array(["c"] * 3_000).dictionary_encode(), "nested": [[{"a": 1}]] * 3_000}
    given = write(pa.table({**beside, **shuffled, "note": ["x"] * 3_000}))
    found = batch.read(given, media_type, ANY)
    plain = batch.read(lists(values.tolist()), JSON, ANY)

    assert not found.refused.any() and not found.errors
    assert np.array_equal(found.features, plain.features)
    assert np.array_equal(found.features, values.astype(np.float32))


def test_rows_keep_their_order_over_batches():
    """Many small batches, some without rows, make one table."""
    values = np.arange(1_000.0)
    stream = pa.BufferOutputStream()
    given = table(pa.array(values))
    with pa.ipc.new_stream(stream, given.schema) as writer:
        writer.write_table(given, max_chunksize=7)
        writer.write_batch(pa.RecordBatch.from_arrays([values[:0]] * 15, schema=given.schema))
    found = batch.read(stream.getvalue().to_pybytes(), STREAM, ANY)

    assert found.features[:, 3].tolist() == values.tolist()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array(["1", "2"]), "string"),
        (pa.array([[1.0], [2.0]]), "list"),
        (pa.array([{"a": 1.0}] * 2), "struct"),
        (CATEGORIES, "dictionary"),
        (ONES.cast(pa.decimal128(9, 2)), "decimal128"),
        (pa.array([1, 2], pa.timestamp("s")), "timestamp"),
        (pa.nulls(2), "null"),
        (pa.ExtensionArray.from_storage(OfNumbers(), ONES), "extension"),
    ],
)
def test_columns_that_are_not_plain_numbers_are_named(form, values, kind):
    """Texts, lists, categories, extensions and the like, by the name of their column."""
    media_type, write = form
    if kind == "extension":
        pa.register_extension_type(OfNumbers())
    try:
        error = refused(write(table(**{FEATURES[4]: values})), media_type)
    finally:
        if kind == "extension":
            pa.unregister_extension_type("triptych.test")

    assert error.path == FEATURES[4]
    assert error.message.startswith("holds") and kind in error.message


@pytest.mark.parametrize("second", ["TX_AMOUNT", "tx_amount"])
def test_column_that_is_given_twice_is_named(form, second):
    """Of two columns of one name, in whatever case, neither is taken."""
    media_type, write = form
    columns = [ONES] * (len(FEATURES) + 1)
    error = refused(write(pa.Table.from_arrays(columns, names=[*FEATURES, second])), media_type)

    assert (error.path, error.message) == ("TX_AMOUNT", "is given twice")


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
@pytest.mark.parametrize("media_type", [STREAM, FILE])
def test_compressed_arrow_is_refused_with_a_way_out(compression, media_type):
    """Its buffers would say themselves how large they get; the message says what to send."""
    error = refused(arrow(table(), media_type, compression=compression), media_type)
    categories = table(who=CATEGORIES)

    assert "without compression" in error.message
    error = refused(arrow(categories, media_type, compression=compression), media_type)
    assert "without compression" in error.message


def test_small_bodies_take_little_memory(memory_of):
    """Bodies of kilobytes that would unfold into hundreds of megabytes are refused before."""
    zeros = pa.array(np.zeros(MANY))
    many = table(pa.array(np.zeros(MOST_ROWS + 1, np.int8)))
    bodies = {
        "unknown column": (arrow(pa.table({"a": zeros}), compression="zstd"), STREAM),
        "beside": (arrow(table(ONES, a=[b"0" * 8 * MANY] * 2), compression="zstd"), STREAM),
        "many rows": (arrow(many), STREAM),
        "empty lists": (b'{"transaction_data": [' + b"[]," * 2_700_000 + b"[]]}", JSON),
    }
    for name, (body, media_type) in bodies.items():
        grown_mb, answer = memory_of(body, media_type)
        assert grown_mb < 40, (name, len(body), grown_mb)
        assert not answer.startswith("("), name


def test_long_schema_is_refused_unread(form):
    """What describes a table is at most a mebibyte: it unfolds more than the table does."""
    media_type, write = form
    described = table().replace_schema_metadata({"a": "x" * MAX_SCHEMA_BYTES})

    assert f"more than {MAX_SCHEMA_BYTES:,} bytes" in refused(write(described), media_type).message


def test_rows_are_counted_over_all_batches():
    """A stream of many batches is refused when their sum is over the limit."""
    part = table(pa.array(np.zeros(MOST_ROWS // 2 + 1, np.int8)))
    body = arrow(pa.concat_tables([part, part]))

    assert refused(body, STREAM).message == f"give 1 to {MOST_ROWS:,} rows"


def test_damaged_tables_are_refused_and_nothing_else_happens(form):
    """A byte changed or the end missing: an answer or a refusal, never another error."""
    media_type, write = form
    rng = np.random.default_rng(2)
    body = write(table(pa.array(rng.random(50)), who=pa.array(["a"] * 50).dictionary_encode()))
    for _ in range(1_500):
        damaged = bytearray(body)
        damaged[rng.integers(len(body))] = rng.integers(256)
        damaged = damaged[: len(body) - rng.integers(40) * rng.integers(2)]
        try:
            found = batch.read(bytes(damaged), media_type)
        except Unreadable:
            continue
        assert 0 < len(found.features) <= MOST_ROWS


def test_json_over_its_limit_is_told_of_tables():
    """8 MiB: what is more comes as a table."""
    with pytest.raises(HttpProblem) as problem:
        batch.read(b" " * (batch.JSON_MAX_BYTES + 1), JSON)

    assert (problem.value.status, problem.value.code) == (413, "too_large")
    assert "8,388,608" in problem.value.message and "Arrow" in problem.value.message


@pytest.mark.parametrize("rows", [[], [0] * (MOST_JSON_ROWS + 1), [[]] * (3 * MOST_JSON_ROWS)])
def test_json_of_no_rows_or_too_many_is_refused(rows):
    """1 to 100,000 rows, whatever they are."""
    assert refused(lists(rows), JSON).message == "give 1 to 100,000 rows of 15 numbers"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 50_000, b'{"a": secret}', b"[] x"])
def test_broken_json_is_invalid_json(body):
    """As at every endpoint: 400, and nothing of the body is repeated."""
    with pytest.raises(HttpProblem) as problem:
        batch.read(body, JSON)

    assert (problem.value.status, problem.value.code) == (400, "invalid_json")
    assert "secret" not in problem.value.message


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity", "1" + "0" * 400])
def test_number_that_is_no_feature_fails_with_its_row_alone(number):
    """What overflows, and what JSON does not know, costs one row."""
    body = lists([GENUINE] * 3).decode()
    body = body[::-1].replace("57.16"[::-1], number[::-1], 1)[::-1]  # the last row's
    body = body.replace("57.16", "57.16", 1)
    found = batch.read(body.encode(), JSON)

    assert found.refused.tolist() == [False, False, True]
    assert found.errors[2]["field"].startswith("transaction_data.2.")


def test_good_rows_are_what_was_sent_and_bad_rows_spoil_none():
    """All good numbers arrive as float32; wrong rows beside them change none and hold zeros."""
    rng = np.random.default_rng(3)
    rows = (rng.random((500, len(FEATURES))) * 10.0 ** rng.integers(-3, 12)).tolist()
    rows[0] = [0, 10**12, 1e12, 5e-324, -0.0, *rows[0][5:]]
    bad = [[1], None, [*GENUINE[:-1], True], [*GENUINE[:-1], "1"]]
    good = batch.read(lists(rows), JSON, ANY)
    mixed = batch.read(lists([*rows, *bad]), JSON, ANY)

    assert np.array_equal(good.features, np.array(rows, np.float32))
    assert not good.refused.any()
    assert np.array_equal(mixed.features[:500], good.features)
    assert mixed.refused.tolist() == [False] * 500 + [True] * 4
    assert not mixed.features[500:].any()


@pytest.mark.parametrize("media_type", [JSON, STREAM])
def test_first_thousand_refused_rows_are_explained(media_type):
    """An answer does not outgrow its request; each refused row still has an error."""
    bad = [*GENUINE[:-1], -1]
    rows = [GENUINE, *[bad] * 1_500]
    columns = np.array(rows).T
    body = lists(rows)
    if media_type == STREAM:
        body = arrow(pa.table(dict(zip(FEATURES, columns, strict=True))))
    found = batch.read(body, media_type)
    scored = Rows(np.zeros(1_501), np.zeros(1_501, bool), 0.5, "fraud_detector:1")
    answer, _ = batch.write(found, scored, media_type, "application/json", "r")
    as_table, _ = batch.write(found, scored, STREAM, "", "r")
    errors = [result["error"] for result in json.loads(answer)["results"]]
    texts = pa.ipc.open_stream(as_table).read_all()["error"].to_pylist()

    assert json.loads(answer)["rejected"] == found.refused.sum() == 1_500
    assert errors[0] is texts[0] is None
    assert errors[1_000]["message"] != batch.UNEXPLAINED != texts[1_000]
    assert errors[1_001] == {"field": "transaction_data.1001", "message": batch.UNEXPLAINED}
    assert errors[1_500] and texts[1_001] == texts[1_500] == batch.UNEXPLAINED
