"""Finds the elements of a JSON array in blocks of bytes, without parsing or holding them all."""

import re

from evtrack.sources.record import Fault, Record, too_large

# What may be passed over inside an element, and between elements: whole strings, and all but brackets (and commas).
# A string that does not end in the block stops it. The repeats are possessive: they would keep a stack otherwise.
_INNER = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_OUTER = re.compile(rb'(?:[^"\[\]{},]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_IN_STRING = re.compile(rb'["\\]')


class ArrayScan:
    """Cut a JSON array into its elements: strings and brackets are followed, nothing else is looked at.

    A parser would have to hold the array, or an element however large; this holds one element, up to the limit.

    Args:
        offset: Where the first block stands in its file: behind the array's bracket, or behind an element.
        line: How many elements went before.
        max_item_bytes: A larger element is a fault; only its length is kept.
    """

    def __init__(self, *, offset: int, line: int, max_item_bytes: int) -> None:
        self._offset = offset
        self._line = line
        self._limit = max_item_bytes
        self._pieces: list[bytes] = []
        self._held = 0
        self._depth = 0
        self._in_string = self._escaped = self._ended = self._noted = False

    def feed(self, block: bytes) -> list[Record]:  # noqa: C901  # one step of a scanner a branch
        """Scan one block.

        Args:
            block: The bytes that follow those of the last call.

        Returns:
            The elements that end in it.
        """
        found: list[Record] = []
        start = 0 if not self._ended else len(block)
        position = 0
        while not self._ended:
            if self._in_string:
                position = self._leave_string(block, position)
                if self._in_string:
                    break
            passed = (_INNER if self._depth else _OUTER).match(block, position)
            before = passed.end() if passed else position
            sign = block[before : before + 1]
            if not sign:
                break
            position = before + 1
            if sign == b'"':
                self._in_string = True
            elif sign in b"[{":
                self._depth += 1
            elif self._depth:
                self._depth -= 1
            elif sign != b"}":
                self._ended = sign == b"]"
                self._hold(block[start:before])
                # Before the bracket that ends it: a submission that goes on from there must find it.
                self._emit(found, self._offset + (before if self._ended else position))
                start = position
        rest = block[start:]
        if not self._ended:
            self._hold(rest)
        elif not self._noted and block[position:].strip():
            self._noted = True
            found.append((None, Fault("something follows the end of the array"), self._offset + len(block)))
        self._offset += len(block)
        return found

    def finish(self) -> list[Record]:
        """Say whether the array ended with the file.

        Returns:
            Nothing, or the fault.
        """
        if self._ended:
            return []
        return [(self._line + 1, Fault("broken JSON: the file ends inside this element of the array"), self._offset)]

    def _leave_string(self, block: bytes, position: int) -> int:
        if self._escaped and block:
            self._escaped = False
            position += 1
        while mark := _IN_STRING.search(block, position):
            position = mark.end()
            if mark[0] == b'"':
                self._in_string = False
                return position
            position += 1
            self._escaped = position > len(block)
        return len(block)

    def _hold(self, piece: bytes) -> None:
        self._held += len(piece)
        if self._held <= self._limit:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def _emit(self, found: list[Record], end: int) -> None:
        text = b"".join(self._pieces).strip()
        size = self._held
        self._pieces, self._held = [], 0
        if self._ended and not text and size <= self._limit:
            return  # an empty array, or one that ends with a comma
        self._line += 1
        if size > self._limit:
            found.append((self._line, too_large(size, self._limit), end))
        elif text:
            found.append((self._line, text, end))
        else:
            found.append((self._line, Fault("broken JSON: an element is missing between two commas"), end))
