"""One POST of one claim: the content becomes a request, the fence is asked at the last moment, the answer becomes a settlement."""

from collections.abc import Callable

import msgspec
import structlog

from atendeja import failpoints
from atendeja.cloud import Outcome
from atendeja.numbers import Number
from atendeja.outbound import protocol
from atendeja.outbound.outcomes import Claim
from atendeja.outbound.protocol import Settlement
from atendeja.runtime import Runtime
from atendeja.wa import callback, request
from atendeja.wa.content import Content, Recipient

log = structlog.get_logger(__name__)

_content = msgspec.json.Decoder(Content)


async def post(
    rt: Runtime, number: Number, token: str, claim: Claim, committed: float, may_be_forgotten: Callable[[], bool]
) -> tuple[Settlement, Outcome | None]:
    """What came of it; no outcome when nothing was posted. The claim was committed at `committed` on the monotonic clock;
    `may_be_forgotten` is asked, when the answer is there, whether Meta may not know its files any more."""
    message, started = claim.message, rt.monotonic()
    try:
        body = _body(rt, claim)
    except (ValueError, TypeError) as error:  # msgspec's are ValueErrors
        log.exception("message_not_built", message_id=str(message.id))
        return protocol.unbuilt(type(error).__name__), None

    def fenced() -> bool:
        return rt.monotonic() - committed > protocol.FENCE_S

    failpoints.reach("send.before_post")
    outcome = await rt.cloud.call_messages(number.phone_number_id, token, body, fenced=fenced)
    if outcome is None:
        return protocol.abandon(), None
    rt.meter.observe("post_seconds", rt.monotonic() - started)
    return protocol.settle(outcome.verdict, message, rt.now(), rt.dice.random(), forgotten=may_be_forgotten()), outcome


def _body(rt: Runtime, claim: Claim) -> bytes:
    message = claim.message
    mark = callback.make(claim.attempt_id, rt.callback_keys[0])
    recipient = Recipient(message.phone, message.user_id)
    built = request.build(_content.decode(message.content), recipient, callback=mark, uploads=claim.uploads)
    return msgspec.json.encode(built)
