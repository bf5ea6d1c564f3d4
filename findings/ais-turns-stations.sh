#!/usr/bin/env bash
# ais-stream-decoder 2.1.2 (npm) and pyais 3.3.1 (PyPI) beside aiscat 0.68.16 (PyPI): rates of turn, and stations of corrections.
#
# One would expect, by ITU-R M.1371-5, annex 8: the rate of turn of a position report is 4.733 times the root of the degrees in a
# minute, with a sign, so 21 means 20 to the right and -21 as much to the left. The place of message 17 is in tenths of minutes,
# with a sign, as all places are.
# Seen: ais-stream-decoder takes the root of what it should square, 21 is 2.1 degrees, and every turn to the left is null, as if
# nobody knew. pyais reads the place of message 17 without a sign, and hands over minutes where all else is in degrees.
# To a user: ships turn to the right only, and never fast; stations in the west or south are nowhere on the globe.
. "$(dirname "$0")/lib.sh"
node_packages ais-stream-decoder@2.1.2
python_packages pyais==3.3.1 aiscat==0.68.16

cat >write.py <<'END'
def sentence(fields):
    bits = "".join(format(value % (1 << width), f"0{width}b") for value, width in fields)
    fill = -len(bits) % 6
    bits += "0" * fill
    numbers = [int(bits[i:i + 6], 2) for i in range(0, len(bits), 6)]
    text = f"AIVDM,1,1,,A,{''.join(chr(n + 48 if n < 40 else n + 56) for n in numbers)},{fill}"
    check = 0
    for byte in text.encode():
        check ^= byte
    return f"!{text}*{check:02X}"

for turn in (0, 21, 100, -21, -100, -128):
    place = [(int(4.5 * 600000), 28), (int(-33.25 * 600000), 27)]
    print(sentence([(1, 6), (0, 2), (111222333, 30), (0, 4), (turn, 8), (50, 10), (0, 1), *place, (900, 12), (90, 9), (30, 6), (0, 25)]))
for longitude, latitude in ((4.5, 51.5), (-54.5, -35.25)):
    place = [(int(longitude * 600), 18), (int(latitude * 600), 17)]
    print(sentence([(17, 6), (0, 2), (2734450, 30), (0, 2), *place, (0, 5), (0, 40)]))
END
python3 write.py >sentences

cat >program.js <<'END'
const Decoder = require('ais-stream-decoder').default;
const decoder = new Decoder();
decoder.on('data', (told) => console.log('ais-stream-decoder: turn', JSON.parse(told).rateOfTurn));
for (const sentence of require('fs').readFileSync('sentences', 'utf8').trim().split('\n').slice(0, 6)) decoder.write(sentence);
END
node program.js >got

cat >program.py <<'END'
import aiscat
import pyais

for line in open("sentences"):
    one, other = aiscat.decode(line.strip()), pyais.decode(line.strip()).asdict()
    if one["type"] == 1:
        print("aiscat: turn", one.get("turn"), "pyais:", float(other["turn"]))
    else:
        print("aiscat:", one["lon"], one["lat"], "pyais:", other["lon"], other["lat"])
END
venv/bin/python program.py >>got

seen got <<'END'
ais-stream-decoder: turn 0
ais-stream-decoder: turn 2.1064026629119175
ais-stream-decoder: turn 4.596547450881149
ais-stream-decoder: turn null
ais-stream-decoder: turn null
ais-stream-decoder: turn null
aiscat: turn 0 pyais: 0.0
aiscat: turn 20 pyais: 20.0
aiscat: turn 446 pyais: 446.0
aiscat: turn -19 pyais: -20.0
aiscat: turn -445 pyais: -446.0
aiscat: turn None pyais: -128.0
aiscat: 4.5 51.5 pyais: 270.0 3090.0
aiscat: -54.5 -35.25 pyais: 22944.4 10992.2
END
