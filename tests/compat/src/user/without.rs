//! What is missing, and what is said of it.

use super::person::{Person, USUAL};
use crate::make::{file, run};

/// An archive of root's files only, in the home.
fn of_root(person: &Person) -> String {
    let script = "mkdir -p t/usr/lib; echo x > t/usr/lib/os-release; tar -C t -cf out.tar .";
    let archive = crate::make::small_archive(&person.work, script);
    let path = file(&person.home("root.tar"), archive);
    path.to_str().unwrap().to_owned()
}

#[test]
fn without_ids_there_is_root_and_others_are_explained() {
    let Some(person) = Person::new("somebody:100000:65536\n") else {
        return;
    };
    let archive = of_root(&person);
    person.succeed("systemd-import", &["--user", "tar", &archive, "root"]);
    let (_, archive) = person.tree();
    let said = person.fail("systemd-import", &["--user", "tar", &archive, "others"]);
    for part in [
        "Failed to set the owner",
        "/etc/subuid gives tester no ids",
        "usermod --add-subuids",
    ] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    assert_eq!(person.machines(), ["root"]);
}

#[test]
fn an_owner_beyond_the_range_is_named() {
    let Some(person) = Person::new("tester:700000:1000\n") else {
        return;
    };
    let (_, archive) = person.tree();
    let said = person.fail("systemd-import", &["--user", "tar", &archive, "x"]);
    assert!(said.contains("the owner 65534:65534"), "{said}");
    assert!(said.contains("users up to 1000"), "{said}");
    assert_eq!(person.machines(), [""; 0]);
}

#[test]
fn a_missing_program_is_named_with_its_package() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    let (_, archive) = person.tree();
    let mut command = person.command("env");
    let program = person.work.path("bin/systemd-import");
    command.arg("PATH=/nonexistent").arg(program);
    let output = command.args(["--user", "tar", &archive, "x"]).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("newuidmap is missing (package uidmap"),
        "{said}"
    );
}

#[test]
fn a_process_that_may_gain_no_privileges_says_so() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    let (_, archive) = person.tree();
    let arguments = ["--no-new-privs", "systemd-import", "--user", "tar"];
    let said = person.fail("setpriv", &[&arguments[..], &[&archive, "x"]].concat());
    assert!(said.contains("NoNewPrivileges="), "{said}");
}

#[test]
fn where_there_are_no_namespaces_trees_are_refused_in_one_line() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    let person = person.without_namespaces();
    let archive = of_root(&person);
    let said = person.fail("systemd-import", &["--user", "tar", &archive, "x"]);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("user.max_user_namespaces"), "{said}");
    assert!(!person.home(".local").exists());
}

#[test]
fn a_tree_of_the_user_alone_is_exported_without_namespaces() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    let folder = person.machine("plain/usr");
    let folder = folder.to_str().unwrap();
    person.succeed("mkdir", &["-p", folder]);
    let person = person.without_namespaces();
    let (exported, _) = person.succeed("systemd-export", &["--user", "tar", "plain"]);
    file(&person.work.path("plain.tar"), exported);
    let listed = run("tar", &["-tf", "plain.tar"], &person.work.path(""));
    assert!(String::from_utf8_lossy(&listed).contains("usr/"));
}
