"""Positions in the log survive writing and reading, and a snapshot knows which of two came later."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evtrack.storage.log.position import LogPosition, Snapshot

SNAPSHOTS = st.lists(st.integers(1, 10**12), unique=True, min_size=1, max_size=9).map(
    lambda xids: Snapshot(max(xids), tuple(sorted(xids)[:-1]))
)


@given(
    hi=SNAPSHOTS,
    seq=st.integers(0, 2**63 - 1),
    restored=st.booleans(),
    database=st.none() | st.integers(1, 2**32 - 1),
)
def test_a_position_survives_writing_and_reading(
    hi: Snapshot, seq: int, *, restored: bool, database: int | None
) -> None:
    at = LogPosition(hi, Snapshot(0) if restored else hi, seq, 7, database)
    assert at == LogPosition.parse(str(at))


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
