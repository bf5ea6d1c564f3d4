#!/usr/bin/env bash
# pyasn1 0.6.5 and asn1tools 0.169.0 (both PyPI): reals of ASN.1 in BER.
#
# One would expect, by X.690 8.5.3 and 8.5.9: the content 42 is NOT-A-NUMBER and 43 minus zero, 40 and 41 are the infinities.
# By 8.5.7 a binary real may have the base 8 or 16 and a scale factor, by ISO 6093, which 8.5.8 names, a decimal comma.
# Seen: pyasn1 reads NOT-A-NUMBER as infinity and minus zero as minus infinity. Of the others it refuses the decimal comma
# alone. asn1tools reads the special ones and the comma, and refuses base 8, base 16 and the scale factor; it writes -0.0 as 0.
# To a user: a sensor that says it has no value, or zero, is past every upper or lower limit.
. "$(dirname "$0")/lib.sh"
python_packages pyasn1==0.6.5 asn1tools==0.169.0

cat >program.py <<'END'
import asn1tools
import pyasn1.codec.ber.decoder
import pyasn1.error

kind = asn1tools.compile_string("Finding DEFINITIONS ::= BEGIN Number ::= REAL END", "ber")

def by_asn1tools(data):
    return kind.decode("Number", data)

def by_pyasn1(data):
    return float(pyasn1.codec.ber.decoder.decode(data)[0])

def told(read, data):
    try:
        return read(data)
    except (asn1tools.DecodeError, pyasn1.error.PyAsn1Error):
        return "refused"

for meaning, content in (
    ("plus infinity", "40"),
    ("minus infinity", "41"),
    ("not a number", "42"),
    ("minus zero", "43"),
    ("1.5 = 3 * 2^-1", "80ff03"),
    ("1.5 = 12 * 8^-1", "90ff0c"),
    ("1.5 = 24 * 16^-1", "a0ff18"),
    ("1.5 = 3 * 2^1 * 2^-2", "84fe03"),
    ("1.5 in NR2", b"\x021.5".hex()),
    ("1,5 in NR2", b"\x021,5".hex()),
):
    data = bytes([9, len(content) // 2]) + bytes.fromhex(content)
    print(f"{meaning} ({data.hex()}): pyasn1 {told(by_pyasn1, data)}, asn1tools {told(by_asn1tools, data)}")
print("asn1tools writes -0.0 as", kind.encode("Number", -0.0).hex(), "and NaN as", kind.encode("Number", float("nan")).hex())
END
venv/bin/python program.py >got

seen got <<'END'
plus infinity (090140): pyasn1 inf, asn1tools inf
minus infinity (090141): pyasn1 -inf, asn1tools -inf
not a number (090142): pyasn1 inf, asn1tools nan
minus zero (090143): pyasn1 -inf, asn1tools -0.0
1.5 = 3 * 2^-1 (090380ff03): pyasn1 1.5, asn1tools 1.5
1.5 = 12 * 8^-1 (090390ff0c): pyasn1 1.5, asn1tools refused
1.5 = 24 * 16^-1 (0903a0ff18): pyasn1 1.5, asn1tools refused
1.5 = 3 * 2^1 * 2^-2 (090384fe03): pyasn1 1.5, asn1tools refused
1.5 in NR2 (090402312e35): pyasn1 1.5, asn1tools 1.5
1,5 in NR2 (090402312c35): pyasn1 refused, asn1tools 1.5
asn1tools writes -0.0 as 0900 and NaN as 090142
END
