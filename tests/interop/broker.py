"""The real broker on loopback, with a data directory of its own, for the tests of this folder."""
import json
import pathlib
import subprocess
import sys
import tempfile
import time


class Broker:
    """The real binary on ports that the system chose."""

    def __init__(self, program, shards, moves, settings=""):
        self.program = program
        self.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self.folder.name)
        users = folder / "users"
        subprocess.run([program, "user", "add", "guest", "--file", users], input=b"guest-password\n", check=True,
                       stdout=subprocess.DEVNULL)
        self.config = folder / "heddle.toml"
        self.config.write_text(f"""
[node]
shards = {shards}
move_connections = {"true" if moves else "false"}
data_dir = "{folder}/data"
[users]
file = "{users}"
[http]
address = "127.0.0.1:0"
[[address]]
match = "missing.#"
auto_create = false
[[listeners]]
address = "127.0.0.1:0"
mechanisms = ["ANONYMOUS", "PLAIN"]
{settings}""")
        self.log = open(folder / "log", "w+")
        self.start()

    def start(self):
        ready = pathlib.Path(self.folder.name) / "ready.json"
        ready.unlink(missing_ok=True)
        self.process = subprocess.Popen([self.program, "run", "--config", self.config, "--ready-file", ready], stderr=self.log)
        deadline = time.monotonic() + 20
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                sys.exit("the broker did not start:\n" + self.log.read())
            time.sleep(0.02)
        self.url = "amqp://" + json.loads(ready.read_text())["listeners"][0]["address"]

    def kill(self):
        """Ends the broker by SIGKILL and starts it again on the same data, on another port."""
        self.process.kill()
        self.process.wait()
        self.start()

    def stop(self):
        """Ends the broker; gives what went wrong with it."""
        fault = None if self.process.poll() is None else f"the broker ended with {self.process.returncode}"
        self.process.terminate()
        if self.process.wait(timeout=20) != 0 and fault is None:
            fault = f"the broker stopped with {self.process.returncode}"
        self.folder.cleanup()
        return fault
