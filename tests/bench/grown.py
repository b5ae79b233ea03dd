"""A shop that was busy for a year: a million contacts with a conversation each, ten messages of ours in each and one of theirs."""

import asyncpg

CONTACTS = 1_000_000
TO_EACH = 10
CHUNK = 50_000
DAYS = 365


def _id(salt: str, ms: str = "ms", number: str = "n::text") -> str:
    """A UUIDv7 of a time in milliseconds, always the same of the same number."""
    digits = f"md5('{salt}' || {number})"
    parts = f"'-7' || substr({digits}, 1, 3) || '-8' || substr({digits}, 4, 3) || '-' || substr({digits}, 7, 12)"
    return f"(lpad(to_hex({ms}), 12, '0') || {parts})::uuid"


WHO = f"""
    WITH born AS (
        SELECT n, (extract(epoch FROM $3::timestamptz) * 1000)::bigint + n::bigint * ($6::bigint / $7::bigint) AS ms
        FROM generate_series($4::bigint, $5::bigint) AS n
    ), who AS (
        SELECT n, ms, to_timestamp(ms / 1000.0) AS at,
               {_id("contact")} AS contact_id, {_id("talk")} AS talk_id, {_id("event")} AS event_id
        FROM born WHERE $1::bigint > 0 AND $2::uuid IS NOT NULL
    )
"""
CONTACT = f"""{WHO}
    INSERT INTO contact (tenant_id, id, phone, wa_id, name, tags, fields, created_at)
    SELECT $1, contact_id, '5531' || (900000000 + n), '5531' || (900000000 + n),
           (ARRAY['Ana', 'Beto', 'Caio', 'Duda', 'Eva'])[1 + n % 5] || ' ' || n,
           CASE WHEN n % 10 = 0 THEN ARRAY['vip'] ELSE '{{}}' END, jsonb_build_object('cidade', 'C' || n % 100), at
    FROM who
"""
TALK = f"""{WHO}
    INSERT INTO conversation (tenant_id, id, contact_id, number_id, state, window_until, turn_no, seq, created_at)
    SELECT $1, talk_id, contact_id, $2, CASE WHEN n % 4 = 0 THEN 'open' ELSE 'closed' END, at + interval '1 day', 1, {TO_EACH}, at
    FROM who
"""
EVENT = f"""{WHO}
    INSERT INTO event (tenant_id, id, number_id, contact_id, conversation_id, key, kind, arrival, position, content, sent_at,
                       received_at, state, turn_no)
    SELECT $1, event_id, $2, contact_id, talk_id, 'wamid.grown.' || n, 'message', n, 0,
           '{{"type": "text", "body": "Bom dia, quero agendar uma troca de óleo"}}', at, at, 'handled', 1
    FROM who
"""
MESSAGE = f"""{WHO}
    INSERT INTO message (tenant_id, id, number_id, contact_id, conversation_id, source, source_id, source_no, ordinal, category,
                         policy, content, content_sha256, seq, state, code, not_before, attempt_no, pricing, created_at,
                         accepted_at, sent_at, delivered_at, read_at, failed_at)
    SELECT $1, {_id("message", "ms + k", "n::text || '/' || k::text")}, $2, contact_id, talk_id, 'turn', talk_id, 1, k, 'service',
           'at_least_once', '{{"type": "text", "body": "Combinado! Esperamos você amanhã às nove."}}', sha256('x'), k,
           CASE WHEN lost THEN 'failed' ELSE 'read' END, CASE WHEN lost THEN 131026 END, at, 1,
           '{{"category": "service", "billable": false}}', at, at, at, at, at, CASE WHEN lost THEN at END
    FROM who CROSS JOIN generate_series(1, {TO_EACH}) AS k CROSS JOIN LATERAL (SELECT (n + k) % 100 = 0 AS lost) AS l
"""


async def grow(admin: asyncpg.Connection, tenant_id: int, number_id: object, contacts: int = CONTACTS) -> None:
    """Write all of it; what the rows refer to is there, and not checked."""
    began = await admin.fetchval("SELECT now() - $1 * interval '1 day'", DAYS)
    await admin.execute("SET session_replication_role = replica")
    await admin.execute("SET synchronous_commit = off")
    for first in range(0, contacts, CHUNK):
        last = min(first + CHUNK, contacts) - 1
        for statement in (CONTACT, TALK, EVENT, MESSAGE):
            await admin.execute(statement, tenant_id, number_id, began, first, last, DAYS * 86_400_000, contacts)
    await admin.execute("RESET session_replication_role")
    await admin.execute("VACUUM (ANALYZE)")
    await admin.execute("CHECKPOINT")
