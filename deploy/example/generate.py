#!/usr/bin/env python3
"""Writes `nats.conf` from `register.json`, as `allmende hub config` would: generate.py [--check].

The private halves of all keys in this folder were thrown away: a copied example admits nobody.
"""

import argparse
import sys
from pathlib import Path

from allmende.schemas.contract import read
from allmende.schemas.register import MemberRegister
from allmende.servicekit.hub import PROVISIONER, Hub
from allmende.servicekit.up import installed_services

HERE = Path(__file__).resolve().parent
CONFIGURATION = HERE / "nats.conf"
SERVICE_KEYS = {
    "billing": "UBKGGSP2MH3ZI2M6GM6NHFPXLWODTNPDTGWNOBA2EBNWY76NKWWJVHIS",
    "brokerage": "UC4VQPHDBR536ROLW2ZPHFIIAAZMLEIVG2LE2Q7I2YQ6TVTMITSC5KJG",
    "catalog": "UD5LROADA53UBPSJMWPWIRGRUTEHGVBDZG2BHRWGUCCPJZFCQEBTQ4IE",
    PROVISIONER: "UCFQCB2KY3ZUKQVL3VDSP63R5AKU2GHXNG3PLYCQEBKVVQ3KXJCX7IET",
}


def configuration() -> str:
    """The hub's configuration for the example's register, with the defaults of `allmende hub config`."""
    register = read(MemberRegister, (HERE / "register.json").read_bytes())
    hub = Hub(register, SERVICE_KEYS, [service.consumed for service in installed_services()])
    every_address = "0.0.0.0"  # noqa: S104 - the hub listens for members
    return hub.configuration(host=every_address, port=4222, store=Path("/var/lib/nats"), monitor_port=8222)


def main() -> int:
    """Write the file, or say whether it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail when the file is out of date"
    )
    if not parser.parse_args().check:
        CONFIGURATION.write_text(configuration(), encoding="utf-8")
    elif not CONFIGURATION.exists() or CONFIGURATION.read_text(encoding="utf-8") != configuration():
        sys.stderr.write("deploy/example/nats.conf is out of date: run deploy/example/generate.py\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
