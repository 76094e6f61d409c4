#!/usr/bin/python3
# nvidia-smi of the stand-in: it answers what tests have written into its
# state, and needs the driver's library as the real one does.
import ctypes, json, os, signal, sys, time

HOME = "@HOME@"


def load():
    with open(HOME + "/state.json") as f:
        return json.load(f)


def fail(code, text):
    print(text)
    sys.exit(code)


def visible(cards):
    """Those whose devices the hook has lent, counted from 0; else all."""
    try:
        if os.stat("/dev/nvidiactl").st_rdev != os.makedev(1, 3):
            return cards  # of a real driver
    except OSError:
        return cards
    found = [c for c in cards if os.path.exists("/dev/nvidia%d" % c["index"])]
    return [dict(c, index=i) for i, c in enumerate(found)]


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def held(state):
    """What programs hold: (pid, uuid, MiB, alive). What a dead one held is
    given back after a while, counted from when somebody first looks."""
    found = []
    folder = HOME + "/held"
    for name in sorted(os.listdir(folder)):
        if not name.isdigit():
            continue
        path = os.path.join(folder, name)
        try:
            with open(path) as f:
                uuid, mib = f.read().split()
        except (OSError, ValueError):
            continue  # given back meanwhile
        pid = int(name)
        if alive(pid):
            found.append((pid, uuid, int(mib), True))
            continue
        died = path + ".died"
        if not os.path.exists(died):
            open(died, "w").close()
        release = state["release"]
        if 0 <= release <= time.time() - os.stat(died).st_mtime:
            os.unlink(path)
            os.unlink(died)
            continue
        found.append((pid, uuid, int(mib), False))
    return found


def main():
    args = sys.argv[1:]
    with open(HOME + "/asked", "a") as f:
        f.write(" ".join(args) + "\n")
    state = load()
    mode = state["mode"]
    if mode == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while load()["mode"] == "hang":
            time.sleep(0.05)
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        fail(12, "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that the NVIDIA Display Driver is properly installed and present in your system.\n"
                 "Please also try adding directory that contains libnvidia-ml.so to your system PATH.")
    if mode == "mismatch":
        fail(18, "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 570.133")
    if mode == "unknown":
        fail(255, "Failed to initialize NVML: Unknown Error")
    if mode == "no-driver":
        fail(9, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.")
    cards = visible(state["cards"] or [])
    if not cards:
        fail(6, "No devices were found")
    memory = held(state)
    options = dict(a.split("=", 1) for a in args if a.startswith("--") and "=" in a)
    sep = ", "
    if "-L" in args:
        for c in cards:
            print("GPU %d: %s (UUID: %s)" % (c["index"], c["name"], c["uuid"]))
            for i, m in enumerate(c["migs"] or []):
                print("  %-15s Device  %d: (UUID: %s)" % ("MIG " + m["profile"], i, m["uuid"]))
        return
    plain = options.get("--format") == "csv,noheader,nounits"
    if "--query-gpu" in options:
        if not plain:
            fail(2, "the stand-in has csv,noheader,nounits only")
        for c in cards:
            used = c["used"] + sum(mib for _, uuid, mib, _ in memory if uuid == c["uuid"])
            values = {
                "index": c["index"], "uuid": c["uuid"], "name": c["name"], "pci.bus_id": c["bus"], "driver_version": state["driver"],
                "memory.total": c["memory"], "memory.used": used, "memory.free": c["memory"] - used, "utilization.gpu": 0,
                "compute_cap": c["cap"], "mig.mode.current": "Enabled" if c["migs"] else "Disabled",
            }
            if c["migs"]:
                values["utilization.gpu"] = "[N/A]"
            row = []
            for field in options["--query-gpu"].split(","):
                if field not in values or field in (state["unknown"] or []):
                    fail(2, 'Field "%s" is not a valid field to query.\n' % field)
                row.append(str(values[field]))
            print(sep.join(row))
        return
    if "--query-compute-apps" in options:
        if not plain:
            fail(2, "the stand-in has csv,noheader,nounits only")
        apps = [(a["pid"], a["uuid"], a["used"]) for a in state["apps"] or []]
        apps += [(pid + state["pidOffset"], uuid, mib) for pid, uuid, mib, living in memory if living]
        for pid, uuid, used in apps:
            values = {"pid": pid, "gpu_uuid": uuid, "used_gpu_memory": used, "used_memory": used, "process_name": "[Not Found]"}
            row = []
            for field in options["--query-compute-apps"].split(","):
                if field not in values:
                    fail(2, 'Field "%s" is not a valid field to query.\n' % field)
                row.append(str(values[field]))
            print(sep.join(row))
        return
    if not args:
        print("| NVIDIA-SMI %-12s Driver Version: %-12s |" % (state["driver"], state["driver"]))
        for c in cards:
            print("| %3d  %-40s %d MiB |" % (c["index"], c["name"], c["memory"]))
        return
    fail(2, "Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n")


main()
