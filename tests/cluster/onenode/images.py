"""The node's images, made without a registry: pause, Python, ingress-nginx on Debian's nginx, a shop."""

import platform
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from onenode import oci
from onenode.cache import made, place
from onenode.debian import run, unpack

PAUSE = oci.Image("registry.local/pause:1", ("/pause",))
PYTHON = oci.Image(
    "registry.local/python:3.11", ("/usr/bin/python3",), {"LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
)
INGRESS_NGINX = oci.Image("registry.local/ingress-nginx:1", ("/nginx-ingress-controller",))
SHOPS = tuple(oci.Image(f"registry.local/shop:{n}", ("/shop",), {"SHOP": str(n)}) for n in (1, 2))
FOR_PYTHON = (
    *("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libc6", "libgcc-s1", "zlib1g"),
    *("libssl3", "libexpat1", "libuuid1", "libffi8", "libbz2-1.0", "liblzma5"),
)
FOR_NGINX = (
    *("nginx", "nginx-common", "libnginx-mod-http-ndk", "libnginx-mod-http-lua"),
    *("libnginx-mod-http-headers-more-filter", "libluajit2-5.1-2", "libluajit2-5.1-common", "lua-resty-core"),
    *("lua-resty-lrucache", "lua-cjson", "libpcre2-8-0", "libpcre3", "libssl3", "zlib1g", "libcrypt1"),
    *("libc6", "libgcc-s1", "busybox-static"),
)
UNUSED = (
    *(
        "usr/share/doc",
        "usr/share/man",
        "usr/share/lintian",
        "usr/share/bug",
        "usr/share/locale",
        "etc/init.d",
    ),
    *("usr/share/menu", "usr/share/binfmts", "usr/share/apport", "usr/lib/*-linux-gnu/gconv"),
    *("usr/lib/*-linux-gnu/ossl-modules", "usr/lib/*-linux-gnu/engines-3"),
    *(f"usr/lib/python3.11/{name}" for name in ("lib2to3", "pydoc_data", "distutils", "ensurepip")),
    *("etc/nginx/sites-*", "etc/nginx/modules-*", "usr/share/lua/5.[234]", "usr/lib/*-linux-gnu/lua/5.[234]"),
)
HERE = Path(__file__).resolve().parent
OWN = HERE.parent / "ingress-nginx"
# what a service on asyncio or threads imports
IMPORTED = "asyncio, json, http.client, http.server, signal, socket, ssl, threading, urllib.request, zlib"


def images(kubernetes: Path, ingress_nginx: Path, shop: Path) -> Path:
    """The folder of the images' tars."""
    sources = [path for path in sorted(OWN.rglob("*")) if path.is_file()]
    inputs = [path.read_bytes() for path in (HERE / "images.py", HERE / "oci.py", *sources)]
    folder = place("images", [*inputs, *(one.name.encode() for one in (kubernetes, ingress_nginx, shop))])

    def make(into: Path) -> None:
        image(PAUSE, into / "pause.tar", lambda root: shutil.copy(kubernetes / "pause", root))
        image(PYTHON, into / "python.tar", python)
        for number, one in enumerate(SHOPS, 1):
            image(one, into / f"shop-{number}.tar", lambda root: shutil.copy(shop / "shop", root))
        image(INGRESS_NGINX, into / "ingress-nginx.tar", lambda root: controller(root, ingress_nginx))

    return made(folder, make)


def image(what: oci.Image, to: Path, fill: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory(dir=to.parent) as folder:
        root = Path(folder)
        fill(root)
        oci.write(what, root, to)


def python(root: Path) -> None:
    """Debian's Python with its whole library, compiled as an installation would have done."""
    debian(root, FOR_PYTHON)
    for name in ("python", "python3"):
        (root / "usr" / "bin" / name).unlink(missing_ok=True)
        (root / "usr" / "bin" / name).symlink_to("python3.11")
    # by its path: not everybody who is root has /usr/sbin in theirs
    inside = ["/usr/sbin/chroot", str(root), "/usr/bin/python3", "-S"]
    compiled = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "/usr/lib/python3.11"]
    run([*inside, *compiled], {"PYTHONHASHSEED": "0"})
    run([*inside, "-B", "-c", f"import {IMPORTED}"])


def controller(root: Path, ingress_nginx: Path) -> None:
    """Debian's nginx, the controller with its own template and Lua, and stand-ins for what Debian lacks."""
    debian(root, FOR_NGINX)
    shutil.copytree(ingress_nginx / "nginx", root / "etc" / "nginx", dirs_exist_ok=True)
    shutil.rmtree(root / "etc" / "nginx" / "lua" / "test", ignore_errors=True)
    shutil.copytree(OWN / "lua", root / "etc" / "nginx" / "lua", dirs_exist_ok=True)
    template = root / "etc" / "nginx" / "template" / "nginx.tmpl"
    template.write_text(fitted(template.read_text()))
    shutil.copy(ingress_nginx / "nginx-ingress-controller", root)
    (root / "usr" / "bin" / "nginx").symlink_to("../sbin/nginx")
    for applet in ("sh", "ls", "cat", "kill", "ps", "diff"):
        (root / "usr" / "bin" / applet).unlink(missing_ok=True)
        (root / "usr" / "bin" / applet).symlink_to("busybox")
    made_empty = ("ssl", "auth", "geoip", "telemetry")
    folders(root, ["tmp/nginx", "var/log/nginx", "var/lib/nginx"])
    folders(root, [f"etc/ingress-controller/{name}" for name in made_empty])
    (root / "tmp" / "nginx").chmod(0o777)


def fitted(template: str) -> str:
    """ingress-nginx's template of nginx.conf for nginx 1.22 with Lua for HTTP only, as Debian 12 has it."""
    names = ("ndk_http_module", "ngx_http_lua_module", "ngx_http_headers_more_filter_module")
    modules = "".join(f"load_module /usr/lib/nginx/modules/{name}.so;\n" for name in names)
    head, marker, rest = template.partition("# setup custom paths that do not require root access\n")
    if not marker:
        raise OSError("ingress-nginx's template has changed: where modules are loaded is not found")
    rest = rest.replace(
        'lua_package_path "/etc/nginx/lua/?.lua;;";',
        'lua_package_path "/etc/nginx/lua/?.lua;/usr/share/lua/5.1/?.lua;;";'
        f' lua_package_cpath "/usr/lib/{platform.machine()}-linux-gnu/lua/5.1/?.so;;";',
        1,
    )
    http, _, stream = rest.partition("\nstream {\n")
    after = stream.partition("\n}\n")[2]
    # the controller writes its table of TCP and UDP services to this port and needs somebody to take it
    sink = "    server { listen 127.0.0.1:{{ .StreamPort }}; access_log off; return 200; }\n}\n"
    return f"{head}user root;\n{modules}{marker}{http.rstrip().removesuffix('}')}{sink}\n{after}"


def debian(root: Path, packages: Sequence[str]) -> None:
    unpack(packages, root)
    for pattern in UNUSED:
        for path in root.glob(pattern):
            shutil.rmtree(path)
    folders(root, ["tmp", "proc", "sys", "dev", "run", "root", "etc"])
    (root / "tmp").chmod(0o1777)
    users = {"root": 0, "www-data": 33, "nobody": 65534}
    groups = {"root": 0, "www-data": 33, "nogroup": 65534, "nobody": 65533}
    etc = root / "etc"
    passwd = "".join(f"{name}:x:{uid}:{uid}::/:/bin/false\n" for name, uid in users.items())
    (etc / "passwd").write_text(passwd)
    (etc / "group").write_text("".join(f"{name}:x:{gid}:\n" for name, gid in groups.items()))
    (etc / "nsswitch.conf").write_text("hosts: files dns\n")


def folders(root: Path, names: Iterable[str]) -> None:
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
