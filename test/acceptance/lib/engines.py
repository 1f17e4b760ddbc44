"""Fake inference engines: small HTTP servers on the loopback interface, one a pod, in a process of their own. Each answers /v1/completions
with a stream of tokens that names its version, /health, and /metrics with vLLM's names."""
import asyncio
import multiprocessing
import threading

TOKENS = 4


class Engine:
    def __init__(self, version):
        self.version, self.running, self.served, self.server = version, 0, 0, None

    async def answer(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = next((int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0)
            if length:
                await reader.readexactly(length)
            path = head.split(" ", 2)[1]
            self.running += 1
            if path.startswith("/health"):
                body = b"{}"
            elif path.startswith("/metrics"):
                body = (f"vllm:num_requests_running {self.running - 1}\nvllm:num_requests_waiting 0\n"
                        f"vllm:request_success_total {self.served}\n").encode()
            else:
                await self.stream(writer)
                return
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.running -= 1
            writer.close()

    async def stream(self, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        for text in [f"data: {self.version}\n\n"] * TOKENS + ["data: [DONE]\n\n"]:
            writer.write(b"%x\r\n%s\r\n" % (len(text), text.encode()))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        self.served += 1


def serve(pipe):
    """Commands: ("start", name, version) answers the port; ("stop", name)."""
    loop = asyncio.new_event_loop()
    engines = {}

    async def obey(command, name, version=None):
        if command == "start":
            engine = engines[name] = Engine(version)
            engine.server = await asyncio.start_server(engine.answer, "127.0.0.1", 0, backlog=1024)
            return engine.server.sockets[0].getsockname()[1]
        engine = engines.pop(name, None)
        if engine:
            engine.server.close()
        return None

    threading.Thread(target=loop.run_forever, daemon=True).start()
    try:
        while True:
            pipe.send(asyncio.run_coroutine_threadsafe(obey(*pipe.recv()), loop).result())
    except EOFError:
        pass


class Engines:
    def __init__(self):
        self.pipe, other = multiprocessing.Pipe()
        self.lock = threading.Lock()
        self.process = multiprocessing.get_context("fork").Process(target=serve, args=(other,), daemon=True)
        self.process.start()
        other.close()

    def start(self, name, version):
        return self.ask("start", name, version)

    def stop(self, name):
        self.ask("stop", name)

    def ask(self, *command):
        with self.lock:
            self.pipe.send(command)
            return self.pipe.recv()
