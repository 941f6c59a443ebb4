"""An OpenID Connect issuer on a free port: discovery, keys that can be changed, and tokens that are right or wrong on purpose."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

AUDIENCE = "onevault"


class Issuer:
    """`keys` are its private keys by id, and the first signs; `requests` the paths that were asked for; `is_away` answers 503."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {"first": rsa.generate_private_key(65537, 2048)}
        self.requests: list[str] = []
        self.is_away = False
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.requests.append(self.path)
                documents = {"/.well-known/openid-configuration": issuer.discovery, "/keys": issuer.key_set}
                found = documents.get(self.path)
                body = json.dumps(found() if found else {}).encode()
                self.send_response(503 if issuer.is_away else 200 if found else 404)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def discovery(self) -> dict[str, Any]:
        return {"issuer": self.url, "jwks_uri": f"{self.url}/keys", "id_token_signing_alg_values_supported": ["RS256"]}

    def key_set(self) -> dict[str, Any]:
        """Public keys, a key for encryption and a shared secret, which must not verify anything."""
        public = []
        for name, key in self.keys.items():
            kind = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
            public.append(json.loads(kind.to_jwk(key.public_key())) | {"kid": name, "use": "sig"})
        secret = base64.urlsafe_b64encode(b"s" * 32).decode().rstrip("=")
        return {"keys": [*public, {"kty": "oct", "kid": "secret", "k": secret}, {"kty": "odd"}]}

    def add_key(self, name: str) -> None:
        self.keys[name] = ec.generate_private_key(ec.SECP256R1())

    def token(
        self,
        *,
        key_id: str = "first",
        key: Any = None,
        algorithm: str = "",
        without: tuple[str, ...] = (),
        **claims: Any,
    ) -> str:
        said = {"iss": self.url, "aud": AUDIENCE, "sub": "somebody", "exp": int(time.time()) + 600} | claims
        signing = key if key is not None else self.keys[key_id]
        algorithm = algorithm or ("RS256" if isinstance(signing, rsa.RSAPrivateKey) else "ES256")
        kept = {name: value for name, value in said.items() if name not in without}
        return jwt.encode(kept, signing, algorithm=algorithm, headers={"kid": key_id} if key_id else None)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
