"""``python -m tap_cxone``: the command ``tap-cxone``."""

from tap_cxone.commands import tap

if __name__ == "__main__":
    tap()
