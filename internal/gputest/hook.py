#!/usr/bin/python3
# What NVIDIA's runtime hook does before a container starts, as its engine calls
# it: an OCI prestart hook, with the state of the container on its input. In the
# container's mounts, below its root, which is not its root yet, it mounts the
# versioned libraries, nvidia-smi and the devices that the container asks for.
import json, os, re, subprocess, sys

HOME = "@HOME@"
LIBS = "@LIBS@"
LDCONFIG = "@LDCONFIG@"


def fail(text):
    sys.exit("nvidia-container-cli: " + text)


def wanted(cards, visible):
    """The cards of NVIDIA_VISIBLE_DEVICES, by number or UUID."""
    if visible == "all":
        return cards
    found = []
    for name in visible.split(","):
        chosen = [c for c in cards if name in (str(c["index"]), c["uuid"])]
        if not chosen:
            fail("device error: %s: unknown device" % name)
        found += chosen
    return found


def main():
    if sys.argv[1:] != ["prestart"]:
        sys.exit(0)
    state = json.load(sys.stdin)
    with open(os.path.join(state["bundle"], "config.json")) as f:
        config = json.load(f)
    env = dict(kv.split("=", 1) for kv in config["process"]["env"])
    visible = env.get("NVIDIA_VISIBLE_DEVICES", "void")
    if visible in ("", "void"):
        return
    with open(HOME + "/state.json") as f:
        driver = json.load(f)
    need = re.match(r"cuda>=(\d+)\.(\d+)", env.get("NVIDIA_REQUIRE_CUDA", ""))
    if need and (int(need[1]), int(need[2])) > tuple(driver["cuda"]) and env.get("NVIDIA_DISABLE_REQUIRE") not in ("1", "true"):
        fail("requirement error: unsatisfied condition: %s, please update your driver" % need[0])
    cards = [] if visible == "none" else wanted(driver["cards"] or [], visible)
    if visible == "none":
        nodes = []
    else:
        nodes = ["nvidiactl", "nvidia-uvm"] + ["nvidia%d" % c["index"] for c in cards]

    root = os.path.join(state["bundle"], config["root"]["path"])
    mounts = [(HOME + "/dev/" + n, "/dev/" + n) for n in nodes]
    mounts += [(HOME + "/lib/" + name, LIBS + "/" + name) for name in os.listdir(HOME + "/lib")]
    if "utility" in env.get("NVIDIA_DRIVER_CAPABILITIES", "utility"):
        mounts.append((HOME + "/bin/nvidia-smi", "/usr/bin/nvidia-smi"))
    mounts.append((HOME, HOME))  # where the stand-in keeps what it answers from
    script = 'set -e\nr="$1"; shift\nwhile [ $# -gt 0 ]; do\n  if [ -d "$1" ]; then mkdir -p "$r$2"; else mkdir -p "$(dirname "$r$2")"; : >>"$r$2"; fi\n' \
             '  mount --bind "$1" "$r$2"; shift 2\ndone\n'
    if LDCONFIG:
        script += 'ldconfig -r "$r"\nln -sf libcuda.so.1 "$r%s/libcuda.so"\n' % LIBS
    flat = [word for pair in mounts for word in pair]
    subprocess.run(["nsenter", "-t", str(state["pid"]), "-m", "--", "bash", "-c", script, "hook", root] + flat, check=True)


main()
