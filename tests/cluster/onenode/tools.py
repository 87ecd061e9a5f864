"""What a node needs of Debian: containerd, runc, the CNI plugins, iptables, ip, openssl.

They are the cache's, never the system's: the same versions everywhere.
The node sees them laid over /usr (node/init.sh); on the host they run with the libraries they came with.
"""

import os
from pathlib import Path

from onenode.cache import made, place
from onenode.debian import run, unpack

PACKAGES = (
    *("containerd", "runc", "libseccomp2", "containernetworking-plugins"),
    *("iptables", "libip4tc2", "libip6tc2", "libxtables12", "libmnl0", "libnftnl11", "libnfnetlink0"),
    *("libnetfilter-conntrack3", "netbase", "iproute2", "libbpf1", "libelf1", "libbsd0", "libmd0", "libcap2"),
    *("zlib1g", "openssl", "libssl3"),
)
# what update-alternatives would link at installation
IPTABLES = tuple(
    f"{family}{what}" for family in ("iptables", "ip6tables") for what in ("", "-save", "-restore")
)


def tools() -> Path:
    """The folder under which the packages' usr/ lies."""
    return made(place("tools", [" ".join(PACKAGES).encode()]), unpack_tools)


def unpack_tools(root: Path) -> None:
    unpack(PACKAGES, root)
    for name in IPTABLES:
        (root / "usr" / "sbin" / name).unlink(missing_ok=True)
        (root / "usr" / "sbin" / name).symlink_to("xtables-nft-multi")
    run(["ip", "-V"], on_the_host(root))
    run(["openssl", "version"], on_the_host(root))


def on_the_host(root: Path) -> dict[str, str]:
    """The environment in which the tools run on the host."""
    libraries = [str(path) for path in (root / "usr" / "lib").glob("*-linux-gnu")]
    return {
        "PATH": f"{root}/usr/sbin:{root}/usr/bin:{os.environ.get('PATH', '/usr/sbin:/usr/bin')}",
        "LD_LIBRARY_PATH": ":".join(libraries),
        "OPENSSL_CONF": "/dev/null",
    }
