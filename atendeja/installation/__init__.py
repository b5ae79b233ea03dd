"""The installation, as its operators see and steer it: the businesses on it, how it is, and going on after a hold.

Operators are people of no business (tenant 0). What they do to a business is in its own audit log, with them as who did it; what
they do to the installation is in the log of tenant 0. They see no business's contacts, messages or flows by any of this.

businesses: made, changed, suspended · state: what waits where, and `resume-sending` · resuming: what that does, also by command.
"""

from atendeja.installation import businesses, state

ROUTES = [*businesses.ROUTES, *state.ROUTES]

__all__ = ["ROUTES"]
