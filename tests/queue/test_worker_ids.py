"""The id of a worker is a token: no two registrations have the same, whatever happens to the database between them."""

import psycopg
import pytest

from client import Client

pytestmark = pytest.mark.integration


def test_ids_are_random_numbers_of_twelve_digits(client: Client) -> None:
    ids = [client.worker() for _ in range(20)]
    assert 20 == len(set(ids))
    assert all(10**11 <= each < 10**12 for each in ids)
    assert ids != sorted(ids)


def test_a_worker_whose_registration_was_lost_is_not_taken_for_the_next_one(client: Client) -> None:
    job, unknown = client.job(2), client.worker()
    # As after a failover, or a restore, to a moment before it registered.
    client.conn.execute("DELETE FROM evtrack.worker WHERE worker_id = %s", [unknown])
    known = client.worker()
    assert 1 == len(client.claim(known, job, fresh=1))
    for call in ("SELECT evtrack.heartbeat(%s)", "SELECT * FROM evtrack.reconcile(%s, '{}', '{}', '{}')"):
        with pytest.raises(psycopg.Error, match=f"no such worker: {unknown}") as caught:
            client.rows(call, unknown)
        assert "EV003" == caught.value.sqlstate
    assert known == client.batch(job).worker_id
