"""Hosts of a test in network namespaces, joined by wires whose packets can be dropped. Needs root, ip and iptables."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count

_numbers = count(1)


def available() -> bool:
    """Return whether this process can make network namespaces and drop packets."""
    if os.geteuid() or not shutil.which("ip") or not shutil.which("iptables"):
        return False
    with network() as made, suppress(subprocess.CalledProcessError):
        made.join(made.host(), made.host())[0]
        made.host().drop()
        return True
    return False


def run(*words: str, check: bool = True) -> None:
    """Run a program of the system, and keep what it prints."""
    subprocess.run(words, check=check, capture_output=True, timeout=60)


class Host:
    """A network namespace.

    Args:
        name: Its name, unique on this machine.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def inside(self, *command: str) -> list[str]:
        """Return the words that run a command on this host."""
        return ["ip", "netns", "exec", self.name, *command]

    def _iptables(self, *words: str) -> None:
        run(*self.inside("iptables", "-w", *words))

    def drop(self, *, incoming: bool = True, outgoing: bool = True, share: float = 1.0) -> None:
        """Drop each packet, or a share of them, to and from other hosts from now on, silently."""
        chance = [] if share >= 1 else ["-m", "statistic", "--mode", "random", "--probability", str(share)]
        if incoming:
            self._iptables("-A", "INPUT", "!", "-i", "lo", *chance, "-j", "DROP")
        if outgoing:
            self._iptables("-A", "OUTPUT", "!", "-o", "lo", *chance, "-j", "DROP")

    def heal(self) -> None:
        """Drop no more packets."""
        self._iptables("-F")


class Network:
    """Hosts that are made and joined as needed."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._wires = count(1)

    def host(self) -> Host:
        """Make a host, which has only its loopback."""
        name = f"evtrack-{os.getpid()}-{next(_numbers)}"
        run("ip", "netns", "add", name)
        self._names.append(name)
        host = Host(name)
        run(*host.inside("ip", "link", "set", "lo", "up"))
        return host

    def join(self, one: Host, other: Host) -> tuple[str, str]:
        """Lay a wire between two hosts, and return the address of each on it."""
        number = next(self._wires)
        ends = []
        for host, end in ((one, 1), (other, 2)):
            ends.append((host, f"ev{os.getpid() % 100_000}w{number}e{end}", f"198.18.{number}.{end}"))
        (_, near, _), (_, far, _) = ends
        run("ip", "link", "add", near, "netns", one.name, "type", "veth", "peer", "name", far, "netns", other.name)
        for host, wire, address in ends:
            run(*host.inside("ip", "addr", "add", f"{address}/24", "dev", wire))
            run(*host.inside("ip", "link", "set", wire, "up"))
        return ends[0][2], ends[1][2]

    def remove(self) -> None:
        """Remove all hosts and their wires."""
        for name in self._names:
            run("ip", "netns", "del", name, check=False)
        self._names.clear()


@contextmanager
def network() -> Iterator[Network]:
    """Make hosts, and remove them when the block ends."""
    made = Network()
    try:
        yield made
    finally:
        made.remove()
