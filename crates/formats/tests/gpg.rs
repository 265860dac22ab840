//! Keys and signatures, made by the real gpg in a home of their own, and gpgv's opinion of them.

use crate::program::{feed, has, run};
use importd_formats::pgp::{Error, Keyring, Verdict, verify};
use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tempfile::TempDir;

/// A home of gpg, with its keys. Its agent ends with it.
#[derive(Debug)]
pub(crate) struct Gpg {
    home: TempDir,
}

impl Gpg {
    /// `None`, with the reason printed, where there is no gpg.
    pub(crate) fn new() -> Option<Self> {
        let mut private = tempfile::Builder::new();
        private.permissions(Permissions::from_mode(0o700));
        has(&["gpg", "gpgv", "gpgconf"]).then(|| Self {
            home: private.tempdir().unwrap(),
        })
    }

    /// Runs gpg to success.
    pub(crate) fn run(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let home = self.home.path();
        let fixed = [
            "--homedir",
            home.to_str().unwrap(),
            "--batch",
            "--quiet",
            "--no-tty",
            "--pinentry-mode=loopback",
            "--passphrase=",
            "--allow-weak-digest-algos",
        ];
        run("gpg", &[&fixed, arguments].concat(), home, input)
    }

    /// Makes a key that signs and lasts for ever.
    pub(crate) fn key(&self, name: &str, algorithm: &str, options: &[&str]) {
        let user = format!("{name} <{name}@example.org>");
        let make = ["--quick-generate-key", &user, algorithm, "sign", "never"];
        self.run(&[options, &make].concat(), b"");
    }

    /// Adds a signing subkey.
    pub(crate) fn subkey(&self, name: &str, algorithm: &str, options: &[&str]) {
        let primary = &self.fingerprints(name)[0];
        let make = ["--quick-add-key", primary, algorithm, "sign", "never"];
        self.run(&[options, &make].concat(), b"");
    }

    /// Fingerprints of the primary key and its subkeys.
    pub(crate) fn fingerprints(&self, name: &str) -> Vec<String> {
        let address = address(name);
        let list = self.run(&["--with-colons", "--list-keys", &address], b"");
        let list = String::from_utf8(list).unwrap();
        list.lines()
            .filter_map(|line| line.strip_prefix("fpr:::::::::"))
            .map(|rest| rest.trim_end_matches(':').to_lowercase())
            .collect()
    }

    /// The number of the primary key, or of a subkey from 1 on.
    pub(crate) fn key_id(&self, name: &str, index: usize) -> String {
        self.fingerprints(name)[index][24..].to_owned()
    }

    /// Public keys, binary unless an option says otherwise.
    pub(crate) fn export(&self, names: &[&str], options: &[&str]) -> Vec<u8> {
        let addresses: Vec<String> = names.iter().map(|name| address(name)).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        self.run(&[options, &["--export"], &addresses].concat(), b"")
    }

    /// A keyring of one exported file.
    pub(crate) fn keyring(&self, names: &[&str]) -> Keyring {
        keyring(&[&self.export(names, &[])])
    }

    /// A detached signature by a key's newest signing subkey, or the primary key.
    pub(crate) fn sign(&self, name: &str, data: &[u8], options: &[&str]) -> Vec<u8> {
        let who = ["--local-user", &address(name)];
        self.run(&[&who, options, &["--detach-sign"]].concat(), data)
    }

    /// A detached signature by one of the keys.
    pub(crate) fn sign_with(&self, fingerprint: &str, data: &[u8], options: &[&str]) -> Vec<u8> {
        let who = ["--local-user", &format!("{fingerprint}!")];
        self.run(&[&who, options, &["--detach-sign"]].concat(), data)
    }

    /// The packets of binary OpenPGP data, in order: their tags (RFC 9580, section 5) and bytes.
    pub(crate) fn packets(&self, bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let list = self.run(&["--list-packets"], bytes);
        let list = String::from_utf8_lossy(&list).into_owned();
        let lines = list.lines().filter_map(|line| line.strip_prefix("# off="));
        lines
            .map(|line| {
                let number = |key: &str| -> usize {
                    let field = line.split(' ').find_map(|field| field.strip_prefix(key));
                    field.unwrap().parse().unwrap()
                };
                let start: usize = line.split(' ').next().unwrap().parse().unwrap();
                let end = start + number("hlen=") + number("plen=");
                let tag = u8::try_from(number("tag=")).unwrap();
                (tag, bytes[start..end].to_vec())
            })
            .collect()
    }

    /// Writes a file into the home.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.home.path().join(name);
        File::create(&path).unwrap().write_all(bytes).unwrap();
        path
    }

    /// A keyring file that gpg makes itself, in the form it has by that prefix of the name.
    pub(crate) fn import_into(&self, prefix: &str, keys: &[u8]) -> Vec<u8> {
        let path = self.home.path().join("made-by-gpg");
        let name = format!("{prefix}{}", path.to_str().unwrap());
        let import = ["--no-default-keyring", "--keyring", &name, "--import"];
        self.run(&import, keys);
        std::fs::read(path).unwrap()
    }

    /// Whether gpgv accepts a signature of data by a key of a binary keyring.
    pub(crate) fn gpgv_accepts(&self, keyring: &[u8], signature: &[u8], data: &[u8]) -> bool {
        let keyring = self.file("gpgv.keyring", keyring);
        let signature = self.file("gpgv.signature", signature);
        let home = self.home.path();
        let arguments = [
            Path::new("--homedir"),
            home,
            Path::new("--keyring"),
            &keyring,
            &signature,
            Path::new("-"),
        ];
        feed("gpgv", &arguments, home, data).status.success()
    }

    /// The revocation that gpg keeps beside every key it makes.
    pub(crate) fn revoke(&self, name: &str) {
        let fingerprint = self.fingerprints(name)[0].to_uppercase();
        let kept = format!("openpgp-revocs.d/{fingerprint}.rev");
        let text = std::fs::read_to_string(self.home.path().join(kept)).unwrap();
        // A colon before the dashes guards against accidents.
        self.run(
            &["--import"],
            text.replace("\n:-----", "\n-----").as_bytes(),
        );
    }

    /// Revokes the first subkey.
    pub(crate) fn revoke_subkey(&self, name: &str) {
        let answers = b"key 1\nrevkey\ny\n0\n\ny\nsave\n";
        let edit = ["--command-fd=0", "--edit-key", &address(name)];
        self.run(&edit, answers);
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let home = self.home.path().to_str().unwrap();
        let arguments = ["--homedir", home, "--kill", "all"];
        run("gpgconf", &arguments, Path::new("/"), b"");
    }
}

fn address(name: &str) -> String {
    format!("<{name}@example.org>")
}

/// A keyring of files named `0`, `1`, and so on.
pub(crate) fn keyring(files: &[&[u8]]) -> Keyring {
    let mut keyring = Keyring::new();
    for (index, bytes) in files.iter().enumerate() {
        keyring.add(&index.to_string(), bytes).unwrap();
    }
    keyring
}

/// The verdict as of now.
pub(crate) fn judge(keyring: &Keyring, signature: &[u8], data: &[u8]) -> Result<Verdict, Error> {
    verify(keyring, signature, data, SystemTime::now())
}
