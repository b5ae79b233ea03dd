"""`scripts/picture`: run dev, open its phone page in a real browser, and keep a picture of it for README.md."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

PORT = 8020
PICTURE = Path("scripts/pictures/phone-page.png")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


def main() -> int:
    """Write the picture; 1 when there is no browser or dev does not come up."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("chromium is not installed", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="atd-") as folder:
        command = [str(Path(".venv/bin/atendeja").resolve()), "dev", "--port", str(PORT)]
        child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, env=os.environ)
        try:
            assert child.stdout is not None
            if not any("phone page" in line for line in child.stdout):
                return 1
            _shoot(chromium)
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(30)
    print(f"wrote {PICTURE}")
    return 0


def _shoot(chromium: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1180, "height": 760}, device_scale_factor=1.5)
        page.goto(f"http://127.0.0.1:{PORT}/simulator/")
        page.get_by_role("button", name="Ana Souza").click()
        page.wait_for_timeout(1000)
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
