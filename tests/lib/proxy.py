# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy that misbehaves on demand: cuts, stalls, delays, counts round trips.

    with TcpProxy(server_port) as proxy:
        proxy.on_client = lambda data: "cut_after" if b"COMMIT" in data else "pass"

on_client sees each piece of data on its way to the server and answers
    pass        forward it
    cut         close both sides without forwarding
    cut_after   forward it, wait for the server's answer, then close without passing it on
    stall       forward it and keep every answer back until release()
    late        close the client's side, and forward it at release()
"""

import select
import socket
import threading
import time


class TcpProxy:
    def __init__(self, port, host="127.0.0.1", delay=0.0, at=("127.0.0.1", 0)):
        self.target = (host, port)
        self.delay = delay
        self.on_client = None
        self.accepting = True
        self.lock = threading.Lock()  # guards pairs and flights
        self.pairs = []
        self.flights = 0  # times the direction turned towards the server
        self.refused = 0  # connections while not accepting
        self.released = threading.Event()
        family = socket.AF_INET6 if ":" in at[0] else socket.AF_INET
        self.listener = socket.create_server(at, family=family)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.listener.close()
        self.released.set()
        self.cut_all()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if not self.accepting:
                self.refused += 1
                client.close()
                continue
            try:
                server = socket.create_connection(self.target, 5)
            except OSError:
                client.close()
                continue
            for s in (client, server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.pairs.append((client, server))
            threading.Thread(target=self._run, args=(client, server), daemon=True).start()

    def _run(self, client, server):
        towards_server = False
        hold_back = False
        try:
            while True:
                readable, _, _ = select.select([client, server], [], [])
                if client in readable:
                    data = client.recv(65536)
                    if not data:
                        return
                    if not towards_server:
                        with self.lock:
                            self.flights += 1
                    towards_server = True
                    action = self.on_client(data) if self.on_client else "pass"
                    if action == "cut":
                        return
                    if action == "late":
                        client.shutdown(socket.SHUT_RDWR)
                        self.released.wait(30)
                        server.sendall(data)
                        return
                    if self.delay:
                        time.sleep(self.delay)
                    server.sendall(data)
                    if action == "cut_after":
                        select.select([server], [], [], 10)
                        return
                    hold_back = action == "stall"
                if server in readable:
                    if hold_back:
                        self.released.wait(30)
                        hold_back = False
                    data = server.recv(65536)
                    if not data:
                        return
                    towards_server = False
                    if self.delay:
                        time.sleep(self.delay)
                    client.sendall(data)
        except (OSError, ValueError):
            return
        finally:
            for s in (client, server):
                s.close()
            with self.lock:
                if (client, server) in self.pairs:
                    self.pairs.remove((client, server))

    def cut_all(self):
        """Closes every connection that passes through."""
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            for s in pair:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def stall(self):
        """From now on requests go through and answers do not, until release()."""
        self.released.clear()
        self.on_client = lambda data: "stall"

    def release(self):
        self.on_client = None
        self.released.set()
