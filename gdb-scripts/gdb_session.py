"""GDB's side of a session: obeys one order a line on standard input, answers each with one line on standard output.

Runs in the Python of GDB 8.1 and later. An order is a JSON object with "do" and its arguments; an answer is the mark below,
then a JSON object: what was asked for, or {"error": ...}. Everything else on standard output is GDB's own talk, for the
analyzer to read. The decisions (which thread, which address) are the analyzer's; here is only the hand.
"""
import json
import os
import sys

import gdb

MARK = "\x1egdb-session "


def answer(value):
    # Not print(): GDB would page it, fold it, or hold it back.
    sys.stdout.flush()
    os.write(1, (MARK + json.dumps(value) + "\n").encode("utf-8"))


def run(command):
    return gdb.execute(command, False, True)


def number(expression):
    return int(gdb.parse_and_eval(expression)) & 0xFFFFFFFFFFFFFFFF


def prepare(order):
    """Settings that must hold before anything is attached to, then the symbols of the executable."""
    for setting in (
        "pagination off", "confirm off", "height 0", "width 0", "print thread-events off", "print inferior-events off",
        # Locks held by other threads must be able to be released (with it on, calls deadlock).
        "scheduler-locking off", "schedule-multiple off", "non-stop off", "detach-on-fork on", "follow-fork-mode parent",
        "unwindonsignal on", "may-call-functions on", "step-mode off", "breakpoint always-inserted off",
    ):
        try:
            run("set " + setting)
        except gdb.error:
            pass  # a setting that this GDB does not have
    if order.get("sysroot"):
        run("set sysroot " + order["sysroot"])
    try:
        run("set exec-file-mismatch off")  # GDB 10; the analyzer compares build-ids itself
    except gdb.error:
        pass
    if order.get("executable"):
        run("file " + quoted(order["executable"]))
    # What is not for the debugger passes it by.
    run("handle all nostop noprint pass")
    run("handle SIGTRAP stop print nopass")
    run("handle SIGSTOP stop print nopass")
    return {"gdb": gdb.VERSION}


def quoted(path):
    return '"%s"' % path.replace("\\", "\\\\").replace('"', '\\"')


def attach(order):
    return {"talk": run("attach %d" % order["pid"])}


def symbols(order):
    """Loads the symbols of the shared libraries whose name matches; says where the functions asked for are."""
    talk = run("sharedlibrary " + order["library"]) if order.get("library") else ""
    found = {}
    for name in order["functions"]:
        try:
            found[name] = number("(unsigned long)&" + name)
        except gdb.error as error:
            talk += "%s: %s\n" % (name, error)
    return {"functions": found, "talk": talk}


REGISTERS = ("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
             "orig_rax", "rip", "rsp", "fs_base")


def threads(order):
    """All threads with their registers, without the flags: nobody asks, and GDB does not count them as a number."""
    found = []
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        registers = {}
        for name in REGISTERS:
            registers[name] = number("(unsigned long)$" + name)
        found.append({"tid": thread.ptid[1], "registers": registers})
    return {"threads": found}


def select(tid):
    for thread in gdb.selected_inferior().threads():
        if thread.ptid[1] == tid:
            thread.switch()
            return
    raise gdb.error("no thread %d" % tid)


def send(order):
    """Sends a thread to an address. Its other registers, where given, are set first, the address last but one: whatever
    happens in between, the thread goes on as a whole, here or there."""
    select(order["tid"])
    for name, value in (order.get("registers") or {}).items():
        if name not in ("rip", "orig_rax", "fs_base"):
            run("set $%s = %d" % (name, value))
    run("set $rip = %d" % order["entry"])
    # Else the kernel takes the change of address for a reason to restart an interrupted system call.
    run("set $orig_rax = -1")
    return {}


def proceed(order):
    """Lets it run until it stops or ends, however long that takes: the analyzer has the clock."""
    try:
        talk = run("continue")
    except gdb.error as error:
        talk = str(error)
    inferior = gdb.selected_inferior()
    if inferior.pid == 0:
        return {"now": "ended", "talk": talk}
    threads = inferior.threads()
    return {"now": "stopped" if threads else "ended", "talk": talk}


def detach(order):
    return {"talk": run("detach")}


ORDERS = {"prepare": prepare, "attach": attach, "symbols": symbols, "threads": threads, "send": send, "continue": proceed,
          "detach": detach}


def main():
    answer({"ready": gdb.VERSION})
    while True:
        line = sys.stdin.readline()
        if not line:
            break  # the analyzer is gone: GDB ends and lets go of what it holds
        try:
            order = json.loads(line)
            if order["do"] == "quit":
                break
            answer(ORDERS[order["do"]](order))
        except Exception as error:  # whatever it is, the analyzer has to hear of it
            answer({"error": "%s: %s" % (type(error).__name__, error)})


main()
