"""A PostgreSQL server that hangs is waited for no longer than was said."""

import os
import signal
import time

import pytest
import sqlalchemy as sa

from services.storage.database import Database
from services.storage.errors import StorageBusy


@pytest.fixture
def database(fresh_postgres_url):
    database = Database(fresh_postgres_url, hangs_after_s=0.3)
    yield database
    database.close()


def process_of(database):
    """The server's process behind the connection that is used next."""
    with database.transaction(writes=False) as connection:
        return connection.scalar(sa.text("SELECT pg_backend_pid()"))


def test_statement_that_hangs_is_cut_and_may_be_tried_again(database):
    with (
        pytest.raises(StorageBusy),
        database.transaction(writes=False) as connection,
    ):
        connection.execute(sa.text("SELECT pg_sleep(600)"))
    assert process_of(database)


def test_kept_connection_whose_server_hangs_is_left_for_another_one(database):
    """As that of a machine that stands still, while another one has taken over."""
    first = process_of(database)
    assert process_of(database) == first
    os.kill(first, signal.SIGSTOP)
    try:
        second = process_of(database)
    finally:
        os.kill(first, signal.SIGCONT)
    assert second != first


def test_connection_that_is_given_back_in_time_is_kept(database):
    """Whatever becomes of its transaction, and however long it lies there then."""
    first = process_of(database)
    with pytest.raises(RuntimeError), database.transaction(writes=True):
        raise RuntimeError
    time.sleep(0.4)
    assert process_of(database) == first


def test_server_that_is_away_is_busy_and_found_again(database, postgres_restart):
    process_of(database)
    postgres_restart.stop()
    with pytest.raises(StorageBusy):
        process_of(database)
    postgres_restart.start()
    assert process_of(database)
