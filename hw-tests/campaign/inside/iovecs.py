#!/usr/bin/env python3
"""Runs in the guest: which memory does a thread hand to the socket?

    iovecs.py TID CALLS

Stops the thread at each writev and sendmsg it makes (ptrace), reads the addresses it passes, and
prints one JSON line a call: the pieces as [address, length, name of the mapping that holds it], and
what the kernel said, bytes taken or a negative errno.
strace shows what lies at those addresses, not the addresses.
"""

import ctypes
import json
import os
import sys

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, PTRACE_SYSCALL, PTRACE_GETREGS = 0x4206, 0x4207, 17, 24, 12
PTRACE_O_TRACESYSGOOD = 1
WALL = 0x40000000
WRITEV, SENDMSG = 20, 46
#: Names of user_regs_struct on x86-64, in order.
NAMES = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base "
         "ds es fs gs").split()

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, tid, addr=None, data=None):
    if libc.ptrace(request, tid, addr, data) == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def registers(tid):
    values = (ctypes.c_ulonglong * len(NAMES))()
    ptrace(PTRACE_GETREGS, tid, None, ctypes.cast(values, ctypes.c_void_p))
    return dict(zip(NAMES, values))


def mappings(tid):
    found = []
    with open(f"/proc/{tid}/maps") as lines:
        for line in lines:
            parts = line.split(None, 5)
            begin, end = (int(x, 16) for x in parts[0].split("-"))
            found.append((begin, end, parts[5].strip() if len(parts) > 5 else ""))
    return found


def main():
    tid, calls = int(sys.argv[1]), int(sys.argv[2])
    memory = os.open(f"/proc/{tid}/mem", os.O_RDONLY)
    word = lambda at: int.from_bytes(os.pread(memory, 8, at), "little")
    ptrace(PTRACE_SEIZE, tid, None, PTRACE_O_TRACESYSGOOD)
    ptrace(PTRACE_INTERRUPT, tid)
    entering, pieces = False, None
    try:
        while calls:
            _, status = os.waitpid(tid, WALL)
            if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                return
            signal = os.WSTOPSIG(status)
            if signal == 5 | 0x80:
                entering = not entering
                regs = registers(tid)
                if entering and regs["orig_rax"] in (WRITEV, SENDMSG):
                    table, count = regs["rsi"], regs["rdx"]
                    if regs["orig_rax"] == SENDMSG:
                        table, count = word(regs["rsi"] + 16), word(regs["rsi"] + 24)
                    maps = mappings(tid)
                    pieces = []
                    for nth in range(count):
                        base, size = word(table + 16 * nth), word(table + 16 * nth + 8)
                        holder = next((name for begin, end, name in maps if begin <= base < end), "?")
                        pieces.append([base, size, holder])
                elif not entering and pieces is not None:
                    took = regs["rax"] - (1 << 64) if regs["rax"] >> 63 else regs["rax"]
                    print(json.dumps({"fd": regs["rdi"], "took": took, "pieces": pieces}), flush=True)
                    pieces = None
                    calls -= 1
            ptrace(PTRACE_SYSCALL, tid)
        # Detaching needs a stopped thread.
        ptrace(PTRACE_INTERRUPT, tid)
        os.waitpid(tid, WALL)
    finally:
        try:
            ptrace(PTRACE_DETACH, tid)
        except OSError:
            pass


if __name__ == "__main__":
    main()
