"""Whether the packages are installed that a training's settings need."""

import importlib.util

from formats.errors import UserError
from train.settings import TrainSettings


def require_installed(settings: TrainSettings) -> None:
    """Refuses settings whose packages are not there, before anything is loaded.

    Raises:
        UserError: a package is missing; the message has the line that installs it.
    """
    wanted: dict[str, str] = {f'report_to = "{name}"': name for name in settings.report_to}
    if settings.quantisation != "none":
        wanted[f'quantisation = "{settings.quantisation}"'] = "bitsandbytes"
    if "8bit" in settings.optimizer or "paged" in settings.optimizer:
        wanted[f'optimizer = "{settings.optimizer}"'] = "bitsandbytes"
    for setting, package in wanted.items():
        if importlib.util.find_spec(package) is None:
            raise UserError(f"{setting}: the package {package} is not installed; run: pip install {package}")
