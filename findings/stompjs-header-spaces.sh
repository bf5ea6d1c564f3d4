#!/usr/bin/env bash
# @stomp/stompjs 7.5.0 (npm) beside stomp.py 9.0.0 (PyPI): headers of messages that begin or end with spaces.
#
# One would expect, by "Value Encoding" in STOMP 1.2: clients and servers never trim headers, so a name or a value is what
# stands between line feed, colon and line feed, with its spaces.
# Seen: stompjs cuts spaces and tabs off both ends of names and values, with version 1.2 agreed on. A value of spaces alone is
# empty, and of two headers whose names differ by a space one is left. What it sends has its spaces. stomp.py keeps all.
# To a user: keys of fixed width and signed texts are others behind a bridge in JavaScript, which sends on what it has read.
. "$(dirname "$0")/lib.sh"
node_packages @stomp/stompjs@7.5.0
python_packages stomp.py==9.0.0

printf 'MESSAGE\nsubscription:s\nmessage-id:1\ndestination:/queue/q\naccount:  42  \nblank:   \ntab:\tx\t\n' >message
printf 'name:first\n name:second\n\nbody\0' >>message

cat >program.mjs <<'END'
import { readFileSync } from 'node:fs';
import { Client } from '@stomp/stompjs';

const message = readFileSync('message', 'latin1');
// A server of the least size: it agrees on STOMP 1.2, hands out one message and shows what is sent back.
class Server {
  readyState = 0;
  constructor() {
    setImmediate(() => { this.readyState = 1; this.onopen(); });
  }
  send(frame) {
    if (/^(CONNECT|STOMP)\n/.test(frame)) this.answer('CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0');
    if (frame.startsWith('SUBSCRIBE\n')) this.answer(message);
    if (frame.startsWith('SEND\n')) console.log('stompjs sends on', JSON.stringify(/^account:.*$/m.exec(frame)[0]));
  }
  answer(data) {
    setImmediate(() => this.onmessage({ data }));
  }
  close() {}
}
const show = (headers) => ['account', 'blank', 'tab', 'name', ' name'].map((name) => `${name}=${JSON.stringify(headers[name])}`).join(' ');
const client = new Client({ webSocketFactory: () => new Server(), heartbeatIncoming: 0, heartbeatOutgoing: 0, reconnectDelay: 0 });
client.onConnect = () => {
  console.log('stompjs speaks', client.connectedVersion);
  client.subscribe('/queue/q', ({ headers }) => {
    console.log('stompjs reads', show(headers));
    client.publish({ destination: '/queue/p', body: '', headers: { account: headers.account } });
    client.publish({ destination: '/queue/p', body: '', headers: { account: '  42  ' } });
    process.exit(0);
  }, { id: 's' });
};
client.activate();
END
timeout 60 node program.mjs >got

cat >program.py <<'END'
import json

import stomp.utils

headers = stomp.utils.parse_frame(open("message", "rb").read()).headers
print("stomp.py reads", *(f"{name}={json.dumps(headers[name])}" for name in ("account", "blank", "tab", "name", " name")))
END
venv/bin/python program.py >>got

seen got <<'END'
stompjs speaks 1.2
stompjs reads account="42" blank="" tab="x" name="first"  name=undefined
stompjs sends on "account:42"
stompjs sends on "account:  42  "
stomp.py reads account="  42  " blank="   " tab="\tx\t" name="first"  name="second"
END
