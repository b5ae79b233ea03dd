"""The page of the API in a real browser, against the real API."""

import re
from urllib.parse import urlsplit

import httpx
from playwright.async_api import Browser, expect

from atendeja import app, docs, openapi
from tests.browser.conftest import Open
from tests.office import Office, serve_office

OPERATIONS = ".opblock-tag-section .opblock"


async def test_it_lists_every_operation_and_runs_one(office: Office, open_page: Open) -> None:
    """Any line that the policy makes the browser write to its console fails the test."""
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    async with serve_office(office) as url:
        page = await open_page(f"{url}/docs")
        await expect(page.locator(OPERATIONS)).to_have_count(len(app.ENDPOINTS))
        shown = await page.locator(f"{OPERATIONS} .opblock-summary-operation-id").all_text_contents()
        assert sorted(shown) == sorted(e.operation for e in app.ENDPOINTS)
        assert await page.locator(".opblock-tag-section").count() == len(openapi.TAGS)
        assert await page.locator(".webhooks .opblock").count() == len(openapi.document(app.ENDPOINTS)["webhooks"])
        await page.locator(".btn.authorize").click()
        await page.locator("#auth-bearer-value").fill(boss)
        await page.locator(".auth-btn-wrapper .authorize").click()
        await page.locator(".auth-btn-wrapper .btn-done").click()
        await page.locator("#operations-me-me .opblock-summary-control").click()
        await page.get_by_role("button", name="Try it out").click()
        await page.get_by_role("button", name="Execute").click()
        await expect(page.locator(".live-responses-table tbody .response-col_status")).to_contain_text("200")
        await expect(page.locator(".live-responses-table")).to_contain_text("ana@a.example")
        assert await page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


async def test_it_asks_nobody_else_whatever_its_address_says(office: Office, browser: Browser) -> None:
    """Every request of the browser is told, and answered by this server only."""
    async with serve_office(office) as url:
        context = await browser.new_context()
        page, asked = await context.new_page(), list[str]()
        context.on("request", lambda request: asked.append(request.url))
        elsewhere = "https://other.example/openapi.json"
        await page.goto(f"{url}/docs?url={elsewhere}&configUrl={elsewhere}&urls=[]#/me/me")
        await expect(page.locator(OPERATIONS)).to_have_count(len(app.ENDPOINTS))
        await expect(page.locator("#operations-me-me")).to_have_class(re.compile("is-open"))
        await page.wait_for_load_state("networkidle")
        await context.close()
    paths = [urlsplit(one).path for one in asked if not one.startswith("data:")]
    assert all(one.startswith((url, "data:")) for one in asked), asked
    assert (len(paths), paths.count("/openapi.json"), paths[0]) == (2 + len(docs.FILES), 1, "/docs")


async def test_page_and_files_come_with_headers_that_hold_them(office: Office) -> None:
    async with serve_office(office) as url, httpx.AsyncClient(base_url=url) as http:
        page = await http.get("/docs")
        assert "unsafe" not in docs.POLICY and docs.POLICY.startswith("default-src 'none'; script-src 'self';")
        files = [await http.get(f"/{place}") for place in re.findall(r'(?:src|href)="(docs/[^"]+)"', page.text)]
        assert [len(files), *{file.status_code for file in [page, *files]}] == [len(docs.FILES), 200]
        for answer in (page, *files):
            told = answer.headers
            assert (told["content-security-policy"], told["x-content-type-options"]) == (docs.POLICY, "nosniff")
            assert (told["referrer-policy"], told["cross-origin-opener-policy"]) == ("no-referrer", "same-origin")
            assert not any(name.startswith("access-control") for name in told)
        assert page.headers["cache-control"] == "no-store"
        assert {file.headers["cache-control"] for file in files} == {"public, max-age=31536000, immutable"}
        assert sum(len(file.content) for file in files) < 2_000_000
        for path in ("/docs/", "/docs/vendor/LICENSE", f"{urlsplit(str(files[0].url)).path}/../page.html", "/docs/x/page.js"):
            assert (await http.get(path)).status_code in (307, 404), path
