#!/usr/bin/env bash
# syslog_loose 0.23.0, syslog_rfc5424 0.10.0 (crates.io), syslog-rfc5424-parser 0.3.2 (PyPI), glossy 0.1.7, nsyslog-parser 0.10.1
# (npm), go-syslog 4.6.0 (Go): structured data of syslog.
#
# One would expect, by RFC 5424, 6.3, 6.4 and 7.2: backslashes before quotes, brackets and backslashes are taken off; a parameter such as
# ip may stand several times; a message may begin with a bracket, and the mark of UTF-8 in front is no part of it.
# Seen: syslog-rfc5424-parser leaves the backslashes; nsyslog-parser takes structured data with backslashes, or with a parameter that
# stands twice, for the message. Of several values all but syslog_loose keep the last one only. glossy takes what stands in brackets in
# front of a message for structured data, and the message loses it. The mark of UTF-8 stays in the message in all but
# nsyslog-parser. No error.
# To a user: names of files, queries and addresses from logs are others, and messages begin with other letters.
. "$(dirname "$0")/lib.sh"
node_packages glossy@0.1.7 nsyslog-parser@0.10.1
python_packages syslog-rfc5424-parser==0.3.2
rust_packages <<'END'
syslog_loose = "=0.23.0"
syslog_rfc5424 = "=0.10.0"
serde_json = "1"
END

printf '%s\n' '<165>1 2003-10-11T22:14:15.003Z host app - ID47 [x@1 a="b"] text' \
    '<165>1 2003-10-11T22:14:15.003Z host app - ID47 [x@1 quote="say \"hi\"" path="C:\\new" bracket="a\]b"] text' \
    '<165>1 2003-10-11T22:14:15.003Z host app - ID47 [origin ip="192.0.2.1" ip="192.0.2.129"] text' \
    '<165>1 2003-10-11T22:14:15.003Z host app - ID47 [x@1 a="b"] [main] started' \
    $'<165>1 2003-10-11T22:14:15.003Z host app - ID47 [x@1 a="b"] \xef\xbb\xbfd\xc3\xa9j\xc3\xa0' >lines

cat >src/main.rs <<'END'
use serde_json::json;

fn main() {
    for (number, line) in std::fs::read_to_string("lines").unwrap().lines().enumerate() {
        let loose = syslog_loose::parse_message(line, syslog_loose::Variant::RFC5424);
        let data: Vec<_> = loose.structured_data.iter().map(|element| json!([element.id, element.params().collect::<Vec<_>>()])).collect();
        println!("{number} syslog_loose: {} {}", json!(data), json!(loose.msg));
        let strict = syslog_rfc5424::parse_message(line).unwrap();
        let data: Vec<_> = strict.sd.iter().map(|(id, parameters)| json!([id, parameters])).collect();
        println!("{number} syslog_rfc5424: {} {}", json!(data), json!(strict.msg));
    }
}
END
rust_program >told

cat >program.py <<'END'
import json
from syslog_rfc5424_parser import SyslogMessage

for number, line in enumerate(open("lines", encoding="utf-8")):
    message = SyslogMessage.parse(line.rstrip("\n"))
    print(number, "syslog-rfc5424-parser:", json.dumps(message.sd), json.dumps(message.msg, ensure_ascii=False))
END
venv/bin/python program.py >>told

cat >program.js <<'END'
const { Parse } = require('glossy');
const parse = require('nsyslog-parser');
require('fs').readFileSync('lines', 'utf8').trim().split('\n').forEach((line, number) => {
  const glossy = Parse.parse(line);
  console.log(number, 'glossy:', JSON.stringify(glossy.structuredData), JSON.stringify(glossy.message));
  const other = parse(line);
  console.log(number, 'nsyslog-parser:', JSON.stringify(other.structuredData), JSON.stringify(other.message));
});
END
node program.js >>told

cat >main.go <<'END'
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/leodido/go-syslog/v4/rfc5424"
)

func main() {
	file, err := os.Open("lines")
	if err != nil {
		panic(err)
	}
	scanner := bufio.NewScanner(file)
	for number := 0; scanner.Scan(); number++ {
		message, err := rfc5424.NewParser().Parse(scanner.Bytes())
		if err != nil {
			panic(err)
		}
		told := message.(*rfc5424.SyslogMessage)
		data, _ := json.Marshal(told.StructuredData)
		text, _ := json.Marshal(told.Message)
		fmt.Println(number, "go-syslog:", string(data), string(text))
	}
}
END
go_program github.com/leodido/go-syslog/v4/rfc5424@v4.6.0 >>told
sed 's/\xef\xbb\xbf/<mark>/; s/\\ufeff/<mark>/' told | sort >got

seen got <<'END'
0 glossy: {"x@1":{"a":"b"}} "text"
0 go-syslog: {"x@1":{"a":"b"}} "text"
0 nsyslog-parser: [{"$id":"x@1","a":"b"}] "text"
0 syslog-rfc5424-parser: {"x@1": {"a": "b"}} "text"
0 syslog_loose: [["x@1",[["a","b"]]]] "text"
0 syslog_rfc5424: [["x@1",{"a":"b"}]] "text"
1 glossy: {"x@1":{"quote":"say \"hi\"","path":"C:\\new","bracket":"a]b"}} "text"
1 go-syslog: {"x@1":{"bracket":"a]b","path":"C:\\new","quote":"say \"hi\""}} "text"
1 nsyslog-parser: [] "[x@1 quote=\"say \\\"hi\\\"\" path=\"C:\\\\new\" bracket=\"a\\]b\"] text"
1 syslog-rfc5424-parser: {"x@1": {"quote": "say \\\"hi\\\"", "path": "C:\\\\new", "bracket": "a\\]b"}} "text"
1 syslog_loose: [["x@1",[["quote","say \"hi\""],["path","C:\\new"],["bracket","a]b"]]]] "text"
1 syslog_rfc5424: [["x@1",{"bracket":"a]b","path":"C:\\new","quote":"say \"hi\""}]] "text"
2 glossy: {"origin":{"ip":"192.0.2.129"}} "text"
2 go-syslog: {"origin":{"ip":"192.0.2.129"}} "text"
2 nsyslog-parser: [] "ip=\"192.0.2.1\" ip=\"192.0.2.129\"] text"
2 syslog-rfc5424-parser: {"origin": {"ip": "192.0.2.129"}} "text"
2 syslog_loose: [["origin",[["ip","192.0.2.1"],["ip","192.0.2.129"]]]] "text"
2 syslog_rfc5424: [["origin",{"ip":"192.0.2.129"}]] "text"
3 glossy: {"x@1":{"a":"b"}} "started"
3 go-syslog: {"x@1":{"a":"b"}} "[main] started"
3 nsyslog-parser: [{"$id":"x@1","a":"b"}] "[main] started"
3 syslog-rfc5424-parser: {"x@1": {"a": "b"}} "[main] started"
3 syslog_loose: [["x@1",[["a","b"]]]] "[main] started"
3 syslog_rfc5424: [["x@1",{"a":"b"}]] "[main] started"
4 glossy: {"x@1":{"a":"b"}} "<mark>déjà"
4 go-syslog: {"x@1":{"a":"b"}} "<mark>déjà"
4 nsyslog-parser: [{"$id":"x@1","a":"b"}] "déjà"
4 syslog-rfc5424-parser: {"x@1": {"a": "b"}} "<mark>déjà"
4 syslog_loose: [["x@1",[["a","b"]]]] "<mark>déjà"
4 syslog_rfc5424: [["x@1",{"a":"b"}]] "<mark>déjà"
END
