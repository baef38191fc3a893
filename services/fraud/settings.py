"""What changes per environment: variables named TRIPTYCH_…, read at the service's door alone."""

from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Where the service finds its model and state, whom it answers, and how much at once."""

    # A variable that is empty, as `${NAME:-}` of a shell or of Compose leaves it, is not set.
    model_config = SettingsConfigDict(
        env_prefix="TRIPTYCH_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    home: Path = Field(Path("var"), description="Everything that is written lies under it.")
    database_url: SecretStr | None = Field(
        None,
        validate_default=True,
        description="SQLAlchemy address; default: SQLite in the home folder.",
    )
    api_keys: SecretStr | None = Field(
        None,
        description="Keys that callers may present, separated by commas; several are valid at"
        " once, for rotation. Without any, only this machine is answered.",
    )
    fraud_workers: int = Field(1, ge=1, description="Processes that answer.")
    fraud_max_in_flight: int = Field(
        64, ge=1, description="Requests that a worker has in hand; more get 503 at once."
    )
    fraud_body_timeout_s: float = Field(
        5.0, gt=0, description="A request whose body takes longer to arrive gets 408."
    )
    fraud_batch_max_bytes: int = Field(
        64 * 2**20, ge=1, description="Largest table that /score_batch takes."
    )
    fraud_max_state_age_h: float = Field(
        36.0, gt=0, description="Answers from an older state say that they are degraded."
    )

    fraud_state_url: SecretStr | None = Field(
        None,
        description="Address of a PostgreSQL that holds the state, for any number of machines;"
        " default: a file in the home folder.",
    )

    traces_url: str | None = Field(
        None, description="Where spans of answers are sent: a receiver of OTLP over HTTP."
    )

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().resolve()

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

    @field_validator("api_keys")
    @classmethod
    def _long_enough(cls, keys: SecretStr | None) -> SecretStr | None:
        if keys is not None and any(len(key) < 16 for key in split_keys(keys)):
            raise ValueError("each key needs at least 16 characters")
        return keys

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are valid now."""
        return split_keys(self.api_keys) if self.api_keys else ()

    @property
    def log_url(self) -> str:
        """The address of the database that answers are logged in."""
        if self.database_url is None:
            return f"sqlite:///{self.home / 'triptych.db'}"
        return self.database_url.get_secret_value()

    @property
    def state_url(self) -> str | None:
        """The address of the database that holds the state; None: the file in the home does."""
        return self.fraud_state_url.get_secret_value() if self.fraud_state_url else None

    @property
    def state_holds_log(self) -> bool:
        """Whether the state lies in the database that answers are logged in."""
        return self.state_url is not None and _same(self.state_url, self.log_url)


def split_keys(keys: SecretStr) -> tuple[str, ...]:
    """The keys in a comma-separated list, without blanks around them."""
    return tuple(filter(None, (key.strip() for key in keys.get_secret_value().split(","))))


def _same(url: str, other: str) -> bool:
    """Whether two addresses are one, however the driver is named."""
    (_, _, place), (_, _, other_place) = url.partition("://"), other.partition("://")
    return url.startswith("postgres") and other.startswith("postgres") and place == other_place
