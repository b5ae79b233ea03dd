"""What a person may ask of a business (LGPD, article 18): all that is kept of him, and to be forgotten.

Both are jobs of one contact. The export is a JSON file with his rows as they are. Forgetting leaves rows that are counted
(messages, events, the contact itself) without anything in them, and takes the others away; what he had refused stays under a keyed
hash (`contacts.tombstones`), so that nobody is written to again because he asked to be forgotten.

Columns that hold something of a person say so in the database (`pii:`). A test asks of each table whether it is in the export and
is forgotten, or why not, so that a table cannot be added and overlooked.

subject: who it is, and which rows are his · export · erasure · restored: after a backup that still knew him · endpoints ·
retention: what a business keeps of everybody for so many days only.
"""

from atendeja.jobs import Work
from atendeja.privacy import endpoints, erasure, export
from atendeja.privacy.restored import forget_again, read
from atendeja.privacy.retention import Marks, Retention, sweep

ROUTES = endpoints.ROUTES
KINDS: dict[str, Work] = {export.KIND: export.run, erasure.KIND: erasure.run}

__all__ = ["KINDS", "ROUTES", "Marks", "Retention", "forget_again", "read", "sweep"]
