"""The digest over all streams of a job, computed while the streams are read one after the other."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

PART_SIZE: Final = 32_768
"""How many batches a part of a large job's digest covers; evtrack.digest_part_size() has the same number."""


class JobHash:
    """The SHA-256 of the last links of a job's streams.

    In a job of more than one part, the SHA-256 of each part's links stands for these. Earlier releases had no parts;
    the digests that they wrote remain valid.

    Args:
        own_link: The last link of the job's own stream.
    """

    def __init__(self, own_link: bytes) -> None:
        self._whole = sha256(own_link)
        self._parts = sha256(own_link)
        self._part = sha256()
        self._part_no = 0

    def add(self, batch_no: int, link: bytes) -> None:
        """Add a batch; batches come by number.

        Args:
            link: The last link of its stream.
        """
        self._whole.update(link)
        number = (batch_no - 1) // PART_SIZE
        if number != self._part_no:
            self._parts.update(self._part.digest())
            self._part, self._part_no = sha256(), number
        self._part.update(link)

    def hexdigest(self) -> str:
        """Return the digest as evtrack.job_digest() computes it."""
        if self._part_no == 0:
            return self.whole
        parts = self._parts.copy()
        parts.update(self._part.digest())
        return parts.hexdigest()

    def matches(self, digest: str) -> bool:
        """Return whether a digest is that of these streams, of this release or of earlier ones.

        Args:
            digest: In hexadecimal digits.
        """
        return digest in {self.hexdigest(), self.whole}

    @property
    def whole(self) -> str:
        """The digest as it was before large jobs had parts."""
        return self._whole.hexdigest()
