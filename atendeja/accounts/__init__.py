"""Accounts: the people and programs that may use the API, whom of them a business has let in, and how they prove who they are.

A person signs in with a password and gets an access token for 15 minutes, and a refresh token that brings the next pair, once.
Each request asks what its sign-in is worth now, of an answer at most 4 s old: who was signed out, disabled, given another role or
another password is out, or somebody else, within 5 s in every process. No word of what somebody may is in the token.

Refused: signing in by what a token says alone (it could not be taken back), a list of revoked tokens (longer than the sign-ins that
are in use), passwords by e-mail (there is no mail server here: one-time tokens are handed over by whoever invites).

people: who they are · passwords: hashing and what is none · totp: codes of authenticator apps · tokens: what is shown to us, what
is kept of it · throttle: guessing · proof: who shows a password and a code · entry: the ways in · factors: taking up codes · gate:
who asks · opening: the first ones, from the machine itself · members: the people of a business · keys: programs.
"""

from atendeja.accounts import entry, factors, keys, members
from atendeja.accounts.gate import Gate
from atendeja.accounts.members import Invited, write_invitation
from atendeja.accounts.opening import Opening, appoint, demote, disable, enable, reset_totp, warn
from atendeja.accounts.people import EMAIL_PATTERN, name_of
from atendeja.accounts.proof import SEEDS

CLOSED = "JWT_SECRET is not set: the operator of this server has to set it before anybody can sign in"

ROUTES = [*entry.ROUTES, *factors.ROUTES, *members.ROUTES, *keys.ROUTES]

__all__ = [
    "CLOSED",
    "EMAIL_PATTERN",
    "ROUTES",
    "SEEDS",
    "Gate",
    "Invited",
    "Opening",
    "appoint",
    "demote",
    "disable",
    "enable",
    "name_of",
    "reset_totp",
    "warn",
    "write_invitation",
]
