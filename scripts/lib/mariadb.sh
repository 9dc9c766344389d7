# shellcheck shell=bash disable=SC2154
# Starts a throwaway MariaDB. Sourced by scripts/servers.

# Makes the data directory, starts the server and prints its port.
start_mariadb() {
    local home=$dir/mariadb
    make_home "$home" mysql && cd "$home" || return 1
    as_user mysql mariadb-install-db --no-defaults --datadir="$home/data" --auth-root-authentication-method=normal \
        --skip-test-db >"$home/install.log" 2>&1 ||
        { say "mariadb-install-db failed:" && tail -n 30 "$home/install.log" >&2 && return 1; }
    cat >"$home/init.sql" <<'SQL'
CREATE DATABASE tidegate;
CREATE USER 'tidegate'@'%' IDENTIFIED BY 'tidegate';
GRANT ALL ON *.* TO 'tidegate'@'%' WITH GRANT OPTION;
SQL
    start_on_free_port mariadb_on_port "$home/log"
}

mariadb_on_port() {
    local home=$dir/mariadb
    # `setsid` keeps a Ctrl-C in the caller's terminal from reaching the server before `stop` does.
    as_user mysql setsid mariadbd --no-defaults --datadir="$home/data" --bind-address=127.0.0.1 --port="$1" \
        --socket="$home/socket" --pid-file="$home/pid" --init-file="$home/init.sql" --max-connections=200 \
        --skip-name-resolve --skip-log-bin --innodb-flush-log-at-trx-commit=0 --innodb-use-native-aio=0 \
        --innodb-buffer-pool-size=64M </dev/null >>"$home/log" 2>&1 9>&- &
    local starter=$!
    for _ in $(seq 600); do
        # The init file has run once the user that it makes can log in. Asked by the socket, as the port may be another's.
        if mariadb --no-defaults --socket="$home/socket" -u tidegate -ptidegate tidegate -e 'SELECT 1' \
            >/dev/null 2>&1; then
            return 0
        fi
        kill -0 "$starter" 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}
