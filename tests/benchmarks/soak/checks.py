"""What has to hold after a soak. Each check gives its faults as sentences; none means it holds.

They know no server and no database, only what is in `records`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

from tests.benchmarks.soak.records import (
    POSTGRES,
    Answer,
    Kill,
    Logged,
    Outcome,
    Reign,
    Sample,
)

LOGGED = ("/score_transaction", "/detect_fraud")  # paths whose answers have a row each
LOSES_S = 1.0  # before a SIGKILL: what the log does not promise to keep
SHOWN = 3  # examples in a sentence
GROWTH = 1.10  # from the first third of a life to the last, and beside it:
MORE_BYTES, BUFFERS_BYTES = 8 * 2**20, 128 * 2**20  # the latter of PostgreSQL, which fills them
MORE_FILES = 64  # a connection to the database for each request in hand
LEAST_SAMPLES = 9  # in a life that is judged: three in each third
LOG_BYTES = 8 * 2**20  # of text that servers say, in all
LEFT_BYTES = 2**20  # of rows that wait in files once all is quiet
METRICS_BYTES = 32 * 2**20


def unanswered(outcomes: Iterable[Outcome]) -> list[str]:
    """Every request got an answer in the end."""
    lost = [outcome for outcome in outcomes if outcome.answer is None]
    last = Counter(outcome.failures[-1][1] if outcome.failures else "nothing" for outcome in lost)
    return [f"{count} requests had no answer, at last {what}" for what, count in last.items()]


def changed(outcomes: Iterable[Outcome]) -> list[str]:
    """Whoever asked again for a transaction got the bytes that are stored for it."""
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for key, answer in _recorded(outcomes):
        bodies[key].add(answer.digest)
    return _told("{} transactions got different answers", sorted(_several(bodies)))


def not_logged(outcomes: Iterable[Outcome], rows: Iterable[Logged]) -> list[str]:
    """Each answer of a transaction or of features has its row, of the same model."""
    models = {row.request_id: row.model for row in rows}
    heard = {
        outcome.answer.request_id: outcome.answer.model
        for outcome in outcomes
        if outcome.answer is not None and outcome.request.path in LOGGED
    }
    lost = [request_id for request_id in heard if request_id not in models]
    other = [name for name, model in heard.items() if models.get(name, model) != model]
    return [
        *_told("{} answers are not in the log", lost),
        *_told("{} answers are there with another model", other),
    ]


def died_with(outcomes: Iterable[Outcome], kills: Sequence[Kill]) -> list[Outcome]:
    """Answers whose rows may be lost: of a replica that was killed within `LOSES_S`.

    That is what the log promises; the rows of transactions, which lie beside their answers in the
    state's database, are never among them.
    """
    return [
        outcome
        for outcome in outcomes
        if outcome.answer is not None
        and outcome.answered_s is not None
        and outcome.request.path != "/score_transaction"
        and any(
            kill.replica == outcome.answer.replica
            and kill.at_s - LOSES_S <= outcome.answered_s <= kill.at_s + 1
            for kill in kills
        )
    ]


def logged_twice(rows: Iterable[Logged]) -> list[str]:
    """A request has one row, and a transaction one, beside those that say `not_recorded`."""
    requests = Counter(row.request_id for row in rows)
    keys = Counter(row.transaction_id for row in rows if row.transaction_id and row.is_recorded)
    return [
        *_told("{} requests are in the log more than once", _repeated(requests)),
        *_told("{} transactions are in the log more than once", _repeated(keys)),
    ]


def missing(what: str, expected: Iterable[str], found: Iterable[str]) -> list[str]:
    """What was accepted lies in the table, once."""
    counts = Counter(found)
    return [
        *_told(f"{{}} {what} are not in their table", sorted(set(expected) - set(counts))),
        *_told(f"{{}} {what} are there more than once", _repeated(counts)),
    ]


def wrong_model(rows: Iterable[Logged], reigns: Sequence[Reign]) -> list[str]:
    """Every answer names a model that was champion when it was given."""
    allowed = defaultdict(list)
    for reign in reigns:
        allowed[reign.model].append(reign)
    wrong = [
        f"{row.request_id} of {row.model}"
        for row in rows
        if not any(each.since_s <= row.answered_at <= each.until_s for each in allowed[row.model])
    ]
    answered = {row.model for row in rows}
    idle = [reign.model for reign in reigns if reign.model not in answered]
    return [
        *_told("{} answers name a model that was not champion then", wrong),
        *_told("{} models were champion and answered nothing", sorted(set(idle))),
    ]


def grown(samples: Sequence[Sample]) -> list[str]:
    """Memory and open files of each process are flat: in the last third of its life as in the
    first. Lives that are too short to say are left out; at least one is judged. PostgreSQL's open
    files are not: each of its connections opens those of a table when it first needs them."""
    faults = []
    sides: tuple[tuple[str, Callable[[Sample], Mapping[str, int]], Callable[[str], int]], ...]
    sides = (
        ("bytes", lambda each: each.memory, _more_bytes),
        ("open files", _judged_files, lambda name: MORE_FILES),
    )
    for unit, of, more in sides:
        judged = thirds(samples, of)
        if not judged:
            faults.append(f"too few samples to judge {unit} by")
        faults += [
            f"{name} has grown from {first:,.0f} to {last:,.0f} {unit}"
            for name, (first, last) in judged.items()
            if last > GROWTH * first + more(name)
        ]
    return faults


def _judged_files(sample: Sample) -> Mapping[str, int]:
    return {name: n for name, n in sample.open_files.items() if not name.startswith(POSTGRES)}


def _more_bytes(name: str) -> int:
    """How much a process may grow beside the share that all may."""
    return BUFFERS_BYTES + MORE_BYTES if name.startswith(POSTGRES) else MORE_BYTES


def thirds(
    samples: Sequence[Sample], of: Callable[[Sample], Mapping[str, int]]
) -> dict[str, tuple[float, float]]:
    """The medians of the first and the last third of each life that is long enough.

    The first ninth of a life is left out: caches fill, and code is loaded when first used.
    """
    lives: dict[str, list[int]] = defaultdict(list)
    for sample in samples:
        for name, value in of(sample).items():
            lives[name].append(value)
    found = {}
    for name, values in lives.items():
        if len(values) >= LEAST_SAMPLES:
            warm = values[len(values) // 9 :]
            length = max(1, len(warm) // 3)
            found[name] = (median(warm[:length]), median(warm[-length:]))
    return found


def unbounded(samples: Sequence[Sample]) -> list[str]:
    """Files of the homes stay small: rows that waited are gone, and nobody floods a log."""
    last = samples[-1].files
    most = {name: max(sample.files.get(name, 0) for sample in samples) for name in last}
    faults = []
    for name, bytes_now in last.items():
        if name.endswith("spill") and bytes_now > LEFT_BYTES:
            faults.append(f"{bytes_now:,} bytes of rows are left in {name}")
        if name.endswith("log") and bytes_now > LOG_BYTES:
            faults.append(f"{name} has {bytes_now:,} bytes")
        if name.endswith("metrics") and most[name] > METRICS_BYTES:
            faults.append(f"{name} had {most[name]:,} bytes")
    return faults


def _recorded(outcomes: Iterable[Outcome]) -> Iterable[tuple[str, Answer]]:
    for outcome in outcomes:
        if outcome.request.key and outcome.answer and outcome.answer.is_recorded:
            yield outcome.request.key, outcome.answer


def _several(bodies: Mapping[str, set[bytes]]) -> list[str]:
    return [key for key, different in bodies.items() if len(different) > 1]


def _repeated(counts: Mapping[str, int]) -> list[str]:
    return sorted(name for name, count in counts.items() if count > 1)


def _told(sentence: str, names: Sequence[str]) -> list[str]:
    """A fault with its number and some examples, if there are any."""
    if not names:
        return []
    examples = ", ".join(names[:SHOWN])
    return [f"{sentence.format(len(names))}: {examples}{', …' if len(names) > SHOWN else ''}"]
