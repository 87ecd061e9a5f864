"""A genuine one-node Kubernetes, made from packages and modules, that changes nothing on its host.

Standard library only, so that it runs before anything of the project is installed.
"""
