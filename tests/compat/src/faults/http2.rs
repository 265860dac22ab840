//! HTTP/2: streams that are reset, connections that are given up.

use super::{Ends, Rig};
use crate::server::{Fault, Server};
use crate::subject::{Work, is_ours};

#[test]
fn what_breaks_over_http2_goes_on() {
    if !is_ours() {
        return println!("skipped: it knows no other authorities");
    }
    for fault in [
        Fault::None,
        Fault::NoLength,
        Fault::CutAfter(1_000_000),
        Fault::GoAwayAfter(1_000_000),
        Fault::StallAfter(1_000_000),
        Fault::StallHead,
    ] {
        let Some(work) = Work::new() else { return };
        let authority = work.path("authority.pem");
        let rig = Rig::on(work, Server::start_http2(&authority));
        let what = format!("{fault:?}");
        let pull = || rig.pull().env("SSL_CERT_FILE", &authority);
        let answers = vec![rig.good().fault(fault), rig.good()];
        rig.server.put_sequence(Rig::PATH, answers);
        rig.check_run(&what, Ends::Well, pull());
        let is_whole = matches!(fault, Fault::None | Fault::NoLength);
        let asked = rig.server.seen().asked(Rig::PATH);
        assert_eq!(asked, if is_whole { 1 } else { 2 }, "{what}");
        // What was on its way when the stream ended is sent again.
        let served = rig.server.seen().bytes_of(Rig::PATH);
        assert!(served <= 4_000_000, "{what}: {served}");
        if !is_whole {
            rig.clear();
            let short = match fault {
                Fault::StallHead => fault,
                _ => Fault::CutAfter(0),
            };
            rig.server.put(Rig::PATH, rig.good().fault(short));
            rig.check_run(&what, Ends::Badly, pull());
        }
    }
}
