"""What evtrack is told from outside: flags first, then environment variables, then defaults."""

import os
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from evtrack.domain.column_limits import BIGINT_MAX
from evtrack.domain.errors import BadArgument
from evtrack.domain.text import quoted

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]

LONGEST_S: Final = 1_000_000_000
"""Thirty years and more: what is counted from now stays in every calendar, and reap takes up to a hundred."""

LONGEST_PAUSE_S: Final = 86_400
"""What a process waits for in one piece; system calls count milliseconds, and not many of them."""

_Pause = Annotated[float, Field(gt=0, le=LONGEST_PAUSE_S)]
_Seconds = Annotated[float, Field(gt=0, le=LONGEST_S)]
_Count = Annotated[int, Field(ge=0, le=BIGINT_MAX)]

# Any of these says that a server is meant; libpq itself then reads all of its PG* variables.
_PG_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE", "PGSERVICEFILE")


class Settings(BaseSettings):
    """Hold the settings of one evtrack process; nothing is read after construction.

    Args:
        dsn: A PostgreSQL connection string (EVTRACK_DSN).
        database_url: The same, as many platforms hand it out (DATABASE_URL); dsn goes first.
        pg_variables: Those of libpq's own variables that are set and name a server.
        data_dir: Where the embedded server keeps its files (EVTRACK_DATA_DIR).
        log_format: json, console, or auto: console on a terminal (EVTRACK_LOG_FORMAT).
        log_level: The least level that is written (EVTRACK_LOG_LEVEL).
    """

    model_config = SettingsConfigDict(env_prefix="EVTRACK_", env_ignore_empty=True, frozen=True, extra="forbid")

    dsn: str | None = None
    database_url: str | None = Field(default=None, validation_alias="DATABASE_URL")
    pg_variables: tuple[str, ...] = ()
    data_dir: Path | None = None
    log_format: LogFormat = "auto"
    log_level: LogLevel = "info"


class WatchSettings(BaseSettings):
    """Hold what a watcher is told; each is a flag of `evtrack watch` too, but for the secret.

    Args:
        name: What people call it (EVTRACK_WATCH_NAME, and so on).
        poll: Seconds between two looks when no wake-up comes.
        never_started: For how many seconds batches may wait beside free slots.
        max_crash_rate: How many of a hundred attempts of a handler may crash.
        crash_window: Over how many seconds that is counted.
        least_attempts: In how many attempts at least.
        max_pending: How many batches of a handler may be pending.
        exec: A program that gets each alert on stdin.
        webhook: A URL that gets each alert.
        webhook_secret: What signs these requests (EVTRACK_WEBHOOK_SECRET).
        webhook_secret_file: The file that it stands in.
    """

    model_config = SettingsConfigDict(
        env_prefix="EVTRACK_WATCH_", env_ignore_empty=True, frozen=True, extra="forbid", populate_by_name=True
    )

    name: str = ""
    poll: _Pause = 1.0
    never_started: _Seconds = 60.0
    max_crash_rate: float = Field(default=5.0, ge=0, le=100)
    crash_window: _Seconds = 3600.0
    least_attempts: _Count = 20
    max_pending: _Count = 100_000
    exec: str | None = None
    webhook: str | None = None
    webhook_secret: SecretStr | None = Field(default=None, validation_alias="EVTRACK_WEBHOOK_SECRET")
    webhook_secret_file: Path | None = Field(default=None, validation_alias="EVTRACK_WEBHOOK_SECRET_FILE")

    def secret(self) -> str | None:
        """Find the webhook's secret.

        Returns:
            The secret without the end of its line, or None.

        Raises:
            BadArgument: The file cannot be read.
        """
        if self.webhook_secret is not None:
            return self.webhook_secret.get_secret_value()
        if self.webhook_secret_file is None:
            return None
        try:
            return self.webhook_secret_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadArgument(f"the file of the webhook's secret cannot be read: {error}") from None


_Model = TypeVar("_Model", bound=BaseSettings)


def settings_from(**flags: Any) -> Settings:
    """Read the settings, flags over environment.

    Args:
        **flags: Values from the command line; None means not given.

    Returns:
        The frozen settings.

    Raises:
        BadArgument: If a value cannot be used; which, and why.
    """
    return _read(Settings, flags, pg_variables=tuple(name for name in _PG_VARIABLES if os.environ.get(name)))


def watch_settings_from(**flags: Any) -> WatchSettings:
    """Read a watcher's settings, flags over environment.

    Args:
        **flags: Values from the command line; None means not given.

    Returns:
        The frozen settings.

    Raises:
        BadArgument: If a value cannot be used; which, and why.
    """
    return _read(WatchSettings, flags)


def _read(model: type[_Model], flags: dict[str, Any], **fixed: Any) -> _Model:
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return model(**fixed, **given)
    except ValidationError as error:
        wrong = error.errors()[0]
        name = str(wrong["loc"][0])
        told = f"--{name.replace('_', '-')}" if name in given else f"{model.model_config['env_prefix']}{name.upper()}"
        raise BadArgument(f"{told} is {quoted(wrong['input'])}: {wrong['msg'][0].lower()}{wrong['msg'][1:]}") from None
