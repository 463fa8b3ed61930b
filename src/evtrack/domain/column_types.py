"""Limits of PostgreSQL's integer columns, and types of event fields with these limits.

The fold rejects a value that does not fit its column, so every event in the log is within these limits.
"""

from typing import Annotated, Final

from pydantic import BeforeValidator, Field, PlainSerializer

from evtrack.domain.ordinals import Ordinals

SMALLINT_MAX: Final = 2**15 - 1
INTEGER_MAX: Final = 2**31 - 1
BIGINT_MAX: Final = 2**63 - 1
BIGINT_MIN: Final = -(2**63)

SmallInt = Annotated[int, Field(ge=-SMALLINT_MAX - 1, le=SMALLINT_MAX)]
SmallCount = Annotated[int, Field(ge=0, le=SMALLINT_MAX)]
Count = Annotated[int, Field(ge=0, le=INTEGER_MAX)]
PositiveCount = Annotated[int, Field(ge=1, le=INTEGER_MAX)]
BigCount = Annotated[int, Field(ge=0, le=BIGINT_MAX)]


def _parse_ordinals(value: object) -> object:
    ordinals = Ordinals.parse(value) if isinstance(value, str) else value
    if isinstance(ordinals, Ordinals) and ordinals.spans and ordinals.spans[-1][1] > INTEGER_MAX:
        message = f"ordinals above {INTEGER_MAX}"
        raise ValueError(message)
    return ordinals


OrdinalText = Annotated[Ordinals, BeforeValidator(_parse_ordinals), PlainSerializer(str, return_type=str)]
"""An `Ordinals` field of a pydantic model, which is read and written in its text form."""
