"""The configuration: command-line flags first, then environment variables, then defaults."""

import os
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from evtrack.domain.alerts.thresholds import Thresholds
from evtrack.domain.column_types import BIGINT_MAX
from evtrack.domain.errors import BadArgument
from evtrack.domain.text import quoted
from evtrack.domain.time_spans import span_seconds

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]

LONGEST_S: Final = 1_000_000_000
"""More than thirty years: times that far from now are still valid, and reap accepts up to a hundred years."""

LONGEST_PAUSE_S: Final = 86_400
"""The longest single wait of a process; system calls count milliseconds in small integers."""

WEB_HOST: Final = "127.0.0.1"
WEB_PORT: Final = 8484
"""Where the dashboard is served."""

_Pause = Annotated[float, Field(gt=0, le=LONGEST_PAUSE_S)]
_Seconds = Annotated[float, Field(gt=0, le=LONGEST_S)]
_Factor = Annotated[float, Field(ge=1, le=1_000_000)]
_Span = Annotated[
    _Seconds,
    BeforeValidator(lambda value: value if not isinstance(value, str) or (s := span_seconds(value)) is None else s),
]
_WebUrl = Annotated[str, Field(pattern=r"^https?://[^\s/?#|<>]+(?:/[^\s?#|<>]*)?$", max_length=1000)]
_Count = Annotated[int, Field(ge=0, le=BIGINT_MAX)]

_DEFAULT: Final = Thresholds()

# Any of these chooses a configured server; libpq itself then reads all of its PG* variables.
_PG_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE", "PGSERVICEFILE")


class Settings(BaseSettings):
    """The settings of one evtrack process; nothing is read after construction.

    Args:
        dsn: A PostgreSQL connection string (EVTRACK_DSN).
        database_url: The same, as many platforms set it (DATABASE_URL); dsn overrides it.
        pg_variables: The libpq variables that are set and name a server.
        data_dir: Where the embedded server stores its files (EVTRACK_DATA_DIR).
        state_dir: Where a worker leaves what its successor needs (EVTRACK_STATE_DIR).
        previous_exit: How the worker before this one ended, as their parent reports it (EVTRACK_PREVIOUS_EXIT).
        slot_cgroups: Whether each slot gets a control group of its own (EVTRACK_SLOT_CGROUPS); None for only where
            that is delegated.
        log_format: json, console, or auto: console on a terminal (EVTRACK_LOG_FORMAT).
        log_level: The lowest level that is logged (EVTRACK_LOG_LEVEL).
    """

    model_config = SettingsConfigDict(env_prefix="EVTRACK_", env_ignore_empty=True, frozen=True, extra="forbid")

    dsn: str | None = None
    database_url: str | None = Field(default=None, validation_alias="DATABASE_URL")
    pg_variables: tuple[str, ...] = ()
    data_dir: Path | None = None
    state_dir: Path | None = None
    previous_exit: str = ""
    slot_cgroups: bool | None = None
    log_format: LogFormat = "auto"
    log_level: LogLevel = "info"


class WatchSettings(BaseSettings):
    """The settings of a watcher; each except the secret is also a flag of `evtrack watch`.

    Args:
        name: Its name (EVTRACK_WATCH_NAME, and so on).
        poll: Seconds between two polls when no notification arrives.
        never_started: How many seconds batches may wait while slots are free.
        max_crash_rate: The percentage of a handler's attempts that may crash.
        crash_window: Over how many seconds crashes are counted.
        least_attempts: The attempts below which the rate is not judged.
        max_pending: How many batches of a handler may be pending.
        runs_long: How many seconds any item may run.
        runs_long_factor: How many times as long as 99 of 100 before it an item may run.
        no_worker: How many seconds batches may wait although no worker offers their handler.
        exec: A program that receives each alert on stdin.
        webhook: A URL that receives each alert.
        slack: The URL of an incoming webhook of Slack, which receives each alert as a message.
        keep_trying: For how many seconds a delivery to these is tried again when it fails.
        web_url: Where `evtrack web` is found (EVTRACK_WEB_URL), for links in alerts.
        webhook_secret: The secret that signs these requests (EVTRACK_WEBHOOK_SECRET).
        webhook_secret_file: The file that contains it.
    """

    model_config = SettingsConfigDict(
        env_prefix="EVTRACK_WATCH_", env_ignore_empty=True, frozen=True, extra="forbid", populate_by_name=True
    )

    name: str = ""
    poll: _Pause = 1.0
    never_started: _Seconds = _DEFAULT.never_started_s
    max_crash_rate: float = Field(default=_DEFAULT.max_crash_rate, ge=0, le=100)
    crash_window: _Seconds = _DEFAULT.crash_span_s
    least_attempts: _Count = _DEFAULT.least_attempts
    max_pending: _Count = _DEFAULT.max_pending
    runs_long: _Seconds = _DEFAULT.runs_long_s
    runs_long_factor: _Factor = _DEFAULT.runs_long_factor
    no_worker: _Seconds = _DEFAULT.no_worker_s
    exec: str | None = None
    webhook: str | None = None
    slack: str | None = None
    keep_trying: _Span = 86_400.0
    web_url: _WebUrl | None = Field(default=None, validation_alias="EVTRACK_WEB_URL")
    webhook_secret: SecretStr | None = Field(default=None, validation_alias="EVTRACK_WEBHOOK_SECRET")
    webhook_secret_file: Path | None = Field(default=None, validation_alias="EVTRACK_WEBHOOK_SECRET_FILE")

    def secret(self) -> str | None:
        """Return the webhook's secret.

        Returns:
            The secret without its newline, or None.

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
            raise BadArgument(f"cannot read the file with the webhook's secret: {error}") from None


class WebSettings(BaseSettings):
    """The settings of a dashboard that are better not on a command line, which other users can see.

    Args:
        token_file: The file with the token that lets users in (EVTRACK_WEB_TOKEN_FILE).
        act_as: A connection string for acts (EVTRACK_WEB_ACT_AS); also the flag --act-as.
    """

    model_config = SettingsConfigDict(env_prefix="EVTRACK_WEB_", env_ignore_empty=True, frozen=True, extra="forbid")

    token_file: Path | None = None
    act_as: str | None = None


_Model = TypeVar("_Model", bound=BaseSettings)


def settings_from(**flags: Any) -> Settings:
    """Read the settings; flags override the environment.

    Args:
        **flags: Values from the command line; None means not given.

    Returns:
        The frozen settings.

    Raises:
        BadArgument: A value is not valid; the message names it and says why.
    """
    return _read(Settings, flags, pg_variables=tuple(name for name in _PG_VARIABLES if os.environ.get(name)))


def watch_settings_from(**flags: Any) -> WatchSettings:
    """Read a watcher's settings; flags override the environment.

    Args:
        **flags: Values from the command line; None means not given.

    Returns:
        The frozen settings.

    Raises:
        BadArgument: A value is not valid; the message names it and says why.
    """
    return _read(WatchSettings, flags)


def web_settings_from(**flags: Any) -> WebSettings:
    """Read a dashboard's settings; flags override the environment.

    Args:
        **flags: Values from the command line; None means not given.

    Returns:
        The frozen settings.

    Raises:
        BadArgument: A value is not valid; the message names it and says why.
    """
    return _read(WebSettings, flags)


def _read(model: type[_Model], flags: dict[str, Any], **fixed: Any) -> _Model:
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return model(**fixed, **given)
    except ValidationError as error:
        wrong = error.errors()[0]
        told = str(wrong["loc"][0])
        # A field that has a variable of its own is reported under the variable's name.
        name = next((name for name, field in model.model_fields.items() if field.validation_alias == told), told)
        variable = told if name != told else f"{model.model_config['env_prefix']}{name.upper()}"
        source = f"--{name.replace('_', '-')}" if name in given else variable
        raise BadArgument(
            f"{source} is {quoted(wrong['input'])}: {wrong['msg'][0].lower()}{wrong['msg'][1:]}"
        ) from None
