# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# shellcheck disable=SC2154  # root: see below
#
# Sourced by ./run, ./test and .ci/run, which set `root` to the top of the tree.
# Everything said here goes to stderr.

say() {
    echo "==> $*" >&2
}

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# packages_of GROUP: the names of a group of .ci/packages.
packages_of() {
    awk -v group="$1" '/^#:/ { here = ($2 == group); next } /^#/ || !NF { next } here { print $1 }' \
        "$root/.ci/packages"
}

# install_packages GROUP...: installs what is missing. With everything there it
# neither needs the network nor root, and says nothing.
install_packages() {
    local group missing as_root=()
    local -a wanted=() absent=()
    command -v dpkg-query >/dev/null || {
        say "not a Debian system: see .ci/packages for what must be installed"
        return
    }
    for group; do
        mapfile -t -O "${#wanted[@]}" wanted < <(packages_of "$group")
    done
    missing=$({
        printf '%s\n' "${wanted[@]}"
        # Twice, so that only what is not installed stands alone. dpkg-query fails at
        # the first name it has never heard of, but tells all.
        { dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || :; } |
            awk '$1 == "installed" && !seen[$2]++ { print $2; print $2 }'
    } | sort | uniq -u)
    [ -n "$missing" ] || return 0
    mapfile -t absent <<<"$missing"

    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || fail "these packages are missing and there is no sudo: ${absent[*]}"
        as_root=(sudo)
    fi
    as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -qq)
    say "installing ${absent[*]}"
    "${as_root[@]}" update >&2 || fail "apt-get update failed"
    "${as_root[@]}" install -y --no-install-recommends "${absent[@]}" >&2 ||
        fail "apt-get could not install: ${absent[*]}"
}

# configure DIR OPTION...: a build directory with these options; one which has
# them already is left alone.
configure() {
    local dir=$1
    shift
    if [ ! -f "$dir/build.ninja" ]; then
        say "configuring $(basename "$dir")"
        meson setup "$dir" "$root" "$@" >&2 || fail "meson could not configure $dir"
    else
        # Again: tests are found by name, and that is when Meson looks.
        say "configuring $(basename "$dir") again"
        meson setup --reconfigure "$dir" "$root" "$@" >/dev/null || fail "meson could not configure $dir"
    fi
}

# build DIR TARGET...
build() {
    local dir=$1
    shift
    say "building $(basename "$dir")"
    ninja -C "$dir" "$@" >&2 || fail "the build failed"
}

# run_tests DIR ARG...: everything but the benchmarks, by way of $test_prefix.
# Whether they passed is for .ci/count.py to say.
test_prefix=()
run_tests() {
    local dir=$1
    shift
    say "testing $(basename "$dir")"
    "${test_prefix[@]}" meson test -C "$dir" --no-rebuild --print-errorlogs --no-suite benchmark "$@" || :
}

# forget_results DIR: so that a build which fails does not show the tests of the last one.
forget_results() {
    rm -f "$1/meson-logs/testlog.json"
}
