"""All that a node is made of, in the cache."""

from pathlib import Path
from typing import NamedTuple

from onenode import builds
from onenode.builds import Say
from onenode.images import images
from onenode.store import store
from onenode.tools import tools


class Parts(NamedTuple):
    tools: Path
    kubernetes: Path
    store: Path


def parts(say: Say) -> Parts:
    """Fetches and builds what the cache does not have yet. Raises OSError if something cannot be had."""
    unpacked = tools()
    kubernetes = builds.kubernetes(say)
    imported = store(unpacked, images(kubernetes, builds.ingress_nginx(say), builds.shop(say)))
    return Parts(unpacked, kubernetes, imported)
