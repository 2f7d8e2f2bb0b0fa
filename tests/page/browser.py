"""A headless Chromium for the tests of the page; one at a time in a process."""

import contextlib
import os
import shutil

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
needed = pytest.mark.skipif(not CHROMIUM, reason="no chromium is installed")


@contextlib.contextmanager
def opened(path):
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        view = browser.new_page(viewport={"width": 1280, "height": 900}, has_touch=True)
        view.errors, view.requests = [], []
        view.on("console", lambda message: message.type == "error" and view.errors.append(message.text))
        view.on("pageerror", lambda error: view.errors.append(str(error)))
        view.on("request", lambda request: view.requests.append(request.url))
        view.goto(path.as_uri())
        yield view
        assert view.errors == []  # nor has anything of what the tests did made one
        browser.close()
