"""What changes per environment: variables named TRIPTYCH_…, read at the service's door alone."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SHORTEST_KEY = 16


class SentimentSettings(BaseSettings):
    """Which model answers, whom, and how much at once."""

    # A variable that is empty, as `${NAME:-}` of a shell or of Compose leaves it, is not set.
    model_config = SettingsConfigDict(
        env_prefix="TRIPTYCH_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    home: Path = Field(Path("var"), description="Everything that is written lies under it.")
    api_keys: SecretStr | None = Field(
        None, description="Keys that callers may present, separated by commas."
    )
    sentiment_model: str = Field(
        "triptych-sentiment", description="A bundled name, a folder, or a hub id."
    )
    sentiment_precision: Literal["float32", "bfloat16", "int8"] = Field(
        "float32", description="Of the model's numbers."
    )
    sentiment_max_in_flight: int = Field(
        64, ge=1, description="Requests that are in hand; more get 503 at once."
    )

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().resolve()

    @field_validator("api_keys")
    @classmethod
    def _long_enough(cls, keys: SecretStr | None) -> SecretStr | None:
        if keys is not None and any(len(key) < SHORTEST_KEY for key in _split(keys)):
            raise ValueError(f"each key needs at least {SHORTEST_KEY} characters")
        return keys

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are valid now."""
        return _split(self.api_keys) if self.api_keys else ()


def _split(keys: SecretStr) -> tuple[str, ...]:
    return tuple(filter(None, (key.strip() for key in keys.get_secret_value().split(","))))
