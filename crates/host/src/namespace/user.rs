//! The name of the user we are.
//!
//! This module holds `unsafe`: the C library's view of the users' table.

#![expect(unsafe_code, reason = "getpwuid_r has no safe wrapper")]

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::ptr;

/// Room for one entry of the users' table, in bytes: what sysconf(3) suggests is 1 KiB; entries from
/// directories of large organisations are longer.
const ENTRY_BYTES: usize = 16 << 10;

/// The name of a user; `None` if the number has none, or one that is not UTF-8.
pub(super) fn name(uid: u32) -> Option<String> {
    let mut entry = MaybeUninit::<libc::passwd>::uninit();
    let mut buffer = vec![0; ENTRY_BYTES];
    let mut found = ptr::null_mut();
    // SAFETY: all pointers lead to memory that lives until the end of this function, and the length
    // is that of the buffer.
    let status = unsafe {
        libc::getpwuid_r(
            uid,
            entry.as_mut_ptr(),
            buffer.as_mut_ptr(),
            buffer.len(),
            &raw mut found,
        )
    };
    if status != 0 || found.is_null() {
        return None;
    }
    // SAFETY: the call has said that it found the user, and so has filled the entry.
    let entry = unsafe { entry.assume_init() };
    if entry.pw_name.is_null() {
        return None;
    }
    // SAFETY: the name is a C string in the buffer, which still lives.
    let name = unsafe { CStr::from_ptr(entry.pw_name) };
    name.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names_and_numbers_nobody_has_do_not() {
        assert_eq!(name(0).as_deref(), Some("root"));
        assert_eq!(name(u32::MAX - 7), None);
    }
}
