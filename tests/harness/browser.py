"""A real browser, its windows driven by the hooks that web/README.md lists."""

import os
import shutil

from .naru import ROOT
from .node import NodeProgram
from .waiting import PATIENCE, eventually

ARTIFACTS = ROOT / "artifacts"


class Browser(NodeProgram):
    """Chromium, in a Node process."""

    def __init__(self, programs):
        binary = os.environ.get("CHROMIUM") or shutil.which("chromium")
        assert binary, "Chromium is missing: scripts/install-test-tools installs it"
        self.windows = {}
        super().__init__(programs, "browser.mjs", env={"CHROMIUM": binary})

    def happened(self, event):
        self.windows[event["window"]].events.append(event)

    def open(self, url, language="en", width=1100, height=760, dark=False):
        """A window that shares nothing with the others."""
        window = Window(self, f"window-{len(self.windows) + 1}")
        self.windows[window.name] = window
        window.do("open", url=url, language=language, width=width, height=height, dark=dark, within=3 * PATIENCE)
        return window


def hook(name, /, **data):
    """The elements with that hook, and with these data attributes."""
    return f'[data-testid="{name}"]' + "".join(f'[data-{key}="{value}"]' for key, value in data.items())


class Window:
    """One window, as whoever sits before it uses it."""

    def __init__(self, browser, name):
        self.browser, self.name, self.events = browser, name, []

    def do(self, what, selector=None, within=3 * PATIENCE, **how):
        if selector:
            how["selector"] = selector
        return self.browser.answer(self.browser.order(what, window=self.name, **how), within)

    def see(self, name, /, **data):
        """Waits until there is such an element to be seen."""
        self.do("wait", hook(name, **data))

    def see_not(self, name, /, **data):
        self.do("wait", hook(name, **data), state="hidden")

    def click(self, name, /, **data):
        self.do("click", hook(name, **data))

    def fill(self, name, text):
        self.do("fill", hook(name), text=text)

    def switch(self, name, on):
        self.do("check", hook(name), on=on)

    def text(self, name):
        return self.do("texts", hook(name))[0]

    def sign_in(self, user):
        self.fill("sign-in-name", user)
        self.click("sign-in-button")
        self.see("connection-state", state="online")

    def turn_to(self, user):
        """Opens the conversation with somebody."""
        self.fill("recipient", user)
        self.click("recipient-open")

    def write(self, text):
        self.fill("compose", text)
        self.click("send")

    def messages(self, count=None, **data):
        """The texts of the messages shown; waits until there are `count`, and fails if there are more."""
        selector = hook("message", **data)
        if count is not None:
            eventually(
                lambda: self.do("count", selector) >= count,
                lambda: f"not {count} messages {data} but {self.do('texts', hook('message'))}",
            )
        texts = self.do("texts", f"{selector} .text")
        assert count is None or len(texts) == count, texts
        return texts

    def picture(self, name):
        """Keeps what is seen under artifacts/."""
        ARTIFACTS.mkdir(exist_ok=True)
        self.do("picture", path=str(ARTIFACTS / f"{name}.png"))

    def errors(self):
        return [event["text"] for event in self.events if event["event"] == "error"]

    def requests(self):
        return [event["text"] for event in self.events if event["event"] == "request"]
