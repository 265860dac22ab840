//! What strangers send to harm: it bounces off.

use crate::make::{file, packed, run, small_archive};
use crate::server::{Answer, Server};
use crate::subject::{Work, is_ours};

#[test]
fn a_window_of_two_gigabytes_is_refused_by_name() {
    let Some(work) = Work::new() else { return };
    let data = vec![0; 200 << 20];
    let bytes = packed(&data, &["zstd", "-qc", "-1", "--long=31", "--ultra"]);
    let source = file(&work.path("x.raw.zst"), bytes);
    let outcome = work.run("systemd-import").arg("raw").arg(&source).outcome();
    if is_ours() && outcome.status != 0 {
        assert!(outcome.complaint().contains("window"), "{}", outcome.stderr);
    }
    assert!(outcome.status == 0 || work.images().is_empty());
}

#[test]
fn device_nodes_in_the_way_are_replaced_and_not_written_to() {
    let Some(work) = Work::new() else { return };
    let script = "mknod f c 1 3; tar -cf out.tar f; rm f; echo contents >f; tar -rf out.tar f";
    let source = file(&work.path("x.tar"), small_archive(&work, script));
    work.run("systemd-import")
        .arg("tar")
        .arg(&source)
        .arg("t")
        .succeed();
    assert_eq!(std::fs::read(work.image("t/f")).unwrap(), b"contents\n");
}

#[test]
fn links_in_the_way_are_replaced_and_not_followed() {
    let Some(work) = Work::new() else { return };
    let outside = file(&work.path("outside"), "untouched");
    let target = outside.display();
    let script = format!(
        "ln -s {target} f; tar -cf out.tar f; rm f; echo x >f; tar -rf out.tar f; rm f; echo y >f; chmod 777 f; chown 7:7 f; tar -rf out.tar f"
    );
    let source = file(&work.path("x.tar"), small_archive(&work, &script));
    work.run("systemd-import")
        .arg("tar")
        .arg(&source)
        .arg("t")
        .succeed();
    assert_eq!(std::fs::read(work.image("t/f")).unwrap(), b"y\n");
    assert_eq!(std::fs::read(&outside).unwrap(), b"untouched");
    let meta = std::fs::metadata(&outside).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&meta), 0);
}

#[test]
fn a_file_in_the_way_of_a_folder_and_the_reverse_are_refused() {
    let Some(work) = Work::new() else { return };
    for script in [
        "echo x >a; tar -cf out.tar a; rm a; mkdir a; echo y >a/b; tar -rf out.tar a/b",
        "mkdir -p a/b; tar -cf out.tar a; rm -r a; echo x >a; tar -rf out.tar a",
    ] {
        run("rm", &["-rf", "script"], &work.path(""));
        let source = file(&work.path("x.tar"), small_archive(&work, script));
        work.run("systemd-import")
            .arg("tar")
            .arg(&source)
            .arg("t")
            .fail_somehow();
        assert_eq!(work.images(), [""; 0]);
    }
}

#[test]
fn headers_of_a_server_are_bounded() {
    let Some(work) = Work::new() else { return };
    let server = Server::start();
    let long = "e".repeat(5000);
    for etag in ["\"../../../etc/x\"", "\"a/.#b\"", &format!("\"{long}\"")] {
        server.put("/d.raw", Answer::ok("contents").header("ETag", etag));
        let run = work
            .run("systemd-pull")
            .args(["--verify=no", "--force", "raw"]);
        let outcome = run.arg(server.url("/d.raw")).outcome();
        if is_ours() {
            assert_eq!(outcome.status, 0, "{etag}: {}", outcome.stderr);
        }
        assert!(!work.path("etc").exists() && !std::path::Path::new("/etc/x").exists());
    }
    assert!(work.images().iter().all(|name| name.len() < 250));
}

#[test]
fn a_worker_gives_up_what_it_does_not_need() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: only its unit confines it");
        return;
    }
    let (reader, writer) = std::io::pipe().unwrap();
    let import = work
        .run("systemd-import")
        .args(["raw", "-", "x"])
        .stdin(reader);
    let (child, socket) = import.start();
    let status = format!("/proc/{}/status", child.id());
    // The cage closes after the image root is made, before anything is read.
    let field = |name: &str| {
        let text = std::fs::read_to_string(&status).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.trim().to_owned()
    };
    while field("Seccomp:") != "2" {
        std::thread::yield_now();
    }
    assert_eq!(field("NoNewPrivs:"), "1");
    let kept = u64::from_str_radix(&field("CapEff:"), 16).unwrap();
    let net_admin = 1 << 12;
    let sys_ptrace = 1 << 19;
    let sys_module = 1 << 16;
    assert_eq!(kept & (net_admin | sys_ptrace | sys_module), 0, "{kept:x}");
    drop(writer);
    let outcome = crate::subject::collect(child, &socket);
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
}
