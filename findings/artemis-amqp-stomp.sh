#!/usr/bin/env bash
# Apache Artemis 2.44.0 (Maven Central): what an AMQP 1.0 client (python-qpid-proton 0.40.0, PyPI) sends, read over STOMP 1.2.
#
# One would expect, as the broker's manual says that clients of different protocols can exchange messages, and as all
# properties here are simple types of AMQP: each message is delivered, and numbers stay the same where they are written as text.
# Seen: a message with a timestamp or a uuid among its properties does not come; the one behind it does, then an ERROR frame.
# A body that is a list does not come either, without an error, and is gone from the queue (ack:auto).
# Of a map the text is empty. The decimal 1 is 0.0, the ulong 2^64-1 is -1, bytes are the name of a Java object.
# To a user: a time among the properties stops a reader over STOMP, a list is lost, and amounts are zero. AMQP reads them all.
. "$(dirname "$0")/lib.sh"
java_packages org.apache.activemq:artemis-server:2.44.0 org.apache.activemq:artemis-amqp-protocol:2.44.0 \
    org.apache.activemq:artemis-stomp-protocol:2.44.0
python_packages python-qpid-proton==0.40.0

cat >Program.java <<'END'
import org.apache.activemq.artemis.api.core.RoutingType;
import org.apache.activemq.artemis.core.config.impl.ConfigurationImpl;
import org.apache.activemq.artemis.core.server.embedded.EmbeddedActiveMQ;
import org.apache.activemq.artemis.core.settings.impl.AddressSettings;

public class Program {
    public static void main(String[] arguments) throws Exception {
        ConfigurationImpl configuration = new ConfigurationImpl();
        configuration.setPersistenceEnabled(false);
        configuration.setSecurityEnabled(false);
        configuration.addAcceptorConfiguration("all", "tcp://127.0.0.1:" + arguments[0] + "?protocols=AMQP,STOMP");
        configuration.addAddressSetting("#", new AddressSettings().setDefaultAddressRoutingType(RoutingType.ANYCAST)
                .setDefaultQueueRoutingType(RoutingType.ANYCAST).setAutoDeleteQueues(false).setAutoDeleteAddresses(false));
        new EmbeddedActiveMQ().setConfiguration(configuration).start();
        Thread.currentThread().join();
    }
}
END
port=$(free_port)
in_background broker.log java -Xmx300m -cp 'jars/*' Program.java "$port"
until_true 60 listens "$port"

cat >program.py <<'END'
import socket
import sys
import time
import uuid

from proton import Message, Timeout, decimal64, timestamp, ubyte, ulong
from proton.utils import BlockingConnection

port = int(sys.argv[1])
amqp = BlockingConnection(f"amqp://127.0.0.1:{port}", timeout=20)


def frames(queue):
    """What comes for a subscription of the queue: its frames, up to an error or a pause of a second."""
    with socket.create_connection(("127.0.0.1", port), 10) as stomp:
        stomp.sendall(b"CONNECT\naccept-version:1.2\nhost:h\n\n\0SUBSCRIBE\nid:1\nack:auto\ndestination:%s\n\n\0" % queue.encode())
        stomp.settimeout(1)
        data, found = b"", []
        while not found or found[-1][0] != "ERROR":
            try:
                more = stomp.recv(65536)
            except TimeoutError:
                break
            if not more:
                break
            *whole, data = (data + more).split(b"\0")
            for frame in whole:
                head, _, body = frame.decode().lstrip("\n").partition("\n\n")
                command, *headers = head.split("\n")
                found.append((command, dict(line.split(":", 1) for line in headers), body))
        return [frame for frame in found if frame[0] != "CONNECTED"]


def seen(name, **parts):
    queue = "of." + name.replace(" ", ".")
    sender = amqp.create_sender(queue)
    sender.send(Message(**parts))
    sender.send(Message(body="last"))
    found = frames(queue)
    got = [headers.get("p", "") + " " + body if body != "last" else "last" for kind, headers, body in found if kind == "MESSAGE"]
    print(f"{name}: {', '.join(text[:3] + '...' if text.startswith('[B@') else text or 'nothing' for text in got)}", end="")
    if found[-1][0] == "ERROR":
        print("; ERROR")
        return
    time.sleep(1)
    receiver, left = amqp.create_receiver(queue, credit=10), []
    while True:
        try:
            message = receiver.receive(1 if left else 4)
        except Timeout:
            break
        left.append("last" if message.body == "last" else "it")
        receiver.accept()
    receiver.close()
    print("; left in the queue:", ", ".join(left) or "nothing")


for name, value in (
    ("long", -5),
    ("ubyte", ubyte(200)),
    ("ulong", ulong(2**64 - 1)),
    ("decimal64", decimal64(0x31C0000000000001)),
    ("binary", b"ab"),
    ("timestamp", timestamp(1700000000123)),
    ("uuid", uuid.UUID(int=5)),
):
    seen(name, body="text", properties={"p": value})
seen("body a map", body={"a": 1})
seen("body a list", body=["a", 1])
END
venv/bin/python program.py "$port" >got

seen got <<'END'
long: -5 text, last; left in the queue: nothing
ubyte: 200 text, last; left in the queue: nothing
ulong: -1 text, last; left in the queue: nothing
decimal64: 0.0 text, last; left in the queue: nothing
binary: [B@..., last; left in the queue: nothing
timestamp: last; ERROR
uuid: last; ERROR
body a map:  , last; left in the queue: nothing
body a list: last; left in the queue: nothing
END
