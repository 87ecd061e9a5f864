"""How an API server is spoken to: TLS, proxy and credentials of a kubeconfig's entry, by the official client.

The only module that imports it. Its process-wide default is never touched, and no key stays on disk.
"""

import base64
import ssl
import tempfile
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import ConfigException, load_kube_config_from_dict
from kubernetes.config.exec_provider import ExecProvider
from kubernetes.config.kube_config import ConfigNode
from kubernetes.utils.keepalive import tcp_keepalive_socket_options
from urllib3.exceptions import InsecureRequestWarning

from live.kubeconfig import Entry, Unreadable
from scenarios.errors import harmless, shown

CONNECTIONS = 64
"""That are kept: every watch needs one of its own."""
_LOADING = threading.Lock()
"""The official client remembers by content, for the whole process, into which file it wrote it."""


@dataclass(frozen=True, slots=True)
class Session:
    """Open connections to one API server, and what every request says of who sends it. For any thread."""

    pool: urllib3.PoolManager
    host: str
    headers: Mapping[str, str]


def open_session(entry: Entry, *, direct: bool) -> Session:
    """Credentials are read anew each time (files, the entry's exec plugin); `direct` goes through no proxy.

    Raises Unreadable for what cannot be used. Sends nothing.
    """
    try:
        configuration, context = _loaded(entry)
    except (ConfigException, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unreadable(f"context {shown(entry.context)} cannot be used: {harmless(str(error))}") from None
    return Session(_pool(configuration, context, direct), configuration.host, _headers(configuration))


def _loaded(entry: Entry) -> tuple[Configuration, ssl.SSLContext | None]:
    """The configuration, and what its files say of TLS; these are gone then."""
    document, configuration = _document(entry), Configuration()
    with _LOADING, tempfile.TemporaryDirectory(prefix="rolloutlab-") as folder:
        load_kube_config_from_dict(
            document, entry.context, client_configuration=configuration, temp_file_path=folder
        )
        return configuration, _tls(configuration)


def _document(entry: Entry) -> dict[str, Any]:
    """A kubeconfig of this context alone, an exec plugin's answer in the place of the plugin."""
    user = entry.user if "exec" not in entry.user else _executed(entry)
    name = entry.context
    return {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": dict(entry.cluster)}],
        "users": [{"name": name, "user": dict(user)}],
    }


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
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context


def _pool(configuration: Configuration, context: ssl.SSLContext | None, direct: bool) -> urllib3.PoolManager:
    configuration.connection_pool_maxsize = CONNECTIONS
    # a peer that vanished is noticed within 20 s, in a watch too
    configuration.socket_options = tcp_keepalive_socket_options(idle=5, interval=5, count=3)
    configuration.ssl_ca_cert = configuration.cert_file = configuration.key_file = None
    if direct:
        configuration.proxy = None
    pool: urllib3.PoolManager = ApiClient(configuration).rest_client.pool_manager
    if context is not None:
        pool.connection_pool_kw["ssl_context"] = context
    return pool


def _headers(configuration: Configuration) -> dict[str, str]:
    headers = {"Accept": "application/json", "User-Agent": "rolloutlab"}
    token = configuration.auth_settings().get("BearerToken")
    if token is not None and token["value"]:
        headers["Authorization"] = token["value"]
    return headers
