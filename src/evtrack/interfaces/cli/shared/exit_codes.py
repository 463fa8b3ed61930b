"""How a command ends: an error, a signal or an output that takes no more becomes clear words and an exit code."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click

from evtrack.domain.errors import EvtrackError
from evtrack.interfaces.cli.shared.options import settle_logs
from evtrack.interfaces.notices import interrupted, refused
from evtrack.interfaces.output import guarded_output

INTERRUPTED: Final = 130


@contextmanager
def endings(said: str = "Interrupted.") -> Iterator[None]:
    """Tell an interruption from the errors that come of it.

    Args:
        said: What to say after Ctrl-C.

    Yields:
        Nothing; wrap a command with it.

    Raises:
        click.exceptions.Exit: Ctrl-C came.
    """
    try:
        yield
    except EvtrackError as error:
        # A signal that comes within a statement ends it, and then its rollback may fail: the signal counts.
        ending = _ending(error)
        if ending is None:
            raise
    except KeyboardInterrupt as interrupt:
        ending = interrupt
    else:
        return
    if isinstance(ending, KeyboardInterrupt):
        interrupted(said)
        raise click.exceptions.Exit(INTERRUPTED)
    raise ending


def exit_code(command: Callable[[], Any], args: Sequence[str]) -> int:
    """Run a command, and say on stderr how it ended if it went wrong.

    Args:
        command: What to run; it returns an exit code, or None.
        args: The command line that it reads.

    Returns:
        The exit code.
    """
    code: int = 0
    try:
        with guarded_output():
            code = command() or 0
    except EvtrackError as error:
        refused(str(error), exit_code=error.exit_code)
        return error.exit_code
    except click.ClickException as error:
        if isinstance(error, click.UsageError):
            settle_logs(args)
        words = io.StringIO()
        error.show(file=words)
        refused(error.format_message(), exit_code=error.exit_code, words=words.getvalue().rstrip("\n"))
        return error.exit_code
    return code


def _ending(error: BaseException) -> SystemExit | KeyboardInterrupt | None:
    context: BaseException | None = error
    while context is not None and not isinstance(context, SystemExit | KeyboardInterrupt):
        context = context.__context__
    return context
