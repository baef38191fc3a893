"""Passwords and keys, from the environment or a file, end up in nothing that a run leaves."""

import secrets
from pathlib import Path

import httpx
import sqlalchemy as sa

from tasks.collect_telemetry import load_records
from tests.benchmarks.texts import DEMO
from tests.flows.prefect_server import server_password, server_url


def files_with(secret: str, *folders: Path) -> list[Path]:
    return [
        file
        for folder in folders
        for file in folder.rglob("*")
        if file.is_file() and secret.encode() in file.read_bytes()
    ]


def test_no_secret_is_in_logs_artifacts_tables_or_prefects_database(
    run_here, tmp_path, fresh_postgres_url, monkeypatch, caplog
):
    """Neither of a run that ends well, nor of one whose database refuses it."""
    hidden = {name: f"{name}-{secrets.token_hex(12)}" for name in ("database", "api", "fleet")}
    url = sa.make_url(fresh_postgres_url).set(password=hidden["database"])
    monkeypatch.setenv("TRIPTYCH_DATABASE_URL", url.render_as_string(hide_password=False))
    monkeypatch.setenv("TRIPTYCH_API_KEYS", hidden["api"])
    monkeypatch.setenv("TRIPTYCH_FLEET_KEYS", hidden["fleet"])
    home = tmp_path / "var"
    asked = ("--source", str(DEMO), "--text-column", "review", "--id-column", "review_id")

    good = run_here("score_sentiment", home, *asked, "--precision", "float32")
    monkeypatch.setenv(
        "TRIPTYCH_DATABASE_URL", f"postgresql+psycopg://a:{hidden['database']}@127.0.0.1:1/none"
    )
    monkeypatch.setattr(load_records, "retry_delay_seconds", [0.0])  # it is tried again at once
    bad = run_here("collect_telemetry", home)

    assert (good[0], bad[0]) == (0, 1), (good, bad)
    assert "Retry 4/4" in caplog.text  # each try tells of its error
    api = httpx.BasicAuth(*server_password().split(":", 1))
    prefect = Path(httpx.get(f"{server_url()}/admin/settings", auth=api).json()["home"])
    password = server_password().split(":", 1)[1]
    for secret in (*hidden.values(), password):
        found = files_with(secret, home, prefect)
        assert [file.name for file in found if file.name != "password"] == []
        assert secret not in "".join((*good[1:], *bad[1:]))
    assert (prefect / "prefect.db").exists()  # there is something to look into
    assert [file.name for file in files_with(password, prefect)] == ["password"]
