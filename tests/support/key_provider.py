"""A provider that speaks OpenAI's chat and says which key it was called with; it refuses some keys, and quotes them in its refusal."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class KeyProvider:
    """`used` counts calls by key. Keys in `refused` are answered with 401."""

    def __init__(self) -> None:
        self.used: Counter[str] = Counter()
        self.refused: set[str] = set()

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serves; gives the base URL."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                key = self.headers.get("authorization", "").removeprefix("Bearer ")
                provider.used[key] += 1
                if key in provider.refused:
                    self._answer(401, {"error": {"message": f"Incorrect API key provided: {key}", "type": "invalid"}})
                    return
                usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
                choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
                self._answer(
                    200,
                    {
                        "id": "c",
                        "object": "chat.completion",
                        "created": 1,
                        "model": body["model"],
                        "choices": [choice],
                        "usage": usage,
                    },
                )

            def _answer(self, status: int, document: dict[str, Any]) -> None:
                data = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
