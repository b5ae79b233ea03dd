"""`/openapi.json`: OpenAPI 3.1 of everything under /v1, made of the declarations and their structs when the process starts.

What it says of errors is what `endpoint` does with every request of that kind, and the codes that a declaration names. Each body
has an example, made of those of its fields.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from atendeja import __version__
from atendeja.endpoint import SAFE, Endpoint, File, Listing, Trouble
from atendeja.endpoint.files import BYTES
from atendeja.endpoint.idempotency import MOST_CHARS
from atendeja.endpoint.problems import Fault
from atendeja.endpoint.streaming import MEDIA_TYPE

Json = dict[str, Any]  # Any: a document

REF = "#/components/schemas/"
AN_ID = "01980000-0000-7000-8000-000000000000"
FORMATS = {"uuid": AN_ID, "date-time": "2026-03-04T12:30:00Z", "date": "2026-03-04", "time": "12:30:00"}
KINDS = {"string": "text", "integer": 1, "number": 1.0, "boolean": False, "null": None}
DESCRIPTION = """Everything a business needs of its server, as JSON.

Errors are `application/problem+json` (RFC 9457): decide by `code`, which never changes its meaning. Lists come in pages: give
`next_cursor` back as `cursor` until there is none. What has an `ETag` may be changed with `If-Match`, so that two who edit one
thing find out. Times are UTC. A field that is not known is refused.

A request with an `Idempotency-Key` may be sent again for a day: it takes effect once, and is answered alike. Who asks too fast is
answered 429 with `Retry-After`."""


_PROVED = "proved within the last ten minutes who he is, by `login` or `confirm`"


def document(endpoints: Sequence[Endpoint[Any]]) -> Json:  # Any: whatever they run on
    """The whole document."""
    used = dict.fromkeys([Trouble, *(kind for e in endpoints for kind in (e.takes, e.gives, *e.tells) if kind not in (None, File))])
    _, made = msgspec.json.schema_components(used, ref_template=REF + "{name}")
    schemas: dict[str, Json] = msgspec.json.decode(msgspec.json.encode(made))  # tuples are lists
    queries = {_name(e.takes) for e in endpoints if e.takes is not None and not e.has_body}
    paths: Json = {}
    for endpoint in endpoints:
        operation = paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
        if endpoint.status == 201 and (links := _links(endpoint, endpoints, schemas)):
            operation["responses"]["201"]["links"] = links
    bearer = {"type": "http", "scheme": "bearer", "description": "An access token, or an API key."}
    return {
        "openapi": "3.1.0",
        "info": {"title": "AtendeJá", "version": __version__, "description": DESCRIPTION},
        "paths": paths,
        "webhooks": {name: {"post": _told(name, ref, schemas)} for e in endpoints for name, ref in _kinds(e).items()},
        "components": {
            "schemas": {name: schema for name, schema in schemas.items() if name not in queries},
            "securitySchemes": {"bearer": bearer},
        },
    }


def _operation(endpoint: Endpoint[Any], schemas: Mapping[str, Json]) -> Json:  # Any: as above
    operation: Json = {
        "operationId": endpoint.operation,
        "summary": endpoint.says,
        "description": _who(endpoint),
        "security": [] if endpoint.who is None else [{"bearer": []}],
        "responses": _responses(endpoint, schemas),
    }
    if parameters := _parameters(endpoint, schemas):
        operation["parameters"] = parameters
    if endpoint.takes is not None and endpoint.has_body:
        operation["requestBody"] = {"required": True, "content": {"application/json": _content(endpoint.takes, schemas)}}
    if endpoint.streams:
        operation["requestBody"] = {"required": True, "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}
    return operation


def _who(endpoint: Endpoint[Any]) -> str:  # Any: as above
    if endpoint.who is None:
        return "Anybody may ask."
    key = f"a key with `{endpoint.scope}`" if endpoint.scope else "no key"
    proved = {False: "", True: f" A person must have {_PROVED}.", "sometimes": f" For some changes a person must have {_PROVED}."}
    return f"For {', '.join(sorted(endpoint.who))}; {key}.{proved[endpoint.fresh]}"


def _parameters(endpoint: Endpoint[Any], schemas: Mapping[str, Json]) -> list[Json]:  # Any: as above
    found = [_parameter(name, "path", _id(endpoint.texts.get(name)), required=True) for name in endpoint.names]
    if endpoint.takes is not None and not endpoint.has_body:
        schema = schemas[_name(endpoint.takes)]
        found += [
            _parameter(name, "query", part, required=name in schema["required"]) for name, part in schema["properties"].items()
        ]
    if endpoint.tells:
        place = {"type": "string", "description": "The `id` of the event that you had last: go on behind it."}
        found.append(_parameter("Last-Event-ID", "header", place, required=False))
    if endpoint.is_tagged and endpoint.has_body:
        tag = {"type": "string", "description": "The `ETag` of what you saw."}
        found.append(_parameter("If-Match", "header", tag, required=False))
    if endpoint.once:
        key = {
            "type": "string",
            "minLength": 1,
            "maxLength": MOST_CHARS,
            "description": "Chosen by you for this one thing to be done.",
        }
        found.append(_parameter("Idempotency-Key", "header", key, required=False))
    return found


def _id(pattern: str | None) -> Json:
    return {"type": "string", "format": "uuid"} if pattern is None else {"type": "string", "pattern": f"^{pattern}$"}


def _parameter(name: str, where: str, schema: Json, *, required: bool) -> Json:
    return {"name": name, "in": where, "required": required, "schema": schema}


def _responses(endpoint: Endpoint[Any], schemas: Mapping[str, Json]) -> Json:  # Any: as above
    found: Json
    if endpoint.tells:
        found = {"200": {"description": "Told as it happens.", "content": {MEDIA_TYPE: _events(endpoint, schemas)}}}
    elif endpoint.gives is None:
        found = {"204": {"description": "Done."}}
    elif endpoint.gives is File:
        content = {BYTES: {"schema": {"type": "string", "format": "binary"}}}
        found = {"200": {"description": "The bytes, or those that `Range` asks for.", "content": content}}
    else:
        content = {"application/json": _content(endpoint.gives, schemas)}
        found = {str(endpoint.status): {"description": "Done.", "content": content}}
        if endpoint.is_tagged:
            found[str(endpoint.status)]["headers"] = {"ETag": {"required": True, "schema": {"type": "string"}}}
    for status, codes in sorted(_refusals(endpoint).items()):
        found[str(status)] = _problem(status, codes)
    return found


def _links(made: Endpoint[Any], endpoints: Sequence[Endpoint[Any]], schemas: Mapping[str, Json]) -> Json:  # Any: as above
    """What can be done with what was made, by its id."""
    place = _id_place(schemas[_name(made.gives)], schemas)
    of_it = [e for e in endpoints if e.names == ["id"] and e.path.startswith(f"{made.path}/{{id}}")]
    return {e.operation: {"operationId": e.operation, "parameters": {"id": f"$response.body#{place}"}} for e in of_it if place}


def _id_place(schema: Json, schemas: Mapping[str, Json]) -> str | None:
    """Where in such an answer the id of what was made is: its own, or that of its first part with one."""
    if "id" in schema["properties"]:
        return "/id"
    parts = {name: schemas.get(part.get("$ref", "").removeprefix(REF), {}) for name, part in schema["properties"].items()}
    return next((f"/{name}/id" for name, part in parts.items() if "id" in part.get("properties", {})), None)


def _kinds(endpoint: Endpoint[Any]) -> dict[str, Json]:  # Any: as above
    """Type → its schema, of what is told."""
    return {str(kind.__struct_config__.tag): {"$ref": REF + _name(kind)} for kind in endpoint.tells}


def _told(name: str, ref: Json, schemas: Mapping[str, Json]) -> Json:
    """What a stream tells is told to webhooks too, signed as Standard Webhooks say."""
    content = {"application/json": {"schema": ref, "example": example(ref, schemas)}}
    headers = [
        _parameter(f"webhook-{part}", "header", {"type": "string"}, required=True) for part in ("id", "timestamp", "signature")
    ]
    return {
        "summary": f"`{name}`, to those who want it.",
        "security": [],
        "parameters": headers,
        "requestBody": {"required": True, "content": content},
        "responses": {"2XX": {"description": "Taken. Anything else is tried again; 410 ends it."}},
    }


def _events(endpoint: Endpoint[Any], schemas: Mapping[str, Json]) -> Json:  # Any: as above
    """Server-sent events, for which OpenAPI has no words of its own: text, and beside it what the data of each may be."""
    kinds = _kinds(endpoint)
    (first, ref), *_ = kinds.items()
    shown = f"id: 7\nevent: {first}\ndata: {msgspec.json.encode(example(ref, schemas)).decode()}\n\n"
    says = "Server-sent events. `event` is the type, `data` JSON: see `x-events`."
    return {"schema": {"type": "string", "description": says, "x-events": kinds}, "example": shown}


def _refusals(endpoint: Endpoint[Any]) -> dict[int, list[str]]:  # Any: as above
    """Status → the codes with which this endpoint may be refused."""
    found = {422: ["invalid"], 429: ["too_fast"], 503: ["unavailable", "closed"]}
    if endpoint.who is not None:
        refused = {"tenant_suspended": _of_a_tenant(endpoint), "sign_in_again": endpoint.fresh is not False}
        found |= {401: ["not_signed_in"], 403: ["forbidden", *(code for code, may_be in refused.items() if may_be)]}
    if endpoint.names:
        found[404] = ["not_found"]
    if endpoint.has_body:
        found |= {400: ["malformed", "too_deep"], 413: ["too_large"], 415: ["not_json", "compressed"]}
    if endpoint.streams:
        found |= {408: ["too_slow"], 415: ["compressed"]}
    if endpoint.takes is not None and issubclass(endpoint.takes, Listing):
        found[400] = [*found.get(400, []), "bad_cursor"]
    if endpoint.is_tagged and endpoint.has_body:
        found[412] = ["changed_meanwhile"]
    if endpoint.once:
        found[422] += ["bad_key", "key_reused"]
    for code, status in endpoint.refuses.items():
        found[status] = [*found.get(status, []), code]
    return found


def _of_a_tenant(endpoint: Endpoint[Any]) -> bool:  # Any: as above
    """Whether it may be refused because a business is suspended."""
    return not endpoint.when_suspended and (endpoint.who != frozenset({"operator"}) or endpoint.scope is not None)


def _problem(status: int, codes: list[str]) -> Json:
    title = HTTPStatus(status).phrase
    examples = {code: {"value": _trouble(status, title, code)} for code in codes}
    content = {"application/problem+json": {"schema": {"$ref": f"{REF}Trouble"}, "examples": examples}}
    headers: Json = {}
    if status in (429, 503):
        headers["Retry-After"] = {"description": "Seconds.", "schema": {"type": "integer"}}
    if status == 401:
        headers["WWW-Authenticate"] = {"schema": {"type": "string"}}
    told = {"description": f"{title}: {', '.join(f'`{code}`' for code in codes)}", "content": content}
    return told | ({"headers": headers} if headers else {})


def _trouble(status: int, title: str, code: str) -> Json:
    faults = (Fault("$.email", "Object missing required field `email`"),) if code == "invalid" else ()
    trouble = Trouble(status, title, code, "the request does not fit" if faults else "…", UUID(AN_ID), errors=faults)
    return dict(msgspec.json.decode(msgspec.json.encode(trouble)))


def _content(kind: Any, schemas: Mapping[str, Json]) -> Json:  # Any: a struct, or one of a generic one
    ref = {"$ref": REF + _name(kind)}
    return {"schema": ref, "example": example(ref, schemas)}


def _name(kind: Any) -> str:  # Any: as above
    (ref,), _ = msgspec.json.schema_components([kind], ref_template=REF + "{name}")
    return str(ref["$ref"]).removeprefix(REF)


def example(schema: Json, schemas: Mapping[str, Json], within: tuple[str, ...] = ()) -> object:
    """A value that a schema allows: its own example, else the simplest one. What holds its like is shown without, where it may."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].removeprefix(REF)], schemas, (*within, schema["$ref"]))
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return example(next((one for one in schema["anyOf"] if one.get("$ref") not in within), schema["anyOf"][0]), schemas, within)
    if schema.get("type") == "object":
        return {name: example(part, schemas, within) for name, part in schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        if "prefixItems" in schema:
            return [example(one, schemas, within) for one in schema["prefixItems"]]
        return [] if schema["items"].get("$ref") in within else [example(schema["items"], schemas, within)]
    return FORMATS.get(schema.get("format", ""), KINDS[schema["type"]])


def routes(endpoints: Sequence[Endpoint[Any]]) -> list[Route]:  # Any: whatever they run on
    body = msgspec.json.encode(document(endpoints))

    async def endpoint(_request: Request) -> Response:
        return Response(body, 200, SAFE, media_type="application/json")

    return [Route("/openapi.json", endpoint)]
