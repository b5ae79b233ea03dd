"""The way out: one door (`put`; `prepare` for who writes more in the same statement), one sender a number (`sender`), and the
protocol that says what may be sent and what an answer means (`protocol`, pure). A message is claimed and committed before it is
posted once; what nobody can know is called so.
"""

from atendeja.outbound.failures import Heeded, heed
from atendeja.outbound.fallback import Fallback
from atendeja.outbound.holds import lift_hold, place_hold
from atendeja.outbound.lending import Lending
from atendeja.outbound.put import Outgoing, Ready, file_problems, load_files, misfits, prepare, put

__all__ = [
    "Fallback",
    "Heeded",
    "Lending",
    "Outgoing",
    "Ready",
    "file_problems",
    "heed",
    "lift_hold",
    "load_files",
    "misfits",
    "place_hold",
    "prepare",
    "put",
]
