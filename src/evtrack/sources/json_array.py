"""Finds the elements of a JSON array in blocks of bytes, without parsing them or holding them all in memory."""

import re

from evtrack.sources.records import InvalidItem, Record, too_large

# What can be skipped inside an element, and between elements: complete strings, and anything but brackets (and commas).
# A string that does not end in the block stops the match. The repeats are possessive, so they do not build up a stack.
_INNER = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_OUTER = re.compile(rb'(?:[^"\[\]{},]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_IN_STRING = re.compile(rb'["\\]')


class JsonArrayScanner:
    """Splits a JSON array into its elements by tracking strings and brackets only.

    A parser would have to hold the whole array, or an element of any size; this holds one element, up to the limit.

    Args:
        offset: Offset of the first block in its file: just after the array's opening bracket, or after an element.
        line: How many elements came before.
        max_item_bytes: A larger element is invalid; only its length is kept.
    """

    def __init__(self, *, offset: int, line: int, max_item_bytes: int) -> None:
        self._offset = offset
        self._line = line
        self._limit = max_item_bytes
        self._pieces: list[bytes] = []
        self._held = 0
        self._depth = 0
        self._in_string = self._escaped = self._ended = self._reported = False

    def feed(self, block: bytes) -> list[Record]:  # noqa: C901  # each branch is one step of the scanner
        """Scan one block.

        Args:
            block: The bytes that follow those of the previous call.

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
                # End before the closing bracket: a resumed submission must find it there.
                self._emit(found, self._offset + (before if self._ended else position))
                start = position
        rest = block[start:]
        if not self._ended:
            self._hold(rest)
        elif not self._reported and block[position:].strip():
            self._reported = True
            found.append((None, InvalidItem("unexpected text after the end of the array"), self._offset + len(block)))
        self._offset += len(block)
        return found

    def finish(self) -> list[Record]:
        """Check that the array ended before its file did.

        Returns:
            No records, or one invalid record.
        """
        if self._ended:
            return []
        return [(self._line + 1, InvalidItem("broken JSON: the file ends inside this element"), self._offset)]

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
            found.append((self._line, InvalidItem("broken JSON: an element is missing between two commas"), end))
