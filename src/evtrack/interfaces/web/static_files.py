"""Serves the static files, each under an address that changes with it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from evtrack.interfaces.web.address import NoSuchPage

if TYPE_CHECKING:
    from starlette.requests import Request

_ROOM: Final = Path(__file__).parent / "static"
_FOREVER: Final = "public, max-age=31536000, immutable"
_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

STATIC_PATH: Final = "/static/{version}/{name:path}"


def static_address(name: str) -> str:
    """Return the address of a static file, below the prefix.

    Args:
        name: The file below the directory of static files.
    """
    return f"/static/{_version(name)}/{name}"


async def static_file(request: Request) -> Response:
    """Answer with a static file."""
    name = request.path_params["name"]
    if name not in _names() or request.path_params["version"] != _version(name):
        raise NoSuchPage
    kind = _TYPES[name.rpartition(".")[2]]
    return Response(_content(name), media_type=kind, headers={"cache-control": _FOREVER})


@cache
def _names() -> frozenset[str]:
    files = (each for each in _ROOM.rglob("*") if each.suffix.removeprefix(".") in _TYPES)
    return frozenset(each.relative_to(_ROOM).as_posix() for each in files)


@cache
def _content(name: str) -> bytes:
    return (_ROOM / name).read_bytes()


@cache
def _version(name: str) -> str:
    return hashlib.blake2b(_content(name), digest_size=6).hexdigest()
