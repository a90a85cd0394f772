//! What a failed build most likely means in a plugin, and what to use instead.

use std::fmt::Write as _;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hint {
    /// Part of the compiler's or linker's message.
    sign: &'static str,
    sentence: &'static str,
    /// The crate that somebody brought in.
    brought: Option<&'static str>,
}

/// The first whose sign is found.
const HINTS: [Hint; 6] = [
    Hint {
        sign: "__wbindgen",
        sentence: "wasm-bindgen is for browsers; switch off the crate feature that wants it (getrandom \"wasm_js\", \
                   chrono \"wasmbind\", uuid \"js\")",
        brought: Some("wasm-bindgen"),
    },
    Hint {
        sign: "unsupported by mio",
        sentence: "there are no sockets (mio, from tokio's feature \"net\"); a plugin calls out through the host",
        brought: Some("mio"),
    },
    Hint {
        sign: "Only features sync,macros,io-util,rt,time are supported on wasm",
        sentence: "there are no threads and no sockets, so tokio's \"full\" has no place; plugins are called, answer and \
                   end",
        brought: Some("tokio"),
    },
    Hint {
        sign: "the wasm*-unknown-unknown targets are not supported by default",
        sentence: "getrandom 0.2 cannot use the host's randomness; update the crate that brings it to one with \
                   getrandom 0.3 or newer",
        brought: Some("getrandom@0.2"),
    },
    Hint {
        sign: "failed to decode world from module",
        sentence: "the component linker does not know this plugin's interface; it exports nothing, or was built \
                   with another wit-bindgen: hand your type to frontdesk_plugin_sdk::notifier! or widget!",
        brought: None,
    },
    Hint {
        sign: "can't find crate for `std`",
        sentence: "the compiler has no library for WebAssembly: rustup target add wasm32-unknown-unknown",
        brought: None,
    },
];

pub(super) fn find(errors: &str) -> Option<&'static Hint> {
    HINTS.iter().find(|hint| errors.contains(hint.sign))
}

impl Hint {
    /// With the crates that lead there, where `tree` knows them.
    pub(super) fn sentence(&self, tree: impl FnOnce(&str) -> Option<String>) -> String {
        let mut sentence = self.sentence.to_owned();
        if let Some(tree) = self.brought.and_then(tree) {
            // Writing to a String does not fail.
            let _ = write!(sentence, ". It comes in by:\n{tree}");
        }
        sentence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_what_brought_it() {
        let errors =
            "error: linking failed\n  module requires an import interface named `__wbindgen_placeholder__`";
        let hint = find(errors).unwrap();
        let sentence = hint.sentence(|brought| Some(format!("{brought} v0.2\n`-- uuid v1.0")));
        assert!(sentence.starts_with("wasm-bindgen is for browsers"), "{sentence}");
        assert!(sentence.ends_with("It comes in by:\nwasm-bindgen v0.2\n`-- uuid v1.0"), "{sentence}");
        assert_eq!(hint.sentence(|_| None), hint.sentence);
    }

    #[test]
    fn an_ordinary_mistake_has_no_hint() {
        assert_eq!(find("error[E0308]: mismatched types"), None);
    }
}
