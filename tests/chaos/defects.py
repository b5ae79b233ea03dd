"""Defects to plant: each is a mistake that this program was built not to make, as texts to replace in a copy of the tree.

A defect whose text is not found any more raises: the code has changed, and the defect must be planted anew.
"""

import shutil
from pathlib import Path

from msgspec import Struct

from tests.journeys.process import ROOT

PARTS = ("atendeja", "sql", "tests", "pyproject.toml")
"""What of the tree a process or a test of the copy needs."""


class Edit(Struct, frozen=True):
    """`old` stands in the file exactly once, and becomes `new`."""

    path: str
    old: str
    new: str


class Defect(Struct, frozen=True):
    """A mistake, and who sees it: the checker, by these of its findings after the scenario of that name, or a named test."""

    name: str
    edits: tuple[Edit, ...]
    scenario: str = ""
    finds: str = ""
    test: str = ""
    migrates: bool = False
    """It is (also) in the schema."""


def copy(folder: Path, *edits: Edit) -> Path:
    """A copy of the tree in this folder, with these edits. Raises LookupError when one cannot be made."""
    folder.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    for edit in edits:
        path = folder / edit.path
        text = path.read_text(encoding="utf-8")
        if text.count(edit.old) != 1:
            raise LookupError(f"{edit.path} has this {text.count(edit.old)} times, the defect must be planted anew: {edit.old!r}")
        path.write_text(text.replace(edit.old, edit.new), encoding="utf-8")
    return folder


DEFECTS = (
    Defect(
        "ack before commit",
        (
            Edit(
                "atendeja/inbound/intake.py",
                "        await stored\n",
                "        stored.add_done_callback(lambda done: done.exception())\n",
            ),
        ),
        scenario="killed_before_a_commit",
        finds="I1",
    ),
    Defect(
        "no unique key",
        (
            Edit(
                "sql/migrations/0002_core.sql",
                "    UNIQUE NULLS NOT DISTINCT (tenant_id, number_id, key),\n    FOREIGN KEY",
                "    FOREIGN KEY",
            ),
            Edit(
                "sql/queries/ledger.sql", "ORDER BY e.number_id, e.key ON CONFLICT (tenant_id, number_id, key) DO NOTHING\n", "\n"
            ),
        ),
        scenario="delivered_twice",
        finds="I1",
        migrates=True,
    ),
    Defect(
        "cursor instead of predicate",
        (
            Edit(
                "sql/queries/inbound.sql",
                "AND seq <> ALL (:seqs::bigint[])\n",
                "AND seq > (SELECT coalesce(max(seq), 0) FROM delivery WHERE lane = :lane AND state = 'digested')\n",
            ),
        ),
        scenario="committed_late",
        finds="I1 I8",
    ),
    Defect(
        "two digesters, each taking its own",
        (
            Edit("atendeja/inbound/digest.py", "return self._rt.leases.hold(self.lease, self._rt.monotonic())", "return True"),
            Edit(
                "sql/queries/inbound.sql",
                ")\nSELECT day, seq, received_at, body FROM (\n",
                "), mine AS (\n    UPDATE delivery SET state = 'digested' WHERE (day, seq) IN (\n"
                "    SELECT day, seq FROM delivery WHERE lane = :lane AND state = 'stored'\n"
                "    ORDER BY seq LIMIT :most FOR NO KEY UPDATE SKIP LOCKED) RETURNING *\n"
                ")\nSELECT day, seq, received_at, body FROM (\n",
            ),
            Edit(
                "sql/queries/inbound.sql",
                "FROM delivery WHERE lane = :lane AND state = 'stored' AND seq <>",
                "FROM mine WHERE seq <>",
            ),
        ),
        scenario="stopped_in_a_digest",
        finds="I3",
    ),
    Defect(
        "two digesters",
        (Edit("atendeja/inbound/digest.py", "return self._rt.leases.hold(self.lease, self._rt.monotonic())", "return True"),),
        test="tests/inbound/test_digest.py::test_while_one_process_lives_another_digests_nothing_and_takes_over_after_it",
    ),
    Defect(
        "no fence",
        (Edit("atendeja/outbound/post.py", "return rt.monotonic() - committed > protocol.FENCE_S", "return False"),),
        test="tests/outbound/test_sender.py::test_a_claim_that_grew_old_before_its_post_is_given_back",
    ),
    Defect(
        "resend on time-out",
        (
            Edit(
                "atendeja/outbound/protocol.py",
                'return Settlement("unknown", "in_doubt", code, reason)',
                'return _again(Settlement("unknown", "queued", code, reason), message, now, jitter)',
            ),
        ),
        scenario="an_answer_is_lost",
        finds="I6",
    ),
    Defect(
        "opt-out read in the turn",
        (Edit("atendeja/inbound/events.py", 'opts="out" if opts_out(event.content) else None', "opts=None"),),
        scenario="a_turn_crashes",
        finds="I11",
    ),
    Defect(
        "lock and load in one statement",
        (
            Edit(
                "atendeja/turn/take.py",
                "locked = [row.id for row in await tx.all("
                "contacts.LOCK_DUE, ids=list(contact_ids), now=rt.now(), boot=rt.who.boot)]\n",
                "locked = list(contact_ids)\n",
            ),
            Edit("atendeja/turn/take.py", "= {id_: [] for id_ in contact_ids}", "= {row.contact_id: [] for row in rows}"),
            Edit(
                "sql/queries/turn.sql",
                "WHERE c.tenant_id = :tenant_id AND c.id = ANY (:contact_ids::uuid[]);",
                "WHERE c.tenant_id = :tenant_id AND c.id = ANY (:contact_ids::uuid[])\n"
                "AND c.due_at <= :since + interval '1 minute' ORDER BY c.id FOR NO KEY UPDATE OF c;",
            ),
        ),
        test="tests/outbound/test_waiting.py::test_what_is_written_while_a_turn_waits_for_its_contact_is_answered",
    ),
    Defect(
        "status allowed to fall",
        (
            Edit(
                "sql/queries/ledger.sql",
                "    state = CASE WHEN n.higher THEN n.now_state ELSE m.state END,\n",
                "    state = n.now_state,\n",
            ),
        ),
        scenario="statuses_out_of_order",
        finds="I9",
    ),
    Defect(
        "job as truth",
        (Edit("atendeja/queue.py", "SWEEP_S = 2.0\n", "SWEEP_S = 1e6\n"),),
        scenario="a_job_is_lost",
        finds="I1 I8",
    ),
    # ── and some more
    Defect(
        "what a dead process sent is queued again",
        (
            Edit(
                "sql/queries/ledger.sql",
                "UPDATE message SET state = 'in_doubt', doubt_at = :now WHERE tenant_id = :tenant_id AND number_id = :number_id",
                "UPDATE message SET state = 'queued', doubt_at = :now WHERE tenant_id = :tenant_id AND number_id = :number_id",
            ),
        ),
        scenario="killed_after_a_post",
        finds="I6",
    ),
    Defect(
        "callback data of the message, not of the attempt",
        (Edit("atendeja/outbound/post.py", "callback.make(claim.attempt_id,", "callback.make(claim.message.id,"),),
        scenario="statuses_out_of_order",
        finds="I7",
    ),
    Defect(
        "a successor does not wait",
        (Edit("sql/queries/outbound.sql", "AND p.seq < m.seq\n", "AND p.seq < m.seq AND p.state = 'sending'\n"),),
        scenario="a_reply_is_refused_for_now",
        finds="order",
    ),
    Defect(
        "a policy that lets everybody in",
        (
            Edit(
                "sql/migrations/0002_core.sql",
                "TO atendeja_app USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::bigint) '",
                "TO atendeja_app USING (true) '",
            ),
        ),
        scenario="statuses_out_of_order",
        finds="I13",
        migrates=True,
    ),
    Defect(
        "no pace",
        (Edit("atendeja/pacing.py", "max(0, self.rate - len(self._taken))", "1000"),),
        test="tests/test_pacing.py::test_no_sliding_second_holds_more_than_the_rate",
    ),
)
