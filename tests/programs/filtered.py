"""Idle under a seccomp filter, which happens to allow everything."""
import ctypes
import os


class Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.POINTER(Instruction))]


PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
RETURN, ALLOW = 0x06, 0x7FFF0000

libc = ctypes.CDLL(None, use_errno=True)
allow = Instruction(RETURN, 0, 0, ALLOW)
program = Program(1, ctypes.pointer(allow))
assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, ctypes.get_errno()
assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0, ctypes.get_errno()
os.write(1, b"ready\n")
while os.read(0, 100):
    pass
