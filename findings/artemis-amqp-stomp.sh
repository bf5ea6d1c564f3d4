#!/usr/bin/env bash
# Apache Artemis 2.44.0 (Maven Central): what an AMQP 1.0 client (python-qpid-proton 0.40.0, PyPI) sends, read over STOMP 1.2.
#
# One would expect, as the broker's manual says that clients of different protocols can exchange messages, and as all
# properties here are simple types of AMQP: each message is delivered, and numbers stay the same where they are written as text.
# Seen: a property that is a timestamp or a uuid, and a body that is a map or a list, are answered with ERROR, and what is
# behind such a message does not come either, however often one subscribes. The decimal 1 is 0.0, the ulong 2^64-1 is -1,
# bytes are the name of a Java object.
# To a user: one message with a time in its properties stops a queue for STOMP, and amounts are zero.
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
import uuid

from proton import Message, decimal64, timestamp, ubyte, ulong
from proton.utils import BlockingConnection

port = int(sys.argv[1])
amqp = BlockingConnection(f"amqp://127.0.0.1:{port}", timeout=20)


def frames(queue):
    """What comes for a subscription of the queue: its frames, up to the message with the body "last", an error or a pause."""
    with socket.create_connection(("127.0.0.1", port), 3) as stomp:
        stomp.sendall(b"CONNECT\naccept-version:1.2\nhost:h\n\n\0SUBSCRIBE\nid:1\nack:client-individual\ndestination:%s\n\n\0" % queue.encode())
        data, found = b"", []
        while not found or (found[-1][0] != "ERROR" and found[-1][2] != "last"):
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
        return found[1:]


def seen(name, **parts):
    queue = "of." + name.replace(" ", ".")
    sender = amqp.create_sender(queue)
    sender.send(Message(**parts))
    sender.send(Message(body="last"))
    tries = [frames(queue) for _ in range(3)]
    command, headers, _ = tries[0][0]
    value = headers.get("p", "") if command == "MESSAGE" else ""
    print(f"{name}: {command} {value[:3] if value.startswith('[B@') else value}".rstrip(), end="; ")
    print("the next one comes:", any(frame[2] == "last" for found in tries for frame in found))


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
long: MESSAGE -5; the next one comes: True
ubyte: MESSAGE 200; the next one comes: True
ulong: MESSAGE -1; the next one comes: True
decimal64: MESSAGE 0.0; the next one comes: True
binary: MESSAGE [B@; the next one comes: True
timestamp: MESSAGE; the next one comes: True
uuid: MESSAGE; the next one comes: True
body a map: MESSAGE; the next one comes: True
body a list: MESSAGE; the next one comes: True
END
