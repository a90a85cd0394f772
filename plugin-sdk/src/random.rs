//! Randomness from the host.

use crate::host;

/// The most random bytes one call of a plugin may have.
pub const MAX_RANDOM: usize = 4096;

/// `len` bytes from the host's generator, fit for keys and tokens.
///
/// # Panics
///
/// Above [`MAX_RANDOM`] bytes, which is what the host gives a plugin during one call.
#[must_use]
pub fn random(len: usize) -> Vec<u8> {
    assert!(len <= MAX_RANDOM, "random({len}): the host gives at most {MAX_RANDOM} bytes a call");
    let bytes = host::random(u32::try_from(len).expect("4,096 fits"));
    assert_eq!(bytes.len(), len, "the host gave fewer random bytes than asked for");
    bytes
}

/// The back end of `getrandom` 0.3 and 0.4 behind `--cfg getrandom_backend="custom"`: crates that ask for
/// randomness get the host's. `frontdesk plugin build` sets the flag. A call over [`MAX_RANDOM`] bytes fails
/// with `getrandom`'s error instead of a panic.
#[cfg(target_arch = "wasm32")]
mod backend {
    use getrandom::Error;

    #[unsafe(no_mangle)]
    #[expect(
        unsafe_code,
        reason = "getrandom's custom back end is found by this symbol and hands over a pointer"
    )]
    unsafe extern "Rust" fn __getrandom_v03_custom(dest: *mut u8, len: usize) -> Result<(), Error> {
        if len > super::MAX_RANDOM {
            return Err(Error::UNEXPECTED);
        }
        let bytes = super::random(len);
        // SAFETY: getrandom hands over `len` writable bytes; `bytes` holds exactly `len` and is newly allocated.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), dest, len) };
        Ok(())
    }
}
