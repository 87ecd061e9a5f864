"""Which version an answer from outside is of: the one whose `answers` it carries, and no other. Pure."""

from collections.abc import Mapping

from scenarios.answered import Answer
from scenarios.attribution import Reply
from scenarios.expect import Answers


def answer(reply: Reply | None, known: Mapping[str, Answers | None]) -> Answer:
    """What came, as expectations are judged by it; None for no answer.

    The version is None where the answer looks like none of the known ones, or like several. A body that was
    not read to its end is known no further; what is no UTF-8 stands as a replacement character.
    """
    if reply is None:
        return Answer(None, None)
    body = reply.body.decode("utf-8", "replace")
    alike = [
        version for version, looks in known.items() if looks is not None and _carries(reply, body, looks)
    ]
    return Answer(
        alike[0] if len(alike) == 1 else None, reply.status, reply.headers, body if reply.whole else None
    )


def _carries(reply: Reply, body: str, looks: Answers) -> bool:
    """Whether all that tells the version's answers apart is there; of one that nothing tells apart never."""
    if not (looks.headers or looks.body):
        return False
    named = all(value in reply.values(name) for name, value in looks.headers.items())
    return named and looks.body in body
