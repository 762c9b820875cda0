"""`ray start`, whose node is told the port of its dashboard agent instead of waiting for a file.

Ray tells its raylet every port but this one. The raylet then waits for the file into which the
agent writes it, and aborts after 15 s, in which a busy machine has not even imported the agent.
"""

import functools
import sys
from typing import Any

import ray._private.services as services
from ray.scripts.scripts import main

OPTION = "--dashboard-agent-listen-port="
FLAG = "--dashboard_agent_listen_port="


def add_agent_port(command: list[str], process_type: str, port: str) -> list[str]:
    """The command of a process of Ray; that of a raylet with the port, unless it has it."""
    is_told = process_type != "raylet" or any(each.startswith(FLAG) for each in command)
    return command if is_told else [*command, FLAG + port]


def run(arguments: list[str]) -> None:
    """Starts Ray with these arguments of the command `ray`."""
    port = next((each[len(OPTION) :] for each in arguments if each.startswith(OPTION)), None)
    start = services.start_ray_process

    @functools.wraps(start)
    def start_with_port(command: list[str], process_type: str, *rest: Any, **options: Any) -> Any:
        return start(
            add_agent_port(command, process_type, str(port)), process_type, *rest, **options
        )

    if port:
        services.start_ray_process = start_with_port
    sys.argv = ["ray", *arguments]
    main()


if __name__ == "__main__":
    run(sys.argv[1:])
