use super::*;

fn asked(line: &str) -> anyhow::Result<Asked> {
    parse(
        line.split(' ')
            .filter(|word| !word.is_empty())
            .map(OsString::from),
    )
}

fn settings(line: &str) -> Settings {
    match asked(line).unwrap() {
        Asked::Run(settings) => *settings,
        other => panic!("{line}: {other:?}"),
    }
}

fn refusal(line: &str) -> String {
    asked(line).unwrap_err().to_string()
}

#[test]
fn nothing_given_means_the_defaults_of_the_manual() {
    let found = settings("");
    assert_eq!(found.scope, Scope::System);
    assert_eq!(found.class, None);
    assert_eq!(found.flags, Flags::default());
    assert_eq!(found.verify, Verify::Signature);
    assert_eq!((found.json, found.legend), (Json::Off, true));
    assert!(found.ask_password && !found.standalone && !found.quiet);
    assert!(found.words.is_empty());
}

#[test]
fn long_options_may_be_abbreviated_and_values_stand_either_way() {
    let found = settings("--verif=no --cl sysext --read --no-l --forc pull-tar u");
    assert_eq!(found.verify, Verify::No);
    assert_eq!(found.class, Some(Class::Sysext));
    assert!(found.flags.read_only && found.flags.force && !found.legend);
    assert_eq!(found.words, ["pull-tar", "u"]);
    // Ours must not take an abbreviation away from the reference's.
    assert_eq!(settings("--user --s").scope, Scope::System);
}

#[test]
fn short_options_are_bundled() {
    let found = settings("-mNq pull-tar u");
    assert_eq!(found.class, Some(Class::Machine));
    assert!(!found.flags.keep_download && found.quiet);
}

#[test]
fn options_follow_verbs_until_two_dashes() {
    let found = settings("import-tar file --force -- --name -S");
    assert!(found.flags.force);
    assert_eq!(found.class, None);
    assert_eq!(found.words, ["import-tar", "file", "--name", "-S"]);
    assert_eq!(
        settings("import-tar - name").words,
        ["import-tar", "-", "name"]
    );
}

#[test]
fn the_last_of_several_contradicting_options_counts() {
    assert_eq!(settings("-m --class=sysext").class, Some(Class::Sysext));
    assert_eq!(settings("--class=sysext -m").class, Some(Class::Machine));
    assert_eq!(settings("-m -P -S -C").class, Some(Class::Confext));
    assert_eq!(settings("-C x -m").class, Some(Class::Machine));
    assert_eq!(settings("--user --system").scope, Scope::System);
    assert_eq!(settings("--system --user").scope, Scope::User);
    assert_eq!(settings("-j --json=short").json, Json::Short);
    assert_eq!(settings("--json=short -j").json, Json::Auto);
    assert_eq!(
        settings("--verify=no --verify=checksum").verify,
        Verify::Checksum
    );
    assert!(settings("-N --keep-download=yes").flags.keep_download);
    assert!(!settings("-m --keep-download=yes -N").flags.keep_download);
    assert!(settings("-q -q --force --force").quiet);
}

#[test]
fn downloads_are_kept_by_default_for_machines_only() {
    assert!(settings("-m").flags.keep_download);
    assert!(!settings("-S").flags.keep_download);
    assert!(settings("-S --keep-download=on").flags.keep_download);
    assert!(!settings("").flags.keep_download);
}

#[test]
fn json_hides_the_legend_and_off_does_not() {
    assert!(!settings("-j").legend);
    assert!(!settings("--json=pretty").legend);
    assert!(settings("--json=off").legend);
    assert!(!settings("--no-legend").legend);
}

#[test]
fn additions_take_no_abbreviation_away() {
    let settings = settings("--keep no --re --stan --im /x --connecti 3 -m");
    assert!(!settings.flags.keep_download && settings.flags.read_only);
    assert_eq!(settings.network, ["--connections=3"]);
    let command = command();
    let originals = long_options(&command);
    let originals = originals.iter().filter(|option| option.is_original);
    let mut names: Vec<&str> = originals.map(|option| option.name).collect();
    names.sort_unstable();
    let expected = "class force format help host introspect-cli json keep-download machine \
                    no-ask-password no-legend no-pager quiet read-only system user verify version";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn mistakes_are_told_as_the_reference_tells_them() {
    for (line, message) in [
        ("--xx", "importctl: unrecognized option '--xx'"),
        ("--foo=bar", "importctl: unrecognized option '--foo'"),
        ("-X", "importctl: unrecognized option '-X'"),
        ("-qX", "importctl: unrecognized option '-X'"),
        (
            "--ver",
            "importctl: option '--ver' is ambiguous; possibilities: --version, --verify",
        ),
        (
            "--no foo",
            "importctl: option '--no' is ambiguous; possibilities: \
             --no-pager, --no-legend, --no-ask-password",
        ),
        (
            "--class",
            "importctl: option '--class' requires an argument",
        ),
        ("--json", "importctl: option '--json' requires an argument"),
        (
            "--quiet=1",
            "importctl: option '--quiet' doesn't allow an argument",
        ),
        ("--json=x", "Unknown argument to --json= switch: x"),
        ("--json=", "Unknown argument to --json= switch: "),
        ("--verify=x", "Failed to parse --verify= setting: x"),
        ("--verify=", "Failed to parse --verify= setting: "),
        ("--class=x", "Failed to parse --class= parameter: x"),
        ("--class -m", "Failed to parse --class= parameter: -m"),
        (
            "--keep-download=x",
            "Failed to parse --keep-download= value: x",
        ),
        ("--format=zst", "Unknown format: zst"),
        ("--image-root=/x", "--image-root= needs --standalone"),
    ] {
        assert_eq!(refusal(line), message, "{line}");
    }
}

#[test]
fn where_the_service_is_decides_the_last_option_given() {
    let transport = |line| settings(line).transport;
    assert_eq!(transport("list-images"), Transport::Local);
    assert_eq!(transport("-M .host list-images"), Transport::Local);
    for (line, way) in [
        ("-Mbox list-images", "machine"),
        ("--machine box", "machine"),
        ("-Hh -Mbox", "machine"),
        ("-Mbox --host=u@h:22/c", "remote"),
        ("list-images -H h", "remote"),
    ] {
        assert_eq!(transport(line).as_str(), way, "{line}");
    }
    for (line, option) in [("-H", "-H"), ("-mM", "-M"), ("--host", "--host")] {
        let message = format!("importctl: option '{option}' requires an argument");
        assert_eq!(refusal(line), message);
    }
    assert_eq!(
        refusal("-H -oProxyCommand=x"),
        "Failed to parse --host= parameter '-oProxyCommand=x': A name must not begin with '-'"
    );
    assert_eq!(refusal("-M $(x)"), "Invalid --machine= specified: $(x)");
}

#[test]
fn progress_is_shown_in_one_of_five_ways() {
    assert_eq!(settings("").progress, Progress::Auto);
    assert_eq!(settings("--progress json").progress, Progress::Json);
    assert_eq!(
        refusal("--progress=x"),
        "Failed to parse --progress= setting: x"
    );
    match asked("--progress=help").unwrap() {
        Asked::Values(values) => assert_eq!(values, ["auto", "bar", "plain", "json", "none"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn help_and_version_win_over_what_follows() {
    assert!(matches!(
        asked("--help --xx"),
        Ok(Asked::Help { pager: true })
    ));
    assert!(matches!(
        asked("--no-p --help"),
        Ok(Asked::Help { pager: false })
    ));
    assert!(matches!(
        asked("pull-tar -h"),
        Ok(Asked::Help { pager: true })
    ));
    assert!(matches!(asked("--versio"), Ok(Asked::Version)));
    assert!(matches!(
        asked("--introspect-cli"),
        Ok(Asked::Introspection)
    ));
}

#[test]
fn options_with_few_values_list_them() {
    match asked("--verify=help --xx").unwrap() {
        Asked::Values(values) => assert_eq!(values, ["no", "checksum", "signature"]),
        other => panic!("{other:?}"),
    }
    match asked("--json help").unwrap() {
        Asked::Values(values) => assert_eq!(values, ["pretty", "short", "off"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_class_names_the_folder_of_each() {
    let error = |line| {
        let class = settings(line).required_class(std::path::Path::new("/h/.local/state"));
        class.unwrap_err().to_string()
    };
    assert_eq!(
        error("pull-tar x"),
        "No image class specified, retry with --class= set to one of: \
         machine (downloads to /var/lib/machines/), portable (downloads to /var/lib/portables/), \
         sysext (downloads to /var/lib/extensions/), confext (downloads to /var/lib/confexts/)."
    );
    assert!(
        error("--user pull-tar x").contains("sysext (downloads to /h/.local/state/extensions/)")
    );
}

#[test]
fn an_image_root_becomes_absolute() {
    let root = settings("--standalone --image-root=x").image_root.unwrap();
    assert_eq!(root, std::env::current_dir().unwrap().join("x"));
}

#[test]
fn a_slip_in_an_option_gets_a_suggestion_and_nonsense_does_not() {
    for (line, near) in [
        ("--frce", Some("--force")),
        ("--varify=no", Some("--verify")),
        ("--stand-alone", Some("--standalone")),
        ("--xyz", None),
        ("--qwertz", None),
        ("-y", None),
    ] {
        let option = line.split('=').next().unwrap();
        let hint = near.map(|near| format!(", did you mean '{near}'?"));
        let message = format!("importctl: unrecognized option '{option}'");
        assert_eq!(refusal(line), message + &hint.unwrap_or_default());
    }
}
