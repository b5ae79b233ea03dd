"""Flows of a business: drafts and versions, the one that answers, and trying what is not published yet.

A version is the document as it was read, as canonical JSON, with the text that somebody wrote beside it. What has answered once is
never changed: another text is another version, and going back is pointing at an older one. Flow sessions keep the version they
began with.

versions: the tables · programs: compiled ones in memory · trying: check, test, simulate · endpoints: drafts and
publishing.
"""

from atendeja.flows import endpoints, trying
from atendeja.flows.programs import Programs
from atendeja.flows.versions import LISTING, Publication, publish

ROUTES = [*trying.ROUTES, *endpoints.ROUTES]
"""In this order: `/v1/flows/examples` is not a flow's id."""

__all__ = ["LISTING", "ROUTES", "Programs", "Publication", "publish"]
