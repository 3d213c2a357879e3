"""A memory behind a server, with a key for each application: what one wrote the other may not read.

Needs: pip install 'engrams[serve]'
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from engrams import Memory
from engrams.client import Client
from engrams.errors import Denied


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "memory.db"
        with Memory.open(place) as memory:
            chat = memory.create_key("the chat", {"acme/chat/*": "write"}).secret
            mail = memory.create_key("the mail", {"acme/mail/*": "write"}).secret
        server = subprocess.Popen(
            [sys.executable, "-m", "engrams", "serve", "--db", place, "--keys", "--port", "0", "--quiet"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        try:
            url = server.stdout.readline().strip()
            with Client(url, key=chat) as memory:
                memory.add("Ada takes the night train to Vienna.", namespace="acme/chat/ada")
                answer = memory.context("How does Ada travel?", namespace="acme/chat/ada")
                print(answer.text)
            with Client(url, key=mail) as memory:
                try:
                    memory.search("How does Ada travel?", namespace="acme/chat/ada")
                except Denied as refused:
                    print("The mail's key:", str(refused).partition(") ")[2].partition(";")[0])
        finally:
            server.terminate()
            server.communicate()


if __name__ == "__main__":
    main()
