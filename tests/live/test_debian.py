"""nginx with split_clients and HAProxy with weights, as Debian ships them, are judged right.

Their packages are fetched without root into a cache folder (ROLLOUTLAB_TEST_CACHE, else the user's cache) and
unpacked there; the servers run on loopback and are ended by their own process handle. Where the packages
cannot be had the tests say why they cannot run; under CI that is a failure.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.alone

Call = Callable[..., Any]

PACKAGES = {
    "nginx": ("nginx",),
    "haproxy": ("haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1"),
}
ASKED = ("--rate", "2000/s", "--by", "header:X-Version")


def cache() -> Path:
    base = (
        os.environ.get("ROLLOUTLAB_TEST_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    )
    return Path(base) / "rolloutlab-tests"


def binary(name: str) -> Path:
    """The server's program: the system's, or one unpacked into the cache. Skips where neither can be had."""
    if there := shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
        return Path(there)
    program = cache() / name / "usr" / "sbin" / name
    if not program.exists():
        try:
            fetch(name)
        except (OSError, subprocess.SubprocessError) as error:
            cannot(f"Debian's {name} cannot be had: {error}")
    return program


def fetch(name: str) -> None:
    folder = cache() / name
    debs = folder / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    missing = [package for package in PACKAGES[name] if not list(debs.glob(f"{package}_*.deb"))]
    try:
        download(missing, debs, [])
    except subprocess.CalledProcessError:
        # the system's lists of packages may be empty: own ones then, which take no root
        lists, archives = folder / "lists", folder / "archives"
        for made in (lists / "partial", archives / "partial"):
            made.mkdir(parents=True, exist_ok=True)
        own = ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={archives}"]
        run(["apt-get", *own, "update"], debs)
        download(missing, debs, own)
    for deb in sorted(debs.glob("*.deb")):
        run(["dpkg", "-x", str(deb), str(folder)], debs)


def download(packages: list[str], folder: Path, options: list[str]) -> None:
    if packages:
        run(["apt-get", *options, "download", *packages], folder)


def run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)


def cannot(why: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found: int = listener.getsockname()[1]
        return found


@contextmanager
def running(command: list[str], listening: int, program: Path) -> Iterator[None]:
    """A server in the foreground, from when it listens until it is ended."""
    libraries = [str(path) for path in program.parents[2].glob("usr/lib/*-linux-gnu")]
    environment = os.environ | ({"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {})
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        wait(process, listening)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=10)


def wait(process: subprocess.Popen[str], listening: int) -> None:
    for _ in range(200):
        if process.poll() is not None:
            cannot(f"{process.args!r} does not run here: {process.communicate()[0][-500:]}")
        try:
            socket.create_connection(("127.0.0.1", listening), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"{process.args!r} does not listen")


@contextmanager
def nginx(folder: Path, key: str, share: str) -> Iterator[str]:
    """nginx that splits by a hash of `key`."""
    program, listening = binary("nginx"), port()
    logs = "".join(
        f"{kind}_temp_path {folder / kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(f"""
        daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
        events {{ worker_connections 500; }}
        http {{
          access_log off; keepalive_requests 100000; {logs}
          split_clients "{key}" $version {{ {share} candidate; * stable; }}
          server {{
            listen 127.0.0.1:{listening};
            location / {{ add_header X-Version $version; return 200 "$version\\n"; }}
          }}
        }}
    """)
    command = [
        str(program),
        "-p",
        str(folder),
        "-c",
        str(folder / "nginx.conf"),
        "-e",
        str(folder / "error.log"),
    ]
    with running(command, listening, program):
        yield f"http://127.0.0.1:{listening}/"


@contextmanager
def haproxy(folder: Path, stable: int, candidate: int) -> Iterator[str]:
    """HAProxy with two weighted servers, which it plays itself."""
    program, listening = binary("haproxy"), port()
    inside = {"stable": port(), "candidate": port()}
    weights = {"stable": stable, "candidate": candidate}
    fronts = "".join(
        f"frontend {name}\n  bind 127.0.0.1:{inside[name]}\n"
        f"  http-request return status 200 hdr X-Version {name}\n"
        for name in inside
    )
    servers = "".join(f"  server {name} 127.0.0.1:{inside[name]} weight {weights[name]}\n" for name in inside)
    (folder / "haproxy.cfg").write_text(
        "global\n  nbthread 1\ndefaults\n  mode http\n"
        "  timeout connect 2s\n  timeout client 9s\n  timeout server 9s\n"
        f"{fronts}frontend all\n  bind 127.0.0.1:{listening}\n  default_backend split\n"
        f"backend split\n  balance roundrobin\n{servers}"
    )
    with running([str(program), "-db", "-f", str(folder / "haproxy.cfg")], listening, program):
        yield f"http://127.0.0.1:{listening}/"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., str]]:
    with ExitStack() as stack:
        yield lambda server, *how: stack.enter_context(server(tmp_path, *how))


def test_nginx_by_request(call: Call, start: Callable[..., str]) -> None:
    """With $request_id every request is drawn for itself, kept connections or not."""
    url = start(nginx, "$request_id", "10%")
    for more in (("--connections", "new"), ("--connections", "4")):
        wrong = call(url, "--expect", "candidate=30%", *ASKED, *more)
        asked = (url, "--expect", "candidate=10%", "--detect", "20%", *ASKED, *more)
        # one check in 25 may condemn a split that is right; three in a row one in 15,000
        assert any(call(*asked).code == 0 for _ in range(3))
        assert wrong.code == 99, wrong.out


def test_nginx_by_connection(call: Call, start: Callable[..., str]) -> None:
    """With $connection a kept connection stays with its version: its requests are not independent."""
    url = start(nginx, "c$connection", "20%")
    asked = ("--detect", "40%", *ASKED, "--by", "body:[a-z]+", "--connections", "4")
    right = call(url, "--expect", "candidate=20%", *asked)
    wrong = call(url, "--expect", "candidate=60%", *asked)
    assert (right.code, wrong.code) == (0, 99), right.out + wrong.out
    assert "no connection saw two versions" in " ".join(right.out.split())


def test_nginx_by_user(call: Call, start: Callable[..., str]) -> None:
    """Of one user all requests are alike; of many users one in ten is the candidate's, by a hash."""
    url = start(nginx, "$cookie_user", "10%")
    asked = (url, "--expect", "candidate=10%", "--detect", "20%", *ASKED)
    one = call(*asked, "--cookie", "user=alice")
    many = call(*asked, "--cookie", "user=u{user}", "--per-user", "5")
    assert one.code == 99
    assert "all answers came from one version" in " ".join(one.out.split())
    assert many.code == 0, many.out
    assert "no user saw two versions" in " ".join(many.out.split())


def test_haproxy_in_turn(call: Call, start: Callable[..., str]) -> None:
    """Asked so slowly that HAProxy meets the requests in the order of sending, on a busy machine too."""
    url = start(haproxy, 90, 10)
    slowly = ("--rate", "300/s", "--by", "header:X-Version")
    right = call(url, "--expect", "candidate=10%", *slowly)
    wrong = call(url, "--expect", "candidate=15%", *ASKED)
    assert (right.code, wrong.code) == (0, 99), right.out + wrong.out
    assert "the router goes in turn" in " ".join(right.out.split())


def test_haproxy_over_kept_connections(call: Call, start: Callable[..., str]) -> None:
    url = start(haproxy, 90, 10)
    right = call(url, "--expect", "candidate=10%", *ASKED, "--connections", "4", "--method", "HEAD")
    wrong = call(url, "--expect", "candidate=20%", *ASKED, "--connections", "4", "--method", "HEAD")
    assert (right.code, wrong.code) == (0, 99), right.out + wrong.out
