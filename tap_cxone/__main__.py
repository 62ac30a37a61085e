"""``python -m tap_cxone``: the command ``tap-cxone``."""

from tap_cxone.tap import TapCXone

if __name__ == "__main__":
    TapCXone.cli()
