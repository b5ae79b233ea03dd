"""A client of the API, with and without asyncio: `pip install atendeja[client]`. It imports nothing of the server.

    with Client("https://atende.example", key=os.environ["ATENDEJA_API_KEY"]) as api:
        for user in api.list_users():
            print(user.email, user.role)

Every operation is a method by its operationId. Lists are asked for page by page while one iterates. What may be sent again without
harm is, a few times, when the server or the way to it is away; who creates or sends something does so once, whatever gets lost
(`Idempotency-Key`). What was shown has an `etag`, to be given back as `if_match`. A no is an `ApiError`, that there was no answer
httpx's `TransportError`.

feed: server-sent events · exchange: a request until it is answered, without I/O · drive: on the network · generated: the operations
"""

from atendeja.client.drive import AsyncPages, Pages
from atendeja.client.exchange import ApiError, Fault, Operation, Page
from atendeja.client.feed import ServerEvent
from atendeja.client.generated import OPERATIONS, AsyncClient, Client

__all__ = ["OPERATIONS", "ApiError", "AsyncClient", "AsyncPages", "Client", "Fault", "Operation", "Page", "Pages", "ServerEvent"]
