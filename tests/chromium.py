"""A headless Chromium that tests drive through its debugging pipe, where one is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 120.0
NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for path in map(shutil.which, NAMES) if path), None)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe")


class Page:
    """One page; `evaluate` runs JavaScript in it and waits for promises."""

    def __init__(self, url: str, profile: Path) -> None:
        there, self._out = os.pipe()
        self._in, back = os.pipe()

        def at_three_and_four() -> None:  # where Chromium expects the pipe
            spare = os.dup(back)
            os.dup2(there, 3)
            os.dup2(spare, 4)

        self._process = subprocess.Popen(
            [BROWSER, *FLAGS, f"--user-data-dir={profile}"],
            preexec_fn=at_three_and_four,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(there)
        os.close(back)
        self._reader = os.fdopen(self._in, "rb")
        self._number, self._left = 0, b""
        self._session: dict[str, str] = {}
        target = self.call("Target.createTarget", url=url)["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command of the DevTools protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params} | self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            pass
        if "error" in answer:
            raise RuntimeError(answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            block = self._reader.read1(1 << 16)
            assert block, "the browser ended"
            self._left += block
        text, self._left = self._left.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        return message

    def evaluate(self, expression: str) -> Any:
        made = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in made:
            raise RuntimeError(made["exceptionDetails"])
        return made["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until a JavaScript condition holds, over reloads too."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not self._holds(condition):
            assert time.monotonic() < end, f"never came: {condition}"
            time.sleep(0.02)

    def _holds(self, condition: str) -> bool:
        try:
            return bool(self.evaluate(condition))
        except RuntimeError:  # the page is being loaded, or lacks what the condition names
            return False

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.close()
        os.close(self._out)
