"""The Hugging Face hub: whether this machine may read what a suite names, and why not, in one line per cause."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from .. import schema

Kind = Literal["model", "dataset"]
KEPT = 1 << 30  # bytes of a data set that is downloaded whole; larger ones are streamed
TIMEOUT = 20.0  # seconds for each question to the hub


def home() -> Path:
    """The folder that downloads go to (``HF_HOME``)."""
    return Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and everything that it was raised from."""
    seen: set[int] = set()
    held: BaseException | None = error
    while held is not None and id(held) not in seen:
        seen.add(id(held))
        yield held
        held = held.__cause__ or held.__context__


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    return int(status) if status is not None else None


def _by_kind(error: BaseException) -> str:
    """The cause by the error's type alone; empty where that does not tell."""
    from huggingface_hub import errors

    causes: tuple[tuple[type[BaseException], str], ...] = (
        (errors.GatedRepoError, "its licence must be accepted on the hub: accept it, then log in with `hf auth login`"),
        (errors.DisabledRepoError, "the hub has disabled it: name another one"),
        (errors.RevisionNotFoundError, "it has no such revision: correct the revision in the suite"),
        (errors.OfflineModeIsEnabled, "HF_HUB_OFFLINE is set and it is not in the cache: unset it, or fetch it first"),
        (errors.EntryNotFoundError, "the hub's copy does not hold a required file: name another one or a folder"),
    )
    return next((text for kind, text in causes if isinstance(error, kind)), "")


_BY_STATUS = {
    401: "the hub requires a valid token: log in with `hf auth login`, or set HF_TOKEN",
    403: "the token may not read it: use a token with read access, or ask its owners",
    404: "no such repository on the hub, or a private one: correct the name, or log in with `hf auth login`",
    429: "the hub limits requests: wait a few minutes, or log in for a higher limit; the same command continues",
}


def cause(error: BaseException) -> str:
    """Say in a line why something could not be read from the hub, and what to do."""
    for one in _chain(error):
        if isinstance(one, OSError) and one.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"no space left for downloads in {home()}: free some, or set HF_HOME to a larger disk"
        status = _status(one)
        if status == 429 or (status is not None and status >= 500):
            return _BY_STATUS.get(status, f"the hub answers with error {status}: try again later")
        if text := _by_kind(one):
            return text
        if status in _BY_STATUS:
            return _BY_STATUS[status]
    names = {type(one).__name__ for one in _chain(error)}
    if names & {"RemoteProtocolError", "ReadError", "IncompleteRead", "ChunkedEncodingError", "ReadTimeout"}:
        return "the download was cut off: the same command continues it"
    if names & {"ConnectError", "ConnectTimeout", "ConnectionError", "LocalEntryNotFoundError", "TimeoutException"}:
        return "the hub cannot be reached and it is not in the cache: connect, or set HF_ENDPOINT to a mirror"
    text = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text[:200]


@functools.lru_cache(maxsize=64)
def commit(name: str, kind: Kind, revision: str | None = None) -> str:
    """The commit that a repository's revision means now; checks that this machine may read its files.

    Raises:
        schema.MissingArtefact: it may not, or cannot; says why.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    api = HfApi()
    ask = api.model_info if kind == "model" else api.dataset_info
    try:
        found = ask(name, revision=revision, timeout=TIMEOUT)
        api.auth_check(name, repo_type=kind)
    except HFValidationError:
        raise schema.MissingArtefact(f"{name}: no such folder, and no name of the hub") from None
    except (HfHubHTTPError, OSError, ValueError, RuntimeError) as error:
        raise schema.MissingArtefact(f"{name}: {cause(error)}") from None
    except Exception as error:  # httpx's errors share no public base with the above
        if type(error).__module__.partition(".")[0] not in ("httpx", "httpcore", "requests"):
            raise
        raise schema.MissingArtefact(f"{name}: {cause(error)}") from None
    return str(found.sha)


def remote(suite: schema.Suite) -> Iterator[tuple[str, Kind, str | None]]:
    """What a suite reads from the hub: name, kind and revision of each base and of the corpus."""
    from . import corpus

    for size in suite.sizes:
        base = suite.bases.get(size)
        if base is not None and not base.is_local:
            yield base.model, "model", base.revision
    recipe = suite.recipe
    if recipe is None or recipe.corpus.startswith("mirror:") or Path(recipe.corpus).is_dir():
        return
    if corpus.local(recipe.corpus) is None:
        yield recipe.corpus, "dataset", recipe.corpus_revision


def snapshot(name: str, revision: str | None) -> Path | None:
    """The folder of a data set's copy in the cache, downloaded first; ``None``: it is too large to be kept whole.

    Machines without internet read the copy that another one has made in a shared ``HF_HOME``.

    Raises:
        schema.MissingArtefact: it is neither cached nor downloadable.
    """
    import huggingface_hub

    fetch = functools.partial(huggingface_hub.snapshot_download, name, repo_type="dataset", revision=revision)
    offline = os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0")
    try:
        if not offline:
            listed = huggingface_hub.HfApi().list_repo_tree(
                name, recursive=True, revision=revision, repo_type="dataset"
            )
            if sum(getattr(entry, "size", None) or 0 for entry in listed) > KEPT:
                return None
        return Path(fetch(local_files_only=offline))
    except Exception as error:  # httpx's, the hub's and the disk's errors share no base
        with contextlib.suppress(Exception):
            return Path(fetch(local_files_only=True))  # of an earlier run
        raise schema.MissingArtefact(f"{name}: {cause(error)}") from None


def check_access(suite: schema.Suite) -> dict[str, str]:
    """Check, before anything is downloaded, that this machine may read every base and the corpus of a suite.

    Returns:
        The commit of each by its name; empty where everything is local, or the hub's cache alone is used.

    Raises:
        schema.MissingArtefact: a line for each cause, with the names that it concerns.
    """
    if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        return {}
    found: dict[str, str] = {}
    causes: dict[str, list[str]] = {}
    for name, kind, revision in dict.fromkeys(remote(suite)):
        try:
            found[name] = commit(name, kind, revision)
        except schema.MissingArtefact as error:
            causes.setdefault(str(error).removeprefix(f"{name}: "), []).append(name)
    if causes:
        raise schema.MissingArtefact("\n".join(f"{', '.join(names)}: {why}" for why, names in causes.items()))
    return found


def cached_commit(name: str, revision: str | None = None) -> str | None:
    """The commit of the copy in the hub's cache that a name loads from; ``None``: a folder, or not cached."""
    from huggingface_hub import try_to_load_from_cache

    if Path(name).exists():
        return None
    found = try_to_load_from_cache(name, "config.json", revision=revision)
    return Path(found).parent.name if isinstance(found, str) else None  # snapshots/<commit>/config.json
