#!/bin/sh
# Sees to it that plugins can be compiled here: by the Rust compiler in use with the target wasm32-unknown-unknown,
# or else by Debian's, which builds the target's library from source. Says what it installs, and installs only
# what is missing. `frontdesk plugin build` then finds it by itself.
set -eu

target=wasm32-unknown-unknown
packages='rustc-web rust-web-src'

has_target() {
    for library in "$(rustc --print sysroot)/lib/rustlib/$target/lib"/libstd-*.rlib; do
        [ -f "$library" ] && return 0
    done
    return 1
}

has_source() {
    [ -x /usr/bin/rustc ] && [ -f "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std/Cargo.toml" ]
}

# A download that does not come must not hold everything up.
add_target() {
    if command -v timeout >/dev/null; then
        timeout 120 rustup target add "$target"
    else
        rustup target add "$target"
    fi
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        sudo "$@"
    else
        echo "  not as root, and without sudo" >&2
        return 1
    fi
}

if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
    echo 'There is no Rust compiler: install it from https://rustup.rs' >&2
    exit 1
fi
if has_target || has_source; then exit 0; fi

if command -v rustup >/dev/null; then
    echo "Installing Rust's target $target, for compiling plugins: rustup target add $target"
    if add_target && has_target; then exit 0; fi
    echo '  rustup could not' >&2
fi

if command -v apt-get >/dev/null; then
    echo "Installing $packages, for compiling plugins: apt-get install $packages"
    # shellcheck disable=SC2086 # two words, two packages
    if as_root apt-get update -qq &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages &&
        has_source; then
        exit 0
    fi
    echo '  apt-get could not' >&2
fi

cat >&2 <<END
Plugins are compiled for WebAssembly, and nothing here can. Either add the target to the compiler:
  rustup target add $target
or, where rustup cannot download it, let Debian's compiler build the library from source:
  apt-get install $packages
END
exit 1
