//! What `systemd-pull verify` prints: facts on standard output, as lines or as JSON.

use crate::error::chain;
use crate::pull::clean::Output;
use crate::pull::evidence::verdict::{Signed, time};
use crate::pull::verify::Findings;
use importd_api::url::Url;
use importd_api::verify::Verify;
use serde_json::{Value, json};
use std::path::Path;

/// The findings as text that ends with a line feed.
pub(super) fn shown(
    asked: (&Url, &Verify),
    file: Option<&Path>,
    findings: &Findings,
    output: Output,
) -> String {
    match output {
        Output::Text => lines(asked, file, findings),
        Output::Json => format!("{}\n", object(asked, file, findings)),
        Output::PrettyJson => format!("{:#}\n", object(asked, file, findings)),
    }
}

fn lines((url, verify): (&Url, &Verify), file: Option<&Path>, findings: &Findings) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        out.push_str(&format!("{name:>12}: "));
        // Much of it comes from servers.
        for c in value.chars() {
            match c.is_control() {
                true => out.extend(c.escape_default()),
                false => out.push(c),
            }
        }
        out.push('\n');
    };
    line("URL", url.to_string());
    line("Demanded", verify.to_string());
    let verdict = findings.verdict.as_ref();
    if let Some(list) = verdict.and_then(|verdict| verdict.list.as_ref()) {
        let files = if list.entries == 1 { "file" } else { "files" };
        line("List", format!("{} ({} {files})", list.url, list.entries));
        if let Some(date) = list.best_before {
            line("Best before", date.to_string());
        }
    }
    if let Some(digest) = findings.digest {
        line("Digest", format!("{} {digest}", digest.algorithm()));
    }
    if let Some(signed) = verdict.and_then(|verdict| verdict.signature.as_ref()) {
        signature_lines(signed, &mut line);
    }
    for notice in verdict.iter().flat_map(|verdict| &verdict.notices) {
        line("Note", notice.clone());
    }
    if let (Some(path), Some(bytes)) = (file, findings.local_bytes) {
        let is_same = findings.refusal.is_none();
        let what = if is_same {
            "as it must be"
        } else {
            "something else"
        };
        line(
            "File",
            format!("{} ({bytes} bytes): {what}", path.display()),
        );
    }
    let outcome = match (&findings.refusal, file) {
        (Some(error), _) => format!("refused: {}", chain(error)),
        (None, Some(_)) => "accepted".to_owned(),
        (None, None) => "accepted, if the download is what it must be".to_owned(),
    };
    line("Verdict", outcome);
    out
}

fn signature_lines(signed: &Signed, line: &mut impl FnMut(&str, String)) {
    line(
        "Signature",
        format!("{} ({})", signed.url, signed.system.name()),
    );
    if let Some(signer) = &signed.signer {
        line("Signer", signer.clone());
    }
    let key = signed.fingerprint.as_ref().unwrap_or(&signed.key_id);
    line("Key", key.clone());
    line("Key file", signed.key_file.clone());
    if let Some(created) = signed.created {
        line("Signed on", time(created));
    }
    if let Some(comment) = &signed.comment {
        line("Comment", comment.clone());
    }
}

/// The object of `--json=`: members are never left out, what is not known is `null`.
fn object((url, verify): (&Url, &Verify), file: Option<&Path>, findings: &Findings) -> Value {
    let verdict = findings.verdict.as_ref();
    let list = verdict.and_then(|verdict| verdict.list.as_ref());
    let signed = verdict.and_then(|verdict| verdict.signature.as_ref());
    json!({
        "url": url.to_string(),
        "verify": verify.to_string(),
        "accepted": findings.refusal.is_none(),
        "error": findings.refusal.as_ref().map(|error| json!({
            "code": error.kind.code(),
            "message": chain(error),
        })),
        "list": list.map(|list| json!({
            "url": list.url.to_string(),
            "entries": list.entries,
            "bestBefore": list.best_before.map(|date| date.to_string()),
        })),
        "digest": findings.digest.map(|digest| json!({
            "algorithm": digest.algorithm().name(),
            "value": digest.to_string(),
        })),
        "signature": signed.map(|signed| json!({
            "url": signed.url.to_string(),
            "system": signed.system.name(),
            "keyId": signed.key_id,
            "fingerprint": signed.fingerprint,
            "signer": signed.signer,
            "keyFile": signed.key_file,
            "created": signed.created,
            "comment": signed.comment,
        })),
        "file": file.map(|path| json!({
            "path": path.display().to_string(),
            "bytes": findings.local_bytes,
        })),
        "notices": verdict.map(|verdict| verdict.notices.clone()).unwrap_or_default(),
    })
}
