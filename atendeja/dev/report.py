"""How the conversations that `dev` played are told: as a transcript for people, or an object a line for programs."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from atendeja.dev.play import Played


class Summary(Struct, kw_only=True):
    """All conversations together. Times are from a customer's message leaving to the reply reaching the simulator."""

    conversations: int
    sent: int = msgspec.field(name="in")
    replies: int
    expected: int
    unexpected: int
    p50_ms: float
    p99_ms: float
    first_reply_s: float
    left_out: list[str]
    trouble: list[str]


def summarize(done: Sequence[Played], left_out: list[str], trouble: list[str], first_reply_s: float) -> Summary:
    times = sorted(got.ms for played in done for got in played.replies) or [0.0]
    wrong = sum(not got.expected for played in done for got in played.replies)
    return Summary(
        conversations=len(done),
        sent=sum(len(played.rehearsal.lines) for played in done),
        replies=sum(len(played.replies) - len(played.unexpected) for played in done),
        expected=sum(len(line.replies) for played in done for line in played.rehearsal.lines),
        unexpected=wrong,
        p50_ms=round(times[len(times) // 2], 1),
        p99_ms=round(times[min(len(times) - 1, len(times) * 99 // 100)], 1),
        first_reply_s=round(first_reply_s, 2),
        left_out=left_out,
        trouble=trouble,
    )


def transcript(n: int, total: int, played: Played) -> str:
    """One conversation, line by line, with how long each reply took and how far its status came."""
    r = played.rehearsal
    lines = [f"conversation {n}/{total}  {r.flow} · {r.test} · {r.customer}"]
    for line, got in zip(r.lines, played.got, strict=True):
        lines.append(f"  > {r.customer:<5} {line.shown}")
        lines += [f"  < bot   {g.text}{'' if g.expected else '   NOT EXPECTED'}    {g.ms:.1f} ms  {g.tick}" for g in got]
    lines += [f"  ! never came: {text}" for text in played.missing]
    lines += [f"  ! came without being expected: {g.text}" for g in played.unexpected]
    return "\n".join(lines)


def as_json(played: Played) -> str:
    """One conversation as an object."""
    r = played.rehearsal
    lines = [{"in": line.shown, "out": got} for line, got in zip(r.lines, played.got, strict=True)]
    told = {"flow": r.flow, "test": r.test, "customer": r.customer, "good": played.good, "lines": lines}
    return msgspec.json.encode(told | {"missing": played.missing, "unexpected": played.unexpected}).decode()


def closing(summary: Summary) -> str:
    """What to know of all of them: what was left out, what is wrong, and the figures."""
    lines = [f"not played live (needs another clock or a known contact): {name}" for name in summary.left_out]
    lines += [f"TROUBLE: {line} (what happened is in .dev/atendeja.log)" for line in summary.trouble]
    figures = f"{summary.replies} of {summary.expected} replies, {summary.unexpected} unexpected"
    times = f"p50 {summary.p50_ms} ms p99 {summary.p99_ms} ms · first reply {summary.first_reply_s} s after start"
    return "\n".join([*lines, f"{summary.conversations} conversations, {summary.sent} in, {figures} · {times}"])
