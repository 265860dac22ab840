//! What the vendored C code was compiled to.

use crate::program::{has, run};
use crate::samples::{mixed, pack};
use importd_formats::codec::{Codec, EncodeOptions};
use std::path::Path;

/// What xz's own build sets, and the crate that carries xz does not.
const DEFINES: [&str; 4] = [
    "TUKLIB_FAST_UNALIGNED_ACCESS",
    "HAVE_IMMINTRIN_H",
    "HAVE_USABLE_CLMUL",
    "HAVE_CPUID_H",
];

/// Functions that are there only if the defines reached the compiler: the carry-less CRC32 and
/// CRC64 (xz, `crc_x86_clmul.h`), and what chooses them at run time.
const FAST: [&str; 4] = [
    "crc32_arch_optimized",
    "crc64_arch_optimized",
    "crc32_dispatch",
    "crc64_dispatch",
];

#[test]
fn xz_is_built_with_its_carry_less_checksums() {
    if !cfg!(all(
        target_arch = "x86_64",
        target_os = "linux",
        target_env = "gnu"
    )) {
        println!("skipped: the defines are those of x86_64-unknown-linux-gnu");
        return;
    }
    if !has(&["nm"]) {
        return;
    }
    // What is not used is not linked.
    assert!(!pack(Codec::Xz, &mixed(100), EncodeOptions::default()).is_empty());
    let program = std::env::current_exe().unwrap();
    let symbols = run("nm", &[&program], Path::new("/"), b"");
    let symbols = String::from_utf8_lossy(&symbols);
    let has_symbol = |name: &str| {
        let mut names = symbols
            .lines()
            .filter_map(|line| line.split(' ').next_back());
        names.any(|found| found == name)
    };
    if !has_symbol("lzma_crc64") {
        println!("skipped: the program has no symbols");
        return;
    }
    for name in FAST {
        assert!(
            has_symbol(name),
            "{name} is missing: see .cargo/config.toml"
        );
    }
}

#[test]
fn all_four_defines_come_in_one_value() {
    // Only one of them leaves a symbol. The others stand beside it, so that they come with it.
    let config = include_str!("../../../.cargo/config.toml");
    let flags = config
        .lines()
        .find_map(|line| line.strip_prefix("CFLAGS_x86_64_unknown_linux_gnu = "))
        .unwrap();
    for define in DEFINES {
        assert!(
            flags.contains(&format!("-D{define}=1")),
            "{define}: {flags}"
        );
    }
}
