"""Whom a program runs as that refuses root, and how a forked child becomes that user."""

import ctypes
import functools
import os
import pwd
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from allmende.servicekit.faults import Fault
from allmende.servicekit.supervisor import quiet_fork

NOBODY = 65534  # user and group without rights, alike on every distribution

_CLONE_NEWUSER = 0x10000000
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Identity:
    """Whom the server runs as. PostgreSQL refuses root, so root changes in the forked child by `enter`."""

    owner: int
    group: int
    enter: Callable[[], None]


def identity_for(data: Path) -> Identity:
    """Root serves another user's data as that user, so that the user can go on alone afterwards."""
    me = os.geteuid()
    if me != 0:
        return Identity(me, os.getegid(), _enter_by_name(me))
    found = data.stat() if data.exists() else None
    if found and found.st_uid not in {0, NOBODY}:
        return _dropped(found.st_uid, found.st_gid)
    if namespaces_are_allowed():
        return Identity(0, 0, functools.partial(_enter_namespace, _uid_with_a_name()))
    return _dropped(NOBODY, NOBODY)


def _dropped(uid: int, gid: int) -> Identity:
    return Identity(uid, gid, functools.partial(_drop_to, uid, gid))


def _enter_by_name(uid: int) -> Callable[[], None]:
    """Containers may run a user that no list of users knows, and initdb refuses it: it gets a name inside."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        if namespaces_are_allowed():
            return functools.partial(_enter_namespace, _uid_with_a_name())
    return lambda: None


def _uid_with_a_name() -> int:
    """An ordinary user that the machine knows: nobody, where there is one."""
    known = [entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != 0]
    return NOBODY if NOBODY in known or not known else known[-1]


def _enter_namespace(uid_inside: int = NOBODY) -> None:
    """Root becomes an ordinary user in the server's eyes and yet owns the same files."""
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid_inside} {uid} 1"),
        ("gid_map", f"{uid_inside} {gid} 1"),
    ):
        Path("/proc/self", name).write_text(text)


def _drop_to(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def namespaces_are_allowed() -> bool:
    """Whether a user namespace may be opened here; many containers forbid it."""
    try:
        with quiet_fork():
            subprocess.run(["/bin/true"], preexec_fn=_enter_namespace, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def check_reach(identity: Identity, path: Path, mend: str) -> None:
    """The system itself is asked, since permissions may come from groups, lists and modules alike."""
    allowed = subprocess.run(  # noqa: S603
        ["/usr/bin/test", "-x", path], check=False, user=identity.owner, group=identity.group, extra_groups=[]
    )
    if allowed.returncode != 0:
        raise Fault(f"PostgreSQL refuses root, and user {identity.owner} instead cannot enter {path}: {mend}")


def give(tree: Path, owner: int) -> None:
    """Changes the owner of a folder and all in it, never through a link; needs root."""
    os.chown(tree, owner, -1, follow_symlinks=False)
    for folder, _, files in os.walk(tree):
        for path in (folder, *(f"{folder}/{name}" for name in files)):
            os.chown(path, owner, -1, follow_symlinks=False)
