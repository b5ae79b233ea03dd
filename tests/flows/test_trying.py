"""Check, test and simulate over the API: the words of the commands, the engine of production, and nothing that holds others up."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from atendeja import app
from atendeja.endpoint.serving import ASKING_AT_ONCE
from atendeja.flow import check, document, testing
from atendeja.flow.examples import examples
from atendeja.flow.golden import In, Pass
from atendeja.flow.types import duration
from atendeja.trial import MOST_HERE, TOO_HEAVY, Trials
from tests.office import Office
from tests.turn.shop import ECHO, HEAD, PERSON

Json = dict[str, Any]  # Any: JSON

MENU = f"""{HEAD.format(key="menu")}nodes:
  a:
    do:
      - say:
          text: "Oi, {{{{ contact.first_name | or: 'você' }}}}!"
          buttons: [{{id: um, label: Um}}, {{id: dois, label: Dois}}]
    wait: {{reply: [button, text], timeout: 2h}}
    route: [{{button: um, to: nome}}, {{button: dois, to: pessoa}}, {{timeout: true, to: lembra}}]
    else: {{retry: "Um ou dois?"}}
  nome:
    do: [{{tag: [visto]}}, {{say: {{text: "Nome?"}}}}]
    wait: {{reply: [text]}}
    save: nome
    route: [{{any: true, to: pessoa}}]
  lembra: {{do: [{{say: {{text: "Ainda aí?"}}}}, {{end: {{}}}}]}}
{PERSON}""".replace("expires: 20h}\n", "expires: 20h}\nvars: {nome: text}\n")
HEAVY = f"""{HEAD.format(key="pesada").replace("20h", "9999d")}nodes:
  a: {{wait: {{timeout: 11m}}, route: [{{timeout: true, to: b}}]}}
  b: {{wait: {{timeout: 11m}}, route: [{{timeout: true, to: a}}]}}
{PERSON}tests: [{{name: anos, steps: [{{in: {{text: oi}}}}, {{pass: 9999d}}]}}]
"""
"""A small document: a million timers ring in its test."""


@pytest.fixture
async def eva(office: Office) -> str:
    """Who only looks may try all she likes: nothing is kept."""
    return await office.sign_in("eva@a.example", "viewer", office.world.a)


async def test_check_says_what_the_command_says_and_in_which_line(office: Office, eva: str) -> None:
    source = MENU.replace("to: nome}", "to: nomee}").replace("save: nome", "save: apelido").replace("- say:", "# ...\n      - say:")
    flow, _ = document.read(source)
    assert flow is not None
    said = (await office.post("/flows/check", {"source": source}, eva)).json()
    told = [
        f"{p['severity']}: {p['path']}: {p['message']}" + (f" ({p['suggestion']})" if p["suggestion"] else "")
        for p in said["problems"]
    ]
    assert told == [str(p) for p in check.check(flow)] and len(told) > 2
    lines = source.splitlines()
    for problem in said["problems"]:
        last = problem["path"].rpartition(".")[2].partition("[")[0]
        written = {"to": "route:"}.get(last, f"{last}:")
        assert written in lines[problem["line"] - 1], problem
    assert (said["key"], said["sha256"]) == ("menu", document.sha256(flow))
    good = (await office.post("/flows/check", {"source": MENU}, eva)).json()
    assert good["errors"] == 0 and {p["severity"] for p in good["problems"]} <= {"warning"}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("a: &x [1,1]\nb: [*x,*x]", "anchors and aliases"),
        ("a: !!python/object/apply:os.system ['id']", "tags are not allowed"),
        ("a: 1\na: 2", "stands here twice"),
        ("[" * 3_000, "nested more than"),
        ("- " * 3_000, "nested more than"),
        ("a: " + "9" * 200_000, "too large"),
        ("#" * 200_000, "empty"),
        ("spec: 2", "this release reads"),
        ("\ufeff{", "not YAML"),
        ("a: 1\n---\nb: 2", "more than one document"),
        ("just words", "a flow is a document"),
    ],
)
async def test_a_hostile_document_is_one_clear_line(office: Office, eva: str, source: str, reason: str) -> None:
    answer = await office.post("/flows/check", {"source": source}, eva)
    (problem,) = answer.json()["problems"]
    assert answer.status_code == 200 and reason in problem["message"] and len(problem["message"]) <= 500
    refused = await office.post("/flows/test", {"source": source}, eva)
    assert (refused.status_code, refused.json()["code"]) == (422, "flow_malformed")


async def simulate(office: Office, bearer: str, *events: Json, **more: object) -> Json:
    answer = await office.post("/flows/simulate", {"events": list(events), **more}, bearer)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_whoever_waits_for_a_trial_keeps_nobody_from_the_database() -> None:
    """Each may take 20 s; requests have four turns at the database, and trials never all those of who asks others."""
    tried = [endpoint for endpoint in app.ENDPOINTS if TOO_HEAVY in endpoint.refuses]
    assert len(tried) == 6 and [endpoint.operation for endpoint in tried if not endpoint.asks] == []
    assert MOST_HERE < ASKING_AT_ONCE


async def test_a_conversation_goes_on_from_its_state(office: Office, eva: str) -> None:
    first = await simulate(office, eva, {"text": "oi"}, source=MENU, contact={"name": "ANA"})
    (reply,) = first["turns"][0]["replies"]
    choices = [
        {"choice": id_, "label": label, "description": None, "section": None} for id_, label in (("um", "Um"), ("dois", "Dois"))
    ]
    assert reply == {"kind": "buttons", "text": "Oi, Ana!", "header": None, "footer": None, "button": None, "choices": choices}
    assert (first["node"], first["is_over"]) == ("a", False)

    tapped = await simulate(
        office, eva, {"kind": "button", "choice": "um"}, {"text": "Ana Lima"}, source=MENU, state=first["state"]
    )
    assert [turn["effects"] for turn in tapped["turns"]] == [["* tags +visto", "< Nome?"], ["* handed off to gente"]]
    assert (tapped["variables"], tapped["tags"], tapped["queue"]) == ({"nome": "Ana Lima"}, ["visto"], "gente")
    human = await simulate(office, eva, {"text": "oi?"}, source=MENU, state=tapped["state"])
    assert human["turns"][0]["outcome"] == "human" and human["turns"][0]["replies"] == []

    late = await simulate(office, eva, {"kind": "nothing", "after_s": 7200}, source=MENU, state=first["state"])
    assert [(t["heard"], t["effects"]) for t in late["turns"]] == [("timeout", ["< Ainda aí?"])]
    assert late["is_over"] and late["turns"][0]["trace"][0]["took"] == "lembra"
    out = await simulate(office, eva, {"text": "SAIR"}, source=MENU, state=first["state"])
    assert out["consents"] == {"marketing": "out"} and out["is_over"]


async def test_what_the_preview_shows_is_what_whatsapp_does(office: Office, eva: str) -> None:
    """Every golden conversation of the shipped flows, line by line, with the state carried from one request to the next."""
    for text in examples().values():
        flow = document.load(text, "example")
        for test, outcome in zip(flow.tests, testing.run(flow), strict=True):
            state, said = None, []
            contact = {"name": test.contact.name, "language": test.contact.language, "tags": test.contact.tags}
            began = {"now": test.now.isoformat(), "contact": contact}
            events = [event for step in test.steps if (event := as_event(step))]
            for some in (events[:1], events[1:]):
                done = await simulate(office, eva, *some, source=text, state=state, **began)
                state = done["state"]
                said += [line for turn in done["turns"] for line in turn["effects"] if line.startswith("< ")]
            assert said == [line for line in outcome.transcript if line.startswith("< ")], test.name


def as_event(step: object) -> Json | None:
    match step:
        case Pass():
            return {"kind": "nothing", "after_s": int(duration(step.pass_).total_seconds())}
        case In() if step.in_.kind in ("button", "list"):
            return {"kind": step.in_.kind, "choice": getattr(step.in_, step.in_.kind)}
        case In() if step.in_.kind == "text":
            return {"text": step.in_.text}
        case In():
            return {"kind": step.in_.kind}
        case _:
            return None


async def test_a_state_is_only_taken_from_who_was_given_it(office: Office, eva: str) -> None:
    """S7: another tenant's state, one that was changed, and one of another thing's are nobody's."""
    beto = await office.sign_in("beto@b.example", "owner", office.world.b)
    theirs = (await simulate(office, beto, {"text": "oi"}, source=MENU))["state"]
    mine = (await simulate(office, eva, {"text": "oi"}, source=MENU))["state"]
    turned = mine[:40] + ("A" if mine[40] != "A" else "B") + mine[41:]
    for state in (theirs, turned, mine[:-8], "x", "", "é", "\ud800x".encode("utf-8", "replace").decode()):
        answer = await office.post("/flows/simulate", {"source": MENU, "state": state}, eva)
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_state"), state
    for now in ("9999-12-31T23:00:00Z", "0001-01-01T00:00:00+14:00"):
        answer = await office.post("/flows/simulate", {"source": MENU, "now": now}, eva)
        assert answer.status_code == 422


async def test_a_version_that_is_kept_is_tried_and_another_business_is_not(office: Office, eva: str) -> None:
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    beto = await office.sign_in("beto@b.example", "owner", office.world.b)
    steps = ("{in: {text: oi}}, {out: {contains: Oi}}", "{in: {text: oi}}, {nothing: true}")
    more = f"tests: [{{name: oi, steps: [{steps[0]}]}}, {{name: mal, steps: [{steps[1]}]}}]\n"
    flow = (await office.post("/flows", {"source": f"{HEAD.format(key='k')}{more}nodes:{ECHO}{PERSON}"}, boss)).json()
    chosen = {"version_id": flow["draft"]["id"]}
    tested = (await office.post("/flows/test", chosen, eva)).json()
    assert [(t["name"], t["passed"]) for t in tested["tests"]] == [("oi", True), ("mal", False)] and not tested["passed"]
    assert tested["tests"][1]["failure"] == "step 2: expected no message, got Oi!"
    assert tested["tests"][1]["transcript"] == ["> oi", "< Oi!"]
    assert (await simulate(office, eva, {"text": "oi"}, **chosen))["turns"][0]["effects"] == ["< Oi!"]
    for path, version_id in (("test", flow["draft"]["id"]), ("simulate", flow["draft"]["id"]), ("test", str(office.rt.new_id()))):
        answer = await office.post(f"/flows/{path}", {"version_id": version_id}, beto)
        assert (answer.status_code, answer.json()["code"]) == (422, "version_unknown")
    for body in ({}, {"source": MENU, **chosen}):
        assert (await office.post("/flows/test", body, eva)).json()["code"] == "invalid"


async def test_a_flow_that_is_too_heavy_is_refused_and_holds_nobody_up(office: Office, eva: str) -> None:
    """S34: whatever a flow is made of, requests and webhooks are served meanwhile as ever."""
    office.rt.trials = Trials(cpu_s=0.4)
    await office.post("/flows/check", {"source": MENU}, eva)
    late: list[float] = []

    async def watch() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            late.append(time.perf_counter() - began)

    watching = asyncio.create_task(watch())
    asked = [asyncio.create_task(office.post("/flows/test", {"source": HEAVY}, eva)) for _ in range(3)]
    answers: list[httpx.Response] = await asyncio.gather(*asked)
    watching.cancel()
    codes = sorted((answer.status_code, answer.json()["code"]) for answer in answers)
    assert codes == [(422, "flow_too_heavy")] * 2 + [(503, "unavailable")], "two of a business at once, and the third comes again"
    assert sorted(late)[int(len(late) * 0.99)] < 0.05, f"of {len(late)} looks the latest took {max(late)} s"
    good = await office.post("/flows/test", {"source": MENU}, eva)
    assert (good.status_code, good.json()) == (200, {"passed": True, "tests": []})
