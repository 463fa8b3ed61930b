"""The digest over the streams of a job: of all links at once, or of parts."""

from hashlib import sha256

import pytest

from evtrack.domain.proof import job_hash
from evtrack.domain.proof.job_hash import JobHash

OWN = b"o" * 32
LINKS = [bytes([number]) * 32 for number in range(7)]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_hash, "PART_SIZE", 3)


def hashed(batches: int) -> JobHash:
    """Hash a job of so many batches."""
    job = JobHash(OWN)
    for number, link in enumerate(LINKS[:batches], 1):
        job.add(number, link)
    return job


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_a_job_of_one_part_is_hashed_as_a_whole(batches: int) -> None:
    whole = sha256(OWN + b"".join(LINKS[:batches])).hexdigest()
    assert whole == hashed(batches).hexdigest() == hashed(batches).whole


@pytest.mark.parametrize("batches", [4, 6, 7])
def test_a_larger_job_is_hashed_part_by_part(batches: int) -> None:
    links = LINKS[:batches]
    parts = [sha256(b"".join(links[first : first + 3])).digest() for first in range(0, batches, 3)]
    job = hashed(batches)
    assert sha256(OWN + b"".join(parts)).hexdigest() == job.hexdigest() == job.hexdigest()
    assert sha256(OWN + b"".join(links)).hexdigest() == job.whole != job.hexdigest()


def test_digests_of_this_release_and_of_earlier_ones_match() -> None:
    job = hashed(7)
    assert job.matches(job.hexdigest())
    assert job.matches(job.whole)
    assert not job.matches(hashed(6).hexdigest())
