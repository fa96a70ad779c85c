"""Broken infrastructure or set-up, told in one plain sentence that says how to mend it."""

import errno
import re
import socket
from collections.abc import Iterator

FAILURE = 1
UNREACHABLE = 6


class Fault(Exception):  # noqa: N818 - the sentence is what people read; the name never is
    """Something outside the code must be mended: a port, a disk, a missing program, a server that is away.

    Raised for set-up and infrastructure only; refusals of the market are values, and bugs stay exceptions.

    Args:
        sentence: One plain sentence that says what is wrong and what mends it.
        exit_code: What the command line ends with: 1 failure, 6 unreachable.
    """

    def __init__(self, sentence: str, exit_code: int = FAILURE) -> None:
        super().__init__(sentence, exit_code)
        self.sentence = sentence
        self.exit_code = exit_code

    def __str__(self) -> str:
        return self.sentence


_BY_ERRNO = {
    errno.ENOSPC: "The disk is full{at}: free some space there and start again",
    errno.EDQUOT: "The disk quota is used up{at}: free some space there and start again",
    errno.EROFS: "The file system is read-only{at}: choose a folder that can be written to",
    errno.EACCES: "Access is denied{at}: choose a folder or port you may use, or change its permissions",
    errno.EPERM: "The system does not permit this{at}: run it as the owner, or change the permissions",
    errno.EADDRINUSE: "The address{at} is in use by another program: end that program or choose a free port",
    errno.EADDRNOTAVAIL: "The address{at} does not belong to this machine: choose one that does",
    errno.EMFILE: "Too many files are open{at}: raise the limit with `ulimit -n 65536` and start again",
    errno.ENFILE: "Too many files are open on this machine{at}: raise the limit with `sysctl fs.file-max`",
    errno.ENOMEM: "Memory is exhausted{at}: free some memory and start again",
}

_UNREACHABLE_BY_ERRNO = {
    errno.ECONNREFUSED: "Nothing answers{at}: start the server or correct its address",
    errno.ECONNRESET: "The server{at} broke the connection off: see its log and try again",
    errno.EPIPE: "The server{at} broke the connection off: see its log and try again",
    errno.EHOSTUNREACH: "No route leads to the server{at}: check the network and the address",
    errno.ENETUNREACH: "The network cannot be reached{at}: check the connection of this machine",
    errno.ETIMEDOUT: "The server{at} did not answer in time: check that it runs and no firewall is between",
}

# SQLSTATE, as PostgreSQL's drivers carry it on their exceptions (PostgreSQL manual, appendix A).
_BY_SQLSTATE = {
    "53100": ("The disk of the database is full: free some space there and try again", FAILURE),
    "53300": (
        "The database has no free connection: close some clients or raise max_connections",
        UNREACHABLE,
    ),
    "57P03": ("The database is starting or stopping: try again in a moment", UNREACHABLE),
    "28P01": ("The database refuses the password: correct DATABASE_URL", FAILURE),
    "28000": ("The database refuses this user: correct DATABASE_URL", FAILURE),
    "3D000": ("The database named in DATABASE_URL does not exist: create it or correct the name", FAILURE),
}

_NUMBER = re.compile(r"\[Errno (\d+)\]")
_ADDRESS = re.compile(r"\('([^']+)', (\d+)[,)]")


def explain(error: BaseException) -> Fault | None:
    """Tells broken infrastructure in one sentence, looking through causes and groups.

    Returns:
        The fault, or None when nothing in the chain is known infrastructure trouble: then it is a bug
        and its traceback is worth more than a sentence.
    """
    return next((fault for link in _chain(error) if (fault := _explain_one(link))), None)


def explain_text(line: str) -> Fault | None:
    """The same for a line of another program's log, recognised by the system's own English phrases."""
    phrases = {
        "no space left on device": errno.ENOSPC,
        "disk quota exceeded": errno.EDQUOT,
        "read-only file system": errno.EROFS,
        "address already in use": errno.EADDRINUSE,
        "too many open files": errno.EMFILE,
    }
    folded = line.casefold()
    number = next((number for phrase, number in phrases.items() if phrase in folded), None)
    return None if number is None else Fault(_BY_ERRNO[number].format(at=f" ({line.strip()})"))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, then what it was raised from; members of groups in their order; cycles end."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        if isinstance(link, BaseExceptionGroup):
            waiting.extend(link.exceptions)
        if link.__cause__ is not None:
            waiting.append(link.__cause__)
        elif link.__context__ is not None and not link.__suppress_context__:
            waiting.append(link.__context__)


def _explain_one(error: BaseException) -> Fault | None:
    if isinstance(error, Fault):
        return error
    if isinstance(error, socket.gaierror):
        return Fault(
            "The server's name cannot be resolved: check the address and the name service", UNREACHABLE
        )
    if isinstance(error, OSError):
        return _explain_os_error(error)
    known = _BY_SQLSTATE.get(str(getattr(error, "sqlstate", "")))
    return Fault(*known) if known else None


def _explain_os_error(error: OSError) -> Fault | None:
    number = error.errno if error.errno is not None else _number_in(str(error))
    at = _where(error)
    if number in _UNREACHABLE_BY_ERRNO:
        return Fault(_UNREACHABLE_BY_ERRNO[number].format(at=at), UNREACHABLE)
    if number in _BY_ERRNO:
        return Fault(_BY_ERRNO[number].format(at=at))
    return None


def _number_in(text: str) -> int | None:
    """Asyncio folds the errors of several addresses into one text and drops the number."""
    found = _NUMBER.search(text)
    return int(found[1]) if found else None


def _where(error: OSError) -> str:
    if error.filename is not None:
        name = error.filename
        return f" ({name.decode(errors='replace') if isinstance(name, bytes) else name})"
    found = _ADDRESS.search(str(error))
    return f" at {found[1]}:{found[2]}" if found else ""
