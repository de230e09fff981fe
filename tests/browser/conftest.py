"""The browser's fixtures: the demo, and a browser."""

import pytest

from harness.browser import Browser
from harness.demo import Demo


@pytest.fixture
def demo(programs):
    return Demo(programs)


@pytest.fixture
def browser(programs):
    """A browser whose pages must not have complained, nor have asked anyone else for anything."""
    browser = Browser(programs)
    yield browser
    for window in browser.windows.values():
        complaints = [text for text in window.errors() if "WebSocket connection to" not in text]
        assert not complaints, complaints
        elsewhere = [url for url in window.requests() if not url.startswith(("http://127.0.0.1:", "blob:", "data:"))]
        assert not elsewhere, elsewhere
