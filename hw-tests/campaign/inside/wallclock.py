"""Runs in the guest: reads, sets and vouches for its wall clock.

`apart`: how far the wall clock is ahead of the clock since boot, in nanoseconds. `set APART`: puts it there. `synchronised`:
tells the kernel that it is right, as an NTP client does (adjtimex(2)); setting the clock takes that back. Each says `apart`.
"""
import ctypes
import sys
import time

ADJ_MAXERROR, ADJ_ESTERROR, ADJ_STATUS = 0x04, 0x08, 0x10


class Timex(ctypes.Structure):
    """struct timex up to what is set, and room for the rest."""

    _fields_ = [
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long), ("status", ctypes.c_int), ("rest", ctypes.c_byte * 256),
    ]


def main() -> None:
    what = sys.argv[1]
    if what == "set":
        since_boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        time.clock_settime_ns(time.CLOCK_REALTIME, since_boot + int(sys.argv[2]))
    elif what == "synchronised":
        asked = Timex(modes=ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR, maxerror=1000, esterror=1000, status=0)
        if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(asked)) < 0:
            raise OSError(ctypes.get_errno(), "adjtimex")
    print(time.clock_gettime_ns(time.CLOCK_REALTIME) - time.clock_gettime_ns(time.CLOCK_BOOTTIME))


main()
