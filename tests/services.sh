#!/bin/sh
# Runs a command with what the tests talk to: a Python with aiosmtpd and an OpenAPI validator, and a PostgreSQL.
#
#   sh tests/services.sh cargo test --workspace
#
# What is missing is installed under target/test-tools, or with apt-get where this runs as root, and each such step is
# announced. A PostgreSQL that is started here is thrown away at the end. FRONTDESK_TEST_POSTGRES names another one,
# FRONTDESK_TEST_POSTGRES=skip leaves PostgreSQL out (and says so).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
tools=${CARGO_TARGET_DIR:-$here/../target}/test-tools
mkdir -p "$tools"
tools=$(cd "$tools" && pwd)

say() { printf 'tests: %s\n' "$*" >&2; }
give_up() { say "$*"; exit 1; }

apt_updated=
install_debian() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    say "installing Debian's $* with apt-get"
    if [ -z "$apt_updated" ]; then
        apt-get update -qq || return 1
        apt_updated=yes
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# --- Python -----------------------------------------------------------------------------------------------------------

python=$tools/venv/bin/python

python_is_ready() { cmp -s "$here/requirements.txt" "$tools/venv/requirements.txt" && "$python" -c '' 2>/dev/null; }

python_from_registry() {
    command -v python3 >/dev/null || install_debian python3 python3-venv || return 1
    python3 -c 'import ensurepip' 2>/dev/null || install_debian python3-venv || return 1
    python3 -m venv --clear "$tools/venv" && "$python" -m pip install --quiet --requirement "$here/requirements.txt"
}

python_from_debian() {
    install_debian python3 python3-venv python3-aiosmtpd python3-openapi-spec-validator &&
        /usr/bin/python3 -m venv --clear --system-site-packages "$tools/venv"
}

if ! python_is_ready; then
    say "installing aiosmtpd and openapi-spec-validator into $tools/venv"
    python_from_registry || python_from_debian ||
        give_up "no Python 3 with aiosmtpd and openapi-spec-validator; install python3 with its venv module, and let pip reach a registry"
    cp "$here/requirements.txt" "$tools/venv/requirements.txt"
fi
export FRONTDESK_TEST_PYTHON="$python"

# --- PostgreSQL -------------------------------------------------------------------------------------------------------

cluster=

# initdb and the server refuse to run as root.
as_postgres() {
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

stop_cluster() {
    [ -n "$cluster" ] || return 0
    as_postgres "$bin/pg_ctl" --pgdata "$cluster/data" --mode immediate stop >/dev/null 2>&1 || true
    rm -rf "$cluster"
}

installed_postgres() {
    for bin in $(ls -d /usr/lib/postgresql/*/bin /usr/local/pgsql/bin /opt/homebrew/opt/postgresql*/bin 2>/dev/null | sort -rV); do
        [ -x "$bin/initdb" ] && return 0
    done
    command -v initdb >/dev/null && bin=$(dirname "$(command -v initdb)")
}

start_cluster() {
    installed_postgres || { install_debian postgresql && installed_postgres; } || return 1
    # Not below the target directory: the path of a socket is short, and the user postgres must reach it.
    cluster=$(mktemp -d /tmp/frontdesk-postgres.XXXXXX)
    trap stop_cluster EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    if [ "$(id -u)" = 0 ]; then chown postgres "$cluster"; fi
    port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    say "starting a throw-away PostgreSQL from $bin on port $port"
    as_postgres "$bin/initdb" --pgdata "$cluster/data" --username postgres --auth trust --no-sync >/dev/null &&
        as_postgres "$bin/pg_ctl" --pgdata "$cluster/data" --log "$cluster/log" --wait --options \
            "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$cluster -c fsync=off -c max_connections=200" \
            start >/dev/null || { cat "$cluster/log" >&2; return 1; }
    FRONTDESK_TEST_POSTGRES=postgres://postgres@127.0.0.1:$port/postgres
}

running_postgres() {
    command -v psql >/dev/null || return 1
    for user in postgres "$(id -un)"; do
        url=postgres://$user@127.0.0.1:5432/postgres
        may=$(psql --no-psqlrc --no-password --tuples-only --no-align \
            --command 'SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user' "$url" 2>/dev/null) || continue
        [ "$may" = t ] && FRONTDESK_TEST_POSTGRES=$url && return 0
    done
    return 1
}

if [ -z "${FRONTDESK_TEST_POSTGRES:-}" ]; then
    running_postgres || start_cluster ||
        give_up "no PostgreSQL, and none could be installed; install one, name one in FRONTDESK_TEST_POSTGRES=postgres://…, or test without: FRONTDESK_TEST_POSTGRES=skip"
fi
export FRONTDESK_TEST_POSTGRES
if [ "$FRONTDESK_TEST_POSTGRES" = skip ]; then
    say "SKIPPING PostgreSQL, because FRONTDESK_TEST_POSTGRES=skip"
fi

"$@"
