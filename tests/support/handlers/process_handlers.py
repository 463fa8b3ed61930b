"""Handlers that start processes, and that change what a slot and its programs inherit."""

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import evtrack


@evtrack.handler("processes")
def processes(item: dict[str, Any]) -> Any:
    """Do what the item says, with its token in the arguments of each process that it starts."""
    ACTIONS[item["do"]](item)
    if trace := item.get("trace"):
        Path(trace).write_text(str(os.getpid()), encoding="utf-8")
    time.sleep(item.get("s", 0))
    if item.get("segv"):
        os.kill(os.getpid(), signal.SIGSEGV)
    return 1


def _argv(item: dict[str, Any]) -> list[str]:
    # The token is a number of seconds that nobody else sleeps for: whoever counts what is left finds it.
    return ["sleep", item["token"]]


def _wait_for_child(item: dict[str, Any]) -> None:
    Path(item["begun"]).touch()
    subprocess.run(_argv(item), check=True)


def _daemonize(item: dict[str, Any], **options: Any) -> None:
    script = f"(setsid sh -c 'sleep {item['token']}; :' &)"
    subprocess.run(["/bin/sh", "-c", script], check=True, **options)


def _fork_daemon(item: dict[str, Any]) -> None:
    """Fork twice without exec, as libraries do that make a daemon of themselves; the name of the copy is the token."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            Path(item["pid"]).write_text(str(os.getpid()), encoding="utf-8")
            time.sleep(600)
        os._exit(0)
    os.wait()


def _terminate_processes(_: dict[str, Any]) -> None:
    """End processes of each kind as multiprocessing does: by SIGTERM."""
    codes = []
    for method in ("fork", "spawn"):
        process = multiprocessing.get_context(method).Process(target=time.sleep, args=(600,))
        process.start()
        time.sleep(0.3)
        process.terminate()
        process.join(10)
        codes.append(process.exitcode)
    child = subprocess.Popen(["/bin/sleep", "600"])
    child.terminate()
    codes.append(child.wait(10))
    assert [-signal.SIGTERM] * 3 == codes, codes


def _set_all(handler: Any) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, handler)


def _change_everything(_: Any) -> None:
    sys.stderr = None  # type: ignore[assignment]  # as some libraries do to be silent
    os.chdir("/")
    os.environ["ADDED"] = "1"
    os.environ.pop("KEPT_FOR_TEST", None)
    os.umask(0o077)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGTERM})
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _change_everything_beside_a_thread(item: dict[str, Any]) -> None:
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    _change_everything(item)


ACTIONS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "nothing": lambda _: None,
    "change everything": _change_everything,
    "change everything beside a thread": _change_everything_beside_a_thread,
    "terminate processes": _terminate_processes,
    "wait for child": _wait_for_child,
    "child in a session of its own": lambda item: subprocess.run(_argv(item), check=False, start_new_session=True),
    "leave a child": lambda item: subprocess.Popen(_argv(item), start_new_session=True),
    "leave a bare child": lambda item: subprocess.Popen(
        _argv(item), start_new_session=True, env={"PATH": os.environ["PATH"]}
    ),
    "leave a daemon": _daemonize,
    "leave a bare daemon": lambda item: _daemonize(item, env={"PATH": os.environ["PATH"]}),
    "leave a copy": _fork_daemon,
    "die of signals": lambda _: _set_all(signal.SIG_DFL),
    "exit on signals": lambda _: _set_all(lambda *_: os._exit(0)),
    "raise on signals": lambda _: _set_all(lambda *_: sys.exit(1)),
    "interrupt on signals": lambda _: _set_all(signal.default_int_handler),
}
