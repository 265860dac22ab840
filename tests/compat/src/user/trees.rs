//! Trees of several owners: unpacked, copied, downloaded, exported, replaced, cleaned up.

use super::person::{FIRST, Person, UID, USUAL};
use crate::make::{checksum_line, file, run};
use crate::tree::assert_same;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

fn owner(path: &Path) -> (u32, u32) {
    let meta = std::fs::symlink_metadata(path).unwrap();
    (meta.uid(), meta.gid())
}

#[test]
fn what_goes_in_comes_out_and_the_disk_has_the_users_ids() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    let (tree, archive) = person.tree();
    person.succeed("systemd-import", &["--user", "tar", &archive, "one"]);
    let image = person.machine("one");
    assert_eq!(owner(&image), (UID, UID));
    assert_eq!(owner(&image.join("etc/shadow")), (UID, FIRST + 41));
    assert_eq!(owner(&image.join("etc/web")), (FIRST + 32, FIRST + 32));
    assert_eq!(
        owner(&image.join("etc/closed/in")),
        (FIRST + 65533, FIRST + 65533)
    );
    let (exported, _) = person.succeed("systemd-export", &["--user", "tar", "one"]);
    assert_same(&tree, &person.unpacked(&exported));
    let first = person.machine("one");
    let first = first.to_str().unwrap();
    person.succeed("systemd-import-fs", &["--user", "run", first, "copy"]);
    let (exported, _) = person.succeed("systemd-export", &["--user", "tar", "copy"]);
    assert_same(&tree, &person.unpacked(&exported));
    assert_eq!(person.machines(), ["copy", "one"]);
}

#[test]
fn a_folder_of_the_user_becomes_an_image_of_root() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    let script = "mkdir -p mine/usr/lib mine/secret; echo x > mine/secret/x; chmod 700 mine/secret";
    person.succeed("sh", &["-euc", script]);
    person.succeed("systemd-import-fs", &["--user", "run", "mine", "mine"]);
    let inner = person.machine("mine").join("secret/x");
    assert_eq!(owner(&inner), (UID, UID));
    let (exported, _) = person.succeed("systemd-export", &["--user", "tar", "mine"]);
    let image = person.unpacked(&exported);
    assert_eq!(owner(&image.join("secret/x")), (0, 0));
}

#[test]
fn devices_are_left_out_and_counted() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    let script = "mkdir -p t/dev t/usr; mknod t/dev/null c 1 3; mknod t/dev/sda b 8 0
        tar -C t -cf out.tar .";
    let archive = crate::make::small_archive(&person.work, script);
    let archive = file(&person.home("dev.tar"), archive);
    let archive = archive.to_str().unwrap();
    let (_, said) = person.succeed("systemd-import", &["--user", "tar", archive, "dev"]);
    assert!(said.contains("Left out 2 device nodes"), "{said}");
    assert!(person.machine("dev").join("usr").is_dir());
    let left = std::fs::read_dir(person.machine("dev").join("dev")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn downloads_are_kept_used_again_and_cleaned() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    let (tree, archive) = person.tree();
    let bytes = std::fs::read(&archive).unwrap();
    file(
        &person.home("SHA256SUMS"),
        checksum_line(&bytes, "tree.tar"),
    );
    let url = format!("file://{archive}");
    let pull = ["--user", "tar", "--verify=checksum", &url];
    let (_, said) = person.succeed("systemd-pull", &[&pull[..], &["first"]].concat());
    assert!(!said.contains("stays writable"), "{said}");
    let (_, said) = person.succeed("systemd-pull", &[&pull[..], &["second"]].concat());
    assert!(said.contains("Found kept download"), "{said}");
    let (exported, _) = person.succeed("systemd-export", &["--user", "tar", "second"]);
    assert_same(&tree, &person.unpacked(&exported));
    assert_eq!(person.machines().len(), 3);
    person.succeed("systemd-pull", &["--user", "clean"]);
    assert_eq!(person.machines(), ["first", "second"]);
}

#[test]
fn an_old_image_of_several_owners_is_replaced_by_any_other() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    let (_, archive) = person.tree();
    let disk = file(&person.home("disk.raw"), vec![7; 1 << 20]);
    let disk = disk.to_str().unwrap();
    for _ in 0..2 {
        person.succeed(
            "systemd-import",
            &["--user", "--force", "tar", &archive, "x"],
        );
        assert_eq!(person.machines(), ["x"]);
    }
    person.succeed("systemd-import", &["--user", "--force", "raw", disk, "x"]);
    assert_eq!(person.machines(), ["x.raw"]);
}

#[test]
fn disk_images_need_no_namespace() {
    let Some(person) = Person::new("") else {
        return;
    };
    let person = person.without_namespaces();
    let disk = file(&person.home("disk.raw"), vec![7; 1 << 20]);
    let disk = disk.to_str().unwrap();
    person.succeed("systemd-import", &["--user", "raw", disk, "one"]);
    let url = format!("file://{disk}");
    person.succeed(
        "systemd-pull",
        &["--user", "raw", "--verify=no", &url, "two"],
    );
    for name in ["one", "two"] {
        let (exported, _) = person.succeed("systemd-export", &["--user", "raw", name]);
        assert_eq!(exported, vec![7; 1 << 20]);
    }
    run("cmp", &[disk, "one.raw"], &person.machine(""));
}

#[test]
fn each_class_has_its_folder_and_all_are_listed() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    let (_, archive) = person.tree();
    for (class, folder) in [
        ("machine", "machines"),
        ("portable", "portables"),
        ("sysext", "extensions"),
        ("confext", "confexts"),
    ] {
        let class_option = format!("--class={class}");
        let import = ["--user", "--standalone", &class_option, "import-tar"];
        person.succeed("importctl", &[&import[..], &[&archive, "same"]].concat());
        let image = person.home(".local/state").join(folder).join("same");
        assert!(image.join("usr").is_dir(), "{class}");
    }
    let list = ["--user", "--standalone", "--json=short", "list-images"];
    let (listed, _) = person.succeed("importctl", &list);
    let listed: serde_json::Value = serde_json::from_slice(&listed).unwrap();
    let mut classes: Vec<_> = listed.as_array().unwrap().iter().collect();
    classes.retain(|image| image["name"] == "same");
    assert_eq!(classes.len(), 4);
}

#[test]
fn what_is_dangerous_or_lost_is_told() {
    let Some(person) = Person::new(USUAL) else {
        return;
    };
    let (tree, archive) = person.tree();
    let (_, said) = person.succeed("systemd-import", &["--user", "tar", &archive, "one"]);
    assert!(!said.contains("chmod 700"), "{said}");
    let folder = person.machine("");
    run("chmod", &["711", folder.to_str().unwrap()], Path::new("/"));
    let (_, said) = person.succeed("systemd-import", &["--user", "tar", &archive, "two"]);
    assert!(said.contains("chmod 700"), "{said}");
    let usr = tree.join("usr");
    let usr = usr.to_str().unwrap();
    let (_, said) = person.succeed("systemd-import-fs", &["--user", "run", usr, "theirs"]);
    assert!(said.contains("The folder is not yours"), "{said}");
    // An export of what is root's tells whose it is.
    let (exported, _) = person.succeed("systemd-export", &["--user", "tar", usr]);
    assert_eq!(owner(&person.unpacked(&exported).join("lib")), (0, 0));
}
