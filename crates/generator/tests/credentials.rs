//! The credential `import.pull`, plain and encrypted.

use super::run::Run;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use tempfile::TempDir;

/// A folder that holds a stand-in for systemd-creds.
fn stand_in(script: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("systemd-creds");
    let file = fs::File::create(&program).unwrap();
    std::io::Write::write_all(&mut &file, format!("#!/bin/sh\n{script}\n").as_bytes()).unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o755))
        .unwrap();
    folder
}

#[test]
fn the_credential_holds_an_expression_on_each_line_and_comes_second() {
    let credential = b"# for the fleet\n\n  raw,machine:a:http://h/a\t\r\n\
                       raw,machine:b:http://h/b\n\xff\n\"raw,machine:c:http://h/c\"\n\
                       raw,machine:x:http://h/credential";
    let outcome = Run::new("systemd.pull=raw,machine:x:http://h/line")
        .credential("CREDENTIALS_DIRECTORY", credential)
        .finish();
    let unit = |name| format!("systemd-import@var-lib-machines-{name}.raw.service");
    assert_eq!(outcome.units(), ["a", "b", "x"].map(unit));
    assert!(outcome.tree[&unit("x")].contains("http://h/line\n"));
    assert_eq!(outcome.status, Some(1), "x is there twice");
    assert!(
        outcome
            .log
            .contains("Ignored import.pull: a line is no UTF-8 text\n")
    );
    assert!(
        outcome
            .log
            .contains("'\"raw,machine:c': The image type is missing")
    );
}

#[test]
fn credentials_that_cannot_be_read_leave_the_command_line() {
    let line = "systemd.pull=raw,machine:x:http://h/x";
    let large = vec![b'#'; (1 << 20) + 1];
    for (run, told) in [
        (
            Run::new(line).credential("CREDENTIALS_DIRECTORY", &large),
            "Failed to read the credential import.pull: More than 1048576 bytes\n",
        ),
        (
            Run::new(line).variable("CREDENTIALS_DIRECTORY", "relative"),
            "The folder of credentials is no absolute path: relative\n",
        ),
        (
            Run::new(line).variable("CREDENTIALS_DIRECTORY", "/nonexistent"),
            "",
        ),
    ] {
        let outcome = run.finish();
        assert_eq!(outcome.units().len(), 1);
        assert_eq!((outcome.status, outcome.log.as_str()), (Some(0), told));
    }
    let outcome = Run::new("")
        .credential("ENCRYPTED_CREDENTIALS_DIRECTORY", b"secret")
        .credential("CREDENTIALS_DIRECTORY", b"raw,machine:x:http://h/x")
        .finish();
    assert_eq!((outcome.units().len(), outcome.log.as_str()), (1, ""));
}

#[test]
fn an_encrypted_credential_is_decrypted_by_its_name() {
    let creds =
        stand_in(r#"[ "$1 $2 $4" = "decrypt --name=import.pull -" ] && exec /bin/cat "$3""#);
    let outcome = Run::new("systemd.pull=raw,machine:a:http://h/a")
        .credential(
            "ENCRYPTED_CREDENTIALS_DIRECTORY",
            b"raw,machine:b:http://h/b\n",
        )
        .variable("PATH", creds.path().to_str().unwrap())
        .finish();
    let units =
        ["a", "b"].map(|name| format!("systemd-import@var-lib-machines-{name}.raw.service"));
    assert_eq!(outcome.units(), units);
    assert_eq!((outcome.status, outcome.log.as_str()), (Some(0), ""));
}

#[test]
fn an_encrypted_credential_that_cannot_be_decrypted_costs_nothing_else() {
    let failing = stand_in("echo 'Failed to decrypt: no such key' >&2; exit 1");
    let endless = stand_in("exec /bin/cat /dev/zero");
    let none = tempfile::tempdir().unwrap();
    for (folder, why) in [
        (
            &failing,
            "systemd-creds failed: Failed to decrypt: no such key",
        ),
        (
            &endless,
            "Failed to read what systemd-creds prints: More than 1048576 bytes",
        ),
        (
            &none,
            "Failed to start systemd-creds: No such file or directory (os error 2)",
        ),
    ] {
        let outcome = Run::new("systemd.pull=raw,machine:x:http://h/x")
            .credential("ENCRYPTED_CREDENTIALS_DIRECTORY", b"secret")
            .variable("PATH", folder.path().to_str().unwrap())
            .finish();
        assert_eq!((outcome.units().len(), outcome.status), (1, Some(0)));
        let told = format!("Failed to decrypt the credential import.pull: {why}\n");
        assert_eq!(outcome.log, told);
    }
}

#[test]
fn what_systemd_creds_encrypts_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    let sealed = folder.path().join("import.pull");
    fs::File::create(&plain)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"tar,sysext:b:http://h/b\n"))
        .unwrap();
    let creds = |arguments: [&str; 3]| {
        let mut command = Command::new("systemd-creds");
        command.args(arguments).arg(&plain).arg(&sealed);
        command.output().is_ok_and(|output| output.status.success())
    };
    // With no key at all: this shows that both understand each other, not that anything is secret.
    let sealing = ["encrypt", "--name=import.pull", "--with-key=tpm2-absent"];
    let readable = || {
        let mut command = Command::new("systemd-creds");
        command.args(["decrypt", "--name=import.pull"]);
        command.arg(&sealed).arg("-").output().unwrap()
    };
    if !creds(sealing) || !readable().status.success() {
        println!("skipped: no systemd-creds that encrypts without a key");
        return;
    }
    let outcome = Run::new("")
        .variable(
            "ENCRYPTED_CREDENTIALS_DIRECTORY",
            folder.path().to_str().unwrap(),
        )
        .variable("PATH", &std::env::var("PATH").unwrap())
        .finish();
    let unit = "systemd-import@var-lib-extensions-b.service";
    assert_eq!(outcome.units(), [unit], "{}", outcome.log);
}
