#!/bin/sh
# Install, upgrade or uninstall labd as a systemd service. Debian 12 and 13, Ubuntu 24.04; root.
#
#   install.sh install WHEEL [--find-links DIR] [--no-start]
#       Installs or upgrades to WHEEL; run again with the same wheel it changes nothing. An upgrade
#       builds the new release first, checks the configuration with it, then stops labd, backs up
#       and migrates the database, and starts. Queued jobs are kept. DIR: packages to install from,
#       instead of the package index.
#   install.sh uninstall [--purge]
#       Removes the program and its units. --purge: also /etc/labd, /var/lib/labd and the account.
set -eu
umask 022

HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=/opt/labd
CONFIG=/etc/labd
STATE=/var/lib/labd
UNITS=/etc/systemd/system
COMMANDS='labd labctl labd-simrack'
# libstdc++: numpy's wheels need it, and a minimal Ubuntu has none.
PACKAGES='python3 python3-venv python3-systemd libstdc++6'

say() { printf 'install.sh: %s\n' "$*"; }
die() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
usage() { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
booted() { [ -d /run/systemd/system ]; }

check_system() {
    [ "$(id -u)" = 0 ] || die "run it as root"
    . /etc/os-release
    case "${ID:-}-${VERSION_ID:-}" in
        debian-12 | debian-13 | ubuntu-24.04) ;;
        *) say "${PRETTY_NAME:-this system} is not one that labd is tested on; going on" ;;
    esac
}

install_packages() {
    missing=
    for package in $PACKAGES; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' ||
            missing="$missing $package"
    done
    [ -z "$missing" ] && return
    say "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/dev/null; }
}

# A release is a virtual environment of its own, named by the wheel's content.
build_release() {
    release=$ROOT/releases/$(basename "$WHEEL" | cut -d- -f2)-$(sha256sum "$WHEEL" | cut -c1-12)
    [ -e "$release/.complete" ] && return
    say "building $release"
    rm -rf "$release"
    mkdir -p "$ROOT/releases"
    python3 -m venv "$release"
    set -- install --quiet --no-compile --disable-pip-version-check --no-cache-dir
    [ -n "$LINKS" ] && set -- "$@" --no-index --find-links "$LINKS"
    "$release/bin/python" -m pip "$@" "$WHEEL" || { rm -rf "$release"; die "the wheel cannot be installed"; }
    # The distribution's own systemd-python: one that is built here would need a compiler.
    site=$("$release/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
    ln -sfn "$(/usr/bin/python3 -c 'import os, systemd; print(os.path.dirname(systemd.__file__))')" "$site/systemd"
    "$release/bin/python" -c 'import systemd.daemon, systemd.journal'
    "$release/bin/python" -m compileall -q -j 0 "$release/lib" >/dev/null 2>&1 || true
    touch "$release/.complete"
}

# put SOURCE TARGET MODE: copies what differs, and remembers that something did.
put() {
    cmp -s "$1" "$2" && return
    install -D -m "$3" "$1" "$2"
    changed=yes
}

install_files() {
    changed=
    put "$HERE/labd.sysusers" /etc/sysusers.d/labd.conf 644
    put "$HERE/labd.tmpfiles" /etc/tmpfiles.d/labd.conf 644
    put "$HERE/labd.modules" /etc/modules-load.d/labd.conf 644
    put "$HERE/99-labd.rules" /etc/udev/rules.d/99-labd.rules 644
    put "$HERE/labd.service" $UNITS/labd.service 644
    put "$HERE/labd-simrack@.service" $UNITS/labd-simrack@.service 644
    systemd-sysusers /etc/sysusers.d/labd.conf
    systemd-tmpfiles --create /etc/tmpfiles.d/labd.conf
    [ -n "$changed" ] && booted || return 0
    systemctl daemon-reload
    # Neither matters before an instrument is plugged in, and containers can do neither.
    systemctl restart systemd-modules-load.service 2>/dev/null || true
    udevadm control --reload 2>/dev/null && udevadm trigger --subsystem-match=usb --subsystem-match=usbmisc 2>/dev/null || true
}

install_config() {
    if [ ! -e $CONFIG/labd.toml ]; then
        shipped=$("$release/bin/python" -c 'from labd.shipped import shipped_config; print(shipped_config())')
        cp -R "$shipped/." $CONFIG/
        sed -i 's|^unix_socket = ""  *#|unix_socket = "/run/labd/labd.sock"   #|' $CONFIG/labd.toml
        chown -R root:labd $CONFIG
        chmod -R u=rwX,g=rX,o= $CONFIG
        say "wrote $CONFIG: describe your rack there"
    fi
    "$release/bin/labd" check-config --config $CONFIG/labd.toml >/dev/null ||
        die "$CONFIG/labd.toml is not good for this release; nothing was stopped or changed"
}

# switch_release: stop, back up, migrate, point at the new release. Starts the old one again if the
# database cannot be migrated: each step of a migration is a transaction.
switch_release() {
    before=$(readlink $ROOT/current || true)
    [ "$before" = "$release" ] && return
    if [ -n "$before" ] && booted; then
        systemctl stop labd.service
    fi
    if [ -n "$before" ] || [ -e $STATE/labd.db ]; then
        if ! told=$(runuser -u labd -- "$release/bin/labd" migrate --config $CONFIG/labd.toml); then
            if [ -n "$before" ] && booted; then systemctl start labd.service; fi
            die "the database was not migrated; the release that was there still is"
        fi
        say "database: $told"
    fi
    ln -sfn "$release" $ROOT/current.new
    mv -T $ROOT/current.new $ROOT/current
    for command in $COMMANDS; do ln -sfn $ROOT/current/bin/$command /usr/local/bin/$command; done
    for old in "$ROOT"/releases/*; do
        [ "$old" = "$release" ] || [ "$old" = "$before" ] || rm -rf "$old"
    done
    switched=yes
    changed=yes
}

start() {
    booted || { say "systemd does not run here: labd starts with the next boot"; return; }
    if [ -n "$changed" ]; then systemctl restart labd.service; else systemctl start labd.service; fi || {
        systemctl status --no-pager --lines 20 labd.service >&2 || true
        [ -n "${switched:-}" ] && [ -n "$before" ] && say "the release before is $before" >&2
        die "labd does not start: journalctl -u labd"
    }
    say "$(systemctl show -P StatusText labd.service)"
}

install_labd() {
    WHEEL='' LINKS='' START=yes
    while [ $# -gt 0 ]; do
        case $1 in
            --find-links) [ $# -ge 2 ] || usage; LINKS=$(cd "$2" && pwd); shift ;;
            --no-start) START= ;;
            -*) usage ;;
            *) [ -z "$WHEEL" ] || usage; WHEEL=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") ;;
        esac
        shift
    done
    [ -f "$WHEEL" ] || usage
    check_system
    install_packages
    build_release
    install_files
    install_config
    switch_release
    if booted; then systemctl enable --quiet labd.service; else systemctl --root=/ enable labd.service 2>/dev/null; fi
    [ -n "$START" ] && start
    say "$(basename "$release") is installed"
}

uninstall_labd() {
    case ${1:-} in '' | --purge) ;; *) usage ;; esac
    check_system
    if booted; then
        systemctl disable --now --quiet labd.service 'labd-simrack@*.service' 2>/dev/null || true
        systemctl stop 'labd-simrack@*.service' 2>/dev/null || true
    fi
    rm -f $UNITS/labd.service $UNITS/labd-simrack@.service $UNITS/*.wants/labd.service $UNITS/*.wants/labd-simrack@*.service
    rm -f /etc/sysusers.d/labd.conf /etc/tmpfiles.d/labd.conf /etc/modules-load.d/labd.conf /etc/udev/rules.d/99-labd.rules
    for command in $COMMANDS; do rm -f /usr/local/bin/$command; done
    rm -rf $ROOT /var/cache/labd
    if booted; then systemctl daemon-reload; fi
    if [ "${1:-}" = --purge ]; then
        rm -rf $CONFIG $STATE
        if getent passwd labd >/dev/null; then userdel labd; fi
        if getent group labd >/dev/null; then groupdel labd; fi
        say "removed, with its configuration, jobs and results"
    else
        say "removed; $CONFIG and $STATE are kept"
    fi
}

case ${1:-} in
    install) shift; install_labd "$@" ;;
    uninstall) shift; uninstall_labd "$@" ;;
    *) usage ;;
esac
