#!/bin/sh
# Puts src/ on the path of the environment $1 and gives it the `clavichord` command: an editable install, built by nobody.
set -eu
env=$1
"$env/bin/python" - "$PWD/src" <<'PY'
import pathlib, sys, sysconfig
pathlib.Path(sysconfig.get_path("purelib"), "clavichord-source.pth").write_text(sys.argv[1] + "\n")
script = pathlib.Path(sysconfig.get_path("scripts"), "clavichord")
script.write_text(f"#!{sys.executable}\nimport sys\nfrom clavichord.cli import main\nsys.exit(main())\n")
script.chmod(0o755)
PY
