"""What users may do to the queue, where that is allowed."""

from typing import Final

from evtrack.interfaces.web.security.act_gate import Act

ACTS: Final[tuple[Act, ...]] = ()
"""All acts."""
