"""A server that stands in for the API of a judge."""

import base64
import io
import json
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

MODEL = "judge-7b"
HANG_UP = object()


class Server(BaseHTTPRequestHandler):
    """Speaks /v1/chat/completions, refuses a request of another shape, and notes what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            assert self.path == "/v1/chat/completions"
            assert request["temperature"] == 0
            assert not request.get("stream")
            (message,) = request["messages"]
            assert message["role"] == "user"
            *pictures, text = message["content"]
            assert text["type"] == "text"
            images = []
            for picture in pictures:
                assert picture["type"] == "image_url"
                head, _, data = picture["image_url"]["url"].partition(",")
                assert head == "data:image/png;base64"
                images.append(np.asarray(Image.open(io.BytesIO(base64.b64decode(data, validate=True)))))
        except (AssertionError, KeyError, ValueError) as problem:
            return self.answer(400, {"error": {"message": f"not of this shape: {problem!r}"}})
        if request["model"] != MODEL:
            return self.answer(404, {"error": {"message": f"The model {request['model']} does not exist."}})
        self.server.asked.append((images, text["text"], self.headers["Authorization"]))
        reply = self.server.reply(images, text["text"])
        if reply is HANG_UP:
            self.close_connection = True
            return None
        if isinstance(reply, int):
            return self.answer(reply, {"error": {"message": "no luck"}})
        if isinstance(reply, bytes):
            return self.answer(200, reply)
        words, finish = reply if isinstance(reply, tuple) else (reply, "stop")
        choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": words}}
        return self.answer(
            200, {"id": "1", "object": "chat.completion", "created": 0, "model": MODEL, "choices": [choice]}
        )

    def answer(self, status, body):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        with suppress(BrokenPipeError):  # it was too slow
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def serving(reply):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.asked, server.reply, server.daemon_threads = [], lambda *_: "Score: 1", True
    server.url = f"http://127.0.0.1:{server.server_port}/v1"
    server.script = reply
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def made(kind, server, **options):
    """The judge, past its trial question, with the server's script in force."""
    judge = kind(server.url, MODEL, **{"retries": 0, "workers": 4, **options})
    server.asked.clear()
    server.reply = server.script
    return judge
