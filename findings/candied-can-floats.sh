#!/usr/bin/env bash
# candied 2.2.0 (npm) beside cantools 45.1.0 (PyPI): signals of CAN frames that are floats, by one DBC file.
#
# One would expect, by the DBC file format (section on signal extended value types: SIG_VALTYPE_ 1 is a 32-bit IEEE float, 2 a
# 64-bit double): floats are decoded as such, the more so as candied names their type where it hands over a decoded signal.
# Seen: it takes their bits for an integer, so -1.5 is -1077936128 beside the word float, and then adds factor and offset.
# To a user: temperatures and positions are in the billions, in a record that says what they should have been.
. "$(dirname "$0")/lib.sh"
node_packages candied@2.2.0
python_packages cantools==45.1.0

cat >car.dbc <<'END'
VERSION ""

NS_ :

BS_:

BU_: Unit

BO_ 100 Engine: 8 Unit
 SG_ Torque : 0|32@1- (2,10) [0|0] "" Unit
 SG_ Count : 32|8@1+ (1,0) [0|0] "" Unit

BO_ 101 Position: 8 Unit
 SG_ Latitude : 0|64@1- (1,0) [0|0] "" Unit

SIG_VALTYPE_ 100 Torque : 1;
SIG_VALTYPE_ 101 Latitude : 2;
END
cat >frames <<'END'
100 0000c0bf07000000
101 000000000000f8bf
END
cat >program.py <<'END'
import cantools

base = cantools.database.load_file("car.dbc")
for line in open("frames"):
    id, data = line.split()
    print("cantools", id, base.decode_message(int(id), bytes.fromhex(data)))
END
venv/bin/python program.py >got

cat >program.js <<'END'
const { readFileSync } = require('fs');
const { Can, Dbc } = require('candied');
const can = new Can();
can.database = new Dbc().load(readFileSync('car.dbc', 'utf8'));
for (const line of readFileSync('frames', 'utf8').trim().split('\n')) {
  const [id, data] = line.split(' ');
  const { boundSignals } = can.decode(can.createFrame(Number(id), [...Buffer.from(data, 'hex')]));
  const told = [...boundSignals].map(([name, { value, boundData: { signal } }]) => `${name} ${value} (${signal.dataType})`);
  console.log('candied', id, told.join(', '));
}
END
node program.js >>got

seen got <<'END'
cantools 100 {'Torque': 7.0, 'Count': 7}
cantools 101 {'Latitude': -1.5}
candied 100 Torque -2155872246 (float), Count 7 (uint8)
candied 101 Latitude -4613937818241073000 (double)
END
