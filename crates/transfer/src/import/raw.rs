//! A disk image file, or a stream of one, becomes an image.

use super::{Request, observer, report_success, unpacked};
use crate::cage;
use crate::context::Context;
use crate::error::{Doing, Result};
use crate::report;
use crate::sink::raw::{Bounds, RawSink};
use importd_api::name::Form;
use importd_formats::codec::Codec;
use std::ffi::OsString;
use std::os::fd::AsFd;
use std::sync::Mutex;

/// Imports a disk image.
///
/// # Errors
/// By kind as [`RawSink`] and [`crate::install`] say; nothing is left then.
pub fn run(request: &Request, bounds: Bounds, context: &Context) -> Result<()> {
    request.target.check_free(&request.name)?;
    let input = request.open(context)?;
    let root = request.target.open_root(context)?;
    cage::enter_import(&root, Form::Raw, context)?;

    let file_name = OsString::from(format!("{}.raw", request.name));
    let sink = RawSink::create(&root.folder, &file_name, context.umask)?;
    let original = input.try_clone_fd()?;
    let is_regular = input.length.is_some();
    let mut start = [0; Codec::MAGIC_LEN];
    let is_plain = input.is_whole_file()
        && rustix::io::pread(&original, &mut start, 0)
            .map(|length| Codec::sniff(&start[..length]) == Codec::None)
            .doing(|| "Failed to detect file compression".into())?;

    let (staged, size) = if is_plain {
        let length = input.length;
        let observe = Mutex::new(observer(context, length));
        let progress = |bytes: u64| {
            if let Ok(mut observe) = observe.lock() {
                observe(bytes);
            }
        };
        sink.copy(original.as_fd(), bounds, &progress, &context.cancel)?
    } else {
        sink.fill(&mut unpacked(input, context)?, bounds)?
    };
    context
        .report
        .info(format!("Wrote {}.", report::size(size)));
    if is_regular {
        staged.adopt_attributes(original.as_fd());
    }
    let manner = request.target.manner();
    staged
        .accept_local()
        .install(&root, &file_name, manner, context)?;
    report_success(context);
    Ok(())
}
