"""What changes per environment: variables named TRIPTYCH_…, read at the server's door alone."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServerSettings(BaseSettings):
    """What the server hands out, where it puts what it gets, and from whom it takes it."""

    # A variable that is empty, as `${NAME:-}` of a shell or of Compose leaves it, is not set.
    model_config = SettingsConfigDict(
        env_prefix="TRIPTYCH_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    home: Path = Field(Path("var"), description="Everything that is written lies under it.")
    releases_url: str | None = Field(
        None, description="The release repository; default: `releases` in the home folder."
    )
    telemetry: Path | None = Field(
        None, description="The inbox; default: `telemetry` in the home folder."
    )
    fleet_keys: SecretStr | None = Field(
        None,
        description="Keys for devices, separated by commas; several are valid at once, for"
        " rotation. They are this server's alone: whoever holds one can derive every device's."
        " Without any, telemetry is taken from this machine alone.",
    )

    @field_validator("home", "telemetry")
    @classmethod
    def _absolute(cls, folder: Path | None) -> Path | None:
        return folder and folder.expanduser().resolve()

    @field_validator("fleet_keys")
    @classmethod
    def _long_enough(cls, keys: SecretStr | None) -> SecretStr | None:
        if keys is not None and any(len(key) < 16 for key in _split(keys)):
            raise ValueError("each key needs at least 16 characters")
        return keys

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are valid now."""
        return _split(self.fleet_keys) if self.fleet_keys else ()

    @property
    def releases(self) -> Path | None:
        """The folder that is handed out; None: the repository lies in no folder."""
        if self.releases_url is None:
            return self.home / "releases"
        if "://" in self.releases_url and not self.releases_url.startswith("file://"):
            return None
        return Path(self.releases_url.removeprefix("file://")).expanduser().resolve()

    @property
    def inbox(self) -> Path:
        """The folder that telemetry is put into."""
        return self.telemetry or self.home / "telemetry"


def _split(keys: SecretStr) -> tuple[str, ...]:
    return tuple(filter(None, (key.strip() for key in keys.get_secret_value().split(","))))
