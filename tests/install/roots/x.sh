CMD=".venv/bin/pytest -q --timeout=40 tests/cli/test_isolation.py tests/cli/test_listing.py tests/engine/test_approval.py 2>&1 | tail -150 | cut -c1-3000"
apt-get update -qq; apt-get install -y -qq --no-install-recommends make gcc python3 python3-dev python3-venv iproute2 >/dev/null 2>&1
mkdir /root/tcpdrop; cd /root/tcpdrop
tar -C /src --exclude='./.venv*' --exclude=./build --exclude=./dist --exclude='./.*_cache' -c . | tar -x
PIP_CACHE_DIR=/cache make build .venv/.test >/tmp/l 2>&1 || tail /tmp/l
eval "$CMD"
