#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A path with blocks of 4 KiB, and clients that never heard of block sizes."""
import random
import threading

import raw_nbd
from harness import main, require

require("nbdkit", "qemu-io")


def serve(rig, size="8M"):
    """Two paths to one server that refuses whatever is not whole blocks."""
    rig.nbdkit("s", "memory", size, "blocksize-minimum=4096", "blocksize-preferred=4096", "blocksize-maximum=1M",
               "blocksize-error-policy=error", filters=["blocksize-policy"])
    rig.nbdmpathd(f"""
paths: {{a: "{rig.uri('s')}", b: "{rig.uri('s')}"}}
multipaths: {{m: {{table: "0 0 1 1 round-robin 0 2 1 a 1 b 1"}}}}
""")
    return rig.path("nbd.sock")


def test_the_server_behind_takes_whole_blocks_only(rig):
    serve(rig)
    refused = rig.run("/usr/bin/python3", "-c", """
import nbd, sys
h = nbd.NBD(); h.set_strict_mode(0); h.connect_uri(sys.argv[1])
try: h.pwrite(b'x', 1)
except nbd.Error as error: print(error.errno)
""", rig.uri("s"))
    assert refused.stdout.strip() == "EINVAL", refused.stdout


def test_a_client_that_asks_is_held_to_the_block_size(rig):
    serve(rig)
    said = rig.run("/usr/bin/python3", "-c", """
import nbd, sys
for asks in (True, False):
    h = nbd.NBD(); h.set_strict_mode(0); h.set_request_block_size(asks); h.connect_uri(sys.argv[1])
    try:
        h.pwrite(b'hello', 4094)
        print(h.pread(9, 4092).decode('latin1').replace(chr(0), '.'))
    except nbd.Error as error: print(error.errno)
""", rig.export("m")).stdout.split()
    assert said == ["EINVAL", "..hello.."], said


def test_random_writes_of_any_alignment_are_read_back(rig):
    address = serve(rig)
    dice = random.Random(11)
    model = bytearray(1 << 20)
    with raw_nbd.Client(address, "m") as client:
        for _ in range(400):
            offset = dice.randrange(len(model) - 1)
            length = dice.randrange(1, min(20000, len(model) - offset) + 1)
            payload = dice.randbytes(length)
            client.write(offset, payload)
            model[offset:offset + length] = payload
        assert client.read(0, len(model)) == model
        assert client.read(4321, 12345) == model[4321:4321 + 12345]


def test_many_clients_share_blocks_and_lose_nothing(rig):
    """Each client has every 16th piece of 256 bytes: sixteen of them in each block, all written at the same time."""
    address = serve(rig)
    failures = []

    def write(number):
        try:
            with raw_nbd.Client(address, "m") as client:
                for turn in range(3):
                    for block in range(16):
                        client.write(block * 4096 + number * 256, bytes([16 * turn + number]) * 256)
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    with raw_nbd.Client(address, "m") as client:
        expected = b"".join(bytes([32 + number]) * 256 for number in range(16)) * 16
        assert client.read(0, 16 * 4096) == expected


def test_qemu_which_asks_works_as_before(rig):
    serve(rig)
    output = rig.run("qemu-io", "-f", "raw", "-c", "write -P 3 1000 5000", "-c", "read -P 3 1000 5000", "-c",
                     "read -P 0 0 1000", rig.export("m")).stdout
    assert "Pattern verification failed" not in output, output


main(globals())
