"""What changes per environment: variables named TRIPTYCH_…, read by tasks and entry points."""

import re
from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things are written and what does the work."""

    # A variable that is empty, as `${NAME:-}` of a shell or of Compose leaves it, is not set.
    model_config = SettingsConfigDict(
        env_prefix="TRIPTYCH_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    home: Path = Field(Path("var"), description="Everything that is written lies under it.")
    database_url: SecretStr | None = Field(
        None,
        validate_default=True,
        description="SQLAlchemy address; default: SQLite in the home folder.",
    )
    fraud_state_url: SecretStr | None = Field(
        None,
        description="postgresql+psycopg:// address of what fraud services on several machines"
        " share; default: the home folder.",
    )
    source_database_url: SecretStr | None = Field(
        None, description="Where a query given as --source runs; default: database_url."
    )
    source_authorization: SecretStr | None = Field(
        None, description="Header Authorization for a https:// address given as --source."
    )
    source_query: SecretStr | None = Field(
        None,
        description="What stands behind ? of a https:// address given as --source, such as its"
        " signature.",
    )
    source_host: str | None = Field(
        None, description="The only host that source_authorization and source_query are sent to."
    )
    task_runner: str = Field(
        "threads", description="threads, dask, or the address of a Dask scheduler (tcp://…)."
    )

    scores_url: str | None = Field(
        None,
        description="The s3:// address that published nights lie at, too; default: nowhere else"
        " than in the home folder.",
    )
    releases: str | None = Field(
        None,
        validation_alias="TRIPTYCH_RELEASES_URL",
        description="Where releases of detectors lie: a folder or an s3:// address; default:"
        " releases in the home folder.",
    )
    signing_keys: Path | None = Field(
        None,
        validation_alias="TRIPTYCH_RELEASE_KEYS",
        description="Folder of the keys that sign releases; default: keys in the home folder.",
    )
    telemetry_folder: Path | None = Field(
        None,
        validation_alias="TRIPTYCH_TELEMETRY",
        description="Folder that devices' telemetry arrives in; default: telemetry in the home"
        " folder.",
    )
    mediapipe_python: Path | None = Field(
        None, description="Python program that has mediapipe; default: the one that runs this."
    )

    notify_urls: SecretStr | None = Field(
        None,
        description="Apprise addresses, separated by commas or lines, that are told what is wrong.",
    )
    blackout_days: Path | None = Field(
        None,
        description="File of the days on which no night runs; default: blackout-days.txt in the"
        " home folder.",
    )

    metrics_port: int | None = Field(
        None, ge=0, le=65_535, description="Where triptych watch shows Prometheus how all stands."
    )
    worker_metrics_port: int | None = Field(
        None, ge=0, le=65_535, description="Where a worker shows Prometheus its process."
    )
    metrics_host: str = Field("127.0.0.1", description="The address of these two.")

    traces_url: str | None = Field(
        None, description="Where spans of flow runs are sent: a receiver of OTLP over HTTP."
    )

    fraud_max_state_age_h: float = Field(
        36.0, gt=0, description="Where nothing was answered for longer, transactions are missing."
    )

    @field_validator("home", "signing_keys", "telemetry_folder", "blackout_days")
    @classmethod
    def _absolute(cls, folder: Path | None) -> Path | None:
        return folder and folder.expanduser().resolve()

    @field_validator("database_url")
    @classmethod
    def _given_if_home_has_none(
        cls, url: SecretStr | None, info: ValidationInfo
    ) -> SecretStr | None:
        if url is None and "?" in str(info.data.get("home")):
            raise ValueError(
                f"give one, or another TRIPTYCH_HOME: no address can hold the ? in"
                f" {info.data['home']}"
            )
        return url

    @field_validator("home")
    @classmethod
    def _no_file(cls, home: Path) -> Path:
        try:
            nearest = next(place for place in (home, *home.parents) if place.exists())
        except OSError as error:
            raise ValueError(f"{home} cannot be reached: {error.strerror or error}") from error
        if not nearest.is_dir():
            raise ValueError(f"{nearest} is a file: move it away, or name another folder")
        return home

    @field_validator("scores_url")
    @classmethod
    def _bucket(cls, url: str | None) -> str | None:
        """It is kept in reports, so that nothing secret may stand in it."""
        if url is None or re.fullmatch(r"s3://[^/\s@?#]+(/[^\s@?#]*)?", url):
            return url and url.rstrip("/")
        raise ValueError("use s3://bucket/prefix; keys belong into the variables or files of AWS")

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

    @property
    def notify_text(self) -> str:
        """The addresses that are told what is wrong, as given; empty: nobody is."""
        return self.notify_urls.get_secret_value() if self.notify_urls else ""

    @property
    def source_access(self) -> tuple[str | None, str | None, str | None]:
        """Authorization and query for a web address that is given as source, and their host."""
        given = (self.source_authorization, self.source_query)
        authorization, query = (secret.get_secret_value() if secret else None for secret in given)
        return authorization, query, self.source_host

    @property
    def releases_url(self) -> str:
        """The folder or s3:// address of the release repository."""
        return self.releases or str(self.home / "releases")

    @property
    def release_keys(self) -> Path:
        """The folder of the keys that sign releases."""
        return self.signing_keys or self.home / "keys"

    @property
    def telemetry(self) -> Path:
        """The folder that devices' telemetry arrives in."""
        return self.telemetry_folder or self.home / "telemetry"
