"""Turns the raw points into a clean file for the trainer: bad rows are dropped."""

import csv
import json
import os

source, target = os.environ["INPUT_DIR"], os.environ["OUTPUT_DIR"]
points, dropped = [], 0
for name in sorted(os.listdir(source)):
    with open(os.path.join(source, name), encoding="utf-8") as f:
        for row in csv.DictReader(f):
            try:
                points.append([float(row["x"]), float(row["y"])])
            except (TypeError, ValueError):
                dropped += 1
os.makedirs(target, exist_ok=True)
with open(os.path.join(target, "points.json"), "w", encoding="utf-8") as f:
    json.dump(points, f)
print(f"{len(points)} points processed, {dropped} dropped", flush=True)
