//! What is refused from inside each worker's cage: every test enters one, on its own thread, and
//! then tries what a taken-over decoder would try.

#![forbid(unsafe_code)]

#[cfg(test)]
mod tests {
    use importd_api::class::{Class, Scope};
    use importd_api::job::Local;
    use importd_api::name::Form;
    use importd_api::url::Url;
    use importd_api::verify::Verify;
    use importd_host::cancel::Cancel;
    use importd_host::dir::Dir;
    use importd_host::namespace::foreign;
    use importd_host::notify::Notifier;
    use importd_host::sandbox::CapabilitySet;
    use importd_transfer::cage;
    use importd_transfer::context::{Context, Target};
    use importd_transfer::images::Places;
    use importd_transfer::install::Root;
    use importd_transfer::owners::Owners;
    use importd_transfer::pull::Request;
    use importd_transfer::report::{LogSettings, Report};
    use importd_transfer::source::settings::Settings;
    use rustix::net::{RecvAncillaryBuffer, RecvFlags};
    use std::fs::File;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;
    use std::path::Path;

    /// Folders and files around the cage.
    struct Place {
        folder: tempfile::TempDir,
        root: Root,
        context: Context,
    }

    impl Place {
        /// `None`, with the reason printed, where a cage cannot be tested.
        fn new() -> Option<Self> {
            if !rustix::process::geteuid().is_root() {
                println!("skipped: without privileges there are none to give up");
                return None;
            }
            let folder = tempfile::tempdir().unwrap();
            for name in ["images", "outside", "source"] {
                Dir::create_all(&folder.path().join(name), 0o700).unwrap();
            }
            File::create(folder.path().join("outside/secret")).unwrap();
            File::create(folder.path().join("source/file")).unwrap();
            let path = folder.path().join("images");
            let report = Report::new(Notifier::from_env(), &LogSettings::default());
            let context = Context {
                report,
                cancel: Cancel::new().unwrap(),
                umask: 0o022,
                owners: Owners::All,
            };
            let root = Root {
                folder: Dir::open(&path).unwrap(),
                path,
            };
            Some(Self {
                folder,
                root,
                context,
            })
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            self.folder.path().join(name)
        }

        /// What no worker may do.
        fn nothing_else_works(&self) {
            let refused = |what: &str, result: std::io::Result<()>| {
                assert!(result.is_err(), "{what} works");
            };
            let listed = |path: &Path| std::fs::read_dir(path).map(drop);
            refused(
                "reading a secret",
                File::open(self.path("outside/secret")).map(drop),
            );
            refused("reading passwords", File::open("/etc/shadow").map(drop));
            refused(
                "writing outside",
                File::create(self.path("outside/new")).map(drop),
            );
            refused("listing homes", listed(Path::new("/root")));
            refused("reading the other processes", listed(Path::new("/proc/1")));
            refused(
                "starting a program",
                std::process::Command::new("/bin/true").status().map(drop),
            );
            let out = self.path("images/../outside/new");
            refused("leaving by a parent", File::create(out).map(drop));
            refused("listening", TcpListener::bind("127.0.0.1:0").map(drop));
            let mounted = rustix::mount::mount_bind("/", self.path("images"));
            refused("mounting", mounted.map_err(std::io::Error::from));
            let chrooted = rustix::process::chroot(self.path("images"));
            refused("changing the root", chrooted.map_err(std::io::Error::from));
            let pid = rustix::process::getppid().unwrap();
            let killed = rustix::process::test_kill_process(pid);
            refused("signals to others", killed.map_err(std::io::Error::from));
            let limits = rustix::process::prlimit(
                Some(pid),
                rustix::process::Resource::Nofile,
                rustix::process::getrlimit(rustix::process::Resource::Nofile),
            );
            refused(
                "limits of others",
                limits.map(drop).map_err(std::io::Error::from),
            );
            let raw = rustix::net::socket(
                rustix::net::AddressFamily::PACKET,
                rustix::net::SocketType::RAW,
                None,
            );
            refused("raw packets", raw.map(drop).map_err(std::io::Error::from));
        }

        fn writes_images(&self) {
            let mut file = File::create(self.path("images/new")).unwrap();
            file.write_all(b"contents").unwrap();
            std::os::unix::fs::fchown(&file, Some(7), Some(8)).unwrap();
        }
    }

    fn is_connected() -> bool {
        // Port 9 is rarely listened on: a refusal by the other side is a way out all the same.
        match TcpStream::connect("127.0.0.1:9") {
            Ok(_stream) => true,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        }
    }

    /// With foreign ids a thread is root, and no service is heard from any more.
    #[test]
    fn an_import_of_foreign_ids_has_threads_of_root_and_no_service() {
        let Some(mut place) = Place::new() else {
            return;
        };
        place.context.owners = Owners::Foreign(std::sync::Arc::default());
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"reply").unwrap();
        cage::enter_import_tar(&place.root.folder, &place.context).unwrap();
        let mut buffer = [0; 8];
        let mut room = [std::io::IoSliceMut::new(&mut buffer)];
        let mut control = RecvAncillaryBuffer::default();
        let got = rustix::net::recvmsg(&ours, &mut room, &mut control, RecvFlags::empty());
        assert!(got.is_err(), "hearing from a service works");
        foreign::as_root(|| place.writes_images()).unwrap();
        assert!(!is_connected());
        place.nothing_else_works();
    }

    #[test]
    fn an_import_only_writes_images() {
        let Some(place) = Place::new() else { return };
        cage::enter_import_tar(&place.root.folder, &place.context).unwrap();
        place.writes_images();
        place.nothing_else_works();
        assert!(!is_connected());
        assert!(File::open(place.path("source/file")).is_err());
    }

    #[test]
    fn an_import_of_a_disk_image_makes_nothing_but_files() {
        let Some(place) = Place::new() else { return };
        cage::enter_import_raw(
            Some(&place.root.folder),
            CapabilitySet::empty(),
            &place.context,
        )
        .unwrap();
        let file = File::create(place.path("images/new")).unwrap();
        assert!(std::os::unix::fs::fchown(&file, Some(7), Some(8)).is_err());
        let (kind, mode) = (rustix::fs::FileType::BlockDevice, rustix::fs::Mode::RWXU);
        let made = rustix::fs::mknodat(&place.root.folder, "node", kind, mode, 1 << 8);
        assert!(made.is_err(), "making a block device works");
        place.nothing_else_works();
        assert!(!is_connected());
    }

    #[test]
    fn an_import_of_a_folder_reads_that_folder_too() {
        let Some(place) = Place::new() else { return };
        let source = Dir::open(&place.path("source")).unwrap();
        cage::enter_import_fs(&place.root.folder, &source, &place.context).unwrap();
        place.writes_images();
        File::open(place.path("source/file")).unwrap();
        assert!(File::create(place.path("source/new")).is_err());
        place.nothing_else_works();
        assert!(!is_connected());
    }

    #[test]
    fn an_export_reads_its_image_and_writes_its_file() {
        let Some(place) = Place::new() else { return };
        let image = place.path("source");
        cage::enter_export(&image, Some(&place.root.folder), &place.context).unwrap();
        File::open(place.path("source/file")).unwrap();
        File::create(place.path("images/out.tar")).unwrap();
        assert!(File::create(place.path("source/new")).is_err());
        place.nothing_else_works();
        assert!(!is_connected());
    }

    #[test]
    fn an_export_of_a_tree_reads_that_tree() {
        let Some(place) = Place::new() else { return };
        let tree = Dir::open(&place.path("source")).unwrap();
        cage::enter_export_tree(&tree, Some(&place.root.folder), &place.context).unwrap();
        File::open(place.path("source/file")).unwrap();
        File::create(place.path("images/out.tar")).unwrap();
        assert!(File::create(place.path("source/new")).is_err());
        assert!(tree.unlink("file".as_ref()).is_err());
        let above = Dir::open(place.folder.path());
        assert!(above.is_err(), "the folder around it can be read");
        place.nothing_else_works();
        assert!(!is_connected());
    }

    #[test]
    fn an_export_of_layers_reads_those_and_writes_one_folder() {
        let Some(place) = Place::new() else { return };
        let tree = Dir::open(&place.path("source")).unwrap();
        let folders = [&place.root.folder];
        cage::enter_export_oci(&[&tree], &folders, &place.context).unwrap();
        File::open(place.path("source/file")).unwrap();
        File::create(place.path("images/index.json")).unwrap();
        assert!(File::create(place.path("source/new")).is_err());
        assert!(File::open(place.path("outside/secret")).is_err());
        place.nothing_else_works();
        assert!(!is_connected());
    }

    #[test]
    fn an_import_of_a_layout_reads_that() {
        let Some(place) = Place::new() else { return };
        let source = Dir::open(&place.path("source")).unwrap();
        let folder = &place.root.folder;
        cage::enter_import_oci(folder, Some(&source), &place.context).unwrap();
        File::open(place.path("source/file")).unwrap();
        File::create(place.path("images/layer")).unwrap();
        assert!(File::create(place.path("source/new")).is_err());
        place.nothing_else_works();
        assert!(!is_connected());
    }

    #[test]
    fn a_push_reads_layers_and_connects() {
        let Some(place) = Place::new() else { return };
        let source = Dir::open(&place.path("source")).unwrap();
        let waiting = &place.root.folder;
        cage::enter_push(&[&source], waiting, &[], &place.context).unwrap();
        File::open(place.path("source/file")).unwrap();
        assert!(File::create(place.path("source/new")).is_err());
        place.nothing_else_works();
        assert!(is_connected());
    }

    #[test]
    fn a_pull_connects_and_reads_what_that_needs() {
        let Some(place) = Place::new() else { return };
        let request = Request {
            url: Url::parse("https://server/x.tar").unwrap(),
            local: Local::Pristine,
            form: Form::Tar,
            verify: Verify::No,
            trust: None,
            companions: Vec::new(),
            certificates: vec![place.path("source/file")],
            keep_download: false,
            network: Settings::default(),
            cache: None,
            target: Target {
                places: Places::new(
                    Class::Machine,
                    Some(Scope::System),
                    None,
                    &importd_api::class::UserBases::default(),
                )
                .unwrap(),
                direct: false,
                force: false,
                read_only: false,
                sync: true,
                subvolume: true,
                quota: false,
            },
        };
        let none = CapabilitySet::empty();
        let cache = Dir::create_all(&place.path("cache"), 0o700).unwrap();
        let folders = [Some(&place.root.folder), Some(&cache)];
        cage::enter_pull(folders, none, &request, &place.context).unwrap();
        File::create(place.path("cache/part")).unwrap();
        place.writes_images();
        File::open(place.path("source/file")).unwrap();
        place.nothing_else_works();
        assert!(is_connected());
    }
}
