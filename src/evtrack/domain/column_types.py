"""Types of event fields, bounded as the columns of the projection that hold them.

The fold rejects what a column cannot hold, so no event that it accepted is out of these bounds.
"""

from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer

from evtrack.domain.column_limits import BIGINT_MAX, INTEGER_MAX, SMALLINT_MAX
from evtrack.domain.ordinals import Ordinals

SmallInt = Annotated[int, Field(ge=-SMALLINT_MAX - 1, le=SMALLINT_MAX)]
FailureCount = Annotated[int, Field(ge=0, le=SMALLINT_MAX)]
Count = Annotated[int, Field(ge=0, le=INTEGER_MAX)]
PositiveCount = Annotated[int, Field(ge=1, le=INTEGER_MAX)]
Sum = Annotated[int, Field(ge=0, le=BIGINT_MAX)]


def _parsed(value: object) -> object:
    found = Ordinals.parse(value) if isinstance(value, str) else value
    if isinstance(found, Ordinals) and found.spans and found.spans[-1][1] > INTEGER_MAX:
        message = f"ordinals beyond {INTEGER_MAX}"
        raise ValueError(message)
    return found


OrdinalText = Annotated[Ordinals, BeforeValidator(_parsed), PlainSerializer(str, return_type=str)]
"""An `Ordinals` field of a pydantic model, read from and written as the text form."""
