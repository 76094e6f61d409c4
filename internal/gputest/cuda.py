#!/usr/bin/python3
# A program of CUDA that holds memory of a GPU: hold MIB [INDEX [fault]]. It needs the
# driver's library alone. With "fault" it then writes to memory that is not its own.
import ctypes, signal, sys

cuda = ctypes.CDLL("libcuda.so.1")


def call(name, *args):
    code = getattr(cuda, name)(*args)
    if code != 0:
        text = ctypes.c_char_p()
        cuda.cuGetErrorName(code, ctypes.byref(text))
        sys.exit("%s: %s" % (name, (text.value or b"error %d" % code).decode()))


size = int(sys.argv[1]) << 20
call("cuInit", 0)
device, context, memory = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
call("cuDeviceGet", ctypes.byref(device), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
call("cuCtxSetCurrent", context)
call("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(size))
call("cuMemsetD8_v2", memory, ctypes.c_ubyte(1), ctypes.c_size_t(size))
print("holds %s MiB" % sys.argv[1], flush=True)
if "fault" in sys.argv[3:]:
    ptx = b"""
.version 6.0
.target sm_60
.address_size 64
.visible .entry fault() {
  .reg .u64 %address;
  .reg .u32 %value;
  mov.u64 %address, 4096;
  mov.u32 %value, 1;
  st.global.u32 [%address], %value;
  ret;
}
"""
    module, function = ctypes.c_void_p(), ctypes.c_void_p()
    call("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(ptx))
    call("cuModuleGetFunction", ctypes.byref(function), module, b"fault")
    call("cuLaunchKernel", function, 1, 1, 1, 1, 1, 1, 0, None, None, None)
    call("cuCtxSynchronize")
while True:
    signal.pause()
