"""The command line. `main` is the `clavichord` command; each verb is a module, imported when it is called."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code (docs/architecture.md). `arguments` are the process's by default."""
    try:
        import click

        from clavichord.cli.verbs import cli
    except ModuleNotFoundError as error:
        sys.stderr.write(f"clavichord: the command line is not installed ({error.name} is missing)\n  {INSTALL}\n")
        return 1
    from clavichord.cli.failures import FORESEEN, STOPPED, on_bug, tell

    sys.excepthook = on_bug
    # A stop from outside (systemd, docker, kill) ends like Ctrl-C: in order, and the next run goes on.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        outcome = cli.main(args=arguments, prog_name="clavichord", standalone_mode=False)
        return outcome if isinstance(outcome, int) else 0
    except (KeyboardInterrupt, click.Abort):
        sys.stderr.write("stopped\n")
        return STOPPED
    except BrokenPipeError:
        # `clavichord report latest | head`: the reader has had enough.
        sys.stderr.close()
        return 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return 1
    except FORESEEN as error:
        return tell(error)


INSTALL = "pip install 'clavichord[sync]'      (with the sandbox: 'clavichord[all]')"
