"""Distance between two namespaces: every packet, the first SYN among them, arrives as much later
as the wire is long. Made of two TUN devices and a thread that carries packets between them."""

import contextlib
import fcntl
import heapq
import os
import select
import stat
import struct
import subprocess
import threading
import time

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 1, 0x1000


def _open_tun(name, directory):
    device = "/dev/net/tun"
    if not os.path.exists(device):
        device = str(directory / "tun")
        if not os.path.exists(device):
            os.mknod(device, stat.S_IFCHR | 0o600, os.makedev(10, 200))
    fd = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return fd


class Wire:
    """Between `near` and `far`, which get the addresses 10.N.0.1 and 10.N.0.2. A packet takes half
    of `rtt` seconds each way."""

    def __init__(self, near, far, number, rtt, directory):
        self.near_address, self.far_address = f"10.{number}.0.1", f"10.{number}.0.2"
        self._delay = rtt / 2
        self._ends = []
        for ns, address, end in ((near, self.near_address, "a"), (far, self.far_address, "b")):
            link = f"pt{os.getpid() % 100000}{end}{number}"
            self._ends.append(_open_tun(link, directory))
            subprocess.run(["ip", "link", "set", link, "netns", ns.name], check=True)
            ns.run("ip", "addr", "add", f"{address}/24", "dev", link)
            ns.run("ip", "link", "set", link, "up")
        self._wake, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def _carry(self):
        # A wire does not wait for the machine; as far as that can be had.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -15)
        under_way = []  # (when it is due, order, to which end, packet)
        order = 0
        while True:
            pause = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
            ready, _, _ = select.select([*self._ends, self._wake], [], [], pause)
            if self._wake in ready:
                return
            for end in ready:
                with contextlib.suppress(BlockingIOError):
                    packet = os.read(end, 65536)
                    order += 1
                    heapq.heappush(under_way, (time.monotonic() + self._delay, order,
                                               self._ends[1 - self._ends.index(end)], packet))
            while under_way and under_way[0][0] <= time.monotonic():
                _, _, end, packet = heapq.heappop(under_way)
                with contextlib.suppress(OSError):
                    os.write(end, packet)

    def close(self):
        os.write(self._stop, b"x")
        self._thread.join()
        for fd in (*self._ends, self._wake, self._stop):
            os.close(fd)
