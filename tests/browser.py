"""A headless Chromium, driven by its own protocol: it opens, reads, fills in and pictures pages."""

import base64
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import connect
from websockets.sync.connection import Connection

CHROMIUM = Path("/usr/bin/chromium")
START_S, ANSWER_S = 120, 120
AGAIN_S = 5  # before a click that had no effect is made again; then twice as long, and so on
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--hide-scrollbars", "--no-first-run", "--disable-background-networking"),
    *("--remote-debugging-port=0", "--window-size=1360,900", "--force-color-profile=srgb"),
)
_LEFT = -32000  # "Inspected target navigated or closed", "Cannot find context", and the like
# The visible element, innermost first, that matches a selector and says a text.
_FIND = """((selector, text) => [...document.querySelectorAll(selector)].filter(
  (e) => e.getClientRects().length && (e.textContent + (e.value ?? "")).includes(text)
).sort((a, b) => a.textContent.length - b.textContent.length)[0])(%s, %s)"""


class PageLeft(Exception):
    """The page was left for another one while it was asked."""


class Page:
    """The one page of a browser."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._count = connection, 0
        self.command("Page.enable")
        self.command("Runtime.enable")

    def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask for something by the browser's protocol, and wait for the answer.

        Raises: PageLeft.
        """
        self._count += 1
        self._connection.send(json.dumps({"id": self._count, "method": method, "params": params}))
        while True:
            answer = json.loads(self._connection.recv(timeout=ANSWER_S))
            if answer.get("id") == self._count:
                if answer.get("error", {}).get("code") == _LEFT:
                    raise PageLeft(method, answer)
                assert "error" not in answer, (method, answer)
                result: dict[str, Any] = answer["result"]
                return result

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript; of the next page, if this one is left."""
        deadline = time.monotonic() + ANSWER_S
        while True:
            try:
                answer = self.command(
                    "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
                )
            except PageLeft:
                assert time.monotonic() < deadline, expression
                time.sleep(0.2)
                continue
            assert "exceptionDetails" not in answer, answer
            return answer["result"].get("value")

    def open(self, url: str) -> None:
        self.command("Page.navigate", url=url)

    def reload(self) -> None:
        """Load the page again; what is read afterwards is of the new one."""
        self.evaluate("void (window.isOld = true)")
        self.command("Page.reload")
        self.await_("!window.isOld")

    def await_(self, expression: str, seconds: float = ANSWER_S) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + seconds
        while not self.evaluate(f"!!document.body && !!({expression})"):
            assert time.monotonic() < deadline, f"{expression}\n{self.text()}"
            time.sleep(0.2)

    def await_text(self, text: str, seconds: float = ANSWER_S) -> None:
        self.await_(f"document.body.innerText.includes({json.dumps(text)})", seconds)

    def click(self, selector: str, text: str = "") -> None:
        """Click on the innermost visible element that matches and says the text, once there is."""
        found = _find(selector, text)
        place = (
            f"(() => {{const e = {found}; if (!e) return null;"
            " e.scrollIntoView({block: 'center'});"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]"
            "})()"
        )
        self.await_(found)
        x, y = self._at_rest(place)
        for kind in ("mousePressed", "mouseReleased"):
            self.command(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )

    def click_until(self, selector: str, text: str, expression: str) -> None:
        """Click until an expression is true: a page shows things before it takes clicks.

        Each wait is twice as long as the one before: with each click the page asks anew and drops
        what it has asked for, so that clicks faster than a busy server's answers come to nothing.
        """
        deadline, patience_s = time.monotonic() + 2 * ANSWER_S, AGAIN_S
        while True:
            if self.evaluate(f"!!({_find(selector, text)})"):  # it may go with what it does
                self.click(selector, text)
            try:
                self.await_(expression, seconds=min(patience_s, deadline - time.monotonic()))
            except AssertionError:
                assert time.monotonic() < deadline, f"{expression}\n{self.text()}"
                patience_s *= 2
            else:
                return

    def _at_rest(self, place: str) -> tuple[float, float]:
        """Where something is, once it does not move any more."""
        before = None
        deadline = time.monotonic() + ANSWER_S
        while (found := self.evaluate(place)) is None or found != before:
            assert time.monotonic() < deadline, place
            before = found
            time.sleep(0.3)
        return found[0], found[1]

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.command("Input.insertText", text=text)

    def text(self) -> str:
        return str(self.evaluate("document.body ? document.body.innerText : ''"))

    def picture(self, file: Path) -> None:
        """Leave what is seen as a PNG."""
        file.write_bytes(base64.b64decode(self.command("Page.captureScreenshot")["data"]))


def _find(selector: str, text: str) -> str:
    """The expression of the element that is clicked."""
    return _FIND % (json.dumps(selector), json.dumps(text))


@contextmanager
def chromium() -> Iterator[Page]:
    """A browser that knows nothing yet; it and its files are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [CHROMIUM, *_FLAGS, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            address = _page_address(Path(folder) / "DevToolsActivePort")
            with connect(address, max_size=None, open_timeout=START_S) as connection:
                yield Page(connection)
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _page_address(note: Path) -> str:
    """Where the browser takes commands for its first page; it writes down its port."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if note.exists() and (lines := note.read_text().splitlines()):
            pages = httpx.get(f"http://127.0.0.1:{lines[0]}/json/list", timeout=30).json()
            for page in pages:
                if page["type"] == "page":
                    return str(page["webSocketDebuggerUrl"])
        time.sleep(0.2)
    raise AssertionError("Chromium did not start")
