"""What the integer columns of the schema hold."""

from typing import Final

SMALLINT_MAX: Final = 2**15 - 1
INTEGER_MAX: Final = 2**31 - 1
BIGINT_MAX: Final = 2**63 - 1
BIGINT_MIN: Final = -(2**63)
