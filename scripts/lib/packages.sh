# shellcheck shell=bash disable=SC2154
# Installs what Debian's packages bring. Sourced; needs `say` and `die`.

# The directory with PostgreSQL's programs, newest version first; empty when there is none.
postgres_bin() {
    local found
    found=$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1) || true
    if [ -z "$found" ]; then found=$(command -v initdb || true); fi
    if [ -n "$found" ]; then dirname "$found"; fi
}

install_missing_servers() {
    local missing=()
    [ -n "$(postgres_bin)" ] || missing+=(postgresql)
    command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null || missing+=(mariadb-server)
    # Started by its test itself, which knows what it is to watch; promtool comes with it.
    command -v prometheus >/dev/null && command -v promtool >/dev/null || missing+=(prometheus)
    if [ ${#missing[@]} -gt 0 ]; then install_packages "${missing[@]}"; fi
}

# The browser that looks at the HTML pages, its driver, and letters for it.
install_missing_browser() {
    command -v chromium >/dev/null && command -v chromedriver >/dev/null ||
        install_packages chromium chromium-driver fonts-dejavu-core
}

install_packages() {
    local root=() words
    command -v apt-get >/dev/null || die "$* is missing and apt-get is not here: install it by hand, then start again"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "$* is missing and neither root nor sudo is at hand: apt-get install $*"
        root=(sudo)
    fi
    say "installing $*"
    words=$(mktemp)
    if ! "${root[@]}" env DEBIAN_FRONTEND=noninteractive bash "$repo/scripts/lib/apt-install" "$@" >"$words" 2>&1; then
        tail -n 30 "$words" >&2
        rm -f "$words"
        die "could not install $*: apt-get's last words stand above"
    fi
    rm -f "$words"
}
