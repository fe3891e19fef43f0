"""Makes sure that there is a Chromium for the browser tests, and prints where it is.

One on PATH is taken as it is. Else the system's package manager installs one (as root, or where
sudo asks for no password), else Playwright fetches its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from attnscope.doctor import find_chromium

_MANAGERS = {
    "apt-get": (("apt-get", "update"), ("apt-get", "install", "--yes", "chromium")),
    "dnf": (("dnf", "install", "--assumeyes", "chromium"),),
    "apk": (("apk", "add", "chromium"),),
}
_PLAYWRIGHT = ((sys.executable, "-m", "playwright", "install", "chromium"),)

Steps = tuple[tuple[str, ...], ...]


def ways() -> Iterator[Steps]:
    """Yield the ways to install a Chromium that this machine and user may try, best first."""
    sudo: tuple[str, ...] = ()
    if os.name == "posix" and os.geteuid() != 0:
        sudo = ("sudo", "--non-interactive")
    if not sudo or shutil.which("sudo"):
        for manager, steps in _MANAGERS.items():
            if shutil.which(manager):
                yield tuple((*sudo, *step) for step in steps)
    yield _PLAYWRIGHT


def install(steps: Steps) -> str | None:
    """Run the steps of one way, quietly; return the Chromium that is there afterwards."""
    print(f"· Chromium: {' '.join(steps[-1])}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in steps:
        done = subprocess.run(step, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            print(f"  failed: {''.join(last)}", flush=True)
            return None
    return find_chromium()


def main() -> int:
    """Find or install a Chromium; 1 when there is no way to have one."""
    found = find_chromium() or next(filter(None, map(install, ways())), None)
    if found is None:
        print("error: no Chromium; install one that is on PATH as `chromium`", file=sys.stderr)
        return 1
    print(f"· Chromium: {found}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
