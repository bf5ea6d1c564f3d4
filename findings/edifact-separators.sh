#!/usr/bin/env bash
# pydifact 0.2.3 (PyPI) and edifact 1.2.12 (npm) beside staedi 1.25.3 (Maven Central): what UNA and the syntax version say.
#
# One would expect, by ISO 9735: up to syntax version 3 a space in the place of the release character means that there is none; in
# version 4 the fifth character of UNA, * for example, separates repetitions of an element, and UNB has the year in four digits.
# Seen: pydifact and edifact take the space for the release character, and so single spaces are gone from all texts. pydifact knows
# no repetitions, a:b*c:d are the three components a, b*c and d, and writes 20260101 as 260101 in version 4. No errors, except that
# edifact refuses such a UNA.
# To a user: names and goods come in one word; of several numbers of one party the last of one and the first of the next are one.
. "$(dirname "$0")/lib.sh"
node_packages edifact@1.2.12
python_packages pydifact==0.2.3
java_packages io.xlate:staedi:1.25.3

cat >messages <<'END'
UNA:+.  'UNB+UNOC:3+A+B+260101:1200+1'UNH+1+INVOIC:D:96A:UN'FTX+AAA+++Why not?:Two  boxes'UNT+3+1'UNZ+1+1'
UNA:+.?*'UNB+UNOC:4+A+B+20260101:1200+1'UNH+1+INVOIC:D:96A:UN'RFF+ON:1*CR:2'UNT+3+1'UNZ+1+1'
END

cat >Program.java <<'END'
import io.xlate.edi.stream.EDIInputFactory;
import io.xlate.edi.stream.EDIStreamEvent;
import io.xlate.edi.stream.EDIStreamReader;
import java.io.ByteArrayInputStream;
import java.nio.file.Files;
import java.nio.file.Path;

public class Program {
    public static void main(String[] arguments) throws Exception {
        for (String message : Files.readAllLines(Path.of("messages"))) {
            EDIStreamReader reader = EDIInputFactory.newFactory().createEDIStreamReader(new ByteArrayInputStream(message.getBytes()));
            StringBuilder told = new StringBuilder();
            boolean shown = false;
            while (reader.hasNext()) {
                EDIStreamEvent event = reader.next();
                if (event == EDIStreamEvent.START_SEGMENT) {
                    shown = reader.getText().equals("FTX") || reader.getText().equals("RFF");
                } else if (shown && event == EDIStreamEvent.START_COMPOSITE) {
                    told.append(" |");
                } else if (shown && event == EDIStreamEvent.ELEMENT_DATA) {
                    told.append(" '").append(reader.getText()).append("'");
                }
            }
            System.out.println("staedi:" + told);
        }
    }
}
END
java_program Program.java >got

cat >program.js <<'END'
const { Parser } = require('edifact');
for (const message of require('fs').readFileSync('messages', 'utf8').trim().split('\n')) {
  const segments = [];
  const parser = new Parser();
  parser.encoding('UNOC');
  parser.onopensegment = (name) => segments.push([name]);
  parser.onelement = () => segments.at(-1).push([]);
  parser.oncomponent = (text) => segments.at(-1).at(-1).push(text);
  try {
    parser.write(message);
    parser.end();
    console.log('edifact:', JSON.stringify(segments[2]));
  } catch (error) {
    console.log('edifact:', error.message);
  }
}
END
node program.js >>got

cat >program.py <<'END'
import warnings

warnings.simplefilter("ignore")
from pydifact.segmentcollection import Interchange

for message in open("messages"):
    read = Interchange.from_str(message.strip())
    for segment in read.segments:
        if segment.tag in ("FTX", "RFF"):
            print("pydifact:", segment.tag, segment.elements)
    print("pydifact writes", read.serialize().partition("'UNH")[0])
END
venv/bin/python program.py >>got

seen got <<'END'
staedi: 'AAA' '' '' | 'Why not?' 'Two  boxes'
staedi: | 'ON' '1' | 'CR' '2'
edifact: ["FTX",["AAA"],[""],[""],["Whynot?","Two boxes"]]
edifact: Invalid character : after reading segment name UNA
pydifact: FTX ['AAA', '', '', ['Whynot?', 'Two boxes']]
pydifact writes UNA:+.  'UNB+UNOC:3+A+B+260101:1200+1
pydifact: RFF [['ON', '1*CR', '2']]
pydifact writes UNA:+.?*'UNB+UNOC:4+A+B+260101:1200+1
END
