"""``python -m tap_cxone``: the command ``tap-cxone``."""

from tap_cxone.cli import main

if __name__ == "__main__":
    main()
