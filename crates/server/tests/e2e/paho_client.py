"""A foreign MQTT client, paho-mqtt: tries what a device may and may not do, and prints what it found as one JSON object.

Usage: paho_client.py PORT ROOTS CERTIFICATE KEY FOREIGN_CERTIFICATE FOREIGN_KEY
"""

import json
import queue
import sys

import paho.mqtt.client as mqtt

LIMIT = 60
PORT = int(sys.argv[1])
ROOTS, CERTIFICATE, KEY, FOREIGN_CERTIFICATE, FOREIGN_KEY = sys.argv[2:7]


class Device:
    """One connection; what happens to it arrives in a queue."""

    def __init__(self, version, client_id="dev-1", certificate=CERTIFICATE, key=KEY, will=None):
        self.events = queue.Queue()
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=version, reconnect_on_failure=False
        )
        self.client.tls_set(ca_certs=ROOTS, certfile=certificate, keyfile=key)
        if will:
            self.client.will_set(will, "{}", qos=1)
        self.client.on_connect = lambda c, u, f, reason, p: self.events.put(("connect", reason.is_failure))
        self.client.on_connect_fail = lambda c, u: self.events.put(("connect", True))
        self.client.on_disconnect = lambda c, u, f, reason, p: self.events.put(("disconnect", True))
        self.client.on_publish = lambda c, u, mid, reason, p: self.events.put(("publish", reason.is_failure))
        self.client.on_subscribe = lambda c, u, mid, reasons, p: self.events.put(
            ("subscribe", any(reason.is_failure for reason in reasons))
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()

    def connects(self):
        try:
            self.client.connect("localhost", PORT, keepalive=30)
        except OSError:
            return False
        self.client.loop_start()
        return self.waits_for("connect")

    def waits_for(self, what):
        """Whether it went well; a connection that is cut instead did not."""
        while True:
            happened, failed = self.events.get(timeout=LIMIT)
            if happened in (what, "disconnect"):
                return not failed

    def publishes(self, topic, payload):
        self.client.publish(topic, payload, qos=1)
        return self.waits_for("publish")

    def subscribes(self, topic):
        self.client.subscribe(topic, qos=1)
        return self.waits_for("subscribe")


def word(good, yes):
    return yes if good else "refused"


def findings(version, name):
    found = {}
    with Device(version) as device:
        found["connects"] = device.connects()
        status = json.dumps({"firmware_version": f"paho-{name}", "timestamp": "2025-07-03T10:30:45.123Z"})
        found["own publish"] = word(device.publishes("v1/dev-1/status/system", status), "acknowledged")
        found["own subscription"] = word(device.subscribes("v1/dev-1/update/request/firmware"), "granted")
        found["foreign subscription"] = word(device.subscribes("v1/dev-2/#"), "granted")
    with Device(version) as device:
        device.connects()
        found["foreign publish"] = word(device.publishes("v1/dev-2/status/system", status), "acknowledged")
    for what, how in {
        "no certificate": {"certificate": None, "key": None},
        "foreign authority": {"certificate": FOREIGN_CERTIFICATE, "key": FOREIGN_KEY},
        "foreign client id": {"client_id": "dev-2"},
        "forged will": {"will": "v1/dev-2/status/system"},
    }.items():
        with Device(version, **how) as device:
            found[what] = word(device.connects(), "let in")
    return found


print(json.dumps({"3.1.1": findings(mqtt.MQTTv311, "3.1.1"), "5": findings(mqtt.MQTTv5, "5")}))
