"""What changes per environment: variables named TRIPTYCH_…, read by rosters and entry points."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things are written and what does the work."""

    model_config = SettingsConfigDict(env_prefix="TRIPTYCH_", frozen=True, extra="ignore")

    home: Path = Field(Path("var"), description="Everything that is written lies under it.")
    database_url: SecretStr | None = Field(
        None, description="SQLAlchemy address; default: SQLite in the home folder."
    )
    source_database_url: SecretStr | None = Field(
        None, description="Where a query given as --source runs; default: database_url."
    )
    task_runner: str = Field(
        "threads", description="threads, dask, or the address of a Dask scheduler (tcp://…)."
    )

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().resolve()

    @field_validator("task_runner")
    @classmethod
    def _known_runner(cls, runner: str) -> str:
        if runner in ("threads", "dask") or runner.startswith(("tcp://", "tls://")):
            return runner
        raise ValueError("use threads, dask, or a scheduler's address such as tcp://host:8786")

    @property
    def warehouse_url(self) -> str:
        """The address of the database that results are written to."""
        if self.database_url is None:
            return f"sqlite:///{self.home / 'triptych.db'}"
        return self.database_url.get_secret_value()

    @property
    def query_url(self) -> str:
        """The address of the database that a query given as source is run on."""
        if self.source_database_url is None:
            return self.warehouse_url
        return self.source_database_url.get_secret_value()
