"""Why a request is refused."""


class Refused(Exception):
    """A request is refused.

    Args:
        status: The status of the answer.
        reason: A sentence for the answer, which repeats nothing of the request.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason
