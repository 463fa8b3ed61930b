"""Ends what a handler has forked and let return, as nothing of it is the slot's to say."""

from __future__ import annotations

import os
import sys
import traceback


def end_copy() -> None:
    """End this process as the interpreter would, with the code of the exception that is on its way, if any is.

    It shares the channel and the page with the slot: what it went on to say would be taken for the slot's, and it
    would run the rest of the batch a second time.
    """
    error = sys.exc_info()[1]
    code: object = 0
    if isinstance(error, SystemExit):
        code = error.code or 0
    elif error is not None:
        traceback.print_exception(error)
        code = 1
    if not isinstance(code, int):
        print(code, file=sys.stderr)  # noqa: T201  as the interpreter does
        code = 1
    os._exit(code & 0xFF)
