"""What the repository promises as a whole: it names nobody's machine, its links and lock files hold."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
TARGETS = ("run", "demo", "clauses", "test", "check", "conformance", "bench", "docs", "lock", "clean", "help")

# Written in pieces, so that this file is no finding of its own.
REGISTRY = re.compile(
    "|".join(
        [
            "pypi" + r"\.(org|python)",
            "python" + r"hosted\.org",
            "pi" + r"wheels\.org",
            "npm" + r"js\.(org|com)",
            "yarn" + r"pkg\.com",
            "crates" + r"\.io",
            "proxy" + r"\.golang\.org",
            "(deb|security|archive)" + r"\.(debian|ubuntu)\.",
            r"(?<!no-emit-)\b(extra-)?(index[-_]url|find[-_]links)\s*[= ]\s*\S",
        ]
    ),
    re.IGNORECASE,
)
MACHINE_PATH = re.compile(r"(?<![\w./-])/(home|root|Users|work)/\w|file:" + "//")


def paths() -> list[Path]:
    """Every file that git has or would take; in an unpacked archive, every file that no tool made."""
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        command = [git, "-c", f"safe.directory={ROOT}", "ls-files", "-z", "-co", "--exclude-standard"]
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
            "\0"
        )
        found = [ROOT / name for name in names if name]
    else:
        made = {".venv", ".git", ".allmende", ".hypothesis", "__pycache__", "node_modules", "build", "dist"}
        found = []
        for folder, folders, files in os.walk(ROOT):
            folders[:] = [name for name in folders if name not in made and not name.endswith("_cache")]
            found += [Path(folder, name) for name in files]
    return [path for path in found if path.is_file() and not path.is_symlink()]


@cache
def lines() -> list[tuple[str, str]]:
    """Each line of each text file with its place, as `folder/file:7`."""
    return [
        (f"{path.relative_to(ROOT)}:{number}", line)
        for path in paths()
        if b"\0" not in (raw := path.read_bytes())
        for number, line in enumerate(raw.decode("utf-8").splitlines(), 1)
    ]


@pytest.mark.parametrize("forbidden", [REGISTRY, MACHINE_PATH], ids=["registry", "machine path"])
def test_no_file_names_a_registry_or_a_machine(forbidden: re.Pattern[str]) -> None:
    assert [place for place, line in lines() if forbidden.search(line)] == []


@pytest.mark.parametrize(
    "line",
    [
        "https://" + "pypi" + ".org/simple",
        "--index" + "-url https://mirror.example",
        "find" + "-links = /wheels",
        "https://registry." + "npmjs" + ".org/x",
    ],
)
def test_a_registry_is_recognised(line: str) -> None:
    assert REGISTRY.search(line)


@pytest.mark.parametrize("line", ["cd /" + "home/maria/allmende", "data = '/" + "root/x'", "file:" + "///x"])
def test_a_machine_path_is_recognised(line: str) -> None:
    assert MACHINE_PATH.search(line)


@pytest.mark.parametrize("line", ["https://example.org/home/x", "--no-emit-index-url --no-emit-find-links"])
def test_harmless_lines_pass(line: str) -> None:
    assert not REGISTRY.search(line)
    assert not MACHINE_PATH.search(line)


def test_the_package_links_to_exactly_the_package_folders() -> None:
    links = {path.name: str(path.readlink()) for path in (ROOT / "allmende").iterdir() if path.is_symlink()}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"allmende"}
    assert links == {name: f"../{name}" for name in packages}


def locked(name: str) -> dict[str, str]:
    """Name and version of every pin; anything but pins with hashes and comments is an error."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE)
    pin = re.compile(r"([a-z0-9-]+)==([^ ]+)( ; [^\\]+)?(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n")
    assert pin.sub("", text) == ""
    return {match[1]: match[2] for match in pin.finditer(text)}


def declared(requirements: list[str]) -> Iterator[Requirement]:
    """The requirements, with the project's own extras opened up."""
    for requirement in map(Requirement, requirements):
        if requirement.name == PROJECT["project"]["name"]:
            for extra in requirement.extras:
                yield from declared(PROJECT["project"]["optional-dependencies"][extra])
        else:
            yield requirement


@pytest.mark.parametrize(
    ("lock", "extra"), [("requirements.txt", "embedded"), ("requirements-dev.txt", "dev")]
)
def test_every_declared_dependency_is_locked(lock: str, extra: str) -> None:
    pins = locked(lock)
    wanted = declared(
        [*PROJECT["build-system"]["requires"], *PROJECT["project"]["dependencies"], f"allmende[{extra}]"]
    )
    missing = [
        str(requirement)
        for requirement in wanted
        if (pin := pins.get(canonicalize_name(requirement.name))) is None
        or not requirement.specifier.contains(pin)
    ]
    assert missing == []


def test_node_is_locked() -> None:
    [wanted] = declared(PROJECT["dependency-groups"]["node"])
    assert [name for name, pin in locked("requirements-node.txt").items() if pin in wanted.specifier] == [
        wanted.name
    ]


def test_npm_packages_are_locked_by_hash() -> None:
    lock = json.loads((ROOT / "docs/examples/javascript/package-lock.json").read_text("utf-8"))
    packages = [package for path, package in lock["packages"].items() if path]
    assert packages
    for package in packages:
        assert package["integrity"].startswith("sha512-")
        assert "resolved" not in package


def test_the_lock_for_development_holds_the_one_for_running() -> None:
    assert locked("requirements.txt").items() <= locked("requirements-dev.txt").items()


def test_every_public_target_exists_and_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert tuple(re.findall(r"^([a-z]+):.* ## \S", makefile, re.MULTILINE)) == TARGETS
    phony = re.search(r"^\.PHONY: ([a-z ]+)$", makefile, re.MULTILINE)
    assert phony
    assert tuple(phony[1].split()) == TARGETS


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    articles = re.findall(r"^(\d+)\.\w", text, re.MULTILINE)
    assert [int(article) for article in articles] == list(range(1, 16))
    assert text.startswith("EUROPEAN UNION PUBLIC LICENCE v. 1.2\n")
    assert text.endswith("require the production of a new EUPL version.\n")
