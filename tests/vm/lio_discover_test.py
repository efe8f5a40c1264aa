#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What is proposed of a real iSCSI target with ALUA: the kernel's, in one VM for all tests."""
import atexit

from lio_target import GROUPS, Target
from harness import NBDMPATHD, Rig, main

house = Rig()
atexit.register(house.close)
target = Target(house)


def test_groups_of_ports_are_proposed_by_their_state(rig):
    target.reset()
    target.state(1, "non-optimized")
    rig.nbdmpathd("log: {level: debug}\n")
    # It names its addresses in the VM, which lead nowhere here.
    lines = rig.ctl("discover", *(f"iscsi://127.0.0.1:{target.ports[group]}" for group in GROUPS))
    for group, state in ((1, "active/non-optimized"), (2, "active/optimized")):
        assert any(f"127.0.0.1:{target.ports[group]} " in line and f"port group {group} {state}" in line
                   for line in lines if line.startswith("# ")), lines
    text = "\n".join(lines)
    rig.path("proposed.yaml").write_text(text + "\n")
    rig.run(NBDMPATHD, "--check", "-c", rig.path("proposed.yaml"))
    first, second = (line for line in lines if "selector:" in line)
    assert "paths: [disk1-2]" in first and "paths: [disk1-1]" in second, text
    assert "    hardware_handler: alua" in lines, text


def test_portals_of_one_group_are_proposed_to_fence_each_other(rig):
    target.reset()
    second = target.add_portal(1)
    first, alone = (f"127.0.0.1:{target.ports[group]}" for group in GROUPS)
    rig.nbdmpathd("log: {level: debug}\n")
    lines = rig.ctl("discover", *(f"iscsi://{portal}" for portal in (first, alone, second)))

    def keys(portal):
        return next(line for line in lines if not line.startswith("#") and f'"iscsi://{portal}/' in line)

    assert f'fence_portal: "{second}"' in keys(first), lines
    assert f'fence_portal: "{first}"' in keys(second), lines
    assert "fence_portal" not in keys(alone), lines


main(globals())
