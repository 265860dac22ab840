use super::*;
use crate::oci::registry::place::Purpose;
use crate::report::{LogSettings, Report};
use importd_host::cancel::Cancel;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

struct Home {
    folder: tempfile::TempDir,
    surroundings: Surroundings,
    context: Context,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        Self {
            surroundings: Surroundings {
                descriptions: Vec::new(),
                home: Some(path.join("home")),
                runtime: Some(path.join("run")),
                path: Some(path.join("bin").into()),
                ..Surroundings::default()
            },
            context: Context {
                report: Report::new(None, &LogSettings::default()),
                cancel: Cancel::new().unwrap(),
                umask: 0o022,
                owners: crate::owners::Owners::All,
            },
            folder,
        }
    }

    fn put(&self, path: &str, mode: u32, text: &str) -> PathBuf {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
        drop(file);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn find(&self) -> Result<Option<Credential>> {
        let reference = "registry.example/a/b".parse().unwrap();
        let place = Place::find(&reference, Purpose::Pull, &[]).unwrap();
        let found = Credentials::look_up(&place, &self.surroundings, &self.context)?;
        Ok(found.of(place.registry()))
    }

    /// The user that was found.
    fn user(&self) -> Option<String> {
        match self.find().unwrap()?.login {
            Login::Password { user, .. } => Some(user),
            Login::Identity(_) => None,
        }
    }
}

fn login(user: &str) -> String {
    format!("{{\"auths\":{{\"registry.example\":{{\"username\":\"{user}\",\"password\":\"x\"}}}}}}")
}

#[test]
fn files_are_looked_at_in_order() {
    let mut home = Home::new();
    assert_eq!(home.user(), None);
    for (path, user) in [
        ("home/.docker/config.json", "docker"),
        ("home/.config/containers/auth.json", "config"),
        ("run/containers/auth.json", "run"),
    ] {
        home.put(path, 0o600, &login(user));
        assert_eq!(home.user().as_deref(), Some(user));
    }
    let path = home.put("file.json", 0o600, &login("file"));
    home.surroundings.auth_file = Some(path);
    assert_eq!(home.user().as_deref(), Some("file"));
    let path = home.put("credentials/oci.auth", 0o440, &login("service"));
    home.surroundings.credentials_directory = path.parent().map(Into::into);
    assert_eq!(home.user().as_deref(), Some("service"));
}

#[test]
fn a_service_without_a_home_uses_nobodys_files() {
    let mut home = Home::new();
    home.put("run/containers/auth.json", 0o600, &login("run"));
    home.surroundings.home = None;
    home.surroundings.runtime = None;
    let sources = sources(&home.surroundings);
    assert!(sources.is_empty());
}

#[test]
fn a_file_that_is_asked_for_must_be_there_and_make_sense_and_others_are_passed_over() {
    let mut home = Home::new();
    home.put("run/containers/auth.json", 0o600, "nonsense");
    home.put("home/.docker/config.json", 0o600, &login("docker"));
    assert_eq!(home.user().as_deref(), Some("docker"));
    home.surroundings.auth_file = Some(home.folder.path().join("none"));
    assert_eq!(home.find().unwrap_err().kind, Kind::NotFound);
    home.surroundings.auth_file = Some(home.put("file.json", 0o600, "{\"auths\":1}"));
    let error = home.find().unwrap_err();
    assert_eq!(error.kind, Kind::InvalidArgument);
    assert!(error.doing.contains("file.json"));
    home.surroundings.auth_file = Some(home.folder.path().to_owned());
    home.find().unwrap_err();
}

#[test]
fn a_program_is_asked_and_sees_little() {
    let home = Home::new();
    let text = "{\"credHelpers\":{\"registry.example\":\"test\"}}";
    home.put("home/.docker/config.json", 0o600, text);
    // Not there.
    assert_eq!(home.user(), None);
    let answer = |script: &str| {
        home.put(
            "bin/docker-credential-test",
            0o755,
            &format!("#!/bin/sh\n{script}\n"),
        );
        home.find().unwrap()
    };
    let found =
        answer("read -r s; echo \"{\\\"Username\\\":\\\"$1-$s\\\",\\\"Secret\\\":\\\"$HOME\\\"}\"");
    let found = found.unwrap();
    let expected = Login::Password {
        user: "get-registry.example".into(),
        password: home.folder.path().join("home").display().to_string(),
    };
    assert_eq!(found.login, expected);
    assert!(
        found.origin.contains("'docker-credential-test'"),
        "{}",
        found.origin
    );
    let found =
        answer("echo '{\"Username\":\"<token>\",\"Secret\":\"'\"$USER$LOGNAME\"'x\"}'").unwrap();
    assert_eq!(found.login, Login::Identity("x".into()));
    assert_eq!(
        answer("echo 'credentials not found in native keychain'; exit 1"),
        None
    );
    assert_eq!(answer("exit 3"), None);
    assert_eq!(answer("echo nonsense"), None);
    assert_eq!(answer("exec /usr/bin/yes"), None);
}

#[test]
fn names_of_programs_are_no_paths() {
    let home = Home::new();
    for name in ["../x", "a/b", "", "a b", &"x".repeat(65)] {
        let error = helper::ask(name, "h", &home.surroundings, &home.context).unwrap_err();
        assert_eq!(error.kind, Kind::InvalidArgument, "{name}");
    }
}
