"""Programs in processes of their own, so that thread pools and memory of one do not disturb another.

The parent calls the methods of an object that lives in the child; arguments and results travel as lines of JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parent.parent


class LeftOut(Exception):
    """What was asked for cannot be measured here; the message says why."""


class Worker:
    """A child process that holds `service(**arguments)`, named as "module:class".

    Raises: LeftOut where the service raises it; RuntimeError, with the child's traceback, for everything else.
    """

    def __init__(self, service: str, environment: Mapping[str, str], **arguments: Any) -> None:
        self.service = service
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.processes", service],
            env={**os.environ, "PYTHONPATH": path, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.call("__init__", **arguments)
        except BaseException:
            self.close()
            raise

    def call(self, method: str, *positional: Any, **named: Any) -> Any:
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("a worker without pipes")
        try:
            self.process.stdin.write(json.dumps([method, positional, named]) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: the missing answer says so
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.service} ended with exit code {self.process.wait()} in {method}")
        kind, value = json.loads(line)
        if kind == "left out":
            raise LeftOut(value)
        if kind == "error":
            raise RuntimeError(f"{self.service}, {method}:\n{value}")
        return value

    def close(self) -> None:
        self.process.communicate()  # closes its input, which ends it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(service: str) -> None:
    """Answer calls from standard input until it ends; what frameworks print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module, _, name = service.partition(":")
    target: Any = None
    for line in sys.stdin:
        method, positional, named = json.loads(line)
        try:
            if method == "__init__":
                target, value = getattr(importlib.import_module(module), name)(*positional, **named), None
            else:
                value = getattr(target, method)(*positional, **named)
            answer = ["result", value]
        except LeftOut as reason:
            answer = ["left out", str(reason)]
        except Exception:
            answer = ["error", traceback.format_exc()]
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    # As `__main__` this file would have a LeftOut of its own, which is not the one that services raise.
    importlib.import_module("benchmarks.processes").serve(sys.argv[1])
