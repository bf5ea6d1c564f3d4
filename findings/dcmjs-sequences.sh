#!/usr/bin/env bash
# dcmjs 0.52.2 (npm) beside pydicom 3.0.2 (PyPI): a data set of DICOM that is read and written again.
#
# One would expect, by DICOM PS3.5, 6.2 and 7.5: an item of a sequence may be empty and counts all the same; a backslash is a letter in
# unlimited text (UT), which has one value; SV, OV and OL are value representations like others.
# Seen: empty items are gone, also when the data set is written again, so that the next ones stand in their places; a text with a
# backslash is read as two values; SV, OV and OL are told as bytes of no known kind (UN), with a line in the log. No error. UV and
# numbers of 32 bits are right.
# To a user: what depends on an item's place, and numbers of 64 bits with a sign, are others for programs behind it.
. "$(dirname "$0")/lib.sh"
node_packages dcmjs@0.52.2
python_packages pydicom==3.0.2

cat >write.py <<'END'
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

file = Dataset()
file.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
file.SOPInstanceUID = "1.2.3"
file.SelectorSVValue = [-1, 2**53 + 1]
file.SelectorUVValue = [2**64 - 1]
file.SelectorSLValue = [-1, 5]
file.SelectorOLValue = bytes([1, 0, 0, 0])
file.SelectorUTValue = "a\\b"
file.SelectorLTValue = "a\\b"
code = Dataset()
code.CodeValue = "x"
file.ConceptNameCodeSequence = [Dataset(), code]
file.file_meta = FileMetaDataset()
file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
file.save_as("file.dcm", enforce_file_format=True)
END
venv/bin/python write.py

cat >program.js <<'END'
const { readFileSync, writeFileSync } = require('fs');
const dcmjs = require('dcmjs');
dcmjs.log.setLevel('silent');
const bytes = readFileSync('file.dcm');
const file = dcmjs.data.DicomMessage.readFile(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
const item = (value) => (typeof value === 'object' ? value['00080100']?.Value : value);
const told = (value) => (value instanceof ArrayBuffer ? Buffer.from(value).toString('hex') : item(value));
for (const tag of Object.keys(file.dict).sort()) console.log(`dcmjs reads ${tag} ${file.dict[tag].vr}`, file.dict[tag].Value.map(told));
writeFileSync('again.dcm', Buffer.from(file.write()));
END
node program.js >got

cat >read.py <<'END'
import pydicom

for name in "file.dcm", "again.dcm":
    for element in pydicom.dcmread(name):
        value = [item.to_json_dict() for item in element.value] if element.VR == "SQ" else element.value
        print(f"pydicom reads {name}: {element.tag.json_key} {element.VR} {value}")
END
venv/bin/python read.py >>got

seen got <<'END'
dcmjs reads 00080016 UI [ '1.2.840.10008.5.1.4.1.1.7' ]
dcmjs reads 00080018 UI [ '1.2.3' ]
dcmjs reads 0040A043 SQ [ [ 'x' ] ]
dcmjs reads 00720068 LT [ 'a\\b' ]
dcmjs reads 00720070 UT [ 'a', 'b' ]
dcmjs reads 00720075 UN [ '01000000' ]
dcmjs reads 0072007C SL [ -1, 5 ]
dcmjs reads 00720082 UN [ 'ffffffffffffffff0100000000002000' ]
dcmjs reads 00720083 UV [ 18446744073709551615n ]
pydicom reads file.dcm: 00080016 UI 1.2.840.10008.5.1.4.1.1.7
pydicom reads file.dcm: 00080018 UI 1.2.3
pydicom reads file.dcm: 0040A043 SQ [{}, {'00080100': {'vr': 'SH', 'Value': ['x']}}]
pydicom reads file.dcm: 00720068 LT a\b
pydicom reads file.dcm: 00720070 UT a\b
pydicom reads file.dcm: 00720075 OL b'\x01\x00\x00\x00'
pydicom reads file.dcm: 0072007C SL [-1, 5]
pydicom reads file.dcm: 00720082 SV [-1, 9007199254740993]
pydicom reads file.dcm: 00720083 UV 18446744073709551615
pydicom reads again.dcm: 00080016 UI 1.2.840.10008.5.1.4.1.1.7
pydicom reads again.dcm: 00080018 UI 1.2.3
pydicom reads again.dcm: 0040A043 SQ [{'00080100': {'vr': 'SH', 'Value': ['x']}}]
pydicom reads again.dcm: 00720068 LT a\b
pydicom reads again.dcm: 00720070 UT a\b
pydicom reads again.dcm: 00720075 OL b'\x01\x00\x00\x00'
pydicom reads again.dcm: 0072007C SL [-1, 5]
pydicom reads again.dcm: 00720082 SV [-1, 9007199254740993]
pydicom reads again.dcm: 00720083 UV 18446744073709551615
END
