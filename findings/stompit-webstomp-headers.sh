#!/usr/bin/env bash
# stompit 1.0.0 and webstomp-client 1.2.6 (npm): headers and bodies of STOMP 1.2, which both agree on with the server.
#
# One would expect, by STOMP 1.2 ("Value Encoding", "Body"): headers are UTF-8, wherever TCP cuts the bytes; a line may end in CR LF;
# in headers \c, \\, \n and \r stand for a colon, a backslash and ends of lines, and both sides write and read them so; with a
# content-length a body may have zero bytes.
# Seen: stompit decodes each piece that comes from the network by itself: a character that is cut in two becomes two marks of
# replacement, and a CR that is cut from its LF stays in the value. webstomp-client neither reads nor writes these escapes: it sends
# the colon in a name and the backslash of C:\new as they are, and ends a body at its first zero byte. No errors.
# To a user: now and then, as pieces happen to be cut, a header is another; paths come with an end of line inside, keys are others.
. "$(dirname "$0")/lib.sh"
node_packages stompit@1.0.0 webstomp-client@1.2.6

cat >program.js <<'END'
const net = require('net');
const stompit = require('stompit');
const webstomp = require('webstomp-client');
const frames = [
  ['MESSAGE\nsubscription:1\nmessage-id:1\ndestination:q\nack:1\ncity:Köln\n\nbody\0', 'K\xc3'],
  ['MESSAGE\nsubscription:1\nmessage-id:1\ndestination:q\nack:1\ncity:Köln\n\nbody\0', 'K'],
  ['MESSAGE\r\nsubscription:1\r\nmessage-id:1\r\ndestination:q\r\nack:1\r\ncity:Ulm\r\n\r\nbody\0', 'city:Ulm\r'],
  ['MESSAGE\r\nsubscription:1\r\nmessage-id:1\r\ndestination:q\r\nack:1\r\ncity:Ulm\r\n\r\nbody\0', 'city:Ulm'],
];
const pause = () => new Promise((done) => setTimeout(done, 200));
const server = net.createServer((socket) => {
  socket.setNoDelay(true);
  socket.on('data', async (data) => {
    if (data.includes('CONNECT')) socket.write('CONNECTED\nversion:1.2\n\n\0');
    if (!data.includes('SUBSCRIBE')) return;
    for (const [text, cut] of frames) {
      const frame = Buffer.from(text);
      const at = frame.indexOf(cut, 0, 'latin1') + cut.length;
      socket.write(frame.subarray(0, at));
      await pause();
      socket.write(frame.subarray(at));
      await pause();
    }
  });
});
server.listen(0, '127.0.0.1', () => {
  stompit.connect({ host: '127.0.0.1', port: server.address().port }, (_, client) => {
    let count = 0;
    client.subscribe({ destination: 'q', ack: 'auto' }, (_, message) => {
      message.readString('utf8', (_, body) => {
        const cut = JSON.stringify(frames[count][1]);
        console.log(`stompit, cut behind ${cut}: city ${JSON.stringify(message.headers.city)}, body ${JSON.stringify(body)}`);
        if (++count === frames.length) websocket();
      });
    });
  });
});

function websocket() {
  const sent = [];
  const socket = { send: (frame) => sent.push(frame), close() {} };
  const client = webstomp.over(socket, { heartbeat: false, debug: false });
  client.connect({}, () => {
    client.subscribe('q', (message) => {
      console.log(`webstomp-client reads: path ${JSON.stringify(message.headers.path)}, body ${JSON.stringify(message.body)}`);
    }, { id: '1' });
    client.send('q', 'body', { path: 'C:\\new', 'a:b': 'c' });
  });
  socket.onopen();
  socket.onmessage({ data: 'CONNECTED\nversion:1.2\n\n\0' });
  socket.onmessage({ data: 'MESSAGE\nsubscription:1\nmessage-id:1\ndestination:q\npath:C\\c\\\\new\ncontent-length:3\n\na\0b\0' });
  console.log('webstomp-client connects:', JSON.stringify(sent[0]));
  console.log('webstomp-client sends:', JSON.stringify(sent.at(-1)));
  process.exit();
}
END
node program.js >got

seen got <<'END'
stompit, cut behind "KÃ": city "K��ln", body "body"
stompit, cut behind "K": city "Köln", body "body"
stompit, cut behind "city:Ulm\r": city "Ulm\r", body "body"
stompit, cut behind "city:Ulm": city "Ulm", body "body"
webstomp-client reads: path "C\\c\\\\new", body "a"
webstomp-client connects: "CONNECT\naccept-version:1.2\nheart-beat:0,0\n\n\u0000"
webstomp-client sends: "SEND\npath:C:\\new\na:b:c\ndestination:q\ncontent-length:4\n\nbody\u0000"
END
