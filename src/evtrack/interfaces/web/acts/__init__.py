"""What users may do to the queue, where that is allowed."""

from typing import Final

from evtrack.interfaces.web.acts.act_endpoint import KindAct, StopAct
from evtrack.interfaces.web.acts.desk import ActDesk
from evtrack.interfaces.web.acts.item_kinds import QUARANTINE, RETRY_ITEMS
from evtrack.interfaces.web.acts.job_kinds import CANCEL, RESUME, RETRY, SUSPEND
from evtrack.interfaces.web.security.act_gate import Act

ACTS: Final[tuple[Act[ActDesk], ...]] = (
    *(KindAct(kind) for kind in (SUSPEND, RESUME, CANCEL, RETRY, RETRY_ITEMS, QUARANTINE)),
    StopAct(),
)
"""All acts."""
