import asyncio
import errno
import os
import pickle
import socket

import pytest

from allmende.servicekit.faults import UNREACHABLE, Fault, explain, explain_text


def fault_of(error: BaseException) -> Fault:
    fault = explain(error)
    assert fault is not None
    return fault


def os_error(number: int, filename: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), filename)


@pytest.mark.parametrize(
    ("number", "words", "exit_code"),
    [
        (errno.ENOSPC, "disk is full", 1),
        (errno.EADDRINUSE, "in use", 1),
        (errno.EACCES, "denied", 1),
        (errno.EROFS, "read-only", 1),
        (errno.EMFILE, "ulimit -n", 1),
        (errno.ECONNREFUSED, "Nothing answers", 6),
        (errno.EHOSTUNREACH, "No route", 6),
        (errno.ETIMEDOUT, "in time", 6),
    ],
)
def test_system_errors_become_one_sentence_with_the_mend(number: int, words: str, exit_code: int) -> None:
    fault = fault_of(os_error(number))
    assert words in fault.sentence
    assert ": " in fault.sentence
    assert "\n" not in fault.sentence
    assert fault.exit_code == exit_code


def test_the_file_is_named() -> None:
    assert "(/data/x)" in fault_of(os_error(errno.ENOSPC, "/data/x")).sentence


async def test_a_real_refusal_names_the_address_and_is_unreachable() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound, not listening: nobody else can answer there
        port = bound.getsockname()[1]
        with pytest.raises(OSError, match="Connect call failed") as caught:
            await asyncio.open_connection("127.0.0.1", port)
    fault = fault_of(caught.value)
    assert f"127.0.0.1:{port}" in fault.sentence
    assert fault.exit_code == UNREACHABLE


async def test_a_real_port_in_use_names_the_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use") as caught:
            await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", port)
    assert f"127.0.0.1:{port}" in fault_of(caught.value).sentence


def test_several_addresses_folded_into_one_text_are_understood() -> None:
    text = (
        "Multiple exceptions: [Errno 111] Connect call failed ('::1', 1, 0, 0), "
        "[Errno 111] Connect call failed ('127.0.0.1', 1)"
    )
    assert fault_of(OSError(text)).exit_code == UNREACHABLE


def test_causes_contexts_and_groups_are_looked_through() -> None:
    try:
        try:
            raise os_error(errno.ENOSPC)
        except OSError as cause:
            raise RuntimeError("wrapped") from cause
    except RuntimeError as error:
        wrapped = error
    assert "disk is full" in fault_of(wrapped).sentence
    assert "disk is full" in fault_of(ExceptionGroup("several", [ValueError(), wrapped])).sentence


def test_a_context_that_was_set_aside_does_not_count() -> None:
    error = ValueError("bug")
    error.__context__, error.__suppress_context__ = os_error(errno.ENOSPC), True
    assert explain(error) is None


def test_a_cycle_of_causes_ends() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert explain(first) is None


def test_a_database_says_its_trouble_by_sqlstate() -> None:
    class DiskFullError(Exception):
        sqlstate = "53100"

    assert "disk of the database" in fault_of(DiskFullError()).sentence


def test_unknown_names_are_unreachable() -> None:
    assert fault_of(socket.gaierror(socket.EAI_NONAME, "unknown")).exit_code == UNREACHABLE


def test_a_fault_explains_itself() -> None:
    fault = Fault("Port 1 is in use: choose another", 6)
    assert explain(fault) is fault
    assert str(fault) == "Port 1 is in use: choose another"


def test_a_fault_survives_the_way_between_processes() -> None:
    fault = pickle.loads(pickle.dumps(Fault("gone", 6)))  # noqa: S301
    assert (fault.sentence, fault.exit_code) == ("gone", 6)


@pytest.mark.parametrize("error", [ValueError("bug"), KeyError("bug"), OSError("no number"), TimeoutError()])
def test_bugs_stay_bugs(error: Exception) -> None:
    assert explain(error) is None


def test_log_lines_of_other_programs_are_recognised() -> None:
    fault = explain_text("FATAL: could not write: No space left on device")
    assert fault is not None
    assert "disk is full" in fault.sentence
    assert explain_text("all is well") is None
