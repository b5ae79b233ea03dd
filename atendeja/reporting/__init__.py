"""What happened and how much of it: read only, from the tables of all.

story: why a thing happened · figures: what commands count · statistics: how much happened in a time · notices: what wants a
person's eye.
"""

from atendeja.reporting import notices, statistics, story
from atendeja.reporting.figures import Spent, load_spend, load_states, load_unfinished
from atendeja.reporting.story import explain

ROUTES = [*story.ROUTES, *statistics.ROUTES, *notices.ROUTES]

__all__ = ["ROUTES", "Spent", "explain", "load_spend", "load_states", "load_unfinished"]
