"""Fits y = weight * x + bias by gradient descent and tells the tracking server."""

import argparse
import json
import os
import time
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("--config", required=True)
with open(parser.parse_args().config, encoding="utf-8") as f:
    config = dict(line.strip().split(": ") for line in f if line.strip())
with open(os.path.join(os.environ["DATA_DIR"], "points.json"), encoding="utf-8") as f:
    points = json.load(f)


def log_metric(key, value):
    """Tells the tracking server; it may be a moment younger than we are."""
    request = urllib.request.Request(
        os.environ["MLFLOW_TRACKING_URI"] + "/api/metrics",
        data=json.dumps({"key": key, "value": value}).encode(),
        headers={"Content-Type": "application/json"})
    for attempt in range(100):
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except OSError:
            if attempt == 99:
                raise
            time.sleep(0.1)


weight = bias = 0.0
for _ in range(int(config["steps"])):
    slope = sum(2 * (weight * x + bias - y) * x for x, y in points) / len(points)
    shift = sum(2 * (weight * x + bias - y) for x, y in points) / len(points)
    weight -= float(config["learning_rate"]) * slope
    bias -= float(config["learning_rate"]) * shift
loss = sum((weight * x + bias - y) ** 2 for x, y in points) / len(points)
log_metric("loss", loss)

os.makedirs(os.environ["MODEL_DIR"], exist_ok=True)
path = os.path.join(os.environ["MODEL_DIR"], "best_model.pt")
with open(path + ".part", "w", encoding="utf-8") as f:
    json.dump({"weight": weight, "bias": bias}, f)
os.replace(path + ".part", path)
print(f"trained on devices {os.environ['CUDA_VISIBLE_DEVICES']}: loss {loss:.6f}", flush=True)
