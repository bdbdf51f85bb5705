"""A real Chromium, the dashboard, and a record of what happens on its pages."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.hostile import EVIL
from tests.integration.line import BIN

# The headless shell first: it is the same engine without the parts of a window, at half the processor time.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_OURS = [str(BIN / "botlive"), "dashboard", "--port", "0"]
_STOCK = """
import os, sys
from werkzeug.serving import make_server
from rq_dashboard.app import create_app
server = make_server("127.0.0.1", 0, create_app(), threaded=True)
print(f"dashboard: http://127.0.0.1:{server.port}/", flush=True)
server.serve_forever()
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start one Chromium for a module; without Chromium its tests are skipped."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip(
            "there is no Chromium on this machine: on Debian, `apt-get install chromium-headless-shell`"
        )
    resolving = f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[resolving])
        yield browser
        browser.close()


@contextmanager
def served(
    redis_url: str, *, stock: bool = False, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run the dashboard, or plain rq-dashboard, as a process; yield its address."""
    given = {**os.environ, "REDIS_URL": redis_url, "RQ_DASHBOARD_URL_PREFIX": "/", **(environment or {})}
    given |= {"RQ_DASHBOARD_JSON_SERIALIZER": "1"}
    command = [sys.executable, "-c", _STOCK] if stock else _OURS
    process = subprocess.Popen(
        command, env=given, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout
    try:
        yield process.stdout.readline().split()[1]
    finally:
        process.kill()
        process.wait(timeout=10)
        process.stdout.close()


class Visit:
    """A page, and a record of forbidden events on it."""

    def __init__(self, browser: Browser, origin: str, login: dict[str, str] | None = None) -> None:
        self.origin = origin
        self.patience = 10_000  # milliseconds
        credentials = dict(zip(("username", "password"), login.values(), strict=True)) if login else None
        self.context = browser.new_context(http_credentials=credentials)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.elsewhere: list[str] = []
        self.troubles: list[str] = []
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.on("dialog", self._dismiss)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("console", self._said)

    def open(self, path: str) -> Page:
        """Open a page and wait until it shows its data."""
        self.page.goto(self.origin + path.removeprefix("/"))
        if "/job/" in path:
            self.page.wait_for_selector("#job-data > *, #reason", timeout=self.patience)
        else:
            self.page.wait_for_selector(
                "tr[data-role=loading-placeholder]", state="detached", timeout=self.patience
            )
        return self.page

    def hacks(self) -> set[str]:
        """Return the places whose text ran as a script."""
        return set(self.page.evaluate("window.hacks || []"))

    def close(self) -> None:
        """Close the page."""
        self.context.close()

    def _asked(self, url: str) -> None:
        if not url.startswith((self.origin, "data:")):
            self.elsewhere.append(url)

    def _dismiss(self, dialog: Any) -> None:
        self.troubles.append(dialog.message)
        dialog.dismiss()

    def _said(self, message: Any) -> None:
        if message.type == "error" and "favicon" not in str(message.location):
            self.troubles.append(message.text)
