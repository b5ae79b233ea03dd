"""What happened and how much of it: read only, from the tables of all.

story: why a thing happened · figures: what is counted.
"""

from atendeja.reporting import story
from atendeja.reporting.figures import Spent, load_spend, load_states, load_unfinished
from atendeja.reporting.story import explain

ROUTES = [*story.ROUTES]

__all__ = ["ROUTES", "Spent", "explain", "load_spend", "load_states", "load_unfinished"]
