"""The command line of Rolloutlab."""


def main() -> None:
    """Entry point of the console script."""
