#!/usr/bin/env bash
# pycef 1.11 (PyPI) and nsyslog-parser 0.10.1 (npm) beside cefp 0.0.2 (PyPI): what is escaped in the Common Event Format.
#
# One would expect, by ArcSight's "Implementing Common Event Format", character encoding: in the header pipes and backslashes come
# behind a backslash, in the extension equals signs and backslashes; \n there is a line break. A reader takes the backslashes off.
# Seen: a pipe or backslash in the name makes pycef lose name and severity, a part of both becomes a key; in values it leaves all
# escapes. nsyslog-parser leaves them too, and cuts values at an equals sign: an address ends behind its first parameter's name.
# To a user: alerts have no name, no severity and no full addresses; paths of Windows have twice the backslashes.
. "$(dirname "$0")/lib.sh"
node_packages nsyslog-parser@0.10.1
python_packages pycef==1.11 cefp==0.0.2

cat >events <<'END'
CEF:0|Vendor|Product|1.0|100|worm stopped|8|src=192.0.2.1 act=blocked dst=192.0.2.2
CEF:0|Vendor|Product|1.0|100|a \| b|8|src=192.0.2.1
CEF:0|Vendor|Product|1.0|100|share \\ of files|8|src=192.0.2.1
CEF:0|Vendor|Product|1.0|100|access|3|request=http://example.com/?user\=1&page\=2 requestMethod=GET
CEF:0|Vendor|Product|1.0|100|file|3|fname=C:\\temp\\a.txt msg=first\nsecond
END
cat >program.py <<'END'
import cefp
import pycef

for line in open("events"):
    right = cefp.parse(line.rstrip("\n"))
    print("cefp:", right["name"], right["severity"], right["extension"])
    told = pycef.parse(line.rstrip("\n"))
    rest = {key: value for key, value in told.items() if not key.startswith("Device") and key not in ("CEFVersion", "Name", "Severity")}
    print("  pycef:", repr(told["Name"]), told.get("Severity"), rest)
END
venv/bin/python program.py >got

cat >program.js <<'END'
const parse = require('nsyslog-parser');
for (const line of require('fs').readFileSync('events', 'utf8').trim().split('\n')) {
  const { cef, fields } = parse(line);
  console.log('nsyslog-parser:', cef.name, cef.severity, fields);
}
END
node program.js >>got

seen got <<'END'
cefp: worm stopped 8 {'src': '192.0.2.1', 'act': 'blocked', 'dst': '192.0.2.2'}
  pycef: 'worm stopped' 8 {'src': '192.0.2.1', 'act': 'blocked', 'dst': '192.0.2.2'}
cefp: a | b 8 {'src': '192.0.2.1'}
  pycef: '' None {'b|8|src': '192.0.2.1'}
cefp: share \ of files 8 {'src': '192.0.2.1'}
  pycef: '' None {'files|8|src': '192.0.2.1'}
cefp: access 3 {'request': 'http://example.com/?user=1&page=2', 'requestMethod': 'GET'}
  pycef: 'access' 3 {'request': 'http://example.com/?user\\=1&page\\=2', 'requestMethod': 'GET'}
cefp: file 3 {'fname': 'C:\\temp\\a.txt', 'msg': 'first\nsecond'}
  pycef: 'file' 3 {'fname': 'C:\\\\temp\\\\a.txt', 'msg': 'first\\nsecond'}
nsyslog-parser: worm stopped 8 { src: '192.0.2.1', act: 'blocked', dst: '192.0.2.2' }
nsyslog-parser: a \| b 8 { src: '192.0.2.1' }
nsyslog-parser: share \\ of files 8 { src: '192.0.2.1' }
nsyslog-parser: access 3 { request: 'http://example.com/?user\\', requestMethod: 'GET' }
nsyslog-parser: file 3 { fname: 'C:\\\\temp\\\\a.txt', msg: 'first\\nsecond' }
END
