"""Outgoing webhooks: what happens to a business, told to its own servers, signed as Standard Webhooks has it.

A webhook has a place in the feed; what comes behind it becomes a delivery each, and each is posted until it is taken with a 2xx:
at once, after 5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and 24 h, under the same `webhook-id`. Then it is dead, and can be replayed as
long as it is kept, for 7 days. A webhook that answers 410 is disabled at once, one that fails for 5 days on end too, with a notice.
At least once and in no promised order: who receives tells repetitions by the id.

Refused: a job of the queue for each delivery (its tables are for a thousand jobs that wait, and this may be a hundred thousand in
back-off; a job is 2 ms of CPU besides), and a lease for each webhook (a claim with a date does the same without being renewed).

signing: the signatures, pure · rows: the tables · sending: claims, POSTs and what came of them · endpoints.
"""

from atendeja.webhooks.endpoints import ROUTES
from atendeja.webhooks.sending import Courier, forget

__all__ = ["ROUTES", "Courier", "forget"]
