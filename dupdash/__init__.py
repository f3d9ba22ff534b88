"""dupdash duplicates Moodle courses."""

VERSION = "0.1.0"
