"""A hub on this machine: enough of the protocol for huggingface_hub, transformers and datasets to fetch from it.

It serves folders as repositories under names of one's choice, and fails as the real one does: 401 without a token, 403
without access, 404, 429, truncated and stalled transfers.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" * 6 + "c0ff"
Fault = Literal["", "gated", "unauthorised", "forbidden", "limited", "truncated", "stalled", "broken"]


@dataclass
class Repository:
    """A folder that is served, and how it fails. ``token``: what a request must carry to read it."""

    folder: Path
    fault: Fault = ""
    token: str = ""
    times: int = 1 << 30  # how often it fails before it works


@dataclass
class Hub:
    """The repositories by kind and name, and what has been asked."""

    models: dict[str, Repository] = field(default_factory=dict)
    datasets: dict[str, Repository] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    stall: float = 60.0
    url: str = ""

    def find(self, path: str) -> tuple[str, str, Repository] | None:
        """Kind and name of a path's repository, and the repository."""
        for kind, held in (("datasets", self.datasets), ("models", self.models)):
            for name, repository in held.items():
                if f"/{name}/" in f"{path}/" and (kind == "models") != ("/datasets/" in path):
                    return kind, name, repository
        return None


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_POST(self) -> None:
            given = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(body=True, given=given)

        def _answer(self, body: bool, given: bytes = b"") -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(f"{self.command} {path}")
            if path == "/api/whoami-v2":
                return self._json({"name": "reader", "type": "user", "auth": {"type": "access_token"}})
            if path == "/api/repos/create":
                made = json.loads(given)
                return self._json({"url": f"{hub.url}/{made.get('organization') or 'reader'}/{made['name']}"})
            if path == "/api/validate-yaml":
                return self._json({"errors": [], "warnings": []})
            found = hub.find(path)
            if found is None:
                return self._error(404, "RepoNotFound", "Repository not found")
            kind, name, repository = found
            if self._fails(repository, path):
                return None
            rest = path.split(f"/{name}", 1)[1].strip("/")
            if not path.startswith("/api/"):
                return self._file(repository, rest, body)
            return self._api(kind, name, repository, rest, given)

        def _fails(self, repository: Repository, path: str) -> bool:
            """Answer with the repository's fault, if it has one that concerns this request."""
            header = self.headers.get("Authorization", "")
            if repository.token and header != f"Bearer {repository.token}":
                self._error(401, "RepoNotFound" if not header else "", "Invalid credentials")
                return True
            if repository.times <= 0:
                return False
            reads = "/resolve/" in path or path.endswith("auth-check")
            if repository.fault == "gated" and reads:
                self._error(403, "GatedRepo", "Access to this repository is restricted")
            elif repository.fault == "unauthorised":
                self._error(401, "", "Invalid credentials")
            elif repository.fault == "forbidden":
                self._error(403, "", "Forbidden")
            elif repository.fault == "limited":
                self._error(429, "", "Too many requests")
            elif repository.fault == "broken":
                self._error(500, "", "Internal error")
            else:
                return False
            repository.times -= 1
            return True

        def _api(self, kind: str, name: str, repository: Repository, rest: str, given: bytes) -> None:
            parts = rest.split("/")
            if rest == "auth-check":
                return self._json({})
            if parts[0] == "preupload":
                wanted = [one["path"] for one in json.loads(given)["files"]]
                return self._json(
                    {"files": [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in wanted]}
                )
            if parts[0] == "commit":
                return self._commit(name, repository, given)
            if parts[0] in ("revision", "tree", "paths-info") and parts[1] not in ("main", COMMIT):
                return self._error(404, "RevisionNotFound", "Invalid rev id")
            files = sorted(p for p in repository.folder.rglob("*") if p.is_file())
            names = [str(path.relative_to(repository.folder)) for path in files]
            if parts[0] == "tree":
                under = "/".join(parts[2:])
                chosen = [n for n in names if n.startswith(f"{under}/" if under else "")]
                if under and not chosen:
                    return self._error(404, "EntryNotFound", "Not found")
                return self._json([self._entry(repository, one) for one in chosen])
            if parts[0] == "paths-info":
                wanted = json.loads(given)["paths"] if given.startswith(b"{") else []
                return self._json([self._entry(repository, one) for one in names if one in wanted])
            if rest and parts[0] != "revision":
                return self._error(404, "EntryNotFound", "Not found")
            return self._json(
                {
                    "id": name,
                    "sha": COMMIT,
                    "private": False,
                    "gated": repository.fault == "gated",
                    "disabled": False,
                    "tags": [],
                    "downloads": 0,
                    "lastModified": "2026-01-01T00:00:00.000Z",
                    "siblings": [{"rfilename": one} for one in names],
                }
            )

        def _commit(self, name: str, repository: Repository, given: bytes) -> None:
            """Keep the files of an upload."""
            for line in given.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    (repository.folder / entry["value"]["path"]).write_bytes(
                        base64.b64decode(entry["value"]["content"])
                    )
            self._json({"commitUrl": f"{hub.url}/{name}/commit/{COMMIT}", "commitOid": COMMIT})

        def _entry(self, repository: Repository, name: str) -> dict[str, Any]:
            data = (repository.folder / name).read_bytes()
            return {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}

        def _file(self, repository: Repository, rest: str, body: bool) -> None:
            _, revision, name = rest.split("/", 2)
            if revision not in ("main", COMMIT):
                return self._error(404, "RevisionNotFound", "Invalid rev id")
            path = repository.folder / name
            if not path.is_file():
                return self._error(404, "EntryNotFound", "Entry not found")
            data = path.read_bytes()
            start = 0
            if (asked := self.headers.get("Range", "")).startswith("bytes="):
                start = int(asked.removeprefix("bytes=").partition("-")[0] or 0)
            self.send_response(206 if start else 200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
            self.send_header("Content-Length", str(len(data) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            if body:
                self._send(repository, data[start:])
            return None

        def _send(self, repository: Repository, data: bytes) -> None:
            if repository.fault in ("truncated", "stalled") and repository.times > 0 and len(data) > 1000:
                repository.times -= 1
                self.wfile.write(data[: len(data) // 2])
                self.wfile.flush()
                if repository.fault == "stalled":
                    time.sleep(hub.stall)
                self.close_connection = True
                return
            self.wfile.write(data)

        def _json(self, value: Any) -> None:
            self._write(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

        def _error(self, status: int, code: str, text: str) -> None:
            headers = {"X-Error-Message": text, **({"X-Error-Code": code} if code else {})}
            self._write(status, json.dumps({"error": text}).encode(), headers)

        def _write(self, status: int, data: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    return Handler


@contextlib.contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve a hub on a free port for the length of the block; its address is ``hub.url``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def variables(hub: Hub, home: Path, token: str = "") -> dict[str, str]:
    """The environment of a process that uses this hub, with a cache of its own."""
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_TOKEN": token,
        "HF_HUB_DOWNLOAD_TIMEOUT": "2",
        "HF_HUB_ETAG_TIMEOUT": "2",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "0",
    }
