"""What a person asks of a business, asked of this server: both ways are jobs, of which the answer tells."""

from msgspec import Struct

from atendeja import audit, jobs
from atendeja.contacts import find
from atendeja.db import Tx
from atendeja.endpoint import HEADS, Call, Endpoint, once
from atendeja.jobs import Job
from atendeja.privacy import erasure, export
from atendeja.runtime import Runtime


async def export_contact(rt: Runtime, call: Call[Struct]) -> Job:
    return await _want(rt, call, export.KIND, may_stop=True)


async def erase_contact(rt: Runtime, call: Call[Struct]) -> Job:
    return await _want(rt, call, erasure.KIND, may_stop=False)


async def _want(rt: Runtime, call: Call[Struct], kind: str, *, may_stop: bool) -> Job:
    async def work(tx: Tx) -> Job:
        contact = await find(tx, call.ids["id"])
        job = await jobs.put(tx, kind, contact.id, audit.actor(call), rt.new_id(), rt.now(), may_stop=may_stop)
        after = {"job": job.id}
        await audit.add(tx, rt.new_id(), rt.now(), audit.actor(call), f"{kind}_wanted", contact.id, after=after)
        return jobs.show(job)

    return await once(rt, call, work)


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("POST", "/v1/contacts/{id}/export", "export_contact", export_contact, who=HEADS, scope="contacts:export", fresh=True,
             keys_too=True, gives=Job, status=201, once=True,
             says="Have all that is kept of somebody written into one JSON file, which the job then has."),
    Endpoint("POST", "/v1/contacts/{id}/erase", "erase_contact", erase_contact, who=HEADS, scope="contacts:erase", fresh=True,
             keys_too=True, gives=Job, status=201, once=True,
             says="Forget somebody, everywhere. It cannot be taken back once it runs. What he refused stays so, under a hash."),
]  # fmt: skip
