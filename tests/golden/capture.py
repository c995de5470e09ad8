#!/usr/bin/env python3
"""Records what real clients put on the wire, for amqp-frontend/proto/tests/golden.rs.

    tests/golden/capture.py --broker target/release/heddle

Runs each client of tests/interop (installed by its install.sh) through a relay that keeps what the client sends, one file
for each connection: amqp-frontend/proto/tests/golden/CLIENT-FEATURE-NUMBER.bin. Run it again when a client is updated, then
`HEDDLE_GOLDEN=write cargo test -p amqp-proto --test golden`, and read the difference.
"""
import argparse
import json
import pathlib
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WORK = ROOT / "tests/interop/.work"
FOLDER = ROOT / "amqp-frontend/proto/tests/golden"
CLIENTS = {
    "proton-python": [WORK / "python/bin/python", ROOT / "tests/interop/python/client.py"],
    "rhea": ["node", ROOT / "tests/interop/rhea/client.js"],
    "go-amqp": [WORK / "go-client"],
    "qpid-jms": ["java", "-cp", f"{WORK}/jms/classes:{WORK}/jms/*", "heddle.Client"],
    "proton-cpp": [WORK / "cpp-client"],
    "fe2o3-amqp": [WORK / "fe2o3/release/heddle-interop-fe2o3"],
}
FEATURES = ["unsettled", "presettled", "second", "reject", "modify", "drain", "dynamic", "topic", "wrong-password"]
LARGEST = 4096


def relay(listener, target, streams):
    """Passes connections on; what clients send is kept in `streams`."""

    def copy(source, sink, kept):
        try:
            while data := source.recv(65536):
                if kept is not None:
                    kept.extend(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        server = socket.create_connection(target)
        kept = bytearray()
        streams.append(kept)
        threading.Thread(target=copy, args=(client, server, kept), daemon=True).start()
        threading.Thread(target=copy, args=(server, client, None), daemon=True).start()


def start(program, folder):
    """Starts the broker; gives its process and address."""
    users = folder / "users"
    subprocess.run([program, "user", "add", "guest", "--file", users], input=b"guest-password\n", check=True,
                   stdout=subprocess.DEVNULL)
    (folder / "heddle.toml").write_text(
        f'[node]\nshards = 1\ndata_dir = "{folder}/data"\n[users]\nfile = "{users}"\n[http]\naddress = "127.0.0.1:0"\n'
        '[[listeners]]\naddress = "127.0.0.1:0"\nmechanisms = ["ANONYMOUS", "PLAIN"]\n')
    ready = folder / "ready.json"
    process = subprocess.Popen([program, "run", "--config", folder / "heddle.toml", "--ready-file", ready],
                               stderr=subprocess.DEVNULL)
    while not ready.exists() and process.poll() is None:
        time.sleep(0.02)
    host, port = json.loads(ready.read_text())["listeners"][0]["address"].rsplit(":", 1)
    return process, (host, int(port))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", required=True, type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        process, address = start(options.broker.resolve(), pathlib.Path(folder))
        for old in FOLDER.glob("*.bin"):
            old.unlink()
        for name, command in CLIENTS.items():
            for feature in FEATURES:
                streams = []
                listener = socket.create_server(("127.0.0.1", 0))
                threading.Thread(target=relay, args=(listener, address, streams), daemon=True).start()
                url = f"amqp://127.0.0.1:{listener.getsockname()[1]}"
                done = subprocess.run([*command, url, f"golden-{name}", feature], capture_output=True, text=True, timeout=120)
                listener.close()
                if f"{feature} ok" not in done.stdout:
                    continue
                for number, kept in enumerate(streams):
                    if 0 < len(kept) <= LARGEST:
                        (FOLDER / f"{name}-{feature}-{number}.bin").write_bytes(bytes(kept))
        process.terminate()
        process.wait()
    print(f"{len(list(FOLDER.glob('*.bin')))} streams in {FOLDER.relative_to(ROOT)}")


main()
