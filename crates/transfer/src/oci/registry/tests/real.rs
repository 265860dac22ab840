//! Docker's own registry, and other tools' images. Where it is not installed nothing is tested, and
//! that is said.

use super::server::{Answer, Bench, Server, data, descriptor, fetch, put};
use crate::oci::hash::sha256;
use crate::oci::registry::place::Purpose;
use crate::oci::source::Source;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use importd_api::failure::Kind;
use importd_formats::oci::{Document, MediaType};
use rcgen::{CertificateParams, KeyPair};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

/// User `u`, password `secret`.
const PASSWORDS: &str = "u:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n";
/// As `auth` of a file of logins.
const LOGIN: &str = "{\"auth\":\"dTpzZWNyZXQ=\"}";
/// Set where the test runs again with a certificate that it trusts.
const AGAIN: &str = "IMPORTD_TEST_CERTIFICATE";

/// A registry that runs.
struct Real {
    child: Child,
    address: String,
}

impl Drop for Real {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Real {
    /// With these sections of its configuration; `None` if it is not installed.
    fn start(folder: &Path, http: &str, auth: &str) -> Option<Self> {
        let path = folder.join("registry.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\n\
             http: {{addr: '127.0.0.1:0'{http}}}\nauth: {auth}\n",
            folder.join("data").display()
        );
        put(&path, &text);
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&path);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let Ok(mut child) = command.stderr(Stdio::piped()).spawn() else {
            eprintln!("docker-registry is not installed: skipped");
            return None;
        };
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.by_ref().find_map(|line| {
            let line = line.unwrap();
            let (_, rest) = line.split_once("listening on ")?;
            Some(rest.split(['"', ',']).next().unwrap().to_owned())
        });
        // It must not stop at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.unwrap();
        Some(Self { child, address })
    }

    /// What pushes to and pulls from it.
    fn bench(&self, protocol: &str, login: &str) -> Bench {
        let unused = Server::start(|_| Answer::new(500, ""));
        let bench = Bench {
            purpose: Purpose::Push,
            ..Bench::new(&unused, &[])
        };
        let description = format!(
            "{{\"defaultProtocol\":\"{protocol}\",\"overrideRegistry\":\"{}\"}}",
            self.address
        );
        let file = bench.folder.path().join("registry.test.oci-registry");
        put(&file, &description);
        let path = bench.folder.path().join("run/containers/auth.json");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        put(
            &path,
            &format!("{{\"auths\":{{\"{}\":{login}}}}}", self.address),
        );
        bench
    }
}

/// Pushes an image, and pulls it again.
fn there_and_back(bench: &Bench, reference: &str) {
    let layer = data(9 << 20);
    let config = br#"{"architecture":"amd64","os":"linux"}"#;
    let blob = descriptor(&layer, MediaType::Layer);
    let image = bench.open(reference, None).unwrap();
    for (bytes, what) in [
        (&layer[..], &blob),
        (config, &descriptor(config, MediaType::Config)),
    ] {
        assert!(!image.has_blob(&what.digest).unwrap());
        let bytes = bytes.to_vec();
        let open = || -> crate::Result<Box<dyn std::io::Read + Send>> {
            Ok(Box::new(std::io::Cursor::new(bytes.clone())))
        };
        image.upload(what, &open).unwrap();
        assert!(image.has_blob(&what.digest).unwrap());
    }
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
        "config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},
        "layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}","size":{}}}]}}"#,
        sha256(config),
        config.len(),
        blob.digest,
        blob.size
    );
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let digest = image.put_manifest(manifest.as_bytes(), kind, Some("new"));
    let digest = digest.unwrap();

    let (name, _) = reference.rsplit_once(':').unwrap();
    for reference in [format!("{name}:new"), format!("{name}@{digest}")] {
        let image = bench.open(&reference, None).unwrap();
        let top = image.top().unwrap();
        assert_eq!(top.bytes, manifest.as_bytes());
        assert_eq!(top.sent_as.as_deref(), Some(kind));
        let read = Document::parse(&top.bytes, top.sent_as.as_deref()).unwrap();
        let Document::Manifest(read) = read else {
            panic!("no manifest");
        };
        assert_eq!(image.document(&read.config.unwrap(), 1000).unwrap(), config);
        assert!(fetch(&image, &read.layers[0]).unwrap() == layer);
    }
    let absent = format!("{name}:none");
    let error = bench.open(&absent, None).unwrap().top().unwrap_err();
    assert_eq!(error.kind, Kind::HttpNotFound);
}

fn with_passwords(folder: &Path) -> String {
    let path = folder.join("passwords");
    put(&path, PASSWORDS);
    format!("{{htpasswd: {{realm: x, path: '{}'}}}}", path.display())
}

#[test]
fn images_go_to_a_registry_with_passwords_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let auth = with_passwords(folder.path());
    let Some(registry) = Real::start(folder.path(), "", &auth) else {
        return;
    };
    there_and_back(&registry.bench("http", LOGIN), "test/some/image:t");
    for login in ["{}", "{\"auth\":\"dTp3cm9uZw==\"}"] {
        let bench = registry.bench("http", login);
        let image = bench.open("test/some/image:new", None).unwrap();
        assert_eq!(image.top().unwrap_err().kind, Kind::Unauthorized);
    }
}

#[test]
fn images_of_other_tools_are_read_and_ours_are_read_by_them() {
    let folder = tempfile::tempdir().unwrap();
    let Some(registry) = Real::start(folder.path(), "", "{}") else {
        return;
    };
    let bench = registry.bench("http", "{}");
    there_and_back(&bench, "test/some/image:t");
    let remote = |name: &str| format!("docker://{}/{name}", registry.address);
    let skopeo = |arguments: &[&str]| {
        let mut command = Command::new("skopeo");
        let output = command.args(arguments).output();
        output
            .map(|output| (output.status.success(), output.stdout))
            .ok()
    };
    let inspect = [
        "inspect",
        "--raw",
        "--tls-verify=false",
        &remote("some/image:new"),
    ];
    let Some((is_read, raw)) = skopeo(&inspect) else {
        return eprintln!("skopeo is not installed: skipped");
    };
    let top = bench
        .open("test/some/image:new", None)
        .unwrap()
        .top()
        .unwrap();
    assert!(is_read && raw == top.bytes);
    // As an image of Docker's.
    let (from, to) = (remote("some/image:new"), remote("other:docker"));
    let copied = skopeo(&[
        "copy",
        "--format=v2s2",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        &from,
        &to,
    ]);
    assert!(copied.unwrap().0);
    let image = bench.open("test/other:docker", None).unwrap();
    let top = image.top().unwrap();
    let kind = top.sent_as.as_deref();
    assert_eq!(
        kind,
        Some("application/vnd.docker.distribution.manifest.v2+json")
    );
    let Document::Manifest(read) = Document::parse(&top.bytes, kind).unwrap() else {
        panic!("no manifest");
    };
    // Packed by now.
    let layer = fetch(&image, &read.layers[0]).unwrap();
    assert_eq!(sha256(&layer), read.layers[0].digest);
}

/// A certificate for this machine.
fn certificate(folder: &Path) -> (KeyPair, rcgen::Certificate) {
    let key = KeyPair::generate().unwrap();
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key);
    let certificate = certificate.unwrap();
    put(&folder.join("cert.pem"), &certificate.pem());
    put(&folder.join("key.pem"), &key.serialize_pem());
    (key, certificate)
}

#[test]
fn encrypted_registries_are_trusted_by_their_certificate() {
    let name = "oci::registry::tests::real::encrypted_registries_are_trusted_by_their_certificate";
    let Some(folder) = std::env::var_os(AGAIN) else {
        let folder = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        certificate(folder.path());
        certificate(other.path());
        for (trusted, is_trusted) in [(&folder, true), (&other, false)] {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", name, "--nocapture"]);
            command.env(AGAIN, folder.path());
            command.env("SSL_CERT_FILE", trusted.path().join("cert.pem"));
            command.env_remove("SSL_CERT_DIR");
            command.env("IMPORTD_TEST_TRUSTED", is_trusted.to_string());
            assert!(command.status().unwrap().success(), "{is_trusted}");
        }
        return;
    };
    let is_trusted = std::env::var("IMPORTD_TEST_TRUSTED").unwrap() == "true";
    let certificates = Path::new(&folder);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| certificates.join(name).display().to_string();
    let tls = format!(
        ", tls: {{certificate: '{}', key: '{}'}}",
        file("cert.pem"),
        file("key.pem")
    );
    let auth = with_passwords(folder.path());
    let Some(registry) = Real::start(folder.path(), &tls, &auth) else {
        return;
    };
    let bench = registry.bench("https", LOGIN);
    match is_trusted {
        true => there_and_back(&bench, "test/image:t"),
        false => {
            let error = bench.open("test/image:t", None).unwrap().top().unwrap_err();
            let text = crate::error::chain(&error);
            assert!(text.contains("certificate"), "{text}");
        }
    }
}

/// Base 64 as JSON Web Tokens have it.
fn base64(bytes: &[u8], is_url: bool) -> String {
    let last = if is_url { b"-_" } else { b"+/" };
    let digits: Vec<u8> = (b'A'..=b'Z')
        .chain(b'a'..=b'z')
        .chain(b'0'..=b'9')
        .chain(*last)
        .collect();
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let number = u32::from_be_bytes(group);
        for place in 0..=chunk.len() {
            let digit = (number >> (18 - 6 * place)) & 63;
            out.push(char::from(digits[usize::try_from(digit).unwrap()]));
        }
    }
    while !is_url && !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}

/// Gives out tokens for all that is asked for, to user `u`, and for nothing to others.
fn giver(key: &KeyPair, certificate: &rcgen::Certificate) -> Server {
    let pkcs8 = key.serialize_der();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).unwrap();
    let chain = base64(certificate.der(), false);
    Server::start(move |asked| {
        let (_, query) = asked.path.split_once('?').unwrap();
        let scope = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("scope="));
        let scope = scope
            .unwrap()
            .replace("%3A", ":")
            .replace("%2F", "/")
            .replace("%2C", ",");
        let [kind, name, actions] = scope.split(':').collect::<Vec<_>>().try_into().unwrap();
        let is_known = asked.header("authorization") == Some("Basic dTpzZWNyZXQ=");
        let actions: Vec<&str> = actions.split(',').filter(|_| is_known).collect();
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let head = serde_json::json!({ "typ": "JWT", "alg": "ES256", "x5c": [chain] });
        let claims = serde_json::json!({
            "iss": "us", "sub": "u", "aud": "them", "jti": "1",
            "iat": now, "nbf": now - 10, "exp": now + 300,
            "access": [{ "type": kind, "name": name, "actions": actions }],
        });
        let part = |value: &serde_json::Value| base64(value.to_string().as_bytes(), true);
        let signed = format!("{}.{}", part(&head), part(&claims));
        let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        let token = format!("{signed}.{}", base64(signature.as_ref(), true));
        let answer = serde_json::json!({ "access_token": token, "expires_in": 300 });
        Answer::new(200, answer.to_string())
    })
}

#[test]
fn images_go_to_a_registry_with_tokens_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let (key, certificate) = certificate(folder.path());
    let giver = giver(&key, &certificate);
    let auth = format!(
        "{{token: {{realm: 'http://{}/token', service: them, issuer: us, rootcertbundle: '{}'}}}}",
        giver.address,
        folder.path().join("cert.pem").display()
    );
    let Some(registry) = Real::start(folder.path(), "", &auth) else {
        return;
    };
    there_and_back(&registry.bench("http", LOGIN), "test/some/image:t");
    // One for the push, one for each image that was opened to pull.
    assert_eq!(giver.lines().len(), 4);
    let stranger = registry.bench("http", "{}");
    let image = stranger.open("test/some/image:new", None).unwrap();
    let error = image.top().unwrap_err();
    assert_eq!(error.kind, Kind::Unauthorized);
    assert!(error.doing.contains("some/image"), "{error}");
}
