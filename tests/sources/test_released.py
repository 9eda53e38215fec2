"""The manifest, the mirror and the downloads. Every server here listens on the loopback interface only."""

from __future__ import annotations

import collections
import json
import lzma
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from astraios_utils import schema, store
from astraios_utils.schema import METHODS, SIZES, Model
from astraios_utils.sources import released
from astraios_utils.sources.released import Artefact, Patience

BODY = bytes(range(256)) * 2000  # 512,000 bytes: several reads, so that a stream can break off in the middle
SENT = 3 * released.CHUNK  # what a server sends before it breaks off; whole reads, since the rest of one is lost
ARTEFACT = Artefact("astraios/x.json", "owner/repo/commit/x.json", store.git_blob_sha1(BODY), len(BODY))
QUICK = Patience(attempts=3, connect=2.0, stall=0.5, pause=0.01, longest=1.5)


def whole(handler: BaseHTTPRequestHandler) -> None:
    """Answer as raw.githubusercontent.com does: all of it, or the range that was asked for."""
    start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
    if start >= len(BODY):
        handler.send_error(416)
        return
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
    handler.send_header("Content-Length", str(len(BODY) - start))
    handler.end_headers()
    handler.wfile.write(BODY[start:])


def rangeless(handler: BaseHTTPRequestHandler) -> None:
    """A server that ignores ranges."""
    del handler.headers["Range"]
    whole(handler)


def cut(handler: BaseHTTPRequestHandler) -> None:
    """Announce everything, send the beginning, hang up."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(BODY)))
    handler.end_headers()
    handler.wfile.write(BODY[:SENT])


def unannounced_cut(handler: BaseHTTPRequestHandler) -> None:
    """The same without a length: only the manifest can tell."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(BODY[:SENT])


def wrong(handler: BaseHTTPRequestHandler) -> None:
    """As many bytes, others."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(BODY)))
    handler.end_headers()
    handler.wfile.write(BODY[::-1])


def stall(handler: BaseHTTPRequestHandler) -> None:
    """Send the beginning, then nothing for longer than the client waits."""
    cut(handler)
    handler.wfile.flush()
    time.sleep(1.5)


def status(code: int, after: str | None = None) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        if after is not None:
            handler.send_header("Retry-After", after)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


class Server:
    """Answers requests one after the other as ``script`` says, then as :func:`whole`; keeps what was asked."""

    def __init__(self) -> None:
        self.script: collections.deque[Callable[[BaseHTTPRequestHandler], None]] = collections.deque()
        self.asked: list[tuple[str, str | None]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, self.headers.get("Range")))
                (server.script.popleft() if server.script else whole)(self)

            do_HEAD = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def upstream(build: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("ASTRAIOS_UPSTREAM", server.url)
    (tmp_path / "empty-mirror").mkdir()
    monkeypatch.setenv("ASTRAIOS_MIRROR", str(tmp_path / "empty-mirror"))
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def download() -> bytes:
    return released.download(ARTEFACT, QUICK).read_bytes()


def part() -> Path:
    return released.cached(ARTEFACT).with_name("x.json.part")


# The manifest


def test_the_manifest_has_380_files_of_the_grid() -> None:
    # counts by task: 28 models for the six tasks that all have; 14 + 24 + 23 + 21 + 23 + 23 for HumanEvalPack
    manifest = released.manifest()
    assert len(manifest) == 380
    counts = collections.Counter(file.task for file in manifest)
    assert {task: n for task, n in counts.items() if n != 28} == {
        "explain-java": 14,
        "explain-python": 24,
        "repair-java": 23,
        "repair-python": 21,
        "synthesize-java": 23,
        "synthesize-python": 23,
    }
    assert {file.size for file in manifest} == set(SIZES)
    assert {file.method for file in manifest} == set(METHODS)
    assert all(len(file.git_blob_sha1) == 40 for file in manifest)


def test_a_cell_is_scored_from_one_file_at_most() -> None:
    scored = collections.Counter((f.task, f.model) for f in released.manifest() if f.use == "scored")
    assert set(scored.values()) == {1}
    assert len(scored) == 373  # 380 files less six second files and one partial one
    assert len(released.files("synthesize-python", "1B", "FFT")) == 2


def test_of_two_files_the_one_that_reproduces_table_3_is_chosen_and_the_note_says_so() -> None:
    chosen = released.choose("synthesize-python", Model("3B", "FFT"))
    assert chosen is not None
    assert chosen.path.endswith("generations-humanevalsynthesizepython-starcoderbase-3b-fft.json")
    assert "table 3" in chosen.note


def test_a_cell_with_a_partial_file_or_none_is_not_scored() -> None:
    assert released.choose("aatk", Model("1B", "LoRA")) is None
    assert released.choose("synthesize-python", Model("16B", "LoRA")) is None


def test_no_released_file_is_a_copy_of_another() -> None:
    assert released.duplicates() == {}


def test_the_manifest_names_what_the_mirror_has(mirror: Path) -> None:
    there = {str(p.relative_to(mirror / "astraios"))[:-3] for p in (mirror / "astraios").rglob("*.xz")}
    assert there == {file.path for file in released.manifest() if file.bytes is not None}


@pytest.mark.slow
@pytest.mark.parametrize("step", [pytest.param(25, marks=pytest.mark.smoke, id="a-few"), pytest.param(1, id="all")])
def test_every_mirrored_file_is_what_the_manifest_says(mirror: Path, build: Path, step: int) -> None:
    for file in [file for file in released.manifest() if file.bytes is not None][::step]:
        path = released.locate(file)
        assert path is not None
        data = released.read_bytes(path)
        assert (len(data), store.sha256(data)) == (file.bytes, file.sha256)


# Files on disk


def place_in_mirror(folder: Path, data: bytes, suffix: str = ".xz") -> Path:
    path = folder / "astraios" / f"x.json{suffix}"
    path.parent.mkdir(parents=True)
    path.write_bytes(lzma.compress(data) if suffix == ".xz" else data)
    return path


@pytest.fixture
def folder(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv("ASTRAIOS_MIRROR", str(folder))
    return folder


@pytest.mark.parametrize("suffix", [".xz", ""])
def test_a_mirrored_file_is_found_compressed_or_not(folder: Path, suffix: str) -> None:
    path = place_in_mirror(folder, BODY, suffix)
    assert released.find(ARTEFACT) == path


def test_a_mirrored_file_with_other_bytes_is_refused(folder: Path) -> None:
    place_in_mirror(folder, BODY[:-1])
    with pytest.raises(schema.BadInput, match="is not upstream's file"):
        released.find(ARTEFACT)


def test_a_mirrored_file_that_is_cut_short_is_refused(folder: Path) -> None:
    path = place_in_mirror(folder, BODY)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(schema.BadInput, match="cut short"):
        released.find(ARTEFACT)


def test_a_file_is_hashed_once_and_again_when_it_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place_in_mirror(folder, BODY)
    reads = []
    real = released.read_bytes
    monkeypatch.setattr(released, "read_bytes", lambda p: reads.append(p) or real(p))
    released.find(ARTEFACT)
    released.find(ARTEFACT)
    assert len(reads) == 1
    path.write_bytes(lzma.compress(BODY + b"!"))
    with pytest.raises(schema.BadInput, match="is not upstream's file"):
        released.find(ARTEFACT)


def test_a_mirror_that_is_no_folder_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ASTRAIOS_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(schema.BadInput, match="nowhere is not a folder"):
        released.mirror()


def test_the_mirror_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRAIOS_MIRROR", "none")
    assert released.mirror() is None


def test_zstandard_files_are_read_and_damage_is_told(tmp_path: Path) -> None:
    from pyarrow import lib

    good = lib.compress(BODY, codec="zstd", asbytes=True)
    (tmp_path / "a.zst").write_bytes(good)
    assert released.read_bytes(tmp_path / "a.zst") == BODY
    (tmp_path / "b.zst").write_bytes(good[:-5])
    with pytest.raises(schema.BadInput, match="cut short"):
        released.read_bytes(tmp_path / "b.zst")


# Downloads


def test_a_download_lands_in_the_cache_and_leaves_nothing_else(upstream: Server) -> None:
    assert download() == BODY
    assert upstream.asked == [("/owner/repo/commit/x.json", None)]
    assert sorted(p.name for p in released.cached(ARTEFACT).parent.iterdir()) == ["x.json"]


@pytest.mark.parametrize("fault", [cut, unannounced_cut, stall])
def test_what_broke_off_is_continued_where_it_stopped(
    upstream: Server, fault: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    upstream.script.append(fault)
    assert download() == BODY
    assert [asked[1] for asked in upstream.asked] == [None, f"bytes={SENT}-"]


def test_a_server_without_ranges_sends_all_again(upstream: Server) -> None:
    upstream.script.extend([cut, rangeless])
    assert download() == BODY


def test_what_a_killed_run_left_is_continued(upstream: Server) -> None:
    part().parent.mkdir(parents=True)
    part().write_bytes(BODY[:1000])
    assert download() == BODY
    assert upstream.asked[0][1] == "bytes=1000-"


def test_a_leftover_of_something_else_is_replaced(upstream: Server) -> None:
    part().parent.mkdir(parents=True)
    part().write_bytes(b"not it" * 100)
    assert download() == BODY


def test_a_leftover_that_is_complete_is_taken(upstream: Server) -> None:
    part().parent.mkdir(parents=True)
    part().write_bytes(BODY)
    assert download() == BODY
    assert len(upstream.asked) == 1  # which was answered 416


def test_an_unfinished_file_is_never_found(upstream: Server) -> None:
    part().parent.mkdir(parents=True)
    part().write_bytes(BODY)
    assert released.find(ARTEFACT) is None


def test_wrong_bytes_are_fetched_once_more_then_refused(upstream: Server) -> None:
    upstream.script.extend([wrong, wrong])
    with pytest.raises(schema.MissingArtefact, match="not those of the manifest"):
        download()
    assert len(upstream.asked) == 2
    assert not released.cached(ARTEFACT).exists()
    assert part().stat().st_size == 0
    assert download() == BODY  # the next run starts afresh


def test_404_is_final(upstream: Server) -> None:
    upstream.script.append(status(404))
    with pytest.raises(schema.MissingArtefact, match="HTTP 404"):
        download()
    assert len(upstream.asked) == 1


@pytest.mark.parametrize("after", ["0", formatdate(0, usegmt=True), None, "soon"])
def test_429_is_tried_again(upstream: Server, after: str | None) -> None:
    upstream.script.append(status(429, after))
    assert download() == BODY
    assert len(upstream.asked) == 2


def test_retry_after_is_obeyed(upstream: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(released.time, "sleep", waits.append)
    upstream.script.extend([status(429, "1"), status(503)])
    assert download() == BODY
    assert waits == [1.0, QUICK.pause * 2]  # as asked; then the second pause, doubled


def test_a_server_that_asks_for_too_long_a_wait_is_left(upstream: Server) -> None:
    upstream.script.append(status(429, "3600"))
    with pytest.raises(schema.MissingArtefact, match="requests a wait of 3600 s"):
        download()


def test_a_server_that_never_answers_well_is_given_up(upstream: Server) -> None:
    upstream.script.extend([status(500)] * 3)
    with pytest.raises(schema.MissingArtefact, match=r"gave up after 3 tries .*HTTP 500"):
        download()


def test_without_network_one_line_says_what_to_do(build: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    server = Server()
    server.http.server_close()  # a port at which nobody listens
    monkeypatch.setenv("ASTRAIOS_UPSTREAM", server.url)
    assert not released.reachable(timeout=0.5)
    with pytest.raises(released.Unreachable, match=r"cannot be reached .*ASTRAIOS_MIRROR") as caught:
        released.fetch(released.files("defect"), progress=False, patience=QUICK)
    assert "\n" not in str(caught.value)


def test_reachable(upstream: Server) -> None:
    upstream.script.append(status(404))
    assert released.reachable()


def test_two_processes_fetch_a_file_once(upstream: Server) -> None:
    program = (
        "from astraios_utils.sources.released import Artefact, download;"
        f"print(len(download(Artefact(*{(ARTEFACT.place, ARTEFACT.origin, ARTEFACT.git_blob_sha1)!r})).read_bytes()))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=dict(os.environ), text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in started] == [str(len(BODY))] * 2
    assert len(upstream.asked) == 1
    assert sorted(p.name for p in released.cached(ARTEFACT).parent.iterdir()) == ["x.json"]


def test_a_cache_that_cannot_be_written_is_one_line(upstream: Server) -> None:
    part().parent.parent.mkdir(parents=True)
    part().parent.write_text("a file where a folder should be")
    with pytest.raises(schema.BadInput, match="cannot be written"):
        download()


def test_fetch_reports_each_file(
    upstream: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def file(name: str) -> released.ReleasedFile:
        sha = store.git_blob_sha1(BODY)
        return released.ReleasedFile(f"outputs/{name}.json", "defect", "1B", "LoRA", sha, len(BODY), "", "scored", "")

    upstream.script.extend([whole, status(404), whole])
    first = released.fetch([file("a"), file("b"), file("c")], patience=QUICK)
    assert (first.fetched, list(first.failed)) == (["outputs/a.json", "outputs/c.json"], ["outputs/b.json"])
    assert "2 fetched (1.0 MB), 1 failed" in str(first)
    assert "fetching" in capsys.readouterr().err  # the bar
    assert upstream.asked[0][0].startswith("/bigcode-project/astraios/c679bc5d")
    second = released.fetch([file("a"), file("b")], progress=False, patience=QUICK)
    assert (second.present, second.fetched) == (["outputs/a.json"], ["outputs/b.json"])


def test_benchmark_files_are_fetched_through_the_same_checks(upstream: Server, mirror: Path) -> None:
    place = "humanevalpack/java.jsonl"
    data = lzma.decompress((mirror / f"{place}.xz").read_bytes())

    def real(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(data)

    upstream.script.append(real)
    path = released.benchmark(place)
    assert path == store.cache_dir() / "upstream" / place
    assert json.loads(path.read_text().splitlines()[0])["task_id"] == "Java/0"
    assert "/bigcode-project/octopack/e17a8f64" in upstream.asked[0][0]
