"""The tables that several machines share: made once, found again, and told apart from others."""

import threading

import pytest
import sqlalchemy as sa

from services.fraud.errors import ModelsUnavailable
from services.fraud.model_storage.database import FILES, MODELS, REGISTRY, ModelDatabase


@pytest.fixture
def database(fresh_postgres_url):
    database = ModelDatabase(fresh_postgres_url, keeps_open=True)
    yield database
    database.close()


def execute(url: str, statement: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(statement))


def test_reading_makes_nothing(database, fresh_postgres_url):
    with database.reading() as connection:
        assert connection is None
    engine = sa.create_engine(fresh_postgres_url, poolclass=sa.NullPool)
    assert "fraud_models" not in sa.inspect(engine).get_schema_names()


def test_machines_that_begin_together_make_the_tables_once(fresh_postgres_url):
    """Whoever comes second waits, and finds them."""
    together, done = threading.Barrier(4), []

    def begin() -> None:
        database = ModelDatabase(fresh_postgres_url)
        together.wait()
        with database.writing() as connection:
            done.append(connection.scalar(sa.select(sa.func.count()).select_from(REGISTRY)))

    machines = [threading.Thread(target=begin) for _ in range(4)]
    for machine in machines:
        machine.start()
    for machine in machines:
        machine.join()
    assert done == [1] * 4  # the version


def test_schema_that_an_administrator_has_made_is_enough(fresh_postgres_url):
    """For a role that may make none."""
    execute(fresh_postgres_url, "CREATE ROLE tenant LOGIN")
    try:
        execute(fresh_postgres_url, "CREATE SCHEMA fraud_models AUTHORIZATION tenant")
        url = sa.make_url(fresh_postgres_url).set(username="tenant")
        database = ModelDatabase(url.render_as_string(hide_password=False))
        with database.writing() as connection:
            assert connection.execute(sa.select(MODELS)).all() == []
    finally:
        execute(fresh_postgres_url, "DROP SCHEMA fraud_models CASCADE")
        execute(fresh_postgres_url, "DROP ROLE tenant")


def test_tables_of_another_program_are_told_in_one_line(database, fresh_postgres_url):
    execute(fresh_postgres_url, "CREATE SCHEMA fraud_models")
    execute(fresh_postgres_url, "CREATE TABLE fraud_models.registry (id int)")
    with pytest.raises(ModelsUnavailable, match="does not exist") as told, database.reading():
        pass
    assert "\n" not in str(told.value)


def test_connection_that_is_kept_finds_a_database_that_was_made_anew(database, fresh_postgres_url):
    """As after a restore: no process has to be started again."""
    with database.writing() as connection:
        connection.execute(sa.text("SELECT 1"))
    execute(fresh_postgres_url, "DROP SCHEMA fraud_models CASCADE")
    with pytest.raises(ModelsUnavailable), database.reading() as reading:
        assert reading is not None
        reading.execute(sa.select(FILES))
    with database.reading() as reading:
        assert reading is None
    with database.writing() as connection:
        assert connection.execute(sa.select(FILES)).all() == []
