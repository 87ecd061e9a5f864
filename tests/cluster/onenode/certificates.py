"""A cluster's own authority, its certificates, its static tokens and the kubeconfigs that use them."""

import base64
import secrets
from dataclasses import dataclass
from pathlib import Path

from onenode.debian import run

CONTEXT = "rolloutlab-test"
SUBJECTS = "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
SERVICE = "kubernetes.default.svc.cluster.local"
SERVICE_ADDRESS = "10.96.0.1"
DAYS = "365"


@dataclass(frozen=True)
class User:
    name: str
    user: str
    group: str = ""


USERS = (
    User("admin", "admin", "system:masters"),
    User("kube-controller-manager", "system:kube-controller-manager"),
    User("kube-scheduler", "system:kube-scheduler"),
    User("kubelet", "system:node:node1", "system:nodes"),
    User("kube-proxy", "system:kube-proxy"),
)


def issue(folder: Path, address: str, environment: dict[str, str]) -> None:
    """Everything into `folder`; the API server's certificate covers `address`."""
    folder.mkdir(mode=0o700)
    authority(folder, environment)
    labels = SERVICE.split(".")
    names = ["localhost", *(".".join(labels[:count]) for count in range(1, len(labels) + 1))]
    addresses = ["127.0.0.1", address, SERVICE_ADDRESS]
    served = [f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses]
    certificate(folder, "apiserver", "/CN=kube-apiserver", served, environment)
    certificate(folder, "apiserver-kubelet", "/O=system:masters/CN=apiserver-kubelet", [], environment)
    certificate(folder, "kubelet-serving", "/CN=node1", ["DNS:node1", f"IP:{address}"], environment)
    key(folder / "service-accounts.key", environment)
    private, public = str(folder / "service-accounts.key"), str(folder / "service-accounts.pub")
    run(["openssl", "ec", "-in", private, "-pubout", "-out", public], environment)
    tokens = {user: secrets.token_hex(16) for user in USERS}
    lines = [f'{token},{user.user},{user.name},"{user.group}"\n' for user, token in tokens.items()]
    (folder / "tokens.csv").write_text("".join(lines))
    for user, token in tokens.items():
        written = kubeconfig(f"https://{address}:6443", (folder / "ca.crt").read_bytes(), user.name, token)
        (folder / f"{user.name}.kubeconfig").write_text(written)


def authority(folder: Path, environment: dict[str, str]) -> None:
    key(folder / "ca.key", environment)
    signed = ["-key", str(folder / "ca.key"), "-out", str(folder / "ca.crt")]
    subject = ["-subj", f"/CN={CONTEXT}", "-addext", "basicConstraints=critical,CA:true"]
    settings = folder / "authority.cnf"
    settings.write_text("[req]\ndistinguished_name=name\n[name]\n")
    asked = ["openssl", "req", "-x509", "-new", "-days", DAYS, "-config", str(settings)]
    run([*asked, *signed, *subject], environment)


def certificate(
    folder: Path, name: str, subject: str, served: list[str], environment: dict[str, str]
) -> None:
    private, request, extensions = (str(folder / f"{name}.{end}") for end in ("key", "csr", "ext"))
    key(Path(private), environment)
    Path(extensions).write_text(SUBJECTS + (f"subjectAltName={','.join(served)}\n" if served else ""))
    settings = ["-config", str(folder / "authority.cnf")]
    run(
        ["openssl", "req", "-new", *settings, "-key", private, "-subj", subject, "-out", request], environment
    )
    issuer = ["-CA", str(folder / "ca.crt"), "-CAkey", str(folder / "ca.key"), "-CAcreateserial"]
    signed = ["-in", request, "-days", DAYS, "-extfile", extensions, "-out", str(folder / f"{name}.crt")]
    run(["openssl", "x509", "-req", *issuer, *signed], environment)


def key(path: Path, environment: dict[str, str]) -> None:
    run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(path)], environment)


def kubeconfig(server: str, authority: bytes, user: str, token: str) -> str:
    """One context, which is the current one too; it needs no other file."""
    return f"""\
apiVersion: v1
kind: Config
clusters:
- name: {CONTEXT}
  cluster: {{server: "{server}", certificate-authority-data: {base64.b64encode(authority).decode()}}}
users:
- name: {CONTEXT}-{user}
  user: {{token: "{token}"}}
contexts:
- name: {CONTEXT}
  context: {{cluster: {CONTEXT}, user: {CONTEXT}-{user}}}
current-context: {CONTEXT}
"""
