"""Positions in the log survive writing and reading, and a snapshot knows which of two came later."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evtrack.domain.errors import BadArgument
from evtrack.storage.log.position import Evidence, Known, LogPosition, Snapshot

SNAPSHOTS = st.lists(st.integers(1, 10**12), unique=True, min_size=1, max_size=9).map(
    lambda xids: Snapshot(max(xids), tuple(sorted(xids)[:-1]))
)


CHECKSUMS = st.integers(0, 2**32 - 1)
EVIDENCE = st.builds(Evidence, st.integers(1, 3_000_000), st.integers(1, 2**63 - 1), CHECKSUMS, CHECKSUMS)


@given(
    hi=SNAPSHOTS,
    seq=st.integers(0, 2**63 - 1),
    restored=st.booleans(),
    database=st.none() | st.integers(1, 2**32 - 1),
    timeline=st.none() | st.integers(1, 2**32 - 1),
    evidence=st.none() | EVIDENCE,
    known=st.none() | st.builds(Known, SNAPSHOTS, st.integers(0, 2**63 - 1)),
)
def test_a_position_survives_writing_and_reading(
    hi: Snapshot,
    seq: int,
    *,
    restored: bool,
    database: int | None,
    timeline: int | None,
    evidence: Evidence | None,
    known: Known | None,
) -> None:
    # What a position ends with depends on what comes before it.
    timeline = None if database is None else timeline
    evidence, known = (None, None) if timeline is None else (evidence, known)
    at = LogPosition(hi, Snapshot(0) if restored else hi, seq, 7, database, timeline, evidence, known)
    assert at == LogPosition.parse(str(at))


@pytest.mark.parametrize(
    "wrong",
    [
        "5-5-1-7.1.1.0.9.00000000.00000000",
        "5-5-1-7.1.1.9999999.9.00000000.00000000",
        "5-5-1-7.1.1.700000.9.0000000g.00000000",
        "5-5-1-7.1.1~4:5:4~",
        "5-5-1-7.1.1~9:5:9~3",
        f"5-5-1-7.1.1~5~{2**63}",
    ],
)
def test_what_a_position_says_about_the_log_is_checked(wrong: str) -> None:
    with pytest.raises(BadArgument, match="is not a valid position"):
        LogPosition.parse(wrong)


def test_a_snapshot_can_be_cut() -> None:
    assert Snapshot(755, (751, 753)) == Snapshot(760, (751, 753, 757)).below(755)
    assert Snapshot(760, (751,)) == Snapshot(760, (751,)).below(800)


def test_a_position_is_a_snapshot_while_transactions_run_and_a_number_otherwise() -> None:
    assert ("751:760:751,755", "760") == (str(Snapshot.parse("751:760:751,755")), str(Snapshot.parse("760:760:")))
    assert ["751:760:751,755", "760:760:", "1:1:"] == [
        Snapshot(760, (751, 755)).in_sql,
        Snapshot(760).in_sql,
        Snapshot(0).in_sql,
    ]


@pytest.mark.parametrize(
    ("later", "earlier", "covers"),
    [
        (Snapshot(760), Snapshot(751), True),
        (Snapshot(760, (751,)), Snapshot(755, (751, 752)), True),
        (Snapshot(760, (757,)), Snapshot(755, (751,)), True),
        (Snapshot(760, (752,)), Snapshot(755, (751,)), False),
        # As a standby has it, which is behind.
        (Snapshot(755), Snapshot(760, (752,)), False),
        (Snapshot(751), Snapshot(751), True),
    ],
)
def test_a_later_snapshot_covers_an_earlier_one(later: Snapshot, earlier: Snapshot, *, covers: bool) -> None:
    assert covers == later.covers(earlier)
