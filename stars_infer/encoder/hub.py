"""Models of the Hugging Face Hub: fetched once and kept, published on request.

A model that was fetched is taken from the cache from then on, without asking the Hub, so that an
index keeps its model; another revision, or `refresh`, asks again.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from stars_infer.errors import MissingExtraError, ModelError, UsageError, brief
from stars_infer.telemetry import switch_off

SCHEME = "hf://"
MAIN = "main"
"""The revision that is taken if none is named."""
_ADDRESS = re.compile(r"(?:hf://)?([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubModel:
    """A model of the Hub.

    Attributes:
        name: `USER/MODEL`.
        revision: A branch, a tag or a commit.
    """

    name: str
    revision: str = MAIN

    @classmethod
    def parse(cls, text: str, revision: str | None = None) -> HubModel:
        """Parse `USER/MODEL`, `USER/MODEL@REVISION`, or the same after `hf://`.

        Raises:
            UsageError: If it is nothing of that kind, or names two revisions.
        """
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise UsageError(f"{text!r}: expected {SCHEME}USER/MODEL, or with @REVISION after it")
        if revision and found[2]:
            raise UsageError(f"{text!r} names a revision already: leave revision={revision!r} out")
        return cls(name=found[1], revision=revision or found[2] or MAIN)

    def __str__(self) -> str:
        """As `--model` takes it."""
        return SCHEME + self.name + (f"@{self.revision}" if self.revision != MAIN else "")


def is_address(model: str) -> bool:
    """Whether a model's name means the Hub."""
    return model.startswith(SCHEME)


def fetch(model: HubModel, files: Sequence[str], *, refresh: bool = False) -> Path:
    """Folder of a model in the cache; the Hub is asked if it is not there.

    Args:
        model: The model.
        files: Names of the files of a model directory; no others are fetched.
        refresh: Ask the Hub whether the revision has changed since.

    Raises:
        UsageError: If the Hub has no such names.
        ModelError: If it is neither in the cache nor on the Hub, or the Hub cannot be reached.
        MissingExtraError: If `huggingface_hub` is not installed.
    """
    folder = None if refresh else _kept(model, tuple(files))
    if folder is None:
        _kept.cache_clear()
        with _told(model):
            folder = _snapshot(model, files)
    return folder


@lru_cache
def _kept(model: HubModel, files: tuple[str, ...]) -> Path | None:
    """The model's folder in the cache, if it is there with what belongs to it."""
    errors = _package().errors
    try:
        return _snapshot(model, files, local_files_only=True)
    except (errors.LocalEntryNotFoundError, errors.IncompleteSnapshotError):
        return None
    except errors.HFValidationError as error:
        raise UsageError(f"{model}: is no name on the Hub: {brief(error)}") from error


def _snapshot(model: HubModel, files: Sequence[str], **more: Any) -> Path:
    """Folder that holds the model's files."""
    return Path(
        _package().snapshot_download(
            model.name, revision=model.revision, allow_patterns=list(files), **_agent(), **more
        )
    )


def publish(
    folder: Path,
    name: str,
    files: Sequence[str],
    *,
    private: bool,
    revision: str | None,
    message: str,
) -> str:
    """Copy a model directory to the Hub, as the account that `hf auth login` has stored.

    Args:
        folder: The model directory, whose files belong together.
        name: `USER/MODEL`, made if it is not there.
        files: Names of its files; no others are sent.
        private: Whether a new model is shown to its owner only.
        revision: Branch; the main one if None.
        message: What the commit says.

    Returns:
        Address of the commit.

    Raises:
        UsageError: If it is no name.
        ModelError: If the Hub refuses it or cannot be reached.
        MissingExtraError: If `huggingface_hub` is not installed.
    """
    model = HubModel.parse(name, revision)
    hub = _package().HfApi(**_agent())
    with _told(model):
        hub.create_repo(model.name, private=private, exist_ok=True)
        commit = hub.upload_folder(
            repo_id=model.name,
            folder_path=folder,
            allow_patterns=list(files),
            revision=revision,
            commit_message=message,
        )
    return str(commit.commit_url)


@contextmanager
def _told(model: HubModel) -> Iterator[None]:
    """Within it, what goes wrong becomes one sentence."""
    hub = _package()
    errors, constants = hub.errors, hub.constants
    where = constants.ENDPOINT
    try:
        yield
    except errors.HFValidationError as error:
        raise UsageError(f"{model}: is no name on the Hub: {brief(error)}") from error
    except errors.GatedRepoError as error:
        raise ModelError(
            f"{model}: its owner asks for consent: give it at {where}/{model.name}, then log in by "
            "`hf auth login`"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelError(f"{model}: has no revision {model.revision!r}") from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"{model}: there is no such model on {where}, or it is private: check the name, or log "
            "in by `hf auth login`"
        ) from error
    except (errors.LocalEntryNotFoundError, errors.IncompleteSnapshotError) as error:
        off = constants.HF_HUB_OFFLINE
        why = "HF_HUB_OFFLINE is set" if off else f"{where} cannot be reached"
        raise ModelError(
            f"{model}: is not in {constants.HF_HUB_CACHE}, and {why}: fetch it where there is a "
            "network, or copy its folder here"
        ) from error
    except Exception as error:  # its client for HTTP has errors of its own
        raise ModelError(f"{model}: {where} does not do this: {brief(error)}") from error


def _agent() -> dict[str, str]:
    """What the Hub is told of who asks, beside the versions of Python and `huggingface_hub`."""
    return {"library_name": "stars-infer", "library_version": version("stars-infer")}


def _package() -> ModuleType:
    """Import `huggingface_hub`, its telemetry off.

    Raises:
        MissingExtraError: If it is not installed.
    """
    switch_off()
    try:
        import huggingface_hub
        from huggingface_hub import constants, errors
        from huggingface_hub.utils.tqdm import disable_progress_bars
    except ImportError as error:
        raise MissingExtraError("a model of the Hub", "hub", "huggingface_hub") from error
    constants.HF_HUB_DISABLE_TELEMETRY = True  # if it was imported before
    if not sys.stderr.isatty():
        disable_progress_bars()
    assert errors  # loaded, as the callers need it
    package: ModuleType = huggingface_hub
    return package
