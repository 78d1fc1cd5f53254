"""A Hub of its own on loopback: what fetching and publishing a model asks of it."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Hub:
    """A running Hub.

    Attributes:
        repos: For each `USER/MODEL`, its commits in order: an id, and the files.
        asked: Method, path and `User-Agent` of each request.
        private: What each model that was made is.
    """

    def __init__(self):
        self.repos, self.asked, self.private = {}, [], {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def put(self, name, files):
        """Commit files; the id of the commit."""
        commits = self.repos.setdefault(name, [])
        commit = hashlib.sha1(f"{name} {len(commits)}".encode()).hexdigest()
        commits.append((commit, {**(commits[-1][1] if commits else {}), **files}))
        return commit

    def at(self, name, revision):
        """Commit and files of a revision; None if it is not there."""
        for commit, files in reversed(self.repos.get(name, [])):
            if revision in ("main", commit):
                return commit, files
        return None


def handler_of(hub):
    """What it answers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words):
            pass

        def handle_one(self):
            path = unquote(urlsplit(self.path).path)
            hub.asked.append((self.command, path, self.headers["User-Agent"]))
            if path.startswith("/api/models/"):
                _, _, _, user, model, what, revision, *_ = path.split("/")
                return getattr(self, what)(f"{user}/{model}", revision)
            if path == "/api/repos/create":
                said = json.loads(self.body())
                name = f"{said['organization']}/{said['name']}" if "organization" in said else "?"
                hub.private[name] = said.get("private") or said.get("visibility") == "private"
                hub.repos.setdefault(name, [])
                return self.answer(200, {"url": f"{hub.url}/{name}", "name": name})
            if path == "/api/validate-yaml":
                json.loads(self.body())
                return self.answer(200, {"errors": [], "warnings": []})
            user, model, _, revision, file = path[1:].split("/", 4)
            return self.file(f"{user}/{model}", revision, file)

        do_GET = do_HEAD = do_POST = handle_one  # noqa: N815

        def revision(self, name, revision):
            if name not in hub.repos:
                return self.answer(404, {}, **{"X-Error-Code": "RepoNotFound"})
            if hub.at(name, revision) is None:
                return self.answer(404, {}, **{"X-Error-Code": "RevisionNotFound"})
            commit, files = hub.at(name, revision)
            return self.answer(
                200, {"id": name, "sha": commit, "siblings": [{"rfilename": one} for one in files]}
            )

        def tree(self, name, revision):
            _, files = hub.at(name, revision)
            listed = [
                {"type": "file", "path": path, "size": len(body), "oid": oid(body)}
                for path, body in files.items()
            ]
            return self.answer(200, listed)

        def file(self, name, revision, file):
            commit, files = hub.at(name, revision)
            headers = {"ETag": f'"{oid(files[file])}"', "X-Repo-Commit": commit}
            return self.answer(200, files[file], **headers)

        def preupload(self, name, revision):
            asked = json.loads(self.body())["files"]
            modes = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False}
                for one in asked
            ]
            return self.answer(200, {"files": modes})

        def commit(self, name, revision):
            lines = [json.loads(line) for line in self.body().splitlines()]
            files = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            made = hub.put(name, files)
            url = f"{hub.url}/{name}/commit/{made}"
            return self.answer(200, {"success": True, "commitUrl": url, "commitOid": made})

        def body(self):
            return self.rfile.read(int(self.headers["Content-Length"]))

        def answer(self, status, said, **headers):
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    return Handler


def oid(body):
    """Git's name of a file."""
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
