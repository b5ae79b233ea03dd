"""Who we are to the database: nobody whom row security does not bind."""

import msgspec

from atendeja.db.database import Database
from atendeja.db.statements import query
from atendeja.errors import Refused


class Standing(msgspec.Struct):
    role: str
    superuser: bool
    bypasses: bool
    owner_of: int
    synchronous_commit: str
    member_of: list[str]


STANDING = query("db.standing", Standing)


async def verify_standing(db: Database) -> None:
    """Refuse to serve as anybody whom row security does not bind, or where a COMMIT does not wait for the disk. Raises Refused with
    the reason."""
    async with db.session() as session:
        who = await session.one(STANDING)
    assert who is not None
    faults = [
        text
        for fault, text in (
            (who.superuser, "is a superuser"),
            (who.bypasses, "bypasses row security"),
            (who.owner_of > 0, f"owns {who.owner_of} tables"),
            (bool(who.member_of), f"is a member of {', '.join(who.member_of)}"),
        )
        if fault
    ]
    if faults:
        raise Refused(
            "unsafe_role",
            f"the database role {who.role} {' and '.join(faults)}: tenants would not be kept apart",
            hint="connect as a login whose role is atendeja_app",
        )
    if who.synchronous_commit == "off":
        raise Refused(
            "unsafe_commits",
            "synchronous_commit is off for this login or database: a webhook answered 200 could be lost with the server",
            hint="set it to on where it was set: ALTER SYSTEM, ALTER DATABASE or ALTER ROLE … RESET synchronous_commit",
        )
