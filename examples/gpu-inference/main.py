"""An ASGI application: y = weight * x + bias, with the model from MODEL_PATH."""

import json
import os
from urllib.parse import parse_qs

with open(os.path.join(os.environ["MODEL_PATH"], "linear.json"), encoding="utf-8") as f:
    MODEL = json.load(f)


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    query = parse_qs(scope["query_string"].decode())
    try:
        answer = {
            "y": MODEL["weight"] * float(query["x"][0]) + MODEL["bias"],
            "device": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
        }
        status = 200
    except (KeyError, ValueError):
        status, answer = 400, {"error": "x must be a number: /predict?x=3"}
    await send({"type": "http.response.start", "status": status,
                "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode() + b"\n"})
