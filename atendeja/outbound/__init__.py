"""The way out: one door (`put`), one sender a number (`sender`), and the protocol that says what may be sent and what an answer
means (`protocol`, pure). A message is claimed and committed before it is posted once; what nobody can know is called so.
"""

from atendeja.outbound.holds import lift_hold, place_hold
from atendeja.outbound.put import Outgoing, put

__all__ = ["Outgoing", "lift_hold", "place_hold", "put"]
