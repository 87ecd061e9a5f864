"""Which cluster is meant, and which are refused before anything is sent or run; how it is spoken to."""

import base64
import os
import re
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import apiserver
import pytest
import yaml
from apiserver import SYSTEM, Server, says
from kubernetes.client import Configuration

from live.api import Refused, Unavailable, core
from live.kubeconfig import Entry, Unreadable, read_entry
from live.session import open_session
from live.target import LOCAL, Unsafe, allowed_namespace, connect, objection, private

X = b"contexts: [{name: kind-x, context: {cluster: c, user: u}}]\n"
UID = SYSTEM["metadata"]["uid"]
Write = Callable[..., Path]


@pytest.fixture
def server() -> Iterator[Server]:
    with apiserver.serving() as served:
        yield served


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A kubeconfig with one context."""

    def written(context: str, server: str, name: str = "config", **more: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(document(context, server, **more)))
        return path

    return written


def document(
    context: str, server: str, user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "something-else",
        "contexts": [{"name": context, "context": {"cluster": f"{context}-c", "user": f"{context}-u"}}],
        "clusters": [{"name": f"{context}-c", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": f"{context}-u", "user": user or {}}],
    }


def plugin(folder: Path, code: str, **more: Any) -> dict[str, Any]:
    """A user whose credentials are what this Python prints."""
    (folder / "plugin.py").write_text(f"import json, os, sys\n{code}\n")
    call = {"command": sys.executable, "args": ["-S", str(folder / "plugin.py")]}
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", **call, **more}}


TOKEN = """
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                  "status": {"token": open(os.environ["SECRET"]).read()}}))
"""

# what is refused


def test_a_context_must_be_named() -> None:
    with pytest.raises(TypeError):
        connect()  # type: ignore[call-arg]


def test_a_local_context_is_connected_to(server: Server, write: Write) -> None:
    api = connect("kind-x", kubeconfig=write("kind-x", server.url))
    assert (api.target.context, api.target.server) == ("kind-x", server.url)
    assert (api.target.uid, api.target.version) == (UID, "v1.34.3")
    api.close()


@pytest.mark.parametrize(
    "name", ["production", "prod-kind-x", "kind", "KIND-x", "my-minikube", "kind-\n", "eks"]
)
def test_a_context_that_sounds_like_production_is_refused_unseen(
    server: Server, write: Write, tmp_path: Path, name: str
) -> None:
    ran = tmp_path / "ran"
    user = plugin(tmp_path, f"open({str(ran)!r}, 'w')")
    with pytest.raises(Unsafe, match="--cluster-uid"):
        connect(name, kubeconfig=write(name, server.url, user=user))
    assert server.asked == []
    assert not ran.exists()


def test_whoever_knows_the_cluster_s_uid_may(server: Server, write: Write) -> None:
    api = connect("production", kubeconfig=write("production", server.url), cluster_uid=UID)
    assert api.target.uid == UID
    api.close()


@pytest.mark.parametrize("context", ["production", "kind-x"])
@pytest.mark.parametrize("uid", ["", "another", UID.upper(), f" {UID}"])
def test_another_cluster_s_uid_is_refused(server: Server, write: Write, context: str, uid: str) -> None:
    with pytest.raises(Unsafe, match=f"is cluster {UID} at"):
        connect(context, kubeconfig=write(context, server.url), cluster_uid=uid)


def test_a_local_name_with_a_server_elsewhere_is_refused(write: Write) -> None:
    with pytest.raises(Unsafe, match=r"sounds local, but its server https://8\.8\.8\.8:6443 has no loopback"):
        connect("kind-x", kubeconfig=write("kind-x", "https://8.8.8.8:6443"))


def test_a_local_name_behind_a_proxy_is_refused(server: Server, write: Write) -> None:
    path = write("kind-x", server.url, cluster={"proxy-url": "http://127.0.0.1:1"})
    with pytest.raises(Unsafe, match="through a proxy"):
        connect("kind-x", kubeconfig=path)


def test_which_names_are_allowed_is_an_argument(server: Server, write: Write) -> None:
    path = write("lab", server.url)
    connect("lab", kubeconfig=path, allowed=re.compile("lab")).close()
    with pytest.raises(Unsafe):
        connect("lab", kubeconfig=path, allowed=re.compile("la"))


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("kind-rolloutlab", True),
        ("k3d-x", True),
        ("minikube", True),
        ("docker-desktop", True),
        ("rancher-desktop", True),
        ("orbstack", True),
        ("rolloutlab-test", True),
        ("kind-", False),
        ("minikube2", False),
        ("", False),
    ],
)
def test_local_names(name: str, fits: bool) -> None:
    entry = Entry(name, "https://127.0.0.1", {}, {}, "/")
    assert (objection(entry, LOCAL, near=True) is None) is fits


@pytest.mark.parametrize(
    ("server", "addresses", "near"),
    [
        ("https://127.0.0.1:6443", ["127.0.0.1"], True),
        ("https://[::1]:6443", ["::1"], True),
        ("https://192.168.49.2:8443", ["192.168.49.2"], True),
        ("https://172.31.0.1", ["172.31.0.1"], True),
        ("https://172.32.0.1", ["172.32.0.1"], False),
        ("https://fd00::1", ["fd00::1"], True),
        ("https://x", ["::ffff:10.0.0.1"], True),
        ("https://x", ["::ffff:8.8.8.8"], False),
        ("https://x", ["10.0.0.1", "8.8.8.8"], False),
        ("https://x", [], False),
        ("https://0.0.0.0", ["0.0.0.0"], False),
        ("https://169.254.169.254", ["169.254.169.254"], False),
        ("https://100.64.0.1", ["100.64.0.1"], False),
        ("https://203.0.113.1", ["203.0.113.1"], False),
    ],
)
def test_what_is_near(server: str, addresses: list[str], near: bool) -> None:
    assert private(server, lambda host: map(ip_address, addresses)) is near


def test_a_name_that_means_nothing_is_not_near() -> None:
    def unknown(host: str) -> Any:
        raise OSError("no such name")

    assert not private("https://nowhere.invalid", unknown)
    assert not private("https://[", unknown)


# which entry


def test_an_unknown_context_lists_those_there_are(write: Write) -> None:
    with pytest.raises(Unreadable, match=r"no context 'kind-y' in .*config; contexts there: kind-x"):
        connect("kind-y", kubeconfig=write("kind-x", "http://127.0.0.1:1"))


def test_the_current_context_is_of_no_interest(server: Server, write: Write) -> None:
    path = write("kind-x", server.url)
    api = connect("kind-x", kubeconfig=path)
    assert api.target.context == "kind-x"
    api.close()


def test_what_the_file_says_later_has_no_effect(server: Server, write: Write) -> None:
    with apiserver.serving() as other:
        api = connect("kind-x", kubeconfig=write("kind-x", server.url))
        path = write("kind-x", other.url)
        server.fails(lambda handler: True, says(401))  # credentials are opened anew
        api.list(core("n", "pods"))
        path.unlink()
        api.list(core("n", "pods"))
        assert other.asked == []
        api.close()


def test_of_several_files_the_first_with_a_name_decides(
    server: Server, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first, second = write("kind-x", server.url, "one"), write("kind-x", "http://127.0.0.1:1", "two")
    third = write("kind-z", server.url, "three")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, [tmp_path / "none", first, second, third, ""])))
    assert read_entry("kind-x").server == server.url
    assert read_entry("kind-z").server == server.url


def test_without_kubeconfig_it_is_the_one_at_home(
    server: Server, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(Unreadable, match=r"\.kube/config: cannot be read: No such file"):
        read_entry("kind-x")
    write("kind-x", server.url, ".kube/config")
    assert read_entry("kind-x").context == "kind-x"


def test_kubeconfig_that_names_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(Unreadable, match="no file that exists"):
        read_entry("kind-x")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "expected one mapping"),
        (b"[]", "expected one mapping"),
        (b"a: 1\n---\nb: 2\n", "expected one mapping"),
        (b"a: [", "config:1"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"a: !!python/object:os.system x", "the tag .* is refused"),
        (b"x: " + b"[" * 10_000, "nested deeper"),
        (b"#" * 6_000_000, "larger than 5 MB"),
        (b"contexts: 7", "contexts: expected a list"),
        (b"contexts: [7]", r"contexts\[0\]: expected name and context"),
        (b"contexts: [{name: kind-x, context: 7}]", r"contexts\[0\]: expected name and context"),
        (b"contexts: [{context: {}}]", r"contexts\[0\]: expected name and context"),
        (b"contexts: [{name: kind-x, context: {cluster: c}}]", "its cluster 'c' is not in"),
        (b"contexts: [{name: kind-x}]", "its cluster nothing is not in"),
        (b"contexts: [{name: kind-x, context: {cluster: [1]}}]", "its cluster .* is not in"),
        (X + b"clusters: [{name: c, cluster: {server: s}}]", "its user 'u' is not in"),
        (X + b"clusters: [{name: c, cluster: {}}]\nusers: [{name: u}]", "to have a server"),
        (
            X + b"clusters: [{name: c, cluster: {server: 'file:///etc'}}]\nusers: [{name: u}]",
            "to have a server",
        ),
    ],
)
def test_a_file_that_is_no_kubeconfig(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "config").write_bytes(content)
    with pytest.raises(Unreadable, match=said):
        connect("kind-x", kubeconfig=tmp_path / "config")


def test_what_is_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe, Path("/dev/zero"), tmp_path / "none"):
        with pytest.raises(Unreadable, match="cannot be read"):
            read_entry("kind-x", path)


def test_names_command_no_terminal(write: Write) -> None:
    with pytest.raises(Unreadable) as unreadable:
        read_entry("\x1b[2J", write("kind-\x1b[2J", "http://127.0.0.1:1"))
    assert "\x1b" not in str(unreadable.value)


def test_an_auth_provider_is_refused(write: Write) -> None:
    path = write("kind-x", "http://127.0.0.1:1", user={"auth-provider": {"name": "gcp"}})
    with pytest.raises(Unreadable, match="auth-provider is not supported"):
        connect("kind-x", kubeconfig=path)


# credentials


def last(server: Server) -> str | None:
    return server.asked[-1][2].get("Authorization")


def test_tokens_and_passwords(server: Server, write: Write) -> None:
    for user, sent in (
        ({"token": "t"}, "Bearer t"),
        ({"username": "u", "password": "p"}, "Basic " + base64.b64encode(b"u:p").decode()),
        ({}, None),
    ):
        connect("kind-x", kubeconfig=write("kind-x", server.url, user=user)).close()
        assert last(server) == sent


def test_a_token_s_file_beside_the_kubeconfig(
    server: Server, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("t")
    path = write("kind-x", server.url, user={"tokenFile": "token"})
    monkeypatch.chdir("/")
    connect("kind-x", kubeconfig=path).close()
    assert last(server) == "Bearer t"


def test_a_plugin_is_run_and_run_again_when_its_token_expires(
    server: Server, write: Write, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first")
    server.tokens = {"first"}
    user = plugin(tmp_path, TOKEN, env=[{"name": "SECRET", "value": str(secret)}])
    api = connect("kind-x", kubeconfig=write("kind-x", server.url, user=user))
    assert last(server) == "Bearer first"
    secret.write_text("second")
    server.tokens = {"second"}
    api.list(core("n", "pods"))
    assert last(server) == "Bearer second"
    api.close()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("sys.exit('log in first')", "log in first"),
        ("print('no json')", "failed to decode"),
        ("print('{}')", "missing key"),
        ("print(7)", "cannot be used"),
        (TOKEN.replace('{"token": open(os.environ["SECRET"]).read()}', "{}"), "neither a token nor"),
        (TOKEN.replace('{"token": open(os.environ["SECRET"]).read()}', "7"), "cannot be used"),
    ],
)
def test_a_plugin_that_fails_is_told_of(
    server: Server, write: Write, tmp_path: Path, code: str, said: str
) -> None:
    with pytest.raises(Unreadable, match=said):
        connect("kind-x", kubeconfig=write("kind-x", server.url, user=plugin(tmp_path, code)))
    assert server.asked == []


def test_a_plugin_that_is_not_there(write: Write) -> None:
    user = {"exec": {"apiVersion": "v1", "command": "/no/such/plugin"}}
    with pytest.raises(Unreadable, match="No such file"):
        connect("kind-x", kubeconfig=write("kind-x", "http://127.0.0.1:1", user=user))


def test_the_client_s_own_default_is_left_alone(server: Server, write: Write) -> None:
    before = Configuration.get_default_copy().host
    connect("kind-x", kubeconfig=write("kind-x", server.url, user={"token": "t"})).close()
    assert Configuration.get_default_copy().host == before
    assert not Configuration.get_default_copy().api_key


def test_the_environment_s_proxy_is_not_for_what_is_near(
    server: Server, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    connect("kind-x", kubeconfig=write("kind-x", server.url)).close()


def test_a_proxy_of_the_kubeconfig_is_used(server: Server, write: Write) -> None:
    path = write("lab", "http://lab.invalid:6443", cluster={"proxy-url": server.url})
    api = connect("lab", kubeconfig=path, cluster_uid=UID)
    assert server.asked[-1][1] == "http://lab.invalid:6443/api/v1/namespaces/kube-system"
    api.close()


def test_a_proxy_of_the_kubeconfig_is_used_for_what_is_near_too(
    server: Server, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    path = write("lab", "http://10.255.255.1:6443", cluster={"proxy-url": server.url})
    connect("lab", kubeconfig=path, cluster_uid=UID).close()
    assert server.asked[-1][1].startswith("http://10.255.255.1:6443/")


# who answers


def test_a_server_that_is_down_is_said_to_be_down_soon(write: Write) -> None:
    with apiserver.serving() as gone:
        path = write("kind-x", gone.url)
    with pytest.raises(Unavailable, match="no connection: Connection refused"):
        connect("kind-x", kubeconfig=path)


def test_a_server_that_is_no_kubernetes(server: Server, write: Write) -> None:
    server.fails(lambda handler: True, *[lambda handler, go: handler.answer(200, {"hello": 1})] * 9)
    with pytest.raises(Refused, match="does not answer like a Kubernetes API"):
        connect("kind-x", kubeconfig=write("kind-x", server.url))


def test_who_may_not_read_the_uid_is_told(server: Server, write: Write) -> None:
    server.fails(
        lambda handler: "kube-system" in handler.path, says(403, "Forbidden", "namespaces is forbidden")
    )
    with pytest.raises(Refused, match="cannot get namespaces kube-system: namespaces is forbidden"):
        connect("kind-x", kubeconfig=write("kind-x", server.url))


# TLS


class Authority:
    """A certificate authority of a test's own, by openssl."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run("req", "-x509", *self._new("ca"), "-subj", "/CN=tests", "-out", "ca.crt", "-days", "2")
        self.signed("server", "-addext", "subjectAltName=IP:127.0.0.1,DNS:kubernetes")
        self.signed("client")

    def signed(self, name: str, *more: str) -> None:
        self._run("req", *self._new(name), "-subj", f"/CN={name}", "-out", f"{name}.csr", *more)
        by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copy"]
        self._run("x509", "-req", "-in", f"{name}.csr", *by, "-out", f"{name}.crt", "-days", "2")

    def data(self, name: str) -> str:
        return base64.b64encode((self.folder / name).read_bytes()).decode()

    def context(self) -> ssl.SSLContext:
        """A server's, that insists on a client's certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.crt", self.folder / "server.key")
        context.load_verify_locations(self.folder / "ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _new(self, name: str) -> list[str]:
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        return [*kind, "-keyout", f"{name}.key"]

    def _run(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secure(authority: Authority) -> Iterator[Server]:
    with apiserver.serving(authority.context()) as served:
        yield served


def test_certificates_in_the_kubeconfig_and_no_key_left_on_disk(
    secure: Server, authority: Authority, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    user = {
        "client-certificate-data": authority.data("client.crt"),
        "client-key-data": authority.data("client.key"),
    }
    cluster = {"certificate-authority-data": authority.data("ca.crt")}
    api = connect("kind-x", kubeconfig=write("kind-x", secure.url, user=user, cluster=cluster))
    assert list((tmp_path / "temporary").iterdir()) == []
    secure.fails(lambda handler: True, says(401))  # opened anew, from what is pinned
    assert api.list(core("n", "pods"))["items"] == []
    assert list((tmp_path / "temporary").iterdir()) == []
    api.close()


def test_certificates_in_files(secure: Server, authority: Authority, write: Write) -> None:
    user = {
        "client-certificate": str(authority.folder / "client.crt"),
        "client-key": str(authority.folder / "client.key"),
    }
    cluster = {"certificate-authority": str(authority.folder / "ca.crt")}
    connect("kind-x", kubeconfig=write("kind-x", secure.url, user=user, cluster=cluster)).close()


def test_a_plugin_that_gives_a_certificate(
    secure: Server, authority: Authority, write: Write, tmp_path: Path
) -> None:
    folder = str(authority.folder)
    code = (
        f"text = lambda name: open({folder!r} + '/client.' + name).read()\n"
        "status = {'clientCertificateData': text('crt'), 'clientKeyData': text('key')}\n"
        "kind = {'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential'}\n"
        "print(json.dumps({**kind, 'status': status}))"
    )
    cluster = {"certificate-authority-data": authority.data("ca.crt")}
    path = write("kind-x", secure.url, user=plugin(tmp_path, code), cluster=cluster)
    connect("kind-x", kubeconfig=path).close()


def client(authority: Authority) -> dict[str, Any]:
    return {
        "client-certificate": str(authority.folder / "client.crt"),
        "client-key": str(authority.folder / "client.key"),
    }


def test_an_untrusted_server_is_refused_at_once(secure: Server, authority: Authority, write: Write) -> None:
    with pytest.raises(Unavailable, match=r"TLS failed.*CERTIFICATE_VERIFY_FAILED") as unavailable:
        connect("kind-x", kubeconfig=write("kind-x", secure.url, user=client(authority)))
    assert "tries" not in str(unavailable.value)


def test_a_server_by_another_name_needs_it_said(secure: Server, authority: Authority, write: Write) -> None:
    url = secure.url.replace("127.0.0.1", "localhost")
    trusted = {"certificate-authority-data": authority.data("ca.crt")}
    with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        connect("kind-x", kubeconfig=write("kind-x", url, user=client(authority), cluster=trusted))
    named = trusted | {"tls-server-name": "kubernetes"}
    connect("kind-x", kubeconfig=write("kind-x", url, user=client(authority), cluster=named)).close()


def test_who_skips_verification_does(secure: Server, authority: Authority, write: Write) -> None:
    cluster = {"insecure-skip-tls-verify": True}
    connect("kind-x", kubeconfig=write("kind-x", secure.url, user=client(authority), cluster=cluster)).close()


def test_a_certificate_that_is_none(write: Write, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("nothing")
    for cluster in (
        {"certificate-authority": "ca.crt"},
        {"certificate-authority": "missing"},
        {"certificate-authority-data": "%%%"},
        {"certificate-authority-data": 7},
    ):
        with pytest.raises(Unreadable, match="context 'kind-x' cannot be used"):
            connect("kind-x", kubeconfig=write("kind-x", "https://127.0.0.1:1", cluster=cluster))


def test_a_key_with_a_passphrase_is_refused_without_asking(
    authority: Authority, write: Write, tmp_path: Path
) -> None:
    locked = tmp_path / "locked.key"
    plain = str(authority.folder / "client.key")
    call = ["openssl", "ec", "-in", plain, "-aes128", "-passout", "pass:secret", "-out", str(locked)]
    subprocess.run(call, check=True, capture_output=True)
    user = client(authority) | {"client-key": str(locked)}
    with pytest.raises(Unreadable, match="context 'kind-x' cannot be used"):
        connect("kind-x", kubeconfig=write("kind-x", "https://127.0.0.1:1", user=user))


def test_a_session_may_be_opened_by_many_threads_at_once(
    secure: Server, authority: Authority, write: Write
) -> None:
    user = {
        "client-certificate-data": authority.data("client.crt"),
        "client-key-data": authority.data("client.key"),
    }
    cluster = {"certificate-authority-data": authority.data("ca.crt")}
    entry = read_entry("kind-x", write("kind-x", secure.url, user=user, cluster=cluster))
    with ThreadPoolExecutor(8) as threads:
        sessions = list(threads.map(lambda _: open_session(entry, direct=True), range(32)))
    for session in sessions:
        assert session.pool.request("GET", secure.url + "/version", retries=False).status == 200
        session.pool.clear()


# namespaces


@pytest.mark.parametrize("name", ["rolloutlab-0123abcd-0", "rolloutlab-ffffffff-12"])
def test_namespaces_of_ours(name: str) -> None:
    assert allowed_namespace(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "kube-system",
        "kube-public",
        "kube-node-lease",
        "Kube-System ",
        "default",
        "",
        " ",
        "ingress-nginx",
        "rolloutlab",
        "rolloutlab-",
        "rolloutlab-test",
        "rolloutlab-0123abcd",
        "rolloutlab-0123abcd-",
        "rolloutlab-0123ABCD-0",
        "Rolloutlab-0123abcd-0",
        "rolloutlab-0123abcd-0 ",
        " rolloutlab-0123abcd-0",
        "rolloutlab-0123abcd-0\n",
        "rolloutlab-0123abcd-00",
        "rolloutlab-0123abcd-١",
        "rolloutlab-0123abcd-0/../kube-system",
        "kube-system/rolloutlab-0123abcd-0",
        "rolloutlab-0123abcd-0%2f..",
        "rolloutlab-0123abcde-0",
    ],
)
def test_namespaces_that_are_not_ours(name: str) -> None:
    with pytest.raises(Unsafe, match="not one that a live run made"):
        allowed_namespace(name)
