"""A board of the older system, as it stands in the field: PROTOCOL's base fields only, and its habits.

It connects with a clean session and without a will, subscribes once after its start and never again, sends everything with QoS 0,
loads files in order with one GET each, names them by their id, reports 100 % twice, tells the download's time in microseconds,
gives one result for each content file, sends its status at an interval, and ignores a request that comes while one runs.

Usage: old_board.py KEY CLIENT_ID HOST PORT FOLDER [ROOTS CERTIFICATE PRIVATE_KEY]

With the last three it speaks TLS 1.2 with its certificate, else plain MQTT. It prints one JSON object a line for what happens and
takes commands, one a line: "regist CODE", "drop" (the line breaks without a goodbye; it comes back by itself), "error TEXT",
"sale", "slow" and "go" (it stops after its acknowledgement until "go"), "renew" (it overwrites its private key, asks for a
certificate, and restarts when it has it).
"""

import hashlib
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request

import paho.mqtt.client as mqtt

TIME = "2025-01-01T00:00:00Z"
STATUS_EVERY = 0.25

key, client_id, host, port, folder = sys.argv[1:6]
tls = sys.argv[6:9]
os.makedirs(folder, exist_ok=True)

say_lock = threading.Lock()
busy = threading.Lock()
may_go = threading.Event()
may_go.set()
version, shown, new_client = "1.0.0", [], None


def event(what, **more):
    with say_lock:
        print(json.dumps({"event": what, **more}), flush=True)


def tell(client, topic, payload):
    payload["timestamp"] = TIME
    client.publish(f"v1/{key}/{topic}", json.dumps(payload), qos=0)


def status(client):
    tell(client, "status/system", {
        "firmware_version": version,
        "advertisements": [{"id": one} for one in shown],
        "system": {"cpu_usage": {"core_0": 12.5, "core_1": 3.0}, "memory_usage": 41.0, "storage_usage": 20.0, "uptime": 77},
        "network": {"connection_type": "wifi", "signal_strength": -61, "local_ip": "10.0.0.9", "gateway_ip": "10.0.0.1"},
    })


def trust():
    if not tls:
        return None
    context = ssl.create_default_context(cafile=tls[0])
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def load(client, command, entry, before, total):
    """One file: GET, hash, progress. The bytes and whether they are right."""
    info = entry["file_info"]
    began = time.monotonic()
    digest, taken = hashlib.sha256(), 0
    with urllib.request.urlopen(
        entry["signed_url"]["url"], timeout=entry["signed_url"]["timeout"], context=trust()
    ) as answer, open(os.path.join(folder, f"{info['id']}.bin"), "wb") as file:
        while piece := answer.read(65536):
            digest.update(piece)
            file.write(piece)
            taken += len(piece)
            done = before + taken
            percent = done * 100 // total
            for _ in range(2 if percent == 100 else 1):
                tell(client, "update/progress", {
                    "command_id": command, "progress": percent, "downloaded_bytes": done, "total_bytes": total,
                    "speed_kbps": 300,
                })
    right = digest.hexdigest() == info["file_hash"] and taken == info["size"]
    return right, int((time.monotonic() - began) * 1_000_000)


def result(client, command, right, micros):
    tell(client, "update/result", {
        "command_id": command, "status": "SUCCESS" if right else "ERROR", "message": "", "checksum_verified": right,
        "download_ms": micros,
    })


def work(client, topic, request):
    global version, shown
    command = request["command_id"]
    try:
        tell(client, "update/request/ack", {"command_id": command, "status": "ACKNOWLEDGED"})
        event("begins", command=command)
        may_go.wait()
        if topic.endswith("/firmware"):
            right, micros = load(client, command, request["content"], 0, request["content"]["file_info"]["size"])
            result(client, command, right, micros)
            version = "2.0.0"
            event("firmware", command=command, right=right, id=request["content"]["file_info"]["id"])
        else:
            before, got = 0, []
            for entry in request["contents"]:
                right, micros = load(client, command, entry, before, request["total_size"])
                result(client, command, right, micros)
                if not right:
                    raise ValueError(f"file {entry['file_info']['id']} is damaged")
                before += entry["file_info"]["size"]
                got.append(entry["file_info"]["id"])
            shown = got
            event("shows", command=command, ids=got)
    except Exception as error:  # A board says it and goes on.
        event("failed", command=command, error=str(error))
        result(client, command, False, 0)
    finally:
        busy.release()


def on_message(client, _, message):
    payload = json.loads(message.payload)
    name = message.topic.removeprefix(f"v1/{key}/")
    if name.startswith("update/request/"):
        if not busy.acquire(blocking=False):
            return event("ignored", command=payload["command_id"])
        threading.Thread(target=work, args=(client, message.topic, payload), daemon=True).start()
    elif name == "regist/ack":
        event("registered", **payload)
    elif name == "cert/request/ack":
        event("certificate", status=payload["status"], message=payload.get("message"))
        if payload["status"] == "OK":
            # As the boards do: the new certificate over the old one, then a restart.
            with open(tls[1], "w") as file:
                file.write(payload["client_ca"])
            with open(tls[0], "w") as file:
                file.write(payload["root_ca"])
            threading.Thread(target=restart, daemon=True).start()


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def renew(client):
    openssl("genrsa", "-out", tls[2], "2048")
    openssl("req", "-new", "-key", tls[2], "-subj", "/CN=board", "-out", os.path.join(folder, "request.pem"))
    with open(os.path.join(folder, "request.pem")) as file:
        tell(client, "cert/request", {"csr": file.read()})
    event("asked")


def connect():
    """A start: a new client, which subscribes once, at its first connection."""
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv311, clean_session=True
    )
    client.reconnect_delay_set(1, 1)
    if tls:
        context = trust()
        context.load_cert_chain(tls[1], tls[2])
        client.tls_set_context(context)
    subscribed = []

    def on_connect(client, _, __, reason, ___):
        event("online" if not reason.is_failure else "refused", again=bool(subscribed))
        if not reason.is_failure and not subscribed:
            subscribed.append(True)
            for topic in ("update/request/firmware", "update/request/advertisement", "regist/ack", "cert/request/ack"):
                client.subscribe(f"v1/{key}/{topic}", qos=0)

    client.on_connect = on_connect
    client.on_message = on_message
    client.on_connect_fail = lambda *_: event("unreached", error=str(sys.exc_info()[1]))
    client.on_disconnect = lambda *_: event("offline")
    client.connect_async(host, int(port), keepalive=30)
    client.loop_start()
    return client


def complain(arguments):
    event("broke", error=str(arguments.exc_value))


threading.excepthook = complain


def restart():
    global new_client
    old = new_client
    event("restarts")
    old.disconnect()
    old.loop_stop()
    new_client = connect()


def ticks():
    while True:
        time.sleep(STATUS_EVERY)
        if new_client and new_client.is_connected():
            status(new_client)


new_client = connect()
threading.Thread(target=ticks, daemon=True).start()
for line in sys.stdin:
    word, _, rest = line.strip().partition(" ")
    if word == "regist":
        tell(new_client, "regist", {"device_name": f"board {key}", "auth_key": rest})
    elif word == "drop":
        new_client.socket().shutdown(socket.SHUT_RDWR)
    elif word == "error":
        tell(new_client, "status/error_log", {"error_tag": "PUMP", "log": rest})
    elif word == "sale":
        tell(new_client, "sales/data", {"type": "drink", "sub_type": "cola"})
    elif word == "slow":
        may_go.clear()
    elif word == "go":
        may_go.set()
    elif word == "renew":
        renew(new_client)
