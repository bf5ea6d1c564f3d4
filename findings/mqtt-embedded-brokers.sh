#!/usr/bin/env bash
# mochi-mqtt 2.7.9 (Go), aedes 1.2.0 (npm) and amqtt 0.12.1 (PyPI), brokers to build in, by paho-mqtt 2.2.0 (PyPI).
#
# One would expect, by MQTT 3.1.1: +/# matches the single level a, as a/# does (4.7.1.2); a message comes with the lower one of its
# own QoS and that of the subscription (3.8.4), a retained one too, and without the flag if the subscription was there before it
# (3.3.1.3); what a persistent session misses with QoS 1 comes when it is resumed (3.1.2.4).
# Seen: mochi-mqtt does not deliver a to +/#, nor a/b to +/+/#. aedes sends retained messages with their own QoS to a subscription of
# QoS 0, and what it kept for a session with the flag that it was published with. amqtt raises QoS 0 and 1 to that of the
# subscription, and loses what a session has missed, save what was retained, though it says that the session is present.
# To a user: a bridge that subscribes so does not see some topics, takes new readings for old ones, or has gaps after a restart.
. "$(dirname "$0")/lib.sh"
node_packages aedes@1.2.0
python_packages amqtt==0.12.1 paho-mqtt==2.2.0

cat >main.go <<'END'
package main

import (
	"os"
	"os/signal"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
)

func main() {
	if len(os.Args) < 2 {
		return
	}
	server := mqtt.New(nil)
	if err := server.AddHook(new(auth.AllowHook), nil); err != nil {
		panic(err)
	}
	if err := server.AddListener(listeners.NewTCP(listeners.Config{ID: "tcp", Address: "127.0.0.1:" + os.Args[1]})); err != nil {
		panic(err)
	}
	if err := server.Serve(); err != nil {
		panic(err)
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, os.Interrupt)
	<-end
}
END
go_program github.com/mochi-mqtt/server/v2@v2.7.9 github.com/mochi-mqtt/server/v2/hooks/auth@v2.7.9
cat >aedes.mjs <<'END'
import net from 'node:net';
import { Aedes } from 'aedes';
const broker = await Aedes.createBroker();
net.createServer(broker.handle).listen(Number(process.argv[2]), '127.0.0.1');
END
cat >amqtt.py <<'END'
import asyncio
import sys

sys.path.pop(0)
from amqtt.broker import Broker

async def main():
    anonymous = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    broker = Broker({"listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{sys.argv[1]}"}}, "plugins": anonymous})
    await broker.start()
    await asyncio.Event().wait()

asyncio.run(main())
END

cat >program.py <<'END'
import sys
import threading
import time
import paho.mqtt.client as mqtt

name, port = sys.argv[1], int(sys.argv[2])

class Client:
    def __init__(self, id, clean=True):
        self.got, self.connected, self.subscribed = [], threading.Event(), threading.Event()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=id, clean_session=clean)
        self.client.on_connect = self.on_connect
        self.client.on_subscribe = lambda *rest: self.subscribed.set()
        self.client.on_message = lambda client, data, m: self.got.append((m.topic, m.qos, "retained" if m.retain else "new"))
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.connected.wait(10)

    def on_connect(self, client, data, flags, reason, properties):
        self.present = flags.session_present
        self.connected.set()

    def subscribe(self, topic, qos):
        self.subscribed.clear()
        self.client.subscribe(topic, qos)
        self.subscribed.wait(10)
        return self

    def end(self):
        time.sleep(1)
        self.client.disconnect()
        self.client.loop_stop()
        return sorted(self.got)

writer = Client("writer")
def publish(topic, qos, retain=False):
    writer.client.publish(topic, "text", qos, retain).wait_for_publish(10)

for filter_ in ("a/#", "+/#", "+/+/#"):
    reader = Client("reader").subscribe(filter_, 0)
    for topic in ("a", "a/b", "a/b/c"):
        publish(topic, 0)
    print(f"{name}: {filter_} gets", *(topic for topic, *rest in reader.end()))
reader = Client("reader").subscribe("q/#", 2)
for qos in (0, 1, 2):
    publish(f"q/{qos}", qos)
print(f"{name}: with QoS 2 of the subscription:", *reader.end())
Client("session", clean=False).subscribe("s/#", 1).end()
publish("s/missed", 1)
publish("s/missed-retained", 1, True)
reader = Client("session", clean=False)
print(f"{name}: second time, session {'' if reader.present else 'not '}present:", *reader.end())
publish("r/1", 1, True)
publish("r/2", 2, True)
reader = Client("reader").subscribe("r/#", 0)
print(f"{name}: retained, QoS 0 of the subscription:", *sorted({entry for entry in reader.end() if entry[0].startswith("r/")}))
writer.end()
END
each_server "mochi-mqtt ./program" "aedes node aedes.mjs" "amqtt venv/bin/python amqtt.py" >got

seen got <<'END'
mochi-mqtt: a/# gets a a/b a/b/c
mochi-mqtt: +/# gets a/b a/b/c
mochi-mqtt: +/+/# gets a/b/c
mochi-mqtt: with QoS 2 of the subscription: ('q/0', 0, 'new') ('q/1', 1, 'new') ('q/2', 2, 'new')
mochi-mqtt: second time, session present: ('s/missed', 1, 'new') ('s/missed-retained', 1, 'new')
mochi-mqtt: retained, QoS 0 of the subscription: ('r/1', 0, 'retained') ('r/2', 0, 'retained')
aedes: a/# gets a a/b a/b/c
aedes: +/# gets a a/b a/b/c
aedes: +/+/# gets a/b a/b/c
aedes: with QoS 2 of the subscription: ('q/0', 0, 'new') ('q/1', 1, 'new') ('q/2', 2, 'new')
aedes: second time, session present: ('s/missed', 1, 'new') ('s/missed-retained', 1, 'retained')
aedes: retained, QoS 0 of the subscription: ('r/1', 1, 'retained') ('r/2', 2, 'retained')
amqtt: a/# gets a a/b a/b/c
amqtt: +/# gets a a/b a/b/c
amqtt: +/+/# gets a/b a/b/c
amqtt: with QoS 2 of the subscription: ('q/0', 2, 'new') ('q/1', 2, 'new') ('q/2', 2, 'new')
amqtt: second time, session present: ('s/missed-retained', 0, 'retained')
amqtt: retained, QoS 0 of the subscription: ('r/1', 0, 'retained') ('r/2', 0, 'retained')
END
