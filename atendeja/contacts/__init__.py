"""Contacts and their conversations: who wrote, on which of our numbers; and what a business keeps of a person.

A contact that was merged stays, as a name for the one it was merged into: whoever kept its id reaches the person by it.

Telephone numbers and names never become part of a URL, which proxies write down: people are looked for by a POST, whose body nobody
keeps. They are found by terms (`contact_term`): prefixes of a list in the order of bytes, which row security lets an index do, at
the same cost whatever is looked for and however many people there are. Refused: trigrams and full text, which under row security
no index helps without a function of the owner's; indexes of the contact's own row, which each of its turns would write to.

people: who is who (pure) · meeting: looked for, locked, made, merged · profiles: what is shown and changed (pure) · finding: lists
and searches · endpoints: one contact · consents: what people agreed to ·
tombstones: what stays of who was forgotten.
"""

from atendeja.contacts import consents, endpoints, finding
from atendeja.contacts.endpoints import find
from atendeja.contacts.meeting import (
    CONVERSATION_CONTACT,
    CONVERSATIONS,
    INDEX,
    LOCK,
    LOCK_DUE,
    LOOK_AGAIN,
    TAKE_OVER,
    Meeting,
    compare,
    ensure_conversations,
    index,
    meet,
    readdress,
    release,
    settle,
)
from atendeja.contacts.people import Contact, Person, keys, match, match_all, unite
from atendeja.contacts.tombstones import Seal, bury, recall

ROUTES = [*finding.ROUTES, *endpoints.ROUTES, *consents.ROUTES]

__all__ = [
    "CONVERSATIONS",
    "CONVERSATION_CONTACT",
    "INDEX",
    "LOCK",
    "LOCK_DUE",
    "LOOK_AGAIN",
    "ROUTES",
    "TAKE_OVER",
    "Contact",
    "Meeting",
    "Person",
    "Seal",
    "bury",
    "compare",
    "ensure_conversations",
    "find",
    "index",
    "keys",
    "match",
    "match_all",
    "meet",
    "readdress",
    "recall",
    "release",
    "settle",
    "unite",
]
