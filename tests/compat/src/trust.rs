//! What proves a download: lists of every kind, signatures of every kind, and what is said of them.

use crate::make::{Signer, archive, checksum_line, file, has, packed, plain_tree, run};
use crate::server::{Answer, Server};
use crate::subject::{Outcome, Run, Work, is_ours};
use crate::tree::assert_same;
use rustix::io::Errno;
use serde_json::Value;

/// The digest of an empty file.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// An archive on a server, and who may sign for it.
struct Site {
    work: Work,
    server: Server,
    signer: Signer,
    body: Vec<u8>,
}

impl Site {
    fn new() -> Option<Self> {
        let work = Work::new()?;
        let server = Server::start();
        let body = packed(&archive(&plain_tree(&work)), &["zstd", "-qc"]);
        server.put("/t.tar.zst", Answer::ok(body.clone()));
        let signer = Signer::new(&work, "s");
        Some(Self {
            work,
            server,
            signer,
            body,
        })
    }

    fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.server.put(path, Answer::ok(bytes));
    }

    /// Takes a file away.
    fn remove(&self, path: &str) {
        self.server.put(path, Answer::status(404, "none"));
    }

    /// The list of the archive, with more lines.
    fn list(&self, more: &str) -> String {
        checksum_line(&self.body, "t.tar.zst") + more
    }

    /// Another digest of the archive, by the tool for it.
    fn sha512(&self) -> String {
        let path = file(&self.work.path("body"), &self.body);
        let output = run("sha512sum", &[path.to_str().unwrap()], &self.work.path(""));
        String::from_utf8(output).unwrap()[..128].to_owned()
    }

    fn pull(&self, verify: &str) -> Run {
        let run = self.work.run("systemd-pull").args(["--force", "tar"]);
        let run = run
            .args(["--keep-download=no", "--verify", verify])
            .arg(self.server.url("/t.tar.zst"))
            .arg("t");
        run.env("SYSTEMD_OPENPGP_KEYRING", self.signer.keyring())
    }

    fn explain(&self, words: &[&str]) -> Run {
        let run = self.work.run("systemd-pull").arg("verify");
        let run = run.arg(self.server.url("/t.tar.zst")).args(words);
        run.env("SYSTEMD_OPENPGP_KEYRING", self.signer.keyring())
    }

    fn accepted(&self, run: Run) -> Outcome {
        let outcome = run.succeed();
        assert_same(&self.work.path("plain"), &self.work.image("t"));
        run_remove(&self.work);
        outcome
    }

    fn refused(&self, run: Run) -> Outcome {
        let outcome = run.fail_somehow();
        assert_eq!(self.work.images(), [""; 0], "{}", outcome.stderr);
        outcome
    }
}

/// The object that a run printed in one line.
fn json(outcome: &Outcome) -> Value {
    let text = String::from_utf8(outcome.stdout.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn run_remove(work: &Work) {
    run("rm", &["-r", "images"], &work.path(""));
}

#[test]
fn lists_of_sha512_digests_prove_as_well() {
    let Some(site) = Site::new().filter(|_| is_ours()) else {
        return;
    };
    let digest = site.sha512();
    let wrong = digest.replace(['0', '1', '2', '3'], "4");
    for (path, line) in [
        ("/SHA512SUMS", "%  t.tar.zst\n"),
        ("/t.tar.zst.sha512", "%\n"),
        ("/t.tar.zst.CHECKSUM", "SHA512 (t.tar.zst) = %\n"),
        (
            "/CHECKSUM",
            "# t.tar.zst: 9 bytes\nSHA512 (t.tar.zst) = %\n",
        ),
    ] {
        site.put(path, line.replace('%', &digest));
        let outcome = site.accepted(site.pull("checksum"));
        assert!(outcome.stderr.contains(path), "{}", outcome.stderr);
        site.put(path, line.replace('%', &wrong));
        let outcome = site.refused(site.pull("checksum"));
        assert!(outcome.stderr.contains(&digest), "{}", outcome.stderr);
        site.remove(path);
    }
    for (path, ending) in [("/SHA512SUMS", ".sign"), ("/t.tar.zst.sha512", ".asc")] {
        let list = format!("{digest}  t.tar.zst\n");
        site.put(path, list.clone());
        let signature = site.signer.sign(list.as_bytes(), true);
        site.put(&format!("{path}{ending}"), signature);
        site.accepted(site.pull("signature"));
        site.remove(path);
    }
    site.accepted(site.pull(&digest));
    site.refused(site.pull(&wrong));
}

#[test]
fn the_digest_of_a_command_line_must_have_its_length() {
    let Some(site) = Site::new() else { return };
    let digest = site.sha512();
    for bad in [&digest[..127], &digest[..63], "00"] {
        site.pull(bad).fail(Errno::INVAL);
    }
    assert_eq!(site.server.paths(), [""; 0]);
}

#[test]
fn a_sha256_list_comes_first_and_a_name_may_be_escaped_in_the_address() {
    let Some(site) = Site::new().filter(|_| is_ours()) else {
        return;
    };
    site.put("/SHA256SUMS", site.list(""));
    site.put("/SHA512SUMS", format!("{}  t.tar.zst\n", "0".repeat(128)));
    site.accepted(site.pull("checksum"));
    site.server
        .put("/t%2Etar%2Ezst", Answer::ok(site.body.clone()));
    let run = site
        .work
        .run("systemd-pull")
        .args(["--keep-download=no", "tar"]);
    let run = run
        .arg("--verify=checksum")
        .arg(site.server.url("/t%2Etar%2Ezst"));
    site.accepted(run.arg("t"));
}

#[test]
fn a_clear_signed_list_is_proven_by_the_signature_in_it() {
    let Some(site) = Site::new().filter(|_| is_ours()) else {
        return;
    };
    let stranger = Signer::new(&site.work, "x");
    let clear = |signer: &Signer, text: &str| {
        String::from_utf8(signer.clear_sign(text.as_bytes())).unwrap()
    };
    let list = site.list("");
    let good = clear(&site.signer, &format!("# SHA256 HASH\n{list}"));
    site.put("/t.tar.zst.sha256", good.clone());
    let outcome = site.accepted(site.pull("signature"));
    assert!(
        outcome.stderr.contains("s <s@example.org>"),
        "{}",
        outcome.stderr
    );
    let evil = checksum_line(b"evil", "t.tar.zst");
    for (what, text) in [
        ("before", format!("{list}\n{}", clear(&site.signer, &evil))),
        ("behind", format!("{}\n{list}", clear(&site.signer, &evil))),
        ("changed", good.replace("# SHA256", "# sha256")),
        ("a stranger's", clear(&stranger, &list)),
        ("of something else", clear(&site.signer, &evil)),
    ] {
        site.put("/t.tar.zst.sha256", text);
        let outcome = site.refused(site.pull("signature"));
        assert!(
            outcome.stderr.contains(".sha256"),
            "{what}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn one_good_signature_file_of_several_is_enough() {
    let Some(site) = Site::new().filter(|_| is_ours()) else {
        return;
    };
    let list = site.list("");
    site.put("/SHA256SUMS", list.clone());
    let stranger = Signer::new(&site.work, "x");
    site.put("/SHA256SUMS.gpg", stranger.sign(list.as_bytes(), false));
    let outcome = site.refused(site.pull("signature"));
    for word in [
        "SHA256SUMS.gpg",
        "SYSTEMD_OPENPGP_KEYRING",
        "keyring.pgp",
        "--verify=checksum",
    ] {
        assert!(outcome.stderr.contains(word), "{}", outcome.stderr);
    }
    site.put("/SHA256SUMS.asc", site.signer.sign(list.as_bytes(), true));
    site.accepted(site.pull("signature"));
}

#[test]
fn an_unsigned_list_gives_way_to_a_signed_one_but_a_bad_signature_does_not() {
    let Some(site) = Site::new().filter(|_| is_ours()) else {
        return;
    };
    let list = format!("{}  t.tar.zst\n", site.sha512());
    site.put("/SHA256SUMS", site.list(""));
    site.put("/SHA512SUMS", list.clone());
    site.put("/SHA512SUMS.sign", site.signer.sign(list.as_bytes(), true));
    site.accepted(site.pull("signature"));
    site.put("/SHA256SUMS.gpg", site.signer.sign(b"another list", false));
    let outcome = site.refused(site.pull("signature"));
    assert!(
        outcome.stderr.contains("SHA256SUMS.gpg"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn minisign_and_signify_sign_lists_too() {
    let Some(site) = Site::new().filter(|_| is_ours()) else {
        return;
    };
    let folder = site.work.path("");
    let list = site.list("");
    site.put("/SHA256SUMS", list.clone());
    file(&folder.join("list"), list.as_bytes());
    let minisign = ["-S", "-s", "m.key", "-m", "list", "-x", "m.sig"];
    let signify = ["-S", "-s", "o.sec", "-m", "list", "-x", "o.sig"];
    for (program, make, sign, key, ending) in [
        (
            "minisign",
            &["-GWf", "-p", "m.pub", "-s", "m.key"][..],
            &minisign,
            "m",
            ".minisig",
        ),
        (
            "signify-openbsd",
            &["-Gn", "-p", "o.pub", "-s", "o.sec"],
            &signify,
            "o",
            ".sig",
        ),
    ] {
        if !has(program) {
            continue;
        }
        run(program, make, &folder);
        run(program, sign, &folder);
        let signature = std::fs::read(folder.join(format!("{key}.sig"))).unwrap();
        let path = format!("/SHA256SUMS{ending}");
        site.put(&path, signature.clone());
        let public = folder.join(format!("{key}.pub"));
        let pull = || {
            site.pull("signature")
                .env("SYSTEMD_OPENPGP_KEYRING", &public)
        };
        site.accepted(pull());
        // Without its key.
        let outcome = site.refused(site.pull("signature"));
        assert!(
            outcome.stderr.contains("minisign or signify key"),
            "{}",
            outcome.stderr
        );
        let mut changed = signature;
        let line = changed.iter().position(|byte| *byte == b'\n').unwrap();
        changed[line + 20] ^= 1;
        site.put(&path, changed);
        site.refused(pull());
        site.remove(&path);
    }
}

#[test]
fn a_signed_list_past_its_day_is_refused() {
    let Some(site) = Site::new().filter(|_| is_ours()) else {
        return;
    };
    let fresh = "SYSTEMD_SYSUPDATE_VERIFY_FRESHNESS";
    let put = |day: &str| {
        let list = site.list(&format!("{EMPTY}  BEST-BEFORE-{day}\n"));
        site.put("/SHA256SUMS", list.clone());
        site.put("/SHA256SUMS.gpg", site.signer.sign(list.as_bytes(), false));
    };
    put("9000-01-01");
    site.accepted(site.pull("signature"));
    put("2024-12-31");
    let outcome = site.refused(site.pull("signature"));
    for word in ["SHA256SUMS", "2024-12-31", fresh] {
        assert!(outcome.stderr.contains(word), "{}", outcome.stderr);
    }
    site.refused(site.pull("signature").env(fresh, "yes"));
    let outcome = site.accepted(site.pull("signature").env(fresh, "0"));
    assert!(outcome.stderr.contains("out of date"), "{}", outcome.stderr);
    // What nobody signed anybody can renew.
    site.accepted(site.pull("checksum"));
}

/// As systemd-sysupdate fetches its lists.
#[test]
fn a_list_that_is_downloaded_is_proven_by_its_own_signature() {
    let Some(site) = Site::new() else { return };
    let list = site.list("");
    site.put("/SHA256SUMS", list.clone());
    let pull = || {
        let run = site
            .work
            .run("systemd-pull")
            .args(["--keep-download=no", "raw", "--force"]);
        let run = run.arg(site.server.url("/SHA256SUMS")).arg("sums");
        run.env("SYSTEMD_OPENPGP_KEYRING", site.signer.keyring())
    };
    site.refused(pull());
    site.put("/SHA256SUMS.gpg", site.signer.sign(b"another", false));
    site.refused(pull());
    site.put("/SHA256SUMS.gpg", site.signer.sign(list.as_bytes(), false));
    pull().succeed();
    let made = std::fs::read(site.work.image("sums.raw")).unwrap();
    assert!(made.starts_with(list.as_bytes()));
    run_remove(&site.work);
    let large = list.repeat(20_000);
    site.put("/SHA256SUMS.gpg", site.signer.sign(large.as_bytes(), false));
    site.put("/SHA256SUMS", large);
    if is_ours() {
        pull().fail(Errno::FBIG);
        assert_eq!(site.work.images(), [""; 0]);
    }
}

#[test]
fn the_signature_of_a_list_cannot_be_proven() {
    let Some(site) = Site::new() else { return };
    for name in [
        "/SHA256SUMS.gpg",
        "/SHA256SUMS.asc",
        "/x.sha256.asc",
        "/x.sha256.gpg",
    ] {
        site.put(name, "signature");
        let run = site
            .work
            .run("systemd-pull")
            .args(["--keep-download=no", "raw"]);
        let run = run.arg(site.server.url(name)).arg("x");
        let run = run.env("SYSTEMD_OPENPGP_KEYRING", site.signer.keyring());
        run.fail(Errno::LOOP);
        assert!(!is_ours() || site.server.paths().is_empty(), "{name}");
    }
}

#[test]
fn verify_explains_without_downloading() {
    let Some(site) = Site::new().filter(|_| is_ours()) else {
        return;
    };
    let explain = |words: &[&str]| site.explain(words);
    let outcome = explain(&["--json=short"]).fail_somehow();
    let object = json(&outcome);
    assert_eq!(object["accepted"], false);
    assert_eq!(object["error"]["code"], "http-not-found");
    assert!(object["list"].is_null() && object["signature"].is_null());

    let list = site.list(&format!("{EMPTY}  BEST-BEFORE-9000-01-01\n"));
    site.put("/SHA256SUMS", list.clone());
    site.put("/SHA256SUMS.asc", site.signer.sign(list.as_bytes(), true));
    let object = json(&explain(&["--json=short"]).succeed());
    assert_eq!(object["accepted"], true);
    assert!(object["error"].is_null());
    assert_eq!(object["verify"], "signature");
    assert_eq!(object["list"]["entries"], 2);
    assert_eq!(object["list"]["bestBefore"], "9000-01-01");
    assert_eq!(object["digest"]["algorithm"], "SHA-256");
    assert_eq!(object["digest"]["value"], list[..64]);
    assert_eq!(object["signature"]["system"], "openpgp");
    assert_eq!(object["signature"]["signer"], "s <s@example.org>");
    let key_file = object["signature"]["keyFile"].as_str().unwrap();
    assert!(key_file.ends_with("keyring.pgp"), "{key_file}");
    assert!(object["signature"]["created"].as_u64().unwrap() > 1_600_000_000);

    let text = String::from_utf8(explain(&[]).succeed().stdout).unwrap();
    for word in [
        "SHA256SUMS.asc",
        "s <s@example.org>",
        &list[..64],
        "9000-01-01",
        "accepted",
    ] {
        assert!(text.contains(word), "{text}");
    }
    assert!(!site.server.paths().contains(&"/t.tar.zst".into()));
    assert_eq!(site.work.images(), [""; 0]);
}

#[test]
fn verify_compares_a_file_and_importctl_hands_it_on() {
    let Some(site) = Site::new().filter(|_| is_ours()) else {
        return;
    };
    let explain = |words: &[&str]| site.explain(words);
    let list = site.list("");
    site.put("/SHA256SUMS", list.clone());
    site.put("/SHA256SUMS.asc", site.signer.sign(list.as_bytes(), true));
    let good = file(&site.work.path("good"), &site.body);
    let bad = file(&site.work.path("bad"), &site.body[1..]);
    let object = json(&explain(&[good.to_str().unwrap(), "--json=short"]).succeed());
    assert_eq!(object["file"]["bytes"], site.body.len());
    let outcome = explain(&[bad.to_str().unwrap(), "--json=short"]).fail(Errno::BADMSG);
    assert_eq!(json(&outcome)["error"]["code"], "corrupt");
    explain(&["/nonexistent"]).fail(Errno::NOENT);
    let none = site.work.path("none");
    let run = explain(&["--json=short"]).env("SYSTEMD_OPENPGP_KEYRING", none);
    let object = json(&run.fail(Errno::NOENT));
    assert_eq!(object["error"]["code"], "not-found");
    assert_eq!(object["verify"], "signature");
    explain(&["--json=yes"]).fail(Errno::INVAL);
    let through = site
        .work
        .run("importctl")
        .args(["--standalone", "verify", "--json=short"]);
    let through = through.arg(site.server.url("/t.tar.zst"));
    let through = through.env("SYSTEMD_OPENPGP_KEYRING", site.signer.keyring());
    assert_eq!(json(&through.succeed())["accepted"], true);
}
