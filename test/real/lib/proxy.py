"""Passes TCP on: `proxy.py PORT TARGET_PORT FILE`. FILE says how: pass; cut ends what is open and refuses what comes; stall takes and
says nothing; slow adds half a second each way. On loopback alone."""
import asyncio
import sys

DELAY = 0.5
port, target, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
open_writers = set()
mode = "pass"


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            while mode == "stall":
                await asyncio.sleep(0.02)
            if mode == "slow":
                await asyncio.sleep(DELAY)
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def accept(reader, writer):
    if mode == "cut":
        writer.transport.abort()
        return
    try:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", target)
    except OSError:
        writer.transport.abort()
        return
    pair = {writer, there_writer}
    open_writers.update(pair)
    await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))
    open_writers.difference_update(pair)


async def main():
    global mode
    await asyncio.start_server(accept, "127.0.0.1", port)
    while True:
        try:
            with open(path) as file:
                mode = file.read().strip() or "pass"
        except FileNotFoundError:
            mode = "pass"
        if mode == "cut":
            for writer in list(open_writers):
                writer.transport.abort()
            open_writers.clear()
        await asyncio.sleep(0.01)


asyncio.run(main())
