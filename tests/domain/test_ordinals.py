"""Sets of ordinals: their text form and their set operations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from evtrack.domain.column_types import OrdinalText
from evtrack.domain.ordinals import Ordinals

small_sets = st.sets(st.integers(min_value=0, max_value=40))


@given(small_sets)
def test_the_text_form_is_read_back(members: set[int]) -> None:
    ordinals = Ordinals.of(members)
    assert Ordinals.parse(str(ordinals)) == ordinals


@given(small_sets, small_sets)
def test_ordinals_behave_like_sets(left: set[int], right: set[int]) -> None:
    a, b = Ordinals.of(left), Ordinals.of(right)
    assert sorted(left | right) == list(a | b)
    assert sorted(left - right) == list(a - b)
    assert sorted(left & right) == list(a & b)
    assert (left <= right) == (a <= b)
    assert len(left) == len(a)
    assert [number in left for number in range(42)] == [number in a for number in range(42)]


@given(small_sets)
def test_equal_sets_have_equal_ranges(members: set[int]) -> None:
    assert Ordinals.of(members).spans == Ordinals.of(reversed(sorted(members))).spans  # noqa: C413


def test_the_text_form_matches_postgresql() -> None:
    assert str(Ordinals(((60, 61), (1, 20), (20, 51)))) == "{[1,51),[60,61)}"
    assert str(Ordinals()) == "{}"
    assert Ordinals.parse("{[1,51), [60,61)}").spans == ((1, 51), (60, 61))


@pytest.mark.parametrize("text", ["", "[1,2)", "{[1,2]}", "{(1,2)}", "{[1,)}", "{[1,2) [3,4)}", "{[1,2),}", "{[-1,2)}"])
def test_invalid_text_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="not a multirange of ordinals"):
        Ordinals.parse(text)


@pytest.mark.parametrize("span", [(2, 2), (3, 2), (-1, 4)])
def test_an_impossible_range_is_refused_by_value(span: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"not a range of ordinals: \[{span[0]},{span[1]}\)"):
        Ordinals((span,))


def test_only_integers_are_members() -> None:
    assert "1" not in Ordinals.of([1])


@pytest.mark.parametrize(("text", "fits"), [("{[1,2147483647)}", True), ("{[1,2147483648)}", False), ("{}", True)])
def test_a_model_rejects_ordinals_that_do_not_fit_their_column(text: str, fits: bool) -> None:  # noqa: FBT001
    adapter: TypeAdapter[Ordinals] = TypeAdapter(OrdinalText)
    if fits:
        assert Ordinals.parse(text) == adapter.validate_python(text)
    else:
        with pytest.raises(ValidationError, match="ordinals above 2147483647"):
            adapter.validate_python(text)


@pytest.mark.parametrize("value", [5, None, "no"])
def test_a_model_rejects_what_is_not_a_set_of_ordinals(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(OrdinalText).validate_python(value)


def test_a_model_reads_and_writes_the_text_form() -> None:
    class Holder(BaseModel):
        ordinals: OrdinalText

    holder = Holder.model_validate({"ordinals": "{[1,4)}"})
    assert Ordinals.of([1, 2, 3]) == holder.ordinals
    assert holder == Holder(ordinals=Ordinals.of([1, 2, 3]))
    assert holder.model_dump(mode="json") == {"ordinals": "{[1,4)}"}


def test_the_reach_counts_the_gaps() -> None:
    assert [0, 4, 60] == [Ordinals.parse(text).reach for text in ("{}", "{[3,7)}", "{[1,51),[60,61)}")]
