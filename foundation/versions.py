"""Versions of installed packages, from their metadata: nothing is imported."""

from importlib.metadata import PackageNotFoundError, version


def installed_version(package: str) -> str | None:
    """The version of `package`; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def version_shown(package: str) -> str:
    """The same for a record or a page: "not installed" where it is not."""
    return installed_version(package) or "not installed"
