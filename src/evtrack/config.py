"""What evtrack is told from outside: flags first, then environment variables, then defaults."""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from evtrack.domain.errors import BadArgument

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]

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


def settings_from(**flags: Any) -> Settings:
    """Read the settings, flags over environment.

    Args:
        **flags: Values from the command line; None means not given.

    Returns:
        The frozen settings.

    Raises:
        BadArgument: If a value cannot be used; which, and why.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(pg_variables=tuple(name for name in _PG_VARIABLES if os.environ.get(name)), **given)
    except ValidationError as error:
        wrong = error.errors()[0]
        name = str(wrong["loc"][0])
        source = f"--{name.replace('_', '-')}" if name in given else f"EVTRACK_{name.upper()}"
        raise BadArgument(f"{source} is {wrong['input']!r}: {wrong['msg'][0].lower()}{wrong['msg'][1:]}") from None
