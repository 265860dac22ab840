//! systemd-import tar: archives of every packing and dialect become the same tree.

use crate::make::{
    PACKERS, archive, file, has, moved, packed, plain_tree, rich_tree, run, small_archive,
};
use crate::subject::{Work, is_ours};
use crate::tarball::Tarball;
use crate::tree::{assert_same, describe};
use rustix::io::Errno;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[test]
fn every_packing_becomes_the_same_tree() {
    let Some(work) = Work::new() else { return };
    let tree = plain_tree(&work);
    let data = archive(&tree);
    for (ending, packer) in PACKERS {
        let source = file(&work.path(format!("a.tar{ending}")), packed(&data, packer));
        work.run("systemd-import")
            .arg("tar")
            .arg(&source)
            .arg("t")
            .succeed();
        assert_same(&tree, &work.image("t"));
        work.run("systemd-import")
            .args(["tar", "--force"])
            .arg(&source)
            .arg("t")
            .succeed();
        assert_same(&tree, &work.image("t"));
        assert_eq!(work.images(), ["t"], "{ending}");
        run("rm", &["-r", "images"], work.path("").as_path());
    }
}

#[test]
fn what_the_reference_loses_is_kept() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: docs/differences.md lists what it loses");
        return;
    }
    let tree = rich_tree(&work);
    let source = file(&work.path("a.tar"), archive(&tree));
    work.run("systemd-import")
        .arg("tar")
        .arg(&source)
        .arg("t")
        .succeed();
    assert_same(&tree, &work.image("t"));
}

#[test]
fn bsdtar_writes_the_same_tree_in_other_words() {
    let Some(work) = Work::new() else { return };
    if !has("bsdtar") {
        return;
    }
    if !is_ours() {
        println!("skipped: it loses times of folders that an archive comes back to");
        return;
    }
    let tree = plain_tree(&work);
    // It writes fractions of seconds before 1970 in a way of its own.
    let touch = "find . -exec touch -hd '2001-02-03 04:05:06.789' {} +";
    run("sh", &["-c", touch], &tree);
    let arguments = ["--format=pax", "--numeric-owner", "-cf", "-", "."];
    let source = file(&work.path("b.tar"), run("bsdtar", &arguments, &tree));
    work.run("systemd-import")
        .arg("tar")
        .arg(&source)
        .arg("t")
        .succeed();
    assert_same(&tree, &work.image("t"));
}

#[test]
fn several_members_are_one_stream_and_its_end_is_watched() {
    let Some(work) = Work::new() else { return };
    let data = archive(&plain_tree(&work));
    let (first, second) = data.split_at(data.len() / 2);
    for (ending, packer) in &PACKERS[1..] {
        let whole = packed(&data, packer);
        let two = [packed(first, packer), packed(second, packer)].concat();
        let cases = [
            ("two members", two, true),
            (
                "junk after the end",
                [whole.as_slice(), b"junk and junk"].concat(),
                false,
            ),
            ("nine bytes short", whole[..whole.len() - 9].to_vec(), false),
            ("half", whole[..whole.len() / 2].to_vec(), false),
            ("the magic only", whole[..7].to_vec(), false),
        ];
        for (what, bytes, works) in cases {
            let source = file(&work.path("case"), bytes);
            let run = work
                .run("systemd-import")
                .args(["tar", "--force"])
                .arg(&source)
                .arg("t");
            let outcome = run.outcome();
            assert_eq!(
                outcome.status == 0,
                works,
                "{ending} {what}: {}",
                outcome.stderr
            );
            assert!(
                works || work.images().iter().all(|name| name == "t"),
                "{ending} {what}"
            );
        }
    }
}

#[test]
fn a_cut_between_two_entries_is_noticed() {
    let Some(work) = Work::new() else { return };
    let data = small_archive(&work, "echo x >a; tar --format=ustar -cf out.tar a");
    let source = file(&work.path("cut.tar"), &data[..1024]);
    let run = work.run("systemd-import").arg("tar").arg(&source).arg("t");
    if is_ours() {
        assert!(run.fail_somehow().stderr.contains("cut off"));
        assert_eq!(work.images(), [""; 0]);
    } else {
        run.succeed();
    }
}

#[test]
fn a_pipe_is_read_to_its_end() {
    let Some(work) = Work::new() else { return };
    let tree = plain_tree(&work);
    let data = archive(&tree);
    let (reader, writer) = std::io::pipe().unwrap();
    let reader = File::from(std::os::fd::OwnedFd::from(reader));
    std::thread::scope(|scope| {
        scope.spawn(|| std::io::Write::write_all(&mut { writer }, &data).unwrap());
        work.run("systemd-import")
            .args(["tar", "-", "t"])
            .stdin(reader)
            .succeed();
    });
    assert_same(&tree, &work.image("t"));
}

#[test]
fn paths_cannot_lead_out() {
    let Some(work) = Work::new() else { return };
    let outside = file(&work.path("outside"), "untouched");
    let target = outside.to_str().unwrap();
    let cases = [
        (
            "a parent in a path",
            "echo x >f; tar -cPf out.tar --transform='s,^,../../,' f".into(),
        ),
        (
            "a path through a link",
            format!(
                "ln -s {} l; tar -cf out.tar l; rm l; mkdir l; echo x >l/outside; tar -rf out.tar l/outside",
                work.path("").display()
            ),
        ),
        (
            "a hard link to an absolute path",
            format!("echo x >f; ln f g; tar -cPf out.tar --transform='flags=h;s,^f,{target},' f g"),
        ),
        (
            "a hard link with a parent in it",
            "echo x >f; ln f g; tar -cPf out.tar --transform='flags=h;s,^f,../../outside,' f g"
                .into(),
        ),
        (
            "a hard link to a folder",
            "mkdir d; echo x >f; ln f g; tar -cPf out.tar d --transform='flags=h;s,^f,d,' f g"
                .into(),
        ),
        (
            "a name of 256 bytes",
            format!(
                "echo x >f; tar --format=posix -cf out.tar --transform='s,f,{},' f",
                "n".repeat(256)
            ),
        ),
        (
            "a path of 200 folders",
            format!(
                "echo x >f; tar --format=posix -cf out.tar --transform='s,f,{}f,' f",
                "d/".repeat(200)
            ),
        ),
    ];
    for (what, script) in cases {
        run("rm", &["-rf", "script"], &work.path(""));
        let source = file(&work.path("case.tar"), small_archive(&work, &script));
        let outcome = work
            .run("systemd-import")
            .arg("tar")
            .arg(&source)
            .arg("t")
            .fail_somehow();
        assert_eq!(std::fs::read(&outside).unwrap(), b"untouched", "{what}");
        assert_eq!(work.images(), [""; 0], "{what}: {}", outcome.stderr);
    }
}

#[test]
fn absolute_paths_land_inside_and_later_entries_win() {
    let Some(work) = Work::new() else { return };
    let script = "mkdir -p a; echo first >a/f; tar --format=gnu -cPf out.tar --transform='s,^,/,' a/f
        echo second >a/f; chmod 600 a/f; tar --format=gnu -rPf out.tar --transform='s,^,././/,' a/f";
    let source = file(&work.path("x.tar"), small_archive(&work, script));
    work.run("systemd-import")
        .arg("tar")
        .arg(&source)
        .arg("t")
        .succeed();
    let path = work.image("t/a/f");
    assert_eq!(std::fs::read(&path).unwrap(), b"second\n");
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    // Folders that are only implied: as GNU tar makes them, and as the reference does.
    let implied = if is_ours() { 0o755 } else { 0o700 };
    assert_eq!(
        std::fs::metadata(work.image("t/a")).unwrap().mode() & 0o7777,
        implied
    );
}

#[test]
fn an_operating_system_in_a_single_folder_moves_up() {
    let Some(work) = Work::new() else { return };
    let tree = plain_tree(&work);
    for (pack, moves) in [("plain", true), ("plain extra", false)] {
        file(&work.path("extra"), "");
        let arguments = [
            &["--create", "--sparse", "--xattrs", "--xattrs-include=*"][..],
            &pack.split(' ').collect::<Vec<_>>(),
        ]
        .concat();
        let source = file(&work.path("x.tar"), run("tar", &arguments, &work.path("")));
        work.run("systemd-import")
            .args(["tar", "--force"])
            .arg(&source)
            .arg("t")
            .succeed();
        let place = if moves {
            work.image("t")
        } else {
            work.image("t/plain")
        };
        let (before, after) = (describe(&tree), describe(&place));
        assert_eq!(
            before.keys().collect::<Vec<_>>(),
            after.keys().collect::<Vec<_>>()
        );
        assert_eq!(before["\"program\""], after["\"program\""]);
    }
}

#[test]
fn an_extension_in_a_single_folder_moves_up_with_what_its_folder_has() {
    let Some(work) = Work::new() else { return };
    for releases in ["usr/lib/extension-release.d", "etc/extension-release.d"] {
        let script = format!(
            "rm -rf x; mkdir -p x/{releases} x/x; echo ID=_any >x/{releases}/extension-release.x; \
             chmod 2751 x; chown 5:6 x; setfattr -n user.note -v v x; setfacl -m u:51234:r x; \
             setfacl -dm u:51234:r x; touch -d '2001-02-03 04:05:06.7' x; \
             tar --format=posix --acls --xattrs -cf out.tar x"
        );
        let source = file(&work.path("x.tar"), small_archive(&work, &script));
        let import = work.run("systemd-import").args(["tar", "--force"]);
        import.arg(&source).arg("t").succeed();
        if is_ours() {
            assert_same(&work.path("script/x"), &work.image("t"));
        } else {
            assert!(work.image("t/x").join(releases).exists());
        }
    }
}

#[test]
fn read_only_images_are_and_can_be_replaced() {
    let Some(work) = Work::new() else { return };
    let source = file(&work.path("x.tar"), archive(&plain_tree(&work)));
    work.run("systemd-import")
        .args(["tar", "--read-only"])
        .arg(&source)
        .arg("t")
        .succeed();
    let touch = File::create(work.image("t/new"));
    assert_eq!(
        touch.unwrap_err().raw_os_error(),
        Some(Errno::PERM.raw_os_error())
    );
    let again = work
        .run("systemd-import")
        .args(["tar", "--force"])
        .arg(&source)
        .arg("t");
    if is_ours() {
        again.succeed();
        File::create(work.image("t/new")).unwrap();
        assert_eq!(work.images(), ["t"]);
    } else {
        again.fail(Errno::PERM);
    }
}

#[test]
fn replacing_a_link_leaves_what_it_leads_to() {
    let Some(work) = Work::new() else { return };
    let tree = plain_tree(&work);
    let source = file(&work.path("x.tar"), archive(&tree));
    let precious = work.path("precious");
    std::fs::create_dir_all(precious.join("sub")).unwrap();
    std::fs::create_dir_all(work.path("images")).unwrap();
    file(&precious.join("sub/f"), "keep");
    std::os::unix::fs::symlink(&precious, work.image("t")).unwrap();
    work.run("systemd-import")
        .args(["tar", "--force"])
        .arg(&source)
        .arg("t")
        .succeed();
    assert_same(&tree, &work.image("t"));
    assert_eq!(precious.join("sub/f").exists(), is_ours());
}

#[test]
fn a_hard_link_replaces_what_has_its_name() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        println!("skipped: it fails");
        return;
    }
    let script = "echo one > a; echo two > b; tar -cf out.tar a b; ln -f a b; tar -rf out.tar a b";
    let source = file(&work.path("t.tar"), small_archive(&work, script));
    let import = work.run("systemd-import").arg("tar").arg(&source);
    import.arg("t").succeed();
    use std::os::unix::fs::MetadataExt;
    let inode = |name: &str| std::fs::metadata(work.image("t").join(name)).unwrap().ino();
    assert_eq!(inode("a"), inode("b"));
    assert_eq!(std::fs::read_to_string(work.image("t/b")).unwrap(), "one\n");
}

#[test]
fn access_lists_of_the_image_root_do_not_reach_images() {
    let Some(work) = Work::new() else { return };
    let tree = plain_tree(&work);
    std::fs::create_dir_all(work.path("images")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(work.path("images"), mode).unwrap();
    run(
        "setfacl",
        &["-d", "-m", "u:77:rx", "images"],
        &work.path(""),
    );
    let source = file(&work.path("t.tar"), archive(&tree));
    work.run("systemd-import").arg("tar").arg(&source).succeed();
    if is_ours() {
        assert_same(&tree, &work.image("t"));
    }
}

#[test]
fn what_linux_or_an_image_cannot_have_is_left_out_and_told() {
    let Some(work) = Work::new() else { return };
    let list = b"user::rwx,user:nobody-has-this-name:r--,group::r-x,other::r-x";
    let many = (0..50).fold(Tarball::new(), |archive, number| {
        let archive = archive.pax(b'x', &[("SCHILY.acl.access", list)]);
        archive.file(format!("f{number}"), b"x")
    });
    let one = |key: &str, value: &[u8]| Tarball::new().pax(b'x', &[(key, value)]).file("f", b"x");
    for (archive, lines) in [
        (
            one("SCHILY.acl.ace", b"owner@:rwxp::allow,everyone@:r::allow"),
            1,
        ),
        (one("SCHILY.fflags", b"nodump,schg"), 1),
        (one("SCHILY.fflags", b"nodump"), 0),
        (one("SCHILY.acl.access", list), 1),
        (many, 21),
    ] {
        let source = file(&work.path("x.tar"), archive.end());
        let import = work.run("systemd-import").args(["tar", "--force"]);
        let outcome = import.arg(&source).arg("t").succeed();
        if is_ours() {
            assert_eq!(
                outcome.stderr.matches("left out").count(),
                lines,
                "{}",
                outcome.stderr
            );
        }
    }
}

#[test]
fn a_large_tree_is_flushed_while_it_is_written_unless_nothing_is_to_be() {
    let Some(work) = Work::new() else { return };
    if !is_ours() {
        return println!("skipped: it flushes at the end only");
    }
    let contents = vec![b'x'; 60 << 20];
    let large = Tarball::new().file("a", &contents).file("b", &contents);
    let source = file(&work.path("a.tar"), large.file("c", b"c").end());
    let flushes = |program, arguments: &[&str], source: &Path| {
        let run = work.run(program).args(arguments).arg("--force");
        let run = run.arg(source).arg("t").env("SYSTEMD_LOG_LEVEL", "debug");
        let debug = run.succeed().stderr;
        let said = debug.split_once("Early flushes of the tree: ")?.1;
        said.chars().next()
    };
    assert_eq!(flushes("systemd-import", &["tar"], &source), Some('1'));
    assert_eq!(
        flushes("systemd-import", &["tar", "--sync=no"], &source),
        None
    );
    let tree = work.path("tree");
    moved(&work.image("t"), &tree);
    // What the file system shares is not written.
    let names = ["tree/a", "shared"].map(|name| work.path(name));
    let [from, to] = [File::open(&names[0]), File::create(&names[1])].map(Result::unwrap);
    let shares = rustix::fs::ioctl_ficlone(&to, &from).is_ok();
    let expected = if shares { '0' } else { '1' };
    assert_eq!(
        flushes("systemd-import-fs", &["run"], &tree),
        Some(expected)
    );
    assert_eq!(
        flushes("systemd-import-fs", &["run", "--sync=no"], &tree),
        None
    );
}
