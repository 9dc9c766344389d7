# shellcheck shell=bash disable=SC2154
# Starts a throwaway PostgreSQL. Sourced by scripts/servers.

# Makes the cluster, starts it and prints its port.
start_postgres() {
    local bin home=$dir/postgres port
    bin=$(postgres_bin)
    make_home "$home" postgres && cd "$home" || return 1
    as_user postgres "$bin/initdb" -D "$home/data" -U tidegate --auth=trust --no-sync -E UTF8 --locale=C \
        >"$home/initdb.log" 2>&1 || { say "initdb failed:" && tail -n 30 "$home/initdb.log" >&2 && return 1; }
    cat >>"$home/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
fsync = off
full_page_writes = off
shared_buffers = 64MB
CONF
    port=$(start_on_free_port postgres_on_port "$home/log") || return 1
    as_user postgres "$bin/psql" -X -q -h 127.0.0.1 -p "$port" -U tidegate -d postgres -c 'CREATE DATABASE tidegate' >&2 ||
        return 1
    echo "$port"
}

# pg_ctl waits until the server answers. The lock of scripts/servers must not live on in it.
postgres_on_port() {
    local home=$dir/postgres
    as_user postgres "$(postgres_bin)/pg_ctl" -D "$home/data" -l "$home/log" -w -t 60 -o "-p $1" start \
        </dev/null >"$home/pg_ctl.log" 2>&1 9>&-
}
