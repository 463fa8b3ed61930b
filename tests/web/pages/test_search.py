"""The search leads to a job, a batch or an item, and its answer has nothing but an address of our own."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards import ask, open_dashboard
from evtrack.interfaces.web.search import target


@pytest.mark.parametrize(
    ("wanted", "address"),
    [
        ("12", "/jobs/12"),
        (" #12 ", "/jobs/12"),
        ("0012", "/jobs/12"),
        ("12/7", "/jobs/12/batches/7"),
        ("12 / 7", "/jobs/12/batches/7"),
        ("0", "/items?key=0"),
        ("12/0", "/items?key=12%2F0"),
        ("12/7/3", "/items?key=12%2F7%2F3"),
        (str(2**63 - 1), f"/jobs/{2**63 - 1}"),
        (str(2**63), f"/items?key={2**63}"),
        (f"1/{2**31}", f"/items?key=1%2F{2**31}"),
        ("٣", "/items?key=%D9%A3"),
        ("1_2", "/items?key=1_2"),
        ("PubMed:10192393", "/items?key=PubMed%3A10192393"),
        ("", "/items"),
        ("  ", "/items"),
    ],
)
def test_a_search_leads_to_what_was_typed(wanted: str, address: str) -> None:
    assert address == target(wanted)


@given(st.text(max_size=60))
def test_an_address_has_what_was_typed_as_one_field_at_most(wanted: str) -> None:
    found = urlsplit(target(wanted))
    assert ("", "", "") == (found.scheme, found.netloc, found.fragment)
    assert found.path == "/items" or found.path.startswith("/jobs/")
    assert parse_qs(found.query, keep_blank_values=True) in ({}, {"key": [wanted.strip()]})


def test_a_search_is_answered_by_where_to_go() -> None:
    app, site = open_dashboard("host=127.0.0.1 port=1 connect_timeout=1")
    found, too_long, with_nul = ask(
        app, ("GET", "/search?q=a%0d%0aset-cookie:x"), ("GET", f"/search?q={'x' * 1001}"), ("GET", "/search?q=%00")
    )
    site.close()
    assert (303, "/items?key=a%0D%0Aset-cookie%3Ax") == (found.status_code, found.headers["location"])
    assert (404, 404) == (too_long.status_code, with_nul.status_code)
