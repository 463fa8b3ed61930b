"""Counts the annotations of the documents in a file, in the ways that Python itself offers.

Usage: document_ways.py WAY FILE

Each way prints one number per document, in any order.
"""

import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

from document_work import count_in_line

_PROCESSES = 2
_CHUNK = 500


def _loop(lines: Iterable[str]) -> Iterator[int]:
    return map(count_in_line, lines)


def _pool_map(lines: Iterable[str]) -> Iterator[int]:
    with multiprocessing.Pool(_PROCESSES) as pool:
        yield from pool.map(count_in_line, lines, chunksize=_CHUNK)


def _pool_imap(lines: Iterable[str]) -> Iterator[int]:
    with multiprocessing.Pool(_PROCESSES) as pool:
        yield from pool.imap_unordered(count_in_line, lines, chunksize=_CHUNK)


def _executor(lines: Iterable[str]) -> Iterator[int]:
    with ProcessPoolExecutor(_PROCESSES) as executor:
        yield from executor.map(count_in_line, lines, chunksize=_CHUNK)


WAYS: dict[str, Callable[[Iterable[str]], Iterator[int]]] = {
    "loop": _loop,
    "imap_unordered": _pool_imap,
    "map": _pool_map,
    "executor": _executor,
}


def main(arguments: list[str]) -> None:
    """Count, and print the results."""
    way, path = arguments
    with open(path) as lines:  # noqa: PTH123  the fewer imports, the fairer
        for count in WAYS[way](lines):
            sys.stdout.write(f"{count}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
