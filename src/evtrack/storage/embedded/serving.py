"""A server to work with: the one that is configured, or the embedded one for as long as it is used."""

from collections.abc import Iterator
from contextlib import contextmanager

from evtrack.config import Settings
from evtrack.storage.connection.connect import resolve


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Have a PostgreSQL server at hand.

    Args:
        settings: Say which one.

    Yields:
        The connection string; the embedded server stays up until the block ends.

    Raises:
        NoServer: If none is configured and the embedded one is not installed.
    """
    source = resolve(settings)
    if source.dsn is not None:
        yield source.dsn
        return
    # Imported here only: who names a server needs neither the wheel nor what it imports.
    from evtrack.storage.embedded.directory import default_data_dir  # noqa: PLC0415
    from evtrack.storage.embedded.server import EmbeddedServer  # noqa: PLC0415

    server = EmbeddedServer(settings.data_dir or default_data_dir())
    try:
        yield server.acquire()
    finally:
        server.release()
