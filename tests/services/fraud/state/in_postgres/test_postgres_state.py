"""The state on PostgreSQL: what other replicas, and a database that is slow or away, do to it."""

import asyncio
import itertools
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from services.fraud.errors import StateUnavailable, TransactionConflict
from services.fraud.log.database import Database
from services.fraud.log.rows import as_document
from services.fraud.log.tables import Prediction
from services.fraud.state.completeness import Coverage
from services.fraud.state.in_postgres import postgres_state
from services.fraud.state.in_postgres.connections import MOST
from services.fraud.state.in_postgres.postgres_state import PostgresState
from services.fraud.state.in_postgres.session import Session
from services.fraud.state.state import Outcome, Transaction
from services.fraud.transactions.features import DAY_S, Windows
from tests.services.fraud.driven import PATIENT_S, InFile, InPostgres
from tests.services.fraud.running import wait_until
from tests.services.fraud.state.in_postgres.proxy import between
from tests.services.fraud.state.sales import DAY_15, count, never, sale
from tests.services.fraud.streams import snapshot, stream, transactions

WAIT_S = 20
PREDICTION = (
    *("request", "/score_transaction", "sale-1", "alice", "till", 10.01, DAY_15),
    *(DAY_15 + 0.25, "model:1", 0.75, 0.5, True, None, None, 12.5, "old_labels", 1.5),
    *([float(number) for number in range(15)], None),
)


@pytest.fixture
def url(fresh_postgres_url: str) -> str:
    return fresh_postgres_url


@contextmanager
def opened(url: str, **options: Any) -> Iterator[PostgresState]:
    with closing(PostgresState(url, **options)) as state:
        yield state


def patient(url: str, **options: Any) -> AbstractContextManager[PostgresState]:
    """A state for which a busy machine is no matter."""
    return opened(url, read_s=PATIENT_S, write_s=PATIENT_S, **options)


def seen(windows: Windows, _covered: Coverage | None) -> bytes:
    """An answer that shows what was seen."""
    return count(windows)


def untold(windows: Windows, _covered: Coverage | None) -> bytes:
    return never(windows)


@contextmanager
def outsider(url: str, *statements: str) -> Iterator[psycopg.Connection[Any]]:
    """Another session, which has run some statements in a transaction that stays open."""
    address = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        for statement in statements:
            connection.execute(statement)
        yield connection
        connection.rollback()


LOCKED = "LOCK TABLE fraud_state.transactions IN SHARE MODE"  # it is read, and not written


def test_transactions_of_one_customer_see_one_another_in_one_order_over_two_replicas(url):
    """Two states, eight at a time each: every one sees exactly those recorded before it."""

    async def run() -> list[Outcome]:
        with patient(url) as one, patient(url) as other:

            async def ask(number: int) -> Outcome:
                state = (one, other)[number % 2]
                return await state.once(sale(number, DAY_15), seen)

            return await asyncio.gather(*map(ask, range(60)))

    outcomes = asyncio.run(run())
    assert all(outcome.recorded and outcome.new for outcome in outcomes)
    assert sorted(int(outcome.answer.split()[0]) for outcome in outcomes) == list(range(1, 61))


def test_retry_at_two_replicas_at_once_gets_one_answer(url):
    """Whoever is first decides; both hand out the same bytes, and one row is left."""

    async def run() -> list[Outcome]:
        with patient(url) as one, patient(url) as other:
            numbers = itertools.count()

            def differing(_windows: Windows, _covered: Coverage | None) -> bytes:
                return str(next(numbers)).encode()

            asked = [state.once(sale(1), differing) for state in (one, other) for _ in range(4)]
            return await asyncio.gather(*asked)

    outcomes = asyncio.run(run())
    assert len({outcome.answer for outcome in outcomes}) == 1
    assert sorted(outcome.new for outcome in outcomes) == [False] * 7 + [True]
    with closing(InPostgres(url)) as state:
        assert state.count_rows() == 1


def test_label_that_comes_between_asking_and_recording_is_decided_on(url):
    """The windows that it changes are counted anew, and the model is asked again."""
    later = sale(2, DAY_15 + 7 * DAY_S, customer_id="bob")

    async def run() -> tuple[Outcome, list[bytes]]:
        with patient(url) as state, patient(url) as other:
            await state.once(sale(1), seen)
            answers: list[bytes] = []

            def decide(windows: Windows, covered: Coverage | None) -> bytes:
                if not answers:
                    other.label([("sale-1", True, 1.0)])
                answers.append(count(windows))
                return answers[-1]

            return await state.once(later, decide), answers

    outcome, answers = asyncio.run(run())
    assert answers == [b"1 0", b"1 1"]
    assert (outcome.answer, outcome.new, outcome.recorded) == (b"1 1", True, True)


def test_label_that_comes_while_its_transaction_is_being_recorded_finds_it(url):
    """It waits for the transaction's turn, and then for that of a terminal it knew nothing of."""
    take_turn = "SELECT fraud_state.turns(ARRAY['sale-1'], ARRAY['alice'], ARRAY['till'])"
    record = """INSERT INTO fraud_state.transactions
        (transaction_id, customer_id, terminal_id, cents, "time", answer)
        VALUES ('sale-1', 'alice', 'till', 1001, 1534377600, 'first')"""
    waits = """SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
        WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"""
    with patient(url) as state, closing(InPostgres(url)) as beside:
        with outsider(url, take_turn, record) as recording, ThreadPoolExecutor(1) as threads:
            labelling = threads.submit(state.label, [("sale-1", True, 1.0)])
            wait_until(lambda: beside.query(waits) == [(1,)])
            recording.commit()
            assert labelling.result(WAIT_S) == 1
        assert (beside.frauds(), beside.waiting()) == ({"sale-1"}, [])


def test_two_replicas_answer_a_random_stream_as_the_file_does(url, tmp_path):
    """2,000 transactions, each sent to either; side by side over customers, in order within one."""
    table = stream(2_000, days=40, keys=(60, 40), seed=3)
    rows = list(transactions(table))
    with closing(InFile(tmp_path / "state.db", patience_s=PATIENT_S)) as file:
        expected = {row.transaction_id: file.once(row, shown).answer for row in rows}
    found = asyncio.run(_answered_by_two(url, rows))
    assert found == expected


def shown(windows: Windows) -> bytes:
    return repr(windows).encode()


async def _answered_by_two(url: str, rows: list[Transaction]) -> dict[str, bytes]:
    """The answers of two replicas. Terminals' windows lag a week, so that days are kept apart."""
    draw = random.Random(4)
    found: dict[str, bytes] = {}
    with patient(url) as one, patient(url) as other:

        async def ask(of_customer: list[Transaction]) -> None:
            for row in of_customer:
                state = draw.choice((one, other))
                outcome = await state.once(row, lambda windows, _covered: shown(windows))
                assert outcome.recorded and outcome.new
                found[row.transaction_id] = outcome.answer

        for _, of_day in itertools.groupby(rows, key=lambda row: row.time // DAY_S):
            by_customer: dict[str, list[Transaction]] = {}
            for row in of_day:
                by_customer.setdefault(row.customer_id, []).append(row)
            await asyncio.gather(*map(ask, by_customer.values()))
    return found


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the state has logged; others, such as pools of connections, log in their threads."""
    by_it = [record for record in caplog.records if record.name == postgres_state.__name__]
    return [record.levelname for record in by_it]


def test_lock_of_another_session_never_fails_an_answer(url, caplog):
    """It is decided on what can be read, said to be unrecorded, and logged once."""

    async def run(state: PostgresState) -> list[Outcome]:
        outcomes = [await state.once(sale(n, DAY_15 + 1), seen) for n in range(2, 12)]
        assert (await state.once(sale(1), untold)).answer == b"1 0"
        with pytest.raises(TransactionConflict):
            await state.once(sale(1, cents=7), untold)
        return outcomes

    with closing(InPostgres(url)) as state, opened(url, read_s=PATIENT_S) as hasty:
        state.once(sale(1), count)
        with outsider(url, LOCKED):
            outcomes = state.run(run(hasty))
        assert {(o.answer, o.new, o.recorded) for o in outcomes} == {(b"2 0", True, False)}
        assert told(caplog) == ["WARNING"]
        assert state.once(sale(2, DAY_15 + 1), count).recorded


def test_customer_whom_another_session_has_locked_keeps_nobody_else(url):
    """The others are recorded meanwhile."""
    lock = "SELECT pg_advisory_xact_lock(hashtextextended('alice', 1))"

    async def run() -> tuple[Outcome, Outcome]:
        with (
            opened(url, read_s=PATIENT_S) as hasty,
            patient(url) as state,
            outsider(url, lock),
        ):
            return await asyncio.gather(
                hasty.once(sale(1), seen),
                state.once(sale(2, customer_id="bob", terminal_id="shop"), seen),
            )

    locked, other = asyncio.run(run())
    assert (locked.recorded, other.recorded) == (False, True)


async def _at_last(state: PostgresState, asked: Transaction) -> Outcome:
    """The answer once it is recorded, asked for again and again as a caller does."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        with suppress(StateUnavailable):
            outcome = await state.once(asked, seen)
            if outcome.recorded:
                return outcome
        await asyncio.sleep(0.01)
    raise AssertionError("it does not go on")


def test_server_that_is_away_makes_the_state_unavailable_until_it_is_back(url, postgres_restart):
    """Nothing that was answered is lost, and nobody has to restart anything."""

    async def run(state: PostgresState) -> None:
        first = await state.once(sale(1), seen)
        postgres_restart.stop()
        for _ in range(3):
            with pytest.raises(StateUnavailable, match="state postgresql"):
                await state.once(sale(2), untold)
        assert state.is_current()
        with pytest.raises(StateUnavailable):
            _ = state.as_of
        postgres_restart.start()
        assert (await _at_last(state, sale(1))).answer == first.answer
        assert (await state.once(sale(2), seen)).answer == b"2 0"
        assert state.as_of is None

    with patient(url) as state:
        asyncio.run(run(state))


def test_restart_between_two_transactions_goes_unnoticed(url, postgres_restart):
    """Connections that broke meanwhile are replaced, for requests and for labels."""

    async def run(state: PostgresState) -> None:
        await asyncio.gather(*(state.once(sale(n), seen) for n in range(3)))
        postgres_restart.stop()
        postgres_restart.start()
        assert (await state.once(sale(3), seen)).recorded

    with patient(url) as state:
        state.label([("none", True, 1.0)])
        asyncio.run(run(state))
        assert state.label([("sale-1", True, 1.0)]) == 1


def test_state_that_cannot_be_opened_is_opened_once_the_server_is_there(url, postgres_restart):
    """The message names the address."""
    postgres_restart.stop()
    with pytest.raises(StateUnavailable, match="state postgresql"):
        PostgresState(url)
    postgres_restart.start()
    with opened(url) as state:
        assert state.is_current()


def test_server_that_hangs_fails_in_time_and_others_wait_hardly_at_all(url):
    """One request waits as long as it may; those that come after it do not."""
    with between(url) as proxy, opened(proxy.url, read_s=1.0) as state:

        async def run() -> list[float]:
            await state.once(sale(0), seen)
            proxy.freeze()
            took = []
            for number in range(1, 11):
                began = time.perf_counter()
                with pytest.raises(StateUnavailable, match="state postgresql"):
                    await state.once(sale(number), untold)
                took.append(time.perf_counter() - began)
            proxy.thaw()
            return took

        took = asyncio.run(run())
        assert took[0] >= 1.0
        assert sum(took[1:]) < 5 * took[0]  # not nine times as long


def test_server_that_hangs_keeps_no_other_work_of_the_loop(url):
    """While a request waits for it, the loop goes round."""
    with between(url) as proxy, opened(proxy.url, read_s=1.0) as state:

        async def run() -> int:
            await state.once(sale(0), seen)
            proxy.freeze()
            asked = asyncio.ensure_future(state.once(sale(1), untold))
            rounds = 0
            while not asked.done():
                rounds += 1
                await asyncio.sleep(0.001)
            proxy.thaw()
            assert isinstance(asked.exception(), StateUnavailable)
            return rounds

        assert asyncio.run(run()) > 50


def test_state_goes_on_by_itself_once_the_server_no_longer_hangs(url):
    """Connections that were given up are replaced, and nothing is known twice."""
    with between(url) as proxy, opened(proxy.url) as state:

        async def run() -> None:
            proxy.freeze()
            with pytest.raises(StateUnavailable):
                await state.once(sale(1), untold)
            proxy.thaw()
            assert (await _at_last(state, sale(1))).answer == b"1 0"

        asyncio.run(run())


def test_answer_whose_recording_hangs_says_that_it_is_unrecorded(url):
    """The database may have taken it all the same: a retry then gets the same bytes."""
    with between(url) as proxy, opened(proxy.url, read_s=PATIENT_S) as state:

        async def run() -> Outcome:
            await state.once(sale(0), seen)

            def freeze(piece: bytes) -> None:
                if b".record(" in piece:
                    proxy.freeze(answers_only=True)

            proxy.before = freeze
            return await state.once(sale(1), seen)

        outcome = asyncio.run(run())
        assert (outcome.answer, outcome.new, outcome.recorded) == (b"2 0", True, False)
        proxy.before = lambda piece: None
        proxy.thaw()
    with patient(url) as state:
        assert asyncio.run(state.once(sale(1), seen)).answer == b"2 0"


@pytest.mark.parametrize("answered", [False, True])
def test_connection_that_breaks_while_recording_leaves_one_new_answer(url, answered):
    """Before the server has it, or before the answer is back: it is recorded, once, as new."""
    with between(url) as proxy, patient(proxy.url) as state:

        async def run() -> Outcome:
            await state.once(sale(0), seen)
            with closing(InPostgres(url)) as beside:

                def once_cut(piece: bytes) -> None:
                    if b".record(" not in piece:
                        return
                    proxy.before = lambda piece: None
                    if answered:
                        proxy.freeze(answers_only=True)
                        threading.Thread(target=cut_when_there).start()
                    else:
                        proxy.cut()

                def cut_when_there() -> None:
                    wait_until(lambda: beside.count_rows() == 2)
                    proxy.cut()
                    proxy.thaw()

                proxy.before = once_cut
                outcome = await state.once(sale(1), seen)
                assert beside.count_rows() == 2
                return outcome

        outcome = asyncio.run(run())
    assert (outcome.answer, outcome.new, outcome.recorded) == (b"2 0", True, True)


def test_answer_and_its_row_of_the_log_are_written_as_one(url):
    """Once, however often it is asked for; one that is not recorded leaves no row."""
    with closing(Database(url, patience_s=10)) as database:
        database.prepare()
    row = Prediction(*PREDICTION)

    async def run(state: PostgresState) -> list[Outcome]:
        written = [
            await state.once(sale(1), seen, log_row=lambda: as_document(row)) for _ in range(2)
        ]
        with pytest.raises(ZeroDivisionError):
            await state.once(sale(2), lambda *_: bytes(1 // 0), log_row=never_asked)
        return written

    with patient(url, holds_log=True) as state:
        first, again = asyncio.run(run(state))
    assert (first.new, first.logged, again.new, again.logged) == (True, True, False, False)
    with closing(InPostgres(url)) as beside:
        names = ", ".join(name for name in Prediction._fields if name != "features")
        [found] = beside.query(
            f"SELECT {names}, tx_amount, terminal_id_risk_30day_window"
            " FROM public.fraud_predictions"
        )
    answered_at = datetime.fromtimestamp(row.answered_at, UTC)
    assert found == (*row[:7], answered_at, *row[8:17], None, 0.0, 14.0)


def never_asked() -> bytes:
    raise AssertionError("nothing was decided")


def test_log_that_takes_no_row_keeps_no_answer_from_being_recorded(url, caplog):
    """Its table is missing: the row has to go another way, which is logged once."""
    with patient(url, holds_log=True) as state:

        async def run() -> list[Outcome]:
            return [await state.once(sale(n), seen, log_row=lambda: b"{}") for n in range(3)]

        outcomes = asyncio.run(run())
    assert [(o.answer, o.recorded, o.logged) for o in outcomes] == [
        (b"%d 0" % number, True, False) for number in (1, 2, 3)
    ]
    assert told(caplog) == ["WARNING"]


def test_labels_for_a_server_that_hangs_fail_in_time(url, monkeypatch):
    """The thread that brings them is free again."""
    monkeypatch.setattr(postgres_state, "SESSION_S", 0.2)
    with between(url) as proxy, opened(proxy.url) as state:
        proxy.freeze()
        with pytest.raises(StateUnavailable, match=r"it does not answer within 0\.2 s"):
            state.label([("sale-1", True, 1.0)])
        proxy.thaw()
        assert state.label([("sale-1", True, 1.0)]) == 0


def test_server_that_is_only_read_from_gives_unrecorded_answers(url):
    """As a standby before it takes over; connections to it are given up, so that a new one may
    lead to the one that is written to."""
    with closing(InPostgres(url)) as beside, patient(url) as state:
        database = sa.make_url(url).database
        beside._session.run(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
        outcome = asyncio.run(state.once(sale(1), seen))
        assert (outcome.answer, outcome.recorded) == (b"1 0", False)
        beside._session.run("SET default_transaction_read_only = off")
        beside._session.run(f"ALTER DATABASE {database} RESET default_transaction_read_only")
        assert asyncio.run(state.once(sale(1), seen)).recorded


def test_address_may_name_several_hosts(url):
    """The first that is there is taken; libpq's own options count."""
    with between(url) as proxy, between(url) as gone:
        near, away = (sa.make_url(each.url).port for each in (proxy, gone))
        hosts = {
            "host": [f"127.0.0.1:{away}", f"127.0.0.1:{near}"],
            "target_session_attrs": "read-write",
        }
        several = sa.make_url(url).set(host=None, port=None, query=hosts)
        gone.close()
        with patient(several.render_as_string(hide_password=False)) as state:
            assert asyncio.run(state.once(sale(1), seen)).recorded
            assert state.label([("sale-1", True, 1.0)]) == 1


def test_password_is_shown_nowhere(url, caplog):
    """Not where the server refuses, nor where there is none."""
    secret = "not-to-be-seen"
    with between(url) as proxy:
        refused = sa.make_url(proxy.url).set(username="nobody", password=secret)
        away = refused.set(port=1)
        for address in (refused, away):
            with pytest.raises(StateUnavailable) as caught:
                PostgresState(address.render_as_string(hide_password=False))
            assert secret not in f"{caught.value!r} {caplog.text}"
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["sqlite:///state.db", "mysql://h/d", "nonsense", "redis://h", "postgresql://ann:a@s3cret@h/d"],
)
def test_address_of_no_postgres_is_refused_in_one_line(url):
    """It says what would be right, and shows no part of a password."""
    with pytest.raises(StateUnavailable, match=r"^use postgresql\+psycopg://") as caught:
        PostgresState(url)
    assert "\n" not in str(caught.value) and "s3cret" not in str(caught.value)


def test_schema_that_an_administrator_has_made_is_enough(url):
    """For a role that may make none."""
    role = f"tenant_{sa.make_url(url).database}"  # roles are the whole server's
    tenant = sa.make_url(url).set(username=role).render_as_string(hide_password=False)
    with outsider(
        url,
        f"CREATE ROLE {role} LOGIN",
        f"CREATE SCHEMA fraud_state AUTHORIZATION {role}",
    ) as session:
        session.commit()
        try:
            with patient(tenant) as state:
                assert asyncio.run(state.once(sale(1), seen)).recorded
        finally:
            session.execute("DROP SCHEMA fraud_state CASCADE")
            session.execute(f"DROP ROLE {role}")
            session.commit()


def test_first_snapshot_may_take_longer_than_other_statements(url, tmp_path, monkeypatch):
    """It is loaded by one statement, which takes a minute for some million rows."""
    monkeypatch.setitem(Session.__init__.__kwdefaults__, "patience_s", 1.0)
    table = stream(50, days=30)
    with patient(url) as state, outsider(url, LOCKED) as session, ThreadPoolExecutor(1) as threads:
        began = time.monotonic()
        loading = threads.submit(state.load, snapshot(table, DAY_15 + 15 * DAY_S, tmp_path))
        wait_until(lambda: loading.done() or time.monotonic() > began + 2)
        session.rollback()
        assert loading.result(WAIT_S).added == 50


def test_statements_of_a_moment_are_not_compiled(url):
    """A server that has a compiler, as Debian's has, would take a hundred times as long."""
    query = """SELECT proname, 'jit=off' = ANY(proconfig) FROM pg_proc
        WHERE pronamespace = 'fraud_state'::regnamespace
        AND 'enable_seqscan=off' = ANY(proconfig)"""
    with opened(url), outsider(url) as session:
        found = dict(session.execute(query).fetchall())

    assert {"ask", "record"} <= found.keys() and all(found.values())


def test_schema_of_another_version_is_told(url):
    """What to do about it, too."""
    with closing(InPostgres(url)) as state:
        state._session.run("UPDATE facts SET version = 99")
    with pytest.raises(StateUnavailable, match="of version 99, and this program knows"):
        PostgresState(url)


def test_schema_that_was_dropped_is_not_current_and_made_anew(url):
    """Meanwhile the state is unavailable, in one line."""
    with patient(url) as state:
        with outsider(url, "DROP SCHEMA fraud_state CASCADE") as session:
            session.commit()
        with pytest.raises(StateUnavailable) as caught:
            asyncio.run(state.once(sale(1), untold))
        assert "\n" not in str(caught.value)
        assert not state.is_current()
    with patient(url) as anew:
        assert asyncio.run(anew.once(sale(1), seen)).recorded


def test_two_processes_that_start_at_once_make_one_schema(url):
    """The later one finds it made."""
    with ThreadPoolExecutor(8) as threads:
        states = list(threads.map(lambda _: PostgresState(url), range(8)))
    for state in states:
        assert state.is_current()
        state.close()


def test_turn_that_comes_too_late_is_not_taken(url, monkeypatch):
    """A statement without time would cost the next one its own, and the connection."""
    write_s, left = 1.0, []

    with opened(url, read_s=PATIENT_S, write_s=write_s) as state:
        row = state._connections.row

        async def slow(statement, values, until):
            if statement is postgres_state._RECORD:
                left.append(until - asyncio.get_running_loop().time())
                await asyncio.sleep(write_s / 5)
            return await row(statement, values, until)

        async def at_once():
            sales = [sale(number, customer_id=f"customer-{number}") for number in range(20)]
            return await asyncio.gather(*(state.once(given, seen) for given in sales))

        monkeypatch.setattr(state._connections, "row", slow)
        outcomes = asyncio.run(at_once())

    assert 0 < sum(outcome.recorded for outcome in outcomes) <= len(left) < len(outcomes)
    assert min(left) > write_s / 5


def test_connections_are_as_many_as_are_used_at_once_and_no_more_than_are_allowed(url):
    """A hundred requests at once share eight."""

    async def run() -> int:
        with patient(url) as state, closing(InPostgres(url)) as beside:
            sales = [sale(n, customer_id=f"c-{n}", terminal_id=f"t-{n}") for n in range(100)]
            outcomes = await asyncio.gather(*(state.once(each, seen) for each in sales))
            assert all(outcome.recorded for outcome in outcomes)
            [(found,)] = beside.query(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query ~ 'fraud_state.(ask|record)\\('"
            )
            return int(found)

    assert 2 <= asyncio.run(run()) <= MOST
