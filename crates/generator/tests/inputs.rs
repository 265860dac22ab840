//! Where expressions come from, and what becomes of bad ones.

use super::run::Run;

#[test]
fn nothing_asked_for_writes_nothing() {
    for line in [
        "",
        "quiet root=/dev/sda1",
        "rd.systemd.pull=raw,machine:x:http://h/x",
        "systemd.pull.success_action=reboot",
    ] {
        let outcome = Run::new(line).finish();
        assert!(outcome.tree.is_empty(), "{line}");
        assert_eq!((outcome.status, outcome.log.as_str()), (Some(0), ""));
    }
}

#[test]
fn a_bad_expression_is_told_and_costs_no_other() {
    for (bad, why) in [
        (
            "",
            "The local name is missing: OPTIONS:LOCAL:REMOTE is expected",
        ),
        (
            "oci,machine:x:http://h/x",
            "'http://h/x' is no name of an OCI image",
        ),
        (
            "raw,oci,machine,verify=signature:x:h.example/x",
            "Signatures of OCI images cannot be verified; digests always are, leave out \
             'verify=signature'",
        ),
        (
            "raw:x:http://h/x",
            "The image class is missing: machine, portable, sysext or confext",
        ),
        (
            "raw,machine:a/b:http://h/x",
            "'a/b' is no image name: The name contains a slash",
        ),
        (
            "raw,machine:--force:http://h/x",
            "'--force' is no image name: \
             The name begins with '-', which would be taken for an option",
        ),
        (
            "raw,machine:x:ftp://u:p@h/x",
            "'h/x' is no http, https or file address",
        ),
        (
            "\"raw,machine:x:http://h/\nExecStart=a\"",
            "'http://h/\\nExecStart=a' is no http, https or file address",
        ),
        (
            "raw,machine::http://h/..",
            "No image name can be derived from 'http://h/..': \
             The name stands for a folder of its own",
        ),
        (
            "tar,machine,blockdev:x:http://h/x",
            "Option 'blockdev' is for raw images only",
        ),
    ] {
        let line = format!("systemd.pull={bad} systemd.pull=raw,machine:good:http://h/x");
        let outcome = Run::new(&line).finish();
        let good = "systemd-import@var-lib-machines-good.raw.service";
        assert_eq!(outcome.units(), [good]);
        assert_eq!(outcome.status, Some(0), "{bad}");
        assert!(
            outcome.log.starts_with("Ignored pull expression '"),
            "{bad}"
        );
        assert!(
            outcome.log.ends_with(&format!("': {why}\n")),
            "{}",
            outcome.log
        );
    }
}

#[test]
fn an_option_without_effect_is_told_and_the_rest_holds() {
    let line = "systemd.pull=raw,machine,foo,runtime=x:x:http://h/x systemd.pull \
                'systemd.pull.success_action=a b'";
    let outcome = Run::new(line).variable("SYSTEMD_LOG_TARGET", "console-prefixed");
    let outcome = outcome.finish();
    assert_eq!(outcome.lines().len(), 18, "{:?}", outcome.lines());
    assert_eq!(
        outcome.log,
        "<4>Ignored systemd.pull: it has no value\n\
         <4>Ignored systemd.pull.success_action: its value is no action\n\
         <4>Ignored an option of pull expression 'raw,machine,foo,runtime=x:x': \
         Option 'foo' is not known\n\
         <4>Ignored an option of pull expression 'raw,machine,foo,runtime=x:x': \
         'x' is no value for runtime=, which takes yes or no\n"
    );
    assert_eq!(outcome.status, Some(0));
}

#[test]
fn two_downloads_into_one_image_fail_but_the_first_and_the_others_are_written() {
    let line = "systemd.pull=tar,machine:x.raw:http://h/1 systemd.pull=raw,machine:x:http://h/2 \
                systemd.pull=raw,machine:y:http://h/3";
    let outcome = Run::new(line).finish();
    let [x, y] =
        ["x", "y"].map(|name| format!("systemd-import@var-lib-machines-{name}.raw.service"));
    assert_eq!(outcome.units(), [&*x, &*y]);
    assert!(outcome.tree[&x].contains("Download of http://h/1\n"));
    assert_eq!(outcome.tree.len(), 4);
    assert_eq!(outcome.status, Some(1));
    assert_eq!(
        outcome.log,
        format!("Another download has the same image: {x} exists\nFailed to write 1 of 3 units\n")
    );
}

#[test]
fn names_too_long_for_a_unit_fail_alone() {
    let long = "x".repeat(240);
    let line =
        format!("systemd.pull=tar,machine:{long}:http://h/1 systemd.pull=tar,machine:y:http://h/2");
    let outcome = Run::new(&line).finish();
    assert_eq!(
        outcome.units(),
        ["systemd-import@var-lib-machines-y.service"]
    );
    assert_eq!(outcome.status, Some(1));
}

#[test]
fn a_machine_not_booted_over_the_network_skips_what_stands_beside_its_boot_file() {
    let run = || Run::new("systemd.pull=raw,machine,bootorigin:x:x.raw");
    let quiet = run().finish();
    assert!(quiet.tree.is_empty());
    assert_eq!((quiet.status, quiet.log.as_str()), (Some(0), ""));
    let told = run().variable("SYSTEMD_LOG_LEVEL", "debug").finish();
    assert_eq!(
        told.log,
        "Skipped pull expression 'raw,machine,bootorigin:x': not booted over the network\n"
    );
}

#[test]
fn other_numbers_of_folders_and_folders_that_do_not_exist_are_refused() {
    let line = "systemd.pull=raw,machine:x:http://h/x";
    for arguments in [&[][..], &["/nonexistent", "b"], &["/nonexistent", "b", "c"]] {
        assert_eq!(Run::new(line).finish_with(arguments), Some(1));
    }
}
