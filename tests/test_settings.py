"""What a business sets for itself: read and changed by whom it concerns, felt by flows at once, kept apart by business."""

import asyncio

from tests.office import Office


async def test_only_what_is_given_changes_and_the_log_has_what_is_different(office: Office) -> None:
    owner = await office.sign_in("owner@a.example", "owner", office.world.a)
    boss_of_b = await office.sign_in("owner@b.example", "owner", office.world.b)
    shown = await office.get("/settings", owner)
    first = shown.json()
    assert first == {
        "name": "Loja A", "timezone": "America/Sao_Paulo", "language": "pt-BR",
        "messages_kept_days": None, "events_kept_days": None, "media_kept_days": None,
    }  # fmt: skip
    office.later(1)
    changed = await office.patch("/settings", {"name": "  Loja Ü ", "messages_kept_days": 365}, owner, shown.headers["etag"])
    assert changed.json() == first | {"name": "Loja Ü", "messages_kept_days": 365}
    office.later(1)
    assert (await office.patch("/settings", {"messages_kept_days": None}, owner)).json()["messages_kept_days"] is None
    assert (await office.patch("/settings", {}, owner)).json() == first | {"name": "Loja Ü"}
    lines = [line for line in (await office.get("/audit", owner)).json()["items"] if line["action"] == "settings_changed"]
    assert [(line["before"], line["after"]) for line in lines] == [
        ({"messages_kept_days": 365}, {"messages_kept_days": None}),
        ({"name": "Loja A", "messages_kept_days": None}, {"name": "Loja Ü", "messages_kept_days": 365}),
    ]
    assert (await office.get("/settings", boss_of_b)).json()["name"] == "Loja B"


async def test_what_cannot_be_is_refused_and_nothing_is_written(office: Office) -> None:
    """S12, S24: empty, huge, of another type, unknown; an id or another business's place cannot be given."""
    owner = await office.sign_in("owner@a.example", "owner", office.world.a)
    before = (await office.get("/settings", owner)).json()
    for wrong, code in [
        ({"name": ""}, "invalid"), ({"name": "  "}, "tenant_name"), ({"name": "x" * 101}, "invalid"), ({"name": None}, "invalid"),
        ({"name": "a\0b"}, "invalid"), ({"timezone": "Mars/Olympus"}, "tenant_timezone"),
        ({"timezone": "../etc/passwd"}, "tenant_timezone"),
        ({"language": "fr"}, "invalid"), ({"messages_kept_days": 0}, "invalid"), ({"media_kept_days": 36501}, "invalid"),
        ({"events_kept_days": "7"}, "invalid"), ({"slug": "b"}, "invalid"), ({"id": office.world.b}, "invalid"),
    ]:  # fmt: skip
        answer = await office.patch("/settings", wrong, owner)
        assert (answer.status_code, answer.json()["code"]) == (422, code), wrong
    assert (await office.get("/settings", owner)).json() == before


async def test_of_two_who_edit_at_once_one_finds_out(office: Office) -> None:
    owner = await office.sign_in("owner@a.example", "owner", office.world.a)
    seen = (await office.get("/settings", owner)).headers["etag"]
    answers = await asyncio.gather(*(office.patch("/settings", {"name": name}, owner, seen) for name in ("Um", "Dois")))
    assert sorted(answer.status_code for answer in answers) == [200, 412]
