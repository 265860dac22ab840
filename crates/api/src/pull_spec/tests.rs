use super::*;

fn parse(text: &str) -> Result<PullSpec, PullSpecError> {
    PullSpec::parse(text, &mut Vec::new())
}

fn ignored(text: &str) -> Vec<IgnoredOption> {
    let mut ignored = Vec::new();
    PullSpec::parse(text, &mut ignored).unwrap();
    ignored
}

#[test]
fn options_set_what_they_name_and_the_last_one_wins() {
    let plain = PullSpec {
        class: Class::Machine,
        kind: ImageKind::File(Form::Raw),
        read_only: false,
        verify: Verify::Signature,
        block_device: false,
        runtime: None,
        local: None,
        remote: Remote::Url(Url::parse("http://h:1/x.raw").unwrap()),
    };
    assert_eq!(
        parse("raw,machine::http://h:1/x.raw"),
        Ok(plain.clone()),
        "defaults"
    );
    let full = PullSpec {
        class: Class::Sysext,
        read_only: true,
        verify: Verify::Checksum,
        block_device: true,
        runtime: Some(false),
        local: Some(ImageName::parse("n").unwrap()),
        ..plain
    };
    let text = "tar,machine,raw,sysext,rw,ro,verify=no,verify=checksum,blockdev,runtime=1,\
                runtime=OFF:n:http://h:1/x.raw";
    assert_eq!(parse(text), Ok(full));
    assert!(parse("oci,machine,raw:n:http://h/x").is_ok());
}

#[test]
fn options_without_effect_are_named_and_change_nothing() {
    let text = "raw,machine,foo,,verify=no,verify=,verify=x,runtime=,ro=1:n:http://h/x";
    let expected = [
        IgnoredOption::Unknown("foo".into()),
        IgnoredOption::Unknown(String::new()),
        IgnoredOption::Verify(String::new()),
        IgnoredOption::Verify("x".into()),
        IgnoredOption::Runtime(String::new()),
        IgnoredOption::Unknown("ro=1".into()),
    ];
    assert_eq!(ignored(text), expected);
    let spec = parse(text).unwrap();
    assert_eq!((spec.verify, spec.read_only), (Verify::No, false));
    let digest = "ab".repeat(32);
    let text = format!("raw,machine,verify={digest}:n:http://h/x");
    assert_eq!(ignored(&text), [IgnoredOption::Verify(digest)]);
    let mut told = Vec::new();
    assert!(PullSpec::parse("raw,machin:n:http://h/x", &mut told).is_err());
    assert_eq!(told, [IgnoredOption::Unknown("machin".into())]);
}

#[test]
fn refused_expressions_say_what_is_wrong() {
    use PullSpecError as E;
    let name = |text: &str, error| E::Local(text.to_owned(), error);
    for (text, error) in [
        ("", E::NoLocal),
        ("raw,machine", E::NoLocal),
        ("raw,machine:x", E::NoRemote),
        ("raw,machine:x:", E::NoRemote),
        (":x:http://h/x", E::NoForm),
        ("machine:x:http://h/x", E::NoForm),
        ("raw:x:http://h/x", E::NoClass),
        ("raw, machine:x:http://h/x", E::NoClass),
        (
            "raw,oci,machine:x:http://h/x",
            E::Reference("http://h/x".into()),
        ),
        ("oci,machine:x:A", E::Reference("A".into())),
        ("oci,machine,bootorigin:x:a", E::BootOriginOfOci),
        ("oci,machine,verify=signature:x:a", E::SignatureOfOci),
        ("oci,machine,blockdev:x:a", E::BlockDeviceOfTree),
        ("tar,machine,blockdev:x:http://h/x", E::BlockDeviceOfTree),
        ("raw,machine:a/b:http://h/x", name("a/b", NameError::Slash)),
        ("raw,machine:-x:http://h/x", name("-x", NameError::Option)),
        ("raw,machine:x:ftp://h/x", E::Remote("ftp://h/x".into())),
        ("raw,machine:x:http://u:p@h/ x", E::Remote("h/ x".into())),
        (
            "raw,machine:x:http://h/\nx",
            E::Remote("http://h/\nx".into()),
        ),
        ("raw,machine:x\\", E::Backslash("x\\".into())),
        (
            "raw,machine\\\\:x:http://h/x",
            E::Backslash("machine\\".into()),
        ),
    ] {
        assert_eq!(parse(text), Err(error), "{text}");
    }
}

#[test]
fn a_backslash_makes_the_next_character_ordinary_in_options_and_name_only() {
    let spec = parse("ra\\w,machine:a\\:b\\\\:file:///x\\y").unwrap();
    assert_eq!(spec.local.unwrap().as_str(), "a:b\\");
    assert_eq!(
        spec.remote,
        Remote::Url(Url::parse("file:///x\\y").unwrap())
    );
}

#[test]
fn a_file_beside_the_boot_origin_needs_an_origin_with_files_beside_it() {
    let spec = parse("raw,machine,bootorigin::d/x.raw?v=1").unwrap();
    let origin = |text| Url::parse(text).unwrap();
    assert_eq!(spec.place(None), Ok(None));
    let place = spec
        .place(Some(&origin("http://h/b/loader.efi?a")))
        .unwrap();
    let place = place.unwrap();
    assert_eq!(place, Place::Url(origin("http://h/b/d/x.raw?v=1")));
    assert_eq!(spec.name(&place).unwrap().as_str(), "x");
    let file = origin("file:///b/loader.efi");
    assert_eq!(
        spec.place(Some(&file)),
        Err(PullSpecError::BootOrigin(file.clone()))
    );
    let spec = parse("raw,machine,bootorigin:n:a b").unwrap();
    assert_eq!(
        spec.place(Some(&origin("http://h"))),
        Err(PullSpecError::Remote("a b".into()))
    );
}

#[test]
fn names_come_from_the_address_if_it_holds_one() {
    for (text, name) in [
        ("raw,machine:n:http://h/x.raw", Some("n")),
        ("raw,sysext::http://h/x.sysext.raw.xz?a/b", Some("x")),
        ("tar,machine::file:/x.tgz", Some("x")),
        ("tar,machine::http://h/", None),
        ("raw,machine::http://h/.raw", None),
        ("raw,machine::http://h/-x.raw", None),
        ("oci,machine::h.example:5000/a/b.tar:1", Some("b.tar")),
        ("oci,machine:n:a", Some("n")),
        ("oci,machine::h/-a", None),
    ] {
        let spec = parse(text).unwrap();
        let place = spec.place(None).unwrap().unwrap();
        let found = spec.name(&place).ok();
        assert_eq!(found.as_ref().map(ImageName::as_str), name, "{text}");
    }
}
