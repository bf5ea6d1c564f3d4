#!/usr/bin/env bash
# eccodes 2.50.1, pybufrkit 0.2.25, bufrust 1.0.4 (PyPI): texts in BUFR.
#
# One would expect, by WMO's FM 94 BUFR: a text whose bits are all set is missing; operator 205 puts characters into the data; and
# what one program packs another unpacks, in compressed messages too.
# Seen: bufrust reads a missing text as the number 1020, pybufrkit as its bytes; bufrust takes no notice of operator 205, reads the
# next value from the characters, and gives 48 for 3. Where texts of compressed messages differ, ecCodes puts the first of them in
# front, in the place of a least value, where pybufrkit writes zero bytes; pybufrkit then reads each behind that: abcabc and abcx. Its
# own it reads rightly, and ecCodes and bufrust read both. With bitstring 5, which pip gives it by itself, pybufrkit reads nothing.
# To a user: names of stations come twice, and values of stations are others.
. "$(dirname "$0")/lib.sh"
python_packages eccodes==2.50.1 eccodeslib==2.50.0.33 pybufrkit==0.2.25 bitstring==4.2.3 bufrust==1.0.4

cat >program.py <<'END'
import eccodes
from bufrust import loads
from pybufrkit.decoder import Decoder
from pybufrkit.encoder import Encoder
from pybufrkit.renderer import FlatJsonRenderer

def pack(descriptors, values, subsets=1):
    message = eccodes.codes_bufr_new_from_samples("BUFR4")
    for key, value in ("masterTablesVersionNumber", 28), ("numberOfSubsets", subsets), ("compressedData", int(subsets > 1)):
        eccodes.codes_set(message, key, value)
    eccodes.codes_set_array(message, "unexpandedDescriptors", descriptors)
    for key, value in values.items():
        (eccodes.codes_set_string_array if isinstance(value[0], str) else eccodes.codes_set_array)(message, key, value)
    eccodes.codes_set(message, "pack", 1)
    return eccodes.codes_get_message(message)

def by_eccodes(packed, keys):
    message = eccodes.codes_new_from_message(packed)
    eccodes.codes_set(message, "unpack", 1)
    return [list(map(str, eccodes.codes_get_array(message, key))) for key in keys]

def by_pybufrkit(packed):
    return [[value.rstrip(b"\0") if isinstance(value, bytes) else value for value in subset]
            for subset in Decoder().process(packed).template_data.value.decoded_values_all_subsets]

def tell(name, packed, keys):
    print(f"{name}: ecCodes reads", *by_eccodes(packed, keys))
    print(f"{name}: pybufrkit reads", *by_pybufrkit(packed))
    values = [value["data"] for value in loads(packed)[0].to_dict()["values"]]
    print(f"{name}: bufrust reads", *(value.rstrip("\0") if isinstance(value, str) else value for value in values))

tell("text and number", pack([1015, 1001], {"stationOrSiteName": ["abc"], "blockNumber": [3]}), ["stationOrSiteName", "blockNumber"])
tell("missing text and number", pack([1015, 1001], {"blockNumber": [3]}), ["stationOrSiteName", "blockNumber"])
tell("characters and number", pack([205004, 1001], {"text": ["abcd"], "blockNumber": [3]}), ["text", "blockNumber"])
packed = pack([208003, 1015, 208000, 1001], {"stationOrSiteName": ["abc", "x"], "blockNumber": [1, 2]}, 2)
tell("compressed by ecCodes", packed, ["stationOrSiteName", "blockNumber"])
told = FlatJsonRenderer().render(Decoder().process(packed))
told[3][2] = [[b"abc", 1], [b"x", 2]]
tell("compressed by pybufrkit", Encoder().process(told).serialized_bytes, ["stationOrSiteName", "blockNumber"])
END
venv/bin/python program.py >got

seen got <<'END'
text and number: ecCodes reads ['abc'] ['3']
text and number: pybufrkit reads [b'abc', 3]
text and number: bufrust reads abc 3.0
missing text and number: ecCodes reads [''] ['3']
missing text and number: pybufrkit reads [b'\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff', 3]
missing text and number: bufrust reads 1020.0 3.0
characters and number: ecCodes reads ['abcd'] ['3']
characters and number: pybufrkit reads [b'abcd', 3]
characters and number: bufrust reads 48.0
compressed by ecCodes: ecCodes reads ['abc', 'x'] ['1', '2']
compressed by ecCodes: pybufrkit reads [b'abcabc', 1] [b'abcx', 2]
compressed by ecCodes: bufrust reads abc 1.0 x 2.0
compressed by pybufrkit: ecCodes reads ['abc', 'x  '] ['1', '2']
compressed by pybufrkit: pybufrkit reads [b'abc', 1] [b'x  ', 2]
compressed by pybufrkit: bufrust reads abc 1.0 x 2.0
END
