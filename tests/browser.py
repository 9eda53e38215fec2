"""A headless Chromium for tests, spoken to by its DevTools protocol: https://chromedevtools.github.io/devtools-protocol."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
GONE = "Inspected target navigated or closed"
SECONDS = 60.0  # a busy machine may take that long to start it


def executable() -> str | None:
    """Chromium or Chrome, where one is installed."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass
class Page:
    """One tab, or a frame that a process of its own draws.

    Attributes:
        host: where the browser listens.
        faults: what its console said that is an error or a warning, and exceptions that nothing caught.
        requests: every address that was asked for, the page's own first.
    """

    host: str
    socket: websocket.WebSocket
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    _number: int = 0

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command, and take in events until its answer comes."""
        self._number += 1
        self.socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                answer: dict[str, Any] = message["result"]
                return answer
            self._note(message.get("method", ""), message.get("params", {}))

    def _note(self, event: str, about: dict[str, Any]) -> None:
        if event == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.faults.append(details.get("exception", {}).get("description", details["text"]))
        elif event == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
            self.faults.append(" ".join(str(a.get("value", a.get("description"))) for a in about["args"]))
        elif event == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.faults.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")
        elif event == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])

    def open(self, path: Path, width: int = 1280, height: int = 900) -> None:
        """Load a file and all that it asks for, in a window of that many CSS pixels; below 500 it is a phone's."""
        self.listen("Page", "Runtime", "Log", "Network")
        self.resize(width, height)
        self.command("Page.navigate", url=path.resolve().as_uri())
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def listen(self, *domains: str) -> None:
        """Ask for the events of these domains of the protocol."""
        for domain in domains:
            self.command(f"{domain}.enable")

    def resize(self, width: int, height: int = 900) -> None:
        """Give the window another size."""
        phone = width < 500
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, awaited where it is a promise."""
        done = self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            raise RuntimeError(done["exceptionDetails"].get("exception", {}).get("description", script))
        return done["result"].get("value")

    def wait(self, script: str) -> Any:
        """Wait until an expression is true; raise ``TimeoutError`` where it never is.

        A page that goes away while it is asked (it reloads) is asked again.
        """
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            try:
                if value := self.run(f"Boolean({script})"):
                    return value
            except RuntimeError as error:
                if GONE not in str(error):
                    raise
            time.sleep(0.02)
        raise TimeoutError(script)

    def frame(self) -> Page:
        """The page's frame, as a page of its own."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            targets = self.command("Target.getTargets")["targetInfos"]
            for target in targets:
                if target["type"] == "iframe":
                    inside = Page(self.host, _connect(self.host, f"/devtools/page/{target['targetId']}"))
                    inside.listen("Runtime", "Log")
                    return inside
            time.sleep(0.05)
        raise TimeoutError("the page has no frame")

    def press(self, key: str) -> None:
        """Press and release a key, by its name (``Enter``, ``Escape``, ``Tab``)."""
        code = {"Enter": 13, "Escape": 27, "Tab": 9}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.command("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """Write what the window shows (or the whole page) as PNG."""
        shot = self.command("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextlib.contextmanager
def chromium(program: str, folder: Path) -> Iterator[Page]:
    """Start a Chromium whose profile lies in ``folder``, yield its tab, end it."""
    port = folder / "DevToolsActivePort"
    port.unlink(missing_ok=True)
    command = [program, "--headless=new", f"--user-data-dir={folder}", "--remote-debugging-port=0", "--disable-gpu"]
    command += ["--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage", "--hide-scrollbars"]
    if os.geteuid() == 0:
        command.append("--no-sandbox")  # it refuses to start as root otherwise
    process = subprocess.Popen([*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + SECONDS
        while not (port.exists() and port.read_text().count("\n")) and time.monotonic() < end:
            time.sleep(0.05)
        number, path = port.read_text().split("\n")[:2]
        host = f"127.0.0.1:{number}"
        target = Page(host, _connect(host, path)).command("Target.createTarget", url="about:blank")["targetId"]
        yield Page(host, _connect(host, f"/devtools/page/{target}"))
    finally:
        process.terminate()
        process.wait(timeout=SECONDS)


def _connect(host: str, path: str) -> websocket.WebSocket:
    return websocket.create_connection(f"ws://{host}{path}", timeout=SECONDS, suppress_origin=True)
