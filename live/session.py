"""How an API server is spoken to: TLS, proxy and credentials of a kubeconfig's entry, by the official client.

The only module that imports it. Its process-wide default is never touched, and no key stays on disk.
"""

import base64
import socket
import ssl
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import ConfigException, load_kube_config_from_dict
from kubernetes.config.exec_provider import ExecProvider
from kubernetes.config.kube_config import ConfigNode
from urllib3.exceptions import InsecureRequestWarning

from live.kubeconfig import Entry, Unreadable
from scenarios.errors import harmless, shown

CONNECTIONS = 64
"""That are kept: every watch needs one of its own."""
_INLINE = {
    "cluster": ("certificate-authority",),
    "user": ("client-certificate", "client-key"),
}


@dataclass(frozen=True, slots=True)
class Session:
    """Open connections to one API server, and what every request says of who sends it. For any thread."""

    pool: urllib3.PoolManager
    host: str
    headers: Mapping[str, str]


def open_session(entry: Entry, *, direct: bool) -> Session:
    """Credentials are read anew each time (files, the entry's exec plugin); `direct` goes through no proxy
    of the environment's; one that the entry names is used.

    Raises Unreadable for what cannot be used. Sends nothing.
    """
    try:
        configuration, context = _loaded(entry)
    except (ConfigException, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unreadable(f"context {shown(entry.context)} cannot be used: {harmless(str(error))}") from None
    if named := entry.cluster.get("proxy-url"):
        configuration.proxy, configuration.no_proxy = named, None
    elif direct:
        configuration.proxy = None
    return Session(_pool(configuration, context), configuration.host, _headers(configuration))


def _loaded(entry: Entry) -> tuple[Configuration, ssl.SSLContext | None]:
    """The configuration, and what its files say of TLS; these are gone then."""
    user, configuration = entry.user if "exec" not in entry.user else _executed(entry), Configuration()
    with tempfile.TemporaryDirectory(prefix="rolloutlab-") as folder:
        document = _document(entry.context, entry.cluster, user, Path(folder))
        load_kube_config_from_dict(document, entry.context, client_configuration=configuration)
        return configuration, _tls(configuration)


def _document(name: str, cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A kubeconfig of one context alone, with files in the folder for what is written in it."""
    return {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": _filed(cluster, _INLINE["cluster"], folder)}],
        "users": [{"name": name, "user": _filed(user, _INLINE["user"], folder)}],
    }


def _filed(content: Mapping[str, Any], keys: Iterable[str], folder: Path) -> dict[str, Any]:
    """The content with files in the place of data: what the client writes itself it remembers and keeps."""
    filed = dict(content)
    for key in keys:
        if data := filed.pop(f"{key}-data", None):
            file = folder / key
            file.write_bytes(base64.b64decode(data))
            filed[key] = str(file)
    return filed


def _executed(entry: Entry) -> dict[str, Any]:
    """What the entry's exec plugin says of the user. The plugin is code, and it is the user's own."""
    plugin = ConfigNode("exec", dict(entry.user["exec"]))
    status = ExecProvider(plugin, entry.folder, ConfigNode("cluster", dict(entry.cluster))).run()
    if "token" in status:
        return {"token": status["token"]}
    if "clientCertificateData" in status and "clientKeyData" in status:
        return {
            "client-certificate-data": _encoded(status["clientCertificateData"]),
            "client-key-data": _encoded(status["clientKeyData"]),
        }
    raise ConfigException("its exec plugin gave neither a token nor a certificate with its key")


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _tls(configuration: Configuration) -> ssl.SSLContext | None:
    """What the configuration demands of TLS, read from its files now; None without TLS."""
    if not configuration.host.lower().startswith("https:"):
        return None
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert or None)
    # authorities that clusters make for themselves often lack the extensions that RFC 5280 asks for
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not configuration.verify_ssl:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        # the kubeconfig says so; kubectl does not warn with every request either
        warnings.filterwarnings("ignore", category=InsecureRequestWarning)
    if configuration.cert_file:
        context.load_cert_chain(
            configuration.cert_file, configuration.key_file, password=""
        )  # never ask for one
    return context


def _pool(configuration: Configuration, context: ssl.SSLContext | None) -> urllib3.PoolManager:
    configuration.connection_pool_maxsize = CONNECTIONS
    configuration.socket_options = _keepalive()
    configuration.ssl_ca_cert = configuration.cert_file = configuration.key_file = None
    pool: urllib3.PoolManager = ApiClient(configuration).rest_client.pool_manager
    if context is not None:
        pool.connection_pool_kw["ssl_context"] = context
    return pool


def _keepalive() -> list[tuple[int, int, int]]:
    """Socket options by which a peer that vanished is noticed within 20 s, where the platform has them."""
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    wanted = {"TCP_KEEPIDLE": 5, "TCP_KEEPALIVE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
    there = {name: value for name, value in wanted.items() if hasattr(socket, name)}
    return options + [(socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in there.items()]


def _headers(configuration: Configuration) -> dict[str, str]:
    headers = {"Accept": "application/json", "User-Agent": "rolloutlab"}
    token = configuration.auth_settings().get("BearerToken")
    if token is not None and token["value"]:
        headers["Authorization"] = token["value"]
    return headers
